"""Segment delivers again: at once, later, in other batches, and while the first delivery is still running."""

from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import replace
from datetime import timedelta
from threading import Event

import pytest

from sandbox.msg91_simulator.answers import SUCCESS
from tests.chaos.chance import Tally
from tests.chaos.conftest import NewEvent
from tests.chaos.judge import Ledger
from tests.chaos.scenarios import AtMsg91
from tests.chaos.segment import HANGS_UP_AFTER, NO_SMS, Segment
from tests.chaos.world import World

pytestmark = pytest.mark.slow


def test_of_fifty_deliveries_at_once_one_is_accepted(world: World, segment: Segment, event: NewEvent) -> None:
    one, another_has_heard = event(), Event()

    def deliver(_: int) -> str | None:
        status = segment.deliver([one])[0].status
        another_has_heard.set()
        return status

    world.simulator.interceptor = AtMsg91(after_sending=lambda _, __: another_has_heard.wait(HANGS_UP_AFTER - 1))
    with ThreadPoolExecutor(50) as pool:
        told = Counter(pool.map(deliver, range(50)))
    assert told["accepted"] == 1
    assert told["in_flight"] >= 1
    assert told["accepted"] + told["in_flight"] + told["duplicate"] == 50
    assert Ledger(world).sms_of(one) == 1


def test_an_event_in_several_batches_at_once_is_sent_by_one_of_them(
    world: World, segment: Segment, event: NewEvent
) -> None:
    shared, batches = [event() for _ in range(3)], [[event() for _ in range(5)] for _ in range(6)]
    with ThreadPoolExecutor(6) as pool:
        list(pool.map(lambda batch: segment.deliver([*batch, *shared]), batches))
    ledger = Ledger(world)
    assert [ledger.sms_of(one) for one in shared] == [1, 1, 1]
    assert {ledger.sms_of(one) for batch in batches for one in batch} == {1}


def test_a_batch_whose_retry_holds_other_events_sends_only_those(
    world: World, segment: Segment, event: NewEvent
) -> None:
    first, second, third = event(), event(NO_SMS), event()
    segment.deliver([first, second])
    assert [answer.status for answer in segment.deliver([third, first, second])] == ["accepted", "duplicate", "skipped"]
    ledger = Ledger(world)
    assert [ledger.sms_of(one) for one in (first, second, third)] == [1, 0, 1]


def test_a_replay_a_month_later_sends_nothing(world: World, segment: Segment, event: NewEvent) -> None:
    one = event()
    segment.deliver([one])
    world.age(one.message_id, timedelta(days=31))
    assert segment.deliver([one], is_replay=True)[0].status == "duplicate"
    assert Ledger(world).sms_of(one) == 1


def test_when_segment_hangs_up_msg91s_late_success_is_kept_and_told_to_the_retry(
    world: World, segment: Segment, event: NewEvent
) -> None:
    one = event()
    world.simulator.interceptor = AtMsg91(replace(SUCCESS, delay=2))
    with closing(Segment(world.segment_url, Tally(), hangs_up_after=1)) as impatient:
        assert impatient.deliver([one])[0].http_status is None
        assert impatient.deliver([one])[0].status == "in_flight"
    world.wait_until_idle()
    assert segment.deliver([one])[0].status == "duplicate"
    assert world.messages()[one.message_id]["send_state"] == "accepted"
    assert Ledger(world).sms_of(one) == 1
