"""The functions as Lambda calls them, with moto, a fake MSG91 and a fake Segment; and their output."""

import base64
import json
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final, cast
from urllib.parse import urlencode

import boto3
import pytest

from functions.console import app as console
from functions.delivery_events import app as delivery_events
from functions.delivery_reports import app as delivery_reports
from functions.reconciliation import app as reconciliation
from functions.segment_ingest import app as segment_ingest
from sandbox.api_gateway import find
from sandbox.aws import SECRET
from sandbox.template import PATH, Template
from segment_msg91.store import aws as store_aws
from tests.fakes.msg91_logs import FakeLogs

if TYPE_CHECKING:
    from aws_lambda_powertools.utilities.typing import LambdaContext

    from tests.fakes.aws import Aws
    from tests.fakes.dynamodb import UnreliableDynamoDb
    from tests.fakes.msg91 import FakeMsg91
    from tests.fakes.segment import FakeSegment

type Handler = Callable[[dict[str, Any], LambdaContext], dict[str, Any]]
type Event = dict[str, Any]
type Invoke = Callable[[Event], dict[str, Any]]

EVENTS: Final = PATH.parent / "events"
ROUTES: Final = Template.load(parameters={"Console": "on"}).routes()
BEARER: Final = {"authorization": "Bearer sandbox-only-segment-token"}


@dataclass(frozen=True, slots=True)
class Context:
    """The part of Lambda's context that the functions use."""

    function_name: str = "function"
    memory_limit_in_mb: int = 512
    invoked_function_arn: str = "arn:aws:lambda:ap-south-1:123456789012:function:function"
    aws_request_id: str = "aws-request-1"
    started: float = field(default_factory=time.monotonic)

    def get_remaining_time_in_millis(self) -> int:
        return int(29_000 - (time.monotonic() - self.started) * 1000)


@dataclass(frozen=True, slots=True)
class Answer:
    """A response of the API."""

    status: int
    headers: dict[str, str]
    body: dict[str, Any]


class Endpoint:
    """A function behind API Gateway."""

    def __init__(self, handler: Handler, sample: str, **standard: Any) -> None:  # noqa: ANN401 - members of an event
        self._handler = handler
        self.sample: Event = json.loads((EVENTS / sample).read_text(encoding="utf-8")) | standard

    def invoke(self, event: Event) -> dict[str, Any]:
        """Call the handler. Its event and its result are converted through JSON."""
        answer = self._handler(json.loads(json.dumps(event)), cast("LambdaContext", Context()))
        return cast("dict[str, Any]", json.loads(json.dumps(answer)))

    def call(self, event: Event) -> Answer:
        answer = self.invoke(event)
        return Answer(answer["statusCode"], answer["headers"], json.loads(answer["body"]))

    def __call__(
        self,
        body: object,
        headers: dict[str, str] | None = None,
        *,
        token: str | None = None,
        mapping: str | None = None,
        in_path: str | None = None,
    ) -> Answer:
        """Post a body: bytes in base64, as API Gateway passes binary; text unchanged; anything else as JSON."""
        text = body if isinstance(body, str) else json.dumps(body) if not isinstance(body, bytes) else None
        event = self.sample | {
            "body": base64.b64encode(cast("bytes", body)).decode() if text is None else text,
            "isBase64Encoded": text is None,
        }
        if headers is not None:
            event["headers"] = headers
        query = {name: value for name, value in (("token", token), ("mapping", mapping)) if value is not None}
        if query:
            event |= {"rawQueryString": urlencode(query), "queryStringParameters": query}
        if in_path is not None:
            event["pathParameters"] = {"token": in_path}
        return self.call(event)


class Ask:
    """The console behind API Gateway. Sends the token, unless another is given."""

    def __init__(self) -> None:
        self._endpoint = Endpoint(console.lambda_handler, "console.json")
        self.sample = self._endpoint.sample

    def __call__(
        self, path: str, token: str | None = SECRET["console_token"], user: str = "support", **query: str
    ) -> "PlainAnswer":
        match = find(ROUTES, "GET", path)
        assert match, path
        basic = base64.b64encode(f"{user}:{token}".encode()).decode()
        return self.invoke(
            self.sample
            | {"routeKey": match.route.key, "rawPath": path, "pathParameters": match.path_parameters}
            | {"queryStringParameters": query, "headers": {} if token is None else {"authorization": f"Basic {basic}"}}
        )

    def invoke(self, event: Event) -> "PlainAnswer":
        answer = self._endpoint.invoke(event)
        return PlainAnswer(answer["statusCode"], answer["headers"], answer["body"])


@dataclass(frozen=True, slots=True)
class PlainAnswer:
    """A response that may be a page."""

    status: int
    headers: dict[str, str]
    text: str

    @property
    def body(self) -> dict[str, Any]:
        return cast("dict[str, Any]", json.loads(self.text))


