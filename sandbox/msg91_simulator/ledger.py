"""What was really sent: the record against which `never twice` is tested."""

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
        self._lock = Lock()

    def enter(self, request_id: str, messages: list[Sms]) -> list[SentSms]:
        """Enters what is sent; the same text to the same number within 10 s is dropped."""
        with self._lock:
            now = datetime.now(UTC)
            before = len(self._entries)
            for sms in messages:
                if not self._sent_just_now(sms, now):
                    self._entries.append(SentSms(request_id, sms, now))
            return self._entries[before:]

    def entries(self, number: str | None = None) -> list[SentSms]:
        with self._lock:
            return [entry for entry in self._entries if number in (None, entry.sms.number)]

    def clear(self) -> None:
        with self._lock:
            self._entries.clear()

    def _sent_just_now(self, sms: Sms, now: datetime) -> bool:
        return any(
            (entry.sms.number, entry.sms.text) == (sms.number, sms.text)
            for entry in reversed(self._entries)
            if now - entry.at < DUPLICATES_DROPPED_WITHIN
        )
