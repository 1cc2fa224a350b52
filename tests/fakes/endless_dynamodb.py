"""A DynamoDB without an end: every partition of every index goes on for ever, ten messages a second.

Its answers come over botocore's own way, from bytes. So the processor time of a request is what it would be against the
largest of tables.
"""

import json
import zlib
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from time import thread_time
from typing import TYPE_CHECKING, Any, Final

from botocore.awsrequest import AWSResponse
from botocore.compat import HTTPHeaders

from segment_msg91.store.aws import Item, to_item
from segment_msg91.times import instant

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

_STEP: Final = timedelta(milliseconds=100)
_END: Final[dict[str, Any]] = {"delivery_status": "delivered", "delivery_description": "DELIVERED", "credits": 2}


class EndlessDynamoDb:
    """What a client is connected to.

    `operations`: what was called. `read`: how many messages. `seconds`: of processor time, spent here.
    """

    def __init__(self, client: "DynamoDBClient", event_name: str = "Order {number} of {phone}") -> None:
        self._event_name = event_name
        self.operations: list[str] = []
        self.read = 0
        self.seconds = 0.0
        client._endpoint.http_session.send = self._send  # type: ignore[attr-defined]  # noqa: SLF001

    def _send(self, request: Any) -> AWSResponse:  # noqa: ANN401 - botocore's
        before = thread_time()
        operation = request.headers["X-Amz-Target"].decode().split(".")[1]
        self.operations.append(operation)
        answer = getattr(self, f"_{operation.lower()}")(json.loads(request.body))
        body = _Raw(json.dumps(answer).encode())
        self.seconds += thread_time() - before
        return AWSResponse(request.url, 200, HTTPHeaders(), body)

    def _query(self, query: dict[str, Any]) -> Item:
        values = query["ExpressionAttributeValues"]
        key = query["ExpressionAttributeNames"]["#key"]
        (partition,) = (value["S"] for name, value in values.items() if name in (":key", ":value"))
        until = values.get(":until", {"S": "2026-01-02T03:04:05.000Z"})["S"]
        if start := query.get("ExclusiveStartKey"):
            until = instant(datetime.fromisoformat(start["created_at"]["S"]) - _STEP)
        moments = (datetime.fromisoformat(until) - _STEP * number for number in range(query["Limit"]))
        items = [
            to_item({key: partition, "created_at": instant(moment), "crqid": f"{moment:%Y%m%d%H%M%S%f}{partition:>20}"})
            for moment in moments
        ]
        return {"Items": items, "LastEvaluatedKey": items[-1]}

    def _batchgetitem(self, call: dict[str, Any]) -> Item:
        ((table, wanted),) = call["RequestItems"].items()
        self.read += len(wanted["Keys"])
        names = set(wanted.get("ExpressionAttributeNames", {}).values())
        items = [self._message(key["crqid"]["S"]) for key in wanted["Keys"]]
        shown = [{name: value for name, value in item.items() if not names or name in names} for item in items]
        return {"Responses": {table: shown}, "UnprocessedKeys": {}}

    def _message(self, crqid: str) -> Item:
        number = zlib.crc32(crqid.encode()) % 100
        phone = f"9198000000{number:02}"
        created_at = datetime.strptime(crqid[:20], "%Y%m%d%H%M%S%f").replace(tzinfo=UTC)
        attributes = {
            "crqid": crqid,
            "created_at": instant(created_at),
            "phone": phone,
            "message_id": f"message-{number}",
            "event_type": "track",
            "event_name": self._event_name.format(number=number, phone=phone),
            "user_id": f"user-{number}",
            "sender_id": "MSGIND",
            "template_id": f"60b07c0ffee00000000000{number:02}",
            "encoding": "GSM-7",
            "parts": 2,
            "attempts": 1,
            "send_state": "accepted",
            "claim_id": "c" * 32,
            "request_id": "346130aa11bb22cc33dd4404",
            "settled_at": instant(created_at),
            "expires_at": 1800000000,
            "lease_until": instant(created_at),
            "searchable_message_id": f"message-{number}",
            **_END,
        }
        return to_item(attributes)


class _Raw:
    """A response's body, as urllib3 gives it."""

    def __init__(self, body: bytes) -> None:
        self._body = body

    def stream(self, **_: object) -> Iterator[bytes]:
        yield self._body
