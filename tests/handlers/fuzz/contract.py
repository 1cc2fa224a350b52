"""The contract of design.md for answers and stored items: the fuzz tests' oracle.

It shares no code with the code under test. Each function returns violations; none means that all is correct.
"""

import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from tests.fakes.aws import Item
    from tests.fakes.msg91 import SentSms
    from tests.handlers.conftest import Answer

type Check = Callable[[Any], bool]

MAX_ITEM_BYTES: Final = 400 * 1024
MAX_HASH_KEY_BYTES: Final = 2048
MAX_SORT_KEY_BYTES: Final = 1024
MAX_BAD_PHONE_LENGTH: Final = 32

_SEND_STATES: Final = frozenset(
    ["sending", "accepted", "rejected", "invalid", "held", "retryable", "unknown", "suppressed"]
)
_STATUSES: Final = frozenset(["delivered", "failed", "ndnc", "rejected", "blocked", "pending", "unknown"])
_OF_INDIA: Final = frozenset(["dlt_template", "dlt_entity", "dlt_header", "dlt_consent", "dnd"])
_OF_PHONES: Final = frozenset(["blocked", "invalid_number", "unreachable", "expired", "rejected_by_operator"])
_CATEGORIES: Final = _OF_INDIA | _OF_PHONES | {"duplicate", "balance", "account", "other"}
_INSTANT: Final = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{3})?Z", re.ASCII)


def _is_text(value: object) -> bool:
    return isinstance(value, str) and bool(value) and value.strip() == value


def _is_instant(value: object) -> bool:
    return isinstance(value, str) and bool(_INSTANT.fullmatch(value)) and bool(datetime.fromisoformat(value))


def _is_whole(value: object) -> bool:
    return isinstance(value, Decimal) and value == int(value) and value > 0


def is_phone(value: object) -> bool:
    return isinstance(value, str) and bool(re.fullmatch(r"[1-9]\d{6,14}", value, re.ASCII))


def _is_phone_or_its_text(value: object) -> bool:
    return is_phone(value) or (_is_text(value) and len(str(value)) <= MAX_BAD_PHONE_LENGTH)


def _is_json(value: object) -> bool:
    def refuse(_: str) -> None:
        raise ValueError

    json.loads(str(value), parse_constant=refuse)
    return True


def _matches(pattern: str) -> Check:
    return lambda value: isinstance(value, str) and bool(re.fullmatch(pattern, value, re.ASCII))


def _is_in(values: frozenset[str]) -> Check:
    return lambda value: value in values


MESSAGE: Final[Mapping[str, Check]] = {
    "crqid": _matches("[A-Za-z0-9]{1,52}"),
    **dict.fromkeys(("message_id", "event_type", "event_name", "user_id", "anonymous_id", "error"), _is_text),
    "mapping": _matches("[A-Za-z0-9_-]{1,40}"),
    **dict.fromkeys(("sender_id", "template_id", "request_id", "error_code", "claim_id"), _is_text),
    "phone": _is_phone_or_its_text,
    "encoding": _is_in(frozenset({"GSM-7", "UCS-2"})),
    "send_state": _is_in(_SEND_STATES),
    **dict.fromkeys(("parts", "attempts", "expires_at"), _is_whole),
    **dict.fromkeys(("created_at", "settled_at", "lease_until", "scheduled_at"), _is_instant),
    "awaiting_report": _matches("[0-7]"),
    "crqid_shared": lambda value: value is True,
    "suppressed_because": _is_in(frozenset({"opted_out", "capped", "country", "not_on_test_list"})),
}
REPORT: Final[Mapping[str, Check]] = {
    **dict.fromkeys(("report_group", "report_id", "request_id", "crqid", "matched", "sender_id"), _is_text),
    **dict.fromkeys(("code", "description", "failure_reason", "campaign_name", "msg91_user_id"), _is_text),
    **dict.fromkeys(("client_id", "inmsid", "country_code"), _is_text),
    **dict.fromkeys(("phone", "unmatched_phone"), _is_phone_or_its_text),
    "status": _is_in(_STATUSES),
    "failure_category": _is_in(_CATEGORIES),
    "webhook_version": _is_in(frozenset({"v2", "v3", "v4", "new"})),
    **dict.fromkeys(("amount", "credits"), lambda value: isinstance(value, Decimal)),
    **dict.fromkeys(("reported_at", "received_at"), _is_instant),
    "expires_at": _is_whole,
    "raw": _is_json,
}
_ALWAYS_IN_MESSAGE: Final = {"crqid", "event_type", "send_state", "attempts", "claim_id", "created_at", "expires_at"}
_ALWAYS_IN_REPORT: Final = {
    "report_group",
    "report_id",
    "status",
    "webhook_version",
    "received_at",
    "expires_at",
    "raw",
}


