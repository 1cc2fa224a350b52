"""Lambda's freezes between events, while MSG91 or its load balancer lets the idle connections go."""

import time
from collections import Counter
from typing import Final

from sandbox.msg91_simulator.server import Farewell
from tests.chaos.chance import Deck, Tally, dice
from tests.chaos.environments import Environment
from tests.chaos.world import INGEST, World

SHORTEST_FREEZE: Final = 1.2
"""Seconds. A connection that died within the last second is not told from a living one; Lambda thaws no sooner."""
_BETWEEN_FREEZES: Final = 2.0


class Freezes:
    """Stops environments between events, while MSG91 lets their connections go."""

    def __init__(self, world: World, seed: str, longest: float, tally: Tally) -> None:
        self._fleet = world.fleets[INGEST]
        self._random = dice(seed, "freezes")
        self._deck = Deck(Counter(list(Farewell)), self._random)
        self._longest = longest
        self._tally = tally

    @property
    def planned(self) -> set[str]:
        return {f"freeze: {farewell.value}" for farewell in Farewell}

    def work(self, _thread: int) -> bool:
        with self._fleet.an_idle_one() as environment:
            if not environment or not environment.msg91.is_connected:
                return False
            farewell = self._deck.deal() or Farewell.CLOSED
            freeze(environment, min(self._longest, SHORTEST_FREEZE + self._random.expovariate(1)), farewell)
        self._tally.add(f"freeze: {farewell.value}")
        time.sleep(_BETWEEN_FREEZES)
        return True


def freeze(environment: Environment, seconds: float, farewell: Farewell | None) -> None:
    """Freeze an idle environment for so long; meanwhile its connections end."""
    environment.emulator.freeze()
    if farewell:
        environment.msg91.let_go(farewell)
    time.sleep(seconds)
    environment.emulator.thaw()
