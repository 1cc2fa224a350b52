"""The reconciliation is killed midway, runs twice at once, cannot read the logs, and is overtaken by a late report."""

from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import pytest

from sandbox.lambda_runtime import FunctionError
from sandbox.msg91_simulator import numbers
from sandbox.msg91_simulator.answers import ANSWERS
from sandbox.msg91_simulator.logs import FAULTS, Fault, LogsCall
from tests.chaos.aws_faults import Kill, Site
from tests.chaos.conftest import NewEvent
from tests.chaos.scenarios import AtAws, AtMsg91
from tests.chaos.segment import Segment, Tracked
from tests.chaos.webhook import Histories, Webhook
from tests.chaos.world import World


@pytest.fixture(scope="module", autouse=True)
def _nothing_waits(_world: World) -> None:
    """Give the messages of other tests their end, so that a run has those of its test only."""
    _world.expire_leases()
    _world.reconcile()


@pytest.fixture(autouse=True)
def _forgetful(world: World) -> None:
    """Start environments that remember no query of the tests before: MSG91 may cache an answer for minutes."""
    world.kill_reconciliation()


@dataclass(frozen=True, slots=True)
class Sent:
    """Events of each kind, without a webhook's report."""

    lost: Sequence[Tracked]
    """Delivered by the logs; the answer to the last one was lost."""
    dropped: Sequence[Tracked]
    never: Sequence[Tracked]
    """In doubt, and not sent."""

    @property
    def all(self) -> Sequence[Tracked]:
        return [*self.lost, *self.dropped, *self.never]


@pytest.fixture
def sent(world: World, segment: Segment, new_event: NewEvent) -> Sent:
    def deliver(answer: str | None) -> Tracked:
        event = new_event()
        world.simulator.interceptor = AtMsg91(ANSWERS[answer] if answer else None)
        segment.deliver([event])
        return event

    kinds = [
        [deliver(answer) for answer in answers]
        for answers in ([None] * 3 + ["cut-off"], ["dropped"] * 3, ["reset"] * 2)
    ]
    return Sent(*kinds)


def _ends(world: World, events: Sequence[Tracked]) -> list[tuple[object, ...]]:
    messages = world.messages()
    return [
        tuple(messages[event.message_id].get(name) for name in ("send_state", "delivery_status")) for event in events
    ]


def _expect_ends(world: World, sent: Sent) -> None:
    messages = world.messages()
    assert _ends(world, sent.lost) == [("accepted", "delivered")] * 4
    assert _ends(world, sent.dropped) == [("accepted", "unreported")] * 3
    assert _ends(world, sent.never) == [("unknown", "not_sent")] * 2
    assert not any("awaiting_report" in messages[event.message_id] for event in sent.all)
    rows = Counter(row["matched"] for row in world.reports() if row.get("webhook_version") == "logs")
    assert [rows[messages[event.message_id]["crqid"]] for event in sent.all] == [1] * 4 + [0] * 5
    (answer_lost,) = world.simulator.ledger.entries(sent.lost[-1].phone)
    assert messages[sent.lost[-1].message_id]["request_id"] == answer_lost.request_id


@pytest.mark.parametrize(
    ("site", "executed", "passing"),
    [
        (Site.FIND, True, 0),
        (Site.APPLY, False, 0),
        (Site.APPLY, True, 0),
        (Site.APPLY, True, 2),
        (Site.RECORD, False, 0),
        (Site.RECORD, True, 0),
        (Site.APPLY, False, 6),
        (Site.APPLY, True, 6),
    ],
    ids=[
        "while it looks for messages",
        "before its first write",
        "after its first write",
        "after some writes",
        "before a record",
        "between record and apply",
        "before a conclusion",
        "after a conclusion",
    ],
)
def test_killed_midway_the_next_run_gives_every_message_the_same_end(
    world: World,
    sent: Sent,
    site: Site,
    executed: bool,  # noqa: FBT001  # a parameter of pytest's
    passing: int,
) -> None:
    world.aws.interceptor = injected = AtAws(site, Kill(world, executed=executed), passing)
    with pytest.raises(FunctionError):
        world.reconcile()
    assert injected.injected == 1

    assert world.reconcile()["remaining"] == 0
    _expect_ends(world, sent)


def test_killed_while_it_reads_the_logs_the_next_run_reads_them(world: World, sent: Sent) -> None:
    def kill(call: LogsCall) -> Fault | None:
        world.kill(call.caller)
        return FAULTS["reset"]

    world.simulator.logs.interceptor = kill
    with pytest.raises(FunctionError):
        world.reconcile()
    world.simulator.logs.interceptor = None

    assert world.reconcile()["remaining"] == 0
    _expect_ends(world, sent)


def test_two_runs_at_once_have_the_result_of_one(world: World, sent: Sent) -> None:
    with ThreadPoolExecutor(2) as pool:
        counts = list(pool.map(lambda _: world.reconcile(), range(2)))

    assert all(count["remaining"] == 0 for count in counts)
    _expect_ends(world, sent)
    assert {name: sum(count[name] for count in counts) for name in ("settled", "unreported", "not_sent")} == {
        "settled": 1,
        "unreported": 3,
        "not_sent": 2,
    }


@pytest.mark.parametrize("fault", ["401", "418", "404", "503", "html", "empty", "error", "duration", "empty-page"])
def test_nothing_is_concluded_from_logs_that_cannot_be_read(world: World, sent: Sent, fault: str) -> None:
    world.simulator.logs.interceptor = lambda _: FAULTS[fault]
    counts = world.reconcile()
    world.simulator.logs.interceptor = None

    assert (counts["unreported"], counts["not_sent"], counts["remaining"]) == (0, 0, counts["overdue"])
    assert (
        _ends(world, sent.all)
        == [("accepted", None)] * 3 + [("unknown", None)] + [("accepted", None)] * 3 + [("unknown", None)] * 2
    )
    assert world.reconcile()["remaining"] == 0
    _expect_ends(world, sent)


def test_a_late_report_wins_over_unreported(
    world: World, segment: Segment, webhook: Webhook, histories: Histories, new_event: NewEvent
) -> None:
    event = new_event()
    world.simulator.history = lambda _: []  # pending in the logs
    segment.deliver([event])
    (sms,) = world.simulator.ledger.entries(event.phone)
    world.reconcile()
    assert _ends(world, [event]) == [("accepted", "unreported")]

    assert webhook.post(histories.named(sms, numbers.DELIVERED).posting) == 200

    assert _ends(world, [event]) == [("accepted", "delivered")]
    message = world.messages()[event.message_id]
    assert not {"delivery_conflict", "failure_category", "concluded_at"} & message.keys()
    world.wait_until_events_are_sent()
    told = [one["event"] for one in world.tracking.received() if one["properties"]["message_id"] == event.message_id]
    assert list(dict.fromkeys(told)) == ["SMS Sent", "SMS Undelivered", "SMS Delivered"]


def test_a_pending_report_after_unreported_makes_the_message_wait_again(
    world: World, segment: Segment, webhook: Webhook, histories: Histories, new_event: NewEvent
) -> None:
    event = new_event()
    world.simulator.history = lambda _: []
    segment.deliver([event])
    (sms,) = world.simulator.ledger.entries(event.phone)
    world.reconcile()

    assert webhook.post(histories.named(sms, numbers.PENDING_BEFORE).posting) == 200
    assert _ends(world, [event]) == [("accepted", "pending")]
    assert "awaiting_report" in world.messages()[event.message_id]

    world.reconcile()
    assert _ends(world, [event]) == [("accepted", "unreported")]
