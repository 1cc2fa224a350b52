"""One SMS as the console shows it: its status, the reason, what to do, and what happened when. Pure.

Phone numbers are masked, also inside identifiers and texts.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any, Final

from segment_msg91.masking import masked, without_numbers, without_own_number
from segment_msg91.msg91.codes import FINAL, DeliveryStatus, SendState, SuppressedBecause
from segment_msg91.msg91.failures import FAILURES, Category
from segment_msg91.times import instant

type Item = Mapping[str, Any]
"""An item of the messages or of the reports table."""
type View = dict[str, Any]
"""What is written as JSON. Absent is None."""


class Severity(StrEnum):
    """How the page shows a state."""

    GOOD = "good"
    BAD = "bad"
    WAITING = "waiting"
    DOUBT = "doubt"


@dataclass(frozen=True, slots=True)
class DisplayStatus:
    """A message's status. `sentence`: what happened, in plain words. `advice`: what to do; empty: nothing."""

    label: str
    tone: Severity
    sentence: str
    advice: str = ""


_DELIVERED: Final = DisplayStatus("Delivered", Severity.GOOD, "The phone has received it.")
_DELIVERY: Final = {
    DeliveryStatus.DELIVERED: _DELIVERED,
    DeliveryStatus.FAILED: DisplayStatus(
        "Not delivered", Severity.BAD, "MSG91 accepted it, and it did not reach the phone."
    ),
    DeliveryStatus.NDNC: DisplayStatus(
        "Not delivered", Severity.BAD, "The number is on the do-not-disturb registry (NDNC)."
    ),
    DeliveryStatus.REJECTED: DisplayStatus("Not delivered", Severity.BAD, "The operator rejected it."),
    DeliveryStatus.BLOCKED: DisplayStatus("Not delivered", Severity.BAD, "The number is blocked at MSG91."),
    DeliveryStatus.PENDING: DisplayStatus(
        "On its way",
        Severity.WAITING,
        "The operator has it and has not reached the phone yet.",
        "Wait for its next report.",
    ),
    DeliveryStatus.UNKNOWN: DisplayStatus(
        "Unclear report",
        Severity.DOUBT,
        "MSG91 sent a report whose status is not known here.",
        "Read MSG91's words below.",
    ),
    DeliveryStatus.UNREPORTED: DisplayStatus(
        "No report", Severity.DOUBT, "No final delivery report came, and MSG91's logs have none."
    ),
    DeliveryStatus.NOT_SENT: DisplayStatus(
        "Not sent", Severity.BAD, "MSG91's answer was lost, and its logs show that the SMS was not sent."
    ),
}
_ON_ITS_WAY: Final = DisplayStatus(
    "Accepted",
    Severity.WAITING,
    "MSG91 has accepted it. There is no delivery report yet.",
    "Reports take seconds to minutes. If there is none after an hour, MSG91's logs are read. If many have none, check "
    "the webhook at MSG91.",
)
_UNKNOWN: Final = DisplayStatus(
    "Outcome unknown",
    Severity.DOUBT,
    "MSG91's answer was lost, so the SMS may have been sent or not.",
    "A delivery report or MSG91's logs will show which. It is not sent again, because that could make two SMS of it.",
)
_SENDING: Final = {
    SendState.SENDING: DisplayStatus("Being sent", Severity.WAITING, "It is on its way to MSG91 right now."),
    SendState.ACCEPTED: _ON_ITS_WAY,
    SendState.REJECTED: DisplayStatus("Refused", Severity.BAD, "MSG91 refused it."),
    SendState.INVALID: DisplayStatus(
        "Not sent",
        Severity.BAD,
        "The event asks for an SMS, but a field of it is missing or malformed.",
        "Correct the event in its source or mapping. It is not sent again automatically.",
    ),
    SendState.HELD: DisplayStatus(
        "Held",
        Severity.WAITING,
        "MSG91 refuses the account or its configuration at the moment.",
        "Repair it, and Segment's next retry is sent. Segment retries for four hours.",
    ),
    SendState.RETRYABLE: DisplayStatus(
        "To be retried",
        Severity.WAITING,
        "MSG91 or the database could not be reached; nothing was sent.",
        "Segment retries the event automatically for four hours.",
    ),
    SendState.UNKNOWN: _UNKNOWN,
    SendState.SUPPRESSED: DisplayStatus(
        "Suppressed",
        Severity.BAD,
        "A rule of this stack stopped it before it was sent.",
        "The reason below names the rule. It is not sent again automatically.",
    ),
}
_SUPPRESSED: Final = {
    SuppressedBecause.OPTED_OUT: DisplayStatus(
        "Suppressed",
        Severity.BAD,
        "It was not sent, because the person has opted out.",
        "Nothing, unless the person opts in again: track SMS Opted In, then a new event. This SMS is not sent again.",
    ),
    SuppressedBecause.CAPPED: DisplayStatus(
        "Suppressed",
        Severity.BAD,
        "It was not sent, because this number had already received the most SMS that this stack allows.",
        "Find out why so many events were tracked for one number, or raise MaxSmsPerNumberPerHour. This SMS is not "
        "sent again: track a new event.",
    ),
    SuppressedBecause.COUNTRY: DisplayStatus(
        "Suppressed",
        Severity.BAD,
        "It was not sent, because this stack sends no SMS to the number's country.",
        "If it should, add the country to AllowedCountries. This SMS is not sent again: track a new event.",
    ),
    SuppressedBecause.NOT_ON_TEST_LIST: DisplayStatus(
        "Suppressed",
        Severity.BAD,
        "It was not sent, because this stack sends to test numbers only.",
        "To receive its SMS, add the number to OnlyToNumbers, and track a new event. In production, the list is empty.",
    ),
}
_STEPS: Final = {
    SendState.SENDING: "Handed to MSG91",
    SendState.ACCEPTED: "Accepted by MSG91",
    SendState.REJECTED: "Refused by MSG91",
    SendState.INVALID: "Not sent",
    SendState.HELD: "Held: MSG91 refused",
    SendState.RETRYABLE: "MSG91 not reached",
    SendState.UNKNOWN: "No answer from MSG91",
    SendState.SUPPRESSED: "Suppressed",
}

