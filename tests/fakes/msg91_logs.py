"""MSG91's logs API behind an httpx transport: the rows that a test puts into it, and the faults that it prepares."""

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta, timezone
from typing import Any, Final

import httpx

from segment_msg91.msg91.logs import Logs

IST: Final = timezone(timedelta(hours=5, minutes=30))
UNASKED: Final = "the text of the SMS"


@dataclass
class FakeLogs:
    """MSG91's logs. A row is filed under the IST day of its `requestDate`. Pages have `per_page` rows."""

    clock: Callable[[], datetime]
    rows: list[dict[str, Any]] = field(default_factory=list)
    requests: list[httpx.Request] = field(default_factory=list)
    per_page: int = 1000
    without_columns: frozenset[str] = frozenset()
    has_total: bool = True
    remembers_for: timedelta = timedelta(0)
    """How long the answer to a query stays as it was."""
    before_answer: Callable[[], object] | None = None
    """What happens during each call."""
    _answers: list[tuple[int, str] | Exception] = field(default_factory=list)
    _remembered: dict[str, tuple[datetime, list[dict[str, Any]]]] = field(default_factory=dict)

    def client(self, method: str = "POST") -> Logs:
        return Logs("https://msg91.test", method, httpx.MockTransport(self._handle))

    def has(
        self, number: str, status: str = "Delivered", *, sent_at: datetime | None = None, **columns: object
    ) -> None:
        """Add a row; `sent_at` is now if it is not given."""
        at = (sent_at or self.clock()).astimezone(IST)
        self.rows.append(
            {
                "telNum": number,
                "status": status,
                "requestDate": f"{at:%Y-%m-%d %H:%M:%S}",
                "deliveryDate": f"{at:%Y-%m-%d}",
                "deliveryTime": f"{at + timedelta(seconds=3):%H:%M:%S}",
                **columns,
            }
        )

    def answers(self, body: str, status: int = 200) -> None:
        """Prepare the next call's answer."""
        self._answers.append((status, body))

    def breaks_off(self, error: Exception) -> None:
        """Prepare the next call's end without an answer."""
        self._answers.append(error)

    def queries(self) -> list[dict[str, str]]:
        """Return the parameters of the calls."""
        return [dict(request.url.params) for request in self.requests]

    def _handle(self, request: httpx.Request) -> httpx.Response:
        self.requests.append(request)
        if self.before_answer:
            self.before_answer()
        if self._answers:
            answer = self._answers.pop(0)
            if isinstance(answer, Exception):
                raise answer
            return httpx.Response(answer[0], text=answer[1])
        query = dict(request.url.params)
        start = int(query.pop("paginationToken", "0"))
        found = self._found(query)
        page = found[start : start + self.per_page]
        metadata: dict[str, object] = {"total": len(found)} if self.has_total else {}
        if start + self.per_page < len(found):
            metadata["paginationToken"] = str(start + self.per_page)
        return httpx.Response(200, json={"data": page, "metadata": metadata})

    def _found(self, query: dict[str, str]) -> list[dict[str, Any]]:
        key = json.dumps(query)
        kept = self._remembered.get(key)
        if kept and self.clock() - kept[0] < self.remembers_for:
            return kept[1]
        columns = set(query["fields"].split(",")) - self.without_columns
        if query.get("requestId"):
            columns -= {"requestId", "failureReason"}  # as in the one full answer that was seen
        first, last = date.fromisoformat(query["startDate"]), date.fromisoformat(query["endDate"])
        rows = [
            {name: row.get(name) for name in columns} | {"msgData": UNASKED}
            for row in self.rows
            if first.isoformat() <= str(row["requestDate"])[:10] <= last.isoformat()
            and query.get("requestId") in (None, row.get("requestId"))
        ]
        self._remembered[key] = self.clock(), rows
        return rows
