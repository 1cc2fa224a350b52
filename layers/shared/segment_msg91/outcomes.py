"""What became of a message: one of eight outcomes, in the overview and in lists of messages alike."""

from collections.abc import Mapping
from enum import StrEnum
from typing import Final

from segment_msg91.msg91.codes import FAILING, DeliveryStatus, SendState


class Outcome(StrEnum):
    """What became of a message."""

    DELIVERED = "delivered"
    FAILED = "failed"
    NO_REPORT = "no_report"
    WAITING = "waiting"
    SUPPRESSED = "suppressed"
    REFUSED = "refused"
    INVALID = "invalid"
    HELD = "held"


SENT: Final = (Outcome.DELIVERED, Outcome.FAILED, Outcome.NO_REPORT, Outcome.WAITING)
"""MSG91 has accepted it, or may have. Only the first three are in a rate."""

_OF_STATUS: Final = {
    DeliveryStatus.DELIVERED: Outcome.DELIVERED,
    **dict.fromkeys(FAILING, Outcome.FAILED),
    DeliveryStatus.NOT_SENT: Outcome.FAILED,
    DeliveryStatus.UNREPORTED: Outcome.NO_REPORT,
}
_OF_SENDING: Final = {
    SendState.ACCEPTED: Outcome.WAITING,
    SendState.UNKNOWN: Outcome.WAITING,
    SendState.SENDING: Outcome.WAITING,
    SendState.SUPPRESSED: Outcome.SUPPRESSED,
    SendState.REJECTED: Outcome.REFUSED,
    SendState.INVALID: Outcome.INVALID,
    SendState.HELD: Outcome.HELD,
    SendState.RETRYABLE: Outcome.HELD,
}


def outcome_of(message: Mapping[str, object]) -> Outcome:
    """Return what became of a message, by its attributes: its delivery if that has an end, else its sending."""
    status = message.get("delivery_status")
    if status in _OF_STATUS:
        return _OF_STATUS[DeliveryStatus(str(status))]
    if "concluded_at" in message:
        return Outcome.NO_REPORT  # too old for MSG91's logs
    return _OF_SENDING[SendState(str(message.get("send_state", SendState.UNKNOWN)))]


def share_delivered(delivered: int, failed: int, no_report: int) -> float | None:
    """Return the part of the messages with an end that was delivered; None if none has one."""
    ended = delivered + failed + no_report
    return round(delivered / ended, 4) if ended else None
