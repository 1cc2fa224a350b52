"""MSG91's APIs, as far as the benchmarks use them: sending, and the logs of what was sent."""

import uuid
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta, timezone
from typing import Any, Final

LOGS_PATH: Final = "/api/v5/report/logs/p/sms"
_ZONE: Final = timezone(timedelta(hours=5, minutes=30))
_DELIVERED_AFTER: Final = timedelta(seconds=3)


@dataclass(slots=True)
class Msg91:
    is_answer_lost: bool = False
    """The answers to requests to send say neither success nor error, so the functions do not know."""
    is_logged: bool = False
    """The logs show the SMS, as delivered."""
    sms: int = 0
    rows: list[dict[str, str]] = field(default_factory=list)

    def send(self, request: Mapping[str, Any]) -> dict[str, str]:
        request_id = uuid.uuid4().hex[:24]
        recipients = list(_recipients(request))
        self.sms += len(recipients)
        if self.is_logged:
            self.rows += [_row(request_id, number, crqid) for number, crqid in recipients]
        return {} if self.is_answer_lost else {"type": "success", "message": request_id}

    def add_others(self, count: int) -> None:
        """Log SMS that other programs have sent with the account."""
        self.rows += [_row(uuid.uuid4().hex[:24], f"9197{number:08}", None) for number in range(count)]

    def logs(self, query: Mapping[str, str]) -> dict[str, Any]:
        """Return a page of the logs."""
        found = [
            row
            for row in self.rows
            if query["startDate"] <= row["requestDate"][:10] <= query["endDate"]
            and query.get("requestId") in (None, row["requestId"])
        ]
        start, limit = int(query.get("paginationToken", "0")), int(query["limit"])
        metadata: dict[str, Any] = {"total": len(found)}
        if start + limit < len(found):
            metadata["paginationToken"] = str(start + limit)
        return {"data": found[start : start + limit], "metadata": metadata}


def _recipients(request: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Yield the number and the CRQID of each recipient, by v2 or by Flow."""
    for sms in request.get("sms", ()):
        for number in sms["to"]:
            yield number, sms.get("CRQID") or request["CRQID"]
    for recipient in request.get("recipients", ()):
        yield recipient["mobiles"], recipient["CRQID"]


def _row(request_id: str, number: str, crqid: str | None) -> dict[str, str]:
    """Return a row as the logs write it: about half a kilobyte."""
    now = datetime.now(UTC).astimezone(_ZONE)
    delivered = now + _DELIVERED_AFTER
    return {
        "requestId": request_id,
        "telNum": number,
        "CRQID": crqid or "0",
        "UUID": str(uuid.uuid4()),
        "status": "Delivered",
        "statusCode": "1",
        "reportStatusDesc": "DELIVERED",
        "failureReason": "",
        "requestDate": f"{now:%Y-%m-%d %H:%M:%S}",
        "sentDateTime": f"{now:%Y-%m-%d %H:%M:%S}",
        "deliveryDate": f"{delivered:%Y-%m-%d}",
        "deliveryTime": f"{delivered:%H:%M:%S}",
        "senderId": "MSGIND",
        "flowID": "",
        "campaignName": "Sendhttp",
        "credit": "1",
        "telecomCircle": "Maharashtra",
    }
