"""The events function killed or refused between the stream's records and Segment's answer."""

from collections import Counter
from collections.abc import Callable
from threading import Event as Signal

import pytest

from sandbox.interception import Refuse
from sandbox.msg91_simulator import numbers
from sandbox.segment_simulator.tracking_api import LOST, THROTTLED, UNAVAILABLE, Answer
from tests.chaos import judge
from tests.chaos.aws_faults import Site
from tests.chaos.conftest import NewEvent
from tests.chaos.scenarios import AtAws
from tests.chaos.segment import Segment, Tracked
from tests.chaos.webhook import Histories, Webhook
from tests.chaos.world import World

pytestmark = pytest.mark.slow

type Deliver = Callable[[], Tracked]
SENT_AND_DELIVERED = {"SMS Sent", "SMS Delivered"}


@pytest.fixture
def deliver(world: World, segment: Segment, webhook: Webhook, histories: Histories, event: NewEvent) -> Deliver:
    """Has an event's SMS accepted and delivered."""

    def deliver() -> Tracked:
        one = event()
        assert segment.deliver([one])[0].status == "accepted"
        (sent,) = world.simulator.ledger.entries(one.phone)
        assert webhook.post(histories.named(sent, numbers.DELIVERED).posting) == 200
        return one

    return deliver


def _times_told(world: World, *events: Tracked) -> Counter[str]:
    """How often Segment has taken each kind of delivery event, when all of the stream is handled and judged right."""
    world.wait_until_told()
    own = {event.message_id: world.messages()[event.message_id] for event in events}
    received = [one for one in world.tracking.received() if one["properties"]["message_id"] in own]
    assert list(judge.told_to_segment(own.values(), received)) == []
    assert world.tracking.violations() == []
    return Counter(one["event"] for one in received)


def _next(world: World, answer: Answer, meanwhile: Callable[[], object] = lambda: None) -> Signal:
    """Have the next request to Segment answered so, and something happen before; the signal tells that it was."""
    struck = Signal()

    def intercept() -> Answer | None:
        if struck.is_set():
            return None
        struck.set()
        meanwhile()
        return answer

    world.tracking.interceptor = intercept
    return struck


def test_killed_before_segment_took_them_events_are_sent_by_the_next_invocation(world: World, deliver: Deliver) -> None:
    struck = _next(world, UNAVAILABLE, world.kill_events)
    one = deliver()
    assert _times_told(world, one) == dict.fromkeys(SENT_AND_DELIVERED, 1)
    assert struck.is_set()


def test_killed_after_segment_took_them_events_are_sent_again_under_the_same_ids(
    world: World, deliver: Deliver
) -> None:
    struck = _next(world, LOST, world.kill_events)
    one = deliver()
    times = _times_told(world, one)
    assert (struck.is_set(), set(times)) == (True, SENT_AND_DELIVERED)
    assert max(times.values()) == 2


def test_an_answer_that_is_lost_repeats_events_under_the_same_ids(world: World, deliver: Deliver) -> None:
    struck = _next(world, LOST)
    one = deliver()
    assert max(_times_told(world, one).values()) == 2
    assert struck.is_set()


@pytest.mark.parametrize("answer", [THROTTLED, UNAVAILABLE], ids=["429", "503"])
def test_events_that_segment_does_not_take_now_are_told_later(world: World, deliver: Deliver, answer: Answer) -> None:
    struck = _next(world, answer)
    events = [deliver() for _ in range(5)]
    assert _times_told(world, *events) == dict.fromkeys(SENT_AND_DELIVERED, 5)
    assert struck.is_set()


def test_events_wait_while_the_secret_cannot_be_read(world: World, deliver: Deliver) -> None:
    world.kill_events()  # a new environment has not read the secret yet
    one = deliver()
    world.wait_until_told()
    world.kill_events()
    world.aws.interceptor = fault = AtAws(Site.SECRET, Refuse(500, "InternalServerError"), times=6)
    other = deliver()
    assert _times_told(world, one, other) == dict.fromkeys(SENT_AND_DELIVERED, 2)
    assert fault.struck == 6
