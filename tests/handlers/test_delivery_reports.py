"""POST /msg91/reports[/{token}] and the redrive queue: authentication, responses, and no loss."""

import json
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlencode

import pytest

from segment_msg91.http import MAX_BODY_BYTES

if TYPE_CHECKING:
    from tests.fakes.aws import Aws
    from tests.fakes.dynamodb import UnreliableDynamoDb
    from tests.handlers.conftest import Endpoint

REPORT: Final = {"requestId": "r1", "number": "919800000061", "status": "1", "date": "2026-01-02 08:35:00"}
TOKEN: Final = "sandbox-only-report-token"
FORM: Final = {"content-type": "application/x-www-form-urlencoded"}
UNREADABLE: Final = b'data= [{"report": [{"clientid":\'\'12345"}]}]\x00\xff'


def _with_record_id(event: dict[str, Any], message_id: str) -> dict[str, Any]:
    return {**event["Records"][0], "messageId": message_id}


def test_a_new_report_is_answered_200_as_stored(report: "Endpoint") -> None:
    answer = report(REPORT)
    assert answer.status == 200
    assert {k: v for k, v in answer.body.items() if k != "message"} == {"stored": 1, "duplicates": 0, "quarantined": 0}


def test_a_repeated_report_is_answered_200_as_a_duplicate(report: "Endpoint") -> None:
    report(REPORT)
    answer = report(REPORT)
    assert answer.status == 200
    assert {k: v for k, v in answer.body.items() if k != "message"} == {"stored": 0, "duplicates": 1, "quarantined": 0}


def test_an_unreadable_body_is_answered_202_as_quarantined(report: "Endpoint", aws: "Aws") -> None:
    answer = report(UNREADABLE)
    assert answer.status == 202
    assert {k: v for k, v in answer.body.items() if k != "message"} == {"stored": 0, "duplicates": 0, "quarantined": 1}
    assert len(aws.queued("ReportsQuarantineQueue")) == 1


def test_the_reports_of_a_form_in_base64_are_stored(report: "Endpoint", aws: "Aws") -> None:
    body = urlencode({"data": json.dumps([{"requestId": "r1", "report": [REPORT, REPORT | {"status": "2"}]}])})
    assert report(body.encode(), FORM).body["stored"] == len(aws.reports()) == 2


def test_the_reports_of_a_form_as_it_is_are_stored(report: "Endpoint", aws: "Aws") -> None:
    body = urlencode({"data": json.dumps([{"requestId": "r1", "report": [REPORT]}])})
    assert report(body, FORM).body["stored"] == len(aws.reports()) == 1


@pytest.mark.parametrize(
    ("headers", "query", "path"),
    [
        ({}, None, TOKEN),
        ({}, TOKEN, ""),
        ({"X-Webhook-Token": TOKEN}, None, ""),
        ({"authorization": f"Bearer {TOKEN}"}, None, ""),
    ],
    ids=["last path segment", "query", "header", "bearer"],
)
def test_a_valid_token_is_let_in(headers: dict[str, str], query: str | None, path: str, report: "Endpoint") -> None:
    assert report(REPORT, headers, token=query, in_path=path).status == 200


@pytest.mark.parametrize(
    ("headers", "query", "path"),
    [
        ({}, None, ""),
        ({}, None, "wrong"),
        ({}, "wrong", ""),
        ({"x-webhook-token": ""}, None, ""),
        ({"authorization": "Bearer sandbox-only-segment-token"}, None, ""),
        ({"authorization": "Basic c2FuZGJveC1yZXBvcnQtdG9rZW46"}, None, ""),
    ],
    ids=["nothing", "wrong path", "wrong query", "empty header", "Segment's token", "basic"],
)
def test_other_requests_are_refused_and_nothing_is_kept(
    headers: dict[str, str],
    query: str | None,
    path: str,
    report: "Endpoint",
    aws: "Aws",
    dynamodb: "UnreliableDynamoDb",
) -> None:
    answers = [report(body, headers, token=query, in_path=path) for body in (REPORT, UNREADABLE)]
    assert [(answer.status, bool(answer.body["message"])) for answer in answers] == [(401, True)] * 2
    assert (dynamodb.calls, aws.queued("ReportsQuarantineQueue"), aws.queued("ReportsRedriveQueue")) == ([], [], [])


