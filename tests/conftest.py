"""What every test stands on: made-up credentials, no network but this machine's, and fakes of both providers.

The functions' resources are the template's, on either engine, so that tests cannot drift from what is deployed.
"""

# ruff: noqa: E402 - the environment comes before whoever reads it at import

import base64
import os
import sys
from collections.abc import Callable, Generator, Iterator
from contextlib import ExitStack, closing
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from threading import Lock
from typing import TYPE_CHECKING, Any, Final, Self, cast

from sandbox.template import REGION, Template

TEMPLATE: Final = Template.load(parameters={"DeliveryEvents": "on"})
QUEUE_BASE_URL: Final = f"https://sqs.{REGION}.amazonaws.com"
# Before boto3 and moto are imported: whatever client is made, it never holds a real key.
os.environ |= {
    "AWS_ACCESS_KEY_ID": "testing",
    "AWS_SECRET_ACCESS_KEY": "testing",
    "AWS_SESSION_TOKEN": "testing",
    "AWS_DEFAULT_REGION": REGION,
    "AWS_EC2_METADATA_DISABLED": "true",
}
for function in TEMPLATE.functions():
    os.environ |= TEMPLATE.environment(function.name, QUEUE_BASE_URL)
for real in ("AWS_ENDPOINT_URL", "AWS_PROFILE", "AWS_LAMBDA_RUNTIME_API"):
    os.environ.pop(real, None)

import boto3
import httpx
import hypothesis
import pytest
from boto3.dynamodb.types import TypeDeserializer
from botocore.exceptions import ClientError, ReadTimeoutError
from moto import mock_aws
from moto.core.botocore_stubber import BotocoreStubber
from xdist.remote import Producer
from xdist.scheduler import LoadScopeScheduling

from sandbox.aws import SECRET, running_aws
from sandbox.aws import Aws as EmbeddedAws
from sandbox.dynamodb_local.engine import DynamoDbLocal
from sandbox.dynamodb_local.installation import NotAvailableError
from sandbox.dynamodb_local.server import running_dynamodb_local
from sandbox.event_source import to_event
from sandbox.segment_simulator.tracking_api import TrackingApi
from sandbox.template import queue_arn, queue_url
from segment_msg91.msg91.client import Msg91
from segment_msg91.segment.tracking_api import Tracking
from tests.engines import ENGINES, MOTO

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient
    from mypy_boto3_secretsmanager import SecretsManagerClient
    from mypy_boto3_sqs import SQSClient

# The same examples in every run: `make test` fails for a change, not for a new idea. `make fuzz` has the ideas. No
# deadline either: a busy machine is slow now and then.
hypothesis.settings.register_profile("repeatable", derandomize="FUZZ_EXAMPLES" not in os.environ, deadline=None)
hypothesis.settings.load_profile("repeatable")

type Item = dict[str, Any]
type Track = Callable[..., dict[str, Any]]

_LACKING: Final = "no DynamoDB Local"
_LOCAL: Final = frozenset({"localhost", "127.0.0.1", "::1", "0.0.0.0", "", None})  # noqa: S104 - a server's own address
_DESERIALIZER: Final = TypeDeserializer()


class NetworkError(Exception):
    """A test tried to leave this machine."""


def _stay_here(event: str, arguments: tuple[Any, ...]) -> None:
    """Refuse, as an audit hook that nothing in this process gets around, to look up or call other hosts."""
    if event == "socket.getaddrinfo":
        host = arguments[0]
    elif event in ("socket.connect", "socket.sendto") and isinstance(arguments[1], tuple):
        host = arguments[1][0]
    else:
        return
    if (host.decode() if isinstance(host, bytes) else host) not in _LOCAL:
        raise NetworkError(f"a test may not reach {host!r}")


def pytest_configure(config: pytest.Config) -> None:
    sys.addaudithook(_stay_here)
    # A refused request counts nothing; pytest puts its own filters over the functions'.
    config.addinivalue_line("filterwarnings", "ignore:No application metrics to publish:UserWarning")


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """What is lacking is told once, and not for each test that it is lacking for."""
    report = yield
    if report.skipped and isinstance(report.longrepr, tuple) and _LACKING in report.longrepr[2]:
        report.longrepr = ("tests", None, report.longrepr[2])  # type: ignore[assignment]  # pytest takes no line as well
    return report


class Clock:
    """A clock that stands still until it is told to advance."""

    def __init__(self) -> None:
        self.now = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)

    def __call__(self) -> datetime:
        return self.now

    def advance(self, **by: float) -> None:
        self.now += timedelta(**by)


@dataclass(frozen=True, slots=True)
class SentSms:
    """One SMS that reached a phone."""

    number: str
    text: str | None
    crqid: str | None
    request_id: str | None


