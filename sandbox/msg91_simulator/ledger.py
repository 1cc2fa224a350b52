"""What was really sent: the record against which `never twice` is tested."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from threading import Lock
from typing import Final

from sandbox.msg91_simulator.calls import Sms

DUPLICATES_DROPPED_WITHIN: Final = timedelta(seconds=10)


@dataclass(frozen=True, slots=True)
class SentSms:
    request_id: str
    sms: Sms
    at: datetime


class Ledger:
    """Safe to use from several threads."""

    def __init__(self) -> None:
        self._entries: list[SentSms] = []
        self._asked: Counter[tuple[str, str]] = Counter()
        self._last_sent: dict[tuple[str, str], datetime] = {}
        self._lock = Lock()

    def enter(self, request_id: str, messages: Sequence[Sms]) -> list[SentSms]:
        """Enters what is sent; the same text to the same number within 10 s is dropped."""
        with self._lock:
            now = datetime.now(UTC)
            before = len(self._entries)
            for sms in messages:
                self._asked[sms.number, sms.text] += 1
                if not self._sent_just_now(sms, now):
                    self._entries.append(SentSms(request_id, sms, now))
                    self._last_sent[sms.number, sms.text] = now
            return self._entries[before:]

    def entries(self, number: str | None = None) -> list[SentSms]:
        with self._lock:
            return [entry for entry in self._entries if number in (None, entry.sms.number)]

    def asked(self) -> Counter[tuple[str, str]]:
        """How often each number and text was taken, what was then dropped included.

        MSG91 may hide a caller's mistake by dropping the second SMS. It is a mistake all the same.
        """
        with self._lock:
            return self._asked.copy()

    def clear(self) -> None:
        with self._lock:
            self._entries.clear()
            self._asked.clear()
            self._last_sent.clear()

    def _sent_just_now(self, sms: Sms, now: datetime) -> bool:
        last = self._last_sent.get((sms.number, sms.text))
        return last is not None and now - last < DUPLICATES_DROPPED_WITHIN
