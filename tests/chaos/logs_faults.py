"""Faults of MSG91's logs, and kills of the function that reads them."""

from collections import Counter
from typing import Final

from sandbox.msg91_simulator.logs import FAULTS, Fault, LogsCall
from tests.chaos.seeded_random import FaultPlan, Tally, seeded
from tests.chaos.world import World

_KILL: Final = "kill reconciliation: while it reads the logs"
_FAULTS: Final = (
    *("401", "503", "html", "cut-off", "reset", "error", "duration"),
    *("empty-page", "endless-token", "records"),
)


class LogsFaults:
    """Makes the share `rate` of the calls to the logs fail: the interceptor of the logs."""

    def __init__(self, world: World, seed: str, rate: float, tally: Tally) -> None:
        self._world = world
        self._rate = rate
        self._random = seeded(seed, "logs")
        self._plan = FaultPlan(Counter([_KILL, *(f"logs: {name}" for name in _FAULTS)]), seeded(seed, "logs' faults"))
        self._tally = tally

    @property
    def planned(self) -> set[str]:
        return set(self._plan.faults)

    def __call__(self, call: LogsCall) -> Fault | None:
        self._tally.add("calls to the logs")
        name = self._plan.next_fault() if self._random.random() < self._rate else None
        if name is None:
            return None
        self._tally.add(name)
        if name == _KILL:
            self._world.kill(call.caller)
            return FAULTS["reset"]
        return FAULTS[name.removeprefix("logs: ")]
