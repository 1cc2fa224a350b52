"""Each failure that the fuzz tests found, in the smallest form, with the right outcome."""

import json
from typing import TYPE_CHECKING, Any, Final

import pytest

from segment_msg91.segment.payload import MAX_EVENTS_IN_BATCH

if TYPE_CHECKING:
    from tests.fakes.aws import Aws
    from tests.fakes.events import Track
    from tests.fakes.msg91 import FakeMsg91
    from tests.handlers.conftest import Endpoint

PHONE: Final = "919800000001"
MAX_RESPONSE: Final = 6 * 1024 * 1024  # bytes that Lambda returns
NOT_TEXTS: Final[list[dict[str, Any]]] = [
    {"headers": {"authorization": None, "x-signature": None, "x-webhook-token": None}},
    {"headers": {"authorization": ["Bearer"], "x-signature": 7}},
    {"headers": [], "queryStringParameters": "token", "pathParameters": 7},
    {"queryStringParameters": {"token": None}, "pathParameters": {"token": {}}, "headers": {}},
]


@pytest.mark.parametrize("members", NOT_TEXTS, ids=str)
def test_members_of_a_request_that_are_no_texts_are_no_credentials(
    members: dict[str, Any], ingest: "Endpoint", report: "Endpoint"
) -> None:
    assert [endpoint.call(members).status for endpoint in (ingest, report)] == [401, 401]


@pytest.mark.parametrize("body", [7, ["{}"], {"type": "track"}], ids=str)
def test_a_body_that_is_no_text_is_an_empty_one(body: object, ingest: "Endpoint", report: "Endpoint") -> None:
    event = {"body": body, "isBase64Encoded": False}
    of_segment = {"headers": {"authorization": "Bearer sandbox-only-segment-token"}}
    of_msg91 = {"pathParameters": {"token": "sandbox-only-report-token"}}
    assert (ingest.call(event | of_segment).status, report.call(event | of_msg91).status) == (400, 202)


@pytest.mark.parametrize(
    "properties",
    [{"templateId": "t" * 500_000}, {"variables": {"v" * 500_000: []}}],
    ids=["template id", "variable's name"],
)
def test_an_event_too_large_for_an_item_costs_the_others_nothing(
    properties: dict[str, Any], ingest: "Endpoint", track: "Track"
) -> None:
    answer = ingest([track(PHONE, "m1"), track(PHONE, "m2", **properties)])
    assert (answer.status, [result["status"] for result in answer.body["results"]]) == (200, ["accepted", "invalid"])


def test_placeholders_that_would_make_gigabytes_are_refused(
    ingest: "Endpoint", track: "Track", msg91: "FakeMsg91"
) -> None:
    answer = ingest(track(PHONE, message="##a##" * 100_000, variables={"a": "x" * 100_000}))
    assert (answer.status, "properties.message: " in answer.body["message"], msg91.calls) == (400, True, [])


@pytest.mark.parametrize(("events", "status"), [(MAX_EVENTS_IN_BATCH, 200), (MAX_EVENTS_IN_BATCH + 1, 400)])
def test_a_batch_of_more_events_than_an_answer_can_hold_is_refused(
    events: int, status: int, ingest: "Endpoint"
) -> None:
    answer = ingest([{"type": "group", "messageId": "m" * 100}] * events)
    assert (answer.status, len(json.dumps(answer.body)) < MAX_RESPONSE) == (status, True)


def test_a_number_beyond_floating_point_is_quarantined_and_not_stored_as_infinity(
    report: "Endpoint", aws: "Aws"
) -> None:
    body = f'{{"requestId":"r1","number":"{PHONE}","status":"1","credit":1e999}}'
    answer = report(body)
    (event,) = aws.queued("ReportsQuarantineQueue")
    assert (answer.status, aws.reports(), event["Records"][0]["body"]) == (202, [], body)


@pytest.mark.parametrize("received_at", ["0001-01-01T00:00:00Z", "9999-12-31T23:59:59Z", "text"])
def test_a_record_that_was_received_in_no_possible_time_is_received_now(
    received_at: str, report: "Endpoint", aws: "Aws"
) -> None:
    record = {"messageId": "record-1", "body": f'{{"requestId":"r1","number":"{PHONE}","status":"1"}}'}
    attributes = {"messageAttributes": {"received_at": {"stringValue": received_at}}}
    assert report.invoke({"Records": [record | attributes]}) == {"batchItemFailures": []}
    assert [item["received_at"][:2] for item in aws.reports()] == ["20"]
