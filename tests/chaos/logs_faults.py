"""Faults of MSG91's logs, and kills of the function that reads them."""

from threading import Lock
from typing import Final

from sandbox.msg91_simulator.logs import FAULTS, Fault, LogsCall
from tests.chaos.seeded_random import Tally, seeded
from tests.chaos.world import World

_KILL: Final = "kill reconciliation: while it reads the logs"
_FAULTS: Final = (
    *("401", "503", "html", "cut-off", "reset", "error", "duration"),
    *("empty-page", "endless-token", "records"),
)


class LogsFaults:
    """Makes each call to the logs fail, in a way of its own, until there is no other way: the logs' interceptor."""

    def __init__(self, world: World, seed: str, tally: Tally) -> None:
        self.planned = {_KILL, *(f"logs: {name}" for name in _FAULTS)}
        self._world = world
        self._left = sorted(self.planned)
        seeded(seed, "logs").shuffle(self._left)
        self._tally = tally
        self._lock = Lock()

    def __call__(self, call: LogsCall) -> Fault | None:
        with self._lock:
            name = self._left.pop() if self._left else None
        if name is None:
            return None
        self._tally.add(name)
        if name == _KILL:
            self._world.kill(call.caller)
            return FAULTS["reset"]
        return FAULTS[name.removeprefix("logs: ")]