@dataclass(frozen=True, slots=True)
class _Answer:
    body: str | None = None
    status: int = 200
    sends: bool = False
    raises: BaseException | None = None


_SUCCESS: Final = _Answer(sends=True)


@dataclass
class FakeMsg91:
    """MSG91's two sending APIs, with a ledger of what went out. Each call succeeds unless an answer was prepared."""

    sent: list[SentSms] = field(default_factory=list)
    calls: list[list[str]] = field(default_factory=list)
    """The numbers of each call."""
    requests: list[httpx.Request] = field(default_factory=list)
    meanwhile: Callable[[], object] | None = None
    """What happens once, while a call is under way."""
    _answers: list[_Answer] = field(default_factory=list)
    _by_number: dict[str, _Answer] = field(default_factory=dict)
    _lock: Lock = field(default_factory=Lock)

    def client(self) -> Msg91:
        return Msg91("https://msg91.test", httpx.MockTransport(self._handle))

    def answers(self, body: str, status: int = 200, *, sends: bool = False) -> None:
        """Prepare the next call's answer; `sends` tells whether the SMS go out all the same."""
        self._answers.append(_Answer(body, status, sends))

    def refuses(self, code: str, words: str = "MSG91's words") -> None:
        """Prepare an error, in the way MSG91 tells one: at HTTP 200."""
        self._answers.append(_refusal(code, words))

    def breaks_off(self, error: BaseException, *, sends: bool = False) -> None:
        """Prepare the next call's end without an answer."""
        self._answers.append(_Answer(sends=sends, raises=error))

    def forgets_answers(self) -> None:
        self._answers.clear()

    def refuses_number(self, number: str, code: str) -> None:
        """Refuse every call that contains the number."""
        self._by_number[number] = _refusal(code, "MSG91's words")

    def _handle(self, request: httpx.Request) -> httpx.Response:
        with self._lock:
            body = httpx.Response(200, content=request.content).json()
            request_id = f"346130aa11bb22cc33dd{len(self.calls):04}"
            messages = list(_messages(body, request_id))
            numbers = [sms.number for sms in messages]
            self.calls.append(numbers)
            self.requests.append(request)
            refusals = [self._by_number[number] for number in numbers if number in self._by_number]
            answer = self._answers.pop(0) if self._answers else next(iter(refusals), _SUCCESS)
            self.sent += messages if answer.sends else []
            meanwhile, self.meanwhile = self.meanwhile, None
        if meanwhile:
            meanwhile()
        if answer.raises:
            raise answer.raises
        content = answer.body if answer.body is not None else f'{{"type":"success","message":"{request_id}"}}'
        return httpx.Response(answer.status, text=content)


def _refusal(code: str, words: str) -> _Answer:
    return _Answer(f'{{"type":"error","message":"{words}","code":"{code}"}}')


def _messages(body: dict[str, Any], request_id: str) -> Iterator[SentSms]:
    for element in body.get("sms", []):
        for number in element["to"]:
            yield SentSms(number, element["message"], element.get("CRQID", body.get("CRQID")), request_id)
    for recipient in body.get("recipients", []):
        yield SentSms(recipient["mobiles"], None, recipient["CRQID"], request_id)


class FakeSegment(TrackingApi):
    """Segment's Tracking API as the sandbox has it, without a server between."""

    def __init__(self) -> None:
        super().__init__(SECRET["segment_write_key"])
        self.requests: list[httpx.Request] = []
        self.errors: list[Exception] = []
        """What the next requests raise."""

    def client(self) -> Tracking:
        return Tracking("https://segment.test", httpx.MockTransport(self._handle))

    def _handle(self, request: httpx.Request) -> httpx.Response:
        self.requests.append(request)
        if self.errors:
            raise self.errors.pop(0)
        scheme, _, credentials = request.headers["authorization"].partition(" ")
        user, _, password = base64.b64decode(credentials).decode().partition(":")
        answer = self.post(request.url.path, user if (scheme, password) == ("Basic", "") else None, request.content)
        return httpx.Response(answer.status, headers=dict(answer.headers), text=answer.body)


