"""Reads of many items by their keys."""

from collections.abc import Iterable, Iterator
from itertools import batched
from typing import TYPE_CHECKING, Any, Final

from segment_msg91.store.aws import AWS_ERRORS, Attributes, Item, StoreUnavailableError, error_code, from_item
from segment_msg91.store.conditional_writes import ITEMS_PER_CALL

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

_MAX_ATTEMPTS: Final = 4


def read_items(
    client: "DynamoDBClient",
    table: str,
    keys: Iterable[Item],
    *,
    attributes: Iterable[str] = (),
    is_consistent: bool = False,
) -> Iterator[Attributes]:
    """Yield the items with these keys, in no order; those that do not exist are left out. 100 keys take one call.

    `keys`: in wire form. `attributes`: what is read of an item; all if empty. Raises StoreUnavailableError, also if
    DynamoDB leaves keys unread in each of several attempts.
    """
    names = {f"#{name}": name for name in attributes}
    arguments: dict[str, Any] = {"ConsistentRead": True} if is_consistent else {}
    if names:
        arguments |= {"ProjectionExpression": ", ".join(names), "ExpressionAttributeNames": names}
    for part in batched(keys, ITEMS_PER_CALL, strict=False):
        yield from _read_part(client, table, {"Keys": list(part), **arguments})


def _read_part(client: "DynamoDBClient", table: str, wanted: dict[str, Any]) -> Iterator[Attributes]:
    for _ in range(_MAX_ATTEMPTS):
        try:
            response = client.batch_get_item(RequestItems={table: wanted})  # type: ignore[dict-item]
        except AWS_ERRORS as error:
            raise StoreUnavailableError(error_code(error)) from error
        yield from map(from_item, response["Responses"].get(table, []))
        unread = response.get("UnprocessedKeys", {}).get(table)
        if not unread:
            return
        wanted = wanted | {"Keys": unread["Keys"]}
    raise StoreUnavailableError("some keys were left unread by each of several attempts")
