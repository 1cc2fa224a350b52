"""The logs API: what became of the SMS of at most three days, in pages."""

import json
import secrets
from collections import OrderedDict, deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from threading import Lock
from typing import Any, Final
from urllib.parse import parse_qsl

from sandbox.msg91_simulator.answers import Answer, Ending
from sandbox.msg91_simulator.calls import Refused
from sandbox.msg91_simulator.faults import Faults
from sandbox.msg91_simulator.ledger import SentSms
from sandbox.msg91_simulator.log_rows import Reported, Row, row, selected, with_dates_as_objects
from sandbox.msg91_simulator.reports import IST

LOGS_PATH: Final = "/api/v5/report/logs/p/sms"
DAYS: Final = 3
"""The first day may be so many days ago, counted from 1 for today; a query may have so many days."""
DEFAULT_LIMIT: Final = 1000
_KEPT_RESULTS: Final = 100


@dataclass(frozen=True, slots=True)
class Page:
    """One page of a result. `token` is its own, `next_token` that of the next page, if there is one."""

    rows: Sequence[Row]
    total: int
    token: str
    next_token: str | None

    @property
    def metadata(self) -> dict[str, object]:
        return {"total": self.total, "paginationToken": self.next_token}


type Fault = Answer | Callable[[Page], object]
"""An answer that replaces the logs', or a function that writes a page in another form."""


def _unauthorized(api_error: str) -> Answer:
    # seen: JSON that is labelled as HTML
    body = f'{{"status":"fail","hasError":true,"errors":"Unauthorized","code":"401","apiError":"{api_error}"}}'
    return Answer(body, status=401, content_type="text/html")


UNAUTHORIZED: Final = _unauthorized("201")
ROUTE_MISSING: Final = Answer('{"type":"error","msg":"Route Missing"}', status=404)  # seen
DURATION_EXCEEDED: Final = Answer('{"error":"Duration exceeds, allowed limit is 3"}')  # seen: at HTTP 200
DATES_MISSING: Final = Answer('{"type":"error","message":"startDate and endDate must be YYYY-MM-DD"}')  # inferred
TOKEN_INVALID: Final = Answer('{"hasError":true,"errors":"Invalid paginationToken"}')  # inferred

FAULTS: Final[Mapping[str, Fault]] = {
    "401": UNAUTHORIZED,
    "418": _unauthorized("418"),
    "404": ROUTE_MISSING,
    "429": Answer('{"type":"error","message":"Too many requests"}', status=429),
    "500": Answer("<html><body>Internal Server Error</body></html>", status=500, content_type="text/html"),
    "503": Answer("<html><body>Service Unavailable</body></html>", status=503, content_type="text/html"),
    "html": Answer("<html><body>Please log in</body></html>", content_type="text/html"),
    "empty": Answer(),
    "cut-off": Answer('{"data":[{"telNum":"9198'),
    "silent": Answer(ending=Ending.SILENT),
    "reset": Answer(ending=Ending.RESET),
    "error": Answer('{"data":[],"error":"Something went wrong"}'),
    "hasError": Answer('{"data":[],"hasError":true,"errors":"Something went wrong"}'),
    "type": Answer('{"data":[],"type":"error","message":"Something went wrong"}'),
    "duration": DURATION_EXCEEDED,
    "empty-page": lambda page: {"data": [], "metadata": page.metadata},
    "endless-token": lambda page: {"data": page.rows, "metadata": {"paginationToken": page.next_token or page.token}},
    "list": lambda page: page.rows,
    "logs": lambda page: {"logs": page.rows, "metadata": page.metadata},
    "records": lambda page: {"records": page.rows, "metadata": page.metadata},
    "dates": lambda page: {"data": [with_dates_as_objects(one) for one in page.rows], "metadata": page.metadata},
}
"""By their names. An empty page's total says that rows are missing; an endless token repeats the last page."""


@dataclass(frozen=True, slots=True)
class Settings:
    """`lag` and `cache` are in seconds: rows appear after `lag`, a repeated query gives the same answer for `cache`."""

    lag: float = 0.2
    cache: float = 0.0
    lacking: frozenset[str] = frozenset({"requestId", "failureReason"})
    """The columns that the answer to a query by request id does not have, even if `fields` names them."""
    dates_as_objects: bool = False
    max_limit: int = 1000