class UnreliableDynamoDb:
    """A DynamoDB client on which calls fail as prepared, before or after they had their effect."""

    def __init__(self, client: "DynamoDBClient") -> None:
        self._client = client
        self._faults: dict[str, list[Callable[..., Any]]] = {}
        self._refusal: ClientError | None = None
        self.calls: list[str] = []

    @property
    def client(self) -> "DynamoDBClient":
        return cast("DynamoDBClient", self)

    def passes(self, operation: str) -> Self:
        """Prepare a call to which nothing happens, before another's fault."""
        self._prepare(operation, getattr(self._client, operation))
        return self

    def refuses(self, operation: str, code: str = "ThrottlingException") -> Self:
        """Prepare an error without effect."""

        def fail(**_: object) -> None:
            raise _client_error(code)

        self._prepare(operation, fail)
        return self

    def conflicts(self) -> None:
        """Prepare a transaction that another write to its first item cancels."""

        def cancel(**arguments: list[object]) -> None:
            codes = ["TransactionConflict", *("None" for _ in arguments["TransactItems"][1:])]
            raise _client_error("TransactionCanceledException", CancellationReasons=[{"Code": code} for code in codes])

        self._prepare("transact_write_items", cancel)

    def refuses_everything(self, code: str = "ThrottlingException") -> None:
        self._refusal = _client_error(code)

    def recovers(self) -> None:
        self._refusal = None
        self._faults.clear()

    def loses_answer(self, operation: str) -> None:
        """Prepare a call that has its effect, and whose answer never comes, however often the SDK tries."""

        def lose(**arguments: object) -> None:
            getattr(self._client, operation)(**arguments)
            raise ReadTimeoutError(endpoint_url="https://dynamodb.test")

        self._prepare(operation, lose)

    def repeats(self, operation: str) -> None:
        """Prepare a call whose first answer is lost, so that the SDK makes it again and finds its own effect."""

        def repeat(**arguments: object) -> object:
            getattr(self._client, operation)(**arguments)
            return getattr(self._client, operation)(**arguments)

        self._prepare(operation, repeat)

    def interrupts(self, operation: str, meanwhile: Callable[[], object]) -> None:
        """Prepare something that happens right before a call."""

        def interrupt(**arguments: object) -> object:
            meanwhile()
            return getattr(self._client, operation)(**arguments)

        self._prepare(operation, interrupt)

    def _prepare(self, operation: str, fault: Callable[..., Any]) -> None:
        self._faults.setdefault(operation, []).append(fault)

    def __getattr__(self, operation: str) -> Callable[..., Any]:
        if operation.startswith("_"):
            raise AttributeError(operation)

        def call(**arguments: object) -> object:
            self.calls.append(operation)
            if self._refusal:
                raise self._refusal
            faults = self._faults.get(operation)
            make = faults.pop(0) if faults else getattr(self._client, operation)
            return make(**arguments)

        return call


def _client_error(code: str, **more: Any) -> ClientError:  # noqa: ANN401 - members of AWS's answer
    return ClientError({"Error": {"Code": code, "Message": "prepared by a test"}, **more}, "prepared")  # type: ignore[typeddict-item]


@dataclass(frozen=True, slots=True)
class Aws:
    """The template's tables, queues and secret, and what tests ask of them."""

    dynamodb: "DynamoDBClient"
    sqs: "SQSClient"
    secretsmanager: "SecretsManagerClient"

    def messages(self) -> list[Item]:
        return self._items("MessagesTable")

    def message(self, crqid: str) -> Item:
        response = self.dynamodb.get_item(TableName="MessagesTable", Key={"crqid": {"S": crqid}})
        return _plain(response["Item"])

    def reports(self) -> list[Item]:
        return self._items("ReportsTable")

    def queued(self, queue: str) -> list[dict[str, Any]]:
        """Receive what is in a queue, each as the event in which Lambda would hand it to the function."""
        messages = self.sqs.receive_message(
            QueueUrl=queue_url(QUEUE_BASE_URL, queue),
            MaxNumberOfMessages=10,
            MessageAttributeNames=["All"],
            MessageSystemAttributeNames=["All"],
        ).get("Messages", [])
        return [to_event([message], queue_arn(queue)) for message in messages]

    def set_secret(self, text: str | None) -> None:
        """Replace the secret; with None there is none, and Secrets Manager answers with an error."""
        if text is None:
            self.secretsmanager.delete_secret(SecretId="Secret")
        else:
            self.secretsmanager.put_secret_value(SecretId="Secret", SecretString=text)

    def delete_record(self, queue: str, record: dict[str, Any]) -> None:
        self.sqs.delete_message(QueueUrl=queue_url(QUEUE_BASE_URL, queue), ReceiptHandle=record["receiptHandle"])

    def delete_queue(self, queue: str) -> None:
        self.sqs.delete_queue(QueueUrl=queue_url(QUEUE_BASE_URL, queue))

    def _items(self, table: str) -> list[Item]:
        return [_plain(item) for item in self.dynamodb.scan(TableName=table)["Items"]]


def _plain(item: Any) -> Item:  # noqa: ANN401 - an item in wire form
    return {name: _DESERIALIZER.deserialize(value) for name, value in item.items()}


@pytest.fixture(scope="session")
def session() -> boto3.Session:
    """One for all: each parses AWS's descriptions of its services anew."""
    return boto3.Session(region_name=REGION)


