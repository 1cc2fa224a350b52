"""Lambda's freezes between events, while MSG91 or its load balancer closes idle connections."""

import time
from collections import Counter
from typing import Final

from sandbox.msg91_simulator.server import ConnectionEnd
from tests.chaos.environments import Environment
from tests.chaos.seeded_random import FaultPlan, Tally, seeded
from tests.chaos.world import INGEST, World

MIN_FREEZE: Final = 1.2
"""Seconds. A connection that died within the last second looks like a live one; Lambda does not thaw sooner."""
_BETWEEN_FREEZES: Final = 2.0


class Freezes:
    """Freezes environments between events, while MSG91 closes their connections."""

    def __init__(self, world: World, seed: str, max_seconds: float, tally: Tally) -> None:
        self._fleet = world.fleets[INGEST]
        self._random = seeded(seed, "freezes")
        self._plan = FaultPlan(Counter(list(ConnectionEnd)), self._random)
        self._max_seconds = max_seconds
        self._tally = tally

    @property
    def planned(self) -> set[str]:
        return {f"freeze: {connection_end.value}" for connection_end in ConnectionEnd}

    def work(self, _thread: int) -> bool:
        with self._fleet.idle_environment() as environment:
            if not environment or not environment.msg91.is_connected:
                return False
            connection_end = self._plan.next_fault() or ConnectionEnd.CLOSED
            freeze(environment, min(self._max_seconds, MIN_FREEZE + self._random.expovariate(1)), connection_end)
        self._tally.add(f"freeze: {connection_end.value}")
        time.sleep(_BETWEEN_FREEZES)
        return True


def freeze(environment: Environment, seconds: float, connection_end: ConnectionEnd | None) -> None:
    """Freeze an idle environment; its connections end in that time."""
    environment.emulator.freeze()
    if connection_end:
        environment.msg91.end_connections(connection_end)
    time.sleep(seconds)
    environment.emulator.thaw()
