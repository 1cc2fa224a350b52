import json
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest

from sandbox.aws import Aws
from sandbox.lambda_runtime import Event, FunctionError
from sandbox.samples import EVENTS
from sandbox.stream_source import StreamSource, polling_stream
from sandbox.template import Template

TEMPLATE = Template.load(parameters={"DeliveryEvents": "on"})
EVERYTHING: dict[str, Any] = {}
(TEMPLATES_TRIGGER,) = TEMPLATE.stream_triggers()
TRIGGER = replace(TEMPLATES_TRIGGER, patterns=(EVERYTHING,), batch_size=4)


@pytest.fixture
def aws(embedded: Aws) -> Aws:
    return embedded


@pytest.fixture(autouse=True)
def _no_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sandbox.stream_source.POLL_INTERVAL", 0)


class Function:
    """Handles records in order, up to one that fails the given number of times."""

    def __init__(self, **failures: int) -> None:
        self.batches: list[list[str]] = []
        self.events: list[Event] = []
        self._failures = failures

    def __call__(self, event: Event) -> object:
        self.events.append(event)
        keys = [record["dynamodb"]["Keys"]["crqid"]["S"] for record in event["Records"]]
        self.batches.append(keys)
        for key, record in zip(keys, event["Records"], strict=True):
            if self._failures.get(key, 0):
                self._failures[key] -= 1
                return {"batchItemFailures": [{"itemIdentifier": record["dynamodb"]["SequenceNumber"]}]}
        return {"batchItemFailures": []}

    @property
    def last_seen(self) -> list[str]:
        """Return them in the order of their last appearance."""
        seen = [key for batch in self.batches for key in batch]
        return list(dict.fromkeys(reversed(seen)))[::-1]


def put(aws: Aws, *keys: str, **attributes: str) -> None:
    for key in keys:
        item = {"crqid": {"S": key}} | {name: {"S": value} for name, value in attributes.items()}
        aws.dynamodb.put_item(TableName="MessagesTable", Item=item)


def given_up(aws: Aws) -> Sequence[dict[str, Any]]:
    url = f"{aws.url}/123456789012/DeliveryEventsDeadLetterQueue"
    messages = aws.sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10).get("Messages", [])
    return [json.loads(message["Body"]) for message in messages]


def test_a_record_has_lambdas_form(aws: Aws) -> None:
    function = Function()
    put(aws, "c1", send_state="sending")
    aws.dynamodb.update_item(
        TableName="MessagesTable",
        Key={"crqid": {"S": "c1"}},
        UpdateExpression="SET send_state = :accepted",
        ExpressionAttributeValues={":accepted": {"S": "accepted"}},
    )

    StreamSource(aws, TRIGGER, function).poll()

    sample, _ = json.loads((EVENTS / "stream.json").read_text(encoding="utf-8"))["Records"]
    _, record = function.events[0]["Records"]
    assert record.keys() == sample.keys()
    assert record["dynamodb"].keys() == sample["dynamodb"].keys()
    assert type(record["dynamodb"]["ApproximateCreationDateTime"]) is float
    assert (record["eventName"], record["awsRegion"]) == (sample["eventName"], sample["awsRegion"])
    assert record["dynamodb"]["OldImage"] == {"crqid": {"S": "c1"}, "send_state": {"S": "sending"}}
    assert record["dynamodb"]["NewImage"] == {"crqid": {"S": "c1"}, "send_state": {"S": "accepted"}}


def test_records_come_in_batches_in_their_order_and_once(aws: Aws) -> None:
    function = Function()
    source = StreamSource(aws, TRIGGER, function)
    put(aws, "a", "b", "c", "d", "e")

    assert [source.poll() for _ in range(3)] == [4, 1, 0]

    assert function.batches == [["a", "b", "c", "d"], ["e"]]


