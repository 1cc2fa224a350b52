"""The function behind the messages table's stream, as Lambda calls it and reads its answer."""

import json
from collections.abc import Iterator
from copy import deepcopy
from typing import TYPE_CHECKING, Any, Final

import pytest

from functions.delivery_events import app
from sandbox.aws import SECRET
from sandbox.segment_simulator.tracking_api import Answer
from sandbox.template import PATH
from segment_msg91.handler import logger
from segment_msg91.use_cases.delivery_events import Publisher

if TYPE_CHECKING:
    from tests.fakes.aws import Aws
    from tests.fakes.msg91 import FakeMsg91
    from tests.fakes.segment import FakeSegment
    from tests.handlers.conftest import Endpoint, Invoke, Output

STREAM: Final[dict[str, Any]] = json.loads((PATH.parent / "events" / "stream.json").read_text(encoding="utf-8"))
NUMBERS: Final = [record["dynamodb"]["SequenceNumber"] for record in STREAM["Records"]]
DONE: Final[dict[str, Any]] = {"batchItemFailures": []}
PHONE: Final = "919800000065"


@pytest.fixture(autouse=True)
def _most_talkative() -> Iterator[None]:
    logger.setLevel("DEBUG")
    yield
    logger.setLevel("INFO")


def again_from(number: str) -> dict[str, Any]:
    return {"batchItemFailures": [{"itemIdentifier": number}]}


