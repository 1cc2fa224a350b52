"""Each metric of the contract, as CloudWatch reads it from a function's output."""

import json
from typing import TYPE_CHECKING, Any, Final

import httpx
import pytest

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.fakes.aws import Aws
    from tests.fakes.dynamodb import UnreliableDynamoDb
    from tests.fakes.events import Track
    from tests.fakes.msg91 import FakeMsg91
    from tests.handlers.conftest import Ask, Endpoint, Output

PHONE: Final = "919800000001"
REPORT: Final = {"requestId": "r1", "number": PHONE, "status": "1", "date": "2099-01-02 08:35:00"}


def _sum(output: "Output", name: str) -> float:
    return sum(sum(emf[name]) for emf in output.metrics(name))


@pytest.mark.parametrize(
    ("name", "prepare"),
    [
        ("SmsAccepted", lambda _: None),
        ("SmsRejected", lambda msg91: msg91.refuses("203")),
        ("SmsHeld", lambda msg91: msg91.refuses("301")),
        ("SmsRetry", lambda msg91: msg91.refuses("601")),
        ("SmsUnknown", lambda msg91: msg91.breaks_off(httpx.ReadTimeout("silent"))),
    ],
)
def test_an_outcome_is_counted(
    name: str,
    prepare: "Callable[[FakeMsg91], None]",
    ingest: "Endpoint",
    msg91: "FakeMsg91",
    track: "Track",
    output: "Output",
) -> None:
    prepare(msg91)
    ingest(track(PHONE))
    assert _sum(output, name) == 1


def test_what_is_not_sent_is_counted(ingest: "Endpoint", track: "Track", output: "Output") -> None:
    ingest([track(PHONE), track(PHONE), track("12345", "m2"), track("12345", "m3"), *[{"type": "group"}] * 3])
    counts = {name: _sum(output, name) for name in ("SmsDuplicate", "SmsInvalid", "SmsSkipped")}
    assert counts == {"SmsDuplicate": 1, "SmsInvalid": 2, "SmsSkipped": 3}


