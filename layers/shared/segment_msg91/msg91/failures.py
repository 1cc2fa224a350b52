"""Why an SMS failed: categories that a person can act on, derived from MSG91's codes and texts. Pure.

Sources: MSG91's help pages on failed messages and on DLT, CleverTap's callback codes, the DLT platforms' error names.
A text that is not mapped yet is `other`, and counted. To map it, add a phrase to `PHRASES`.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from segment_msg91.msg91.codes import FAILING, DeliveryStatus


class Category(StrEnum):
    """Why a message failed (`failure_category`)."""

    DLT_TEMPLATE = "dlt_template"
    DLT_ENTITY = "dlt_entity"
    DLT_HEADER = "dlt_header"
    DLT_CONSENT = "dlt_consent"
    DND = "dnd"
    VARIABLE_LENGTH = "variable_length"
    BLOCKED = "blocked"
    OPT_OUT = "opt_out"
    TIMING = "timing"
    INVALID_NUMBER = "invalid_number"
    UNREACHABLE = "unreachable"
    EXPIRED = "expired"
    REJECTED_BY_OPERATOR = "rejected_by_operator"
    DUPLICATE = "duplicate"
    BALANCE = "balance"
    ACCOUNT = "account"
    PERMISSION = "permission"
    FIELD = "field"
    DROPPED = "dropped"
    UNCONFIRMED = "unconfirmed"
    NOT_SENT = "not_sent"
    OTHER = "other"


@dataclass(frozen=True, slots=True)
class Failure:
    """What a category means.

    `is_permanent`: the same SMS fails again until its text, its number or a registration is changed. Otherwise it may
    be delivered later, when the phone can be reached or the account is repaired.
    """

    is_permanent: bool
    sentence: str
    advice: str


_PERMANENT: Final = True
_TEMPORARY: Final = False

FAILURES: Final[Mapping[Category, Failure]] = {
    Category.DLT_TEMPLATE: Failure(
        _PERMANENT,
        "India's DLT registry has no active template that fits this text.",
        "Compare the text with the approved template, word by word and variable by variable; check the template's "
        "status on the DLT portal, and its id at MSG91 or in DLT_TE_ID.",
    ),
    Category.DLT_ENTITY: Failure(
        _PERMANENT,
        "India's DLT registry does not accept the sending company (principal entity).",
        "Check on the DLT portal that the entity is active and bound to MSG91 as its telemarketer, and that MSG91 has "
        "the entity's id.",
    ),
    Category.DLT_HEADER: Failure(
        _PERMANENT,
        "The sender id (DLT header) is missing, not registered, or not linked to this template.",
        "Register the sender id on the DLT portal, link it to the template and add it at MSG91; then send with it as "
        "senderID.",
    ),
    Category.DLT_CONSENT: Failure(
        _PERMANENT,
        "India's DLT registry has no consent of this person for such messages.",
        "Record the consent on the DLT portal, or send it with a template for messages that need none.",
    ),
    Category.DND: Failure(
        _PERMANENT,
        "The number is on the do-not-disturb list (DND, NDNC), which promotional messages may not reach.",
        "Leave it out of promotional audiences; transactional messages (route 4, with such a sender id and template) "
        "may go to it.",
    ),
    Category.VARIABLE_LENGTH: Failure(
        _PERMANENT,
        "A variable of the template is longer than the DLT rules allow.",
        "Shorten its value (30 characters at most, by some operators 40), or register a template with more variables.",
    ),
    Category.BLOCKED: Failure(
        _PERMANENT,
        "The number is blocked at MSG91 or at its operator.",
        "Leave the number out of audiences, or ask MSG91 to unblock it.",
    ),
    Category.OPT_OUT: Failure(
        _PERMANENT,
        "The owner of the number has opted out.",
        "Respect it, and leave the number out of audiences.",
    ),
    Category.TIMING: Failure(
        _TEMPORARY,
        "Promotional and service-explicit SMS are only delivered during the day: 10 to 21 h in India.",
        "Send it again during these hours. MSG91 does not postpone it.",
    ),
    Category.INVALID_NUMBER: Failure(
        _PERMANENT,
        "The number does not exist, or cannot receive SMS.",
        "Correct the number in Segment, with its country code.",
    ),
    Category.UNREACHABLE: Failure(
        _TEMPORARY,
        "The phone was off, out of coverage or full, or its network had trouble.",
        "Nothing is wrong here; send it again later, if it still matters.",
    ),
    Category.EXPIRED: Failure(
        _TEMPORARY,
        "The operator tried to deliver it until its time was over.",
        "Nothing is wrong here; send it again later, if it still matters.",
    ),
    Category.REJECTED_BY_OPERATOR: Failure(
        _PERMANENT,
        "MSG91 or the operator refused it, for example as spam, without details.",
        "Look for text that a spam filter may dislike, such as links. Give MSG91 the request id and ask why.",
    ),
    Category.DUPLICATE: Failure(
        _TEMPORARY,
        "The same text went to this number shortly before, so this one was dropped.",
        "Nothing to do for this person; find out why there were two events.",
    ),
    Category.BALANCE: Failure(
        _TEMPORARY,
        "The balance at MSG91 is used up.",
        "Recharge it. What Segment delivers again within its four hours is then sent; replay what is older.",
    ),
    Category.ACCOUNT: Failure(
        _TEMPORARY,
        "MSG91 refuses the account: its key, its IP address, its route or its state.",
        "Check the authkey in the secret, the key's IP security and the account at MSG91. What Segment delivers again "
        "within its four hours is then sent; replay what is older.",
    ),
    Category.PERMISSION: Failure(
        _TEMPORARY,
        "The authkey has no permission to send SMS.",
        "Give the key this permission at MSG91, or put another key into the secret. What Segment delivers again within "
        "its four hours is then sent; replay what is older.",
    ),
    Category.FIELD: Failure(
        _PERMANENT,
        "MSG91 refuses a field of the event, such as the time in schtime.",
        "Correct the field that MSG91's own words name, stored with the message, then track a new event.",
    ),
    Category.DROPPED: Failure(
        _TEMPORARY,
        "MSG91 accepted it and did not send it: its logs do not know it.",
        "Check the authkey and its permissions, the balance and the template at MSG91. Give MSG91 the request id and "
        "ask why. To send it again, send the event with a new messageId.",
    ),
    Category.UNCONFIRMED: Failure(
        _TEMPORARY,
        "No final delivery report came, and MSG91's logs have none.",
        "It may have arrived or not. Give MSG91 the request id and ask, if it matters.",
    ),
    Category.NOT_SENT: Failure(
        _TEMPORARY,
        "MSG91's answer was lost, and its logs show that the SMS was not sent.",
        "To send it after all, send the event with a new messageId. The same event is not sent again.",
    ),
    Category.OTHER: Failure(
        _TEMPORARY,
        "MSG91 gave no reason, or one that is not known here.",
        "Read MSG91's own words, stored with the message and its reports. Give MSG91 the request id and ask why.",
    ),
}

# Codes of the CleverTap form with one clear meaning: v4's `code`, v2's `ctCode`.
CLEVERTAP: Final = {
    "901": Category.DND,
    "902": Category.REJECTED_BY_OPERATOR,  # spam
    "906": Category.DLT_HEADER,
    "907": Category.DLT_ENTITY,
    "908": Category.DLT_TEMPLATE,
    "909": Category.DLT_CONSENT,
    "912": Category.UNREACHABLE,  # the inbox is full
    "913": Category.DND,
    "916": Category.EXPIRED,
    "917": Category.EXPIRED,
    "918": Category.DUPLICATE,
}
# Vague codes: a text may say more. "Subscriber" (905, 910) is absent or invalid; the milder meaning is assumed.
CLEVERTAP_VAGUE: Final = {
    "903": Category.REJECTED_BY_OPERATOR,
    "905": Category.UNREACHABLE,
    "910": Category.UNREACHABLE,
}

STATUS: Final = {DeliveryStatus.NDNC: Category.DND}
STATUS_VAGUE: Final = {
    DeliveryStatus.BLOCKED: Category.BLOCKED,
    DeliveryStatus.REJECTED: Category.REJECTED_BY_OPERATOR,
}

# Error codes of MSG91's API. Those of `codes.API_ERRORS` that are missing here fit no category.
API: Final = {
    "101": Category.INVALID_NUMBER,
    "102": Category.FIELD,
    "103": Category.DLT_HEADER,
    "104": Category.ACCOUNT,
    "105": Category.ACCOUNT,
    "106": Category.ACCOUNT,
    "107": Category.ACCOUNT,
    "201": Category.ACCOUNT,
    "202": Category.INVALID_NUMBER,
    "203": Category.DLT_HEADER,
    "204": Category.PERMISSION,
    "207": Category.ACCOUNT,
    "208": Category.ACCOUNT,
    "209": Category.ACCOUNT,
    "210": Category.ACCOUNT,
    "211": Category.DLT_TEMPLATE,
    "301": Category.BALANCE,
    "302": Category.ACCOUNT,
    "303": Category.ACCOUNT,
    "307": Category.FIELD,
    "308": Category.FIELD,
    "309": Category.FIELD,
    "310": Category.FIELD,
    "311": Category.DUPLICATE,
    "400": Category.DLT_TEMPLATE,
    "418": Category.ACCOUNT,
    "505": Category.ACCOUNT,
    "506": Category.ACCOUNT,
}

# What the texts say, from the top: the first phrase that is found counts. Compared in lower case, letters and digits
# apart, everything else as a space, and from the beginning of a word: "absent" finds `ABSENT-SUB`, "template" finds
# `5304Template ID not found`.
PHRASES: Final = (
    (Category.BALANCE, ("insufficient balance", "insufficient credit", "low balance", "no balance", "no credit")),
    (Category.PERMISSION, ("authkey has no permission", "no permission", "not permitted")),
    (Category.ACCOUNT, ("authkey", "auth key", "authentication key", "ip not", "ip is", "ip address")),
    (Category.ACCOUNT, ("banned", "expired account", "expired user", "user account", "demo account")),
    (Category.DUPLICATE, ("duplicate",)),
    (Category.TIMING, ("invalid sms timing", "sms timing", "invalid timing", "time restriction")),
    (Category.OPT_OUT, ("opt out", "optout", "opted out", "unsubscribed")),
    (Category.VARIABLE_LENGTH, ("template variable exceeded", "variable length", "variable exceed", "var length")),
    (Category.FIELD, ("schedule time", "campaign name", "missing message", "message length", "too long")),
    (Category.DLT_CONSENT, ("consent", "not optin", "not opted in")),
    (Category.DND, ("dnd", "ndnc", "do not disturb", "preference")),
    (Category.DLT_HEADER, ("header", "sender", "sndr")),
    (Category.DLT_ENTITY, ("entity", "peid", "pe id", "pe tm", "telemarketer")),
    # The text's links must be registered as well. A bare "DLT" or "scrubbing" is mostly about the template.
    (Category.DLT_TEMPLATE, ("template", "flow", "url", "cta", "dlt", "scrub")),
    (Category.INVALID_NUMBER, ("invalid number", "invalid mobile", "invalid phone", "invalid msisdn", "invalid dest")),
    (Category.INVALID_NUMBER, ("missing mobile", "number does not exist", "not a valid number", "not a valid mobile")),
    (Category.INVALID_NUMBER, ("invalid sub", "unknown sub", "unknwn", "illegal sub", "ilegal", "landline")),
    (Category.INVALID_NUMBER, ("teleservice", "tleservce", "message service not supported")),
    (Category.UNREACHABLE, ("absent", "abssub", "unreachable", "not reachable", "switched off", "out of coverage")),
    (Category.UNREACHABLE, ("temporarily", "unavailable", "inbox", "memexcd", "memory", "handset", "busy", "bsy")),
    (Category.UNREACHABLE, ("network fail", "network error", "nwfail", "system failure", "sm delivery failure")),
    (Category.UNREACHABLE, ("hlr", "roaming", "congestion")),
    (Category.BLOCKED, ("blocked", "blacklist", "barred")),
    (Category.EXPIRED, ("expir", "maximum retries", "timeout", "timed out", "smstmout")),
    (Category.REJECTED_BY_OPERATOR, ("reject", "refused", "spam", "filter")),
)

_WORDS: Final = re.compile(r"[a-z]+|[0-9]+")


def of_report(
    status: DeliveryStatus, code: str | None, description: str | None, failure_reason: str | None
) -> Category | None:
    """Return why a message failed according to a delivery report; None if the report is no failure.

    `code` is CleverTap's if there is one; MSG91's own codes say no more than the status.
    """
    if status not in FAILING:
        return None
    return (
        CLEVERTAP.get(code or "")
        or STATUS.get(status)
        or _of_text(failure_reason)
        or _of_text(description)
        or CLEVERTAP_VAGUE.get(code or "")
        or STATUS_VAGUE.get(status)
        or Category.OTHER
    )


def of_refusal(error_code: str | None, error: str | None) -> Category | None:
    """Return why MSG91's API refused a message; None without an error."""
    if not error_code and not error:
        return None
    return API.get(error_code or "") or _of_text(error) or Category.OTHER


def _of_text(text: str | None) -> Category | None:
    words = " " + " ".join(_WORDS.findall((text or "").lower()))
    return next((category for category, phrases in PHRASES if any(f" {phrase}" in words for phrase in phrases)), None)
