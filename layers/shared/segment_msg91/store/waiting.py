"""How many messages wait for their end, by the sparse index `awaiting_report`."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from segment_msg91.store.aws import AWS_ERRORS, StoreUnavailableError, error_code, to_item
from segment_msg91.store.search_keys import SHARDS
from segment_msg91.times import instant

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient


@dataclass(frozen=True, slots=True)
class WaitingCount:
    """A number of messages. `is_minimum`: there are more."""

    number: int
    is_minimum: bool


class WaitingMessages:
    """The index of messages without an end, to be counted only."""

    def __init__(self, client: "DynamoDBClient", table: str) -> None:
        self._client = client
        self._table = table

    def count(self, created_from: datetime, most: int) -> WaitingCount:
        """Count the messages since an instant, at most so many, with a query for each partition.

        Raises StoreUnavailableError.
        """

        def of_shard(shard: int) -> tuple[int, bool]:
            try:
                response = self._client.query(
                    TableName=self._table,
                    IndexName="awaiting_report",
                    Select="COUNT",
                    KeyConditionExpression="awaiting_report = :shard AND created_at >= :from",
                    ExpressionAttributeValues=to_item({":shard": str(shard), ":from": instant(created_from)}),
                    Limit=most // SHARDS,
                )
            except AWS_ERRORS as error:
                raise StoreUnavailableError(error_code(error)) from error
            return response["Count"], "LastEvaluatedKey" in response

        with ThreadPoolExecutor(SHARDS) as pool:
            counts = list(pool.map(of_shard, range(SHARDS)))
        return WaitingCount(sum(number for number, _ in counts), any(has_more for _, has_more in counts))
