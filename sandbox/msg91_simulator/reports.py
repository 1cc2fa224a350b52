"""Delivery reports in the four forms MSG91 posts them. Pure."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from typing import Final
from urllib.parse import urlencode
from uuid import uuid4

from sandbox.msg91_simulator.calls import FLOW_PATH
from sandbox.msg91_simulator.ledger import SentSms
from sandbox.msg91_simulator.numbers import Outcome

IST: Final = timezone(timedelta(hours=5, minutes=30))
"""The time zone of a report's date, which has no offset."""
USER_ID: Final = "270000"
FORM: Final = "application/x-www-form-urlencoded"
JSON: Final = "application/json"


@dataclass(frozen=True, slots=True)
class Posting:
    """The body of one POST to the customer's webhook."""

    content_type: str
    body: bytes


type Writer = Callable[[SentSms, Outcome, datetime], Posting | None]


def v2(sent: SentSms, outcome: Outcome, at: datetime) -> Posting:
    report = {
        "date": _date(at),
        "amount": "0.01",
        "clientid": "",
        "INMSID": "0",
        "CRQID": sent.sms.echoed_crqid,
        "ctCode": str(outcome.clevertap_code or ""),
        "number": sent.sms.number,
        "credit": "1",
        "status": outcome.status,
        "desc": outcome.description,
        "failedReason": outcome.failed_reason,
    }
    group = {
        "senderId": sent.sms.sender,
        "requestId": sent.request_id,
        "report": [report],
        "userId": USER_ID,
        "campaignName": campaign(sent),
    }
    return Posting(FORM, urlencode({"data": json.dumps([group])}).encode())


def v3(sent: SentSms, outcome: Outcome, at: datetime) -> Posting:
    return _json(
        {
            "date": _date(at),
            "number": sent.sms.number,
            "senderId": sent.sms.sender,
            "amount": "0.01",
            "requestId": sent.request_id,
            "INMSID": "0",
            "CRQID": sent.sms.echoed_crqid,
            "credit": "1",
            "userId": USER_ID,
            "campaignName": campaign(sent),
            "status": outcome.status,
            "desc": outcome.description,
        }
    )


def v4(sent: SentSms, outcome: Outcome, at: datetime) -> Posting | None:
    """The CleverTap form: no number, no request id, and only final outcomes."""
    if not outcome.clevertap_event:
        return None
    data = {
        "meta": sent.sms.echoed_crqid,
        "INMSID": "0",
        "description": outcome.failed_reason or outcome.description,
        "ts": int(at.timestamp()),
        "code": outcome.clevertap_code,
    }
    return _json([{"data": [data], "event": outcome.clevertap_event}])


def new(sent: SentSms, outcome: Outcome, at: datetime) -> Posting:
    return _json(
        {
            "requestId": sent.request_id,
            "telNum": sent.sms.number,
            "status": outcome.description.title(),
            "deliveryTime": _date(at),
            "requestedAt": _date(sent.at),
            "senderId": sent.sms.sender,
            "campaignName": campaign(sent),
            "credit": 1,
            "failureReason": outcome.failed_reason,
            "CRQID": sent.sms.echoed_crqid,
            "UUID": str(uuid4()),
            "clientId": "",
            "smsLength": len(sent.sms.text),
            "eventName": outcome.description.lower(),
        }
    )


WRITERS: Final[Mapping[str, Writer]] = {"v2": v2, "v3": v3, "v4": v4, "new": new}
"""By the webhook version that the customer chooses at MSG91."""


def _date(at: datetime) -> str:
    return at.astimezone(IST).strftime("%Y-%m-%d %H:%M:%S")


def campaign(sent: SentSms) -> str:
    return "API" if sent.sms.api == FLOW_PATH else "Sendhttp"


def _json(value: object) -> Posting:
    return Posting(JSON, json.dumps(value).encode())
