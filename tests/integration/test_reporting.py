"""The outcomes of a webhook's body: matched to messages, a repeat, queued, and retried."""

import json
import threading
import time
from datetime import timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Final

import httpx
import pytest

from segment_msg91.store.messages import ClaimRequest
from segment_msg91.use_cases.delivery_reports import NotDurableError

if TYPE_CHECKING:
    from segment_msg91.store.messages import Messages
    from segment_msg91.use_cases.delivery_reports import Receipt, Reporter
    from segment_msg91.use_cases.segment_ingest import Result
    from tests.fakes.aws import Aws, Item
    from tests.fakes.clock import Clock
    from tests.fakes.dynamodb import UnreliableDynamoDb
    from tests.fakes.events import Track
    from tests.fakes.msg91 import FakeMsg91
    from tests.integration.conftest import Send

PHONE: Final = "919800000001"
OTHER_PHONE: Final = "919800000002"
JSON: Final = "application/json"
REPORT: Final = {"requestId": "r1", "number": PHONE, "status": "1", "date": "2026-01-02 08:35:00"}
OTHER_REPORT: Final = REPORT | {"requestId": "r2"}
UNREADABLE: Final = b'data= [{"report": [{"clientid":\'\'12345"}]}]'


@pytest.fixture
def both(send: "Send", track: "Track") -> list["Result"]:
    """Two events with the same text, whose SMS were accepted in one call."""
    return send(track(PHONE), track(OTHER_PHONE, "message-2"))


@pytest.fixture
def sent(send: "Send", track: "Track") -> "Result":
    """An event whose SMS was accepted."""
    return send(track(PHONE))[0]


def _receive(reporter: "Reporter", *reports: object) -> "Receipt":
    return reporter.receive(json.dumps(reports[0] if len(reports) == 1 else reports).encode(), JSON)


def _rows(aws: "Aws") -> list[tuple[Any, ...]]:
    return [tuple(row.get(name) for name in ("matched", "unmatched_phone")) for row in aws.reports()]


def _redrive(reporter: "Reporter", aws: "Aws", queue: str = "ReportsRedriveQueue") -> "Receipt":
    (event,) = aws.queued(queue)
    return reporter.redrive(event["Records"][0])


def test_a_report_is_matched_by_crqid_and_number(reporter: "Reporter", aws: "Aws", sent: "Result") -> None:
    _receive(reporter, REPORT | {"CRQID": sent.crqid, "requestId": "another"})
    assert (_rows(aws), aws.messages()[0]["delivery_status"]) == ([(sent.crqid, None)], "delivered")


@pytest.mark.parametrize("crqid", [None, "", "0", 0, "NeverHeardOf"], ids=repr)
def test_a_report_without_a_known_crqid_is_matched_by_request_id_and_number(
    crqid: object, reporter: "Reporter", aws: "Aws", sent: "Result"
) -> None:
    _receive(reporter, REPORT | {"CRQID": crqid, "requestId": sent.request_id})
    assert (_rows(aws), aws.messages()[0]["delivery_status"]) == ([(sent.crqid, None)], "delivered")


def test_the_credits_of_the_prevailing_report_are_the_messages(
    reporter: "Reporter", aws: "Aws", sent: "Result"
) -> None:
    for report in ({"status": "2", "credit": "3"}, {"status": "1", "credit": "1.5"}, {"status": "2", "credit": "3"}):
        _receive(reporter, REPORT | {"CRQID": sent.crqid, **report})
    assert aws.messages()[0]["credits"] == Decimal("1.5")


def test_a_number_with_a_plus_is_the_same_number(reporter: "Reporter", aws: "Aws", sent: "Result") -> None:
    _receive(reporter, REPORT | {"CRQID": sent.crqid, "number": f"+{PHONE}"})
    assert _rows(aws) == [(sent.crqid, None)]


def test_a_report_of_v4_is_matched_by_its_meta(reporter: "Reporter", aws: "Aws", sent: "Result") -> None:
    _receive(reporter, [{"event": "delivered", "data": [{"meta": sent.crqid, "ts": 1767323100}]}])
    assert (_rows(aws), aws.messages()[0]["delivery_status"]) == ([(sent.crqid, None)], "delivered")


