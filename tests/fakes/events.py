"""Events as Segment sends them."""

from collections.abc import Callable
from typing import Any

type Track = Callable[..., dict[str, Any]]


def track(number: str, message_id: str | None = "message-1", **properties: object) -> dict[str, Any]:
    """Return a track event that asks for an SMS; further properties by name."""
    standard = {"phone": number, "message": "Your order is on its way", "senderID": "MSGIND"}
    event: dict[str, Any] = {"type": "track", "event": "Order Shipped", "properties": standard | properties}
    return event if message_id is None else event | {"messageId": message_id}
