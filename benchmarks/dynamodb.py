"""A DynamoDB that takes almost no time: items in dictionaries, and the request units that AWS would charge.

It knows the operations and expressions that this project and the Powertools reference use; the tests use moto and
DynamoDB Local, which know all of them. The benchmarks check the result: the number of SMS and of items.
"""

import math
import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from sandbox.expressions import Item, Scope, holds, projected, updated

type Key = tuple[str, ...]

_WRITE_UNIT: Final = 1024
_READ_UNIT: Final = 4096
_MAX_PAGE: Final = 1_000_000
"""Bytes that a Query reads at most."""
_EQUALITY: Final = re.compile(r"(#?\w+) = (:\w+)")


@dataclass(slots=True)
class Table:
    name: str
    keys: Sequence[str]
    indexes: Mapping[str, Sequence[str]]
    """The key attributes by the index's name. All of them project keys only."""
    items: dict[Key, Item] = field(default_factory=dict)
    entries: dict[tuple[str, str], dict[Key, Item]] = field(default_factory=lambda: defaultdict(dict))
    """The entries of the indexes, by the index's name and its partition key."""

    def key_of(self, attributes: Item) -> Key:
        return tuple(attributes[name]["S"] for name in self.keys)

    def write(self, before: Item | None, after: Item | None) -> Iterator[tuple[str, int]]:
        """Replace an item, and yield the write units of each index that changes.

        One for an entry that is added or removed, two for one whose key changes: it is removed and added. Source: AWS,
        "Global secondary indexes", "Provisioned throughput considerations".
        """
        key = self.key_of(before or after or {})
        if after is None:
            self.items.pop(key, None)
        else:
            self.items[key] = after
        for name, index_keys in self.indexes.items():
            old, new = (_entry(item, index_keys, self.keys) for item in (before, after))
            if old == new:
                continue
            if old:
                del self.entries[name, old[index_keys[0]]["S"]][key]
            if new:
                self.entries[name, new[index_keys[0]]["S"]][key] = new
            yield name, bool(old) + bool(new)


class ConditionFailedError(Exception):
    """`item` is the stored item that did not meet the condition."""

    def __init__(self, item: Item | None) -> None:
        super().__init__()
        self.item = item


