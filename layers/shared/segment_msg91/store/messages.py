"""The messages table: one item for every SMS that an event asked for. Claim, settle, and apply reports."""

import time
import uuid
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from enum import Enum, auto
from itertools import batched
from typing import TYPE_CHECKING, Final

from segment_msg91.msg91.codes import CONCLUSIONS, FINAL, IN_DOUBT, NOT_FINAL, DeliveryStatus, SendState
from segment_msg91.store import message_updates
from segment_msg91.store.aws import AWS_ERRORS, Attributes, StoreUnavailableError, Value, error_code, from_item, to_item
from segment_msg91.store.conditional_writes import (
    ITEMS_PER_CALL,
    MAX_ATTEMPTS,
    Blocked,
    ConditionalWrites,
    Failed,
    Update,
    WriteOutcome,
    Written,
)
from segment_msg91.store.message_updates import Claimed, ClaimRequest, Conclusion, Seen, Settlement, StatusUpdate

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

__all__ = [
    "Applied",
    "Claim",
    "ClaimRequest",
    "Claimed",
    "Conclusion",
    "Effect",
    "Found",
    "Messages",
    "NotClaimed",
    "Seen",
    "Settlement",
    "StatusUpdate",
]

_DONE: Final = frozenset({SendState.ACCEPTED, SendState.REJECTED, SendState.INVALID, SendState.SUPPRESSED})


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
            is_reported=_is_reported(item),
        )


@dataclass(frozen=True, slots=True)
class NotClaimed:
    """DynamoDB refused or did not answer, so nothing may be sent. `reason` names its error."""

    reason: str


type Claim = Claimed | Found | NotClaimed


class Effect(Enum):
    """What a report has changed."""

    PREVAILED = auto()
    """It is the message's status now."""
    NONE = auto()
    """It was the message's status already: an earlier attempt has written it."""
    OUTRANKED = auto()
    """Another report is the message's status."""


