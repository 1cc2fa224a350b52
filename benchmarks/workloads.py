"""Input of the functions: API Gateway's events with Segment's events or MSG91's reports in them."""

import base64
import itertools
import json
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlencode

from sandbox.aws import SECRET

type Event = dict[str, Any]

SEGMENT_ROUTE = "/segment"
REPORTS_ROUTE = f"/msg91/reports/{SECRET['report_token']}"


def track_events() -> Iterator[Event]:
    """Yield orders, each with a unique number and text, as Segment's webhook sends them: about 1 KB."""
    for number in itertools.count():
        yield {
            "type": "track",
            "event": "Order Shipped",
            "messageId": f"ajs-next-{number:032}",
            "userId": f"user-{number:08}",
            "anonymousId": f"00000000-0000-4000-8000-{number:012}",
            "timestamp": "2026-01-02T03:04:05.678Z",
            "sentAt": "2026-01-02T03:04:05.700Z",
            "receivedAt": "2026-01-02T03:04:05.800Z",
            "originalTimestamp": "2026-01-02T03:04:05.650Z",
            "channel": "browser",
            "context": {
                "library": {"name": "analytics.js", "version": "next-1.70.0"},
                "locale": "en-IN",
                "timezone": "Asia/Kolkata",
                "page": {
                    "path": "/orders",
                    "referrer": "",
                    "search": "",
                    "title": "Orders",
                    "url": "https://shop.test",
                },
                "userAgent": "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko)",
            },
            "integrations": {},
            "properties": {
                "phone": f"9198{number:08}",
                "message": f"Your order {number:08} is on its way and arrives tomorrow before noon.",
                "senderID": "MSGIND",
            },
        }


def segment_request(events: Sequence[Event]) -> Event:
    """Return a request with a single event as an object, several as an array."""
    body = json.dumps(events if len(events) > 1 else events[0])
    headers = {"authorization": f"Bearer {SECRET['segment_token']}", "content-type": "application/json"}
    return _request(SEGMENT_ROUTE, "/segment", headers, body) | {"isBase64Encoded": False}


def reports_request(crqids: Sequence[str], first: int = 0) -> Event:
    """Return a v2 body. MSG91 groups reports by request; here each has its own request, which is the worst case."""
    groups = [
        {
            "senderId": "MSGIND",
            "requestId": f"{number:024}",
            "userId": "270000",
            "campaignName": "Sendhttp",
            "report": [
                {
                    "date": f"{datetime(2026, 1, 2, 8, 34, 5, tzinfo=UTC):%Y-%m-%d %H:%M:%S}",
                    "amount": "0.01",
                    "clientid": "",
                    "INMSID": "0",
                    "CRQID": crqid,
                    "ctCode": "900",
                    "number": f"9198{number:08}",
                    "credit": "1",
                    "status": "1",
                    "desc": "DELIVERED",
                    "failedReason": "",
                }
            ],
        }
        for number, crqid in enumerate(crqids, first)
    ]
    body = base64.b64encode(urlencode({"data": json.dumps(groups)}).encode()).decode()
    request = _request(
        REPORTS_ROUTE, "/msg91/reports/{token}", {"content-type": "application/x-www-form-urlencoded"}, body
    )
    return request | {"isBase64Encoded": True, "pathParameters": {"token": SECRET["report_token"]}}


def redrive_request(message: Mapping[str, Any]) -> Event:
    """Return Lambda's event for a queued message, from the arguments of SendMessage."""
    attributes = {
        name: {"stringValue": attribute["StringValue"], "dataType": attribute["DataType"]}
        for name, attribute in message["MessageAttributes"].items()
    }
    return {"Records": [{"messageId": "benchmark", "body": message["MessageBody"], "messageAttributes": attributes}]}


def _request(path: str, route: str, headers: dict[str, str], body: str) -> Event:
    return {
        "version": "2.0",
        "routeKey": f"POST {route}",
        "rawPath": path,
        "rawQueryString": "",
        "headers": headers,
        "requestContext": {
            "http": {"method": "POST", "path": path, "sourceIp": "198.51.100.20", "userAgent": "benchmark"},
            "requestId": "benchmark",
            "stage": "$default",
            "timeEpoch": 1767323045000,
        },
        "body": body,
    }
