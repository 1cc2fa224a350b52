import json
from collections.abc import Iterator

import pytest

from sandbox.aws import Aws, running_aws
from sandbox.event_source import EventSource
from sandbox.lambda_runtime import Event, FunctionError
from sandbox.samples import EVENTS
from sandbox.template import QueueTrigger, Template, queue_url

TRIGGER = QueueTrigger("ReportsRedriveQueue", "DeliveryReportsFunction", batch_size=10, reports_item_failures=True)


@pytest.fixture(scope="module")
def shared_aws() -> Iterator[Aws]:
    with running_aws(Template.load()) as aws:
        yield aws


@pytest.fixture
def aws(shared_aws: Aws) -> Aws:
    """A queue whose messages are visible again at once, and are dead-lettered after two attempts."""
    shared_aws.reset()
    policy = {"deadLetterTargetArn": "arn:aws:sqs:ap-south-1:123456789012:ReportsQuarantineQueue", "maxReceiveCount": 2}
    shared_aws.sqs.set_queue_attributes(
        QueueUrl=queue_url(shared_aws.url, TRIGGER.queue),
        Attributes={"VisibilityTimeout": "0", "RedrivePolicy": json.dumps(policy)},
    )
    return shared_aws


class Function:
    def __init__(self) -> None:
        self.events: list[Event] = []
        self.failing: list[str] = []

    def __call__(self, event: Event) -> object:
        self.events.append(event)
        failed = [record["messageId"] for record in event["Records"] if record["body"] in self.failing]
        return {"batchItemFailures": [{"itemIdentifier": identifier} for identifier in failed]}


def send(aws: Aws, *bodies: str) -> None:
    for body in bodies:
        aws.sqs.send_message(
            QueueUrl=queue_url(aws.url, TRIGGER.queue),
            MessageBody=body,
            MessageAttributes={"content_type": {"DataType": "String", "StringValue": "application/json"}},
        )


def waiting(aws: Aws, queue: str) -> list[str]:
    received = aws.sqs.receive_message(QueueUrl=queue_url(aws.url, queue), MaxNumberOfMessages=10)
    return [message["Body"] for message in received.get("Messages", [])]


def test_a_record_has_lambdas_form(aws: Aws) -> None:
    function = Function()
    send(aws, "{}")

    EventSource(aws.sqs, aws.url, TRIGGER, function).poll()

    (record,) = function.events[0]["Records"]
    (sample,) = json.loads((EVENTS / "redrive.json").read_text(encoding="utf-8"))["Records"]
    assert record.keys() == sample.keys()
    assert record["messageAttributes"]["content_type"] == {
        **sample["messageAttributes"]["content_type"],
        "stringValue": "application/json",
    }
    assert sample["attributes"].keys() <= record["attributes"].keys()
    assert record["eventSourceARN"] == sample["eventSourceARN"]


def test_what_was_handled_leaves_the_queue_and_what_failed_stays(aws: Aws) -> None:
    function = Function()
    function.failing = ["b"]
    send(aws, "a", "b")

    assert EventSource(aws.sqs, aws.url, TRIGGER, function).poll() == 2

    assert waiting(aws, "ReportsRedriveQueue") == ["b"]


def test_a_message_that_fails_too_often_goes_to_the_quarantine(aws: Aws) -> None:
    function = Function()
    function.failing = ["a"]
    source = EventSource(aws.sqs, aws.url, TRIGGER, function)
    send(aws, "a")

    assert [source.poll() for _ in range(3)] == [1, 1, 0]

    assert waiting(aws, "ReportsQuarantineQueue") == ["a"]


@pytest.mark.parametrize("answer", [{"batchItemFailures": [{"itemIdentifier": "unheard of"}]}, {"wrong": []}, "text"])
def test_an_answer_that_makes_no_sense_fails_the_whole_batch(aws: Aws, answer: object) -> None:
    send(aws, "a", "b")

    EventSource(aws.sqs, aws.url, TRIGGER, lambda _event: answer).poll()

    assert sorted(waiting(aws, "ReportsRedriveQueue")) == ["a", "b"]


@pytest.mark.parametrize("answer", [None, {}, {"batchItemFailures": []}, {"batchItemFailures": None}])
def test_an_answer_without_failures_is_success(aws: Aws, answer: object) -> None:
    send(aws, "a")

    EventSource(aws.sqs, aws.url, TRIGGER, lambda _event: answer).poll()

    assert waiting(aws, "ReportsRedriveQueue") == []


def test_a_function_that_raises_fails_the_whole_batch(aws: Aws) -> None:
    def raises(_event: Event) -> None:
        raise FunctionError("it raised")

    send(aws, "a")

    EventSource(aws.sqs, aws.url, TRIGGER, raises).poll()

    assert waiting(aws, "ReportsRedriveQueue") == ["a"]
