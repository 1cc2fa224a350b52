"""Every credential in every place and every shape of the secret, against an oracle that knows only the contract.

The functions' own authentication and answers; what they would do with an accepted request is recorded instead.
"""

import base64
import hashlib
import hmac
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from itertools import product
from typing import TYPE_CHECKING, Any, Final

import pytest
from botocore.client import BaseClient
from botocore.exceptions import ClientError, ReadTimeoutError

from functions.console import app as console
from functions.delivery_reports import app as delivery_reports
from functions.segment_ingest import app as segment_ingest
from segment_msg91.settings import Secrets
from segment_msg91.use_cases.console import Export
from segment_msg91.use_cases.delivery_reports import Receipt
from segment_msg91.use_cases.segment_ingest import Result, Status
from tests.handlers.conftest import BEARER, Endpoint

if TYPE_CHECKING:
    from tests.fakes.aws import Aws
    from tests.fakes.dynamodb import UnreliableDynamoDb
    from tests.fakes.events import Track
    from tests.fakes.msg91 import FakeMsg91
    from tests.handlers.conftest import Ask

MISSING: Final = object()
AUTHKEY: Final = "authkey-now"
TOKEN, REPORT, CONSOLE = (f"{name}-of-enough-characters" for name in ("token", "report", "console"))


@dataclass(frozen=True, slots=True)
class Shape:
    """A form of the secret's credentials, and which of `now`, `before` and `third` it accepts."""

    name: str
    write: Callable[[str], object]
    accepted: frozenset[str] = frozenset()


SHAPES: Final = [
    Shape("a string", lambda kind: f"{kind}-now", frozenset({"now"})),
    Shape(
        "two while one replaces the other", lambda kind: [f"{kind}-now", f"{kind}-before"], frozenset({"now", "before"})
    ),
    Shape("a list of one", lambda kind: [f"{kind}-now"], frozenset({"now"})),
    Shape("null and one", lambda kind: [None, f"{kind}-before"], frozenset({"before"})),
    Shape("an empty one and one", lambda kind: ["", f"{kind}-now"], frozenset({"now"})),
    Shape(
        "more than two", lambda kind: [f"{kind}-now", f"{kind}-before", f"{kind}-third"], frozenset({"now", "before"})
    ),
    Shape("a string with a line's end", lambda kind: f"{kind}-now\n", frozenset({"now"})),
    Shape("missing", lambda _: MISSING),
    Shape("empty", lambda _: ""),
    Shape("a space", lambda _: " "),
    Shape("null", lambda _: None),
    Shape("no credentials", lambda _: []),
    Shape("empty ones", lambda _: ["", None]),
    Shape("an object", lambda kind: {f"{kind}-now": f"{kind}-now"}),
    Shape("lists in a list", lambda kind: [[f"{kind}-now"]]),
    Shape("a number", lambda _: 0),
    Shape("true", lambda _: True),
]


@dataclass(frozen=True, slots=True)
class Credential:
    """A credential of a request in one place; `whose` is its generation, or why it is not valid."""

    place: str
    whose: str
    members: dict[str, Any] = field(default_factory=dict)


def _basic(user: str) -> dict[str, Any]:
    return {"headers": {"authorization": "Basic " + base64.b64encode(f"{user}:".encode()).decode()}}


def _password(token: str) -> dict[str, Any]:
    return {"headers": {"authorization": "Basic " + base64.b64encode(f"anybody:{token}".encode()).decode()}}


PLACES: Final[dict[str, Callable[[str], dict[str, Any]]]] = {
    "Bearer": lambda token: {"headers": {"authorization": f"Bearer {token}"}},
    "Basic": _basic,
    "Basic password": _password,
    "X-Webhook-Token": lambda token: {"headers": {"X-Webhook-Token": token}},
    "query": lambda token: {"queryStringParameters": {"token": token}},
    "path": lambda token: {"pathParameters": {"token": token}},
}


def _tokens(kind: str, other: str) -> list[Credential]:
    """Return no token, and in each place: each generation, an empty one, wrong ones, the other endpoint's."""
    texts = {whose: f"{kind}-{whose}" for whose in ("now", "before", "third")}
    texts |= {"empty": "", "wrong": f"{kind}-nox", "longer": f"{kind}-now1", "the other endpoint's": f"{other}-now"}
    return [
        Credential("no place", "absent"),
        *(
            Credential(place, whose, write(text))
            for (place, write), (whose, text) in product(PLACES.items(), texts.items())
        ),
    ]


AUTHKEYS: Final = [
    Credential("authkey", "now", _basic(AUTHKEY)),
    Credential("authkey", "wrong", _basic("authkey-nox")),
    Credential("authkey in a query", "now", PLACES["query"](AUTHKEY)),
    Credential("authkey as Bearer", "now", PLACES["Bearer"](AUTHKEY)),
]