def about_answer(answer: "Answer", expected: frozenset[int]) -> Iterator[str]:
    """Check an answer of either endpoint: a status of the contract, and JSON with a one-line message."""
    if answer.status not in expected:
        yield f"answered {answer.status}: {answer.body}"
    message = answer.body.get("message")
    if not isinstance(message, str) or not message.strip() or "\n" in message:
        yield f"no one line for a person: {message!r}"
    try:
        json.dumps(answer.body, ensure_ascii=False).encode()
    except UnicodeEncodeError:
        yield "an answer that is no UTF-8"


def about_segment(answer: "Answer", messages: Sequence["Item"], sent: Sequence["SentSms"]) -> Iterator[str]:
    """Check the result of an event, while MSG91 accepts everything and AWS works."""
    yield from about_answer(answer, frozenset({200, 400, 401, 413}))
    results = answer.body.get("results", [])
    if not {result["status"] for result in results} <= {"accepted", "duplicate", "skipped", "invalid", "suppressed"}:
        yield f"results that nothing explains: {results}"
    states = {message.get("send_state") for message in messages}
    if not states <= ({"accepted", "invalid", "suppressed"} if answer.status == 200 else {"invalid"}):
        yield f"answered {answer.status}, and stored as {states}"
    if messages and not results:
        yield "stored, but not answered"
    accepted = sorted((message["crqid"], message["phone"]) for message in messages if "request_id" in message)
    if accepted != sorted((sms.crqid or "", sms.number) for sms in sent):
        yield f"sent {sent}, and on record as accepted {accepted}"
    if len(accepted) != sum(result["status"] == "accepted" for result in results):
        yield f"on record as accepted {accepted}, but answered {results}"
    for message in messages:
        yield from about_message(message)


def about_message(message: "Item") -> Iterator[str]:
    """Check an item of the messages table, whose request has been answered."""
    yield from _about_item(message, MESSAGE, _ALWAYS_IN_MESSAGE)
    yield from _about_keys(message, hashes=("crqid", "phone"), sorts=("created_at",))
    is_invalid = message.get("send_state") == "invalid"
    is_refused = message.get("send_state") in ("invalid", "suppressed")
    if ("awaiting_report" in message) == is_refused:
        yield "ended, and waits for a report, or the reverse"
    if is_invalid:
        if "error" not in message or "settled_at" not in message:
            yield "invalid, and not why or since when"
    elif not is_phone(message.get("phone")) or "settled_at" not in message:
        yield "sent, without a phone number or its time"
    if ("suppressed_because" in message) != (message.get("send_state") == "suppressed"):
        yield "suppressed, and not why, or the reverse"


def about_report(report: "Item") -> Iterator[str]:
    """Check an item of the reports table."""
    yield from _about_item(report, REPORT, _ALWAYS_IN_REPORT)
    yield from _about_keys(report, hashes=("report_group", "unmatched_phone"), sorts=("report_id", "reported_at"))
    if report.get("unmatched_phone") != (None if "matched" in report else report.get("phone")):
        yield "matched and unmatched at once, or neither"


def _about_item(item: "Item", checks: Mapping[str, Check], always: set[str]) -> Iterator[str]:
    if missing := always - set(item):
        yield f"without {missing}"
    for name, value in item.items():
        if name not in checks:
            yield f"{name} is no attribute of the contract"
        elif not _holds(checks[name], value):
            yield f"{name} is {str(value)[:100]!r}"
    if sum(len(f"{name}{value}".encode()) for name, value in item.items()) > MAX_ITEM_BYTES:
        yield "larger than an item can be"


def _about_keys(item: "Item", hashes: Sequence[str], sorts: Sequence[str]) -> Iterator[str]:
    """Check the lengths of keys, which moto does not check in indexes."""
    for names, most in ((hashes, MAX_HASH_KEY_BYTES), (sorts, MAX_SORT_KEY_BYTES)):
        for name in names:
            if len(str(item.get(name, "")).encode()) > most:
                yield f"{name} is longer than a key can be"


def _holds(check: Check, value: object) -> bool:
    try:
        return check(value)
    except ValueError:
        return False
