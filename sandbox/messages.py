"""What became of events: rows for a person, read from the messages table, and from what Segment has been told."""

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from mypy_boto3_dynamodb.service_resource import Table

LOOK_EVERY = 0.1
"""Seconds."""
DELIVERED: Final = "SMS Delivered"

type Told = Callable[[str], str | None]
"""The last delivery event of a message, by its crqid: empty while there is none, None where none is ever sent."""


@dataclass(frozen=True, slots=True)
class Row:
    event: str
    number: str
    sent: str
    delivery: str
    told: str
    """The name of the last delivery event that Segment has of it."""
    reason: str
    awaits_event: bool = False
    """Whether Segment has yet to hear of its delivery."""

    @property
    def is_delivered(self) -> bool:
        return (self.sent, self.delivery) == ("accepted", "delivered")

    @property
    def is_settled(self) -> bool:
        """Nothing more is to come, or only a report that would change a final status."""
        return not self.awaits_event and (self.sent != "accepted" or self.delivery not in ("", "pending", "unknown"))


def row_of(item: Mapping[str, Any], told: str | None) -> Row:
    def text(*names: str) -> str:
        return next((str(item[name]) for name in names if item.get(name)), "")

    return Row(
        event=f"{text('event_type')} {text('event_name')}".strip(),
        number=text("phone"),
        sent=text("send_state"),
        delivery=text("delivery_status"),
        told=told or "",
        reason=text("failure_reason", "error"),
        awaits_event=(
            text("delivery_status") == "delivered"
            and bool(text("user_id", "anonymous_id"))  # Segment takes no event without a user
            and told not in (None, DELIVERED)
        ),
    )


def settled_rows(table: "Table", told: Told, crqids: Sequence[str], within: float) -> list[Row]:
    """Waits for the reports of messages and for Segment to hear of them, at most so many seconds."""
    deadline = time.monotonic() + within
    rows = _rows(table, told, crqids)
    while not all(row.is_settled for row in rows) and time.monotonic() < deadline:
        time.sleep(LOOK_EVERY)
        rows = _rows(table, told, crqids)
    return rows


def changes(table: "Table", told: Told) -> Iterator[Row]:
    """The row of every message that appears or changes from now on. Never ends."""
    seen = _all_rows(table, told)
    while True:
        time.sleep(LOOK_EVERY)
        now = _all_rows(table, told)
        yield from (row for crqid, row in now.items() if seen.get(crqid) != row)
        seen = now


def _all_rows(table: "Table", told: Told) -> dict[str, Row]:
    items = table.scan(ConsistentRead=True)["Items"]
    return {str(item["crqid"]): row_of(item, told(str(item["crqid"]))) for item in items}


def _rows(table: "Table", told: Told, crqids: Sequence[str]) -> list[Row]:
    items = {crqid: table.get_item(Key={"crqid": crqid}, ConsistentRead=True).get("Item", {}) for crqid in crqids}
    return [row_of(item, told(crqid)) for crqid, item in items.items()]
