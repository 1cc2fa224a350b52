"""Chance that can be repeated, and the count of what it brought."""

from collections import Counter
from collections.abc import Callable, Mapping
from random import Random
from threading import Lock
from typing import Final

PATIENT: Final = 2
"""Tries to deal: what is left, and a full deck."""


def dice(*purpose: object) -> Random:
    """Chance of its own for each purpose, the same at every run with the same seed."""
    return Random(" ".join(map(str, purpose)))  # noqa: S311  # to be repeated, not to be secret


class Tally:
    """How often each thing happened. Safe to use from several threads."""

    def __init__(self) -> None:
        self._counts: Counter[str] = Counter()
        self._lock = Lock()

    def add(self, what: str, times: int = 1) -> None:
        with self._lock:
            self._counts[what] += times

    def counts(self) -> Counter[str]:
        with self._lock:
            return self._counts.copy()


class Deck[Card]:
    """Deals cards in random order, each as often as it is in the deck before any comes again.

    So a run of some length has met everything that was planned for it. Safe to use from several threads.
    """

    def __init__(self, copies: Mapping[Card, int], random: Random) -> None:
        self.cards = Counter(copies)
        self._random = random
        self._left: list[Card] = []
        self._lock = Lock()

    def deal(self, fits: Callable[[Card], bool] = lambda _: True) -> Card | None:
        """The next card that fits the occasion; None when the deck has no such card."""
        with self._lock:
            for _ in range(PATIENT):
                for position, card in enumerate(self._left):
                    if fits(card):
                        return self._left.pop(position)
                self._fill_up()
            return None

    def _fill_up(self) -> None:
        """What still waits for its occasion stays in front."""
        missing = list((self.cards - Counter(self._left)).elements())
        self._random.shuffle(missing)
        self._left += missing