@pytest.fixture
def no_patience(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the function give back at once what Segment does not take, instead of at the end of its time."""
    monkeypatch.setattr("segment_msg91.use_cases.delivery_events._SECONDS_TO_GIVE_BACK", 29)


@pytest.fixture
def stream() -> dict[str, Any]:
    """A copy of the sample event."""
    return deepcopy(STREAM)


def test_what_segment_took_is_done(publish: "Invoke", segment: "FakeSegment") -> None:
    assert publish(STREAM) == DONE
    assert list(segment.events()) == [
        "d62041548b8c4b0d863cbbab6362ecac-sms-sent",
        "d62041548b8c4b0d863cbbab6362ecac-sms-delivered",
    ]
    assert segment.violations() == []


@pytest.mark.usefixtures("no_patience")
def test_what_segment_did_not_take_is_given_back(publish: "Invoke", segment: "FakeSegment") -> None:
    segment.fail(Answer(429, headers={"Retry-After": "300"}))
    assert publish(STREAM) == again_from(NUMBERS[0])


def test_records_before_the_first_that_failed_are_done(publish: "Invoke", aws: "Aws", stream: dict[str, Any]) -> None:
    del stream["Records"][1]["dynamodb"]["ApproximateCreationDateTime"]
    aws.delete_queue("DeliveryEventsDeadLetterQueue")
    assert publish(stream) == again_from(NUMBERS[1])


def test_an_undeliverable_record_is_dead_lettered_and_does_not_block_others(
    publish: "Invoke", segment: "FakeSegment", aws: "Aws", stream: dict[str, Any]
) -> None:
    undeliverable = stream["Records"][0]
    del undeliverable["dynamodb"]["ApproximateCreationDateTime"]
    assert publish(stream) == DONE
    assert [event["event"] for event in segment.received()] == ["SMS Delivered"]
    (kept,) = aws.queued("DeliveryEventsDeadLetterQueue")
    assert json.loads(kept["Records"][0]["body"]) == undeliverable


def test_a_dead_lettered_record_can_be_redriven(
    publish: "Invoke", segment: "FakeSegment", aws: "Aws", stream: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as bug:
        bug.setattr("segment_msg91.use_cases.delivery_events.track_events", lambda *_: 1 / 0)
        assert publish(stream) == DONE
    kept = aws.queued("DeliveryEventsDeadLetterQueue")
    records = [json.loads(record["body"]) for event in kept for record in event["Records"]]
    assert publish({"Records": records}) == DONE
    assert {event["event"] for event in segment.received()} == {"SMS Sent", "SMS Delivered"}


@pytest.mark.parametrize("secret", [None, "no JSON", '"no object"'])
def test_while_the_secret_cannot_be_read_every_record_is_returned(
    publish: "Invoke", segment: "FakeSegment", aws: "Aws", secret: str | None
) -> None:
    aws.set_secret(secret)
    assert publish(STREAM) == again_from(NUMBERS[0])
    assert segment.requests == []


@pytest.mark.parametrize("key", [None, "", " ", []])
def test_without_a_write_key_nothing_is_sent_or_kept(
    publish: "Invoke", segment: "FakeSegment", aws: "Aws", output: "Output", key: object
) -> None:
    aws.set_secret(json.dumps(SECRET | {"segment_write_key": key}))
    assert publish(STREAM) == DONE
    assert segment.requests == []
    assert [emf["DeliveryEventSkipped"] for emf in output.metrics("DeliveryEventSkipped")] == [[2.0]]


def test_an_unexpected_error_returns_every_record_and_logs_no_data(
    publish: "Invoke", output: "Output", monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise RuntimeError(PHONE)

    monkeypatch.setattr(Publisher, "publish", fail)
    assert publish(STREAM) == again_from(NUMBERS[0])
    assert (PHONE in output.text, "RuntimeError" in output.text) == (False, True)


@pytest.mark.usefixtures("no_patience")
def test_the_outcomes_of_events_are_counted(
    publish: "Invoke", segment: "FakeSegment", output: "Output", stream: dict[str, Any]
) -> None:
    accepted, delivered = stream["Records"]
    publish({"Records": [delivered]})
    undeliverable, without_user = deepcopy(accepted), deepcopy(accepted)
    del undeliverable["dynamodb"]["ApproximateCreationDateTime"]
    del without_user["dynamodb"]["NewImage"]["user_id"]
    publish({"Records": [accepted, undeliverable, without_user]})
    segment.fail(Answer(429, headers={"Retry-After": "300"}))
    publish(stream)
    names = ("DeliveryEventSent", "DeliveryEventFailed", "DeliveryEventSkipped", "DeliveryEventRetry")
    assert [sum(sum(emf[name]) for emf in output.metrics(name)) for name in names] == [2, 1, 1, 2]


@pytest.mark.usefixtures("no_patience")
@pytest.mark.parametrize(
    "answer", [Answer(200, takes=True), Answer(400), Answer(500), Answer(429, headers={"Retry-After": "300"})], ids=str
)
def test_events_leave_no_trace_of_their_person_in_the_logs(
    publish: "Invoke",
    segment: "FakeSegment",
    output: "Output",
    monkeypatch: pytest.MonkeyPatch,
    answer: Answer,
) -> None:
    monkeypatch.setattr("segment_msg91.use_cases.delivery_events._INITIAL_BACKOFF", 300)
    segment.fail(*[answer] * 3)
    publish(STREAM)
    assert "delivery events" in [line["message"] for line in output.logs()]
    person = (PHONE, PHONE[2:], "sandbox-user-1", SECRET["segment_write_key"])
    assert [secret for secret in person if secret in output.text] == []


def test_events_that_are_routed_back_to_us_send_no_sms(
    publish: "Invoke", segment: "FakeSegment", ingest: "Endpoint", msg91: "FakeMsg91"
) -> None:
    publish(STREAM)
    events = segment.received()
    answer = ingest(events)
    assert {(result["status"], result["reason"]) for result in answer.body["results"]} == {
        ("skipped", "context.integration: this event came from us")
    }
    assert msg91.sent == []


def test_events_that_are_routed_back_with_a_phone_and_a_text_send_no_sms_either(
    publish: "Invoke", segment: "FakeSegment", ingest: "Endpoint", msg91: "FakeMsg91"
) -> None:
    """Add members, as a mapping in Segment may."""
    publish(STREAM)
    sms = {"phone": PHONE, "message": "Your SMS was delivered", "senderID": "MSGIND"}
    answer = ingest([{**event, "properties": {**event["properties"], **sms}} for event in segment.received()])
    assert {result["status"] for result in answer.body["results"]} == {"skipped"}
    assert msg91.sent == []


def test_the_way_from_the_environment_to_segment_is_wired(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SEGMENT_TRACKING_URL", "https://events.eu1.segmentapis.com")
    urls: list[str] = []
    monkeypatch.setattr(app, "Tracking", urls.append)
    app.wiring.cache_clear()
    app.wiring()
    app.wiring.cache_clear()
    assert urls == ["https://events.eu1.segmentapis.com"]
