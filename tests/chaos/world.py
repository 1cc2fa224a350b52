"""The whole stack: MSG91, Segment, AWS and the API as in the sandbox, and functions that can be killed."""

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final

from sandbox.api_gateway import running_api
from sandbox.aws import SECRET, Aws, running_aws
from sandbox.emulator import starter
from sandbox.event_source import EventSource, polling
from sandbox.lambda_runtime import FunctionError
from sandbox.msg91_simulator.logs import Settings
from sandbox.msg91_simulator.server import listening
from sandbox.msg91_simulator.simulator import Simulator
from sandbox.segment_simulator.server import running_tracking_api
from sandbox.segment_simulator.tracking_api import TrackingApi
from sandbox.servers import url_of
from sandbox.stream_source import StreamSource, polling_stream
from sandbox.template import Function, QueueTrigger, Template
from tests.chaos.environments import Environment, Fleet

INGEST: Final = "SegmentIngestFunction"
REPORTS: Final = "DeliveryReportsFunction"
EVENTS: Final = "DeliveryEventsFunction"
RECONCILIATION: Final = "ReconciliationFunction"
MESSAGES_TABLE: Final = "MessagesTable"
REPORTS_TABLE: Final = "ReportsTable"
RECIPIENTS_TABLE: Final = "RecipientsTable"
REDRIVE: Final = "ReportsRedriveQueue"
QUARANTINE: Final = "ReportsQuarantineQueue"

LOGS: Final = Settings(lag=0, max_limit=50)
"""What is sent is in the logs at once: all messages are reconciled, and given up, at once. Pages are small."""
CAP: Final = 20
"""The most SMS to one number within an hour: more than a number that is not hot gets."""
PARAMETERS: Final = {
    "DeliveryEvents": "on",
    "ReportOverdueMinutes": "0",
    "ReportGivenUpHours": "0",
    "GuardRails": "on",
    "MaxSmsPerNumberPerHour": str(CAP),
}
REDRIVE_VISIBILITY_TIMEOUT: Final = 2
"""Seconds, instead of the template's three minutes."""

TIMEOUT: Final = 150.0
_POLL_INTERVAL: Final = 0.1

type Row = dict[str, Any]


@dataclass(frozen=True, slots=True)
class World:
    api_url: str
    aws: Aws
    simulator: Simulator
    tracking: TrackingApi
    stream: StreamSource
    fleets: Mapping[str, Fleet]

    @property
    def segment_url(self) -> str:
        return f"{self.api_url}/segment"

    @property
    def reports_url(self) -> str:
        return f"{self.api_url}/msg91/reports/{SECRET['report_token']}"

    def kill(self, name: str) -> None:
        """Kill an environment, by its name."""
        for fleet in self.fleets.values():
            if environment := fleet.environments.get(name):
                environment.kill()

    def is_idle(self) -> bool:
        """Whether no function is handling an event."""
        return all(fleet.is_idle for fleet in self.fleets.values())

    def wait_until_idle(self) -> None:
        _wait(self.is_idle)

    def wait_until_redriven(self) -> None:
        _wait(lambda: not self.queued(REDRIVE))

    def wait_until_events_are_sent(self) -> None:
        """Wait until Segment has received the delivery events of all changes to messages."""
        _wait(lambda: self.stream.is_at_the_end)

    def kill_events_function(self) -> None:
        """Kill every environment of the events function."""
        for name in self.fleets[EVENTS].environments:
            self.kill(name)

    def reconcile(self) -> Row:
        """Run the reconciliation once, and return its counts. Raises FunctionError if it is killed."""
        counts = self.fleets[RECONCILIATION]({})
        if not isinstance(counts, dict):
            raise FunctionError(f"{RECONCILIATION} returned {counts}")
        return counts

    def kill_reconciliation(self) -> None:
        """Kill every environment of the reconciliation: the next one remembers no query."""
        for name in self.fleets[RECONCILIATION].environments:
            self.kill(name)

    def wasted_requests(self) -> int:
        """Return how many requests were sent on connections that MSG91 had closed."""
        return sum(len(environment.msg91.wasted) for environment in self.fleets[INGEST].environments.values())

    def messages(self) -> dict[str, Row]:
        """By message id."""
        return {str(row["message_id"]): row for row in self._rows(MESSAGES_TABLE)}

    def message(self, crqid: str) -> Row:
        item = self.aws.tables.Table(MESSAGES_TABLE).get_item(Key={"crqid": crqid}, ConsistentRead=True)
        return dict(item["Item"])

    def reports(self) -> list[Row]:
        return list(self._rows(REPORTS_TABLE))

    def expire_leases(self) -> None:
        """End every lease now instead of waiting for it. No function may be sending any more."""
        over = _instant(datetime.now(UTC) - timedelta(seconds=1))
        for row in self._rows(MESSAGES_TABLE):
            if row["send_state"] == "sending":
                self.aws.tables.Table(MESSAGES_TABLE).update_item(
                    Key={"crqid": row["crqid"]},
                    UpdateExpression="SET lease_until = :over",
                    ExpressionAttributeValues={":over": over},
                )

    def age(self, message_id: str, by: timedelta) -> None:
        """Move every date of a message back."""
        row = self.messages()[message_id]
        for name, value in row.items():
            if name.endswith(("_at", "_until")):
                is_epoch = name == "expires_at"
                row[name] = (
                    value - int(by.total_seconds()) if is_epoch else _instant(datetime.fromisoformat(value) - by)
                )
        self.aws.tables.Table(MESSAGES_TABLE).put_item(Item=row)

    def wait_for_leases(self) -> None:
        """Wait until every lease has ended. No function may be claiming any more."""
        ends = max(
            (row["lease_until"] for row in self._rows(MESSAGES_TABLE) if row["send_state"] == "sending"), default=""
        )
        while ends > f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%S}":
            time.sleep(1)

    def queued(self, queue: str) -> int:
        """Return how many messages a queue has, including those in flight."""
        url = self.aws.sqs.get_queue_url(QueueName=queue)["QueueUrl"]
        numbers = self.aws.sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["All"])["Attributes"]
        return int(numbers["ApproximateNumberOfMessages"]) + int(numbers["ApproximateNumberOfMessagesNotVisible"])

    def take_from(self, queue: str) -> list[str]:
        """Receive and delete what can be received now; return the bodies."""
        url = self.aws.sqs.get_queue_url(QueueName=queue)["QueueUrl"]
        bodies: list[str] = []
        while messages := self.aws.sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10).get("Messages"):
            for message in messages:
                bodies.append(message["Body"])
                self.aws.sqs.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])
        return bodies

    def _rows(self, name: str) -> Iterator[Row]:
        table = self.aws.tables.Table(name)
        page = table.scan(ConsistentRead=True)
        yield from page["Items"]
        while start := page.get("LastEvaluatedKey"):
            page = table.scan(ConsistentRead=True, ExclusiveStartKey=start)
            yield from page["Items"]


