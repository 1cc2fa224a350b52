"""A depth-first search through every interleaving. Equal states are searched once; schedules are counted by sums."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final, NamedTuple, Protocol

from tests.interleavings.replay import KILLED, Point, Request, end
from tests.interleavings.world import EMPTY_WORLD, World, Worlds

# The values of an expression that say what a call is about.
_TOLD: Final = (":set_send_state", ":set_delivery_status", ":request_id", ":shard")


class State(NamedTuple):
    """Everything that the future depends on."""

    instant: int
    points: tuple[Point | None, ...]
    """Where each process is; None: not started."""
    world: World
    faults: int
    """How many faults may still happen."""
    last_ended: Point | None
    """The delivery that ended last."""


class Step(NamedTuple):
    """What happened between two states."""

    process: int | None
    """None: time passed."""
    request: Request | None
    """None: the process started, or was killed."""
    fault: str


@dataclass(frozen=True, slots=True)
class Process:
    """One of the processes that run at the same time."""

    name: str
    start: Callable[[State, datetime], Point | None]
    """Starts it; None: it cannot start now."""
    is_delivery: bool = False


class Checks(Protocol):
    """What must hold. Each raises AssertionError."""

    def check_step(self, before: State, after: State) -> None: ...

    def check_quiet(self, state: State) -> None:
        """Check a state in which no process is running."""


class BrokenPromiseError(AssertionError):
    """A schedule in which a promise does not hold. The text has its steps."""


@dataclass(frozen=True, slots=True)
class Explored:
    """How much was explored. A schedule is a path from the start to a state from which nothing more can happen."""

    schedules: int
    states: int
    steps: int
    calls: int
    """The different pairs of a call and what it was made on."""


@dataclass(slots=True, kw_only=True)
class Exploration:
    """Takes every step from every state."""

    processes: Sequence[Process] = field(repr=False)
    instants: Sequence[datetime]
    """When something may happen. Time passes from one to the next at any moment."""
    faults: int
    worlds: Worlds = field(repr=False)
    checks: Checks = field(repr=False)
    _steps: int = 0
    _schedules: dict[State, int] = field(repr=False, default_factory=dict)
    _path: list[Step] = field(repr=False, default_factory=list)

    def run(self) -> Explored:
        """Explore everything. Raises BrokenPromiseError with the first schedule that breaks a promise."""
        start = State(0, (None,) * len(self.processes), EMPTY_WORLD, self.faults, None)
        try:
            schedules = self._explore(start)
        except AssertionError as error:
            raise BrokenPromiseError(f"{error}, after:\n{self._described()}") from error
        return Explored(schedules, len(self._schedules), self._steps, len(self.worlds.store.performed))

    def _explore(self, state: State) -> int:
        """Return the number of schedules from a state."""
        known = self._schedules.get(state)
        if known is not None:
            return known
        if not self._running(state):
            self.checks.check_quiet(state)
        schedules = 0
        for step, following in self._following(state):
            self._steps += 1
            self._path.append(step)
            self.checks.check_step(state, following)
            schedules += self._explore(following)
            self._path.pop()
        self._schedules[state] = schedules or 1
        return self._schedules[state]

    def _following(self, state: State) -> Iterator[tuple[Step, State]]:
        now = self.instants[state.instant]
        for index, point in enumerate(state.points):
            if point is None:
                if started := self.processes[index].start(state, now):
                    yield Step(index, None, ""), self._moved(state, index, started)
            elif point.request:
                yield from self._calls(state, index, point)
        if state.instant + 1 < len(self.instants):
            yield from self._later(state)

    def _calls(self, state: State, index: int, point: Point) -> Iterator[tuple[Step, State]]:
        """End the next call of a process in each way, or kill the process before it."""
        now = self.instants[state.instant]
        for fault, answer, world in self.worlds.endings(point, state.world, now):
            if fault and not state.faults:
                return
            moved = self._moved(state, index, point.after(answer, now))
            yield Step(index, point.request, fault), moved._replace(world=world, faults=state.faults - bool(fault))
        if state.faults:
            killed = self._moved(state, index, end(point.name, KILLED))
            yield Step(index, None, KILLED), killed._replace(faults=state.faults - 1)

    def _later(self, state: State) -> Iterator[tuple[Step, State]]:
        """Let time pass. Lambda stops what is running then. That one is only frozen, for the first time, is a fault."""
        running = self._running(state)
        later = state._replace(instant=state.instant + 1, world=state.world.later())
        yield Step(None, None, ""), self._stopped(later, running)
        if state.faults and state.instant == 0:
            for frozen in running:
                stopped = self._stopped(later, [index for index in running if index != frozen])
                yield Step(frozen, None, "frozen, while time passes"), stopped._replace(faults=state.faults - 1)

    def _running(self, state: State) -> list[int]:
        return [index for index, point in enumerate(state.points) if point and point.request]

    def _stopped(self, state: State, indexes: Sequence[int]) -> State:
        for index in indexes:
            state = self._moved(state, index, end(self.processes[index].name, KILLED))
        return state

    def _moved(self, state: State, index: int, point: Point) -> State:
        points = (*state.points[:index], point, *state.points[index + 1 :])
        if self.processes[index].is_delivery and point.request is None:
            return state._replace(points=points, last_ended=point)
        return state._replace(points=points)

    def _described(self) -> str:
        return "\n".join(f"{number:3}. {self._describe(step)}" for number, step in enumerate(self._path, 1))

    def _describe(self, step: Step) -> str:
        if step.process is None:
            return "time passes"
        name = self.processes[step.process].name
        if step.request is None:
            return f"{name}: {step.fault or 'starts'}"
        return f"{name}: {describe(step.request)}" + (f" [{step.fault}]" if step.fault else "")


def describe(request: Request) -> str:
    """Say what a call is about, in a line."""
    arguments = request.read()
    if request.service in ("msg91", "logs"):
        return f"{request.service} {arguments['url'].partition('?')[0]}"
    values = arguments.get("ExpressionAttributeValues", {})
    told = [f"{name} {next(iter(values[name].values()))}" for name in _TOLD if name in values]
    return " ".join([request.operation, arguments.get("TableName", ""), *told]).rstrip()
