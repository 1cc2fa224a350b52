"""Delivery events: the changes of a message between two states of its item, as Segment track events. Pure."""

from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from typing import Any, Final

from segment_msg91 import VERSION
from segment_msg91.mapping import INTEGRATION_NAME
from segment_msg91.msg91.codes import CONCLUSIONS, DeliveryStatus, SendState
from segment_msg91.times import instant, parse_instant

type Message = Mapping[str, object]
"""The attributes of a message's item."""


class EventName(StrEnum):
    """Segment's spec has no page about SMS; these are the names in use."""

    SENT = "SMS Sent"
    DELIVERED = "SMS Delivered"
    UNDELIVERED = "SMS Undelivered"
    FAILED = "SMS Failed"
    SUPPRESSED = "SMS Suppressed"


# The event of each status that ends a message. MSG91 accepted all that are reported; only `failed` was on its way to
# the phone. A conclusion does not say how far the message came.
EVENT_OF: Final = {
    DeliveryStatus.DELIVERED: EventName.DELIVERED,
    DeliveryStatus.FAILED: EventName.UNDELIVERED,
    DeliveryStatus.NDNC: EventName.FAILED,
    DeliveryStatus.REJECTED: EventName.FAILED,
    DeliveryStatus.BLOCKED: EventName.FAILED,
    DeliveryStatus.UNREPORTED: EventName.UNDELIVERED,
    DeliveryStatus.NOT_SENT: EventName.UNDELIVERED,
}
# The event of each state that ends a message without a report.
_EVENT_OF_SEND: Final[Mapping[str, EventName]] = {
    SendState.REJECTED: EventName.FAILED,
    SendState.SUPPRESSED: EventName.SUPPRESSED,
}
_FAILURES: Final = frozenset({EventName.UNDELIVERED, EventName.FAILED})


class NoUserError(ValueError):
    """The message's event had neither userId nor anonymousId, one of which Segment requires."""


def track_events(before: Message, after: Message, written_at: datetime) -> list[dict[str, Any]]:
    """Return the events that lie between two states of a message, in their order; an empty state is no message.

    Each event happens once for a message: its messageId consists of the message's key and the event's name, so that
    Segment drops repeats. `written_at`, when the item became `after`, replaces dates that a report lacks. Raises
    NoUserError.
    """
    happened = [name for name in _event_names(after) if name not in _event_names(before)]
    return [_event(name, after, written_at) for name in happened]


def _event_names(message: Message) -> list[EventName]:
    names: list[EventName] = []
    # A report proves that MSG91 accepted the message, even if the answer to its send was lost. A conclusion does not.
    status = _delivery_status(message)
    if _is_accepted(message) or (status and status not in CONCLUSIONS):
        names.append(EventName.SENT)
    if status in EVENT_OF:
        names.append(EVENT_OF[status])
    if status is None and (outcome := _EVENT_OF_SEND.get(str(message.get("send_state")))):
        names.append(outcome)
    return names


def _delivery_status(message: Message) -> DeliveryStatus | None:
    """Return the status that decides the outcome. MSG91's refusal of the send replaces what was concluded before it."""
    status = DeliveryStatus(str(message["delivery_status"])) if "delivery_status" in message else None
    return None if status in CONCLUSIONS and _is_rejected(message) else status


def _event(name: EventName, message: Message, written_at: datetime) -> dict[str, Any]:
    users = {"userId": message.get("user_id"), "anonymousId": message.get("anonymous_id")}
    if not any(users.values()):
        raise NoUserError
    sent_at = _sent_at(message, written_at)
    return {
        "type": "track",
        "event": name,
        "messageId": f"{message['crqid']}-{name.lower().replace(' ', '-')}",
        "timestamp": instant(sent_at if name is EventName.SENT else _outcome_at(message, sent_at, written_at)),
        **_present(users),
        "properties": _present(_properties(name, message, written_at)),
        "context": {
            "traits": _present({"phone": message.get("phone")}),
            # The loop guard: an event with our name in it sends no SMS when it is routed back to us.
            "integration": {"name": INTEGRATION_NAME, "version": VERSION},
        },
    }


def _properties(name: EventName, message: Message, written_at: datetime) -> dict[str, object]:
    properties = {
        "message_id": message.get("message_id"),
        "event_name": message.get("event_name"),
        "mapping": message.get("mapping"),
        "request_id": message.get("request_id"),
        "sender_id": message.get("sender_id"),
        "parts": message.get("parts"),
        "credits": message.get("credits"),
        "status": message.get("delivery_status"),
        "code": message.get("delivery_code"),
    }
    if name is EventName.SENT:
        # What its report says is in another event.
        properties |= {"status": SendState.ACCEPTED, "code": None}
    elif _delivery_status(message) is None:
        properties |= {"status": message.get("send_state"), "code": message.get("error_code")}
    if name in _FAILURES:
        words = ("failure_reason", "delivery_description", "error") if _delivery_status(message) else ("error",)
        properties["failure_reason"] = next((message[word] for word in words if word in message), None)
        properties["failure_category"] = message.get("failure_category")
    if name is EventName.SUPPRESSED:
        properties |= {"suppressed_because": message.get("suppressed_because"), "reason": message.get("error")}
    accepted_at = _instant_of(message, "settled_at")
    if name is EventName.DELIVERED and accepted_at and _is_accepted(message):
        delivered_at = _outcome_at(message, accepted_at, written_at)
        properties["seconds_to_delivery"] = (delivered_at - accepted_at).total_seconds()
    return properties


def _sent_at(message: Message, written_at: datetime) -> datetime:
    """Return when MSG91 accepted the message: when that was settled, or else when it was first claimed.

    A send that was never settled is known by its report only, which may lack its time. No report is older than this.
    """
    name = "settled_at" if _is_accepted(message) else "created_at"
    return _instant_of(message, name) or written_at


def _outcome_at(message: Message, sent_at: datetime, written_at: datetime) -> datetime:
    """Return the time of the outcome, by its report or conclusion, or when MSG91's API or a rule of ours refused it.

    Never before the send: reports have whole seconds, by another clock.
    """
    match _delivery_status(message):
        case None:
            name = "settled_at"
        case status:
            name = "concluded_at" if status in CONCLUSIONS else "delivery_reported_at"
    return max(_instant_of(message, name) or written_at, sent_at)


def _is_accepted(message: Message) -> bool:
    return message.get("send_state") == SendState.ACCEPTED


def _is_rejected(message: Message) -> bool:
    return message.get("send_state") == SendState.REJECTED


def _instant_of(message: Message, name: str) -> datetime | None:
    return parse_instant(str(message.get(name, "")))


def _present(members: Mapping[str, object]) -> dict[str, object]:
    """Return what is not absent or empty, numbers as JSON has them."""
    present = {name: value for name, value in members.items() if value not in (None, "")}
    return {name: _number(value) if isinstance(value, Decimal) else value for name, value in present.items()}


def _number(value: Decimal) -> int | float:
    return int(value) if value == value.to_integral_value() else float(value)
