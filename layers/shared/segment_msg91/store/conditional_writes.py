"""Conditional updates of one table, singly or in transactions, and those that are still to be written."""

import random
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import batched
from typing import TYPE_CHECKING, Any, Final, Literal

from botocore.exceptions import ClientError

from segment_msg91.store.aws import AWS_ERRORS, Attributes, StoreUnavailableError, Value, error_code, from_item, to_item

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

ITEMS_PER_CALL: Final = 100  # DynamoDB's limit for BatchGetItem and for TransactWriteItems
MAX_ATTEMPTS: Final = 4
# A write that meets a transaction on the same item is refused, and botocore does not try it again. A transaction takes
# some ten to twenty milliseconds. Seconds, at random between the two, so that equals do not meet again.
CONFLICT_PAUSE: Final = (0.02, 0.06)
_MAX_PENDING: Final = 1000
_CONDITION_FAILED: Final = "ConditionalCheckFailedException"
_CONFLICT: Final = "TransactionConflictException"
_CANCELLED: Final = "TransactionCanceledException"
# Reasons for which a transaction was cancelled that say nothing against this item: it is tried again.
_RETRYABLE_CANCELLATION_CODES: Final = frozenset({"None", "TransactionConflict"})


@dataclass(frozen=True, slots=True)
class Written:
    """The update was made. `before` has the item's earlier attributes, if they were requested."""

    before: Attributes = field(default_factory=dict, repr=False)


@dataclass(frozen=True, slots=True)
class Blocked:
    """The condition did not hold for the item as it is. Empty: there is no item."""

    item: Attributes = field(repr=False)


@dataclass(frozen=True, slots=True)
class Failed:
    """DynamoDB refused or did not answer. The update may have been made all the same. `code` names the error."""

    code: str


type WriteOutcome = Written | Blocked | Failed


class Update:
    """One conditional update of the item under a key: for UpdateItem, and for a transaction.

    Each attribute is named by an alias, because DynamoDB reserves some five hundred words.
    """

    def __init__(self, key_name: str, key: str) -> None:
        self.key = key
        self._key_name = key_name
        self._condition = ""
        self._sets: list[str] = []
        self._removes: list[str] = []
        self._names: dict[str, str] = {}
        self._values: dict[str, Value] = {}

    def name(self, attribute: str) -> str:
        """Return the alias of an attribute, for a condition."""
        self._names[f"#{attribute}"] = attribute
        return f"#{attribute}"

    def value(self, placeholder: str, value: Value) -> str:
        """Return the placeholder of a value, for a condition."""
        self._values[f":{placeholder}"] = value
        return f":{placeholder}"

    def condition(self, expression: str) -> None:
        """Set the condition, made of `name` and `value`."""
        self._condition = expression

    def set(self, attributes: Mapping[str, Value | None], *, remove_absent: Iterable[str] = ()) -> None:
        """Set what is present of attributes; remove what `remove_absent` names and is not present."""
        present = {attribute: value for attribute, value in attributes.items() if value not in (None, "")}
        for attribute, value in present.items():
            self._sets.append(f"{self.name(attribute)} = {self.value(f'set_{attribute}', value)}")
        self.remove(*(attribute for attribute in remove_absent if attribute not in present))

    def set_once(self, attributes: Mapping[str, Value]) -> None:
        """Set attributes that keep their first value."""
        for attribute, value in attributes.items():
            alias = self.name(attribute)
            self._sets.append(f"{alias} = if_not_exists({alias}, {self.value(f'once_{attribute}', value)})")

    def remove(self, *attributes: str) -> None:
        """Remove attributes, present or not."""
        self._removes += [self.name(attribute) for attribute in attributes]

    def count(self, attribute: str) -> None:
        """Add one to a number that starts at 0."""
        alias = self.name(attribute)
        self._sets.append(f"{alias} = if_not_exists({alias}, {self.value('zero', 0)}) + {self.value('one', 1)}")

    def prepend(self, attribute: str, text: str) -> None:
        """Put a text in front of a list that starts empty."""
        alias = self.name(attribute)
        first, nothing = self.value("first", (text,)), self.value("nothing", ())
        self._sets.append(f"{alias} = list_append({first}, if_not_exists({alias}, {nothing}))")

    def arguments(self, table: str) -> dict[str, Any]:
        """Return UpdateItem's arguments, which are a transaction's Update as well."""
        clauses = {"SET": self._sets, "REMOVE": self._removes}
        return {
            "TableName": table,
            "Key": {self._key_name: {"S": self.key}},
            "UpdateExpression": " ".join(f"{verb} {', '.join(parts)}" for verb, parts in clauses.items() if parts),
            "ConditionExpression": self._condition,
            "ExpressionAttributeNames": self._names,
            "ExpressionAttributeValues": to_item(self._values),
            "ReturnValuesOnConditionCheckFailure": "ALL_OLD",
        }


