"""What became of events: rows for a person, read from the messages table."""

import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mypy_boto3_dynamodb.service_resource import Table

LOOK_EVERY = 0.1
"""Seconds."""


@dataclass(frozen=True, slots=True)
class Row:
    event: str
    number: str
    sent: str
    delivery: str
    reason: str

    @property
    def is_delivered(self) -> bool:
        return (self.sent, self.delivery) == ("accepted", "delivered")

    @property
    def is_settled(self) -> bool:
        """Nothing more is to come, or only a report that would change a final status."""
        return self.sent != "accepted" or self.delivery not in ("", "pending", "unknown")


def row_of(item: Mapping[str, Any]) -> Row:
    def text(*names: str) -> str:
        return next((str(item[name]) for name in names if item.get(name)), "")

    return Row(
        event=f"{text('event_type')} {text('event_name')}".strip(),
        number=text("phone"),
        sent=text("send_state"),
        delivery=text("delivery_status"),
        reason=text("failure_reason", "error"),
    )


def settled_rows(table: "Table", crqids: Sequence[str], within: float) -> list[Row]:
    """Waits for the reports of messages, at most so many seconds."""
    deadline = time.monotonic() + within
    rows = _rows(table, crqids)
    while not all(row.is_settled for row in rows) and time.monotonic() < deadline:
        time.sleep(LOOK_EVERY)
        rows = _rows(table, crqids)
    return rows


def changes(table: "Table") -> Iterator[Row]:
    """The row of every message that appears or changes from now on. Never ends."""
    seen = _all_rows(table)
    while True:
        time.sleep(LOOK_EVERY)
        now = _all_rows(table)
        yield from (row for crqid, row in now.items() if seen.get(crqid) != row)
        seen = now


def _all_rows(table: "Table") -> dict[str, Row]:
    return {str(item["crqid"]): row_of(item) for item in table.scan(ConsistentRead=True)["Items"]}


def _rows(table: "Table", crqids: Sequence[str]) -> list[Row]:
    return [row_of(table.get_item(Key={"crqid": crqid}, ConsistentRead=True).get("Item", {})) for crqid in crqids]
