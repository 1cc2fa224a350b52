"""POST /msg91/reports and its queue, from bytes up: a body that is answered 2xx is in the table or in a queue."""

import base64
import gzip
import json
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import parse_qs, quote_plus

import pytest
from hypothesis import given
from hypothesis import strategies as st

from segment_msg91.http import MAX_BODY_BYTES
from tests.handlers.conftest import EVENTS
from tests.handlers.fuzz import strategies as odd
from tests.handlers.fuzz.contract import about_answer, about_report

if TYPE_CHECKING:
    from tests.fakes.aws import Aws
    from tests.handlers.conftest import Answer, Endpoint

type Leftovers = Callable[[], tuple[list[dict[str, Any]], list[bytes]]]
type Check = Callable[["Answer", bytes], list[str]]

TOKEN: Final = "sandbox-only-report-token"
RECEIVED: Final = ("2026-01-02T03:04:05.000Z", "0001-01-01T00:00:00Z", "9999-12-31T23:59:59Z", "1900-01-01")


def _sample(name: str) -> str:
    """Return the JSON of a sample report."""
    event = json.loads((EVENTS / f"{name}.json").read_text(encoding="utf-8"))
    body = base64.b64decode(event["body"]).decode() if event["isBase64Encoded"] else event["body"]
    return parse_qs(body)["data"][0] if body.startswith("data=") else body


QUEUED: Final = {"messageId": "record-1", "receiptHandle": "handle", "attributes": {}, "eventSource": "aws:sqs"}
SAMPLES: Final = [_sample(f"report_{version}") for version in ("v2", "v2_several_numbers", "v3", "v4", "new")]


@pytest.fixture
def left(aws: "Aws") -> Leftovers:
    """Return the reports in the table and the bodies in the quarantine, and remove them."""

    def take() -> tuple[list[dict[str, Any]], list[bytes]]:
        reports = aws.reports()
        for report in reports:
            key = {name: {"S": report[name]} for name in ("report_group", "report_id")}
            aws.dynamodb.delete_item(TableName="ReportsTable", Key=key)
        records = [event["Records"][0] for event in aws.queued("ReportsQuarantineQueue")]
        for record in records:
            aws.delete_record("ReportsQuarantineQueue", record)
        return reports, [_unpacked(record) for record in records]

    return take


def _unpacked(record: dict[str, Any]) -> bytes:
    """Read a queued body as an operator would."""
    if record["messageAttributes"]["body_encoding"]["stringValue"] == "plain":
        return str(record["body"]).encode()
    return gzip.decompress(base64.b64decode(record["body"]))


@pytest.fixture
def check(left: Leftovers) -> Check:
    """Return the violations about an answer and the stored items, and remove the items."""

    def violations(answer: "Answer", body: bytes) -> list[str]:
        found = list(about_answer(answer, frozenset({200, 202})))
        reports, quarantined = left()
        answered = answer.body
        if quarantined != [body] * answered.get("quarantined", -1):
            found.append(f"answered {answered}, and in the quarantine {quarantined}")
        if answer.status != (202 if quarantined else 200) or not (quarantined or answered["stored"]):
            found.append(f"answered {answer.status}, answered {answered}")
        if len(reports) != answered.get("stored"):
            found.append(f"answered {answered}, and in the table {reports}")
        return found + [violation for report in reports for violation in about_report(report)]

    return violations


JSON_BODY: Final = odd.mutated(SAMPLES) | odd.mutated(SAMPLES) | odd.ANYTHING | st.sampled_from(odd.NO_JSON)
BODY: Final = st.one_of(
    JSON_BODY,
    JSON_BODY.map(json.dumps),
    JSON_BODY.map(lambda text: f"data={text}"),
    JSON_BODY.map(lambda text: "data=" + quote_plus(text, errors="replace")),
    st.lists(JSON_BODY, min_size=1, max_size=3).map(odd.array_of),
).map(lambda text: text.encode("utf-8", "surrogatepass"))


@odd.FUZZED
@given(body=BODY)
def test_any_report_is_in_the_table_or_the_quarantine(body: bytes, report: "Endpoint", check: Check) -> None:
    assert check(report(body), body) == []


