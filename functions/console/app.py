"""GET /console: the page for support and marketing, and the JSON behind it. Reads, and changes nothing."""

import base64
import hashlib
import json
import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from segment_msg91.authentication import UnauthorizedError, authenticate_console
from segment_msg91.handler import answers_errors, audit, count_unauthorized, instrumented, logger, secret_problem
from segment_msg91.http import Request, answer
from segment_msg91.list_query import InvalidQueryError
from segment_msg91.masking import without_numbers
from segment_msg91.secret import SecretReader
from segment_msg91.settings import ConsoleSettings, in_lambda
from segment_msg91.store.aws import StoreUnavailableError, cloudwatch_client, dynamodb_client, secretsmanager_client
from segment_msg91.store.metrics import Metrics, MetricsUnavailableError
from segment_msg91.store.search import Search, is_key
from segment_msg91.store.waiting import WaitingMessages
from segment_msg91.use_cases.console import Console, NotFoundError
from segment_msg91.use_cases.overview import Overview, UnknownWindowError

if TYPE_CHECKING:
    from aws_lambda_powertools.utilities.typing import LambdaContext

type Answer = dict[str, Any]

ENDPOINT: Final = "console"
PAGE: Final = "GET /console"
OVERVIEW: Final = "GET /console/overview"
EXPORT: Final = "GET /console/export"
CONTENT: Final[dict[str, Callable[[Console, Request], dict[str, Any]]]] = {
    "GET /console/messages": lambda console, request: console.messages(request.query),
    "GET /console/messages/{crqid}": lambda console, request: console.message(request.path_parameters["crqid"]),
    "GET /console/messages/{crqid}/phone": lambda console, request: console.phone(request.path_parameters["crqid"]),
    "GET /console/breakdown": lambda console, request: console.breakdown(request.query),
}

SECURITY_HEADERS: Final = {
    "cache-control": "no-store",
    "content-security-policy": "default-src 'none'; frame-ancestors 'none'",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "permissions-policy": "camera=(), geolocation=(), microphone=()",
    "referrer-policy": "no-referrer",
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
}
MAX_USER_LENGTH: Final = 64
_INLINED: Final = re.compile(r"/\* (\w+\.(?:js|css)) \*/")
"""Where the page has a file."""
CHALLENGE: Final = {"www-authenticate": 'Basic realm="SMS console", charset="UTF-8"'}


@cache
def wiring() -> tuple[SecretReader, Console, Overview]:
    """Build what a question needs, once in an environment's life."""
    settings = ConsoleSettings.load()
    dynamodb = dynamodb_client()
    search = Search(dynamodb, settings.messages_table, settings.reports_table)
    secret = SecretReader(secretsmanager_client(), settings.secret_id, on_problem=secret_problem)
    console = Console(
        search, settings.retention, settings.msg91_zone, has_waiting_index=settings.reconciliation_enabled
    )
    overview = Overview(
        Metrics(cloudwatch_client(), settings.metrics_namespace, settings.metrics_service),
        WaitingMessages(dynamodb, settings.messages_table),
        settings.msg91_zone,
        reconciles=settings.reconciliation_enabled,
    )
    return secret, console, overview


@instrumented
def lambda_handler(event: dict[str, Any], context: "LambdaContext") -> Answer:
    """Answer a request of API Gateway's (payload 2.0)."""
    response = _answer(event, context)
    return response | {"headers": SECURITY_HEADERS | response["headers"]}


@answers_errors(ENDPOINT, "Try again.")
def _answer(event: dict[str, Any], context: "LambdaContext") -> Answer:  # noqa: ARG001 - the decorator's
    route = event.get("routeKey", "")
    secret, console, overview = wiring()
    request = Request.of(event)
    try:
        user = authenticate_console(request, secret.read())
    except UnauthorizedError as error:
        count_unauthorized(ENDPOINT)
        refusal = page(status=401) if route == PAGE else answer(401, str(error))
        return refusal | {"headers": refusal["headers"] | CHALLENGE}
    with _audited(route, user, request) as line:
        if route == PAGE:
            return page(status=200)
        return _answered(lambda: _content(route, console, overview, request, line))


