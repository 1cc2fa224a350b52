"""A message's delivery status does not depend on the order of its reports, nor on repeats."""

import json
from collections.abc import Callable
from datetime import timedelta, timezone
from typing import TYPE_CHECKING, Any, Final

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from segment_msg91.msg91.codes import FAILING, DeliveryStatus
from segment_msg91.msg91.reports import read
from segment_msg91.store.messages import ClaimRequest, StatusUpdate

if TYPE_CHECKING:
    from segment_msg91.store.messages import Messages
    from segment_msg91.use_cases.delivery_reports import Reporter
    from tests.fakes.aws import Aws, Item
    from tests.fakes.clock import Clock
    from tests.fakes.dynamodb import UnreliableDynamoDb
    from tests.fakes.events import Track
    from tests.fakes.msg91 import FakeMsg91
    from tests.integration.conftest import Send

type FinalMessage = Callable[[list[dict[str, Any]]], Item]

PHONE: Final = "919800000001"
LEASE: Final = timedelta(seconds=40)
EARLY: Final = "2026-01-02T03:05:00Z"
IST: Final = timezone(timedelta(hours=5, minutes=30))
LATE: Final = "2026-01-02T09:05:00Z"

# The status on record (rows), a later report (columns), the resulting status. "!" marks the conflict of two final ones.
TRANSITIONS: Final = """
              unknown     pending     failed      ndnc        rejected    blocked     delivered
unknown       unknown     pending     failed      ndnc        rejected    blocked     delivered
pending       pending     pending     failed      ndnc        rejected    blocked     delivered
failed        failed      failed      failed      ndnc!       rejected!   blocked!    delivered!
ndnc          ndnc        ndnc        failed!     ndnc        rejected!   blocked!    delivered!
rejected      rejected    rejected    failed!     ndnc!       rejected    blocked!    delivered!
blocked       blocked     blocked     failed!     ndnc!       rejected!   blocked     delivered!
delivered     delivered   delivered   delivered!  delivered!  delivered!  delivered!  delivered
"""


def _cases() -> list[tuple[str, str, str]]:
    header, *rows = TRANSITIONS.strip().splitlines()
    return [
        (before, report, after)
        for before, *row in (line.split() for line in rows)
        for report, after in zip(header.split(), row, strict=True)
    ]


def _delivery(status: str, reported_at: str | None, digest: str = "digest") -> StatusUpdate:
    return StatusUpdate(DeliveryStatus(status), None, status, None, reported_at, digest)


@pytest.fixture
def crqid(messages: "Messages", clock: "Clock") -> str:
    """A message that was claimed."""
    messages.claim([ClaimRequest("Crqid1", {"phone": PHONE})], clock(), LEASE)
    return "Crqid1"


def _outcome(message: "Item") -> tuple[str, bool]:
    return message["delivery_status"], message.get("delivery_conflict", False)


@pytest.mark.parametrize(("before", "report", "after"), _cases())
def test_a_later_report_on_a_status(
    before: str, report: str, after: str, crqid: str, messages: "Messages", aws: "Aws"
) -> None:
    messages.apply(crqid, PHONE, _delivery(before, EARLY))
    messages.apply(crqid, PHONE, _delivery(report, LATE))
    assert _outcome(aws.message(crqid)) == (after.rstrip("!"), after.endswith("!"))


@pytest.mark.parametrize("status", ["failed", "ndnc", "rejected", "blocked"])
def test_an_earlier_report_of_the_same_rank_does_not_replace_a_later_one(
    status: str, crqid: str, messages: "Messages", aws: "Aws"
) -> None:
    messages.apply(crqid, PHONE, _delivery("failed", LATE))
    messages.apply(crqid, PHONE, _delivery(status, EARLY))
    assert _outcome(aws.message(crqid)) == ("failed", status != "failed")


def test_a_report_with_a_time_replaces_one_without(crqid: str, messages: "Messages", aws: "Aws") -> None:
    messages.apply(crqid, PHONE, _delivery("failed", None, "z"))
    messages.apply(crqid, PHONE, _delivery("failed", EARLY, "a"))
    assert aws.message(crqid)["delivery_reported_at"] == EARLY


@pytest.mark.parametrize("digests", ["ab", "ba"])
def test_of_two_reports_of_one_rank_and_time_the_same_one_stays_in_either_order(
    digests: str, crqid: str, messages: "Messages", aws: "Aws"
) -> None:
    for digest in digests:
        messages.apply(crqid, PHONE, StatusUpdate(DeliveryStatus.FAILED, None, None, f"Reason {digest}", EARLY, digest))
    assert aws.message(crqid)["failure_reason"] == "Reason b"