_TOO_OLD: Final = DisplayStatus(
    "No report",
    Severity.DOUBT,
    "No delivery report came, and MSG91's logs were not read in the three days that they can be.",
    "It may have arrived or not. Look it up in MSG91's panel.",
)
_CONCLUDED: Final = "No final report: closed"
_FROM_LOGS: Final = "MSG91's logs"
# What `summary` reads of a message.
SUMMARIZED: Final = (
    *("crqid", "created_at", "event_name", "event_type", "phone", "sender_id", "template_id"),
    *("send_state", "lease_until", "suppressed_because", "failure_category", "delivery_status", "concluded_at"),
)


def summary(message: Item, now: datetime) -> View:
    """Return the line of a list of messages."""
    status = display_status(message, now)
    return {
        "crqid": message["crqid"],
        "created_at": message.get("created_at"),
        "event": event_shown(message),
        "phone": masked(str(message["phone"])) if "phone" in message else None,
        "sender_id": message.get("sender_id"),
        "label": status.label,
        "tone": status.tone,
    }


def event_shown(message: Item) -> str | None:
    """Return the name of the event, without the message's own number; else its type."""
    return _redacted(message, "event_name") or message.get("event_type")


def detail(message: Item, reports: Sequence[Item], now: datetime, *, is_complete: bool) -> View:
    """Return everything that is shown of one message. `is_complete`: there are no other reports."""
    category = category_of(message)
    return {
        **summary(message, now),
        **asdict(display_status(message, now)),
        "category": category,
        "is_permanent": FAILURES[category].is_permanent if category else None,
        "is_contradicted": bool(message.get("delivery_conflict")),
        "event_type": message.get("event_type"),
        "message_id": _redacted(message, "message_id"),
        "user_id": _redacted(message, "user_id"),
        "anonymous_id": _redacted(message, "anonymous_id"),
        "request_id": message.get("request_id"),
        "template_id": message.get("template_id"),
        "encoding": message.get("encoding"),
        "parts": _whole(message.get("parts")),
        "credits": next((str(one["credits"]) for one in reversed(reports) if "credits" in one), None),
        "attempts": _whole(message.get("attempts")),
        "timeline": list(_timeline(message, reports, now)),
        "has_more_reports": not is_complete,
    }


