"""Changes of messages to Segment: in order, with retries, and with undeliverable records dead-lettered."""

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Final

import httpx
import pytest

from sandbox.segment_simulator.tracking_api import LOST, UNAVAILABLE, Answer
from segment_msg91.settings import EventSettings
from segment_msg91.store.queues import DeadLetters
from segment_msg91.use_cases.delivery_events import Publication, Publisher

if TYPE_CHECKING:
    from tests.fakes.aws import Aws
    from tests.fakes.clock import Clock
    from tests.fakes.segment import FakeSegment

type Record = dict[str, Any]
type Publish = Callable[..., Publication]

WRITE_KEY: Final = "sandbox-segment-write-key"
BAD_REQUEST: Final = Answer(400)


def throttled(seconds: int) -> Answer:
    return Answer(429, headers={"Retry-After": str(seconds)})


def record(number: int, **attributes: str) -> Record:
    """A change of one message: accepted."""
    image = {"crqid": f"c{number}", "user_id": f"user-{number}", "send_state": "sending", "phone": "919800000001"}
    after = image | {"send_state": "accepted", "settled_at": "2026-01-02T03:04:05.000Z"} | attributes
    return {
        "dynamodb": {
            "ApproximateCreationDateTime": 1767323045.0,
            "OldImage": {name: {"S": value} for name, value in image.items()},
            "NewImage": {name: {"S": value} for name, value in after.items() if value},
            "SequenceNumber": str(number),
        }
    }


UNDELIVERABLE: Final = record(0) | {"dynamodb": {"SequenceNumber": "0", "NewImage": {"crqid": "not in wire form"}}}


