"""What Segment's Tracking API does to delivery events, and kills of the function that sends them."""

from collections import Counter
from typing import TYPE_CHECKING, Final

from sandbox.segment_simulator.tracking_api import LOST, THROTTLED, UNAVAILABLE, Answer
from tests.chaos.chance import Deck, Tally, dice
from tests.chaos.world import World

if TYPE_CHECKING:
    from collections.abc import Callable

_KILL: Final = "kill events: "


class TrackingFaults:
    """Makes requests to Segment fail: of all, the share `rate`. The interceptor of the tracking API."""

    def __init__(self, world: World, seed: str, rate: float, tally: Tally) -> None:
        self._faults: dict[str, Callable[[], Answer]] = {
            "tracking: too many requests": lambda: THROTTLED,
            "tracking: unavailable": lambda: UNAVAILABLE,
            "tracking: answer lost": lambda: LOST,
            f"{_KILL}before Segment took them": lambda: _kill(world, UNAVAILABLE),
            f"{_KILL}after Segment took them": lambda: _kill(world, LOST),
        }
        self._rate = rate
        self._random = dice(seed, "tracking")
        self._deck = Deck(Counter(list(self._faults)), self._random)
        self._tally = tally

    @property
    def planned(self) -> set[str]:
        return set(self._faults)

    def __call__(self) -> Answer | None:
        self._tally.add("requests to Segment")
        name = self._deck.deal() if self._random.random() < self._rate else None
        if name is None:
            return None
        self._tally.add(name)
        return self._faults[name]()


def _kill(world: World, answer: Answer) -> Answer:
    """The answer tells whether the batch was taken; nobody hears it any more."""
    world.kill_events()
    return answer
