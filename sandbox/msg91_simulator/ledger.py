"""What was really sent. Tests use it to check that no SMS is sent twice."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from threading import Lock
from typing import Final

from sandbox.msg91_simulator.calls import Sms

DUPLICATE_WINDOW: Final = timedelta(seconds=10)


@dataclass(frozen=True, slots=True)
class SentSms:
    """An SMS that MSG91 has sent; in `Ledger.dropped`, one that it has accepted and not sent."""

    request_id: str
    sms: Sms
    at: datetime


class Ledger:
    """Thread-safe."""

    def __init__(self) -> None:
        self._entries: list[SentSms] = []
        self._dropped: list[SentSms] = []
        self._asked: Counter[tuple[str, str]] = Counter()
        self._last_sent: dict[tuple[str, str], datetime] = {}
        self._lock = Lock()

    def enter(self, request_id: str, messages: Sequence[Sms]) -> list[SentSms]:
        """Record what is sent; return the entries. The same text to the same number within 10 s is dropped."""
        with self._lock:
            now = datetime.now(UTC)
            before = len(self._entries)
            for sms in messages:
                self._asked[sms.number, sms.text] += 1
                if not self._sent_just_now(sms, now):
                    self._entries.append(SentSms(request_id, sms, now))
                    self._last_sent[sms.number, sms.text] = now
            return self._entries[before:]

    def drop(self, request_id: str, messages: Sequence[Sms]) -> None:
        """Record what is accepted and not sent."""
        with self._lock:
            now = datetime.now(UTC)
            self._asked.update((sms.number, sms.text) for sms in messages)
            self._dropped += [SentSms(request_id, sms, now) for sms in messages]

    def dropped(self) -> list[SentSms]:
        """Return what was accepted and not sent. It is not in `entries`."""
        with self._lock:
            return list(self._dropped)

    def entries(self, number: str | None = None) -> list[SentSms]:
        with self._lock:
            return [entry for entry in self._entries if number in (None, entry.sms.number)]

    def asked(self) -> Counter[tuple[str, str]]:
        """Count the requests by number and text, including those of duplicates and of `dropped`.

        MSG91 may hide a caller's mistake by dropping the second SMS, or the first, but it is still a mistake.
        """
        with self._lock:
            return self._asked.copy()

    def clear(self) -> None:
        with self._lock:
            self._entries.clear()
            self._dropped.clear()
            self._asked.clear()
            self._last_sent.clear()

    def _sent_just_now(self, sms: Sms, now: datetime) -> bool:
        last = self._last_sent.get((sms.number, sms.text))
        return last is not None and now - last < DUPLICATE_WINDOW
