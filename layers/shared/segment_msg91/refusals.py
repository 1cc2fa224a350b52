"""What MSG91 refuses everybody: an empty balance, a wrong key, an address that is not whitelisted."""

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from threading import Lock
from typing import Final

from segment_msg91.failures import Category

# When MSG91 refuses this many in a row for the same reason of the account's, it will refuse the next as well. For so
# long then nothing is asked of it or of the database. More than one, because a reason may be one message's own.
ENOUGH: Final = 5
REFUSED_FOR: Final = timedelta(seconds=5)


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why a message was held."""

    code: str | None
    reason: str | None = field(repr=False)
    category: Category | None = None


class Refusals:
    """Remembers, for a short while among the events of one environment, what is refused everybody."""

    def __init__(self) -> None:
        self._last: Refusal | None = None
        self._count = 0
        self._at: datetime | None = None
        self._lock = Lock()

    def note(self, refusal: Refusal | None, now: datetime) -> None:
        """Count refusals of one and the same code. Any other outcome (None) ends them."""
        with self._lock:
            is_same = refusal and self._last and refusal.code == self._last.code
            self._count = self._count + 1 if is_same else 1
            self._last, self._at = refusal, now

    def standing(self, now: datetime) -> Refusal | None:
        """Return what would be answered now; None when MSG91 should be asked."""
        if self._count < ENOUGH or self._at is None or now - self._at >= REFUSED_FOR:
            return None
        return self._last
