"""The messages table: one item for every SMS that an event asked for.

Sending writes what `claim`, `settle` and `give_up` set here; reporting writes the `delivery_*` attributes, `apply`.
The two sets are disjoint, so a report may overtake the answer to its send. Only `failure_category` is written by both:
a claim removes it (no report can have come yet), a settlement sets it where no report has, a report sets or removes it.
"""

import random
import re
import time
import uuid
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal
from itertools import batched
from typing import TYPE_CHECKING, Any, Final, Literal

from botocore.exceptions import ClientError

from segment_msg91.failures import Category
from segment_msg91.statuses import FINAL, RANK, DeliveryStatus, SendState
from segment_msg91.store.aws import AWS_ERRORS, Attributes, StoreUnavailableError, Value, error_code, from_item, to_item
from segment_msg91.times import instant

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

_ITEMS_PER_CALL: Final = 100  # DynamoDB's limit for BatchGetItem and for TransactWriteItems
_ROUNDS: Final = 4
_DONE: Final = frozenset({SendState.ACCEPTED, SendState.REJECTED, SendState.INVALID})
_IN_DOUBT: Final = frozenset({SendState.SENDING, SendState.UNKNOWN})
# A write that meets a transaction on the same item is refused, and botocore does not try it again. A transaction takes
# some ten to twenty milliseconds.
_CONFLICT: Final = "TransactionConflictException"
_CONFLICT_TRIES: Final = 4
_CONFLICT_PAUSE: Final = (0.02, 0.06)  # seconds, at random between the two, so that equals do not meet again
_WORTH_ANOTHER_ROUND: Final = frozenset({"None", "TransactionConflict"})
_VANISHED: Final = "ConditionalCheckFailed"  # its condition failed, and there was no item to say why
_MOST_OWED: Final = 1000


@dataclass(frozen=True, slots=True)
class Draft:
    """What is to be claimed: the message's key and what describes it. An invalid one is only put on record.

    `once`: attributes that stay as the first claim has written them.
    """

    crqid: str
    attributes: Mapping[str, Value | None] = field(repr=False)
    invalid_because: str | None = None
    once: Mapping[str, Value] = field(default_factory=dict, repr=False)


@dataclass(frozen=True, slots=True)
class Claimed:
    """The message is ours to send until `lease_until`."""

    crqid: str
    claim_id: str
    lease_until: datetime


@dataclass(frozen=True, slots=True)
class Found:
    """The message was there, in a state in which it must not be sent (again) now."""

    crqid: str
    send_state: SendState
    claim_id: str | None
    lease_until: str
    request_id: str | None
    error_code: str | None
    error: str | None = field(repr=False)
    is_reported: bool

    @classmethod
    def of(cls, item: Attributes) -> "Found":
        """Read a stored message."""
        return cls(
            crqid=str(item["crqid"]),
            send_state=SendState(str(item.get("send_state", SendState.UNKNOWN))),
            claim_id=_text(item, "claim_id"),
            lease_until=_text(item, "lease_until") or "",
            request_id=_text(item, "request_id"),
            error_code=_text(item, "error_code"),
            error=_text(item, "error"),
            is_reported="delivery_status" in item,
        )


@dataclass(frozen=True, slots=True)
class NotClaimed:
    """DynamoDB refused or did not answer, so nothing may be sent. `reason` names its error."""

    reason: str


type Claim = Claimed | Found | NotClaimed


@dataclass(frozen=True, slots=True)
class Settlement:
    """The outcome of a claim."""

    claim: Claimed
    state: SendState
    request_id: str | None = None
    error_code: str | None = None
    error: str | None = field(default=None, repr=False)
    failure_category: Category | None = None


@dataclass(frozen=True, slots=True)
class Delivery:
    """What one report says of a message."""

    status: DeliveryStatus
    code: str | None
    description: str | None
    failure_reason: str | None
    reported_at: str | None
    digest: str
    credits: Decimal | None = None
    failure_category: Category | None = None
    request_id: str | None = None

    @property
    def order(self) -> str:
        """Return a text that is the greater the more the report prevails: by rank, then time, then content.

        All reports of a message are ranked by it, so that in whatever order they come the same one stays.
        """
        return f"{RANK[self.status]}#{self.reported_at or ''}#{self.digest}"


