"""A clock for the code under test."""

from datetime import UTC, datetime, timedelta


class Clock:
    """A clock that moves only by `advance`."""

    def __init__(self) -> None:
        self.now = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)

    def __call__(self) -> datetime:
        return self.now

    def advance(self, **by: float) -> None:
        self.now += timedelta(**by)
