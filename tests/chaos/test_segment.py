"""Segment repeats a delivery: at once, later, in other batches, and while the first one is still running."""

from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import replace
from datetime import timedelta
from threading import Event

from sandbox.msg91_simulator.answers import SUCCESS
from tests.chaos.conftest import NewEvent
from tests.chaos.invariants import Ledger
from tests.chaos.scenarios import AtMsg91
from tests.chaos.seeded_random import Tally
from tests.chaos.segment import NO_SMS, SEGMENT_TIMEOUT, Segment
from tests.chaos.world import World


def test_of_fifty_deliveries_at_once_one_is_accepted(world: World, segment: Segment, new_event: NewEvent) -> None:
    event, another_was_answered = new_event(), Event()

    def deliver(_: int) -> str | None:
        status = segment.deliver([event])[0].status
        another_was_answered.set()
        return status

    world.simulator.interceptor = AtMsg91(after_sending=lambda _, __: another_was_answered.wait(SEGMENT_TIMEOUT - 1))
    with ThreadPoolExecutor(50) as pool:
        answers = Counter(pool.map(deliver, range(50)))
    assert answers["accepted"] == 1
    assert answers["in_flight"] >= 1
    assert answers["accepted"] + answers["in_flight"] + answers["duplicate"] == 50
    assert Ledger(world).sms_of(event) == 1


def test_an_event_in_several_batches_at_once_is_sent_by_one_of_them(
    world: World, segment: Segment, new_event: NewEvent
) -> None:
    shared, batches = [new_event() for _ in range(3)], [[new_event() for _ in range(5)] for _ in range(6)]
    with ThreadPoolExecutor(6) as pool:
        list(pool.map(lambda batch: segment.deliver([*batch, *shared]), batches))
    ledger = Ledger(world)
    assert [ledger.sms_of(event) for event in shared] == [1, 1, 1]
    assert {ledger.sms_of(event) for batch in batches for event in batch} == {1}


def test_a_batch_whose_retry_holds_other_events_sends_only_those(
    world: World, segment: Segment, new_event: NewEvent
) -> None:
    first, second, third = new_event(), new_event(NO_SMS), new_event()
    segment.deliver([first, second])
    assert [answer.status for answer in segment.deliver([third, first, second])] == ["accepted", "duplicate", "skipped"]
    ledger = Ledger(world)
    assert [ledger.sms_of(event) for event in (first, second, third)] == [1, 0, 1]


def test_a_replay_a_month_later_sends_nothing(world: World, segment: Segment, new_event: NewEvent) -> None:
    event = new_event()
    segment.deliver([event])
    world.age(event.message_id, timedelta(days=31))
    assert segment.deliver([event], is_replay=True)[0].status == "duplicate"
    assert Ledger(world).sms_of(event) == 1


def test_when_segment_times_out_msg91s_late_success_is_kept_for_the_retry(
    world: World, segment: Segment, new_event: NewEvent
) -> None:
    event = new_event()
    world.simulator.interceptor = AtMsg91(replace(SUCCESS, delay=2))
    with closing(Segment(world.segment_url, Tally(), timeout=1)) as impatient:
        assert impatient.deliver([event])[0].http_status is None
        assert impatient.deliver([event])[0].status == "in_flight"
    world.wait_until_idle()
    assert segment.deliver([event])[0].status == "duplicate"
    assert world.messages()[event.message_id]["send_state"] == "accepted"
    assert Ledger(world).sms_of(event) == 1