@pytest.mark.parametrize("secret", ["{}", '{"report_token": ""}', '{"report_token": []}', '{"report_token": [""]}'])
def test_an_empty_secret_refuses_every_request(secret: str, report: "Endpoint", aws: "Aws") -> None:
    aws.set_secret(secret)
    assert report(REPORT, {}, token="", in_path="").status == 401


def test_both_tokens_are_let_in_while_one_replaces_the_other(report: "Endpoint", aws: "Aws") -> None:
    aws.set_secret(json.dumps({"report_token": ["new-token-of-24-characters", "old-token-of-24-characters"]}))
    tokens = ("new-token-of-24-characters", "old-token-of-24-characters")
    assert [report(REPORT, in_path=token).status for token in tokens] == [200, 200]


@pytest.mark.parametrize("secret", [None, "not JSON", "[]"], ids=str)
def test_a_secret_that_cannot_be_read_refuses_every_request_for_now(
    secret: str | None, report: "Endpoint", aws: "Aws", dynamodb: "UnreliableDynamoDb"
) -> None:
    aws.set_secret(secret)
    answer = report(REPORT)
    assert (answer.status, bool(answer.body["message"]), dynamodb.calls) == (503, True, [])


def test_a_body_over_5_mb_is_answered_413(report: "Endpoint", aws: "Aws") -> None:
    answer = report("x" * (MAX_BODY_BYTES + 1))
    assert (answer.status, bool(answer.body["message"])) == (413, True)
    assert aws.queued("ReportsQuarantineQueue") == []


def test_a_body_that_dynamodb_refuses_is_answered_202_and_redriven(
    report: "Endpoint", dynamodb: "UnreliableDynamoDb", aws: "Aws"
) -> None:
    dynamodb.refuses_everything()
    answer = report(REPORT)
    assert (answer.status, answer.body["stored"], "in a queue" in answer.body["message"]) == (202, 0, True)
    dynamodb.recovers()
    (event,) = aws.queued("ReportsRedriveQueue")
    assert report.invoke(event) == {"batchItemFailures": []}
    assert len(aws.reports()) == 1


def test_a_body_that_nothing_takes_is_answered_503(
    report: "Endpoint", dynamodb: "UnreliableDynamoDb", aws: "Aws"
) -> None:
    dynamodb.refuses_everything()
    aws.delete_queue("ReportsRedriveQueue")
    answer = report(REPORT)
    assert (answer.status, bool(answer.body["message"]), "retry-after" in answer.headers) == (503, True, True)


def test_a_quarantined_body_can_be_redriven(report: "Endpoint", aws: "Aws") -> None:
    report(UNREADABLE)
    (first,) = aws.queued("ReportsQuarantineQueue")
    assert report.invoke(first) == {"batchItemFailures": []}
    (again,) = aws.queued("ReportsQuarantineQueue")
    assert again["Records"][0]["body"] == first["Records"][0]["body"]


def test_only_the_records_that_failed_stay_in_the_redrive_queue(
    report: "Endpoint", dynamodb: "UnreliableDynamoDb", aws: "Aws"
) -> None:
    dynamodb.refuses_everything()
    report(REPORT)
    dynamodb.recovers()
    (event,) = aws.queued("ReportsRedriveQueue")
    good, bad = (_with_record_id(event, message_id) for message_id in ("good", "bad"))
    bad["messageAttributes"] = {"body_encoding": {"stringValue": "gzip+base64"}}
    assert report.invoke({"Records": [bad, good]}) == {"batchItemFailures": [{"itemIdentifier": "bad"}]}
    assert len(aws.reports()) == 1


def test_a_record_that_dynamodb_refuses_again_stays_in_the_redrive_queue(
    report: "Endpoint", dynamodb: "UnreliableDynamoDb", aws: "Aws"
) -> None:
    dynamodb.refuses_everything()
    report(REPORT)
    (event,) = aws.queued("ReportsRedriveQueue")
    message_id = event["Records"][0]["messageId"]
    assert report.invoke(event) == {"batchItemFailures": [{"itemIdentifier": message_id}]}


@pytest.mark.parametrize("body", [REPORT, UNREADABLE, ""], ids=["a report", "unreadable", "empty"])
@pytest.mark.parametrize("path", [TOKEN, "wrong"], ids=["let in", "401"])
def test_every_answer_is_json_with_one_line_for_a_person(body: object, path: str, report: "Endpoint") -> None:
    answer = report(body, in_path=path)
    assert answer.headers["content-type"] == "application/json"
    assert answer.body["message"].strip()
    assert "\n" not in answer.body["message"]
