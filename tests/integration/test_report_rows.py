"""A report of each webhook version as the row that the contract describes, attribute by attribute."""

import json
import re
from datetime import datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlencode

import pytest

if TYPE_CHECKING:
    from segment_msg91.use_cases.delivery_reports import Reporter
    from tests.fakes.aws import Aws, Item

PHONE: Final = "919800000061"
EXPIRES_AT: Final = int(datetime.fromisoformat("2027-02-06T03:04:05Z").timestamp())  # 400 days later
JSON: Final = "application/json"
FORM: Final = "application/x-www-form-urlencoded"

V2_ENVELOPE: Final = {
    "senderId": "MSGIND",
    "requestId": "346130aa11bb22cc33dd4401",
    "userId": "270000",
    "campaignName": "Sendhttp",
}
V2_REPORT: Final = {
    "date": "2024-05-22 10:06:20",
    "amount": "0.01",
    "clientid": "client-1",
    "INMSID": "inms-1",
    "CRQID": "Crqid1",
    "ctCode": "908",
    "number": PHONE,
    "credit": "1",
    "status": "2",
    "desc": "FAILED",
    "failedReason": "Template Inactive on DLT",
}
V3: Final = {
    "date": "2024-05-22 09:58:16",
    "number": PHONE,
    "senderId": "MSGIND",
    "amount": "0.01",
    "requestId": "346130aa11bb22cc33dd4403",
    "INMSID": "0",
    "CRQID": "0",
    "credit": "1",
    "userId": "270000",
    "campaignName": "Sendhttp",
    "status": "1",
    "desc": "DELIVERED",
}
V4_REPORT: Final = {
    "meta": "Crqid1",
    "INMSID": "inms-1",
    "description": "Absent subscriber",
    "ts": 1726729500,
    "code": 905,
}
NEW: Final = {
    "requestId": "346130aa11bb22cc33dd4404",
    "telNum": PHONE,
    "status": "Failed",
    "deliveryTime": "2024-05-22 10:06:20",
    "requestedAt": "2024-05-22 10:06:12",
    "senderId": "MSGIND",
    "campaignName": "API",
    "credit": 2,
    "failureReason": "Template Inactive on DLT",
    "CRQID": "Crqid1",
    "UUID": "00000000-0000-4000-8000-000000000001",
    "clientId": "client-1",
    "countryCode": 91,
    "smsLength": 35,
    "eventName": "failed",
}


def _receive(reporter: "Reporter", aws: "Aws", body: str, content_type: str = JSON) -> "Item":
    reporter.receive(body.encode(), content_type)
    (report,) = aws.reports()
    return report


def _without_digest(report: "Item") -> "Item":
    """Return the row. Its key ends with a digest of its content."""
    start, digest = report["report_id"].rsplit("#", 1)
    assert re.fullmatch("[0-9a-f]{20}", digest)
    return report | {"report_id": start}


def test_a_report_of_v2_has_every_attribute(reporter: "Reporter", aws: "Aws") -> None:
    report = _without_digest(
        _receive(reporter, aws, urlencode({"data": json.dumps([V2_ENVELOPE | {"report": [V2_REPORT]}])}), FORM)
    )
    assert json.loads(report.pop("raw")) == V2_ENVELOPE | V2_REPORT
    assert report == {
        "report_group": "346130aa11bb22cc33dd4401",
        "report_id": f"2024-05-22T04:36:20Z#{PHONE}#2",
        "request_id": "346130aa11bb22cc33dd4401",
        "crqid": "Crqid1",
        "phone": PHONE,
        "unmatched_phone": PHONE,
        "status": "failed",
        "code": "2",
        "description": "FAILED",
        "failure_reason": "Template Inactive on DLT",
        "failure_category": "dlt_template",
        "sender_id": "MSGIND",
        "campaign_name": "Sendhttp",
        "msg91_user_id": "270000",
        "client_id": "client-1",
        "inmsid": "inms-1",
        "amount": Decimal("0.01"),
        "credits": Decimal(1),
        "reported_at": "2024-05-22T04:36:20Z",
        "received_at": "2026-01-02T03:04:05.000Z",
        "webhook_version": "v2",
        "expires_at": EXPIRES_AT,
    }


def test_a_report_of_v3_has_every_attribute(reporter: "Reporter", aws: "Aws") -> None:
    report = _without_digest(_receive(reporter, aws, json.dumps(V3)))
    assert json.loads(report.pop("raw")) == V3
    assert report == {
        "report_group": "346130aa11bb22cc33dd4403",
        "report_id": f"2024-05-22T04:28:16Z#{PHONE}#1",
        "request_id": "346130aa11bb22cc33dd4403",
        "phone": PHONE,
        "unmatched_phone": PHONE,
        "status": "delivered",
        "code": "1",
        "description": "DELIVERED",
        "sender_id": "MSGIND",
        "campaign_name": "Sendhttp",
        "msg91_user_id": "270000",
        "amount": Decimal("0.01"),
        "credits": Decimal(1),
        "reported_at": "2024-05-22T04:28:16Z",
        "received_at": "2026-01-02T03:04:05.000Z",
        "webhook_version": "v3",
        "expires_at": EXPIRES_AT,
    }