def test_a_conflict_once_found_stays(crqid: str, messages: "Messages", aws: "Aws") -> None:
    for status in ("failed", "delivered", "delivered", "pending"):
        messages.apply(crqid, PHONE, _delivery(status, EARLY))
    assert _outcome(aws.message(crqid)) == ("delivered", True)


def test_a_conflict_is_reported_once(crqid: str, messages: "Messages") -> None:
    applied = [messages.apply(crqid, PHONE, _delivery(status, EARLY)) for status in ("failed", "delivered", "failed")]
    assert [one and one.is_conflict for one in applied] == [False, True, False]


def test_a_report_that_another_overtakes_between_its_two_writes_stays_behind_it(
    crqid: str, messages: "Messages", dynamodb: "UnreliableDynamoDb", aws: "Aws"
) -> None:
    messages.apply(crqid, PHONE, _delivery("failed", EARLY))
    dynamodb.passes("update_item").interrupts(
        "update_item", lambda: messages.apply(crqid, PHONE, _delivery("delivered", EARLY))
    )
    messages.apply(crqid, PHONE, _delivery("blocked", LATE))
    assert _outcome(aws.message(crqid)) == ("delivered", True)


@pytest.fixture
def final_message(messages: "Messages", reporter: "Reporter", aws: "Aws", clock: "Clock") -> FinalMessage:
    """Receive reports one by one; return the resulting message."""

    def receive(reports: list[dict[str, Any]]) -> "Item":
        messages.claim([ClaimRequest("Crqid1", {"phone": PHONE})], clock(), LEASE)
        for report in reports:
            body = json.dumps(report | {"number": PHONE, "CRQID": "Crqid1", "requestId": "r1"})
            reporter.receive(body.encode(), "application/json")
        message = aws.message("Crqid1")
        aws.dynamodb.delete_item(TableName="MessagesTable", Key={"crqid": {"S": "Crqid1"}})
        return {name: value for name, value in message.items() if name != "claim_id"}

    return receive


STATUSES: Final = ["1", "2", "9", "16", "25", "17", "Pending", "Submitted", "Not in the table"]
REPORTS: Final = st.lists(
    st.fixed_dictionaries(
        {"status": st.sampled_from(STATUSES)},
        optional={
            "date": st.sampled_from(["2026-01-02 08:35:00", "2026-01-02 08:35:01", "2026-01-02 14:00:00"]),
            "failureReason": st.sampled_from(["Inactive on DLT", "Absent subscriber"]),
            "ctCode": st.sampled_from(["901", "916"]),
        },
    ),
    min_size=1,
    max_size=5,
)


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(reports=REPORTS, data=st.data())
def test_reports_in_any_order_and_number_leave_the_same_message(
    reports: list[dict[str, Any]], data: st.DataObject, final_message: FinalMessage
) -> None:
    repeated = data.draw(st.lists(st.sampled_from(reports), max_size=3))
    otherwise = data.draw(st.permutations(reports + repeated))
    assert final_message(otherwise) == final_message(reports)


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(reports=REPORTS)
def test_the_category_is_the_prevailing_report_s(reports: list[dict[str, Any]], final_message: FinalMessage) -> None:
    message = final_message(reports)
    status = DeliveryStatus(message["delivery_status"])
    prevailing = [
        report
        for report in read(json.dumps([report | {"CRQID": "Crqid1"} for report in reports]).encode(), IST).reports
        if (report.status, report.reported_at) == (status, message.get("delivery_reported_at"))
    ]
    assert message.get("failure_category") in {report.failure_category for report in prevailing}
    assert ("failure_category" in message) == (status in FAILING)


def test_a_report_may_overtake_the_answer_to_its_send(
    send: "Send", reporter: "Reporter", aws: "Aws", msg91: "FakeMsg91", track: "Track"
) -> None:
    def report() -> None:
        body = {"number": PHONE, "CRQID": aws.messages()[0]["crqid"], "status": "1"}
        reporter.receive(json.dumps(body).encode(), "application/json")

    msg91.during_call = report
    send(track(PHONE))
    (message,) = aws.messages()
    assert (message["send_state"], message["delivery_status"]) == ("accepted", "delivered")