@dataclass(frozen=True, slots=True)
class Query:
    """`first` and `last` are days in India, both included."""

    first: date
    last: date
    request_id: str = ""
    fields: tuple[str, ...] = ()
    limit: int = DEFAULT_LIMIT
    token: str = ""

    @classmethod
    def read(cls, parameters: Mapping[str, str], today: date) -> "Query":
        """Raises Refused."""
        try:
            first, last = (date.fromisoformat(parameters[name]) for name in ("startDate", "endDate"))
        except (KeyError, ValueError) as error:
            raise Refused(DATES_MISSING) from error
        if first <= today - timedelta(days=DAYS) or last - first >= timedelta(days=DAYS):
            raise Refused(DURATION_EXCEEDED)
        limit = parameters.get("limit", "")
        return cls(
            first,
            last,
            parameters.get("requestId", ""),
            tuple(name.strip() for name in parameters.get("fields", "").split(",") if name.strip()),
            int(limit) if limit.isdigit() and int(limit) else DEFAULT_LIMIT,
            parameters.get("paginationToken", ""),
        )

    def includes(self, sent: SentSms) -> bool:
        day = sent.at.astimezone(IST).date()
        return self.first <= day <= self.last and self.request_id in ("", sent.request_id)


@dataclass(frozen=True, slots=True)
class LogsCall:
    """A request to the logs. `caller` is the name of the listener that received it; `parameters` are as given."""

    caller: str
    method: str
    parameters: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class _Result:
    """The rows of a query at one moment. Its pages come from it, whatever is sent meanwhile."""

    rows: Sequence[Row]
    at: datetime


class Logs:
    """Thread-safe."""

    def __init__(self, authkey: str) -> None:
        self.settings = Settings()
        self.faults = Faults(FAULTS)
        self.interceptor: Callable[[LogsCall], Fault | None] | None = None
        """Injects faults. Called concurrently from the threads of several calls."""
        self._authkey = authkey
        self._reported: dict[SentSms, list[Reported]] = {}
        self._results: OrderedDict[str, _Result] = OrderedDict()
        self._cached: dict[Query, str] = {}
        self._calls: deque[LogsCall] = deque(maxlen=10_000)
        self._lock = Lock()

    def enter(self, sent: SentSms, reported: Sequence[Reported]) -> None:
        """Add an SMS, or further reports of it."""
        with self._lock:
            self._reported.setdefault(sent, []).extend(reported)

    def calls(self) -> list[LogsCall]:
        with self._lock:
            return list(self._calls)

    def clear(self) -> None:
        self.faults.clear()
        with self._lock:
            self._reported.clear()
            self._results.clear()
            self._cached.clear()
            self._calls.clear()

    def answer(self, call: LogsCall, authkey: str | None, now: datetime | None = None) -> Answer:
        with self._lock:
            self._calls.append(call)
        fault = self.interceptor(call) if self.interceptor else None
        fault = fault or self.faults.take()
        if isinstance(fault, Answer):
            return fault
        if authkey != self._authkey:
            return UNAUTHORIZED
        now = now or datetime.now(UTC)
        try:
            page = self._page(Query.read(call.parameters, now.astimezone(IST).date()), now)
        except Refused as refused:
            return refused.answer
        return Answer(json.dumps(fault(page) if fault else {"data": page.rows, "metadata": page.metadata}))

    def _page(self, query: Query, now: datetime) -> Page:
        """Raises Refused."""
        with self._lock:
            name, _, offset = query.token.partition(".") if query.token else (self._result(query, now), "", "0")
            result = self._results.get(name)
        if result is None or not offset.isdigit():
            raise Refused(TOKEN_INVALID)
        start, end = int(offset), int(offset) + min(query.limit, self.settings.max_limit)
        next_token = f"{name}.{end}" if end < len(result.rows) else None
        return Page(result.rows[start:end], len(result.rows), f"{name}.{start}", next_token)

    def _result(self, query: Query, now: datetime) -> str:
        """Return the name of the query's result: the cached one, or a new one."""
        cached = self._cached.get(query, "")
        result = self._results.get(cached)
        if result and now - result.at < timedelta(seconds=self.settings.cache):
            return cached
        name = secrets.token_hex(8)
        self._results[name] = _Result(self._rows(query, now), now)
        self._cached[query] = name
        if len(self._results) > _KEPT_RESULTS:
            self._results.popitem(last=False)
        return name

    def _rows(self, query: Query, now: datetime) -> list[Row]:
        visible_from = now - timedelta(seconds=self.settings.lag)
        lacking = self.settings.lacking if query.request_id else frozenset()
        rows = [
            selected(row(sent, reported, now), query.fields)
            for sent, reported in self._reported.items()
            if sent.at <= visible_from and query.includes(sent)
        ]
        rows = [{name: value for name, value in columns.items() if name not in lacking} for columns in rows]
        return [with_dates_as_objects(columns) for columns in rows] if self.settings.dates_as_objects else rows


def parameters_of(query: str, body: bytes) -> dict[str, str]:
    """Return the parameters of a request: those of the query string, then those of a JSON body."""
    try:
        given = json.loads(body or b"{}")
    except ValueError:
        given = {}
    members: dict[str, Any] = given if isinstance(given, dict) else {}
    return {**dict(parse_qsl(query)), **{name: str(value) for name, value in members.items()}}
