"""Every patch of moto's private parts; pyproject.toml pins moto's exact version for them.

They speed up moto's server and its DynamoDB, where the duration of some calls grows with the table, and make it safe
for concurrent requests. And they let its CloudWatch know percentiles, and read many metrics in one call in time.
"""

import math
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from copy import deepcopy
from dataclasses import dataclass
from functools import cache, partial
from threading import Lock
from typing import Any, Final
from unittest.mock import patch

from moto import backends
from moto.cloudwatch.models import CloudWatchBackend, Dimension, Statistics
from moto.core.botocore_stubber import BotocoreStubber
from moto.core.serialize import ResponseSerializer
from moto.dynamodb.models import DynamoDBBackend
from moto.dynamodb.models.dynamo_type import DynamoType, Item
from moto.dynamodb.models.table import Table
from moto.dynamodb.parsing import ast_nodes, expressions
from moto.dynamodb.parsing.validators import ActionCountValidator

_TRANSACT: Final[Any] = DynamoDBBackend.transact_write_items
_QUERY: Final[Any] = Table.query
_NODES: Final[Any] = ast_nodes  # its classes are not typed
_EXPRESSIONS: Final[Any] = expressions
_PARSE: Final[Any] = cache(_EXPRESSIONS.UpdateExpressionParser.make)
_COUNT_ACTIONS: Final[Any] = ActionCountValidator.verify_action_counts
_GET_VALUE: Final[Any] = ResponseSerializer.get_value
_TYPES: Final = frozenset({"S", "N", "B", "SS", "NS", "BS", "M", "L", "NULL", "BOOL"})
_SERVICES: Final = tuple(backends.list_of_moto_modules())
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
        # moto parses an update's expression twice, each time anew. It changes copies only.
        patch.object(_EXPRESSIONS.UpdateExpressionParser, "make", _PARSE),
        patch.object(_NODES.DepthFirstTraverser, "traverse_node_recursively", _traverse),
        patch.object(ActionCountValidator, "verify_action_counts", _count_actions),
        patch.object(ResponseSerializer, "get_value", _get_value),
    ):
        yield


@contextmanager
def faster_server() -> Iterator[None]:
    """Patch moto's server within the block: it lists the folders of its 200 services for each request."""
    with patch.object(backends, "list_of_moto_modules", lambda: _SERVICES):
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
class _Traversal:
    traverser: Any
    kinds: tuple[type, ...]

    def process(self, node: Any, child_id: int) -> object:  # noqa: ANN401 - a node or a value
        if not isinstance(node, _NODES.Node):
            return node
        parent = node.parent
        for position, child in enumerate(node.children or ()):
            self.traverser.pre_processing_of_child(node, position)
            self.process(child, position)
        if isinstance(node, self.kinds):
            node = self.traverser.process(node)
            node.parent = parent
            if parent:
                parent.children[child_id] = node
        return node


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


def _traverse(traverser: Any, node: object, child_id: int = -1) -> object:  # noqa: ANN401 - not typed
    """Process the nodes of an expression, depth first; moto would list the processors anew for each node."""
    return _Traversal(traverser, traverser.nodes_to_be_processed()).process(node, child_id)


def _count_actions(validator: ActionCountValidator, node: Any) -> object:  # noqa: ANN401 - not typed
    """Count an expression's clauses once, at its root; moto would count those of each part again."""
    return node if node.parent else _COUNT_ACTIONS(validator, node)


def _get_value(serializer: ResponseSerializer, value: Any, key: str, shape: Any) -> object:  # noqa: ANN401 - of any kind
    """Look for a type in an attribute's value once; moto would look for each of ten types by five names."""
    if key in _TYPES and type(value) is dict:
        return value.get(key)
    return _GET_VALUE(serializer, value, key, shape)


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
