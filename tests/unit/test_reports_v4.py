"""Webhook v4, CleverTap's form: events instead of codes, and the reason of a failure in its description."""

import json
from datetime import timedelta, timezone
from typing import Any

import pytest

from segment_msg91.msg91.codes import DeliveryStatus
from segment_msg91.msg91.reports import DeliveryReport, read

INDIA = timezone(timedelta(hours=5, minutes=30))


def _reports(body: object) -> list[DeliveryReport]:
    reading = read(json.dumps(body).encode(), INDIA)
    assert reading.problems == []
    return reading.reports


def _report(body: object) -> DeliveryReport:
    (report,) = _reports(body)
    return report


def _v4(event: str | None, **data: object) -> list[dict[str, Any]]:
    return [{"event": event, "data": [{"meta": "Beta1", "ts": 1726729500, **data}]}]


@pytest.mark.parametrize(
    ("event", "data", "status"),
    [
        ("delivered", {"description": "DELIVERED"}, DeliveryStatus.DELIVERED),
        ("failed", {"description": "Rejected By Provider"}, DeliveryStatus.REJECTED),
        ("failed", {"description": "FAILED", "code": "901"}, DeliveryStatus.NDNC),
        ("failed", {"description": "NDNC", "code": 913}, DeliveryStatus.NDNC),
        ("failed", {"description": "anything", "code": 903}, DeliveryStatus.REJECTED),
        ("failed", {"description": "anything", "code": 914}, DeliveryStatus.FAILED),
        ("failed", {"description": "DELIVERED"}, DeliveryStatus.FAILED),
        ("failed", {"description": "Submitted"}, DeliveryStatus.FAILED),
        ("clicked", {"description": "a link"}, DeliveryStatus.UNKNOWN),
        ("replied", {"description": "STOP"}, DeliveryStatus.UNKNOWN),
        (None, {"description": "DELIVERED"}, DeliveryStatus.DELIVERED),
        ("Failed", {}, DeliveryStatus.FAILED),
    ],
)
def test_the_status_of_v4_is_its_event_s_and_a_failure_s_kind_the_code_s_or_description_s(
    event: str | None, data: dict[str, object], status: DeliveryStatus
) -> None:
    report = _report(_v4(event, **data))
    assert (report.status, report.meta) == (status, "Beta1")


def test_the_description_of_a_v4_failure_is_its_reason() -> None:
    report = _report(_v4("failed", description="Template Inactive on DLT", code=908))
    assert (report.failure_reason, report.code) == ("Template Inactive on DLT", "908")


def test_a_v4_description_that_is_a_status_is_no_failure_reason() -> None:
    report = _report(_v4("failed", description="Rejected By Provider"))
    assert (report.description, report.failure_reason) == ("Rejected By Provider", None)


def test_a_v4_event_without_a_description_is_described_by_its_name() -> None:
    assert _report(_v4("failed")).description == "failed"


def test_the_description_of_a_v4_delivery_is_no_failure_reason() -> None:
    assert _report(_v4("delivered", description="Delivered to the handset")).failure_reason is None


def test_a_v4_report_is_recognised_by_its_meta_if_the_event_is_missing() -> None:
    report = _report([{"data": [{"meta": "Beta1", "description": "DELIVERED"}]}])
    assert (report.webhook_version, report.status) == ("v4", DeliveryStatus.DELIVERED)


def test_several_v4_events_come_in_one_body() -> None:
    body = [{"event": "delivered", "data": [{"meta": "Beta1", "ts": 1}, {"meta": "Beta2"}]}, *_v4("failed")]
    assert [(r.meta, r.status.value) for r in _reports(body)] == [
        ("Beta1", "delivered"),
        ("Beta2", "delivered"),
        ("Beta1", "failed"),
    ]
