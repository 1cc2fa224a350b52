"""The reports table: one item for each report, however often it is received; unmatched reports have their own index."""

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

import pytest

from segment_msg91.store.aws import StoreUnavailableError
from segment_msg91.store.reports import ReportItem, Reports

if TYPE_CHECKING:
    from tests.fakes.aws import Aws, Item
    from tests.fakes.dynamodb import UnreliableDynamoDb

PHONE: Final = "919800000001"
RECEIVED: Final = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
LATER: Final = datetime(2026, 1, 3, tzinfo=UTC)


def _report(matched: str | None = None, phone: str | None = PHONE) -> ReportItem:
    return ReportItem("r1", "2026-01-02T03:05:00Z#1", phone, matched, {"reported_at": "2026-01-02T03:05:00Z"})


def _unmatched(aws: "Aws") -> list["Item"]:
    return aws.dynamodb.scan(TableName="ReportsTable", IndexName="unmatched_by_phone")["Items"]


def test_a_report_is_new_once(reports: Reports) -> None:
    assert [reports.record(_report(), RECEIVED), reports.record(_report(), LATER)] == [True, False]


@pytest.mark.parametrize("matched", [None, "Crqid1"])
def test_a_repeated_report_changes_nothing(matched: str | None, reports: Reports, aws: "Aws") -> None:
    reports.record(_report(matched), RECEIVED)
    before = aws.reports()
    reports.record(_report(matched), LATER)
    assert aws.reports() == before


def test_a_report_without_a_message_is_found_by_its_number_with_its_keys_only(reports: Reports, aws: "Aws") -> None:
    reports.record(_report(), RECEIVED)
    (item,) = aws.dynamodb.query(
        TableName="ReportsTable",
        IndexName="unmatched_by_phone",
        KeyConditionExpression="unmatched_phone = :phone",
        ExpressionAttributeValues={":phone": {"S": PHONE}},
    )["Items"]
    assert set(item) == {"report_group", "report_id", "unmatched_phone", "reported_at"}


def test_a_report_with_a_message_names_it_and_is_not_among_those_without(reports: Reports, aws: "Aws") -> None:
    reports.record(_report("Crqid1"), RECEIVED)
    assert ([report["matched"] for report in aws.reports()], _unmatched(aws)) == (["Crqid1"], [])


def test_a_report_without_a_number_is_stored(reports: Reports, aws: "Aws") -> None:
    reports.record(_report(phone=None), RECEIVED)
    assert (len(aws.reports()), _unmatched(aws)) == (1, [])


def test_a_repeated_report_is_joined_to_the_message_it_had_overtaken(reports: Reports, aws: "Aws") -> None:
    reports.record(_report(), RECEIVED)
    reports.record(_report("Crqid1"), LATER)
    (report,) = aws.reports()
    assert (report["matched"], "unmatched_phone" in report) == ("Crqid1", False)


def test_a_repeated_report_without_a_match_keeps_its_message(reports: Reports, aws: "Aws") -> None:
    reports.record(_report("Crqid1"), RECEIVED)
    reports.record(_report(), LATER)
    (report,) = aws.reports()
    assert (report["matched"], "unmatched_phone" in report) == ("Crqid1", False)


@pytest.mark.parametrize("operation", ["put_item", "update_item"])
def test_a_refusal_is_an_error_that_names_it(operation: str, reports: Reports, dynamodb: "UnreliableDynamoDb") -> None:
    reports.record(_report(), RECEIVED)
    dynamodb.refuses(operation, "ThrottlingException")
    with pytest.raises(StoreUnavailableError, match=r"^ThrottlingException$"):
        reports.record(_report("Crqid1"), LATER)


def test_an_answer_that_never_comes_is_an_error(reports: Reports, dynamodb: "UnreliableDynamoDb") -> None:
    dynamodb.loses_answer("put_item")
    with pytest.raises(StoreUnavailableError, match="ReadTimeoutError"):
        reports.record(_report(), RECEIVED)
