"""Kills and refusals of the events function between the stream's records and Segment's answer."""

from collections import Counter
from collections.abc import Callable
from threading import Event as Signal

import pytest

from sandbox.interception import Refuse
from sandbox.msg91_simulator import numbers
from sandbox.segment_simulator.tracking_api import LOST, THROTTLED, UNAVAILABLE, Answer
from tests.chaos import invariants
from tests.chaos.aws_faults import Site
from tests.chaos.conftest import NewEvent
from tests.chaos.scenarios import AtAws
from tests.chaos.segment import Segment, Tracked
from tests.chaos.webhook import Histories, Webhook
from tests.chaos.world import World

type Deliver = Callable[[], Tracked]
SENT_AND_DELIVERED = {"SMS Sent", "SMS Delivered"}


@pytest.fixture
def deliver(world: World, segment: Segment, webhook: Webhook, histories: Histories, new_event: NewEvent) -> Deliver:
    """Has an event's SMS accepted and delivered."""

    def deliver() -> Tracked:
        event = new_event()
        assert segment.deliver([event])[0].status == "accepted"
        (sent,) = world.simulator.ledger.entries(event.phone)
        assert webhook.post(histories.named(sent, numbers.DELIVERED).posting) == 200
        return event

    return deliver


def _times_sent(world: World, *events: Tracked) -> Counter[str]:
    """Wait for the end of the stream, check the invariants, and return how often Segment got each event name."""
    world.wait_until_events_are_sent()
    own = {event.message_id: world.messages()[event.message_id] for event in events}
    received = [event for event in world.tracking.received() if event["properties"]["message_id"] in own]
    assert list(invariants.delivery_events_match(own.values(), received)) == []
    assert world.tracking.violations() == []
    return Counter(event["event"] for event in received)


def _answer_next(world: World, answer: Answer, during_call: Callable[[], object] = lambda: None) -> Signal:
    """Give the next request to Segment this answer, after calling `during_call`; the signal is set then."""
    injected = Signal()

    def intercept() -> Answer | None:
        if injected.is_set():
            return None
        injected.set()
        during_call()
        return answer

    world.tracking.interceptor = intercept
    return injected


def test_killed_before_segment_accepted_them_events_are_sent_by_the_next_invocation(
    world: World, deliver: Deliver
) -> None:
    injected = _answer_next(world, UNAVAILABLE, world.kill_events_function)
    event = deliver()
    assert _times_sent(world, event) == dict.fromkeys(SENT_AND_DELIVERED, 1)
    assert injected.is_set()


def test_killed_after_segment_accepted_them_events_are_sent_again_under_the_same_ids(
    world: World, deliver: Deliver
) -> None:
    injected = _answer_next(world, LOST, world.kill_events_function)
    event = deliver()
    times = _times_sent(world, event)
    assert (injected.is_set(), set(times)) == (True, SENT_AND_DELIVERED)
    assert max(times.values()) == 2


def test_an_answer_that_is_lost_repeats_events_under_the_same_ids(world: World, deliver: Deliver) -> None:
    injected = _answer_next(world, LOST)
    event = deliver()
    assert max(_times_sent(world, event).values()) == 2
    assert injected.is_set()


@pytest.mark.parametrize("answer", [THROTTLED, UNAVAILABLE], ids=["429", "503"])
def test_events_that_segment_refuses_are_sent_later(world: World, deliver: Deliver, answer: Answer) -> None:
    injected = _answer_next(world, answer)
    events = [deliver() for _ in range(5)]
    assert _times_sent(world, *events) == dict.fromkeys(SENT_AND_DELIVERED, 5)
    assert injected.is_set()


def test_events_wait_while_the_secret_cannot_be_read(world: World, deliver: Deliver) -> None:
    world.kill_events_function()  # a new environment has not read the secret yet
    event = deliver()
    world.wait_until_events_are_sent()
    world.kill_events_function()
    world.aws.interceptor = fault = AtAws(Site.SECRET, Refuse(500, "InternalServerError"), times=6)
    other = deliver()
    assert _times_sent(world, event, other) == dict.fromkeys(SENT_AND_DELIVERED, 2)
    assert fault.injected == 6