def test_the_crqid_of_another_recipient_never_touches_that_recipients_message(
    reporter: "Reporter", aws: "Aws", both: list["Result"]
) -> None:
    mine, other = both
    _receive(reporter, REPORT | {"CRQID": other.crqid, "requestId": mine.request_id})
    statuses = {message["crqid"]: message.get("delivery_status") for message in aws.messages()}
    assert statuses == {mine.crqid: "delivered", other.crqid: None}


def test_a_report_of_v4_is_not_matched_if_recipients_of_one_text_share_its_meta(
    reporter: "Reporter", aws: "Aws", both: list["Result"]
) -> None:
    _receive(reporter, [{"event": "failed", "data": [{"meta": both[0].crqid, "ts": 1767323100}]}])
    assert (_rows(aws), ["delivery_status" in message for message in aws.messages()]) == ([(None, None)], [False] * 2)


def test_a_report_with_a_crqid_but_no_number_touches_no_message(
    reporter: "Reporter", aws: "Aws", sent: "Result"
) -> None:
    _receive(reporter, {"CRQID": sent.crqid, "requestId": sent.request_id, "status": "1"})
    assert (_rows(aws), "delivery_status" in aws.messages()[0]) == ([(None, None)], False)


def test_recipients_of_one_call_are_distinguished_by_number(
    reporter: "Reporter", aws: "Aws", both: list["Result"]
) -> None:
    first, second = both
    shared = {"CRQID": first.crqid, "requestId": first.request_id}  # as MSG91 does if texts are the same
    _receive(reporter, REPORT | shared, REPORT | shared | {"number": OTHER_PHONE, "status": "2"})
    statuses = {message["crqid"]: message.get("delivery_status") for message in aws.messages()}
    assert statuses == {first.crqid: "delivered", second.crqid: "failed"}


def test_a_report_of_an_sms_from_elsewhere_has_no_message(reporter: "Reporter", aws: "Aws", sent: "Result") -> None:
    receipt = _receive(reporter, REPORT)
    assert (_rows(aws), receipt.unmatched) == ([(None, PHONE)], 1)
    assert "delivery_status" not in aws.messages()[0]
    assert sent.request_id != REPORT["requestId"]


def test_a_repeated_report_is_a_duplicate(reporter: "Reporter", aws: "Aws", sent: "Result") -> None:
    body = REPORT | {"CRQID": sent.crqid}
    receipts = [_receive(reporter, body) for _ in range(3)]
    assert [(receipt.stored, receipt.duplicates) for receipt in receipts] == [(1, 0), (0, 1), (0, 1)]
    assert len(aws.reports()) == 1


def test_a_repeated_report_is_a_duplicate_whatever_the_order_of_its_fields(reporter: "Reporter") -> None:
    _receive(reporter, REPORT)
    receipt = _receive(reporter, dict(reversed(REPORT.items())))
    assert (receipt.stored, receipt.duplicates) == (0, 1)


def test_a_report_twice_in_a_body_is_stored_once(reporter: "Reporter", aws: "Aws") -> None:
    receipt = _receive(reporter, REPORT, REPORT)
    assert (receipt.stored, receipt.duplicates, len(aws.reports())) == (1, 1, 1)


def test_reports_of_one_body_about_one_message_leave_its_final_status(
    reporter: "Reporter", aws: "Aws", sent: "Result"
) -> None:
    statuses = ("Pending", "2", "1", "Submitted", "9", "1", "Not in the table", "2")
    _receive(reporter, *(REPORT | {"CRQID": str(sent.crqid), "status": status} for status in statuses))
    (message,) = aws.messages()
    assert (message["delivery_status"], message["delivery_conflict"]) == ("delivered", True)


def test_a_report_that_came_before_its_message_is_joined_to_it_when_it_is_repeated(
    reporter: "Reporter", aws: "Aws", messages: "Messages", clock: "Clock"
) -> None:
    body = REPORT | {"CRQID": "Crqid1"}
    _receive(reporter, body)
    messages.claim([ClaimRequest("Crqid1", {"phone": PHONE})], clock(), timedelta(seconds=40))
    _receive(reporter, body)
    assert (_rows(aws), aws.messages()[0]["delivery_status"]) == ([("Crqid1", None)], "delivered")


