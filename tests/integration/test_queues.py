"""Raw bodies in the queues: the same bytes as received, for any body."""

import os
import re
from typing import TYPE_CHECKING, Final

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from segment_msg91.store.aws import StoreUnavailableError
from segment_msg91.store.queues import Queue, RawReport
from tests.engines import MOTO

if TYPE_CHECKING:
    from tests.fakes.aws import Aws

LATER: Final = "2026-01-03T00:00:00.000Z"
RECEIVED: Final = "2026-01-02T03:04:05.000Z"


def _kept(aws: "Aws") -> RawReport:
    (event,) = aws.queued("ReportsQuarantineQueue")
    return RawReport.of(event["Records"][0], LATER)


@pytest.fixture
def engine() -> str:
    """SQS is moto's on either engine."""
    return MOTO


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b" ",
        b"\n",
        b'{"number":"919800000001"}',
        b"data=%5B%5D&x=\t\r\n",
        bytes(range(256)),
        b"\x00\x08\x0b\x1f",
        "\ufffe\uffff\ufffd\U0001f600\u2028".encode(),
        b"\xed\xa0\x80",
        b"x" * 262_144,
        "\u0928\u092e\u0938\u094d\u0924\u0947".encode() * 20_000,
        os.urandom(150_000),
    ],
    ids=[
        *(
            "empty",
            "a space",
            "a line break",
            "JSON",
            "a form",
            "every byte",
            "control characters",
            "no XML characters",
        ),
        *("half a surrogate pair", "longer than SQS takes", "longer than SQS takes in UTF-8", "random bytes"),
    ],
)
def test_a_body_is_read_back_byte_for_byte(body: bytes, quarantine: Queue, aws: "Aws") -> None:
    quarantine.put(RawReport(body, "text/plain", RECEIVED), "unreadable")
    assert _kept(aws).body == body


@settings(max_examples=50, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(body=st.binary() | st.text(st.characters(codec="utf-8")).map(str.encode))
def test_any_body_is_read_back_byte_for_byte(body: bytes, quarantine: Queue, aws: "Aws") -> None:
    quarantine.put(RawReport(body, "text/plain", RECEIVED), "unreadable")
    (event,) = aws.queued("ReportsQuarantineQueue")
    (record,) = event["Records"]
    aws.delete_record("ReportsQuarantineQueue", record)
    assert RawReport.of(record, LATER).body == body


def test_a_body_that_a_person_can_read_is_readable_in_the_queue(quarantine: Queue, aws: "Aws") -> None:
    quarantine.put(RawReport('{"desc":"ज़रूर"}'.encode(), "application/json", RECEIVED), "unreadable")
    (event,) = aws.queued("ReportsQuarantineQueue")
    assert event["Records"][0]["body"] == '{"desc":"ज़रूर"}'


@pytest.mark.parametrize("body", ["\x00", "{}\x0b", "\x1b[31m", "\ufffe", "\uffff"], ids=ascii)
def test_characters_that_sqs_refuses_are_not_given_to_it(body: str, quarantine: Queue, aws: "Aws") -> None:
    quarantine.put(RawReport(body.encode(), "text/plain", RECEIVED), "unreadable")
    (event,) = aws.queued("ReportsQuarantineQueue")
    assert re.fullmatch("[A-Za-z0-9+/=]+", event["Records"][0]["body"])


def test_a_quarantined_body_has_its_reason(quarantine: Queue, aws: "Aws") -> None:
    quarantine.put(RawReport(b"?", "application/json", RECEIVED), "not JSON: Expecting value at character 0")
    (event,) = aws.queued("ReportsQuarantineQueue")
    reason = event["Records"][0]["messageAttributes"]["reason"]["stringValue"]
    assert reason == "not JSON: Expecting value at character 0"


def test_the_time_of_its_receipt_and_its_content_type_come_back_with_a_body(quarantine: Queue, aws: "Aws") -> None:
    quarantine.put(RawReport(b"?", "application/json", RECEIVED), "unreadable")
    kept = _kept(aws)
    assert (kept.content_type, kept.received_at) == ("application/json", RECEIVED)


def test_a_body_without_a_content_type_is_kept(quarantine: Queue, aws: "Aws") -> None:
    quarantine.put(RawReport(b"?", "", RECEIVED), "unreadable")
    assert _kept(aws).content_type == ""


@pytest.mark.parametrize(
    ("content_type", "kept"),
    [("text/plain\x00", "text/plain?"), ("\ud800", "?"), ("x" * 100_000, "x" * 512)],
    ids=["a control character", "half a surrogate pair", "a hundred thousand characters"],
)
def test_a_content_type_that_sqs_would_refuse_is_kept_as_far_as_it_goes(
    content_type: str, kept: str, quarantine: Queue, aws: "Aws"
) -> None:
    quarantine.put(RawReport(b"?", content_type, RECEIVED), "unreadable")
    assert _kept(aws).content_type == kept


def test_a_body_that_a_person_put_there_by_hand_is_received_now() -> None:
    raw = RawReport.of({"messageId": "1", "body": "{}"}, LATER)
    assert (raw.body, raw.content_type, raw.received_at) == (b"{}", "", LATER)


def test_a_queue_that_is_gone_is_an_error_that_names_it(quarantine: Queue, aws: "Aws") -> None:
    aws.delete_queue("ReportsQuarantineQueue")
    with pytest.raises(StoreUnavailableError, match=r"NonExistentQueue|QueueDoesNotExist"):
        quarantine.put(RawReport(b"?", "", RECEIVED), "unreadable")
