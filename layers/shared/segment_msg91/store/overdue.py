"""Messages that wait for their end: found by the sparse index `awaiting_report`. And where reading the logs stopped."""

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from itertools import chain
from typing import TYPE_CHECKING, Any, Final, Self

from segment_msg91.msg91.codes import IN_DOUBT, NOT_FINAL, DeliveryStatus, ErrorClass, SendState, error_class
from segment_msg91.store.aws import AWS_ERRORS, Attributes, StoreUnavailableError, error_code, from_item, to_item
from segment_msg91.store.batch_reads import read_items
from segment_msg91.store.message_updates import Seen
from segment_msg91.store.search_keys import SHARDS
from segment_msg91.times import instant, parse_instant

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

_ATTRIBUTES: Final = (
    *("crqid", "phone", "request_id", "send_state", "claim_id", "crqid_shared", "delivery_status"),
    *("created_at", "settled_at", "lease_until", "scheduled_at", "error_code"),
)
# A pull that stopped is continued within this time. After it, MSG91 may have forgotten its token.
_KEPT_FOR: Final = timedelta(hours=6)
_POSITIONS: Final = "reconciliation"


@dataclass(slots=True)
class Waiting:
    """A message without an end, as it was read."""

    crqid: str
    phone: str = field(repr=False)
    send_state: SendState
    claim_id: str
    sent_by: datetime
    """When its SMS was sent at the latest, if it was."""
    lease_until: str
    request_id: str | None
    delivery_status: DeliveryStatus | None
    is_scheduled: bool
    is_shared: bool
    is_duplicate: bool
    """MSG91 accepted it with code 311: it is not sent, and gets no report."""

    @classmethod
    def of(cls, item: Attributes) -> Self | None:
        """Read a stored message; None if nothing is to be found out about it."""
        state = item.get("send_state")
        status = item.get("delivery_status")
        if state not in (SendState.ACCEPTED, *IN_DOUBT) or (status is not None and status not in NOT_FINAL):
            return None
        return cls(
            crqid=str(item["crqid"]),
            phone=str(item.get("phone", "")),
            send_state=SendState(str(state)),
            claim_id=str(item.get("claim_id", "")),
            sent_by=_sent_by(item),
            lease_until=str(item.get("lease_until", "")),
            request_id=str(item["request_id"]) if "request_id" in item else None,
            delivery_status=DeliveryStatus(str(status)) if status else None,
            is_scheduled="scheduled_at" in item,
            is_shared="crqid_shared" in item,
            is_duplicate=error_class(str(item.get("error_code", "")), "") is ErrorClass.DUPLICATE,
        )

    @property
    def is_in_doubt(self) -> bool:
        """Whether it is not known that MSG91 has it."""
        return self.send_state in IN_DOUBT

    @property
    def seen(self) -> Seen:
        """Return what a write depends on."""
        return Seen(self.crqid, self.claim_id, self.send_state)


@dataclass(slots=True)
class Position:
    """How far the logs of some days (IST, inclusive) were read, and what their rows have shown so far."""

    first: date
    last: date
    limit: int
    as_of: datetime
    """When the first page was read: rows that MSG91 wrote later may be missing."""
    token: str | None = None
    rows: int = 0
    columns: set[str] = field(default_factory=set)
    times: set[int] = field(default_factory=set)
    """The spans of ten minutes, counted from the epoch, in which MSG91 sent SMS."""
    unnamed: set[int] = field(default_factory=set)
    """The spans of rows without a CRQID that an earlier run has read, to numbers of messages in doubt."""
    is_partial: bool = False
    """Whether an earlier run has read rows without looking for all messages that wait."""