FIRST: Final = '{"type":"track","messageId":"1","event":"\u00e9","properties":{"n":1.0}}'
FORGED: Final = '{"type": "track", "messageId": "forged"}'
WRAPPED: Final = f'{{"json": {FIRST}}}'


@dataclass(frozen=True, slots=True)
class Body:
    """A request's body, and the parts of it that Segment may sign."""

    name: str
    text: str
    parts: tuple[str, ...] = ()


BODIES: Final = [
    Body("a single event", FIRST),
    Body("a batch of one", f"[{FIRST}]", (FIRST,)),
    Body("a batch with forged events behind a signed one", f"[ {FIRST} , {FORGED} ]", (FIRST,)),
    Body("an Extensible batch with a forged event", f'[{WRAPPED},{{"json":{FORGED}}}]', (WRAPPED, FIRST)),
]


@dataclass(frozen=True, slots=True)
class Signature:
    """A signature: its key, and the bytes that it covers."""

    whose: str
    over: str
    text: str | None


def _signatures(body: Body) -> Iterator[Signature]:
    yield Signature("none", "nothing", None)
    yield Signature("none", "nothing", "")
    yield Signature("none", "nothing", "0" * 40)
    for whose in ("now", "before", "third"):
        yield Signature(whose, "whole", _hmac(f"shared-{whose}", body.text))
        yield Signature(whose, "other", _hmac(f"shared-{whose}", FORGED))
        for part in body.parts:
            yield Signature(whose, "part", _hmac(f"shared-{whose}", part))
    yield Signature("empty", "whole", _hmac("", body.text))
    yield Signature("the token's", "whole", _hmac("token-now", body.text))


def _hmac(key: str, signed: str) -> str:
    return hmac.new(key.encode(), signed.encode(), hashlib.sha1).hexdigest()


def _segment_may_call(shape: Shape, signature: Signature, token: Credential, *, has_authkey: bool) -> bool:
    """Apply the contract: a signature over the whole body, or a token and no signature that does not match."""
    if signature.over == "whole" and signature.whose in shape.accepted:
        return True
    if token.place == "authkey":
        has_token = has_authkey and token.whose == "now"
    else:
        has_token = token.place in ("Bearer", "Basic", "query") and token.whose in shape.accepted
    return has_token and (signature.text is None or (signature.over == "part" and signature.whose in shape.accepted))


class Recorder:
    """A fake of the secret's reader and of every use case; counts the accepted requests."""

    def __init__(self, secret: dict[str, object]) -> None:
        self._secret = json.loads(json.dumps(secret))
        self.received = 0

    def read(self) -> Secrets:
        return Secrets.parse(self._secret)

    def send(self, events: list[object], *_: object) -> list[Result]:
        self.received += 1
        return [Result(Status.SKIPPED, None) for _ in events]

    def messages(self, _query: object) -> dict[str, object]:
        self.received += 1
        return {}

    message = phone = breakdown = view = messages

    def export(self, _query: object) -> Export:
        self.received += 1
        return Export("day", "", rows=0, after=None)

    def receive(self, *_: object) -> Receipt:
        self.received += 1
        return Receipt()


def _secret(shape: Shape) -> dict[str, object]:
    """Write the four rotating credentials of the secret in one shape."""
    kinds = {
        "segment_shared_secret": "shared",
        "segment_token": TOKEN,
        "report_token": REPORT,
        "console_token": CONSOLE,
    }
    written = {name: shape.write(kind) for name, kind in kinds.items()}
    return {name: value for name, value in written.items() if value is not MISSING}


SHAPED: Final = pytest.mark.parametrize("shape", SHAPES, ids=lambda shape: shape.name)


