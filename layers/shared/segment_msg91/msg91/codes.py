"""The status tables: MSG91's report codes and texts, its API error codes, and what each means for a message.

Sources: MSG91's webhook and error-code pages; texts and CleverTap codes as seen in the wild.
"""

from enum import StrEnum
from typing import Final


class SendState(StrEnum):
    """The state of sending one message (`send_state`)."""

    SENDING = "sending"
    ACCEPTED = "accepted"
    REJECTED = "rejected"
    INVALID = "invalid"
    HELD = "held"
    RETRYABLE = "retryable"
    UNKNOWN = "unknown"
    SUPPRESSED = "suppressed"


class SuppressedBecause(StrEnum):
    """The rule that stopped an SMS before it was sent (`suppressed_because`)."""

    OPTED_OUT = "opted_out"
    CAPPED = "capped"
    COUNTRY = "country"
    NOT_ON_TEST_LIST = "not_on_test_list"


IN_DOUBT: Final = frozenset({SendState.SENDING, SendState.UNKNOWN})
"""Whether the SMS was sent is not known (`sending`: once its lease has ended)."""


class DeliveryStatus(StrEnum):
    """The status that a delivery report, or reconciliation, gives a message (`status`, `delivery_status`)."""

    DELIVERED = "delivered"
    FAILED = "failed"
    NDNC = "ndnc"
    REJECTED = "rejected"
    BLOCKED = "blocked"
    PENDING = "pending"
    UNKNOWN = "unknown"
    UNREPORTED = "unreported"
    NOT_SENT = "not_sent"


CONCLUSIONS: Final = frozenset({DeliveryStatus.UNREPORTED, DeliveryStatus.NOT_SENT})
"""What reconciliation concludes when no final report can be found. No report has these."""
NOT_FINAL: Final = frozenset({DeliveryStatus.PENDING, DeliveryStatus.UNKNOWN})
"""Reports that others follow."""
FINAL: Final = frozenset(DeliveryStatus) - NOT_FINAL - CONCLUSIONS
FAILING: Final = FINAL - {DeliveryStatus.DELIVERED}

# A higher rank replaces a lower one, never the reverse: MSG91 tries other routes after a failure, so `failed` may be
# followed by `delivered`, and a late `failed` must not hide it. Any report replaces a conclusion. As texts, in which
# form they are compared, "-1" is below "0".
RANK: Final = {
    DeliveryStatus.UNREPORTED: -1,
    DeliveryStatus.NOT_SENT: -1,
    DeliveryStatus.UNKNOWN: 0,
    DeliveryStatus.PENDING: 1,
    DeliveryStatus.FAILED: 2,
    DeliveryStatus.NDNC: 2,
    DeliveryStatus.REJECTED: 2,
    DeliveryStatus.BLOCKED: 2,
    DeliveryStatus.DELIVERED: 3,
}

REPORT_CODES: Final = {
    "1": DeliveryStatus.DELIVERED,
    "2": DeliveryStatus.FAILED,
    "9": DeliveryStatus.NDNC,
    "16": DeliveryStatus.REJECTED,
    "25": DeliveryStatus.REJECTED,
    "17": DeliveryStatus.BLOCKED,
}

# Compared in lower case with single spaces.
REPORT_TEXTS: Final = {
    "delivered": DeliveryStatus.DELIVERED,
    "failed": DeliveryStatus.FAILED,
    "auto failed": DeliveryStatus.FAILED,
    "bounced": DeliveryStatus.FAILED,
    "undelivered": DeliveryStatus.FAILED,
    "ndnc": DeliveryStatus.NDNC,
    "ndnc number": DeliveryStatus.NDNC,
    "rejected": DeliveryStatus.REJECTED,
    "rejected by provider": DeliveryStatus.REJECTED,
    "rejected by kannel or provider": DeliveryStatus.REJECTED,
    "blocked": DeliveryStatus.BLOCKED,
    "blocked number": DeliveryStatus.BLOCKED,
    "number under blocked circle": DeliveryStatus.BLOCKED,
    "opt-out": DeliveryStatus.BLOCKED,
    "opt out": DeliveryStatus.BLOCKED,
    "opted out": DeliveryStatus.BLOCKED,
    "pending": DeliveryStatus.PENDING,
    "report pending": DeliveryStatus.PENDING,
    "submitted": DeliveryStatus.PENDING,
    "sent": DeliveryStatus.PENDING,
}

# The codes of the CleverTap form (webhook v4's `code`) that say more than its event `failed`.
CLEVERTAP_CODES: Final = {
    "901": DeliveryStatus.NDNC,
    "903": DeliveryStatus.REJECTED,
    "913": DeliveryStatus.NDNC,
}