@pytest.mark.parametrize("body", [b"", b"\xff\x00", UNREADABLE, b"[]", b"{}", b'"text"', b"x" * 300_000])
def test_what_cannot_be_read_goes_raw_to_the_quarantine(body: bytes, reporter: "Reporter", aws: "Aws") -> None:
    receipt = reporter.receive(body, "application/x-www-form-urlencoded")
    assert (receipt.http_status, receipt.quarantined, receipt.stored) == (202, 1, 0)
    assert _redrive(reporter, aws, "ReportsQuarantineQueue").quarantined == 1


def test_what_can_be_read_of_a_body_is_stored_and_all_of_it_quarantined(reporter: "Reporter", aws: "Aws") -> None:
    receipt = _receive(reporter, REPORT, {"number": OTHER_PHONE})
    (event,) = aws.queued("ReportsQuarantineQueue")
    assert (receipt.stored, receipt.quarantined, receipt.http_status) == (1, 1, 202)
    assert json.loads(event["Records"][0]["body"]) == [REPORT, {"number": OTHER_PHONE}]


def test_what_can_be_read_of_a_body_is_stored_although_no_queue_takes_the_rest(
    reporter: "Reporter", aws: "Aws"
) -> None:
    for queue in ("ReportsQuarantineQueue", "ReportsRedriveQueue"):
        aws.delete_queue(queue)
    with pytest.raises(NotDurableError) as caught:
        _receive(reporter, REPORT, {"number": OTHER_PHONE})
    assert (caught.value.receipt.stored, len(aws.reports())) == (1, 1)


def test_a_body_that_waits_for_the_database_is_quarantined_once(
    reporter: "Reporter", dynamodb: "UnreliableDynamoDb", aws: "Aws"
) -> None:
    dynamodb.refuses_everything()
    _receive(reporter, REPORT, {"number": OTHER_PHONE})
    dynamodb.recovers()
    receipt = _redrive(reporter, aws)
    assert (receipt.stored, len(aws.queued("ReportsQuarantineQueue"))) == (1, 1)


def test_a_quarantined_body_that_is_redriven_repeats_no_report(reporter: "Reporter", aws: "Aws") -> None:
    _receive(reporter, REPORT, {"number": OTHER_PHONE})
    receipt = _redrive(reporter, aws, "ReportsQuarantineQueue")
    assert (receipt.stored, receipt.duplicates, len(aws.reports())) == (0, 1, 1)


def test_a_body_that_dynamodb_refuses_goes_to_the_redrive_queue(
    reporter: "Reporter", dynamodb: "UnreliableDynamoDb", aws: "Aws"
) -> None:
    dynamodb.refuses_everything("ThrottlingException")
    receipt = _receive(reporter, REPORT)
    (event,) = aws.queued("ReportsRedriveQueue")
    assert (receipt.http_status, receipt.stored) == (202, 0)
    assert json.loads(event["Records"][0]["body"]) == REPORT


@pytest.mark.parametrize("operation", ["put_item", "update_item", "query"])
def test_a_body_of_many_reports_goes_whole_to_the_redrive_queue_when_one_is_refused(
    operation: str, reporter: "Reporter", dynamodb: "UnreliableDynamoDb", aws: "Aws"
) -> None:
    dynamodb.refuses(operation)
    receipt = _receive(reporter, *(REPORT | {"number": f"9198000000{n}", "CRQID": "Crqid1"} for n in range(10, 30)))
    assert receipt.http_status == 202
    dynamodb.recovers()
    _redrive(reporter, aws)
    assert len(aws.reports()) == 20


def test_a_redriven_body_is_stored_as_of_its_receipt(
    reporter: "Reporter", dynamodb: "UnreliableDynamoDb", aws: "Aws", clock: "Clock"
) -> None:
    dynamodb.refuses_everything()
    _receive(reporter, REPORT)
    dynamodb.recovers()
    clock.advance(hours=3)
    _redrive(reporter, aws)
    assert [row["received_at"] for row in aws.reports()] == ["2026-01-02T03:04:05.000Z"]


