"""The circuit breaker: when MSG91 refuses the account or does not answer, it is not called for every event.

One for each execution environment, in memory: Powertools' circuit breaker would add a DynamoDB read to every event.
"""

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from threading import Lock
from typing import Final

from segment_msg91.msg91.failures import Category


class FailureKind(StrEnum):
    """Why the circuit opens."""

    REFUSED = "refused"  # the balance, the authkey, the IP whitelist
    UNANSWERED = "unanswered"  # time-outs, refused connections


# After this many failures in a row for the same reason, the circuit opens. A refusal may be one message's own; a call
# without an answer takes ten seconds of the account's concurrency, and may leave a message in doubt.
FAILURE_THRESHOLD: Final = {FailureKind.REFUSED: 5, FailureKind.UNANSWERED: 3}
# For this long, events are answered without a call. Then one call is let through: it closes the circuit, or opens it
# again.
OPEN_FOR: Final = {FailureKind.REFUSED: timedelta(seconds=5), FailureKind.UNANSWERED: timedelta(seconds=20)}


@dataclass(frozen=True, slots=True)
class OpenReason:
    """The failure of the last calls, which the next call would meet as well."""

    kind: FailureKind
    code: str | None
    reason: str | None = field(repr=False)
    category: Category | None = None
    quotes_msg91: bool = False
    """Whether `reason` has MSG91's words."""

    @property
    def open_for(self) -> timedelta:
        """How long the circuit stays open before MSG91 is called again."""
        return OPEN_FOR[self.kind]

    def is_like(self, other: "OpenReason") -> bool:
        """Whether both have the same cause; calls without an answer are all alike."""
        return self.kind is other.kind and (self.kind is FailureKind.UNANSWERED or self.code == other.code)


class CircuitBreaker:
    """Counts failures that every message would meet. Safe to use from several threads."""

    def __init__(self) -> None:
        self._last: OpenReason | None = None
        self._count = 0
        self._at: datetime | None = None
        self._probing_since: datetime | None = None
        self._lock = Lock()

    def record(self, failure: OpenReason | None, now: datetime) -> None:
        """Record what a call met; None for any outcome that concerns its own message only, which closes the circuit."""
        with self._lock:
            is_same = failure and self._last and failure.is_like(self._last)
            self._count = self._count + 1 if is_same else 1
            self._last, self._at, self._probing_since = failure, now, None

    def open_reason(self, now: datetime) -> OpenReason | None:
        """Return why MSG91 must not be called now; None when it may."""
        with self._lock:
            return self._open_reason(now)

    def admit(self, now: datetime) -> OpenReason | None:
        """As `open_reason`, for a call that follows at once: while one call probes an open circuit, no other may."""
        with self._lock:
            reason = self._open_reason(now)
            if reason is None and self._is_over_threshold():
                self._probing_since = now
            return reason

    def _open_reason(self, now: datetime) -> OpenReason | None:
        if not self._last or not self._at or not self._is_over_threshold():
            return None
        since = self._probing_since or self._at
        return self._last if now - since < self._last.open_for else None

    def _is_over_threshold(self) -> bool:
        return self._last is not None and self._count >= FAILURE_THRESHOLD[self._last.kind]