@contextmanager
def _audited(route: str, user: str, request: Request) -> Iterator[dict[str, Any]]:
    """Record who looked at which message, whether or not it is answered. What else is recorded is put into the line.

    What was searched for may be a number, and what is no key may be one too.
    """
    crqid = request.path_parameters.get("crqid", "")
    line: dict[str, Any] = {
        "route": route,
        "user": without_numbers(user)[:MAX_USER_LENGTH],
        "source_ip": request.source_ip,
        "crqid": crqid if is_key(crqid) else None,
    }
    try:
        yield line
    finally:
        audit.info("console", **line)


def _content(route: str, console: Console, overview: Overview, request: Request, line: dict[str, Any]) -> Answer:
    if route == OVERVIEW:
        return _json(overview.view(request.query))
    if route == EXPORT:
        return _export(console, request, line)
    if route not in CONTENT:
        return answer(404, "There is nothing here; the page is at /console.")
    return _json(CONTENT[route](console, request))


def _export(console: Console, request: Request, line: dict[str, Any]) -> Answer:
    exported = console.export(request.query)
    line |= {"export": exported.kind, "rows": exported.rows}
    return _json({"csv": exported.csv, "rows": exported.rows, "after": exported.after})


def _answered(give: Callable[[], Answer]) -> Answer:
    try:
        return give()
    except (InvalidQueryError, UnknownWindowError) as error:
        return answer(400, str(error))
    except NotFoundError:
        return answer(404, "There is no such message (any more); RetentionDays says how long messages are kept.")
    except MetricsUnavailableError as error:
        logger.error("metrics unavailable", reason=str(error))
        return answer(503, "The figures can't be read from CloudWatch now; try again.")
    except StoreUnavailableError as error:
        logger.error("tables unavailable", reason=str(error))
        return answer(503, "The tables can't be read now; try again.")


def _json(content: dict[str, Any]) -> Answer:
    return {"statusCode": 200, "headers": {"content-type": "application/json"}, "body": json.dumps(content)}


@cache
def page(status: int) -> Answer:
    """Return the page: one document, its scripts and style in it, and none of them allowed but by its hash.

    At 401 it shows no data and a form for the token, for browsers that show no prompt: something between has removed or
    renamed the WWW-Authenticate header, as API Gateway's REST APIs do.
    """
    html = _asset("console.html")
    files = {name: _asset(name) for name in _INLINED.findall(html)}
    access = "granted" if status == 200 else "refused"  # noqa: PLR2004 - HTTP's own number
    policy = {
        "default-src": "'none'",
        "script-src": _hashes(files, ".js"),
        "style-src": _hashes(files, ".css"),
        "connect-src": "'self'",
        "img-src": "data:",
        "base-uri": "'none'",
        "form-action": "'none'",
        "frame-ancestors": "'none'",
        "require-trusted-types-for": "'script'",
        "trusted-types": "'none'",
    }
    return {
        "statusCode": status,
        "headers": {
            "content-type": "text/html; charset=utf-8",
            "content-security-policy": "; ".join(f"{name} {value}" for name, value in policy.items()),
        },
        "body": _INLINED.sub(
            lambda place: files[place[1]], html.replace('data-access="granted"', f'data-access="{access}"')
        ),
    }


def _asset(name: str) -> str:
    return Path(__file__).with_name(name).read_text(encoding="utf-8")


def _hashes(files: Mapping[str, str], kind: str) -> str:
    digests = (hashlib.sha256(text.encode()).digest() for name, text in files.items() if name.endswith(kind))
    return " ".join(f"'sha256-{base64.b64encode(digest).decode()}'" for digest in digests)


if in_lambda():  # the init phase has a whole core, and no request waits for it
    wiring()
