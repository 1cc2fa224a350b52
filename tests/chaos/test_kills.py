"""SIGKILL of the functions, at every step of an event and of a report."""

from collections import Counter

import pytest

from sandbox.msg91_simulator import numbers
from sandbox.msg91_simulator.answers import Answer, Ending
from tests.chaos.aws_faults import Kill, Site
from tests.chaos.conftest import NewEvent
from tests.chaos.invariants import Ledger
from tests.chaos.scenarios import AtAws, AtMsg91
from tests.chaos.segment import Segment, Tracked
from tests.chaos.webhook import Histories, Webhook
from tests.chaos.world import World

KILLED = 500
"""API Gateway's status for a function that was killed."""


def _sms_of(world: World, event: Tracked) -> int:
    return Ledger(world).sms_of(event)


def _statuses(segment: Segment, *events: Tracked) -> Counter[str | None]:
    return Counter(answer.status for answer in segment.deliver(events))


def test_killed_before_the_claim_an_event_is_sent_by_the_next_delivery(
    world: World, segment: Segment, new_event: NewEvent
) -> None:
    event = new_event()
    world.aws.interceptor = AtAws(Site.CLAIM, Kill(world, executed=False))
    assert segment.deliver([event])[0].http_status == KILLED
    assert _statuses(segment, event) == {"accepted": 1}
    assert _sms_of(world, event) == 1


def test_killed_between_claim_and_send_an_event_is_in_doubt_and_not_sent(
    world: World, segment: Segment, new_event: NewEvent
) -> None:
    event = new_event()
    world.aws.interceptor = AtAws(Site.CLAIM, Kill(world, executed=True))
    assert segment.deliver([event])[0].http_status == KILLED
    assert _statuses(segment, event) == {"in_flight": 1}
    world.expire_leases()
    assert _statuses(segment, event) == {"unknown": 1}
    assert _sms_of(world, event) == 0


def test_killed_between_the_guard_rails_and_the_send_an_event_is_in_doubt_and_not_sent(
    world: World, segment: Segment, new_event: NewEvent
) -> None:
    event = new_event()
    world.aws.interceptor = AtAws(Site.GUARD, Kill(world, executed=True))
    assert segment.deliver([event])[0].http_status == KILLED
    world.expire_leases()
    assert _statuses(segment, event) == {"unknown": 1}
    assert _sms_of(world, event) == 0


def test_killed_while_msg91_works_an_event_is_in_doubt_until_its_report_arrives(
    world: World, segment: Segment, webhook: Webhook, histories: Histories, new_event: NewEvent
) -> None:
    event = new_event()
    world.simulator.interceptor = AtMsg91(
        Answer(sends=True, ending=Ending.RESET), after_sending=lambda caller, _: world.kill(caller)
    )
    assert segment.deliver([event])[0].http_status == KILLED
    assert _statuses(segment, event) == {"in_flight": 1}
    world.expire_leases()
    assert _statuses(segment, event) == {"unknown": 1}
    (sent,) = world.simulator.ledger.entries(event.phone)
    assert webhook.post(histories.named(sent, numbers.DELIVERED).posting) == 200
    assert _statuses(segment, event) == {"duplicate": 1}
    assert _sms_of(world, event) == 1


def test_killed_before_msg91_has_sent_it_an_event_is_in_doubt_as_well(
    world: World, segment: Segment, new_event: NewEvent
) -> None:
    event = new_event()
    world.simulator.interceptor = AtMsg91(Answer(ending=Ending.RESET), before_sending=world.kill)
    assert segment.deliver([event])[0].http_status == KILLED
    world.simulator.interceptor = None
    assert _statuses(segment, event) == {"in_flight": 1}
    world.expire_leases()
    assert _statuses(segment, event) == {"unknown": 1}
    assert _sms_of(world, event) == 0


def test_killed_after_msg91s_answer_an_event_is_in_doubt_and_not_sent_again(
    world: World, segment: Segment, new_event: NewEvent
) -> None:
    event = new_event()
    world.aws.interceptor = AtAws(Site.SETTLE, Kill(world, executed=False))
    assert segment.deliver([event])[0].http_status == KILLED
    assert _statuses(segment, event) == {"in_flight": 1}
    world.expire_leases()
    assert _statuses(segment, event) == {"unknown": 1}
    assert _sms_of(world, event) == 1


def test_killed_during_settle_an_event_is_a_duplicate_of_what_was_accepted(
    world: World, segment: Segment, new_event: NewEvent
) -> None:
    event = new_event()
    world.aws.interceptor = AtAws(Site.SETTLE, Kill(world, executed=True))
    assert segment.deliver([event])[0].http_status == KILLED
    assert _statuses(segment, event) == {"duplicate": 1}
    assert world.messages()[event.message_id]["send_state"] == "accepted"
    assert _sms_of(world, event) == 1


def test_killed_in_the_middle_of_a_batch_what_was_not_claimed_is_sent_by_the_next_delivery(
    world: World, segment: Segment, new_event: NewEvent
) -> None:
    batch = [new_event() for _ in range(120)]  # a transaction has a hundred
    world.aws.interceptor = AtAws(Site.CLAIM, Kill(world, executed=False), passing=1)
    assert segment.deliver(batch)[0].http_status == KILLED
    assert _statuses(segment, *batch) == {"in_flight": 100, "accepted": 20}
    world.expire_leases()
    assert _statuses(segment, *batch) == {"unknown": 100, "duplicate": 20}
    assert Counter(Ledger(world).sms_of(event) for event in batch) == {0: 100, 1: 20}


def test_killed_in_the_middle_of_settling_a_batch_nothing_is_sent_again(
    world: World, segment: Segment, new_event: NewEvent
) -> None:
    batch = [new_event() for _ in range(120)]
    world.aws.interceptor = AtAws(Site.SETTLE, Kill(world, executed=True))
    assert segment.deliver(batch)[0].http_status == KILLED
    assert _statuses(segment, *batch) == {"duplicate": 100, "in_flight": 20}
    world.expire_leases()
    assert _statuses(segment, *batch) == {"duplicate": 100, "unknown": 20}
    assert Counter(Ledger(world).sms_of(event) for event in batch) == {1: 120}


@pytest.mark.parametrize(
    ("site", "executed"),
    [(Site.APPLY, False), (Site.APPLY, True), (Site.RECORD, False), (Site.RECORD, True)],
    ids=["before apply", "between apply and record", "before record", "after record"],
)
def test_a_report_whose_function_is_killed_is_not_acknowledged_and_counts_once(  # noqa: PLR0913, PLR0917  # fixtures
    world: World,
    segment: Segment,
    webhook: Webhook,
    histories: Histories,
    new_event: NewEvent,
    site: Site,
    executed: bool,  # noqa: FBT001  # a parameter of pytest's
) -> None:
    event = new_event()
    segment.deliver([event])
    report = histories.named(world.simulator.ledger.entries(event.phone)[0], numbers.DELIVERED)
    world.aws.interceptor = AtAws(site, Kill(world, executed=executed))
    assert webhook.post(report.posting) == KILLED
    assert webhook.post(report.posting) == 200
    assert world.messages()[event.message_id]["delivery_status"] == "delivered"
    assert [row["matched"] for row in world.reports() if row.get("phone") == event.phone] == [event.last.crqid]