@contextmanager
def running_world(build: Path, environments: Mapping[str, int], dynamodb_url: str | None = None) -> Iterator[World]:
    """Start everything; `environments` is the number of environments by function name.

    `dynamodb_url` is the URL of a running DynamoDB Local; without it, DynamoDB is moto's.
    """
    with ExitStack() as started:
        tracking, tracking_url = started.enter_context(running_tracking_api(SECRET["segment_write_key"]))
        template = Template.load(parameters={**PARAMETERS, "SegmentTrackingUrl": tracking_url})
        aws = started.enter_context(running_aws(template, dynamodb_url=dynamodb_url))
        simulator = Simulator(SECRET["msg91_authkey"])
        simulator.logs.settings = LOGS
        start = started.enter_context(starter(build))

        def start_environment(function: Function, number: int) -> Environment:
            name = f"{function.name}-{number}"
            msg91 = started.enter_context(listening(simulator, name))
            variables = aws.environment(name) | template.environment(function.name, aws.url)
            emulator = start(function, variables | {"MSG91_BASE_URL": url_of(msg91)})
            environment = Environment(name, emulator, msg91)
            started.callback(environment.close)
            return environment

        fleets = {
            function.name: Fleet([start_environment(function, number) for number in range(environments[function.name])])
            for function in template.functions()
        }
        api_url = started.enter_context(running_api(template.routes(), fleets))
        for trigger in template.queue_triggers():
            started.enter_context(_redriving(aws, trigger, fleets))
        (stream,) = (StreamSource(aws, trigger, fleets[trigger.function]) for trigger in template.stream_triggers())
        started.enter_context(polling_stream(stream))
        yield World(api_url, aws, simulator, tracking, stream, fleets)


@contextmanager
def _redriving(aws: Aws, trigger: QueueTrigger, fleets: Mapping[str, Fleet]) -> Iterator[None]:
    url = aws.sqs.get_queue_url(QueueName=trigger.queue)["QueueUrl"]
    aws.sqs.set_queue_attributes(QueueUrl=url, Attributes={"VisibilityTimeout": str(REDRIVE_VISIBILITY_TIMEOUT)})
    with polling(EventSource(aws.sqs, aws.url, trigger, fleets[trigger.function])):
        yield


def _instant(at: datetime) -> str:
    return f"{at:%Y-%m-%dT%H:%M:%SZ}"


def _wait(is_done: Callable[[], bool]) -> None:
    """Raises TimeoutError."""
    deadline = time.monotonic() + TIMEOUT
    while not is_done():
        if time.monotonic() > deadline:
            raise TimeoutError
        time.sleep(_POLL_INTERVAL)
