"""A table's stream, read by DynamoDB's own Streams API: shard after shard, from the oldest record."""

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any


class Stream:
    """Keeps what it has read, as moto does, so that a reader can return to any record."""

    def __init__(self, client: Any, arn: str) -> None:  # noqa: ANN401  # boto3-stubs has no client of this service here
        self.arn = arn
        self._client = client
        self._shard = ""
        self._iterator: str | None = None
        self._records: list[dict[str, Any]] = []

    def read(self) -> list[dict[str, Any]]:
        """Return all records so far."""
        while self._iterator or self._opens_next_shard():
            answer = self._client.get_records(ShardIterator=self._iterator)
            self._records += map(_dated, answer["Records"])
            self._iterator = answer.get("NextShardIterator")  # None at the end of a closed shard
            if self._iterator and not answer["Records"]:
                break
        return self._records

    def _opens_next_shard(self) -> bool:
        """Open the next shard, if there is one. Parent shards come before their children."""
        shards = list(self._shards())
        following = shards[shards.index(self._shard) + 1 :] if self._shard else shards
        if not following:
            return False
        self._shard = following[0]
        request = {"StreamArn": self.arn, "ShardId": self._shard, "ShardIteratorType": "TRIM_HORIZON"}
        self._iterator = self._client.get_shard_iterator(**request)["ShardIterator"]
        return True

    def _shards(self) -> Iterator[str]:
        description = self._client.describe_stream(StreamArn=self.arn)["StreamDescription"]
        shards = sorted(description["Shards"], key=lambda shard: shard["SequenceNumberRange"]["StartingSequenceNumber"])
        yield from (shard["ShardId"] for shard in shards)


def _dated(record: dict[str, Any]) -> dict[str, Any]:
    """Return the record with the time of reading: DynamoDB Local truncates the time of writing to the minute."""
    return {**record, "dynamodb": {**record["dynamodb"], "ApproximateCreationDateTime": datetime.now(UTC)}}
