"""Every file in events/ goes through its handler with the outcome that its name says."""

import json
from typing import TYPE_CHECKING, Any, Final

import pytest

from sandbox.template import PATH

if TYPE_CHECKING:
    from tests.fakes.aws import Aws
    from tests.fakes.msg91_logs import FakeLogs
    from tests.fakes.segment import FakeSegment
    from tests.handlers.conftest import Ask, Endpoint, Invoke

EVENTS: Final = {path.stem: json.loads(path.read_text(encoding="utf-8")) for path in PATH.parent.glob("events/*.json")}

# The status of the answer, and those of its results.
SEGMENT: Final = {
    "identify": (200, {"accepted"}),
    "page": (200, {"accepted"}),
    "screen": (200, {"accepted"}),
    "track": (200, {"accepted"}),
    "track_template": (200, {"accepted"}),
    "mapped": (200, {"accepted"}),
    "batch": (200, {"accepted"}),
    "extensible_batch": (200, {"accepted"}),
    "identify_without_sms": (200, {"skipped"}),
    "invalid_phone": (400, {"invalid"}),
}
# The status of the answer, and the version and delivery statuses of what is stored.
REPORTS: Final = {
    "report_v2": (200, {("v2", "delivered")}),
    "report_v2_plain": (200, {("v2", "delivered")}),
    "report_v2_several_numbers": (200, {("v2", "delivered"), ("v2", "failed"), ("v2", "ndnc")}),
    "report_v3": (200, {("v3", "delivered")}),
    "report_v4": (200, {("v4", "delivered")}),
    "report_new": (200, {("new", "failed")}),
    "report_unreadable": (202, set()),
}


CONSOLE: Final = {"console", "console_search"}


def test_every_sample_event_is_among_these() -> None:
    assert set(EVENTS) == {*SEGMENT, *REPORTS, *CONSOLE, "redrive", "schedule", "stream"}


@pytest.mark.parametrize(("name", "expected"), SEGMENT.items(), ids=SEGMENT)
def test_a_sample_event_of_segments(name: str, expected: tuple[int, set[str]], ingest: "Endpoint") -> None:
    answer = ingest.call(EVENTS[name])
    assert (answer.status, {result["status"] for result in answer.body["results"]}) == expected


@pytest.mark.parametrize("name", SEGMENT)
def test_a_sample_event_of_segments_without_its_token_is_refused(name: str, ingest: "Endpoint") -> None:
    event: dict[str, Any] = EVENTS[name]
    headers = {header: value for header, value in event["headers"].items() if header != "authorization"}
    assert ingest.call(event | {"headers": headers}).status == 401


@pytest.mark.parametrize(("name", "expected"), REPORTS.items(), ids=REPORTS)
def test_a_sample_report_of_msg91s(
    name: str, expected: tuple[int, set[tuple[str, str]]], report: "Endpoint", aws: "Aws"
) -> None:
    answer = report.call(EVENTS[name])
    assert (answer.status, {(row["webhook_version"], row["status"]) for row in aws.reports()}) == expected


@pytest.mark.parametrize("name", REPORTS)
def test_a_sample_report_of_msg91s_without_its_token_is_refused(name: str, report: "Endpoint") -> None:
    assert report.call(EVENTS[name] | {"pathParameters": {}}).status == 401


def test_the_unreadable_sample_is_quarantined(report: "Endpoint", aws: "Aws") -> None:
    report.call(EVENTS["report_unreadable"])
    assert len(aws.queued("ReportsQuarantineQueue")) == 1


def test_the_sample_of_the_redrive_queue_is_stored(report: "Endpoint", aws: "Aws") -> None:
    assert report.invoke(EVENTS["redrive"]) == {"batchItemFailures": []}
    assert [row["webhook_version"] for row in aws.reports()] == ["v2"]


def test_the_sample_of_the_stream_is_sent_to_segment(publish: "Invoke", segment: "FakeSegment") -> None:
    assert publish(EVENTS["stream"]) == {"batchItemFailures": []}
    assert [event["event"] for event in segment.received()] == ["SMS Sent", "SMS Delivered"]


def test_the_sample_of_the_schedule_ends_the_sms_of_a_sample_event_as_the_logs_say(
    reconcile: "Invoke", ingest: "Endpoint", logs: "FakeLogs", aws: "Aws"
) -> None:
    ingest.call(EVENTS["track"])
    (message,) = aws.messages()
    logs.has(message["phone"], requestId=message["request_id"], CRQID=message["crqid"])
    assert reconcile(EVENTS["schedule"]) == {
        "overdue": 1,
        "found": 1,
        "settled": 0,
        "unreported": 0,
        "not_sent": 0,
        "remaining": 0,
    }
    assert [one["delivery_status"] for one in aws.messages()] == ["delivered"]
    assert [row["webhook_version"] for row in aws.reports()] == ["logs"]


def test_the_samples_of_the_console_show_the_page_and_the_sms_of_a_sample_event(ask: "Ask", ingest: "Endpoint") -> None:
    ingest.call(EVENTS["track"])
    page, found = (ask.invoke(EVENTS[name]) for name in ("console", "console_search"))
    assert (page.status, page.headers["content-type"]) == (200, "text/html; charset=utf-8")
    assert [message["event"] for message in found.body["messages"]] == ["Clicked Login Button"]


@pytest.mark.parametrize("name", sorted(CONSOLE))
def test_a_sample_of_the_console_without_its_token_is_refused(name: str, ask: "Ask") -> None:
    assert ask.invoke(EVENTS[name] | {"headers": {}}).status == 401