def test_a_redriven_body_is_stored_as_if_it_had_come_now(
    reporter: "Reporter", dynamodb: "UnreliableDynamoDb", aws: "Aws", sent: "Result"
) -> None:
    body = REPORT | {"CRQID": sent.crqid}
    dynamodb.refuses_everything()
    _receive(reporter, body)
    dynamodb.recovers()
    receipt = _redrive(reporter, aws)
    assert (receipt.stored, _rows(aws), aws.messages()[0]["delivery_status"]) == (1, [(sent.crqid, None)], "delivered")


def test_a_body_that_is_refused_again_stays_in_the_queue(
    reporter: "Reporter", dynamodb: "UnreliableDynamoDb", aws: "Aws"
) -> None:
    dynamodb.refuses_everything()
    _receive(reporter, REPORT)
    with pytest.raises(NotDurableError):
        _redrive(reporter, aws)


def test_a_report_whose_write_was_lost_is_a_duplicate_when_it_is_redriven(
    reporter: "Reporter", dynamodb: "UnreliableDynamoDb", aws: "Aws"
) -> None:
    dynamodb.loses_answer("put_item")
    _receive(reporter, REPORT)
    receipt = _redrive(reporter, aws)
    assert (receipt.stored, receipt.duplicates, len(aws.reports())) == (0, 1, 1)


def test_an_unreadable_body_goes_to_the_redrive_queue_when_the_quarantine_refuses(
    reporter: "Reporter", aws: "Aws"
) -> None:
    aws.delete_queue("ReportsQuarantineQueue")
    assert reporter.receive(UNREADABLE, JSON).http_status == 202
    assert len(aws.queued("ReportsRedriveQueue")) == 1


def test_a_body_that_nothing_takes_is_not_received(
    reporter: "Reporter", dynamodb: "UnreliableDynamoDb", aws: "Aws"
) -> None:
    dynamodb.refuses_everything()
    aws.delete_queue("ReportsRedriveQueue")
    with pytest.raises(NotDurableError):
        _receive(reporter, REPORT)


@pytest.mark.parametrize("code", ["203", "211"])
def test_a_rejection_without_a_report_is_on_record_alone(
    code: str, send: "Send", aws: "Aws", msg91: "FakeMsg91", track: "Track"
) -> None:
    msg91.refuses(code)
    send(track(PHONE))
    message: Item = aws.messages()[0]
    assert (message["send_state"], message["error_code"], aws.reports()) == ("rejected", code, [])


def test_the_latency_of_a_delivery_is_counted_once(reporter: "Reporter", sent: "Result") -> None:
    body = REPORT | {"CRQID": sent.crqid}  # delivered at 03:05:00 UTC, accepted at 03:04:05
    latencies = [_receive(reporter, body | more).latencies for more in ({}, {}, {"desc": "DELIVERED"})]
    assert latencies == [[55.0], [], []]


def test_a_conflict_is_counted_once(reporter: "Reporter", sent: "Result") -> None:
    body = REPORT | {"CRQID": sent.crqid}
    conflicts = [_receive(reporter, body | {"status": status}).conflicts for status in ("2", "1", "9", "2")]
    assert conflicts == [0, 1, 0, 0]


def test_what_there_is_no_time_to_store_waits_in_the_redrive_queue_in_small_bodies(
    reporter: "Reporter", aws: "Aws", clock: "Clock"
) -> None:
    reports = [REPORT | {"requestId": f"r{number}"} for number in range(450)]
    body = json.dumps([{"requestId": "r", "report": reports[:225]}, {"requestId": "r", "report": reports[225:]}])
    receipt = reporter.receive(body.encode(), JSON, deadline=clock())
    assert (receipt.http_status, receipt.stored, receipt.queued) == (202, 0, 450)
    assert "Waiting in a queue, to be stored within minutes: 450" in receipt.message
    parts = [event["Records"][0] for event in aws.queued("ReportsRedriveQueue")]
    assert sorted(len(json.loads(part["body"])) for part in parts) == [50, 200, 200]
    for part in parts:
        reporter.redrive(part)
    assert len(aws.reports()) == 450
    assert {row["webhook_version"] for row in aws.reports()} == {"v2"}
    assert {row["received_at"] for row in aws.reports()} == {"2026-01-02T03:04:05.000Z"}


