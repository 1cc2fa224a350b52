"""Lambda's poller of a table's stream: matching records become events, one batch after another.

A failed record blocks those after it, as in a shard; a table here has one shard. There is no batching window.
"""

import json
import logging
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from threading import Event as Signal
from threading import Thread
from typing import TYPE_CHECKING, Any, Final

from sandbox.filter_patterns import fits
from sandbox.lambda_runtime import FunctionError, Invoker
from sandbox.template import ACCOUNT, REGION, StreamTrigger, queue_url

if TYPE_CHECKING:
    from sandbox.aws import Aws

POLL_INTERVAL: Final = 0.25
"""Seconds; also between the attempts of a failed batch."""

logger = logging.getLogger(__name__)

type Record = Mapping[str, Any]


class StreamSource:
    """The reader of one shard. It retries from the first record that a function reports as failed."""

    def __init__(self, aws: "Aws", trigger: StreamTrigger, invoke: Invoker) -> None:
        self._aws = aws
        self._trigger = trigger
        self._invoke = invoke
        self._label = ""
        self._position = 0
        self._stopped = Signal()

    def poll(self) -> int:
        """Handle the next records until they succeed or are given up; return how many there were."""
        label, records = self._aws.stream(self._trigger.table)
        if label != self._label:  # the table was created again
            self._label, self._position = label, 0
        batch = records[self._position :][: self._trigger.batch_size]
        wanted = [record for record in batch if any(fits(record, pattern) for pattern in self._trigger.patterns)]
        self._handle([to_record(record, self._stream_arn()) for record in wanted])
        self._position += len(batch)
        return len(batch)

    @property
    def is_at_the_end(self) -> bool:
        """Whether all records so far have been handled."""
        label, records = self._aws.stream(self._trigger.table)
        return not records or (label, len(records)) == (self._label, self._position)

    def poll_until_stopped(self) -> None:
        while not self._stopped.wait(POLL_INTERVAL):
            while not self._stopped.is_set() and self.poll():
                pass

    def stop(self) -> None:
        self._stopped.set()

    def _handle(self, batch: Sequence[Record]) -> None:
        """Invoke the function with a batch. A batch that fails as a whole is split in two, which does not count as an
        attempt; a single record is retried."""
        attempts = 0
        while batch and not self._stopped.is_set():
            failed = self._first_failed(batch)
            if failed is None:
                return
            batch, attempts = batch[failed:], 0 if failed else attempts
            if len(batch) > 1 and not failed:
                middle = len(batch) // 2
                self._handle(batch[:middle])
                batch = batch[middle:]
                continue
            attempts += not failed
            if 0 <= self._trigger.maximum_retry_attempts < attempts or self._is_too_old(batch[0]):
                self._give_up(batch[0])
                batch, attempts = batch[1:], 0
            self._stopped.wait(POLL_INTERVAL)

    def _first_failed(self, batch: Sequence[Record]) -> int | None:
        """Read the result as Lambda does: None or an empty list is success, an invalid result fails the whole batch."""
        try:
            result = self._invoke({"Records": list(batch)})
        except FunctionError:
            logger.exception("%s failed", self._trigger.function)
            return 0
        match result:
            case None | {} if not result:
                return None
            case {"batchItemFailures": None | []}:
                return None
            case {"batchItemFailures": [*items]}:
                numbers = [record["dynamodb"]["SequenceNumber"] for record in batch]
                failed = [item.get("itemIdentifier") for item in items]
                return min((numbers.index(number) for number in failed if number in numbers), default=0)
            case _:
                return 0

    def _is_too_old(self, record: Record) -> bool:
        age = datetime.now(UTC).timestamp() - record["dynamodb"]["ApproximateCreationDateTime"]
        return bool(age > self._trigger.maximum_record_age)

    def _give_up(self, record: Record) -> None:
        """Send the record's position to the queue, as Lambda does, without its content."""
        number = record["dynamodb"]["SequenceNumber"]
        place = {"batchSize": 1, "startSequenceNumber": number, "endSequenceNumber": number}
        failure = {
            "requestContext": {"condition": "RetryAttemptsExhausted"},
            "DDBStreamBatchInfo": {"streamArn": self._stream_arn(), **place},
        }
        url = queue_url(self._aws.url, self._trigger.on_failure)
        self._aws.sqs.send_message(QueueUrl=url, MessageBody=json.dumps(failure))

    def _stream_arn(self) -> str:
        return f"arn:aws:dynamodb:{REGION}:{ACCOUNT}:table/{self._trigger.table}/stream/{self._label}"


@contextmanager
def polling_stream(source: StreamSource) -> Iterator[None]:
    thread = Thread(target=source.poll_until_stopped, daemon=True)
    thread.start()
    try:
        yield
    finally:
        source.stop()
        thread.join()


def to_record(record: Record, stream_arn: str) -> dict[str, Any]:
    """Return the record in Lambda's form: the time is an epoch in whole seconds."""
    created: datetime = record["dynamodb"]["ApproximateCreationDateTime"]
    seconds = float(int(created.replace(tzinfo=UTC).timestamp()))
    change = {**record["dynamodb"], "ApproximateCreationDateTime": seconds}
    return {**record, "awsRegion": REGION, "eventSourceARN": stream_arn, "dynamodb": change}
