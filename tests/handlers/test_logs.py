"""Logs are JSON lines that say what happened, and contain no phone number, text or key on any path."""

import json
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any, Final

import httpx
import pytest

from segment_msg91.handler import logger

if TYPE_CHECKING:
    from tests.fakes.aws import Aws
    from tests.fakes.dynamodb import UnreliableDynamoDb
    from tests.fakes.events import Track
    from tests.fakes.msg91 import FakeMsg91
    from tests.handlers.conftest import Endpoint, Output

PHONE: Final = "919800000001"
TEXT: Final = "Your code is 4711Q"
SECRETS: Final = [
    *("sandbox-msg91-authkey", "sandbox-shared-secret", "sandbox-only-segment-token", "sandbox-only-report-token"),
    *(PHONE, PHONE[2:], "4711Q", "Secret Name", "user@example.org"),
]


@pytest.fixture(autouse=True)
def _most_talkative() -> Iterator[None]:
    logger.setLevel("DEBUG")
    yield
    logger.setLevel("INFO")


@pytest.fixture
def event(track: "Track") -> dict[str, Any]:
    return track(PHONE, message=TEXT, firstName="Secret Name") | {"userId": "user@example.org"}


def _events(output: "Output") -> list[dict[str, Any]]:
    return [line for line in output.logs() if line["message"] == "event"]


def _leaked(output: "Output") -> list[str]:
    assert output.logs()
    return [secret for secret in SECRETS if secret in output.text]


@pytest.mark.parametrize(
    "prepare",
    [
        lambda _: None,
        lambda msg91: msg91.refuses("202", f"Invalid number {PHONE} for {TEXT}"),
        lambda msg91: msg91.refuses("207", "Invalid authkey sandbox-msg91-authkey"),
        lambda msg91: msg91.answers(f"<html>{PHONE}</html>", 503),
        lambda msg91: msg91.answers(PHONE),
        lambda msg91: msg91.breaks_off(httpx.ReadTimeout(f"{PHONE} {TEXT}")),
        lambda msg91: msg91.breaks_off(httpx.ConnectError(f"{PHONE} {TEXT}")),
    ],
    ids=["accepted", "rejected", "held", "retry", "a number as the answer", "unknown", "refused connection"],
)
def test_an_event_leaves_no_trace_of_its_person_in_the_logs(
    prepare: Callable[["FakeMsg91"], None],
    ingest: "Endpoint",
    msg91: "FakeMsg91",
    event: dict[str, Any],
    output: "Output",
) -> None:
    prepare(msg91)
    ingest(event)
    ingest([event, event])
    assert _leaked(output) == []


@pytest.mark.parametrize(
    "properties",
    [{"senderID": TEXT}, {"phone": f"{PHONE} or {PHONE}"}, {"unicode": TEXT}, {"variables": {"VAR1": [TEXT]}}],
    ids=str,
)
def test_an_invalid_event_leaves_no_trace_of_its_person_in_the_logs(
    properties: dict[str, object], ingest: "Endpoint", event: dict[str, Any], output: "Output"
) -> None:
    ingest(event | {"properties": event["properties"] | properties})
    assert _leaked(output) == []


@pytest.mark.parametrize("body", [f'{{"phone":"{PHONE}"', f'"{TEXT}"', f"{PHONE} {TEXT}", '{"properties":NaN}'])
def test_a_malformed_body_leaves_no_trace_in_the_logs(body: str, ingest: "Endpoint", output: "Output") -> None:
    ingest(body)
    assert _leaked(output) == []


def test_a_refused_request_leaves_no_trace_in_the_logs(
    ingest: "Endpoint", report: "Endpoint", event: dict[str, Any], output: "Output"
) -> None:
    ingest(event, {"authorization": "Bearer sandbox-only-report-token"})
    report({"number": PHONE}, {"x-webhook-token": "sandbox-only-segment-token"}, in_path="")
    assert _leaked(output) == []


@pytest.mark.parametrize(
    "secret", ['{"segment_token": "sandbox-only-segment-token"', '"sandbox-only-segment-token"', None]
)
def test_an_unreadable_secret_leaves_no_trace_in_the_logs(
    secret: str | None, ingest: "Endpoint", aws: "Aws", event: dict[str, Any], output: "Output"
) -> None:
    aws.set_secret(secret)
    ingest(event)
    assert _leaked(output) == []


