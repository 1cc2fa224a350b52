"""A bug fires an event again and again for one number, through several environments at once."""

from collections import Counter
from concurrent.futures import ThreadPoolExecutor

from sandbox.interception import LOSE_ANSWER, Refuse
from tests.chaos.aws_faults import Site
from tests.chaos.conftest import NewEvent
from tests.chaos.invariants import no_number_gets_more_than_its_cap
from tests.chaos.scenarios import AtAws
from tests.chaos.segment import HOT, Segment, Tracked, tracked
from tests.chaos.world import CAP, World


def _hot(new_event: NewEvent, count: int) -> list[Tracked]:
    first = new_event()
    return [tracked(f"{first.message_id}-{number}", first.phone, HOT) for number in range(count)]


def _sent(world: World, events: list[Tracked]) -> int:
    return len(world.simulator.ledger.entries(events[0].phone))


def test_a_loop_sends_as_many_sms_as_the_cap_and_records_the_others(
    world: World, segment: Segment, new_event: NewEvent
) -> None:
    events = _hot(new_event, 3 * CAP)
    with ThreadPoolExecutor(6) as pool:
        list(pool.map(lambda event: segment.deliver([event]), events[:CAP]))
        list(pool.map(segment.deliver, (events[CAP : 2 * CAP], events[2 * CAP :])))
    while any(not event.last.is_final for event in events):
        segment.deliver([event for event in events if not event.last.is_final])
    assert _sent(world, events) == CAP
    messages = world.messages()
    assert Counter(messages[event.message_id]["send_state"] for event in events) == {
        "accepted": CAP,
        "suppressed": 2 * CAP,
    }
    assert list(no_number_gets_more_than_its_cap(world.simulator.ledger, CAP)) == []


def test_while_the_table_of_the_numbers_is_away_nothing_is_sent(
    world: World, segment: Segment, new_event: NewEvent
) -> None:
    events = _hot(new_event, 4)
    world.aws.interceptor = AtAws(Site.GUARD, Refuse(400, "ResourceNotFoundException"), times=100)
    answers = [*segment.deliver(events[:1]), *segment.deliver(events)]
    assert {(answer.http_status, answer.status) for answer in answers} == {(503, "retry")}
    assert _sent(world, events) == 0
    world.aws.interceptor = None
    assert Counter(answer.status for answer in segment.deliver(events)) == {"accepted": 4}


def test_counts_whose_answers_are_lost_never_let_more_through(
    world: World, segment: Segment, new_event: NewEvent
) -> None:
    events = _hot(new_event, CAP + 5)
    world.aws.interceptor = AtAws(Site.GUARD, LOSE_ANSWER, times=10)
    for event in events:
        segment.deliver([event])
    world.aws.interceptor = None
    for _ in range(2):
        segment.deliver(events)
    assert all(event.last.is_final for event in events)
    assert _sent(world, events) <= CAP