class Output:
    """What the functions printed: log lines and metrics (EMF), each a JSON object in a line."""

    def __init__(self, capsys: pytest.CaptureFixture[str]) -> None:
        self._capsys = capsys
        self._text = ""

    @property
    def text(self) -> str:
        captured = self._capsys.readouterr()
        self._text += captured.out + captured.err
        return self._text

    def metrics(self, name: str) -> list[dict[str, Any]]:
        """Return the EMF objects that hold a metric of that name."""
        lines = [json.loads(line) for line in self.text.splitlines()]
        return [line for line in lines if "_aws" in line and name in line]

    def logs(self) -> list[dict[str, Any]]:
        return [line for line in map(json.loads, self.text.splitlines()) if "_aws" not in line]


@pytest.fixture
def output(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Output:
    # The loggers keep the standard output of their import, but pytest has replaced it.
    for app in (segment_ingest, delivery_reports, reconciliation, console):
        monkeypatch.setattr(app.logger.registered_handler, "stream", _StandardOutput())
    return Output(capsys)


class _StandardOutput:
    """Write to the current standard output."""

    def write(self, text: str) -> None:
        sys.stdout.write(text)

    def flush(self) -> None:
        """Do nothing: there is no buffer."""


@pytest.fixture
def _one_session(session: boto3.Session, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(store_aws, "_session", lambda: session._session)  # noqa: SLF001  # boto3's is a wrapper of it


@pytest.fixture
def ingest(
    dynamodb: "UnreliableDynamoDb", msg91: "FakeMsg91", monkeypatch: pytest.MonkeyPatch, _one_session: None
) -> Iterator[Endpoint]:
    """POST /segment, with the token unless headers are given."""
    monkeypatch.setattr(segment_ingest, "dynamodb_client", lambda: dynamodb)
    monkeypatch.setattr(segment_ingest, "Msg91", lambda _: msg91.client())
    segment_ingest.wiring.cache_clear()
    yield Endpoint(segment_ingest.lambda_handler, "track.json", headers=BEARER)
    segment_ingest.wiring.cache_clear()


@pytest.fixture
def report(dynamodb: "UnreliableDynamoDb", monkeypatch: pytest.MonkeyPatch, _one_session: None) -> Iterator[Endpoint]:
    """POST /msg91/reports/{token}, with the token unless another is given."""
    monkeypatch.setattr(delivery_reports, "dynamodb_client", lambda: dynamodb)
    delivery_reports.wiring.cache_clear()
    yield Endpoint(delivery_reports.lambda_handler, "report_v3.json")
    delivery_reports.wiring.cache_clear()


@pytest.fixture
def reconcile(
    dynamodb: "UnreliableDynamoDb", logs: FakeLogs, monkeypatch: pytest.MonkeyPatch, _one_session: None
) -> Iterator[Invoke]:
    """The function behind the schedule. Every message is overdue at once, and given up."""
    monkeypatch.setenv("REPORT_OVERDUE_MINUTES", "0")
    monkeypatch.setenv("REPORT_GIVEN_UP_HOURS", "0")
    monkeypatch.setattr(reconciliation, "dynamodb_client", lambda: dynamodb)
    monkeypatch.setattr(reconciliation, "Logs", lambda *_: logs.client())
    reconciliation.wiring.cache_clear()
    yield Endpoint(reconciliation.lambda_handler, "schedule.json").invoke
    reconciliation.wiring.cache_clear()


@pytest.fixture
def logs() -> FakeLogs:
    return FakeLogs(lambda: datetime.now(UTC))


@pytest.fixture
def publish(
    aws: "Aws", segment: "FakeSegment", monkeypatch: pytest.MonkeyPatch, _one_session: None
) -> Iterator[Invoke]:
    """The function behind the messages table's stream."""
    monkeypatch.setattr(delivery_events, "sqs_client", lambda: aws.sqs)
    monkeypatch.setattr(delivery_events, "Tracking", lambda _: segment.client())
    delivery_events.wiring.cache_clear()
    yield Endpoint(delivery_events.lambda_handler, "stream.json").invoke
    delivery_events.wiring.cache_clear()


@pytest.fixture
def ask(dynamodb: "UnreliableDynamoDb", monkeypatch: pytest.MonkeyPatch, _one_session: None) -> Iterator[Ask]:
    """GET /console and the paths below it. Messages that are sent from now on can be searched."""
    monkeypatch.setenv("CONSOLE", "on")
    monkeypatch.setattr(console, "dynamodb_client", lambda: dynamodb)
    console.wiring.cache_clear()
    yield Ask()
    console.wiring.cache_clear()
