"""The HTTP client of MSG91's logs, which show what became of an SMS: a query in, pages of rows out.

MSG91 does not document this API in full. What is known comes from public clients, so the reader accepts each form that
was seen, and every error is one that a person can act on.
"""

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date
from typing import Any, Final

import httpx

from segment_msg91.fields import MalformedJsonError, canonical, identifier_of, read_json, text_of
from segment_msg91.msg91.codes import API_ERRORS

PATH: Final = "/api/v5/report/logs/p/sms"
DAYS: Final = 3
"""A query covers at most so many days (IST), the first of them within the last so many."""
ROWS_PER_PAGE: Final = 1000

# The default columns lack some of these. `msgData`, the text of the SMS, is not requested, and is dropped if it comes.
_COLUMNS: Final = (
    *("requestId", "telNum", "CRQID", "UUID", "status", "statusCode", "reportStatusDesc", "failureReason"),
    *("requestDate", "sentDateTime", "deliveryDate", "deliveryTime", "senderId", "flowID", "campaignName", "credit"),
    "telecomCircle",
)
_TEXT_COLUMNS: Final = frozenset({"msgdata", "message"})
_ENVELOPES: Final = ("data", "logs", "records")
_TIMEOUT: Final = httpx.Timeout(20, connect=3)
_WHOLE: Final = re.compile(r"\d{1,12}", re.ASCII)
# Errors without a code that are known. Other words are not repeated, because they may quote a key or a number.
_WINDOW_ERROR: Final = "duration exceeds"
_KNOWN_ERRORS: Final = (_WINDOW_ERROR, "route missing", "unauthorized")


class LogsError(Exception):
    """The logs could not be read. The text says why and what to do; it quotes no number.

    `concerns_every_query`: another query would fail in the same way.
    """

    def __init__(self, reason: str, *, concerns_every_query: bool = True) -> None:
        super().__init__(reason)
        self.concerns_every_query = concerns_every_query


@dataclass(frozen=True, slots=True)
class LogsQuery:
    """Which rows are requested: those of some days (IST, inclusive), or of one request within them; how many a page."""

    first: date
    last: date
    request_id: str | None = None
    limit: int = ROWS_PER_PAGE


@dataclass(frozen=True, slots=True)
class LogsPage:
    """Rows as MSG91 wrote them, without the texts of SMS. `token` leads to the next page; None: this is the last."""

    rows: list[dict[str, Any]] = field(repr=False)
    token: str | None = None
    total: int | None = None


class Logs:
    """MSG91's logs API. Each request has its own connection, because Lambda's freezes end idle ones. Thread-safe."""

    def __init__(self, base_url: str, method: str = "POST", transport: httpx.BaseTransport | None = None) -> None:
        """`method`: clients of this API use both POST and GET."""
        self._method = method
        self._client = httpx.Client(
            base_url=base_url,
            timeout=_TIMEOUT,
            limits=httpx.Limits(max_keepalive_connections=0),
            headers={"accept": "application/json", "user-agent": "segment-msg91"},
            trust_env=False,
            verify=httpx.create_ssl_context(trust_env=False),
            transport=transport,
        )

    def page(self, query: LogsQuery, token: str | None, authkey: str) -> LogsPage:
        """Return the page after `token`, or the first one. Raises LogsError."""
        parameters = _parameters(query, token)
        # Clients put the parameters into the query or into the body; MSG91 reads either.
        body = parameters if self._method == "POST" else None
        try:
            response = self._client.request(
                self._method, PATH, params=parameters, json=body, headers={"authkey": authkey}
            )
        except (httpx.HTTPError, httpx.StreamError) as error:
            raise LogsError(f"MSG91's logs gave no answer ({type(error).__name__})") from error
        except (ValueError, TypeError) as error:
            raise LogsError("msg91_authkey holds characters that no header can carry") from error
        page = page_of(response.status_code, response.content)
        if not query.request_id:
            return page
        # In answers to such a query the column was missing.
        own = {"requestId": query.request_id}
        rows = [row if identifier_of(row.get("requestId")) else row | own for row in page.rows]
        return LogsPage(rows, page.token, page.total)


