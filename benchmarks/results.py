"""What a measurement yields."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from benchmarks.measuring import Reading, WrongResultError

MEGABYTE: Final = 1_000_000

type Say = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Result:
    what: str
    value: str
    against: str
    target: str
    is_met: bool | None = None
    """None: there is no target."""

    @property
    def verdict(self) -> str:
        return {True: "met", False: "not met", None: ""}[self.is_met]

    def said(self, say: Say) -> "Result":
        """Print it at once, because the whole takes minutes."""
        say(f"{self.what}: {self.value} ({self.against}); target {self.target or 'none'}: {self.verdict}")
        return self


def all_sent(reading: Reading, sms: int) -> Reading:
    """Raises WrongResultError if another number of SMS was sent."""
    if reading.sms != sms or set(reading.statuses) != {"200"}:
        answer = reading.last_answer.get("message")
        raise WrongResultError(f"{reading.sms} SMS instead of {sms}, {reading.statuses}: {answer}")
    return reading


def ms(seconds: float) -> str:
    return f"{1000 * seconds:.1f} ms"