@dataclass(frozen=True, slots=True)
class Applied:
    """A report found its message, whose attributes were `before`."""

    crqid: str
    before: Attributes = field(repr=False)
    is_conflict: bool
    effect: Effect


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
        self._writes = ConditionalWrites(client, table, sleep)

    def claim(
        self, requests: Sequence[ClaimRequest], now: datetime, lease: timedelta, resend_after: timedelta | None = None
    ) -> list[Claim]:
        """Claim messages for sending, in one call for one and few calls for many; answer for each, in their order.

        What is new, `held` or `retryable` becomes ours; with `resend_after` also what has been in doubt for that long.
        No two requests may have the same key.
        """
        if not requests:
            return []
        self._writes.write_pending()
        claim_ids = {request.crqid: uuid.uuid4().hex for request in requests}
        updates = [
            message_updates.claim(request, claim_ids[request.crqid], now, lease, self._retention, resend_after)
            for request in requests
        ]
        outcomes = self._claim_all(updates, resend_after)
        self._release_failed(outcomes, claim_ids, now)
        return [
            _claim(Claimed(request.crqid, claim_ids[request.crqid], now + lease), outcomes[request.crqid])
            for request in requests
        ]

    def settle(self, settlements: Sequence[Settlement], now: datetime) -> list[str]:
        """Write outcomes; return the keys of those that could not be written, and are tried again before a next claim.

        Each is written over its own claim only: if another has claimed the message since, its outcome counts.
        """
        return self._writes.write_or_defer([message_updates.settlement(one, now) for one in settlements])

    def mark_unknown(self, found: Found, now: datetime) -> bool:
        """Record that a message is in doubt, because its sender was stopped; False if it changed since it was found.

        Raises StoreUnavailableError.
        """
        outcome = self._writes.write(message_updates.unknown(found.crqid, found.claim_id, now))
        # Another delivery, or the SDK's first attempt, may have recorded the same.
        return isinstance(outcome, Written) or outcome.item.get("send_state") == SendState.UNKNOWN

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

    def apply(self, crqid: str, phone: str | None, report: StatusUpdate) -> Applied | None:
        """Apply a report to its message. None: no message has this key and number.

        `phone` None: the report carries no number, and its key alone is believed if no other message shares it.

        One conditional update, and another only if the message already has a contradicting final status, or lacks what
        an older report knows. Raises StoreUnavailableError.
        """
        is_conflict = False
        for _ in range(MAX_ATTEMPTS):
            update = message_updates.status(crqid, phone, report, is_conflict=is_conflict)
            outcome = self._writes.write(update, "ALL_OLD")
            if isinstance(outcome, Written):
                self._await_again(crqid, outcome.before, report)
                return Applied(crqid, outcome.before, is_conflict=is_conflict, effect=Effect.PREVAILED)
            before = outcome.item
            if not _is_about(before, phone):
                return None
            contradicts = _contradict(before.get("delivery_status"), report.status)
            if str(before.get("delivery_order", "")) < report.order:
                is_conflict = contradicts
                continue
            return self._learn(crqid, before, report, contradicts=contradicts)
        raise StoreUnavailableError("the message changed during each of several attempts")

    def settle_by_logs(self, seen: Seen, request_id: str | None, sent_at: datetime | None) -> bool:
        """Settle a message in doubt that MSG91's logs show; False if it changed since. Raises StoreUnavailableError."""
        return isinstance(self._writes.write(message_updates.settlement_by_logs(seen, request_id, sent_at)), Written)

    def conclude(self, seen: Seen, end: Conclusion, now: datetime, *, is_reported: bool = False) -> Attributes | None:
        """End a message without a final report. Return what it was before; None if it changed since it was read.

        `is_reported`: a report without an end has come, which shows that it was sent. The conclusion replaces it.
        Raises StoreUnavailableError.
        """
        update = message_updates.conclusion(seen, end, now, is_reported=is_reported)
        outcome = self._writes.write(update, "ALL_OLD")
        return outcome.before if isinstance(outcome, Written) else None

    def stop_awaiting(self, seen: Seen, reason: str, now: datetime) -> bool:
        """Take a message out of the index of those without an end; False if it changed since.

        Raises StoreUnavailableError.
        """
        return isinstance(self._writes.write(message_updates.stop_awaiting(seen, reason, now)), Written)

    def _await_again(self, crqid: str, before: Attributes, report: StatusUpdate) -> None:
        """Let a message wait for its end again, if a report without one has replaced its conclusion."""
        if "concluded_at" in before and report.status in NOT_FINAL:
            self._writes.write(message_updates.await_again(crqid))

    def _learn(self, crqid: str, before: Attributes, report: StatusUpdate, *, contradicts: bool) -> Applied:
        """Take from a report that does not prevail what the message does not know yet."""
        is_conflict = contradicts and not before.get("delivery_conflict")
        learned: dict[str, Value | None] = {
            "delivery_conflict": is_conflict or None,
            "request_id": None if "request_id" in before else report.request_id,
        }
        if any(learned.values()):
            self._writes.write(message_updates.facts(crqid, learned))
        effect = Effect.NONE if before.get("delivery_order") == report.order else Effect.OUTRANKED
        return Applied(crqid, before, is_conflict=is_conflict, effect=effect)

    def _claim_all(self, updates: Sequence[Update], resend_after: timedelta | None) -> dict[str, WriteOutcome]:
        """Write claims. For many, look first: one message that is taken cancels the transaction of a hundred."""
        if len(updates) == 1:
            return self._writes.write_all(updates, "ALL_OLD")
        blocking = _DONE if resend_after else _DONE | IN_DOUBT
        stored = self._get(updates)
        taken: dict[str, WriteOutcome] = {
            key: Blocked(item)
            for key, item in stored.items()
            if item.get("send_state") in blocking or _is_reported(item)
        }
        left = [update for update in updates if update.key not in taken]
        outcomes = self._writes.write_all(left) if left else {}
        retaken = {key: Written(stored[key]) for key in stored if isinstance(outcomes.get(key), Written)}
        return outcomes | retaken | taken

    def _release_failed(self, outcomes: dict[str, WriteOutcome], claim_ids: dict[str, str], now: datetime) -> None:
        """Give back claims whose write failed for us but may have been made."""
        failed = [key for key, outcome in outcomes.items() if isinstance(outcome, Failed)]
        self._writes.write_or_defer([message_updates.release(key, claim_ids[key], now) for key in failed])

    def _get(self, updates: Sequence[Update]) -> dict[str, Attributes]:
        """Read messages as far as DynamoDB lets us: what is missing here, the claim's own condition finds."""
        found: dict[str, Attributes] = {}
        for part in batched(updates, ITEMS_PER_CALL, strict=False):
            keys = [{"crqid": {"S": update.key}} for update in part]
            try:
                response = self._client.batch_get_item(
                    RequestItems={self._table: {"Keys": keys, "ConsistentRead": True}}
                )
            except AWS_ERRORS:
                return found
            found |= {item["crqid"]["S"]: from_item(item) for item in response["Responses"].get(self._table, [])}
        return found


def _claim(claimed: Claimed, outcome: WriteOutcome) -> Claim:
    match outcome:
        case Written(before):
            return replace(claimed, before=before) if before else claimed
        case Failed(code):
            return NotClaimed(code)
        case Blocked(item) if item.get("claim_id") == claimed.claim_id:
            # The SDK repeated a write whose answer was lost, and found what it had written.
            return claimed
        case Blocked(item):
            return Found.of(item) if item else NotClaimed("the message was deleted at the same time")


def _is_about(message: Attributes, phone: str | None) -> bool:
    """Whether a report is this message's, by its number, or without one by a CRQID that no other message shares."""
    if phone is None:
        return bool(message) and "crqid_shared" not in message
    return message.get("phone") == phone


def _is_reported(message: Attributes) -> bool:
    """Whether a report has come. A conclusion is none."""
    return "delivery_status" in message and message["delivery_status"] not in CONCLUSIONS


def _contradict(status: Value | None, other: DeliveryStatus) -> bool:
    return status in FINAL and other in FINAL and status != other


def _text(item: Attributes, name: str) -> str | None:
    value = item.get(name)
    return None if value is None else str(value)