def page_of(status: int, content: bytes) -> LogsPage:
    """Read an answer of the logs API. HTTP 200 is not success. Raises LogsError."""
    answer = _json(status, content)
    if isinstance(answer, dict) and _is_error(answer):
        raise _error(status, answer)
    if not httpx.codes.is_success(status):
        raise _error(status, answer if isinstance(answer, dict) else {})
    rows = next(_lists(answer), None)
    if rows is None or not all(isinstance(row, dict) for row in rows):
        raise LogsError("MSG91's logs answered in a form that is not known here")
    metadata = answer.get("metadata") if isinstance(answer, dict) else None
    about = metadata if isinstance(metadata, dict) else answer if isinstance(answer, dict) else {}
    return LogsPage([_without_text(row) for row in rows], _token(about), _total(about))


def _parameters(query: LogsQuery, token: str | None) -> dict[str, str]:
    parameters = {
        "startDate": query.first.isoformat(),
        "endDate": query.last.isoformat(),
        "requestId": query.request_id,
        "fields": ",".join(_COLUMNS),
        "limit": str(query.limit),
        "paginationToken": token,
    }
    return {name: value for name, value in parameters.items() if value}


def _json(status: int, content: bytes) -> Any:  # noqa: ANN401 - any JSON value
    try:
        return read_json(content.decode())
    except (UnicodeDecodeError, MalformedJsonError):
        if httpx.codes.is_success(status):
            raise LogsError("MSG91's logs answered no JSON; check the parameter Msg91BaseUrl") from None
        return {}


def _lists(answer: object) -> Iterator[list[Any]]:
    """Yield the rows: the answer itself, or a list under a known name, one level deeper at most."""
    if isinstance(answer, list):
        yield answer
    elif isinstance(answer, dict):
        for name in _ENVELOPES:
            inner = answer.get(name)
            if isinstance(inner, list):
                yield inner
            elif isinstance(inner, dict):
                yield from (inner[deeper] for deeper in _ENVELOPES if isinstance(inner.get(deeper), list))


def _is_error(answer: Mapping[str, Any]) -> bool:
    words = {str(answer.get(name)).lower() for name in ("type", "msgType", "status")}
    return bool(words & {"error", "fail"} or answer.get("hasError") is True or answer.get("error"))


def _error(status: int, answer: Mapping[str, Any]) -> LogsError:
    words = json.dumps(dict(answer)).lower()
    known = next((error for error in _KNOWN_ERRORS if error in words), None)
    if known == _WINDOW_ERROR:
        advice = "check the parameter Msg91UtcOffset"
        return LogsError(f"MSG91's logs: the days are out of range; {advice}", concerns_every_query=False)
    codes = [identifier_of(answer.get("apiError")), identifier_of(answer.get("code"))]
    code = next((code for code in codes if code in API_ERRORS), None)
    meaning = f"{API_ERRORS[code][1]} ({code})" if code else f"{known or 'an error'} (HTTP {status})"
    advice = "check the authkey, its IP whitelist and the parameter Msg91BaseUrl"
    return LogsError(f"MSG91's logs: {meaning}; {advice}")


def _without_text(row: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in row.items() if canonical(name) not in _TEXT_COLUMNS}


def _token(about: Mapping[str, Any]) -> str | None:
    token = about.get("paginationToken")
    text = text_of(token)
    if token and text is None:
        # To take it for the last page would make the rest of the rows look like missing ones.
        raise LogsError("MSG91's logs continue in a form that is not known here")
    return text or None


def _total(about: Mapping[str, Any]) -> int | None:
    text = (text_of(about.get("total")) or "").strip()
    return int(text) if _WHOLE.fullmatch(text) else None
