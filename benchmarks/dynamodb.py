"""A DynamoDB that takes almost no time: items in dictionaries, and the request units that AWS would charge.

It knows only the conditions that this project and the Powertools reference write; the tests use moto, which knows the
expression language. The benchmarks check the result: the number of SMS and of items.
"""

import math
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

type Item = Mapping[str, Mapping[str, Any]]
"""In wire form."""

_WRITE_UNIT: Final = 1024
_READ_UNIT: Final = 4096
_ASSIGNMENT: Final = re.compile(r"(#?\w+) = (?:if_not_exists\((?P<kept>#?\w+), )?(:\w+)\)?")
_CLAIMABLE: Final = ({"S": "provider_time"}, {"S": "retryable"})


@dataclass(slots=True)
class Table:
    name: str
    keys: Sequence[str]
    indexes: Mapping[str, Sequence[str]]
    """The key attributes by the index's name. All of them project keys only."""
    items: dict[tuple[str, ...], Item] = field(default_factory=dict)

    def key_of(self, attributes: Item) -> tuple[str, ...]:
        return tuple(attributes[name]["S"] for name in self.keys)


class ConditionFailedError(Exception):
    """`item` is the stored item that did not meet the condition."""

    def __init__(self, item: Item | None) -> None:
        super().__init__()
        self.item = item


class DynamoDb:
    def __init__(self, tables: Sequence[Table]) -> None:
        self.tables = {table.name: table for table in tables}
        self.units: Counter[str] = Counter()
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
                return self._put(body)
            case "TransactWriteItems":
                for write in body["TransactItems"]:
                    self._update(write["Update"], in_transaction=True)
                return {}
            case "BatchGetItem":
                ((name, wanted),) = body["RequestItems"].items()
                found = [self._read(self.tables[name], key) for key in wanted["Keys"]]
                return {"Responses": {name: [item for item in found if item]}, "UnprocessedKeys": {}}
            case "GetItem":
                item = self._read(self.tables[body["TableName"]], body["Key"])
                return {"Item": item} if item else {}
            case "Query":  # of an index, by functions that found no item by its key
                self.units["reads"] += 0.5  # type: ignore[assignment]  # eventually consistent
                return {"Items": [], "Count": 0}
            case _:
                raise NotImplementedError(operation)

    def _read(self, table: Table, key: Item) -> Item | None:
        item = table.items.get(table.key_of(key))
        self.units["reads"] += max(1, math.ceil(size_of(item or {}) / _READ_UNIT))
        return item

    def _put(self, body: dict[str, Any]) -> dict[str, Any]:
        table, item = self.tables[body["TableName"]], body["Item"]
        before = table.items.get(table.key_of(item))
        self._charge(table, before, item)
        if before and "attribute_not_exists" in body.get("ConditionExpression", ""):
            raise ConditionFailedError(before)
        table.items[table.key_of(item)] = item
        return {}

    def _update(self, body: dict[str, Any], *, in_transaction: bool = False) -> dict[str, Any]:
        table = self.tables[body["TableName"]]
        before = table.items.get(table.key_of(body["Key"]))
        if not _holds(body, before):
            self._charge(table, before, before or body["Key"], in_transaction=in_transaction)
            raise ConditionFailedError(before)
        after = _updated(before or body["Key"], body)
        self._charge(table, before, after, in_transaction=in_transaction)
        table.items[table.key_of(after)] = after
        return {"Attributes": before} if before and body.get("ReturnValues") == "ALL_OLD" else {}

    def _charge(self, table: Table, before: Item | None, after: Item, *, in_transaction: bool = False) -> None:
        """Charge the larger of the item before and after; twice in a transaction; an index if its entry changes."""
        units = max(1, math.ceil(max(size_of(before or {}), size_of(after)) / _WRITE_UNIT))
        self.units[table.name] += 2 * units if in_transaction else units
        for name, keys in table.indexes.items():
            old, new = ([(item or {}).get(key) for key in keys] for item in (before, after))
            if all(new) and new != old:
                self.units[f"{table.name}/{name}"] += 1


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


def _holds(update: Mapping[str, Any], before: Item | None) -> bool:
    condition = update.get("ConditionExpression", "")
    values = update.get("ExpressionAttributeValues", {})
    if condition.startswith("attribute_not_exists(#crqid) OR"):  # a claim
        return before is None or (before.get("send_state") in _CLAIMABLE and "delivery_status" not in before)
    if ":own_claim" in condition:
        return before is not None and before.get("claim_id") == values[":own_claim"]
    if ":order" in condition:
        return before is not None and before.get("delivery_order", {"S": ""})["S"] < values[":order"]["S"]
    return not condition or before is not None


def _updated(before: Item, update: Mapping[str, Any]) -> Item:
    names, values = update.get("ExpressionAttributeNames", {}), update["ExpressionAttributeValues"]
    assignments, _, removals = update["UpdateExpression"].removeprefix("SET ").partition(" REMOVE ")
    after = dict(before)
    for name, kept, value in _ASSIGNMENT.findall(assignments):
        if not kept or names[kept] not in before:
            after[names.get(name, name)] = values[value]
    for name in filter(None, removals.split(", ")):
        after.pop(names[name], None)
    return after