@dataclass
class Sleeper:
    """Sleeps by setting the clock."""

    clock: "Clock"
    slept: list[float] = field(default_factory=list)

    def __call__(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.clock.advance(seconds=seconds)


@pytest.fixture
def sleeper(clock: "Clock") -> Sleeper:
    return Sleeper(clock)


@pytest.fixture
def publish(aws: "Aws", segment: "FakeSegment", clock: "Clock", sleeper: Sleeper) -> Publish:
    dead_letters = DeadLetters(lambda: aws.sqs, EventSettings.load().dead_letter_queue_url)
    publisher = Publisher(segment.client(), dead_letters, clock, sleeper)

    def publish(*records: Record, seconds: float = 29) -> Publication:
        return publisher.publish(records, WRITE_KEY, clock() + timedelta(seconds=seconds))

    return publish


def sent(segment: "FakeSegment") -> list[str]:
    """Return the messages whose events Segment has accepted, in that order."""
    return [event["messageId"].partition("-")[0] for event in segment.received()]


def dead_lettered(aws: "Aws") -> list[Record]:
    return [json.loads(event["Records"][0]["body"]) for event in aws.queued("DeliveryEventsDeadLetterQueue")]


def test_the_events_of_all_records_go_out_in_their_order_in_one_batch(publish: Publish, segment: "FakeSegment") -> None:
    publication = publish(record(1), record(2), record(3, delivery_status="delivered"))
    assert (publication.checkpoint, publication.sent) == (3, 4)
    assert sent(segment) == ["c1", "c2", "c3", "c3"]
    assert len(segment.requests) == 1


def test_a_change_that_is_no_event_makes_no_call_to_segment(publish: Publish, segment: "FakeSegment") -> None:
    assert publish(record(1, send_state="held")).checkpoint == 1
    assert segment.requests == []


def test_a_record_without_a_user_is_skipped_and_counted(publish: Publish, segment: "FakeSegment") -> None:
    publication = publish(record(1), record(2, user_id=""), record(3))
    assert (publication.checkpoint, publication.sent, publication.skipped) == (3, 2, 1)
    assert sent(segment) == ["c1", "c3"]


@pytest.mark.parametrize("answer", [Answer(500), UNAVAILABLE, Answer(429), Answer(401), LOST], ids=str)
def test_a_batch_that_segment_does_not_take_is_sent_again(
    publish: Publish, segment: "FakeSegment", sleeper: Sleeper, answer: Answer
) -> None:
    segment.fail(answer, answer)
    assert publish(record(1), record(2)).checkpoint == 2
    assert list(segment.events()) == ["c1-sms-sent", "c2-sms-sent"]
    assert sleeper.slept == [1, 2]


@pytest.mark.parametrize("error", [httpx.ConnectError("refused"), httpx.ReadTimeout("silent")], ids=repr)
def test_a_batch_without_an_answer_is_sent_again(publish: Publish, segment: "FakeSegment", error: Exception) -> None:
    segment.errors.append(error)
    assert publish(record(1)).checkpoint == 1
    assert sent(segment) == ["c1"]


def test_segment_is_not_called_again_before_its_retry_after(
    publish: Publish, segment: "FakeSegment", sleeper: Sleeper
) -> None:
    segment.fail(throttled(7))
    assert publish(record(1)).checkpoint == 1
    assert sleeper.slept == [7]


def test_a_pause_longer_than_the_invocation_is_kept_by_the_next(
    publish: Publish, segment: "FakeSegment", sleeper: Sleeper, clock: "Clock"
) -> None:
    segment.fail(throttled(60))
    assert publish(record(1), record(2)).checkpoint == 0
    assert publish(record(1), record(2)).checkpoint == 0
    assert len(segment.requests) == 1
    clock.advance(seconds=60 - sum(sleeper.slept))
    assert publish(record(1), record(2)).checkpoint == 2


def test_while_segment_wants_a_pause_lambda_does_not_invoke_in_a_tight_loop(
    publish: Publish, segment: "FakeSegment", sleeper: Sleeper
) -> None:
    segment.fail(throttled(600))
    invocations = 0
    while publish(record(1)).checkpoint == 0:
        invocations += 1
    assert invocations <= 600 / 25
    assert all(seconds <= 26 for seconds in sleeper.slept)


def test_no_retry_after_delays_events_for_days(publish: Publish, segment: "FakeSegment", clock: "Clock") -> None:
    segment.fail(throttled(999_999))
    assert publish(record(1)).checkpoint == 0
    clock.advance(minutes=10)
    assert publish(record(1)).checkpoint == 1


def test_records_that_are_not_accepted_in_time_are_returned_from_the_first_on(
    publish: Publish, segment: "FakeSegment"
) -> None:
    segment.fail(*[UNAVAILABLE] * 20)
    publication = publish(record(1), record(2))
    assert (publication.checkpoint, publication.sent) == (0, 0)
    assert publication.problems == ["Segment: HTTP 503"]
    assert 2 <= len(segment.requests) <= 5


def test_segment_is_not_called_when_no_time_is_left_for_an_answer(publish: Publish, segment: "FakeSegment") -> None:
    assert publish(record(1), seconds=5).checkpoint == 0
    assert segment.requests == []


@pytest.fixture
def large_records() -> list[Record]:
    """More events than a batch can hold."""
    return [record(number, message_id="x" * 30_000) for number in range(1, 21)]


def test_more_than_a_batch_goes_out_in_several(
    publish: Publish, segment: "FakeSegment", large_records: list[Record]
) -> None:
    assert publish(*large_records).checkpoint == 20
    assert sent(segment) == [f"c{number}" for number in range(1, 21)]
    assert (len(segment.requests), segment.violations()) == (2, [])


def test_of_several_batches_only_what_was_not_accepted_is_returned(
    publish: Publish, segment: "FakeSegment", large_records: list[Record]
) -> None:
    segment.fail(Answer(takes=True), *[UNAVAILABLE] * 20)
    publication = publish(*large_records)
    assert publication.checkpoint == publication.sent == len(sent(segment)) == 16


def test_an_event_too_large_for_segment_is_dead_lettered(publish: Publish, segment: "FakeSegment", aws: "Aws") -> None:
    large = record(2, message_id="x" * 32_000)
    publication = publish(record(1), large, record(3))
    assert (publication.checkpoint, publication.sent, publication.dead_lettered) == (3, 2, 1)
    assert (sent(segment), dead_lettered(aws)) == (["c1", "c3"], [large])


@pytest.mark.parametrize(
    "undeliverable",
    [
        UNDELIVERABLE,
        {},
        {"dynamodb": {}},
        {"dynamodb": None},
        record(2, delivery_status="strange"),
        record(2, crqid=""),
    ],
    ids=["no wire form", "no change", "no time", "null", "an unknown status", "no key"],
)
def test_a_record_that_cannot_be_read_is_dead_lettered_unchanged(
    publish: Publish, segment: "FakeSegment", aws: "Aws", undeliverable: Record
) -> None:
    publication = publish(record(1), undeliverable, record(3))
    assert (publication.checkpoint, publication.dead_lettered) == (3, 1)
    assert (sent(segment), dead_lettered(aws)) == (["c1", "c3"], [undeliverable])


def test_an_event_that_segment_refuses_is_found_and_dead_lettered(
    publish: Publish, segment: "FakeSegment", aws: "Aws"
) -> None:
    refused = record(3, settled_at="0001-01-01T00:00:00.000Z", crqid="c" * 120)
    publication = publish(record(1), record(2), refused, record(4), record(5))
    assert (publication.checkpoint, publication.sent, publication.dead_lettered) == (5, 4, 1)
    assert (sent(segment), dead_lettered(aws)) == (["c1", "c2", "c4", "c5"], [refused])


def test_a_batch_that_is_refused_once_is_sent_singly_and_nothing_is_dead_lettered(
    publish: Publish, segment: "FakeSegment", aws: "Aws"
) -> None:
    segment.fail(BAD_REQUEST)
    assert publish(record(1), record(2)).checkpoint == 2
    assert (sent(segment), dead_lettered(aws)) == (["c1", "c2"], [])


def test_returned_records_are_not_dead_lettered_yet(publish: Publish, segment: "FakeSegment", aws: "Aws") -> None:
    segment.fail(*[UNAVAILABLE] * 20)
    publication = publish(record(1), UNDELIVERABLE)
    assert (publication.checkpoint, publication.dead_lettered, dead_lettered(aws)) == (0, 0, [])


def test_a_record_that_cannot_be_dead_lettered_is_returned_with_all_after_it(
    publish: Publish, segment: "FakeSegment", aws: "Aws"
) -> None:
    aws.delete_queue("DeliveryEventsDeadLetterQueue")
    publication = publish(record(1), UNDELIVERABLE, record(3))
    assert (publication.checkpoint, publication.dead_lettered) == (1, 0)
    assert sent(segment) == ["c1", "c3"]


def test_a_dead_lettered_record_has_its_reason_without_the_data(publish: Publish, aws: "Aws") -> None:
    publish(record(2, delivery_status="919800000001"))
    (event,) = aws.queued("DeliveryEventsDeadLetterQueue")
    assert event["Records"][0]["messageAttributes"]["reason"]["stringValue"] == "unexpected ValueError"
