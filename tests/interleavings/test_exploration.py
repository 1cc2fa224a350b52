"""The search itself, on small programs: it takes every path, counts them, and shows one that breaks a promise."""

from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from itertools import count
from typing import Final

import pytest

from segment_msg91.store.aws import AWS_ERRORS
from tests.interleavings.contents import rows
from tests.interleavings.exploration import BrokenPromiseError, Exploration, Process, State
from tests.interleavings.msg91 import Msg91
from tests.interleavings.replay import Calls, NotDeterministicError, Point, Program
from tests.interleavings.world import Worlds

NOW: Final = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
MESSAGE: Final = {"TableName": "MessagesTable", "Key": {"crqid": {"S": "Crqid1"}}}
LATER: Final = NOW + timedelta(minutes=1)


class NoPromise:
    """Nothing to check."""

    def check_step(self, before: State, after: State) -> None:
        pass

    def check_quiet(self, state: State) -> None:
        pass


class Collected(NoPromise):
    """Collects how the processes have ended together."""

    def __init__(self) -> None:
        self.ends: set[tuple[object, ...]] = set()

    def check_quiet(self, state: State) -> None:
        self.ends.add(tuple(point.ended for point in state.points if point))


class BothAreCounted(NoPromise):
    """Two additions of one make two."""

    def check_quiet(self, state: State) -> None:
        if all(state.points):
            (item,) = rows(state.world.contents, "MessagesTable")
            assert item["attempts"] == 2


def _exploration(
    *programs: Program, faults: int = 0, instants: Sequence[datetime] = (NOW,), checks: NoPromise | None = None
) -> Exploration:
    def process(name: str, program: Program) -> Process:
        points: dict[datetime, Point] = {}
        return Process(name, lambda _, at: points.setdefault(at, Point.start(name, program, at)))

    processes = [process(f"process {number}", program) for number, program in enumerate(programs)]
    return Exploration(
        processes=processes, instants=instants, faults=faults, worlds=Worlds(Msg91()), checks=checks or NoPromise()
    )


def _writes(times: int) -> Program:
    """Make a program that writes so many times, and ends with the errors that it got."""

    def run(calls: Calls) -> tuple[str, ...]:
        return tuple(filter(None, (_error(lambda: _set(calls, "attempts = :one")) for _ in range(times))))

    return run


def _error(call: Callable[[], object]) -> str:
    try:
        call()
    except AWS_ERRORS as error:
        return type(error).__name__
    return ""


def _set(calls: Calls, assignment: str, **values: int) -> None:
    arguments = {
        **MESSAGE,
        "UpdateExpression": f"SET {assignment}",
        "ExpressionAttributeValues": {f":{name}": {"N": str(value)} for name, value in ({"one": 1} | values).items()},
    }
    calls.call("dynamodb", "update_item", arguments)


def _read_then_add(calls: Calls) -> None:
    item = calls.call("dynamodb", "get_item", MESSAGE).get("Item", {"attempts": {"N": "0"}})
    _set(calls, "attempts = :sum", sum=int(item["attempts"]["N"]) + 1)


def _add(calls: Calls) -> None:
    _set(calls, "attempts = if_not_exists(attempts, :zero) + :one", zero=0)


def test_each_order_of_the_steps_is_one_schedule() -> None:
    explored = _exploration(_writes(2), _writes(2)).run()
    assert explored.schedules == 20  # six steps, three of each: it starts, and writes twice
    assert explored.states == 16  # four points of each


@pytest.mark.parametrize(("faults", "schedules"), [(0, 1), (1, 1 + 2 * 6), (2, 1 + 2 * 6 + 5 * 6)])
def test_each_fault_of_each_call_is_one_schedule(faults: int, schedules: int) -> None:
    """Refused, lost before, lost after, repeated, in conflict, or killed: then it makes no second call."""
    assert _exploration(_writes(2), faults=faults).run().schedules == schedules


def test_a_process_goes_on_with_the_errors_that_it_got() -> None:
    collected = Collected()
    _exploration(_writes(1), faults=1, checks=collected).run()
    assert collected.ends == {(), ((),), (("ClientError",),), (("ReadTimeoutError",),), ("killed",)}


def test_time_kills_what_is_running_unless_it_is_frozen() -> None:
    def tell_the_time(calls: Calls) -> tuple[datetime, datetime]:
        started_at = calls.clock()
        _error(lambda: _add(calls))
        return started_at, calls.clock()

    ends = []
    for faults in (0, 1):
        collected = Collected()
        _exploration(tell_the_time, faults=faults, instants=(NOW, LATER), checks=collected).run()
        ends.append(collected.ends)
    assert ends[0] == {(), ((NOW, NOW),), ((LATER, LATER),), ("killed",)}
    assert ends[1] == ends[0] | {((NOW, LATER),)}


def test_an_interleaving_that_breaks_a_promise_is_shown() -> None:
    with pytest.raises(BrokenPromiseError) as broken:
        _exploration(_read_then_add, _read_then_add, checks=BothAreCounted()).run()
    steps = str(broken.value).splitlines()[1:]
    assert ["get_item" in step for step in steps] == [False, True, False, True, False, False]
    assert "process 1: update_item MessagesTable" in steps[-1]


def test_a_promise_that_holds_in_each_interleaving_is_not_broken() -> None:
    assert _exploration(_add, _add, checks=BothAreCounted()).run().schedules == 6


def test_a_program_that_does_not_follow_from_its_answers_is_refused() -> None:
    numbers = count()

    def surprise(calls: Calls) -> None:
        _set(calls, "attempts = :next", next=next(numbers))
        _add(calls)

    with pytest.raises(NotDeterministicError):
        _exploration(surprise).run()
