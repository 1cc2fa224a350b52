"""What became of a message: one of eight outcomes, in the overview and in lists of messages alike."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from segment_msg91.msg91.codes import CONCLUSIONS, FAILING, FINAL, DeliveryStatus, SendState


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

MISSED: Final = "missed"
"""The end of a message that is too old for MSG91's logs, as `DeliveryStatusSuperseded` names it."""
REFUSED: Final = "refused"
"""The same of one that MSG91's API refused, counted in `SmsRejected`."""

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


@dataclass(frozen=True, slots=True)
class Counted:
    """Under which end and failure category a message is counted in the metrics. None: under none."""

    status: str | None = None
    category: str | None = None

    @classmethod
    def of(cls, message: Mapping[str, object]) -> "Counted":
        """Read a stored message."""
        category = message.get("failure_category")
        return cls(_counted_status(message), None if category is None else str(category))


def _counted_status(message: Mapping[str, object]) -> str | None:
    status = message.get("delivery_status")
    if status in FINAL or status in CONCLUSIONS:
        return str(status)
    if "concluded_at" in message:
        return MISSED
    return REFUSED if message.get("send_state") == SendState.REJECTED else None
