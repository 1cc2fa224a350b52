"""API Gateway's HTTP API in front of the functions: requests become payload 2.0 events, results become responses."""

import base64
import json
import logging
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl
from uuid import uuid4

from werkzeug.exceptions import RequestEntityTooLarge
from werkzeug.wrappers import Request, Response

from sandbox.lambda_runtime import Event, Invoker
from sandbox.servers import serving, url_of, wsgi_server
from sandbox.template import ACCOUNT, Route

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIEnvironment

MAX_BODY = 10 * 1024 * 1024
TIMEOUT = 30
"""Seconds: an HTTP API's maximum wait for its integration."""
TEXT_TYPES = ("application/json", "application/javascript", "application/xml")
"""Besides text/*. A body of another type, or without a type, is passed in base64."""
HOP_BY_HOP = {"connection", "keep-alive", "transfer-encoding"}

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Match:
    route: Route
    path_parameters: dict[str, str]


class ApiGateway:
    """A WSGI application."""

    def __init__(self, routes: Sequence[Route], invokers: Mapping[str, Invoker], timeout: float = TIMEOUT) -> None:
        self._routes = routes
        self._invokers = invokers
        self._timeout = timeout
        self._invocations = ThreadPoolExecutor(max_workers=64, thread_name_prefix="invocation")

    def __call__(self, environ: "WSGIEnvironment", start_response: "StartResponse") -> Iterable[bytes]:
        return self._answer(Request(environ))(environ, start_response)

    def close(self) -> None:
        self._invocations.shutdown(wait=False, cancel_futures=True)

    def _answer(self, request: Request) -> Response:
        request.max_content_length = MAX_BODY
        try:
            request.get_data()
        except RequestEntityTooLarge:
            return _message(413, "Request Entity Too Large")
        match = find(self._routes, request.method, request.path)
        if not match:
            return _message(404, "Not Found")
        return self._invoke(match.route.function, to_event(request, match))

    def _invoke(self, function: str, event: Event) -> Response:
        invocation = self._invocations.submit(self._invokers[function], event)
        if wait([invocation], self._timeout).not_done:
            return _message(503, "Service Unavailable")
        if error := invocation.exception():
            logger.error("%s failed", function, exc_info=error)
            return _message(500, "Internal Server Error")
        return to_response(invocation.result())


@contextmanager
def running_api(
    routes: Sequence[Route], invokers: Mapping[str, Invoker], host: str = "127.0.0.1", port: int = 0
) -> Iterator[str]:
    """Yield the API's URL."""
    api = ApiGateway(routes, invokers)
    server = wsgi_server(api, host, port)
    with serving(server):
        try:
            yield url_of(server)
        finally:
            api.close()


def find(routes: Iterable[Route], method: str, path: str) -> Match | None:
    for route in routes:
        parameters = _path_parameters(route.path, path)
        if route.method == method and parameters is not None:
            return Match(route, parameters)
    return None


def _path_parameters(template: str, path: str) -> dict[str, str] | None:
    """Return the parameters, or None if the path does not match. A parameter matches one segment that is not empty."""
    wanted, given = template.split("/"), path.split("/")
    if len(wanted) != len(given):
        return None
    parameters = {}
    for want, got in zip(wanted, given, strict=True):
        if want.startswith("{") and got:
            parameters[want.strip("{}")] = got
        elif want != got:
            return None
    return parameters


def to_event(request: Request, match: Match) -> Event:
    body, is_base64 = _body(request)
    return {
        "version": "2.0",
        "routeKey": match.route.key,
        "rawPath": request.path,
        "rawQueryString": request.query_string.decode(),
        "headers": _headers(request),
        **_present("queryStringParameters", _query(request)),
        "requestContext": _request_context(request, match.route),
        **_present("pathParameters", match.path_parameters),
        **_present("body", body),
        "isBase64Encoded": is_base64,
    }


def _present(name: str, value: object) -> dict[str, object]:
    """Return no member if the value is empty, as HTTP APIs do."""
    return {name: value} if value else {}


def _body(request: Request) -> tuple[str, bool]:
    data = request.get_data()
    if not data or request.mimetype.startswith("text/") or request.mimetype in TEXT_TYPES:
        return data.decode("utf-8", "replace"), False
    return base64.b64encode(data).decode(), True


def _headers(request: Request) -> dict[str, str]:
    """Return the headers. The server has already joined repeated ones with commas."""
    received = {name.lower(): value for name, value in request.headers.items()}
    forwarded = {
        "x-forwarded-for": request.remote_addr or "",
        "x-forwarded-port": request.host.rpartition(":")[2],
        "x-forwarded-proto": request.scheme,
    }
    return {name: value for name, value in (received | forwarded).items() if name not in HOP_BY_HOP}


def _query(request: Request) -> dict[str, str]:
    values: dict[str, list[str]] = {}
    for name, value in parse_qsl(request.query_string.decode(), keep_blank_values=True):
        values.setdefault(name, []).append(value)
    return {name: ",".join(several) for name, several in values.items()}


def _request_context(request: Request, route: Route) -> dict[str, Any]:
    now = time.time()
    return {
        "accountId": ACCOUNT,
        "apiId": "sandbox",
        "domainName": request.host,
        "domainPrefix": "sandbox",
        "http": {
            "method": request.method,
            "path": request.path,
            "protocol": request.environ["SERVER_PROTOCOL"],
            "sourceIp": request.remote_addr or "",
            "userAgent": request.headers.get("User-Agent", ""),
        },
        "requestId": str(uuid4()),
        "routeKey": route.key,
        "stage": "$default",
        "time": datetime.fromtimestamp(now, UTC).strftime("%d/%b/%Y:%H:%M:%S +0000"),
        "timeEpoch": int(now * 1000),
    }


def to_response(result: object) -> Response:
    """Return the response. A result without statusCode is the body of a 200: payload 2.0's inferred response."""
    if not isinstance(result, dict) or "statusCode" not in result:
        body = result if isinstance(result, str) else json.dumps(result)
        return Response(body, content_type="application/json")
    body = result.get("body", "")
    return Response(
        base64.b64decode(body) if result.get("isBase64Encoded") else body,
        status=result["statusCode"],
        headers=result.get("headers"),
    )


def _message(status: int, words: str) -> Response:
    return Response(json.dumps({"message": words}), status=status, content_type="application/json")