def test_a_report_from_the_redrive_queue_is_the_same_report_as_that_of_its_webhook(
    reporter: "Reporter", aws: "Aws", clock: "Clock"
) -> None:
    body = json.dumps([REPORT, REPORT | {"status": "2"}]).encode()
    reporter.receive(body, JSON, deadline=clock())
    _redrive(reporter, aws)
    receipt = reporter.receive(body, JSON)
    assert (receipt.stored, receipt.duplicates) == (0, 2)


def test_a_body_whose_rest_no_queue_takes_is_not_received(reporter: "Reporter", aws: "Aws", clock: "Clock") -> None:
    aws.delete_queue("ReportsRedriveQueue")
    with pytest.raises(NotDurableError):
        reporter.receive(json.dumps([REPORT, REPORT]).encode(), JSON, deadline=clock())


def test_what_a_body_from_the_queue_has_stored_is_counted_also_if_the_rest_is_not(
    reporter: "Reporter", aws: "Aws", dynamodb: "UnreliableDynamoDb", clock: "Clock"
) -> None:
    reporter.receive(json.dumps([REPORT, OTHER_REPORT]).encode(), JSON, deadline=clock())
    (event,) = aws.queued("ReportsRedriveQueue")
    dynamodb.passes("put_item").refuses("put_item")
    with pytest.raises(NotDurableError) as failed:
        reporter.redrive(event["Records"][0])
    receipts = [failed.value.receipt, reporter.redrive(event["Records"][0])]
    assert [(receipt.stored, receipt.duplicates) for receipt in receipts] == [(1, 0), (1, 1)]


def test_a_call_that_hangs_does_not_keep_a_body_beyond_its_deadline(
    reporter: "Reporter", aws: "Aws", dynamodb: "UnreliableDynamoDb", clock: "Clock"
) -> None:
    hanging = threading.Event()
    dynamodb.interrupts("put_item", lambda: hanging.wait(20))
    started = time.monotonic()
    receipt = reporter.receive(json.dumps([REPORT, OTHER_REPORT]).encode(), JSON, clock() + timedelta(seconds=5))
    taken = time.monotonic() - started
    hanging.set()
    assert (receipt.stored, receipt.queued) == (1, 1)
    assert taken < 5
    assert len(aws.queued("ReportsRedriveQueue")) == 1


def test_a_message_in_doubt_learns_its_request_id_from_its_report(
    send: "Send", track: "Track", msg91: "FakeMsg91", reporter: "Reporter", aws: "Aws"
) -> None:
    msg91.breaks_off(httpx.ReadTimeout("silent"), sends=True)
    (doubtful,) = send(track(PHONE))
    _receive(reporter, REPORT | {"CRQID": doubtful.crqid, "status": "Submitted"})
    assert aws.message(str(doubtful.crqid))["request_id"] == "r1"
    _receive(reporter, REPORT)
    assert aws.message(str(doubtful.crqid))["delivery_status"] == "delivered"


def test_a_message_learns_its_request_id_from_a_report_that_changes_nothing_else(
    send: "Send", track: "Track", msg91: "FakeMsg91", reporter: "Reporter", aws: "Aws"
) -> None:
    msg91.breaks_off(httpx.ReadTimeout("silent"), sends=True)
    (doubtful,) = send(track(PHONE))
    _receive(reporter, {"CRQID": doubtful.crqid, "number": PHONE, "status": "1", "date": "2026-01-02 08:35:00"})
    _receive(reporter, REPORT | {"CRQID": doubtful.crqid, "status": "Submitted"})
    message = aws.message(str(doubtful.crqid))
    assert (message["request_id"], message["delivery_status"]) == ("r1", "delivered")


def test_a_report_does_not_replace_the_request_id_that_msg91_answered(
    reporter: "Reporter", aws: "Aws", sent: "Result"
) -> None:
    _receive(reporter, REPORT | {"CRQID": sent.crqid, "requestId": "another"})
    assert aws.message(str(sent.crqid))["request_id"] == sent.request_id
