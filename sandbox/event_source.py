"""Lambda's poller of an SQS queue: messages become events, and handled messages are deleted."""

import logging
from contextlib import AbstractContextManager
from threading import Event as Signal
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError

from sandbox.lambda_runtime import Event, FunctionError, Invoker
from sandbox.servers import looping
from sandbox.template import REGION, QueueTrigger, queue_arn, queue_url

if TYPE_CHECKING:
    from collections.abc import Sequence

    from mypy_boto3_sqs import SQSClient
    from mypy_boto3_sqs.type_defs import MessageTypeDef

POLL_INTERVAL = 0.25
"""Seconds."""

logger = logging.getLogger(__name__)


class EventSource:
    """Polls one queue. A message that fails stays in it; the queue's redrive policy limits the attempts."""

    def __init__(self, sqs: "SQSClient", base_url: str, trigger: QueueTrigger, invoke: Invoker) -> None:
        self._sqs = sqs
        self._trigger = trigger
        self._queue_url = queue_url(base_url, trigger.queue)
        self._invoke = invoke

    def poll(self) -> int:
        """Handle one batch; return how many messages it had."""
        messages = self._sqs.receive_message(
            QueueUrl=self._queue_url,
            MaxNumberOfMessages=self._trigger.batch_size,
            WaitTimeSeconds=0,
            MessageSystemAttributeNames=["All"],
            MessageAttributeNames=["All"],
        ).get("Messages", [])
        failed = self._failed(messages) if messages else set()
        for message in messages:
            if message["MessageId"] not in failed:
                self._sqs.delete_message(QueueUrl=self._queue_url, ReceiptHandle=message["ReceiptHandle"])
        return len(messages)

    def poll_until(self, stopped: Signal) -> None:
        while not stopped.wait(POLL_INTERVAL):
            try:
                while self.poll():
                    pass
            except ClientError as error:  # the queues do not exist for a moment while a test resets them
                logger.warning("Cannot poll %s: %s", self._trigger.queue, error)

    def _failed(self, messages: "Sequence[MessageTypeDef]") -> set[str]:
        every = {message["MessageId"] for message in messages}
        try:
            result = self._invoke(to_event(messages, queue_arn(self._trigger.queue)))
        except FunctionError:
            logger.exception("%s failed", self._trigger.function)
            return every
        return _item_failures(result, every) if self._trigger.reports_item_failures else set()


def polling(source: EventSource) -> AbstractContextManager[None]:
    return looping(source.poll_until)


def to_event(messages: "Sequence[MessageTypeDef]", source_arn: str) -> Event:
    return {"Records": [_record(message, source_arn) for message in messages]}


def _record(message: "MessageTypeDef", source_arn: str) -> dict[str, Any]:
    return {
        "messageId": message["MessageId"],
        "receiptHandle": message["ReceiptHandle"],
        "body": message["Body"],
        "attributes": message.get("Attributes", {}),
        "messageAttributes": {
            name: {
                "stringValue": attribute["StringValue"],
                "stringListValues": [],
                "binaryListValues": [],
                "dataType": attribute["DataType"],
            }
            for name, attribute in message.get("MessageAttributes", {}).items()
        },
        "md5OfBody": message["MD5OfBody"],
        "eventSource": "aws:sqs",
        "eventSourceARN": source_arn,
        "awsRegion": REGION,
    }


def _item_failures(result: object, every: set[str]) -> set[str]:
    """Read the result as Lambda does: None or an empty list is success, an invalid result fails the whole batch."""
    match result:
        case None | {} if not result:
            return set()
        case {"batchItemFailures": None}:
            return set()
        case {"batchItemFailures": [*items]}:
            failed = {item.get("itemIdentifier") for item in items}
            return failed if failed.issubset(every) else every
        case _:
            return every
