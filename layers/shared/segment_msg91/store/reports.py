"""The reports table: one item for every delivery report, however often it comes."""

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from botocore.exceptions import ClientError

from segment_msg91.store.aws import AWS_ERRORS, Attributes, StoreUnavailableError, Value, error_code, to_item
from segment_msg91.times import instant

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient


@dataclass(frozen=True, slots=True)
class ReportItem:
    """A report as it is stored. The key is made from its content, so that the same report has the same key."""

    report_group: str
    report_id: str = field(repr=False)  # it holds the number
    phone: str | None = field(repr=False)
    matched: str | None
    attributes: dict[str, Value | None] = field(repr=False)


class Reports:
    """The reports table."""

    def __init__(self, client: "DynamoDBClient", table: str, retention: timedelta) -> None:
        self._client = client
        self._table = table
        self._retention = retention

    def record(self, report: ReportItem, received_at: datetime) -> bool:
        """Store a report; return False if it is stored already. Raises StoreUnavailableError."""
        item: dict[str, Value | None] = {
            **report.attributes,
            "report_group": report.report_group,
            "report_id": report.report_id,
            "phone": report.phone,
            "matched": report.matched,
            "unmatched_phone": None if report.matched else report.phone,
            "received_at": instant(received_at),
            "expires_at": int((received_at + self._retention).timestamp()),
        }
        try:
            self._client.put_item(
                TableName=self._table,
                Item=to_item(item),
                ConditionExpression="attribute_not_exists(report_id)",
                ReturnValuesOnConditionCheckFailure="ALL_OLD",
            )
        except ClientError as error:
            if error_code(error) != "ConditionalCheckFailedException":
                raise StoreUnavailableError(error_code(error)) from error
            before: Attributes = error.response.get("Item", {})  # type: ignore[assignment]
            if report.matched and "matched" not in before:
                self._match(report)
            return False
        except AWS_ERRORS as error:
            raise StoreUnavailableError(error_code(error)) from error
        return True

    def _match(self, report: ReportItem) -> None:
        """Link a report to its message, which was not there when the report was first received."""
        try:
            self._client.update_item(
                TableName=self._table,
                Key=to_item({"report_group": report.report_group, "report_id": report.report_id}),
                UpdateExpression="SET matched = :crqid REMOVE unmatched_phone",
                ExpressionAttributeValues=to_item({":crqid": report.matched}),
            )
        except AWS_ERRORS as error:
            raise StoreUnavailableError(error_code(error)) from error
