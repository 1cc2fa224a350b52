"""The same calls on a real engine, with the given contents in its tables."""

import json
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, Final

from botocore.exceptions import ClientError

from tests.interleavings.contents import Contents, Key, answered, as_json, contents_of, refused
from tests.interleavings.store import WRITES, Performed, key_of

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

    from tests.interleavings.replay import Request


# moto has no LastEvaluatedKey where a query's limit is reached exactly; no query of one message reads on.
_LEFT_OUT: Final = frozenset({"ResponseMetadata", "ConsumedCapacity", "LastEvaluatedKey"})


class EngineStore:
    """DynamoDB's client, whose tables get the contents before each call."""

    def __init__(self, client: "DynamoDBClient") -> None:
        self._client: Any = client
        self._loaded = contents_of({})

    def perform(self, contents: Contents, request: "Request") -> Performed:
        """Return the answer to a call, and what it makes of the contents."""
        self._load(contents)
        arguments = request.read()
        try:
            response = getattr(self._client, request.operation)(**arguments)
        except ClientError as error:
            more = {"Item": error.response["Item"]} if "Item" in error.response else {}  # type: ignore[typeddict-item]
            return refused(error.response["Error"]["Code"], as_json(more)), contents
        response = {name: value for name, value in response.items() if name not in _LEFT_OUT}
        if request.operation in WRITES:
            key = key_of(arguments)
            self._loaded = contents.after([(key, self._stored(key))])
        return answered(as_json(response)), self._loaded

    def _load(self, contents: Contents) -> None:
        for key in self._different(contents):
            item = contents.item(key)
            if item is None:
                self._client.delete_item(TableName=key.table, Key=json.loads(key.key))
            else:
                self._client.put_item(TableName=key.table, Item=item)
        self._loaded = contents

    def _different(self, contents: Contents) -> Iterable[Key]:
        keys = self._loaded.items.keys() | contents.items.keys()
        return (key for key in keys if self._loaded.items.get(key) != contents.items.get(key))

    def _stored(self, key: Key) -> str | None:
        response = self._client.get_item(TableName=key.table, Key=json.loads(key.key), ConsistentRead=True)
        return as_json(response["Item"]) if "Item" in response else None
