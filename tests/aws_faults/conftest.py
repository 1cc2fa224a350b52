"""The functions on boto3 and the embedded AWS over HTTP, with fakes of MSG91, Segment and time."""

import json
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, Final
from unittest.mock import patch

import pytest
from botocore.config import Config
from botocore.session import Session, get_session

from functions.console import app as console
from functions.delivery_events import app as delivery_events
from functions.delivery_reports import app as delivery_reports
from functions.reconciliation import app as reconciliation
from functions.segment_ingest import app as segment_ingest
from sandbox.api_gateway import find
from sandbox.aws import Aws
from sandbox.event_source import EventSource
from sandbox.lambda_runtime import Event, InThisProcess, Invoker
from sandbox.stream_source import StreamSource
from sandbox.template import PATH, REGION, Template, queue_url
from segment_msg91.store import aws as store_aws
from tests.aws_faults.faults import READ_TIMEOUT
from tests.fakes.msg91_logs import FakeLogs

if TYPE_CHECKING:
    from tests.fakes.msg91 import FakeMsg91
    from tests.fakes.segment import FakeSegment

TEMPLATE: Final = Template.load(
    parameters={
        "DeliveryEvents": "on",
        "Console": "on",
        "ReportOverdueMinutes": "0",
        "ReportGivenUpHours": "0",
        "GuardRails": "on",
        "OptOutOnBlocked": "on",
    }
)
_APPS: Final = {
    "SegmentIngestFunction": segment_ingest,
    "DeliveryReportsFunction": delivery_reports,
    "ReconciliationFunction": reconciliation,
    "DeliveryEventsFunction": delivery_events,
    "ConsoleFunction": console,
}
_LONG_AGO: Final = "2020-01-01T00:00:00.000Z"


@dataclass(frozen=True, slots=True)
class Reply:
    status: int
    body: dict[str, Any]

    @property
    def outcomes(self) -> list[str]:
        """Of the events, in their order."""
        return [result["status"] for result in self.body["results"]]


@dataclass(frozen=True, slots=True)
class World:
    """The actions of Segment, MSG91 and a console user, and what they see."""

    aws: Aws
    functions: Mapping[str, Invoker]
    msg91: "FakeMsg91"
    segment: "FakeSegment"
    logs: FakeLogs

    def deliver(self, *events: dict[str, Any]) -> Reply:
        """Deliver a single event as an object, several as a batch."""
        return self._post("SegmentIngestFunction", "track.json", events[0] if len(events) == 1 else list(events))

    def report(self, body: object) -> Reply:
        return self._post("DeliveryReportsFunction", "report_v3.json", body)

    def ask(self, path: str, **query: str) -> Reply:
        """Send a request to the console."""
        match = find(TEMPLATE.routes(), "GET", path)
        assert match, path
        asked = {"routeKey": match.route.key, "pathParameters": match.path_parameters, "queryStringParameters": query}
        event: Event = json.loads((PATH.parent / "events" / "console.json").read_text(encoding="utf-8"))
        answer: Any = self.functions["ConsoleFunction"](event | asked)
        return Reply(answer["statusCode"], json.loads(answer["body"]))

    def redrive(self) -> int:
        """Poll the redrive queue once, as Lambda does; return how many bodies the function received."""
        (trigger,) = TEMPLATE.queue_triggers()
        return EventSource(self.aws.sqs, self.aws.url, trigger, self.functions[trigger.function]).poll()

    def reconcile(self) -> dict[str, int]:
        """Invoke the reconciliation, for which every message is overdue at once, and given up."""
        outcome: Any = self.functions["ReconciliationFunction"]({})
        return dict(outcome)

    def publish(self, *records: dict[str, Any]) -> list[str]:
        """Invoke the events function with records of the stream; return the position from which it wants a retry."""
        answer: Any = self.functions["DeliveryEventsFunction"]({"Records": records})
        return [failure["itemIdentifier"] for failure in answer["batchItemFailures"]]

    def read_stream(self) -> None:
        """Read the table's stream from its beginning to its end, as Lambda does."""
        (trigger,) = TEMPLATE.stream_triggers()
        source = StreamSource(self.aws, trigger, self.functions[trigger.function])
        while source.poll():
            pass

    def sent(self) -> Counter[str]:
        """Return how many SMS each number received."""
        return Counter(sms.number for sms in self.msg91.sent)

    def queued(self, queue: str) -> int:
        """Return how many bodies are in a queue, including those in flight."""
        counts = self.aws.sqs.get_queue_attributes(
            QueueUrl=queue_url(self.aws.url, queue),
            AttributeNames=["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"],
        )["Attributes"]
        return sum(int(count) for count in counts.values())

    def leases_run_out(self) -> None:
        """Advance the functions' clock."""
        messages = self.aws.tables.Table("MessagesTable")
        for message in self.aws.items("MessagesTable"):
            if "lease_until" in message:
                messages.put_item(Item=message | {"lease_until": _LONG_AGO})

    def _post(self, function: str, sample: str, body: object) -> Reply:
        event: Event = json.loads((PATH.parent / "events" / sample).read_text(encoding="utf-8"))
        answer: Any = self.functions[function](event | {"body": json.dumps(body), "isBase64Encoded": False})
        return Reply(answer["statusCode"], json.loads(answer["body"]))