def test_the_function_is_not_called_for_what_the_templates_patterns_leave_out(aws: Aws) -> None:
    function = Function()
    put(aws, "a", send_state="sending")
    put(aws, "b", send_state="accepted", delivery_status="delivered")

    StreamSource(aws, TEMPLATES_TRIGGER, function).poll()
    put(aws, "c", send_state="sending")
    StreamSource(aws, replace(TEMPLATES_TRIGGER, patterns=()), function).poll()

    assert function.batches == [["b"]]


def test_records_from_the_first_that_failed_come_again(aws: Aws) -> None:
    function = Function(c=1)
    put(aws, "a", "b", "c", "d")

    StreamSource(aws, TRIGGER, function).poll()

    assert function.batches == [["a", "b", "c", "d"], ["c", "d"]]


def test_a_batch_that_fails_as_a_whole_is_split_in_two(aws: Aws) -> None:
    function = Function(a=2)
    put(aws, "a", "b", "c", "d")

    StreamSource(aws, TRIGGER, function).poll()

    assert function.batches == [["a", "b", "c", "d"], ["a", "b"], ["a"], ["b"], ["c", "d"]]


def test_a_record_that_fails_keeps_those_after_it_waiting(aws: Aws) -> None:
    function = Function(b=5)
    source = StreamSource(aws, TRIGGER, function)
    put(aws, "a", "b", "c", "d", "e")

    source.poll()
    source.poll()

    assert function.last_seen == ["a", "b", "c", "d", "e"]
    assert given_up(aws) == []


def test_a_record_that_fails_too_often_goes_to_the_queue_and_the_others_continue(aws: Aws) -> None:
    function = Function(b=1000)
    put(aws, "a", "b", "c")

    StreamSource(aws, replace(TRIGGER, maximum_retry_attempts=2), function).poll()

    assert function.batches.count(["b"]) == 3
    assert function.last_seen[-1] == "c"
    (failure,) = given_up(aws)
    assert failure["requestContext"]["condition"] == "RetryAttemptsExhausted"
    assert failure["DDBStreamBatchInfo"]["batchSize"] == 1


def test_a_record_that_fails_for_too_long_is_given_up(aws: Aws) -> None:
    function = Function(a=1000)
    put(aws, "a", "b")

    StreamSource(aws, replace(TRIGGER, maximum_record_age=-1), function).poll()

    assert function.last_seen == ["a", "b"]
    assert len(given_up(aws)) == 1


@pytest.mark.parametrize("answer", [None, {}, {"batchItemFailures": None}, {"batchItemFailures": []}])
def test_an_answer_without_failures_is_success(aws: Aws, answer: object) -> None:
    calls: list[Event] = []

    def succeed(event: Event) -> object:
        calls.append(event)
        return answer

    put(aws, "a", "b")

    StreamSource(aws, TRIGGER, succeed).poll()

    assert len(calls) == 1


@pytest.mark.parametrize("answer", [{"batchItemFailures": [{"itemIdentifier": "?"}]}, {"wrong": []}, "text", None])
def test_an_answer_that_makes_no_sense_or_an_error_fails_the_whole_batch(aws: Aws, answer: object) -> None:
    batches: list[int] = []

    def fail_pairs(event: Event) -> object:
        batches.append(len(event["Records"]))
        if len(event["Records"]) == 1:
            return {}
        if answer is None:
            raise FunctionError("it raised")
        return answer

    put(aws, "a", "b")

    StreamSource(aws, TRIGGER, fail_pairs).poll()

    assert batches == [2, 1, 1]


def test_a_table_made_anew_is_read_from_its_beginning(aws: Aws) -> None:
    function = Function()
    source = StreamSource(aws, TRIGGER, function)
    put(aws, "a", "b")
    source.poll()

    aws.reset()
    assert source.poll() == 0
    put(aws, "c")
    source.poll()

    assert function.batches == [["a", "b"], ["c"]]


def test_a_poller_that_is_stopped_lets_go_of_a_record_that_fails(aws: Aws) -> None:
    put(aws, "a")
    function = Function(a=1_000_000_000)

    with polling_stream(StreamSource(aws, TRIGGER, function)):
        pass

    assert set(map(tuple, function.batches)) <= {("a",)}
