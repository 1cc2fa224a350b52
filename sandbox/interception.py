"""Observes calls to the embedded AWS and injects faults, between the request and its execution."""

import json
import re
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from io import BytesIO
from threading import Lock
from typing import TYPE_CHECKING, Any, Final, Protocol

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

_CREDENTIAL: Final = re.compile(r"Credential=(?P<caller>[^/]+)/\d+/[^/]+/(?P<service>[^/]+)/aws4_request")


@dataclass(frozen=True, slots=True)
class Call:
    """One request to the embedded AWS. The SDK's retry is another."""

    caller: str
    """The access key id it is signed with: a function's logical id, or `sandbox` for tests and the stack itself."""
    service: str
    """As in its IAM actions: `dynamodb`, `sqs`, `secretsmanager` or `cloudwatch`."""
    operation: str
    resource: str
    """The name of the table, of the index as `table/index/name`, of the queue or of the secret; of metrics `*`."""
    body: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class Answer:
    status: int
    body: bytes
    headers: tuple[tuple[str, str], ...] = (("Content-Type", "application/x-amz-json-1.0"),)


_SERVICES: Final = {"monitoring": "cloudwatch"}
"""The names in IAM actions of services that sign with another name."""

type Execute = Callable[[bytes], Answer]
"""Executes the call with this body."""


class Verdict(Protocol):
    """Decides whether a call is executed, and how it is answered."""

    def answer(self, call: Call, execute: Execute) -> Answer:
        """Return the answer. Raises ConnectionAbortedError to close the connection without one."""


class Interceptor(Protocol):
    """Called concurrently from the threads of several requests."""

    def before(self, call: Call) -> Verdict: ...

    def after(self, call: Call) -> None:
        """Called after the execution of a call, before its answer is written."""


class _Pass:
    def answer(self, call: Call, execute: Execute) -> Answer:
        return execute(call.body)


class _LoseRequest:
    def answer(self, call: Call, execute: Execute) -> Answer:  # noqa: ARG002  # the call is not executed
        raise ConnectionAbortedError


class _LoseAnswer:
    def answer(self, call: Call, execute: Execute) -> Answer:
        execute(call.body)
        raise ConnectionAbortedError


PASS: Final[Verdict] = _Pass()
LOSE_REQUEST: Final[Verdict] = _LoseRequest()
LOSE_ANSWER: Final[Verdict] = _LoseAnswer()
"""The call is executed, but the caller can't know."""


@dataclass(frozen=True, slots=True)
class Refuse:
    """Not executed, and answered with an error such as `ThrottlingException`."""

    status: int
    code: str
    members: Mapping[str, Any] = field(default_factory=dict)
    """What else the error carries, such as the CancellationReasons of a transaction."""

    def answer(self, call: Call, execute: Execute) -> Answer:  # noqa: ARG002  # the call is not executed
        error = {"__type": f"com.amazonaws.{call.service}#{self.code}", "message": "injected", **self.members}
        return Answer(
            self.status, json.dumps(error).encode(), (*Answer(0, b"").headers, ("x-amzn-errortype", self.code))
        )


@dataclass(frozen=True, slots=True)
class Delay:
    """Executed at once, and answered late."""

    seconds: float

    def answer(self, call: Call, execute: Execute) -> Answer:
        answer = execute(call.body)
        time.sleep(self.seconds)
        return answer


@dataclass(frozen=True, slots=True)
class Partial:
    """Reads only the first keys of a BatchGetItem on one table; the answer has the others as unprocessed."""

    keys: int

    def answer(self, call: Call, execute: Execute) -> Answer:
        wanted = json.loads(call.body)["RequestItems"][call.resource]
        read, unread = wanted["Keys"][: self.keys], wanted["Keys"][self.keys :]
        result: dict[str, Any] = {"Responses": {call.resource: []}}
        if read:
            request = {"RequestItems": {call.resource: {**wanted, "Keys": read}}}
            result = json.loads(execute(json.dumps(request).encode()).body)
        if unread:
            result["UnprocessedKeys"] = {call.resource: {**wanted, "Keys": unread}}
        return Answer(200, json.dumps(result).encode())


class Interception:
    """WSGI middleware that shows each call to an interceptor, and counts it."""

    def __init__(self, app: "WSGIApplication") -> None:
        self._app = app
        self._counting = Lock()
        self.interceptor: Interceptor | None = None
        self.calls: Counter[tuple[str, str, str, str]] = Counter()
        """Counts the calls by caller, service, operation and resource, executed or not."""

    def __call__(self, environ: "WSGIEnvironment", start_response: "StartResponse") -> list[bytes]:
        call = _call(environ)
        answer = self._intercepted(call, environ) if call else self._execute(environ, _body(environ))
        start_response(f"{answer.status} {HTTPStatus(answer.status).phrase}", list(answer.headers))
        return [answer.body]

    def _intercepted(self, call: Call, environ: "WSGIEnvironment") -> Answer:
        with self._counting:
            self.calls[call.caller, call.service, call.operation, call.resource] += 1
        interceptor = self.interceptor
        if not interceptor:
            return self._execute(environ, call.body)

        def execute(body: bytes) -> Answer:
            answer = self._execute(environ, body)
            interceptor.after(call)
            return answer

        return interceptor.before(call).answer(call, execute)

    def _execute(self, environ: "WSGIEnvironment", body: bytes) -> Answer:
        request = {**environ, "wsgi.input": BytesIO(body), "CONTENT_LENGTH": str(len(body))}
        return _run(self._app, request)


def _run(app: "WSGIApplication", environ: "WSGIEnvironment") -> Answer:
    started: list[tuple[str, list[tuple[str, str]]]] = []

    def start_response(
        status: str, headers: list[tuple[str, str]], _error: object = None, /
    ) -> Callable[[bytes], object]:
        started.append((status, headers))
        return _write

    parts = app(environ, start_response)
    try:
        body = b"".join(parts)
    finally:
        if close := getattr(parts, "close", None):
            close()
    status, headers = started[-1]
    return Answer(int(status.split()[0]), body, tuple(headers))


def _write(_data: bytes) -> None:
    raise NotImplementedError("the services answer by their return values")


def _call(environ: "WSGIEnvironment") -> Call | None:
    """Return the call; None if the request is not a call to AWS, such as moto's reset."""
    signed = _CREDENTIAL.search(environ.get("HTTP_AUTHORIZATION", ""))
    if not signed:
        return None
    body = _body(environ)
    operation = environ.get("HTTP_X_AMZ_TARGET", "").rpartition(".")[2]
    service = _SERVICES.get(signed["service"], signed["service"])
    return Call(signed["caller"], service, operation, "+".join(sorted(set(_resources(body)))), body)


def _body(environ: "WSGIEnvironment") -> bytes:
    body: bytes = environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
    return body


def _resources(body: bytes) -> Iterator[str]:
    match json.loads(body or b"{}"):
        case {"TableName": str(table), "IndexName": str(index)}:
            yield f"{table}/index/{index}"
        case {"TableName": str(name)} | {"QueueName": str(name)} | {"SecretId": str(name)} | {"Name": str(name)}:
            yield name
        case {"QueueUrl": str(url)}:
            yield url.rpartition("/")[2]
        case {"RequestItems": dict(tables)}:
            yield from tables
        case {"MetricDataQueries": _}:
            yield "*"
        case {"TransactItems": list(writes)}:
            yield from (request["TableName"] for write in writes for request in write.values())