def display_status(message: Item, now: datetime) -> DisplayStatus:
    """Return a message's status: that of its delivery if there is one, else that of its sending."""
    status = _base_status(message, now)
    category = category_of(message)
    if status.tone is Severity.GOOD or not category:
        return status
    failure = FAILURES[category]
    return DisplayStatus(status.label, status.tone, failure.sentence, failure.advice)


def _base_status(message: Item, now: datetime) -> DisplayStatus:
    if "delivery_status" in message:
        return _DELIVERY[DeliveryStatus(message["delivery_status"])]
    if "concluded_at" in message:
        return _TOO_OLD
    state = SendState(message.get("send_state", SendState.UNKNOWN))
    if state is SendState.SENDING and str(message.get("lease_until", "")) <= instant(now):
        return _UNKNOWN  # its sender was stopped midway
    because = message.get("suppressed_because")
    if state is SendState.SUPPRESSED and because in list(SuppressedBecause):
        return _SUPPRESSED[SuppressedBecause(because)]
    return _SENDING[state]


def category_of(message: Item) -> Category | None:
    """Return why a message failed, if it did."""
    name = message.get("failure_category")
    return Category(name) if name in list(Category) else None


def _timeline(message: Item, reports: Sequence[Item], now: datetime) -> Iterator[View]:
    mapping = f"(?mapping={message['mapping']})" if "mapping" in message else None
    name = " ".join(filter(None, (message.get("event_type"), _redacted(message, "event_name"), mapping)))
    yield _step(message.get("created_at"), "Event from Segment", Severity.GOOD, name)
    state = SendState(message.get("send_state", SendState.UNKNOWN))
    tone = Severity.GOOD if state is SendState.ACCEPTED else _send_status(message, now).tone
    code = message.get("error_code")
    words = (f"Code {code}" if code else None, message.get("error"))
    at = message.get("settled_at") or message.get("created_at")
    yield _step(at, _STEPS[state], tone, " · ".join(filter(None, words)))
    for report in reports:
        yield _report_step(report)
    if "concluded_at" in message:
        reason = str(message.get("delivery_description", ""))
        yield _step(message["concluded_at"], _CONCLUDED, _base_status(message, now).tone, reason)
    elif not reports and "delivery_status" in message:
        # Its report has no request id, by which reports are found.
        yield _report_step(
            {
                "status": message["delivery_status"],
                "code": message.get("delivery_code"),
                "description": message.get("delivery_description"),
                "failure_reason": message.get("failure_reason"),
                "reported_at": message.get("delivery_reported_at"),
            }
        )


def _send_status(message: Item, now: datetime) -> DisplayStatus:
    ends = ("delivery_status", "concluded_at")
    return _base_status({name: value for name, value in message.items() if name not in ends}, now)


def _report_step(report: Item) -> View:
    status = DeliveryStatus(report["status"])
    shown = _DELIVERY[status]
    source = _FROM_LOGS if report.get("webhook_version") == "logs" else "Report"
    code = report.get("code")
    words = dict.fromkeys(filter(None, (report.get("failure_reason"), report.get("description"))))
    prose = " · ".join([*words, *([f"code {code}"] if code and status in FINAL else [])])
    return _step(report.get("reported_at") or report.get("received_at"), f"{source}: {status}", shown.tone, prose)


def _step(at: object, title: str, tone: Severity, words: str) -> View:
    return {"at": at, "title": title, "tone": tone, "words": without_numbers(words) or None}


def _redacted(message: Item, name: str) -> str | None:
    """Return an identifier or name of the event's, without the message's own number."""
    value = message.get(name)
    return None if value is None else without_own_number(str(value), str(message.get("phone", "")))


def _whole(value: object) -> int | None:
    return None if value is None else int(str(value))
