"""MSG91 as values: what it has sent, and how a call to it can end."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta, timezone
from functools import cache
from typing import TYPE_CHECKING, Any, Final

import httpx

if TYPE_CHECKING:
    from tests.interleavings.replay import Answer, Calls, Request


@dataclass(frozen=True, slots=True)
class Sms:
    """One SMS that reached a phone."""

    request_id: str
    crqid: str
    phone: str
    sent_at: datetime

    @property
    def delivered_at(self) -> datetime:
        return self.sent_at + timedelta(seconds=10)


type Ledger = tuple[Sms, ...]


@dataclass(frozen=True, slots=True, eq=False)
class Responded:
    """An answer over HTTP."""

    status: int
    body: str = field(repr=False)

    def give(self) -> httpx.Response:
        return httpx.Response(self.status, text=self.body)


@dataclass(frozen=True, slots=True, eq=False)
class Broke:
    """No answer: the connection was not made, or broke after the request was written."""

    error: type[httpx.HTTPError]

    def give(self) -> None:
        raise self.error("simulated")


_INDIA: Final = timezone(timedelta(hours=5, minutes=30))

responded = cache(Responded)
NOT_CONNECTED: Final = Broke(httpx.ConnectError)
BROKEN: Final = Broke(httpx.ReadTimeout)


class Wire(httpx.BaseTransport):
    """A transport for clients that outlive one run: they are slow to make."""

    def __init__(self, service: str) -> None:
        self._service = service
        self.calls: Calls | None = None

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        assert self.calls, "no run uses this transport"
        body = request.read().decode()
        arguments = {"url": str(request.url), "body": json.loads(body) if body else None}
        response: httpx.Response = self.calls.call(self._service, request.method, arguments)
        return response


@dataclass(frozen=True, slots=True)
class Msg91:
    """MSG91's two APIs."""

    stays_pending: bool = False
    """Whether the logs never learn what became of an SMS."""
    neighbours: tuple[datetime, ...] = ()
    """When SMS to others were sent."""

    def sending(
        self, request: "Request", ledger: Ledger, request_id: str, at: datetime
    ) -> Iterator[tuple[str, "Answer", Ledger]]:
        """Yield how a request for SMS can end, the usual end first."""
        success = responded(200, json.dumps({"type": "success", "message": request_id}))
        refusal = '{"type":"error","message":"Insufficient balance","code":"301"}'
        repeat = '{"type":"error","message":"Duplicate message","code":"311"}'
        sent = (*ledger, *_sms_of(request.read()["body"], request_id, at))
        yield "", success, sent
        yield "accepted, and not sent", success, ledger
        yield "dropped as a repeat", responded(200, repeat), ledger
        yield "refused: no balance", responded(200, refusal), ledger
        yield "refused: HTTP 503", responded(503, ""), ledger
        yield "not connected", NOT_CONNECTED, ledger
        yield "not sent, answer lost", BROKEN, ledger
        yield "sent, answer lost", BROKEN, sent

    def reading_logs(self, request: "Request", ledger: Ledger, at: datetime) -> Iterator[tuple[str, "Answer"]]:
        """Yield how reading the logs can end, the usual end first: with the rows that MSG91 has by now."""
        wanted = request.read()["body"]
        rows = [row for row in self._rows(ledger, at) if _is_wanted(row, wanted)]
        yield "", responded(200, json.dumps({"data": rows, "metadata": {"total": len(rows)}}))
        yield "refused: wrong key", responded(401, '{"status":"fail","hasError":true,"code":"401","apiError":"201"}')
        yield "refused: window", responded(200, '{"error":"Duration exceeds, allowed limit is 3"}')
        yield "HTML", responded(200, "<html>")
        yield "answer lost", BROKEN

    def _rows(self, ledger: Ledger, at: datetime) -> Iterator[dict[str, str]]:
        for sms in ledger:
            yield _row(sms, is_final=at >= sms.delivered_at and not self.stays_pending)
        for number, sent_at in enumerate(self.neighbours):
            if sent_at <= at:
                yield _row(Sms(f"neighbour {number}", f"neighbour{number}", "919800000099", sent_at), is_final=True)


def india(moment: datetime) -> str:
    """Write a time as MSG91 does."""
    return f"{moment.astimezone(_INDIA):%Y-%m-%d %H:%M:%S}"


def _row(sms: Sms, *, is_final: bool) -> dict[str, str]:
    row = {"requestId": sms.request_id, "telNum": sms.phone, "CRQID": sms.crqid, "sentDateTime": india(sms.sent_at)}
    if not is_final:
        return row | {"status": "Submitted"}
    day, time = india(sms.delivered_at).split()
    return row | {"status": "Delivered", "deliveryDate": day, "deliveryTime": time}


def _is_wanted(row: Mapping[str, str], wanted: Mapping[str, str]) -> bool:
    is_of_days = wanted["startDate"] <= row["sentDateTime"][:10] <= wanted["endDate"]
    return is_of_days and wanted.get("requestId", row["requestId"]) == row["requestId"]


def _sms_of(body: Any, request_id: str, at: datetime) -> Iterator[Sms]:  # noqa: ANN401 - JSON
    for element in body["sms"]:
        for phone in element["to"]:
            yield Sms(request_id, element.get("CRQID") or body["CRQID"], phone, at)
