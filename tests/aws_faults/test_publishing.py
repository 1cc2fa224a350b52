"""Each event at least once and no record lost under any fault of Secrets Manager and SQS in the events function."""

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, Final

import pytest

from tests.aws_faults.faults import FAULTS, LASTING, Fault, Site, injected

if TYPE_CHECKING:
    from tests.aws_faults.conftest import World
    from tests.fakes.events import Track

_FUNCTION: Final = "DeliveryEventsFunction"
SECRET: Final = Site(_FUNCTION, "GetSecretValue", "Secret")
SET_ASIDE: Final = Site(_FUNCTION, "SendMessage", "DeliveryEventsDeadLetterQueue")
UNDELIVERABLE: Final[dict[str, Any]] = {"dynamodb": {"SequenceNumber": "undeliverable"}}

EACH_FAULT: Final = pytest.mark.parametrize("fault", FAULTS.values(), ids=FAULTS.keys())
EACH_LASTING_FAULT: Final = pytest.mark.parametrize("fault", LASTING.values(), ids=LASTING.keys())


@pytest.fixture
def expected_ids(world: "World", track: "Track") -> list[str]:
    """Write two messages, one accepted and delivered, one refused; return the ids of their delivery events."""
    sent, refused = (track(f"91980000000{number}", f"message-{number}") | {"userId": "user-1"} for number in (1, 2))
    accepted = world.deliver(sent)
    world.msg91.refuses("203")
    rejected = world.deliver(refused)
    crqid, other = (reply.body["results"][0]["crqid"] for reply in (accepted, rejected))
    world.report({"number": "919800000001", "CRQID": crqid, "status": "1", "date": "2026-01-02 08:34:10"})
    return [f"{crqid}-sms-sent", f"{other}-sms-failed", f"{crqid}-sms-delivered"]


def _by_message(ids: Iterable[str]) -> list[str]:
    """Sort ids by message, each message's in their order: a stream keeps the order of one item's changes only."""
    return sorted(ids, key=lambda event_id: event_id.partition("-")[0])


def test_the_stream_of_what_the_functions_write_is_sent_to_segment(world: "World", expected_ids: list[str]) -> None:
    world.read_stream()
    assert _by_message(event["messageId"] for event in world.segment.received()) == _by_message(expected_ids)
    assert world.segment.violations() == []


@EACH_LASTING_FAULT
def test_nothing_is_sent_or_lost_while_the_secret_cannot_be_read(
    world: "World", expected_ids: list[str], fault: Fault
) -> None:
    with injected(world.aws, {SECRET: fault}):
        returned = world.publish({"dynamodb": {"SequenceNumber": "first"}}, UNDELIVERABLE)
    # If only the answer is late or lost, an SDK retry may still get it.
    assert returned == ["first"] or world.queued("DeliveryEventsDeadLetterQueue") == 2
    assert world.segment.received() == []
    world.read_stream()
    assert _by_message(world.segment.events()) == _by_message(expected_ids)


@EACH_FAULT
def test_an_undeliverable_record_is_in_the_queue_or_returned(
    world: "World", expected_ids: list[str], fault: Fault
) -> None:
    with injected(world.aws, {SET_ASIDE: fault}):
        returned = world.publish(UNDELIVERABLE)
    assert returned == ["undeliverable"] or world.queued("DeliveryEventsDeadLetterQueue")
    world.publish(*[UNDELIVERABLE] * len(returned))
    assert world.queued("DeliveryEventsDeadLetterQueue") >= 1
    world.read_stream()
    assert _by_message(world.segment.events()) == _by_message(expected_ids)