class ErrorClass(StrEnum):
    """What an error of MSG91's API means for the event that caused the call."""

    EVENT = "event"  # the event is wrong: final
    ACCOUNT = "account"  # the account is: hold until the customer has repaired it
    TEMPLATE = "template"  # the template is missing or wrong: hold as well; only its own messages are concerned
    TRANSIENT = "transient"  # retry
    DUPLICATE = "duplicate"  # MSG91 has this SMS already


API_ERRORS: Final[dict[str, tuple[ErrorClass, str]]] = {
    "001": (ErrorClass.TRANSIENT, "MSG91 could not process the request"),
    "002": (ErrorClass.TRANSIENT, "MSG91 could not process the request"),
    "101": (ErrorClass.EVENT, "missing mobile number"),
    "102": (ErrorClass.EVENT, "missing message"),
    "103": (ErrorClass.EVENT, "missing sender id"),
    "104": (ErrorClass.ACCOUNT, "missing user name"),
    "105": (ErrorClass.ACCOUNT, "missing password"),
    "106": (ErrorClass.ACCOUNT, "missing authkey"),
    "107": (ErrorClass.ACCOUNT, "missing route"),
    "201": (ErrorClass.ACCOUNT, "invalid user name or password"),
    "202": (ErrorClass.EVENT, "invalid mobile number"),
    "203": (ErrorClass.EVENT, "invalid sender id, or its DLT entity id is missing"),
    "204": (ErrorClass.ACCOUNT, "the authkey has no permission to send SMS"),
    "205": (ErrorClass.EVENT, "MSG91 does not allow what the event asks for"),
    "207": (ErrorClass.ACCOUNT, "invalid authkey"),
    "208": (ErrorClass.ACCOUNT, "IP address not whitelisted"),
    "209": (ErrorClass.ACCOUNT, "the route or account is not enabled"),
    "210": (ErrorClass.ACCOUNT, "the route or account is not enabled"),
    "211": (ErrorClass.EVENT, "empty DLT id (template or principal entity)"),
    "301": (ErrorClass.ACCOUNT, "insufficient balance"),
    "302": (ErrorClass.ACCOUNT, "expired account"),
    "303": (ErrorClass.ACCOUNT, "banned account"),
    "306": (ErrorClass.TRANSIENT, "the route is open from 9 to 21 h only"),
    "307": (ErrorClass.EVENT, "bad schedule time"),
    "308": (ErrorClass.EVENT, "campaign name too long"),
    "309": (ErrorClass.EVENT, "text too long"),
    "310": (ErrorClass.EVENT, "text too long"),
    "311": (ErrorClass.DUPLICATE, "the same text went to this number less than 10 s ago"),
    "400": (ErrorClass.TEMPLATE, "the template id is missing or invalid"),
    "418": (ErrorClass.ACCOUNT, "IP address not whitelisted"),
    "505": (ErrorClass.ACCOUNT, "the account is not set up for this"),
    "506": (ErrorClass.ACCOUNT, "the account is not set up for this"),
    "601": (ErrorClass.TRANSIENT, "internal error of MSG91"),
}

# MSG91 often omits the code, or writes one that is not known. Then these words, in lower case, distinguish errors that
# the customer can repair from errors of the event. The template errors have also been answered although all was right.
ACCOUNT_ERROR_WORDS: Final = (
    "authkey",
    "authentication",
    "insufficient balance",
    "whitelist",
    "banned",
    "expired account",
    "no permission",
)
TEMPLATE_ERROR_WORDS: Final = (
    "template id missing",
    "template id is invalid",
    "flow id is invalid",
    "invalid template",
)

# MSG91 sends no delivery report after these (webhook page): the answer to the send is the only record there is.
WITHOUT_REPORT: Final = frozenset({"203", "211", "301"})


def report_status(code: str | None, *texts: str | None) -> DeliveryStatus:
    """Return a report's status by its numeric code, else by the first text that is known, else `unknown`."""
    if code in REPORT_CODES:
        return REPORT_CODES[code]
    for text in (code, *texts):
        status = REPORT_TEXTS.get(" ".join((text or "").lower().replace("_", " ").split()))
        if status:
            return status
    return DeliveryStatus.UNKNOWN


def error_class(code: str | None, message: str) -> ErrorClass:
    """Class an API error. One that is not known is the event's: final, stored and counted, not retried for hours."""
    if code in API_ERRORS:
        return API_ERRORS[code][0]
    words = message.lower()
    if any(phrase in words for phrase in TEMPLATE_ERROR_WORDS):
        return ErrorClass.TEMPLATE
    if code is None and any(phrase in words for phrase in ACCOUNT_ERROR_WORDS):
        return ErrorClass.ACCOUNT
    return ErrorClass.EVENT