class DynamoDb:
    def __init__(self, tables: Sequence[Table]) -> None:
        self.tables = {table.name: table for table in tables}
        self.units: dict[str, float] = defaultdict(float)
        """Request units by what is charged: `reads`, a table, or `table/index`. A read can be half a unit."""

    def answer(self, operation: str, body: dict[str, Any]) -> tuple[int, dict[str, Any]]:
        """Return the HTTP status and the body."""
        try:
            return 200, self._answer(operation, body)
        except ConditionFailedError as failed:
            name = "com.amazonaws.dynamodb.v20120810#ConditionalCheckFailedException"
            return 400, {"__type": name, "message": "The conditional request failed", "Item": failed.item or {}}

    def _answer(self, operation: str, body: dict[str, Any]) -> dict[str, Any]:
        match operation:
            case "UpdateItem":
                return self._update(body)
            case "PutItem":
                table = self.tables[body["TableName"]]
                self._write(table, body["Item"], body, body["Item"])
                return {}
            case "DeleteItem":
                self._write(self.tables[body["TableName"]], body["Key"], body, None)
                return {}
            case "TransactWriteItems":
                for write in body["TransactItems"]:
                    self._update(write["Update"], in_transaction=True)
                return {}
            case "BatchGetItem":
                ((name, wanted),) = body["RequestItems"].items()
                found = [self._read(self.tables[name], key, wanted) for key in wanted["Keys"]]
                return {"Responses": {name: [item for item in found if item]}, "UnprocessedKeys": {}}
            case "GetItem":
                item = self._read(self.tables[body["TableName"]], body["Key"], body)
                return {"Item": item} if item else {}
            case "Query":
                return self._query(body)
            case _:
                raise NotImplementedError(operation)

    def _read(self, table: Table, key: Item, request: Mapping[str, Any]) -> Item | None:
        """Return the item, or its attributes that a projection names. The whole item is charged."""
        item = table.items.get(table.key_of(key))
        self._charge_read([item or {}], is_consistent=request.get("ConsistentRead", False))
        return projected(request.get("ProjectionExpression", ""), Scope.of(request, item)) if item else None

    def _query(self, body: Mapping[str, Any]) -> dict[str, Any]:
        """Return a page of an index, in the order of its sort key."""
        table = self.tables[body["TableName"]]
        index_keys = table.indexes[body["IndexName"]]
        scope = Scope.of(body, None)
        equal = {scope.attribute(path): value for path, value in _EQUALITY.findall(body["KeyConditionExpression"])}
        entries = table.entries[body["IndexName"], scope.values[equal[index_keys[0]]]["S"]].values()
        names = (*index_keys[1:], *table.keys)
        found = [entry for entry in entries if holds(body["KeyConditionExpression"], Scope.of(body, entry))]
        if start := body.get("ExclusiveStartKey"):
            found = [entry for entry in found if _position(entry, names) > _position(start, names)]
        found.sort(key=lambda entry: _position(entry, names))
        page = list(_page(found[: body.get("Limit")]))
        self._charge_read(page, is_consistent=False)
        is_cut = len(page) < len(found) or len(page) == body.get("Limit")
        return {"Items": page, "Count": len(page)} | ({"LastEvaluatedKey": page[-1]} if page and is_cut else {})

    def _update(self, body: dict[str, Any], *, in_transaction: bool = False) -> dict[str, Any]:
        table = self.tables[body["TableName"]]
        before = table.items.get(table.key_of(body["Key"]))
        after = updated(body["UpdateExpression"], Scope.of(body, before or body["Key"]))
        self._write(table, body["Key"], body, after, in_transaction=in_transaction)
        return {"Attributes": before} if before and body.get("ReturnValues") == "ALL_OLD" else {}

    def _write(
        self, table: Table, key: Item, request: Mapping[str, Any], after: Item | None, *, in_transaction: bool = False
    ) -> None:
        """Raises ConditionFailedError, which is charged as well."""
        before = table.items.get(table.key_of(key))
        is_written = holds(request.get("ConditionExpression", ""), Scope.of(request, before))
        size = max(size_of(before or {}), size_of((after if is_written else None) or {}))
        units = max(1, math.ceil(size / _WRITE_UNIT))
        self.units[table.name] += 2 * units if in_transaction else units
        if not is_written:
            raise ConditionFailedError(before)
        for index, written in table.write(before, after):
            self.units[f"{table.name}/{index}"] += written

    def _charge_read(self, items: Iterable[Item], *, is_consistent: bool) -> None:
        units = max(1, math.ceil(sum(map(size_of, items)) / _READ_UNIT))
        self.units["reads"] += units if is_consistent else units / 2


def _entry(item: Item | None, index_keys: Sequence[str], keys: Sequence[str]) -> Item | None:
    """Return an item's entry in an index; None if it lacks one of the index's keys."""
    if not item or not all(name in item for name in index_keys):
        return None
    return {name: item[name] for name in (*keys, *index_keys)}


def _position(entry: Item, names: Iterable[str]) -> Key:
    return tuple(entry[name]["S"] for name in names)


def _page(entries: Iterable[Item]) -> Iterator[Item]:
    """Yield what a Query reads before it stops for its size."""
    size = 0
    for entry in entries:
        yield entry
        size += size_of(entry)
        if size >= _MAX_PAGE:
            return


def size_of(item: Item) -> int:
    """Return the bytes as DynamoDB counts them: names, and values by type. Source: AWS, "Item sizes and formats"."""
    return sum(len(name.encode()) + _size_of_value(value) for name, value in item.items())


def _size_of_value(value: Mapping[str, Any]) -> int:
    ((kind, content),) = value.items()
    match kind:
        case "S":
            return len(content.encode())
        case "N":
            return math.ceil(len(content.strip("-")) / 2) + 1
        case "BOOL" | "NULL":
            return 1
        case _:
            raise NotImplementedError(kind)
