"""The attributes that put a message into the sparse indexes. Not in `search`, which sending need not import."""

import zlib
from datetime import UTC, date, datetime
from typing import Final

from segment_msg91.store.aws import Value

# The number of partitions of `awaiting_report`, and of a day in by_day, because one partition takes a thousand writes a
# second. Never lower it: messages in the other partitions would not be found.
SHARDS: Final = 8


def search_keys(crqid: str, message_id: Value | None, user_id: Value | None, now: datetime) -> dict[str, Value]:
    """Return the attributes that put a message into the indexes by message id, by user id and by day (UTC)."""
    ids = {"searchable_message_id": message_id, "searchable_user_id": user_id}
    day = now.astimezone(UTC).date()
    return {name: value for name, value in ids.items() if value} | {"searchable_day": partition(day, shard_of(crqid))}


def shard_of(crqid: str) -> int:
    """Return which partition a message is in."""
    return zlib.crc32(crqid.encode()) % SHARDS


def awaiting_partition(crqid: str) -> str:
    """Return the value of `awaiting_report`, which puts a message into the index of those without an end."""
    return str(shard_of(crqid))


def partition(day: date, shard: int) -> str:
    """Return the key of a day's partition, such as 2026-01-02#3. The day is UTC's."""
    return f"{day}#{shard}"
