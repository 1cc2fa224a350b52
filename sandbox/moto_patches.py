"""Every patch of moto's private parts; pyproject.toml pins moto's exact version for them.

They speed up moto's DynamoDB for large tables, where the duration of some calls grows with the table, and make it safe
for concurrent requests. And they let its CloudWatch know percentiles, and read many metrics in one call in time.
"""

import math
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from copy import deepcopy
from dataclasses import dataclass
from functools import partial
from threading import Lock
from typing import Any, Final
from unittest.mock import patch

from moto.cloudwatch.models import CloudWatchBackend, Dimension, Statistics
from moto.core.botocore_stubber import BotocoreStubber
from moto.dynamodb.models import DynamoDBBackend
from moto.dynamodb.models.dynamo_type import DynamoType, Item
from moto.dynamodb.models.table import Table

_TRANSACT: Final[Any] = DynamoDBBackend.transact_write_items
_QUERY: Final[Any] = Table.query
_STUB: Final[Any] = BotocoreStubber.__call__
_STATISTIC: Final[Any] = Statistics.get_statistics_for_type
_GET_METRIC_DATA: Final[Any] = CloudWatchBackend.get_metric_data

type Write = Mapping[str, Mapping[str, Any]]
"""Such as `{"Update": {"TableName": …, "Key": …}}`."""


@contextmanager
def faster_dynamodb() -> Iterator[None]:
    """Patch moto within the block. Requests must not overlap, because the patches are not thread-safe."""
    with (
        patch.object(DynamoDBBackend, "transact_write_items", _transact),
        # moto copies every table, and restores the copy if the transaction is cancelled.
        patch.object(Table, "__deepcopy__", lambda table, _memo: table, create=True),
        patch.object(Table, "query", _query),
    ):
        yield


@contextmanager
def cloudwatch_as_at_aws() -> Iterator[None]:
    """Patch moto within the block: GetMetricData knows percentiles, and searches each query's own metric only.

    It sorts dimensions to compare them, by an order that depends on the order in which they are given.
    """
    with (
        patch.object(Dimension, "__lt__", lambda one, other: (one.name, one.value) < (other.name, other.value)),
        patch.object(Statistics, "get_statistics_for_type", _statistic),
        patch.object(CloudWatchBackend, "get_metric_data", _get_metric_data),
    ):
        yield


@contextmanager
def one_request_at_a_time() -> Iterator[None]:
    """While this lasts, in-process moto (`mock_aws`) answers one request after another.

    DynamoDB's conditional writes are atomic; moto's, between threads, are not.
    """
    lock = Lock()

    def answer(*arguments: object, **named: object) -> object:
        with lock:
            return _STUB(*arguments, **named)

    with patch.object(BotocoreStubber, "__call__", answer):
        yield


@dataclass(frozen=True, slots=True)
class _Snapshot:
    table: Table
    hash_key: DynamoType
    range_key: DynamoType | None
    item: Item | None

    def restore(self) -> None:
        items: dict[DynamoType, Any] = self.table.items
        self.table.delete_item(self.hash_key, self.range_key)
        if self.item and self.range_key:
            items[self.hash_key][self.range_key] = self.item
        elif self.item:
            items[self.hash_key] = self.item


def _statistic(statistics: Statistics, stat: str) -> object:
    """Return a percentile such as p95 as the nearest rank, and moto's own statistics."""
    if not stat.startswith("p"):
        return _STATISTIC(statistics, stat)
    values = sorted(statistics.metric_single_values_list)
    return values[max(0, math.ceil(float(stat[1:]) / 100 * len(values)) - 1)]


def _get_metric_data(
    backend: CloudWatchBackend, queries: Sequence[Mapping[str, Any]], *arguments: object, **named: object
) -> list[Any]:
    """Answer each query from its own metric's data; moto would go through all data for each period of each query."""
    if not all("MetricStat" in query for query in queries):
        return list(_GET_METRIC_DATA(backend, queries, *arguments, **named))
    by_name: dict[str, list[Any]] = {}
    for datum in backend.get_all_metrics():
        by_name.setdefault(datum.name, []).append(datum)
    found: list[Any] = []
    for query in queries:
        own = by_name.get(query["MetricStat"]["Metric"]["MetricName"], [])
        with patch.object(backend, "get_all_metrics", partial(list, own)):
            found += _GET_METRIC_DATA(backend, [query], *arguments, **named)
    return found


def _transact(backend: DynamoDBBackend, writes: Sequence[Write]) -> None:
    """Run a transaction. If it is cancelled, restore the written items and truncate their tables' streams."""
    before = list(_snapshots(backend, writes))
    streams = {snapshot.table.name: snapshot.table.stream_shard for snapshot in before if snapshot.table.stream_shard}
    lengths = {name: len(shard.items) for name, shard in streams.items()}
    try:
        _TRANSACT(backend, writes)
    except Exception:
        for snapshot in before:
            snapshot.restore()
        for name, shard in streams.items():
            del shard.items[lengths[name] :]
        raise


def _snapshots(backend: DynamoDBBackend, writes: Sequence[Write]) -> Iterator[_Snapshot]:
    for write in writes:
        for request in write.values():
            table = backend.get_table(request["TableName"])
            keys = backend.get_keys_value(table, request.get("Key") or request["Item"])
            yield _Snapshot(table, *keys, deepcopy(table.get_item(*keys)))


def _query(
    table: Table, *arguments: object, hash_key_conditions: Sequence[tuple[str, DynamoType]], **named: object
) -> object:
    """Query only the items with the hash key; moto would sort the whole table."""
    if table.has_range_key:
        return _QUERY(table, *arguments, hash_key_conditions=hash_key_conditions, **named)
    everything: dict[DynamoType, Any] = table.items
    ((name, wanted),) = hash_key_conditions
    narrowed = {key: item for key, item in everything.items() if name in item.attrs and item.attrs[name] == wanted}
    with patch.object(table, "items", narrowed):
        return _QUERY(table, *arguments, hash_key_conditions=hash_key_conditions, **named)
