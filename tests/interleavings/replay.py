"""Real code as a process that is stepped call by call, without threads.

What such code does follows from the answers to its calls and from its clock. So it can be run anew from its start with
the answers that it has had, up to the first call that has no answer yet.
"""

import json
from collections.abc import Callable, Hashable
from dataclasses import dataclass, field
from datetime import datetime
from functools import cache
from typing import Any, Final, Protocol

KILLED: Final = "killed"


class Answer(Protocol):
    """How a call ends. Compared by identity."""

    def give(self) -> Any:  # noqa: ANN401 - what the library would return
        """Return the call's result, or raise its error."""


@dataclass(frozen=True, slots=True, eq=False)
class Request:
    """One call. Equal calls are the same object."""

    service: str
    operation: str
    arguments: str = field(repr=False)
    """JSON."""

    def read(self) -> Any:  # noqa: ANN401 - whatever JSON holds
        return json.loads(self.arguments)


@cache
def request_of(service: str, operation: str, arguments: str) -> Request:
    return Request(service, operation, arguments)


class NextCall(BaseException):
    """The code has come to a call that has no answer yet. No Exception, so that the code does not catch it."""

    def __init__(self, request: Request) -> None:
        super().__init__()
        self.request = request


class NotDeterministicError(Exception):
    """The same answers led to another call than before, so that nothing follows from an exploration."""


@dataclass(frozen=True, slots=True)
class Moment:
    """A call that has ended: what was answered, and when."""

    request: Request
    answer: Answer
    at: datetime


class Calls:
    """What a process reaches of the world during one run: its calls and its clock."""

    def __init__(self, name: str, started_at: datetime, moments: tuple[Moment, ...]) -> None:
        self.name = name
        self._now = started_at
        self._left = list(reversed(moments))

    def clock(self) -> datetime:
        """Return the time at which the last call was answered: between two calls no time passes."""
        return self._now

    def call(self, service: str, operation: str, arguments: object) -> Any:  # noqa: ANN401 - as Answer.give
        """Return what the call was answered. Raises NextCall if it has not been made yet."""
        request = request_of(service, operation, json.dumps(arguments, sort_keys=True))
        if not self._left:
            raise NextCall(request)
        moment = self._left.pop()
        if moment.request is not request:
            raise NotDeterministicError(f"{self.name}: {request} instead of {moment.request}")
        self._now = moment.at
        return moment.answer.give()


type Program = Callable[[Calls], Hashable]
"""Code under test; its result says how it ended."""


@dataclass(slots=True, eq=False)
class Point:
    """How far a process has come: before its next request, or at its end. Compared by identity."""

    name: str
    request: Request | None
    ended: Hashable
    moments: tuple[Moment, ...]
    _program: Program
    _started_at: datetime
    _following: dict[tuple[Answer, datetime], "Point"] = field(default_factory=dict)

    @classmethod
    def start(cls, name: str, program: Program, at: datetime) -> "Point":
        return _run(name, program, at, ())

    def after(self, answer: Answer, at: datetime) -> "Point":
        """Return where the process comes to if its next request is answered so."""
        known = self._following.get((answer, at))
        if known is None:
            assert self.request, "it has ended"
            moments = (*self.moments, Moment(self.request, answer, at))
            known = self._following[answer, at] = _run(self.name, self._program, self._started_at, moments)
        return known


@cache
def end(name: str, result: Hashable) -> Point:
    """Return the point at which a process has ended. Histories that end equally lead to the same point."""
    return Point(name, None, result, (), _ended, datetime.min)  # noqa: DTZ901 - never read


def _run(name: str, program: Program, started_at: datetime, moments: tuple[Moment, ...]) -> Point:
    calls = Calls(name, started_at, moments)
    try:
        result = program(calls)
    except NextCall as made:
        return Point(name, made.request, None, moments, program, started_at)
    return end(name, result)


def _ended(_: Calls) -> None:
    raise NotDeterministicError("a process that has ended makes no call")
