"""The outcomes of events: rows to print, from the messages table and the events that Segment received."""

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from mypy_boto3_dynamodb.service_resource import Table

POLL_INTERVAL = 0.1
"""Seconds."""
DELIVERED: Final = "SMS Delivered"
CONCLUSIONS: Final = ("unreported", "not_sent")
"""The delivery statuses that no report gives."""
_EVENT_OF: Final = {"delivered": DELIVERED, **dict.fromkeys(CONCLUSIONS, "SMS Undelivered")}
"""The delivery event that is awaited, by delivery status."""

type LastEvent = Callable[[str], str | None]
"""The last delivery event of a message, by its crqid: empty if there is none yet, None if delivery events are off."""


@dataclass(frozen=True, slots=True)
class Row:
    event: str
    number: str
    sent: str
    delivery: str
    last_event: str
    """The name of the last delivery event that Segment received for it."""
    reason: str
    awaits_event: bool = False
    """Whether the event of its end is not sent yet."""

    @property
    def is_delivered(self) -> bool:
        return (self.sent, self.delivery) == ("accepted", "delivered")

    @property
    def is_settled(self) -> bool:
        """Whether nothing more is expected, except a report that changes a final status."""
        return not self.awaits_event and (self.sent != "accepted" or self.delivery not in ("", "pending", "unknown"))


def row_of(item: Mapping[str, Any], last_event: str | None) -> Row:
    def text(*names: str) -> str:
        return next((str(item[name]) for name in names if item.get(name)), "")

    status = text("delivery_status")
    reason = ("delivery_description",) if status in CONCLUSIONS else ("failure_reason", "error")
    return Row(
        event=f"{text('event_type')} {text('event_name')}".strip(),
        number=text("phone"),
        sent=text("send_state"),
        delivery=status,
        last_event=last_event or "",
        reason=text(*reason),
        awaits_event=(
            status in _EVENT_OF
            and bool(text("user_id", "anonymous_id"))  # Segment takes no event without a user
            and last_event not in (None, _EVENT_OF[status])
        ),
    )


def settled_rows(
    table: "Table",
    last_event: LastEvent,
    crqids: Sequence[str],
    timeout: float,
    is_settled: Callable[[Row], bool] = lambda row: row.is_settled,
) -> list[Row]:
    """Wait until messages have their reports and Segment their events, at most `timeout` seconds."""
    deadline = time.monotonic() + timeout
    rows = _rows(table, last_event, crqids)
    while not all(map(is_settled, rows)) and time.monotonic() < deadline:
        time.sleep(POLL_INTERVAL)
        rows = _rows(table, last_event, crqids)
    return rows


def changes(table: "Table", last_event: LastEvent) -> Iterator[Row]:
    """Yield the row of every message that appears or changes from now on. Never ends."""
    seen = _all_rows(table, last_event)
    while True:
        time.sleep(POLL_INTERVAL)
        now = _all_rows(table, last_event)
        yield from (row for crqid, row in now.items() if seen.get(crqid) != row)
        seen = now


def _all_rows(table: "Table", last_event: LastEvent) -> dict[str, Row]:
    items = table.scan(ConsistentRead=True)["Items"]
    return {str(item["crqid"]): row_of(item, last_event(str(item["crqid"]))) for item in items}


def _rows(table: "Table", last_event: LastEvent, crqids: Sequence[str]) -> list[Row]:
    items = {crqid: table.get_item(Key={"crqid": crqid}, ConsistentRead=True).get("Item", {}) for crqid in crqids}
    return [row_of(item, last_event(crqid)) for crqid, item in items.items()]