def test_a_report_of_v4_has_every_attribute(reporter: "Reporter", aws: "Aws") -> None:
    report = _without_digest(_receive(reporter, aws, json.dumps([{"event": "failed", "data": [V4_REPORT]}])))
    assert json.loads(report.pop("raw")) == V4_REPORT | {"event": "failed"}
    assert report == {
        "report_group": "Crqid1",
        "report_id": "2024-09-19T07:05:00Z##905",
        "status": "failed",
        "code": "905",
        "description": "Absent subscriber",
        "failure_reason": "Absent subscriber",
        "failure_category": "unreachable",
        "inmsid": "inms-1",
        "reported_at": "2024-09-19T07:05:00Z",
        "received_at": "2026-01-02T03:04:05.000Z",
        "webhook_version": "v4",
        "expires_at": EXPIRES_AT,
    }


def test_a_report_of_the_new_webhook_has_every_attribute(reporter: "Reporter", aws: "Aws") -> None:
    report = _without_digest(_receive(reporter, aws, json.dumps(NEW)))
    assert json.loads(report.pop("raw")) == NEW
    assert report == {
        "report_group": "346130aa11bb22cc33dd4404",
        "report_id": f"2024-05-22T04:36:20Z#{PHONE}#",
        "request_id": "346130aa11bb22cc33dd4404",
        "crqid": "Crqid1",
        "phone": PHONE,
        "unmatched_phone": PHONE,
        "status": "failed",
        "description": "Failed",
        "failure_reason": "Template Inactive on DLT",
        "failure_category": "dlt_template",
        "sender_id": "MSGIND",
        "campaign_name": "API",
        "client_id": "client-1",
        "country_code": "91",
        "credits": Decimal(2),
        "reported_at": "2024-05-22T04:36:20Z",
        "received_at": "2026-01-02T03:04:05.000Z",
        "webhook_version": "new",
        "expires_at": EXPIRES_AT,
    }


@pytest.mark.parametrize(
    ("missing", "group"),
    [
        ((), "346130aa11bb22cc33dd4401"),
        (("requestId",), "Crqid1"),
        (("requestId", "CRQID"), "2024-05-22"),
        (("requestId", "CRQID", "date"), "2026-01-02"),
    ],
    ids=["request id", "CRQID", "the date it reports", "the date of its receipt"],
)
def test_a_report_is_filed_by_the_first_identity_it_has(
    missing: tuple[str, ...], group: str, reporter: "Reporter", aws: "Aws"
) -> None:
    flat = V2_ENVELOPE | V2_REPORT
    body = {name: value for name, value in flat.items() if name not in missing}
    assert _receive(reporter, aws, json.dumps(body))["report_group"] == group


def test_a_v4_report_without_a_reference_is_filed_by_its_date(reporter: "Reporter", aws: "Aws") -> None:
    body: list[dict[str, Any]] = [{"event": "delivered", "data": [{"meta": "0", "ts": 1726729500}]}]
    assert _receive(reporter, aws, json.dumps(body))["report_group"] == "2024-09-19"


def test_a_report_is_stored_with_all_it_said(reporter: "Reporter", aws: "Aws") -> None:
    report = _receive(reporter, aws, json.dumps(V3 | {"neverHeardOf": {"nested": [1.50]}}))
    assert json.loads(report["raw"])["neverHeardOf"] == {"nested": [1.50]}


def test_each_number_of_a_report_of_v2_is_a_row_of_its_own(reporter: "Reporter", aws: "Aws") -> None:
    numbers = [f"9198000000{n}" for n in range(61, 67)]
    body = [V2_ENVELOPE | {"report": [V2_REPORT | {"number": number} for number in numbers]}]
    reporter.receive(urlencode({"data": json.dumps(body)}).encode(), FORM)
    assert sorted(report["phone"] for report in aws.reports()) == numbers


@pytest.mark.parametrize("field", ["number", "status", "CRQID", "requestId", "desc", "userId"])
@pytest.mark.parametrize("value", ["\U0001f600" * 2000, "#" * 2000], ids=["emoji", "hashes"])
def test_an_overlong_field_is_stored_or_quarantined(field: str, value: str, reporter: "Reporter", aws: "Aws") -> None:
    receipt = reporter.receive(json.dumps(V3 | {field: value}).encode(), JSON)
    assert (len(aws.reports()) == 1) != (len(aws.queued("ReportsQuarantineQueue")) == 1)
    assert receipt.queued == 0


def test_an_overlong_code_of_v4_is_stored(reporter: "Reporter") -> None:
    body: list[dict[str, Any]] = [{"event": "failed", "data": [{"meta": "Crqid1", "code": "\u20b9" * 400}]}]
    receipt = reporter.receive(json.dumps(body).encode(), JSON)
    assert (receipt.stored, receipt.queued) == (1, 0)