@pytest.fixture(scope="session")
def _clients(session: boto3.Session) -> Aws:
    return Aws(session.client("dynamodb"), session.client("sqs"), session.client("secretsmanager"))


@pytest.fixture(scope="session")
def dynamodb_local() -> Iterator[str]:
    """The URL of Amazon's DynamoDB Local. What needs it is skipped where there is none, and fails where CI is set."""
    with ExitStack() as running:
        try:
            url = running.enter_context(running_dynamodb_local())
        except NotAvailableError as error:
            (pytest.fail if os.environ.get("CI") else pytest.skip)(f"{_LACKING}: {error}")
        yield url


@pytest.fixture(scope="session")
def _local_dynamodb(dynamodb_local: str) -> Iterator[DynamoDbLocal]:
    with closing(DynamoDbLocal(dynamodb_local)) as engine:
        yield engine


@pytest.fixture(scope="session")
def _on_moto() -> Iterator[EmbeddedAws]:
    with running_aws(TEMPLATE) as aws:
        yield aws


@pytest.fixture(scope="session")
def _on_dynamodb_local(dynamodb_local: str) -> Iterator[EmbeddedAws]:
    with running_aws(TEMPLATE, dynamodb_url=dynamodb_local) as aws:
        yield aws


@pytest.fixture(params=ENGINES)
def embedded(request: pytest.FixtureRequest) -> Iterator[EmbeddedAws]:
    """The embedded AWS, empty and without an interceptor, on each engine.

    Both are kept running: a session's fixture with parameters would be started anew whenever they change.
    """
    aws: EmbeddedAws = request.getfixturevalue("_on_moto" if request.param == MOTO else "_on_dynamodb_local")
    aws.reset()
    aws.calls.clear()
    yield aws
    aws.interceptor = None


@pytest.fixture
def engine() -> str:
    """What DynamoDB is. A folder whose tests run on both engines has a fixture of this name with ENGINES for params."""
    return MOTO


@pytest.fixture
def aws(engine: str, _clients: Aws, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[Aws]:
    clients, definitions = _clients, [dict(table.definition) for table in TEMPLATE.tables()]
    if engine == MOTO:
        _let_moto_work_on_one_request_at_a_time(monkeypatch)
        for definition in definitions:
            del definition["SSESpecification"]  # moto would make an RSA key for it, every time
    else:
        local: DynamoDbLocal = request.getfixturevalue("_local_dynamodb")
        local.drop_tables()
        clients = replace(_clients, dynamodb=local.client)
    with mock_aws(config={"core": {"reset_boto3_session": False}}):
        for definition in definitions:
            clients.dynamodb.create_table(**definition)
        for queue in TEMPLATE.queues():
            clients.sqs.create_queue(QueueName=queue.name, Attributes=dict(queue.attributes))  # type: ignore[arg-type]
        for name in TEMPLATE.secrets():
            clients.secretsmanager.create_secret(Name=name, SecretString=httpx.Response(200, json=SECRET).text)
        yield clients


def _let_moto_work_on_one_request_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """DynamoDB's conditional writes are atomic; moto's, between threads, are not."""
    lock = Lock()
    unlocked = BotocoreStubber.__call__

    def one_at_a_time(*arguments: Any, **named: Any) -> Any:  # noqa: ANN401 - moto's own
        with lock:
            return unlocked(*arguments, **named)

    monkeypatch.setattr(BotocoreStubber, "__call__", one_at_a_time)


@pytest.fixture
def dynamodb(aws: Aws) -> UnreliableDynamoDb:
    return UnreliableDynamoDb(aws.dynamodb)


@pytest.fixture
def msg91() -> FakeMsg91:
    return FakeMsg91()


@pytest.fixture
def segment() -> FakeSegment:
    return FakeSegment()


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def track() -> Track:
    """Make a track event that asks for an SMS; further properties by name."""

    def make(number: str, message_id: str | None = "message-1", **properties: object) -> dict[str, Any]:
        standard = {"phone": number, "message": "Your order is on its way", "senderID": "MSGIND"}
        event: dict[str, Any] = {"type": "track", "event": "Order Shipped", "properties": standard | properties}
        return event if message_id is None else event | {"messageId": message_id}

    return make


SHARING: Final = ("tests/browser/", "tests/built/", "tests/chaos/", "tests/verify/")


class _OneWorldEach(LoadScopeScheduling):  # type: ignore[misc]  # xdist is not typed
    """Sends all tests that share a build or a world to one worker. xdist's own groups are ignored under pytest 9."""

    def _split_scope(self, nodeid: str) -> str:
        return next((folder for folder in SHARING if nodeid.startswith(folder)), nodeid)


def pytest_xdist_make_scheduler(config: pytest.Config, log: Producer) -> LoadScopeScheduling:
    return _OneWorldEach(config, log)