class Overdue:
    """The index of messages without an end, to be read only."""

    def __init__(self, client: "DynamoDBClient", table: str) -> None:
        self._client = client
        self._table = table

    def keys(self, created_before: datetime, most: int) -> list[str]:
        """Return the keys of at most so many messages, of each partition the oldest first.

        Raises StoreUnavailableError.
        """
        return list(
            chain.from_iterable(self._of_shard(shard, created_before, -(-most // SHARDS)) for shard in range(SHARDS))
        )

    def read(self, keys: Iterable[str]) -> Iterator[Waiting]:
        """Yield the messages that wait for their end. Raises StoreUnavailableError."""
        for item in self._get(keys):
            if waiting := Waiting.of(item):
                yield waiting

    def claim_of(self, crqid: str) -> tuple[str, str]:
        """Return when a message's last lease ends, which those of one batch share, and its number.

        Both are empty if there is no such message. Raises StoreUnavailableError.
        """
        item = next(self._get([crqid]), {})
        return str(item.get("lease_until", "")), str(item.get("phone", ""))

    def _of_shard(self, shard: int, created_before: datetime, most: int) -> list[str]:
        found: list[str] = []
        arguments: dict[str, Any] = {}
        while True:
            try:
                response = self._client.query(
                    TableName=self._table,
                    IndexName="awaiting_report",
                    KeyConditionExpression="awaiting_report = :shard AND created_at <= :before",
                    ExpressionAttributeValues=to_item({":shard": str(shard), ":before": instant(created_before)}),
                    Limit=most - len(found),
                    **arguments,
                )
            except AWS_ERRORS as error:
                raise StoreUnavailableError(error_code(error)) from error
            found += [item["crqid"]["S"] for item in response["Items"]]
            if len(found) >= most or "LastEvaluatedKey" not in response:
                return found
            arguments["ExclusiveStartKey"] = response["LastEvaluatedKey"]

    def _get(self, crqids: Iterable[str]) -> Iterator[Attributes]:
        keys = ({"crqid": {"S": crqid}} for crqid in crqids)
        return read_items(self._client, self._table, keys, attributes=_ATTRIBUTES)


class Positions:
    """Where reading the logs stopped: an item of the reports table for each day that is not read to its end."""

    def __init__(self, client: "DynamoDBClient", table: str) -> None:
        self._client = client
        self._table = table

    def load(self, day: date, now: datetime) -> Position | None:
        """Return where reading a day stopped within the last hours. Raises StoreUnavailableError."""
        try:
            item = self._client.get_item(TableName=self._table, Key=self._key(day)).get("Item")
        except AWS_ERRORS as error:
            raise StoreUnavailableError(error_code(error)) from error
        kept = from_item(item) if item else {}
        as_of = parse_instant(str(kept.get("as_of", "")))
        if as_of is None or not now - _KEPT_FOR <= as_of <= now:
            return None
        found = json.loads(str(kept["found"]))
        return Position(
            first=date.fromisoformat(str(kept["first"])),
            last=date.fromisoformat(str(kept["last"])),
            limit=int(str(kept["limit"])),
            as_of=as_of,
            token=str(kept["token"]),
            rows=int(str(kept["rows"])),
            columns=set(found["columns"]),
            times=set(found["times"]),
            unnamed=set(found.get("unnamed", ())),  # an earlier version kept neither
            is_partial=bool(found.get("is_partial")),
        )

    def save(self, day: date, position: Position) -> None:
        """Keep where reading a day stops. Raises StoreUnavailableError."""
        found = {
            "columns": sorted(position.columns),
            "times": sorted(position.times),
            "unnamed": sorted(position.unnamed),
            "is_partial": position.is_partial,
        }
        item = to_item(
            {
                "first": position.first.isoformat(),
                "last": position.last.isoformat(),
                "limit": position.limit,
                "as_of": instant(position.as_of),
                "token": position.token,
                "rows": position.rows,
                "found": json.dumps(found),
                "expires_at": int((position.as_of + _KEPT_FOR).timestamp()),
            }
        )
        try:
            self._client.put_item(TableName=self._table, Item=self._key(day) | item)
        except AWS_ERRORS as error:
            raise StoreUnavailableError(error_code(error)) from error

    def drop(self, day: date) -> None:
        """Forget where reading a day stopped. Raises StoreUnavailableError."""
        try:
            self._client.delete_item(TableName=self._table, Key=self._key(day))
        except AWS_ERRORS as error:
            raise StoreUnavailableError(error_code(error)) from error

    def _key(self, day: date) -> dict[str, Any]:
        return to_item({"report_group": _POSITIONS, "report_id": day.isoformat()})


def _sent_by(item: Attributes) -> datetime:
    """Return when its SMS was sent at the latest.

    A settled message was sent before that. So was one whose lease has ended, but it may be settled much later, by a
    repeated event. A scheduled one is sent at its time.
    """
    names = ("lease_until",) if item.get("send_state") == SendState.SENDING else ("settled_at", "lease_until")
    moments = [moment for name in names if (moment := parse_instant(str(item.get(name, ""))))]
    sent_by = min(moments, default=datetime.fromisoformat(str(item["created_at"])))
    scheduled = parse_instant(str(item.get("scheduled_at", "")))
    return max(sent_by, scheduled) if scheduled else sent_by
