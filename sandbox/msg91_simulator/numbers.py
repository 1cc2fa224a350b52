"""The magic numbers: 9198000000NN does what the table says for NN, every other number is delivered."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from enum import Enum
from typing import Final

PREFIX: Final = "9198000000"


class Arrival(Enum):
    """When a report comes; the simulator's delays give the seconds."""

    SOON = "soon"
    LATE = "late"
    OVERDUE = "overdue"
    """When the simulator is asked for overdue reports; until then the SMS is pending."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What one delivery report says."""

    status: str
    description: str
    failed_reason: str = ""
    clevertap_event: str = "failed"
    """The event in webhook v4; empty if v4 has none, and so no report."""
    clevertap_code: int | None = None
    arrival: Arrival = Arrival.SOON
    dated_back: int = 0
    """Seconds by which the report's date is older than the report."""
    is_posted: bool = True
    """Whether it comes by webhook. The logs have it in any case."""


@dataclass(frozen=True, slots=True)
class Behaviour:
    sentence: str
    reports: tuple[Outcome, ...] = ()
    answer: str = "success"
    """A name of answers.ANSWERS; a number with another answer than success fails the whole call."""


DELIVERED: Final = Outcome("1", "DELIVERED", clevertap_event="delivered", clevertap_code=900)
DELIVERED_LATE: Final = Outcome("1", "DELIVERED", "", "delivered", 900, Arrival.LATE)
DLT_FAILED: Final = Outcome("2", "FAILED", "Template Inactive on DLT", clevertap_code=908)
FAILED_BEFORE: Final = Outcome("2", "FAILED", "Absent Subscriber", clevertap_code=905, dated_back=60)
PENDING_BEFORE: Final = Outcome("Pending", "PENDING", clevertap_event="", dated_back=60)
NDNC: Final = Outcome("9", "NDNC", "NDNC Number", clevertap_code=913)
REJECTED: Final = Outcome("16", "REJECTED", "Rejected By Provider", clevertap_code=903)
REJECTED_BY_KANNEL: Final = Outcome("25", "REJECTED", "Rejected by Kannel or Provider", clevertap_code=903)
BLOCKED: Final = Outcome("17", "BLOCKED NUMBER", "Blocked Number", clevertap_code=914)
DELIVERED_UNREPORTED: Final = replace(DELIVERED, is_posted=False)
DELIVERED_OVERDUE: Final = replace(DELIVERED, arrival=Arrival.OVERDUE)
# msg91.md has these texts, and no codes for them.
OPT_OUT: Final = Outcome("Opt-out", "OPT-OUT", "Opt-out")
AUTO_FAILED: Final = Outcome("Auto failed", "AUTO FAILED", "Absent Subscriber", clevertap_code=905)
INVALID_TIMING: Final = Outcome("2", "FAILED", "Invalid SMS Timing", clevertap_code=914)

IS_DELIVERED: Final = Behaviour("delivered", (DELIVERED,))

NUMBERS: Final[Mapping[str, Behaviour]] = {
    "01": IS_DELIVERED,
    "02": Behaviour("failed: Template Inactive on DLT", (DLT_FAILED,)),
    "03": Behaviour("NDNC (9)", (NDNC,)),
    "04": Behaviour("rejected (16)", (REJECTED,)),
    "05": Behaviour("rejected (25)", (REJECTED_BY_KANNEL,)),
    "06": Behaviour("blocked number (17)", (BLOCKED,)),
    "07": Behaviour("delivered, the report is late", (DELIVERED_LATE,)),
    "08": Behaviour("delivered, the report is sent twice", (DELIVERED, DELIVERED)),
    "09": Behaviour("failed on one route, then delivered over another", (FAILED_BEFORE, DELIVERED)),
    "10": Behaviour("delivered, then an older report of failure", (DELIVERED, FAILED_BEFORE)),
    "11": Behaviour("delivered, then an older report of pending", (DELIVERED, PENDING_BEFORE)),
    "12": Behaviour("pending, then delivered", (PENDING_BEFORE, DELIVERED)),
    "13": Behaviour("sent, without a report; pending in the logs"),
    "14": Behaviour("delivered, the report is lost; the logs have it", (DELIVERED_UNREPORTED,)),
    "15": Behaviour("pending until overdue reports are posted, then delivered", (DELIVERED_OVERDUE,)),
    "16": Behaviour("the number has opted out", (OPT_OUT,)),
    "17": Behaviour("failed: Invalid SMS Timing", (INVALID_TIMING,)),
    "18": Behaviour("failed automatically: Absent Subscriber", (AUTO_FAILED,)),
    "20": Behaviour("accepted and dropped: not sent, no report, in no log", answer="dropped"),
    "21": Behaviour("code 301: insufficient balance", answer="301"),
    "22": Behaviour("code 203: invalid sender id", answer="203"),
    "23": Behaviour("code 211: empty DLT id", answer="211"),
    "24": Behaviour("code 202: invalid mobile number", answer="202"),
    "25": Behaviour("code 418 in `msg`: address not whitelisted", answer="418"),
    "26": Behaviour("code 418 in `apiError`, HTTP 401: address not whitelisted", answer="418-401"),
    "27": Behaviour("code 207: invalid authkey", answer="207"),
    "28": Behaviour("HTTP 403 without a code: invalid request", answer="403"),
    "29": Behaviour("code 999: an unknown code", answer="999"),
    "30": Behaviour("code 400: template id missing or invalid", answer="400"),
    "31": Behaviour("code 001: transient", answer="001"),
    "32": Behaviour("code 002: transient", answer="002"),
    "33": Behaviour("HTTP 429: too many requests", answer="429"),
    "34": Behaviour("HTTP 500", answer="500"),
    "35": Behaviour("HTTP 503", answer="503"),
    "36": Behaviour("code 311: a duplicate", answer="311"),
    "37": Behaviour("code 204: the authkey has no permission", answer="204"),
    "38": Behaviour("HTTP 502 of a gateway; sent and delivered", (DELIVERED,), answer="502-sent"),
    "39": Behaviour("HTTP 504 of a gateway; not sent", answer="504"),
    "41": Behaviour("no answer in time; sent and delivered", (DELIVERED,), answer="silent"),
    "42": Behaviour("connection reset; not sent", answer="reset"),
    "43": Behaviour("connection reset; sent and delivered", (DELIVERED,), answer="reset-sent"),
    "44": Behaviour("HTML at HTTP 200; sent and delivered", (DELIVERED,), answer="html"),
    "45": Behaviour("an empty answer; sent and delivered", (DELIVERED,), answer="empty"),
    "46": Behaviour("an answer cut off; sent and delivered", (DELIVERED,), answer="cut-off"),
    "47": Behaviour("an answer cut off; sent, without a report; pending in the logs", answer="cut-off"),
    "48": Behaviour("an answer cut off; delivered, the report is lost", (DELIVERED_UNREPORTED,), answer="cut-off"),
}


def behaviour_of(number: str) -> Behaviour:
    prefix, suffix = number[:-2], number[-2:]
    return NUMBERS.get(suffix, IS_DELIVERED) if prefix == PREFIX else IS_DELIVERED
