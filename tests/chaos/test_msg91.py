"""Each failure of MSG91: the answer to Segment, the record, the number of SMS, and the answer to a retry."""

from collections.abc import Sequence
from typing import Final

import pytest

from sandbox.msg91_simulator import numbers
from sandbox.msg91_simulator.answers import ANSWERS
from sandbox.msg91_simulator.ledger import SentSms
from tests.chaos.conftest import NewEvent
from tests.chaos.invariants import Ledger
from tests.chaos.scenarios import AtMsg91
from tests.chaos.segment import Segment
from tests.chaos.webhook import Histories, Webhook
from tests.chaos.world import World

REJECTED: Final = (400, "rejected", 0, "duplicate")
HELD: Final = (503, "held", 0, "accepted")
RETRYABLE: Final = (503, "retryable", 0, "accepted")
THROTTLED: Final = (429, "retryable", 0, "accepted")
IN_DOUBT: Final = (200, "unknown", 0, "unknown")
IN_DOUBT_BUT_SENT: Final = (200, "unknown", 1, "unknown")


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        ("202", REJECTED),
        ("999", REJECTED),
        ("403", REJECTED),
        ("301", HELD),
        ("418-401", HELD),
        ("001", RETRYABLE),
        ("500", RETRYABLE),
        ("503", RETRYABLE),
        ("429", THROTTLED),
        ("reset", IN_DOUBT),
        ("reset-sent", IN_DOUBT_BUT_SENT),
        ("html", IN_DOUBT_BUT_SENT),
        ("empty", IN_DOUBT_BUT_SENT),
        ("cut-off", IN_DOUBT_BUT_SENT),
        ("silent", IN_DOUBT_BUT_SENT),
    ],
)
def test_an_answer_of_msg91_decides_status_record_sms_and_retry(
    world: World, segment: Segment, new_event: NewEvent, answer: str, expected: tuple[int, str, int, str]
) -> None:
    event = new_event()
    world.simulator.interceptor = AtMsg91(ANSWERS[answer])
    http_status = segment.deliver([event])[0].http_status
    if answer == "silent":
        world.wait_until_idle()
        http_status = segment.deliver([event])[0].http_status
    state, sent = world.messages()[event.message_id]["send_state"], Ledger(world).sms_of(event)
    assert (http_status, state, sent, segment.deliver([event])[0].status) == expected
    assert Ledger(world).sms_of(event) <= 1


def test_a_request_that_msg91_resets_unread_is_in_doubt(world: World, segment: Segment, new_event: NewEvent) -> None:
    event = new_event()
    world.simulator.interceptor = AtMsg91(is_unread=True)
    assert [segment.deliver([event])[0].status for _ in range(2)] == ["unknown", "unknown"]
    assert Ledger(world).sms_of(event) == 0


def test_a_report_that_overtakes_msg91s_answer_finds_its_message(
    world: World, segment: Segment, webhook: Webhook, histories: Histories, new_event: NewEvent
) -> None:
    event = new_event()
    report_statuses = []

    def report(_: str, sent: Sequence[SentSms]) -> None:
        report_statuses.append(webhook.post(histories.named(sent[0], numbers.DELIVERED).posting))

    world.simulator.interceptor = AtMsg91(after_sending=report)
    assert segment.deliver([event])[0].status == "accepted"
    assert report_statuses == [200]
    message = world.messages()[event.message_id]
    assert (message["send_state"], message["delivery_status"]) == ("accepted", "delivered")