@pytest.mark.parametrize(
    "body",
    [
        {"number": PHONE, "status": "1", "requestId": "r1"},
        {"number": PHONE, "status": "2", "desc": PHONE, "failureReason": TEXT},
        [{"event": "failed", "data": [{"meta": PHONE, "description": TEXT}]}],
        [{"number": PHONE, "status": "1"}, {"number": PHONE}],
        f"data={PHONE} {TEXT}",
        f'"{PHONE}"',
    ],
    ids=["v3", "new", "v4", "half readable", "a form", "a text"],
)
def test_a_report_leaves_no_trace_of_its_person_in_the_logs(body: object, report: "Endpoint", output: "Output") -> None:
    report(body)
    report(body)
    assert _leaked(output) == []


def test_a_refusing_database_leaves_no_trace_in_the_logs(
    ingest: "Endpoint",
    report: "Endpoint",
    dynamodb: "UnreliableDynamoDb",
    aws: "Aws",
    event: dict[str, Any],
    output: "Output",
) -> None:
    dynamodb.refuses_everything()
    ingest(event)
    report({"number": PHONE, "status": "1"})
    (redriven,) = aws.queued("ReportsRedriveQueue")
    report.invoke(redriven)
    aws.delete_queue("ReportsRedriveQueue")
    report({"number": PHONE, "status": "1"})
    assert _leaked(output) == []


def test_a_log_line_leads_from_an_event_to_its_request(
    ingest: "Endpoint", event: dict[str, Any], output: "Output"
) -> None:
    (result,) = ingest(event).body["results"]
    ids = [{line.get(name) for name in ("message_id", "crqid", "request_id")} for line in output.logs()]
    assert {"message-1", result["crqid"], result["requestId"]} in ids


@pytest.mark.parametrize(
    ("prepare", "logged"),
    [
        (lambda msg91: msg91.refuses("203", TEXT), {"status": "rejected", "failure_category": "dlt_header"}),
        (lambda msg91: msg91.refuses("301", TEXT), {"status": "held", "error_code": "301"}),
        (
            lambda msg91: msg91.breaks_off(httpx.ReadTimeout(TEXT)),
            {"status": "unknown", "reason": "MSG91 gave no readable answer (ReadTimeout)"},
        ),
    ],
    ids=["rejected", "held", "unknown"],
)
def test_what_msg91_did_not_accept_is_a_warning_with_its_cause(
    prepare: Callable[["FakeMsg91"], None],
    logged: dict[str, str],
    ingest: "Endpoint",
    msg91: "FakeMsg91",
    track: "Track",
    output: "Output",
) -> None:
    prepare(msg91)
    ingest(track(PHONE))
    (line,) = _events(output)
    assert line["level"] == "WARNING"
    assert {name: str(line[name]).partition(";")[0] for name in logged} == logged


def test_an_invalid_event_is_a_warning_that_names_the_field(
    ingest: "Endpoint", track: "Track", output: "Output"
) -> None:
    ingest(track("12345"))
    (line,) = _events(output)
    assert line["level"] == "WARNING"
    assert line["reason"].startswith("properties.phone: ")


def test_a_missing_authkey_is_in_the_log(ingest: "Endpoint", track: "Track", aws: "Aws", output: "Output") -> None:
    aws.set_secret(json.dumps({"segment_token": "segment-token-of-24-characters"}))
    ingest(track(PHONE), {"authorization": "Bearer segment-token-of-24-characters"})
    assert "msg91_authkey is missing" in output.text


def test_a_wrong_parameter_is_named_in_the_log(
    ingest: "Endpoint", track: "Track", output: "Output", monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DEFAULT_REGION", "UK")
    answer = ingest(track(PHONE))
    assert (answer.status, "A parameter of the stack is wrong" in answer.body["message"]) == (503, True)
    assert [line["problem"].partition(":")[0] for line in output.logs()] == ["DEFAULT_REGION"]


def test_a_retry_is_logged_with_its_cause(
    ingest: "Endpoint", track: "Track", dynamodb: "UnreliableDynamoDb", output: "Output"
) -> None:
    dynamodb.refuses_everything("AccessDeniedException")
    ingest(track(PHONE))
    assert [line["reason"] for line in _events(output)] == [
        "the database did not take the claim (AccessDeniedException)"
    ]


def test_words_of_msg91_are_not_logged_when_the_circuit_is_open(
    ingest: "Endpoint", msg91: "FakeMsg91", track: "Track", output: "Output"
) -> None:
    for number in range(8):
        msg91.refuses("301", f"No balance for {TEXT}")
        ingest(track(PHONE, f"message-{number}"))
    assert TEXT not in output.text


def test_a_skipped_event_is_logged_with_its_reason(ingest: "Endpoint", output: "Output") -> None:
    ingest({"type": "group", "messageId": "message-1"})
    assert "type: group events send no SMS" in [line.get("reason") for line in output.logs()]
