"""DynamoDB and SQS as functions of values: the operations that the store uses.

`test_store.py` compares each call that an exploration makes with real engines.
"""

from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any, Final

from sandbox.expressions import Scope, holds, projected, updated
from tests.environment import TEMPLATE
from tests.interleavings.contents import Contents, Item, Key, answered, as_json, refused

if TYPE_CHECKING:
    from tests.interleavings.replay import Answer, Request

type Arguments = Mapping[str, Any]
type Performed = tuple["Answer", Contents]
"""A call's answer, and the contents after it."""
type Perform = Callable[[Contents, "Request"], Performed]

WRITES: Final = frozenset({"put_item", "update_item", "delete_item", "send_message"})
_QUEUE: Final = "queue"


def _names(schema: Iterable[Mapping[str, str]]) -> tuple[str, ...]:
    return tuple(key["AttributeName"] for key in schema)


_KEYS: Final = {table.name: _names(table.definition["KeySchema"]) for table in TEMPLATE.tables()}
_INDEXES: Final = {
    (table.name, index["IndexName"]): _names(index["KeySchema"])
    for table in TEMPLATE.tables()
    for index in table.definition.get("GlobalSecondaryIndexes", ())
}


class UnknownArgumentError(Exception):
    """The store makes a call that this module does not know."""


class Store:
    """Performs each call once for the same contents."""

    def __init__(self) -> None:
        self.performed: dict[tuple[Contents, Request], Performed] = {}

    def perform(self, contents: Contents, request: "Request") -> Performed:
        known = self.performed.get((contents, request))
        if known is None:
            known = self.performed[contents, request] = perform(contents, request)
        return known


def perform(contents: Contents, request: "Request") -> Performed:
    """Return the answer to a call, and what it makes of the contents."""
    return _OPERATIONS[request.operation](contents, request.read())


def key_of(arguments: Arguments) -> Key:
    """Return the key of the item that a call is about."""
    table = arguments["TableName"]
    return Key(table, as_json(arguments.get("Key") or {name: arguments["Item"][name] for name in _KEYS[table]}))


def queued(contents: Contents) -> list[Arguments]:
    """Return the arguments of `send_message` for each message of the queues."""
    return [message["send_message"] for message in contents.of(_QUEUE)]


def _get_item(contents: Contents, arguments: Arguments) -> Performed:
    _expect(arguments, "TableName", "Key", "ConsistentRead")
    item = contents.item(key_of(arguments))
    return answered(as_json({"Item": item} if item else {})), contents


def _batch_get_item(contents: Contents, arguments: Arguments) -> Performed:
    _expect(arguments, "RequestItems")
    responses: dict[str, list[Item]] = {}
    for table, wanted in arguments["RequestItems"].items():
        _expect(wanted, "Keys", "ConsistentRead", "ProjectionExpression", "ExpressionAttributeNames")
        items = [contents.item(Key(table, as_json(key))) for key in wanted["Keys"]]
        responses[table] = [_projected(item, wanted) for item in items if item]
    return answered(as_json({"Responses": responses, "UnprocessedKeys": {}})), contents


def _query(contents: Contents, arguments: Arguments) -> Performed:
    _expect(
        arguments,
        *("TableName", "IndexName", "KeyConditionExpression", "Limit", "ScanIndexForward"),
        *("ExpressionAttributeNames", "ExpressionAttributeValues"),
    )
    table, condition = arguments["TableName"], arguments["KeyConditionExpression"]
    keys = _INDEXES[table, arguments["IndexName"]]
    found = [
        {name: item[name] for name in {*keys, *_KEYS[table]}}
        for item in contents.of(table)
        if item.keys() >= set(keys) and holds(condition, Scope.of(arguments, item))
    ]
    if len(found) > 1:
        raise UnknownArgumentError("the order of an index's items is not simulated")
    return answered(as_json({"Items": found, "Count": len(found), "ScannedCount": len(found)})), contents


def _put_item(contents: Contents, arguments: Arguments) -> Performed:
    return _write(contents, arguments, lambda _: arguments["Item"])


def _update_item(contents: Contents, arguments: Arguments) -> Performed:
    expression = arguments["UpdateExpression"]
    return _write(
        contents,
        arguments,
        lambda item: updated(expression, Scope.of(arguments, item or arguments["Key"])),
    )


def _delete_item(contents: Contents, arguments: Arguments) -> Performed:
    return _write(contents, arguments, lambda _: None)


def _write(contents: Contents, arguments: Arguments, change: Callable[[Item | None], Item | None]) -> Performed:
    _expect(
        arguments,
        *("TableName", "Key", "Item", "UpdateExpression", "ConditionExpression"),
        *("ExpressionAttributeNames", "ExpressionAttributeValues"),
        *("ReturnValues", "ReturnValuesOnConditionCheckFailure"),
    )
    key = key_of(arguments)
    before = contents.item(key)
    if not holds(arguments.get("ConditionExpression", ""), Scope.of(arguments, before)):
        returns = before and arguments.get("ReturnValuesOnConditionCheckFailure") == "ALL_OLD"
        return refused("ConditionalCheckFailedException", as_json({"Item": before} if returns else {})), contents
    after = change(before)
    returns = before and arguments.get("ReturnValues") == "ALL_OLD"
    response = answered(as_json({"Attributes": before} if returns else {}))
    return response, contents.after([(key, None if after is None else as_json(after))])


def _send_message(contents: Contents, arguments: Arguments) -> Performed:
    key = Key(_QUEUE, as_json(arguments))
    return answered("{}"), contents.after([(key, as_json({"send_message": arguments}))])


def _projected(item: Item, arguments: Arguments) -> Item:
    return projected(arguments.get("ProjectionExpression", ""), Scope.of(arguments, item))


def _expect(arguments: Arguments, *known: str) -> None:
    """Ignore no argument that would change what a call does."""
    if unknown := arguments.keys() - set(known):
        raise UnknownArgumentError(f"{sorted(unknown)}")


_OPERATIONS: Final[Mapping[str, Callable[[Contents, Arguments], Performed]]] = {
    "get_item": _get_item,
    "batch_get_item": _batch_get_item,
    "query": _query,
    "put_item": _put_item,
    "update_item": _update_item,
    "delete_item": _delete_item,
    "send_message": _send_message,
}