class ConditionalWrites:
    """Writes updates, and remembers those that could not be written and matter to no other process."""

    def __init__(self, client: "DynamoDBClient", table: str, sleep: Callable[[float], None] = time.sleep) -> None:
        self._client = client
        self._table = table
        self._sleep = sleep
        self._pending: dict[str, Update] = {}

    def write(self, update: Update, returning: Literal["NONE", "ALL_OLD"] = "NONE") -> Written | Blocked:
        """Write one update. Raises StoreUnavailableError."""
        outcome = self._write_one(update, returning)
        if isinstance(outcome, Failed):
            raise StoreUnavailableError(outcome.code)
        return outcome

    def write_all(
        self, updates: Sequence[Update], returning: Literal["NONE", "ALL_OLD"] = "NONE"
    ) -> dict[str, WriteOutcome]:
        """Write updates, one in a call of its own and many in transactions; return each one's outcome by its key.

        Transactions return nothing of what was before.
        """
        if len(updates) == 1:
            return {updates[0].key: self._write_one(updates[0], returning)}
        outcomes: dict[str, WriteOutcome] = {}
        for part in batched(updates, ITEMS_PER_CALL, strict=False):
            outcomes |= self._transact(part)
        return outcomes

    def write_or_defer(self, updates: Sequence[Update]) -> list[str]:
        """Write what ends our own claims; return the keys that failed, and remember those for `write_pending`.

        No other process knows that such a message was not sent, or was: it would end as `unknown`.
        """
        if not updates:
            return []
        outcomes = self.write_all(updates)
        failed = {update.key: update for update in updates if isinstance(outcomes[update.key], Failed)}
        others = {key: update for key, update in self._pending.items() if key not in outcomes}
        self._pending = dict([*others.items(), *failed.items()][-_MAX_PENDING:])
        return list(failed)

    def write_pending(self) -> None:
        """Try again what `write_or_defer` could not write."""
        self.write_or_defer(list(self._pending.values()))

    def _write_one(self, update: Update, returning: Literal["NONE", "ALL_OLD"] = "NONE") -> WriteOutcome:
        outcome = self._update_item(update, returning)
        for _ in range(MAX_ATTEMPTS - 1):
            if outcome != Failed(_CONFLICT):
                break
            self._pause()
            outcome = self._update_item(update, returning)
        return outcome

    def _update_item(self, update: Update, returning: Literal["NONE", "ALL_OLD"]) -> WriteOutcome:
        try:
            response = self._client.update_item(**update.arguments(self._table), ReturnValues=returning)
        except AWS_ERRORS as error:
            code = error_code(error)
            if code == _CONDITION_FAILED and isinstance(error, ClientError):
                return Blocked(from_item(error.response.get("Item", {})))  # type: ignore[arg-type]
            return Failed(code)
        return Written(from_item(response.get("Attributes", {})))

    def _transact(self, updates: Sequence[Update]) -> dict[str, WriteOutcome]:
        """Write at most ITEMS_PER_CALL updates. What cancels a transaction is left out of the next attempt."""
        outcomes: dict[str, WriteOutcome] = {}
        left = list(updates)
        for attempt in range(MAX_ATTEMPTS):
            if attempt:
                self._pause()
            outcomes |= self._transact_once(left)
            left = [update for update in left if update.key not in outcomes]
            if not left:
                return outcomes
        return outcomes | {update.key: Failed("TransactionConflict") for update in left}

    def _transact_once(self, updates: Sequence[Update]) -> dict[str, WriteOutcome]:
        """Try one transaction. Of a cancelled one, only those that cancelled it have an outcome."""
        items = [{"Update": update.arguments(self._table)} for update in updates]
        try:
            self._client.transact_write_items(TransactItems=items)  # type: ignore[arg-type]
        except AWS_ERRORS as error:
            if error_code(error) != _CANCELLED or not isinstance(error, ClientError):
                return {update.key: Failed(error_code(error)) for update in updates}
            reasons = error.response["CancellationReasons"]
            return {
                update.key: _cancelled(reason)
                for update, reason in zip(updates, reasons, strict=True)
                if reason["Code"] not in _RETRYABLE_CANCELLATION_CODES
            }
        return {update.key: Written() for update in updates}

    def _pause(self) -> None:
        self._sleep(random.uniform(*CONFLICT_PAUSE))  # noqa: S311  # no secret


def _cancelled(reason: Mapping[str, Any]) -> WriteOutcome:
    """Read why one item cancelled a transaction."""
    if reason["Code"] == "ConditionalCheckFailed":
        return Blocked(from_item(reason.get("Item", {})))
    return Failed(str(reason["Code"]))
