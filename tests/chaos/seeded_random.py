"""Repeatable randomness, and counts of what happened."""

from collections import Counter
from collections.abc import Callable, Mapping
from random import Random
from threading import Lock
from typing import Final

_PASSES: Final = 2
"""Passes over the faults: what is left, then a full plan."""


def seeded(*purpose: object) -> Random:
    """Return a generator for one purpose; the same seed gives the same numbers in every run."""
    return Random(" ".join(map(str, purpose)))  # noqa: S311  # repeatable, not secret


class Tally:
    """Counts how often each thing happened. Thread-safe."""

    def __init__(self) -> None:
        self._counts: Counter[str] = Counter()
        self._lock = Lock()

    def add(self, what: str, times: int = 1) -> None:
        with self._lock:
            self._counts[what] += times

    def counts(self) -> Counter[str]:
        with self._lock:
            return self._counts.copy()


class FaultPlan[Fault]:
    """Gives faults in random order: all copies of every fault before any is repeated.

    So a long enough run injects every planned fault. Thread-safe.
    """

    def __init__(self, copies: Mapping[Fault, int], random: Random) -> None:
        self.faults = Counter(copies)
        self._random = random
        self._left: list[Fault] = []
        self._lock = Lock()

    def next_fault(self, fits: Callable[[Fault], bool] = lambda _: True) -> Fault | None:
        """Return the next fault that fits; None if the plan has no such fault."""
        with self._lock:
            for _ in range(_PASSES):
                for position, fault in enumerate(self._left):
                    if fits(fault):
                        return self._left.pop(position)
                self._fill_up()
            return None

    def _fill_up(self) -> None:
        """Faults that have not fitted yet stay in front."""
        missing = list((self.faults - Counter(self._left)).elements())
        self._random.shuffle(missing)
        self._left += missing