@odd.FUZZED
@given(body=odd.cut_and_stained(BODY) | st.binary())
def test_whatever_bytes_come_are_in_the_table_or_the_quarantine(body: bytes, report: "Endpoint", check: Check) -> None:
    assert check(report(body), body) == []


@odd.FUZZED
@given(
    members=odd.odd_members("queryStringParameters", "requestContext", "cookies", "rawPath"),
    body=odd.ODD | JSON_BODY,
    is_base64=odd.ODD,
    headers=st.none() | st.dictionaries(st.text(max_size=5) | st.just("Content-Type"), odd.ODD, max_size=3),
)
def test_an_odd_request_with_the_token_is_in_the_table_or_the_quarantine(
    members: dict[str, object], body: object, is_base64: object, headers: object, report: "Endpoint", check: Check
) -> None:
    event = {"body": body, "isBase64Encoded": is_base64, "headers": headers, "pathParameters": {"token": TOKEN}}
    assert check(report.call(members | event), _read(body, bool(is_base64))) == []


def _read(body: object, is_base64: bool) -> bytes:  # noqa: FBT001 - as API Gateway passes it
    """Return the bytes of an event's body; a body that is not base64 is taken unchanged."""
    text = body if isinstance(body, str) else ""
    try:
        return base64.b64decode(text, validate=True) if is_base64 else text.encode("utf-8", "surrogatepass")
    except ValueError:
        return text.encode("utf-8", "surrogatepass")


@odd.FUZZED
@given(
    event=odd.odd_members("headers", "queryStringParameters", "pathParameters", "body", "isBase64Encoded"),
    names=st.sets(st.sampled_from(["authorization", "X-Webhook-Token", "content-type"])),
    value=odd.ODD,
)
def test_an_odd_request_without_the_token_is_refused(
    event: dict[str, object], names: set[str], value: object, report: "Endpoint", left: Leftovers
) -> None:
    if names:
        event["headers"] = dict.fromkeys(names, value)
    answer = report.call(event)
    assert (list(about_answer(answer, frozenset({401}))), left()) == ([], ([], []))


@pytest.mark.parametrize("body", odd.DEEP, ids=["arrays", "objects", "open arrays", "open objects"])
@pytest.mark.parametrize("form", ["", "data="])
def test_deep_nesting_is_kept_unchanged(form: str, body: str, report: "Endpoint", check: Check) -> None:
    answer = report(form + body)
    assert (answer.status, check(answer, (form + body).encode())) == (202, [])


@pytest.mark.parametrize("form", [str, str.encode], ids=["text", "base64"])
def test_a_body_of_5_mb_is_kept_unchanged(form: Callable[[str], object], report: "Endpoint", check: Check) -> None:
    text = json.dumps([{"number": "919800000001"}]).ljust(MAX_BODY_BYTES)
    answer = report(form(text))
    assert (answer.status, check(answer, text.encode())) == (202, [])


@odd.FUZZED
@given(
    body=BODY.map(lambda body: body.decode("utf-8", "replace")),
    attributes=st.none()
    | st.fixed_dictionaries(
        {},
        optional={
            "body_encoding": st.sampled_from([{"stringValue": "plain"}, {"stringValue": "gzip+base64"}, {}]),
            "received_at": odd.ODD.map(lambda value: {"stringValue": value})
            | st.sampled_from(RECEIVED).map(lambda value: {"stringValue": value}),
            "content_type": odd.ODD,
        },
    ),
)
def test_an_odd_record_is_in_the_table_or_a_queue(
    body: str, attributes: dict[str, object] | None, report: "Endpoint", left: Leftovers
) -> None:
    answered = report.invoke({"Records": [QUEUED | {"body": body, "messageAttributes": attributes}]})
    reports, quarantined = left()
    assert [violation for item in reports for violation in about_report(item)] == []
    assert answered in ({"batchItemFailures": []}, {"batchItemFailures": [{"itemIdentifier": "record-1"}]})
    assert reports or quarantined or answered["batchItemFailures"]