@dataclass(frozen=True, slots=True)
class Applied:
    """A report found its message, whose attributes were `before`."""

    crqid: str
    before: Attributes = field(repr=False)
    is_conflict: bool


@dataclass(frozen=True, slots=True)
class _Update:
    """One conditional update, for UpdateItem and for a transaction alike."""

    key: str
    claim_id: str | None
    arguments: dict[str, Any] = field(repr=False)


class _ConflictError(StoreUnavailableError):
    """A transaction on the same item is under way."""


class Messages:
    """The messages table."""

    def __init__(
        self,
        client: "DynamoDBClient",
        table: str,
        retention: timedelta,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._client = client
        self._table = table
        self._retention = retention
        self._sleep = sleep
        self._owed: dict[str, _Update] = {}

    def claim(
        self, drafts: Sequence[Draft], now: datetime, lease: timedelta, resend_after: timedelta | None = None
    ) -> list[Claim]:
        """Claim messages for sending, in one call for one and few calls for many; answer for each, in their order.

        What is new, `held` or `retryable` becomes ours; with `resend_after` also what has been in doubt for that long.
        No two drafts may have the same key.
        """
        if not drafts:
            return []
        self._write_or_owe(list(self._owed.values()))
        updates = [self._claim_of(draft, now, lease, resend_after) for draft in drafts]
        written = self._write_one(updates[0]) if len(updates) == 1 else self._claim_many(updates, resend_after)
        claims: list[Claim] = []
        for update in updates:
            outcome = written[update.key]
            if outcome is None or (isinstance(outcome, dict) and outcome.get("claim_id") == update.claim_id):
                # Also when the SDK repeated a write whose answer was lost, and found what it had written.
                claims.append(Claimed(update.key, str(update.claim_id), now + lease))
            else:
                claims.append(NotClaimed(outcome) if isinstance(outcome, str) else Found.of(outcome))
        self._write_or_owe([self._freeing(u, now) for u in updates if isinstance(written[u.key], str)])
        return claims

    def settle(self, settlements: Sequence[Settlement], now: datetime) -> list[str]:
        """Write outcomes; return the keys of those that could not be written, and are tried again before a next claim.

        Each is written over its own claim only: where another has claimed the message since, its outcome counts.
        """
        return self._write_or_owe([self._settlement_of(settlement, now) for settlement in settlements])

    def give_up(self, found: Found, now: datetime) -> None:
        """Put on record that a message is in doubt, because its sender was stopped. Raises StoreUnavailableError."""
        update = self._update(
            found.crqid,
            {"send_state": SendState.UNKNOWN, "settled_at": instant(now), "error": "the function was stopped midway"},
            "#send_state = :sending AND #claim_id = :seen",
            {"sending": SendState.SENDING, "seen": found.claim_id},
        )
        self._write(update)

    def find(self, request_id: str, phone: str) -> str | None:
        """Return the key of the message with this request id and number. Raises StoreUnavailableError."""
        try:
            response = self._client.query(
                TableName=self._table,
                IndexName="by_request_id",
                KeyConditionExpression="request_id = :request_id AND phone = :phone",
                ExpressionAttributeValues=to_item({":request_id": request_id, ":phone": phone}),
                Limit=1,
            )
        except AWS_ERRORS as error:
            raise StoreUnavailableError(error_code(error)) from error
        items = response["Items"]
        return items[0]["crqid"]["S"] if items else None

    def apply(self, crqid: str, phone: str | None, delivery: Delivery) -> Applied | None:
        """Apply a report to its message. None: no message has this key and number.

        `phone` None: the report carries no number, and its key alone is believed where no other message shares it.

        One conditional update, and another only where the message already has a contradicting final status.
        Raises StoreUnavailableError.
        """
        is_conflict = False
        for _ in range(_ROUNDS):
            is_written, before = self._write(
                self._delivery_of(crqid, phone, delivery, is_conflict=is_conflict), "ALL_OLD"
            )
            if is_written:
                return Applied(crqid, before, is_conflict=is_conflict)
            if not before or ("crqid_shared" in before if phone is None else before.get("phone") != phone):
                return None
            contradicts = _contradict(before.get("delivery_status"), delivery.status)
            if str(before.get("delivery_order", "")) < delivery.order:
                is_conflict = contradicts
                continue
            is_conflict = contradicts and not before.get("delivery_conflict")
            learned = {
                "delivery_conflict": is_conflict or None,
                "request_id": None if "request_id" in before else delivery.request_id,
            }
            if any(learned.values()):
                self._write(self._update(crqid, learned, "attribute_exists(#crqid)", {}))
            return Applied(crqid, before, is_conflict=is_conflict)
        raise StoreUnavailableError("the message changed under each of several tries")

    def _claim_of(self, draft: Draft, now: datetime, lease: timedelta, resend_after: timedelta | None) -> _Update:
        claim_id = uuid.uuid4().hex
        is_invalid = draft.invalid_because is not None
        attributes: dict[str, Value | None] = {
            **draft.attributes,
            "claim_id": claim_id,
            "send_state": SendState.INVALID if is_invalid else SendState.SENDING,
            "error": draft.invalid_because,
            "settled_at": instant(now) if is_invalid else None,
            "lease_until": None if is_invalid else instant(now + lease),
        }
        claimable = "#send_state IN (:held, :retryable)"
        values: dict[str, Value] = {
            "held": SendState.HELD,
            "retryable": SendState.RETRYABLE,
            "zero": 0,
            "one": 1,
            "now": instant(now),
            "expires": int((now + self._retention).timestamp()),
        }
        if resend_after:
            claimable += " OR (#send_state IN (:sending_then, :unknown_then) AND #lease_until < :in_doubt_since)"
            values |= {
                "sending_then": SendState.SENDING,
                "unknown_then": SendState.UNKNOWN,
                "in_doubt_since": instant(now - resend_after),
            }
        values |= {f"once_{name}": value for name, value in draft.once.items()}
        return self._update(
            draft.crqid,
            attributes,
            # A report proves that the message was sent, whatever became of the answer.
            f"attribute_not_exists(#crqid) OR (attribute_not_exists(#delivery_status) AND ({claimable}))",
            values,
            also=(
                *(f"#{name} = if_not_exists(#{name}, :once_{name})" for name in draft.once),
                "#attempts = if_not_exists(#attempts, :zero) + :one",
                "#created_at = if_not_exists(#created_at, :now)",
                "#expires_at = if_not_exists(#expires_at, :expires)",
            ),
            remove_absent=("error", "error_code", "failure_category", "settled_at"),
        )

    def _settlement_of(self, settlement: Settlement, now: datetime) -> _Update:
        # The claim has removed the category: if there is one now, a report has set it, and knows better.
        category = "#failure_category = if_not_exists(#failure_category, :category)"
        return self._update(
            settlement.claim.crqid,
            {
                "send_state": settlement.state,
                "settled_at": instant(now),
                "request_id": settlement.request_id,
                "error_code": settlement.error_code,
                "error": settlement.error,
            },
            "#claim_id = :own_claim",
            {"own_claim": settlement.claim.claim_id, "category": settlement.failure_category},
            also=[category] if settlement.failure_category else [],
            remove_absent=("error", "error_code"),
        )

    def _delivery_of(self, crqid: str, phone: str | None, delivery: Delivery, *, is_conflict: bool) -> _Update:
        condition = "attribute_exists(#crqid) AND (attribute_not_exists(#delivery_order) OR #delivery_order < :order)"
        values: dict[str, Value] = {"order": delivery.order}
        if phone is None:
            condition += " AND attribute_not_exists(#crqid_shared)"
        else:
            condition += " AND #phone = :phone"
            values["phone"] = phone
        if not is_conflict and delivery.status in FINAL:
            others = sorted(FINAL - {delivery.status})
            condition += f" AND NOT #delivery_status IN ({', '.join(f':{other}' for other in others)})"
            values |= {str(other): other for other in others}
        also: list[str] = []
        if delivery.request_id:
            # A send whose answer was lost learns it here, so that reports without a CRQID find the message as well.
            also = ["#request_id = if_not_exists(#request_id, :request_id)"]
            values["request_id"] = delivery.request_id
        return self._update(
            crqid,
            {
                "delivery_status": delivery.status,
                "delivery_code": delivery.code,
                "delivery_description": delivery.description,
                "failure_reason": delivery.failure_reason,
                "credits": delivery.credits,
                "failure_category": delivery.failure_category,
                "delivery_reported_at": delivery.reported_at,
                "delivery_order": delivery.order,
                "delivery_conflict": is_conflict or None,
            },
            condition,
            values,
            also=also,
            remove_absent=(
                "delivery_code",
                "delivery_description",
                "failure_reason",
                "failure_category",
                "credits",
                "delivery_reported_at",
            ),
        )

    def _update(
        self,
        crqid: str,
        attributes: Mapping[str, Value | None],
        condition: str,
        values: Mapping[str, Value | None],
        *,
        also: Sequence[str] = (),
        remove_absent: Iterable[str] = (),
    ) -> _Update:
        """Set what is present of `attributes`, remove what is named in `remove_absent` and is not, on a condition."""
        present = {name: value for name, value in attributes.items() if value not in (None, "")}
        expression = "SET " + ", ".join([*(f"#{name} = :set_{name}" for name in present), *also])
        absent = [f"#{name}" for name in remove_absent if name not in present]
        if absent:
            expression += " REMOVE " + ", ".join(absent)
        names = set(re.findall(r"#(\w+)", f"{expression} {condition}"))
        values = {f":set_{name}": value for name, value in present.items()} | {f":{n}": v for n, v in values.items()}
        claim_id = attributes.get("claim_id")
        return _Update(
            crqid,
            str(claim_id) if claim_id else None,
            {
                "TableName": self._table,
                "Key": {"crqid": {"S": crqid}},
                "UpdateExpression": expression,
                "ConditionExpression": condition,
                # Every name by its alias: DynamoDB reserves some five hundred words.
                "ExpressionAttributeNames": {f"#{name}": name for name in names},
                "ExpressionAttributeValues": to_item(values),
                "ReturnValuesOnConditionCheckFailure": "ALL_OLD",
            },
        )

    def _write(self, update: _Update, returning: Literal["NONE", "ALL_OLD"] = "NONE") -> tuple[bool, Attributes]:
        """Make one update; return whether its condition held, and the item before it: always where it did not hold,
        else with `returning`. Raises StoreUnavailableError.
        """
        for _ in range(_CONFLICT_TRIES - 1):
            try:
                return self._write_once(update, returning)
            except _ConflictError:
                self._pause()
        return self._write_once(update, returning)

    def _write_once(self, update: _Update, returning: Literal["NONE", "ALL_OLD"]) -> tuple[bool, Attributes]:
        try:
            response = self._client.update_item(**update.arguments, ReturnValues=returning)
        except ClientError as error:
            code = error_code(error)
            if code == "ConditionalCheckFailedException":
                return False, from_item(error.response.get("Item", {}))  # type: ignore[arg-type]
            raise (_ConflictError if code == _CONFLICT else StoreUnavailableError)(code) from error
        except AWS_ERRORS as error:
            raise StoreUnavailableError(error_code(error)) from error
        return True, from_item(response.get("Attributes", {}))

    def _pause(self) -> None:
        self._sleep(random.uniform(*_CONFLICT_PAUSE))  # noqa: S311  # no secret

    def _write_one(self, update: _Update) -> dict[str, Attributes | str | None]:
        """Make one update; its outcome is as those of `_transact`."""
        try:
            is_written, before = self._write(update)
        except StoreUnavailableError as error:
            return {update.key: str(error)}
        return {update.key: None if is_written else before or _VANISHED}

    def _claim_many(
        self, updates: Sequence[_Update], resend_after: timedelta | None
    ) -> dict[str, Attributes | str | None]:
        """Look first: one message that is taken cancels the transaction of a hundred, and looking costs less."""
        blocking = _DONE if resend_after else _DONE | _IN_DOUBT
        found = self._get(updates)
        taken = {
            k: item for k, item in found.items() if item.get("send_state") in blocking or "delivery_status" in item
        }
        return {**self._transact([update for update in updates if update.key not in taken]), **taken}

    def _get(self, updates: Sequence[_Update]) -> dict[str, Attributes]:
        """Read messages as far as DynamoDB lets us: what is missing here, the claim's own condition finds."""
        found: dict[str, Attributes] = {}
        for part in batched(updates, _ITEMS_PER_CALL, strict=False):
            keys = [{"crqid": {"S": update.key}} for update in part]
            try:
                response = self._client.batch_get_item(
                    RequestItems={self._table: {"Keys": keys, "ConsistentRead": True}}
                )
            except AWS_ERRORS:
                return found
            found |= {item["crqid"]["S"]: from_item(item) for item in response["Responses"].get(self._table, [])}
        return found

    def _transact(self, updates: Sequence[_Update]) -> dict[str, Attributes | str | None]:
        """Write updates in transactions; per key: None when written, the item in the way, or the error's name."""
        outcomes: dict[str, Attributes | str | None] = {}
        for part in batched(updates, _ITEMS_PER_CALL, strict=False):
            pending = list(part)
            for tried in range(_ROUNDS):
                if not pending:
                    break
                if tried:
                    self._pause()
                outcomes |= self._transact_once(pending)
                pending = [update for update in pending if update.key not in outcomes]
            outcomes |= {update.key: "TransactionConflict" for update in pending}
        return outcomes

    def _transact_once(self, updates: Sequence[_Update]) -> dict[str, Attributes | str | None]:
        """Try one transaction. Of a cancelled one, only those that cancelled it have an outcome."""
        try:
            self._client.transact_write_items(TransactItems=[{"Update": update.arguments} for update in updates])  # type: ignore[typeddict-item]
        except ClientError as error:
            if error_code(error) != "TransactionCanceledException":
                return {update.key: error_code(error) for update in updates}
            reasons = error.response["CancellationReasons"]
            return {
                update.key: from_item(reason["Item"]) if reason.get("Item") else str(reason["Code"])
                for update, reason in zip(updates, reasons, strict=True)
                if reason["Code"] not in _WORTH_ANOTHER_ROUND
            }
        except AWS_ERRORS as error:
            return {update.key: error_code(error) for update in updates}
        return {update.key: None for update in updates}

    def _write_or_owe(self, updates: Sequence[_Update]) -> list[str]:
        """Write what ends claims of ours; return the keys that could not be written, and remember those for later.

        Nobody else knows that such a message was not sent, or was: it would end as `unknown`.
        """
        if not updates:
            return []
        written = self._write_one(updates[0]) if len(updates) == 1 else self._transact(updates)
        failed = {u.key: u for u in updates if isinstance(written[u.key], str) and written[u.key] != _VANISHED}
        others = {key: update for key, update in self._owed.items() if key not in written}
        self._owed = dict([*others.items(), *failed.items()][-_MOST_OWED:])
        return list(failed)

    def _freeing(self, update: _Update, now: datetime) -> _Update:
        """Free a claim whose writing failed for us but may have succeeded, so that the next delivery can send it."""
        return self._update(
            update.key,
            {"send_state": SendState.RETRYABLE, "settled_at": instant(now), "error": "the claim was lost"},
            "#claim_id = :own_claim AND #send_state = :sending",
            {"own_claim": update.claim_id, "sending": SendState.SENDING},
        )


def _contradict(status: Value | None, other: DeliveryStatus) -> bool:
    return status in FINAL and other in FINAL and status != other


def _text(item: Attributes, name: str) -> str | None:
    value = item.get(name)
    return None if value is None else str(value)