def test_what_is_suppressed_is_counted_by_its_rule_and_its_repeat_as_a_duplicate(
    ingest: "Endpoint", track: "Track", output: "Output", monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ONLY_TO_NUMBERS", "919800000001,94771234567")
    monkeypatch.setenv("ALLOWED_COUNTRIES", "IN")
    ingest([track(PHONE), track("919800000002", "m2"), track("919800000003", "m3"), track("94771234567", "m4")])
    ingest([track("919800000002", "m2"), track("919800000002", "m2")])
    emfs = output.metrics("SmsSuppressed")
    assert all(_dimensions(emf) == {"service", "because"} for emf in emfs)
    by_rule = {emf["because"]: sum(emf["SmsSuppressed"]) for emf in emfs}
    assert by_rule == {"not_on_test_list": 2, "country": 1}
    assert (_sum(output, "SmsAccepted"), _sum(output, "SmsDuplicate")) == (1, 2)


def test_an_event_in_flight_is_counted_as_one_to_retry(
    ingest: "Endpoint", msg91: "FakeMsg91", track: "Track", output: "Output"
) -> None:
    msg91.during_call = lambda: ingest(track(PHONE))
    ingest(track(PHONE))
    assert _sum(output, "SmsRetry") == 1


@pytest.mark.parametrize("resend_after", ["0", "60"])
def test_a_message_in_doubt_is_counted_once_however_often_its_event_comes(
    resend_after: str,
    ingest: "Endpoint",
    msg91: "FakeMsg91",
    track: "Track",
    output: "Output",
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("RESEND_UNKNOWN_AFTER_MINUTES", resend_after)
    msg91.breaks_off(httpx.ReadTimeout("silent"))
    ingest([track(PHONE), track(PHONE)])
    assert ingest([track(PHONE)]).body["results"][0]["status"] == "unknown"
    assert (_sum(output, "SmsUnknown"), _sum(output, "SmsDuplicate")) == (1, 2)


def test_a_message_whose_sender_was_stopped_is_counted_as_in_doubt_once(
    ingest: "Endpoint", msg91: "FakeMsg91", track: "Track", aws: "Aws", output: "Output"
) -> None:
    msg91.during_call = lambda: (_ for _ in ()).throw(SystemExit)
    with pytest.raises(SystemExit):
        ingest(track(PHONE))
    aws.dynamodb.update_item(
        TableName="MessagesTable",
        Key={"crqid": {"S": aws.messages()[0]["crqid"]}},
        UpdateExpression="SET lease_until = :past",
        ExpressionAttributeValues={":past": {"S": "2026-01-02T03:04:05.500Z"}},
    )
    for _ in range(3):
        ingest(track(PHONE))
    assert (_sum(output, "SmsUnknown"), _sum(output, "SmsDuplicate")) == (1, 2)


def test_the_outcomes_of_reports_are_counted(report: "Endpoint", output: "Output") -> None:
    for body in (REPORT, REPORT, "unreadable"):
        report(body)
    names = ("ReportStored", "ReportDuplicate", "ReportUnmatched", "ReportQuarantined")
    assert [_sum(output, name) for name in names] == [1, 1, 1, 1]


@pytest.fixture
def sent(ingest: "Endpoint", track: "Track") -> str:
    """The key of an SMS that was accepted."""
    crqid: str = ingest(track(PHONE)).body["results"][0]["crqid"]
    return crqid


def test_a_conflict_is_counted(sent: str, report: "Endpoint", output: "Output") -> None:
    for status in ("2", "1"):
        report(REPORT | {"CRQID": sent, "status": status})
    assert _sum(output, "ReportConflict") == 1


def test_the_latency_of_a_delivery_is_measured_in_seconds(
    sent: str, report: "Endpoint", aws: "Aws", output: "Output"
) -> None:
    aws.dynamodb.update_item(
        TableName="MessagesTable",
        Key={"crqid": {"S": sent}},
        UpdateExpression="SET settled_at = :accepted",
        ExpressionAttributeValues={":accepted": {"S": "2099-01-02T03:04:05.500Z"}},
    )
    report(REPORT | {"CRQID": sent})
    (emf,) = output.metrics("DeliveryLatency")
    (definition,) = (
        metric for metric in emf["_aws"]["CloudWatchMetrics"][0]["Metrics"] if metric["Name"] == "DeliveryLatency"
    )
    assert (emf["DeliveryLatency"], definition["Unit"]) == ([54.5], "Seconds")


def test_each_delivery_status_is_a_metric_by_its_dimension(report: "Endpoint", output: "Output") -> None:
    report([REPORT | {"status": status} for status in ("1", "2", "17")] + [REPORT | {"number": "919800000002"}])
    emfs = output.metrics("DeliveryStatus")
    assert {emf["status"]: sum(emf["DeliveryStatus"]) for emf in emfs} == {"delivered": 2, "failed": 1, "blocked": 1}
    assert all("status" in _dimensions(emf) for emf in emfs)


def test_why_reports_say_that_messages_failed_is_a_metric_by_its_dimension(
    report: "Endpoint", output: "Output"
) -> None:
    reasons = [{"failureReason": "Template Inactive on DLT"}, {"failureReason": "Not in the table"}, {"status": "1"}]
    report([{**REPORT, "status": "2"} | reason for reason in reasons])
    assert _categories(output) == {"dlt_template": 1, "other": 1}


def test_why_msg91_refuses_messages_is_a_metric_by_its_dimension(
    ingest: "Endpoint", msg91: "FakeMsg91", track: "Track", output: "Output"
) -> None:
    for number, code in (("919800000001", "203"), ("919800000002", "301")):
        msg91.refuses_number(number, code)
    ingest([track(f"91980000000{n}", f"message-{n}") for n in (1, 2, 3)])
    assert _categories(output) == {"dlt_header": 1, "balance": 1}


def test_other_metrics_have_no_such_dimension(report: "Endpoint", output: "Output") -> None:
    report([REPORT, REPORT | {"status": "2"}])
    assert [_dimensions(emf) for emf in output.metrics("ReportStored")] == [{"service"}]


def test_the_metrics_of_a_redriven_body_are_counted(
    report: "Endpoint", dynamodb: "UnreliableDynamoDb", aws: "Aws", output: "Output"
) -> None:
    dynamodb.refuses_everything()
    report(REPORT)
    dynamodb.recovers()
    (event,) = aws.queued("ReportsRedriveQueue")
    report.invoke(event)
    assert _sum(output, "ReportStored") == 1


def test_metrics_are_in_the_contracts_namespace(
    ingest: "Endpoint", report: "Endpoint", track: "Track", output: "Output"
) -> None:
    ingest(track(PHONE))
    report(REPORT)
    emfs = [emf for name in ("SmsAccepted", "ReportStored", "DeliveryStatus") for emf in output.metrics(name)]
    assert [emf["_aws"]["CloudWatchMetrics"][0]["Namespace"] for emf in emfs] == ["SegmentMsg91"] * 3


@pytest.mark.parametrize("body", ["not JSON", json.dumps([])])
def test_a_request_without_an_event_counts_as_malformed_and_as_nothing_else(
    body: str, ingest: "Endpoint", output: "Output"
) -> None:
    ingest(body)
    (emf,) = output.metrics("Malformed")
    assert (emf["endpoint"], _dimensions(emf)) == ("segment", {"service", "endpoint"})
    assert output.text.count("CloudWatchMetrics") == 1


def test_a_refused_request_is_counted_by_its_endpoint_and_not_logged(
    ingest: "Endpoint", report: "Endpoint", ask: "Ask", output: "Output"
) -> None:
    ingest({}, {})
    report({}, in_path="wrong")
    ask("/console", token=None)
    assert [emf["endpoint"] for emf in output.metrics("Unauthorized")] == ["segment", "msg91", "console"]
    assert output.logs() == []


def test_a_body_over_the_limit_is_counted_by_its_endpoint(
    ingest: "Endpoint", report: "Endpoint", output: "Output"
) -> None:
    ingest(" " * (5 * 1024 * 1024 + 1))
    report(" " * (5 * 1024 * 1024 + 1))
    assert [emf["endpoint"] for emf in output.metrics("TooLarge")] == ["segment", "msg91"]


def test_a_secret_that_cannot_be_read_is_counted(ingest: "Endpoint", aws: "Aws", output: "Output") -> None:
    aws.set_secret("not JSON")
    ingest({})
    (emf,) = output.metrics("SecretUnavailable")
    assert _dimensions(emf) == {"service"}


def test_a_token_that_can_be_guessed_is_counted_until_it_is_replaced(
    ingest: "Endpoint", aws: "Aws", output: "Output"
) -> None:
    aws.set_secret(json.dumps({"segment_token": "short"}))
    assert ingest({}, {"authorization": "Bearer short"}).status == 401
    assert output.metrics("SecretUnavailable")
    (line,) = output.logs()
    assert line["reason"].startswith("segment_token: shorter than 24 characters")


def _categories(output: "Output") -> dict[str, float]:
    emfs = output.metrics("FailureCategory")
    assert all("category" in _dimensions(emf) for emf in emfs)
    return {emf["category"]: sum(emf["FailureCategory"]) for emf in emfs}


def _dimensions(emf: dict[str, Any]) -> set[str]:
    (dimensions,) = emf["_aws"]["CloudWatchMetrics"][0]["Dimensions"]
    return set(dimensions)