@pytest.fixture(scope="session")
def sessions() -> Mapping[str, Session]:
    """By function, each with the access key that identifies its calls at the embedded AWS."""
    keyed = {}
    for name in _APPS:
        keyed[name] = session = get_session()
        session.set_credentials(name, "sandbox")
        session.set_config_variable("region", REGION)
    return keyed


@pytest.fixture
def world(
    embedded: Aws,
    sessions: Mapping[str, Session],
    msg91: "FakeMsg91",
    segment: "FakeSegment",
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],  # noqa: ARG001  # the functions' logs are not this suite's matter
) -> Iterator[World]:
    _show_failed_bodies_again_at_once(embedded)
    monkeypatch.setattr(segment_ingest, "Msg91", lambda _: msg91.client())
    logs = FakeLogs(lambda: datetime.now(UTC))
    monkeypatch.setattr(reconciliation, "Logs", lambda *_: logs.client())
    monkeypatch.setattr(delivery_events, "Tracking", lambda _: segment.client())
    # The SDK waits about a second between its attempts.
    monkeypatch.setattr("botocore.endpoint.time", SimpleNamespace(sleep=lambda _: None))
    with ExitStack() as wired:
        yield World(embedded, Functions(embedded, sessions, wired), msg91, segment, logs)


class Functions(Mapping[str, Invoker]):
    """The functions by name. Each is wired when a test first calls it, because wiring takes a tenth of a second."""

    def __init__(self, aws: Aws, sessions: Mapping[str, Session], wired: ExitStack) -> None:
        self._aws = aws
        self._sessions = sessions
        self._wired = wired
        self._invokers: dict[str, Invoker] = {}

    def __getitem__(self, name: str) -> Invoker:
        if name not in self._invokers:
            self._wired.enter_context(_wired(name, self._aws, self._sessions[name]))
            (function,) = (one for one in TEMPLATE.functions() if one.name == name)
            self._invokers[name] = InThisProcess(function, _APPS[name].lambda_handler)
        return self._invokers[name]

    def __iter__(self) -> Iterator[str]:
        return iter(_APPS)

    def __len__(self) -> int:
        return len(_APPS)


@contextmanager
def _wired(function: str, aws: Aws, session: Session) -> Iterator[None]:
    """Build the function's clients with its own variables and key, as in its own environment."""
    wiring = _APPS[function].wiring
    wiring.cache_clear()
    variables = aws.environment(function) | TEMPLATE.environment(function, aws.url)
    # The console's calls get no faults, and its eight concurrent calls queue up at the embedded AWS.
    ours = Config() if function == "ConsoleFunction" else Config(read_timeout=READ_TIMEOUT)
    with (
        patch.dict("os.environ", variables),
        patch.object(store_aws, "_session", lambda: session),
        patch.object(store_aws, "_CONFIG", store_aws._CONFIG.merge(ours)),  # noqa: SLF001
    ):
        sqs = store_aws.sqs_client()  # made now, because these variables are unset later
        with patch.object(_APPS[function], "sqs_client", lambda: sqs, create=True):
            wiring()
    yield
    wiring.cache_clear()


def _show_failed_bodies_again_at_once(aws: Aws) -> None:
    url = queue_url(aws.url, "ReportsRedriveQueue")
    aws.sqs.set_queue_attributes(QueueUrl=url, Attributes={"VisibilityTimeout": "0"})
