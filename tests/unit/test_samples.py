"""How a sample divides a span of time among the shards of the index by day."""

from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Final

import pytest
from hypothesis import given
from hypothesis import strategies as st

from segment_msg91.store.samples import Segment, segments
from segment_msg91.store.search_keys import SHARDS

MILLISECOND: Final = timedelta(milliseconds=1)
DAY_IN_INDIA: Final = datetime(2026, 1, 1, 18, 30, tzinfo=UTC)
DAY: Final = timedelta(days=1)


@pytest.mark.parametrize("shard", range(SHARDS))
@given(
    after=st.integers(0, 2 * 24 * 60 * 60 * 1000),
    milliseconds=st.one_of(st.integers(1, 20), st.integers(1, 3 * 24 * 60 * 60 * 1000)),
)
def test_every_instant_of_a_span_is_in_one_segment_of_its_own_day(after: int, milliseconds: int, shard: int) -> None:
    since = DAY_IN_INDIA + timedelta(milliseconds=after)
    until = since + timedelta(milliseconds=milliseconds)
    read = sorted(segments(since, until, shard), key=lambda segment: segment.first)
    assert read[0].first == since
    assert read[-1].last == until - MILLISECOND
    assert all(later.first - earlier.last == MILLISECOND for earlier, later in pairwise(read))
    assert {segment.partition for segment in read} == {f"{one.first.date()}#{shard}" for one in read}
    assert all(segment.first.date() == segment.last.date() for segment in read)


def test_the_shards_begin_at_moments_that_are_spread_over_the_day() -> None:
    begin = [next(segments(DAY_IN_INDIA, DAY_IN_INDIA + DAY, shard)).last for shard in range(SHARDS)]
    ends = [DAY_IN_INDIA + timedelta(hours=3 * number) for number in (8, 1, 2, 3, 4, 5, 6, 7)]
    assert begin == [end - MILLISECOND for end in ends]


def test_a_shard_reads_back_to_the_beginning_and_then_from_the_end() -> None:
    noon = DAY_IN_INDIA + timedelta(hours=12) - MILLISECOND
    midnight = datetime(2026, 1, 2, tzinfo=UTC)
    assert list(segments(DAY_IN_INDIA, DAY_IN_INDIA + DAY, 4)) == [
        Segment("2026-01-02#4", midnight, noon),
        Segment("2026-01-01#4", DAY_IN_INDIA, midnight - MILLISECOND),
        Segment("2026-01-02#4", noon + MILLISECOND, DAY_IN_INDIA + DAY - MILLISECOND),
    ]


@pytest.mark.parametrize("begins", [DAY_IN_INDIA, datetime(2026, 1, 2, tzinfo=UTC)])
def test_a_day_takes_at_most_three_queries_of_each_shard(begins: datetime) -> None:
    assert max(len(list(segments(begins, begins + DAY, shard))) for shard in range(SHARDS)) <= 3


@pytest.mark.parametrize("shard", range(SHARDS))
def test_no_time_has_no_segments(shard: int) -> None:
    assert list(segments(DAY_IN_INDIA, DAY_IN_INDIA, shard)) == []
