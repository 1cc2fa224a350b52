"""What is around the processes: the tables, the queues and MSG91, and each way in which a call to them can end."""

from collections.abc import Hashable, Iterator
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Final, NamedTuple

from tests.interleavings.contents import EMPTY, UNANSWERED, Contents, refused
from tests.interleavings.msg91 import Msg91
from tests.interleavings.store import WRITES, Store

if TYPE_CHECKING:
    from tests.interleavings.msg91 import Ledger
    from tests.interleavings.replay import Answer, Point, Request


class World(NamedTuple):
    """All that processes share."""

    contents: Contents
    earlier: Contents
    """Before the last write: what an eventually consistent read may still see."""
    ledger: "Ledger"

    def written(self, contents: Contents) -> "World":
        return self if contents is self.contents else self._replace(contents=contents, earlier=self.contents)

    def later(self) -> "World":
        """Return the world after some time: every read sees the last write."""
        return self._replace(earlier=self.contents)


EMPTY_WORLD: Final = World(EMPTY, EMPTY, ())


class Ending(NamedTuple):
    """How a call ends, and the world after it."""

    fault: str
    """Empty: as usual."""
    answer: "Answer"
    world: World


@dataclass(slots=True)
class Worlds:
    """Knows what a call makes of a world."""

    msg91: Msg91
    store: Store = field(default_factory=Store)
    _known: dict[Hashable, list[Ending]] = field(default_factory=dict)

    def endings(self, point: "Point", world: World, at: datetime) -> list[Ending]:
        """Return how the next call of a process can end, the usual end first."""
        assert point.request, "it has ended"
        key = (point.request, world, point.name, at)
        known = self._known.get(key)
        if known is None:
            known = self._known[key] = list(self._endings(point.request, point.name, world, at))
        return known

    def undisturbed(self, point: "Point", world: World, at: datetime) -> tuple[World, Hashable]:
        """Run a process to its end, without another process or a fault; return the world after it, and how it ended."""
        while point.request:
            _, answer, world = self.endings(point, world, at)[0]
            point = point.after(answer, at)
        return world, point.ended

    def _endings(self, request: "Request", name: str, world: World, at: datetime) -> Iterator[Ending]:
        match request.service:
            case "msg91":
                for fault, answer, ledger in self.msg91.sending(request, world.ledger, f"request of {name}", at):
                    yield Ending(fault, answer, world._replace(ledger=ledger))
            case "logs":
                for fault, answer in self.msg91.reading_logs(request, world.ledger, at):
                    yield Ending(fault, answer, world)
            case _:
                yield from self._of_aws(request, world)

    def _of_aws(self, request: "Request", world: World) -> Iterator[Ending]:
        answer, contents = self.store.perform(world.contents, request)
        after = world.written(contents)
        yield Ending("", answer, after)
        yield Ending("refused", refused("ThrottlingException"), world)
        yield Ending("lost before", UNANSWERED, world)
        if request.operation in WRITES:
            yield Ending("lost after", UNANSWERED, after)
        if request.service != "dynamodb":
            return
        if request.operation in WRITES:
            repeated, contents = self.store.perform(contents, request)
            yield Ending("repeated by the SDK", repeated, after.written(contents))
            yield Ending("conflict", refused("TransactionConflictException"), world)
        elif not request.read().get("ConsistentRead"):
            stale, _ = self.store.perform(world.earlier, request)
            if stale is not answer:
                yield Ending("stale", stale, world)
