"""Which parts of the index `by_day` a sample of a span of time reads, and in which order. Pure."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta
from typing import Final

from segment_msg91.store.search_keys import SHARDS, partition

_RESOLUTION: Final = timedelta(milliseconds=1)  # of `created_at`


@dataclass(frozen=True, slots=True)
class Segment:
    """A part of one of the index's partitions, from one instant to another. Both are in it."""

    partition: str
    first: datetime
    last: datetime


def segments(since: datetime, until: datetime, shard: int) -> Iterator[Segment]:
    """Yield all parts of a shard's messages of a span of time, each to be read newest first. `until` is not in it.

    Each shard begins at a moment of its own, an eighth of the span after the one before. It goes back to the beginning
    of the span, and then from its end back to that moment. So the first messages of all are spread over the span.
    """
    end = until - _RESOLUTION
    moment = since + (end - since) // _RESOLUTION * (shard or SHARDS) // SHARDS * _RESOLUTION
    yield from _by_day(since, moment, shard)
    yield from _by_day(moment + _RESOLUTION, end, shard)


def _by_day(first: datetime, last: datetime, shard: int) -> Iterator[Segment]:
    """Divide a span where the UTC day, and so the partition, changes; the newest day first."""
    while first <= last:
        midnight = datetime.combine(last.date(), time.min, UTC)
        yield Segment(partition(last.date(), shard), max(first, midnight), last)
        last = midnight - _RESOLUTION