@pytest.mark.parametrize("authkey", [AUTHKEY, ""], ids=["authkey", "no authkey"])
@SHAPED
def test_segment_is_let_in_exactly_when_the_contract_says(
    shape: Shape, authkey: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    recorder = Recorder(_secret(shape) | {"msg91_authkey": authkey})
    monkeypatch.setattr(segment_ingest, "wiring", lambda: (recorder, recorder))
    endpoint = Endpoint(segment_ingest.lambda_handler, "track.json")
    wrong = []
    for body in BODIES:
        for signature, token in product(_signatures(body), [*_tokens(TOKEN, REPORT), *AUTHKEYS]):
            headers = token.members.get("headers", {})
            signed = {} if signature.text is None else {"X-Signature": signature.text}
            before = recorder.received
            status = endpoint.call({"body": body.text} | token.members | {"headers": headers | signed}).status
            expected = _segment_may_call(shape, signature, token, has_authkey=bool(authkey))
            if (status, recorder.received - before) != ((200, 1) if expected else (401, 0)):
                wrong.append((body.name, signature, token, status))
    assert wrong == []


@SHAPED
def test_msg91_is_let_in_exactly_when_the_contract_says(shape: Shape, monkeypatch: pytest.MonkeyPatch) -> None:
    recorder = Recorder(_secret(shape))
    monkeypatch.setattr(delivery_reports, "wiring", lambda: (recorder, recorder))
    endpoint = Endpoint(delivery_reports.lambda_handler, "report_v3.json")
    wrong = []
    for token in _tokens(REPORT, TOKEN):
        before = recorder.received
        status = endpoint.call({"body": "{}"} | token.members).status
        expected = token.place in ("Bearer", "X-Webhook-Token", "query", "path") and token.whose in shape.accepted
        if (status, recorder.received - before) != ((200, 1) if expected else (401, 0)):
            wrong.append((token, status))
    assert wrong == []


CONSOLE_ROUTES: Final = {
    "/console": None,
    "/console/overview": None,
    "/console/messages": None,
    "/console/messages/{crqid}": {"crqid": "c1"},
    "/console/messages/{crqid}/phone": {"crqid": "c1"},
    "/console/breakdown": None,
    "/console/export": None,
}


@SHAPED
def test_people_are_let_in_exactly_when_the_contract_says(shape: Shape, monkeypatch: pytest.MonkeyPatch) -> None:
    recorder = Recorder(_secret(shape))
    monkeypatch.setattr(console, "wiring", lambda: (recorder, recorder, recorder))
    endpoint = Endpoint(console.lambda_handler, "console.json")
    wrong = []
    for (path, parameters), token in product(CONSOLE_ROUTES.items(), _tokens(CONSOLE, TOKEN)):
        before = recorder.received
        answer = endpoint.invoke(
            endpoint.sample
            | {"routeKey": f"GET {path}", "headers": {}}
            | token.members
            | {"pathParameters": parameters}
        )
        expected = token.place == "Basic password" and token.whose in shape.accepted
        read = expected and path != "/console"
        if (answer["statusCode"], recorder.received - before) != (200 if expected else 401, int(read)):
            wrong.append((path, token, answer["statusCode"]))
        if ("www-authenticate" in answer["headers"]) == expected:
            wrong.append((path, token, answer["headers"]))
    assert wrong == []


def _refusal(code: str) -> ClientError:
    return ClientError({"Error": {"Code": code, "Message": "prepared by a test"}}, "GetSecretValue")


UNAVAILABLE: Final = {
    **{code: _refusal(code) for code in ("ResourceNotFoundException", "AccessDeniedException", "ThrottlingException")},
    **{code: _refusal(code) for code in ("DecryptionFailure", "InternalServiceError")},
    "no answer": ReadTimeoutError(endpoint_url="https://secretsmanager.test"),
    "no secret in it": {},
    **{text or "empty": {"SecretString": text} for text in ("", "not JSON", "[]", '"token-now"', "null", "true", "17")},
    "nested deeply": {"SecretString": "[" * 100_000},
    "binary": {"SecretBinary": b"\xff\x00"},
}


@pytest.fixture(params=UNAVAILABLE)
def _no_secret(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Secrets Manager fails, or its answer is not a valid secret."""
    exception, call = UNAVAILABLE[request.param], BaseClient._make_api_call  # type: ignore[attr-defined]  # noqa: SLF001 - where botocore's errors arise

    def answer(client: BaseClient, operation: str, arguments: dict[str, Any]) -> object:
        if operation != "GetSecretValue":
            return call(client, operation, arguments)
        if isinstance(exception, Exception):
            raise exception
        return exception

    monkeypatch.setattr(BaseClient, "_make_api_call", answer)


@pytest.mark.usefixtures("_no_secret")
def test_without_a_secret_segment_is_answered_503_and_nothing_is_done(
    ingest: Endpoint, track: "Track", dynamodb: "UnreliableDynamoDb", msg91: "FakeMsg91"
) -> None:
    body = json.dumps(track("919800000001"))
    given = [{}, BEARER, {"X-Signature": _hmac("sandbox-shared-secret", body)}, {"X-Signature": _hmac("", body)}]
    assert [ingest(body, headers).status for headers in given] == [503] * len(given)
    assert (dynamodb.calls, msg91.calls) == ([], [])


@pytest.mark.usefixtures("_no_secret")
def test_without_a_secret_msg91_is_answered_503_and_nothing_is_kept(
    report: Endpoint, dynamodb: "UnreliableDynamoDb", aws: "Aws"
) -> None:
    statuses = [
        report(body, {}, in_path=token).status for body in ("{}", "?") for token in ("", "sandbox-only-report-token")
    ]
    assert statuses == [503] * 4
    assert (dynamodb.calls, aws.queued("ReportsRedriveQueue"), aws.queued("ReportsQuarantineQueue")) == ([], [], [])


@pytest.mark.usefixtures("_no_secret")
def test_without_a_secret_the_console_is_closed_and_nothing_is_read(ask: "Ask", dynamodb: "UnreliableDynamoDb") -> None:
    tokens = ["", "sandbox-only-console-token"]
    assert [ask(path, token=token).status for path in ("/console", "/console/messages") for token in tokens] == [
        503
    ] * 4
    assert dynamodb.calls == []
