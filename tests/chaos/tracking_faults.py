"""Faults of Segment's Tracking API, and kills of the function that calls it."""

from collections import Counter
from typing import TYPE_CHECKING, Final

from sandbox.segment_simulator.tracking_api import LOST, THROTTLED, UNAVAILABLE, Answer
from tests.chaos.seeded_random import FaultPlan, Tally, seeded
from tests.chaos.world import World

if TYPE_CHECKING:
    from collections.abc import Callable

_KILL: Final = "kill events: "


class TrackingFaults:
    """Makes the share `rate` of requests to Segment fail: the interceptor of the tracking API."""

    def __init__(self, world: World, seed: str, rate: float, tally: Tally) -> None:
        self._faults: dict[str, Callable[[], Answer]] = {
            "tracking: too many requests": lambda: THROTTLED,
            "tracking: unavailable": lambda: UNAVAILABLE,
            "tracking: answer lost": lambda: LOST,
            f"{_KILL}before Segment accepted them": lambda: _kill(world, UNAVAILABLE),
            f"{_KILL}after Segment accepted them": lambda: _kill(world, LOST),
        }
        self._rate = rate
        self._random = seeded(seed, "tracking")
        self._plan = FaultPlan(Counter(list(self._faults)), self._random)
        self._tally = tally

    @property
    def planned(self) -> set[str]:
        return set(self._faults)

    def __call__(self) -> Answer | None:
        self._tally.add("requests to Segment")
        name = self._plan.next_fault() if self._random.random() < self._rate else None
        if name is None:
            return None
        self._tally.add(name)
        return self._faults[name]()


def _kill(world: World, answer: Answer) -> Answer:
    """The answer says whether the batch was accepted; no function is left to receive it."""
    world.kill_events_function()
    return answer
