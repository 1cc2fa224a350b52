"""What is written to a message, and on which condition: the two conditions here keep every promise about sending.

Sending writes what `claim`, `settlement`, `unknown` and `release` set; reporting writes the `delivery_*` attributes.
The two sets are disjoint, so a report may overtake the answer to its send. Both write three more: `failure_category`,
which a claim removes (no report can have come yet), a settlement sets if no report has, and a report sets or removes;
`request_id`, which a report writes only if there is none; and `awaiting_report`, which a claim sets, and whatever ends
the message removes.

Reconciliation writes `settlement_by_logs` to a message in doubt, and `conclusion` to one without a final report.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Final

from segment_msg91.msg91.codes import (
    CONCLUSIONS,
    FINAL,
    IN_DOUBT,
    NOT_FINAL,
    RANK,
    DeliveryStatus,
    SendState,
    SuppressedBecause,
)
from segment_msg91.msg91.failures import Category
from segment_msg91.store.aws import Attributes, Value
from segment_msg91.store.conditional_writes import Update
from segment_msg91.store.search_keys import awaiting_partition
from segment_msg91.times import instant

# What a report says of a message, without `delivery_status`, `delivery_order` and `delivery_conflict`, which it always
# sets: an attribute that the prevailing report lacks is removed.
_OF_ONE_REPORT: Final = (
    "delivery_code",
    "delivery_description",
    "failure_reason",
    "failure_category",
    "credits",
    "delivery_reported_at",
    "concluded_at",
)
# What a conclusion writes, and a claim of a message that is sent again removes.
_OF_CONCLUSION: Final = ("delivery_status", "delivery_description", "delivery_order", "concluded_at")


@dataclass(frozen=True, slots=True)
class ClaimRequest:
    """What is to be claimed: the message's key and what describes it.

    One that is `refused_as` invalid or suppressed is only put on record, with the `reason`. `write_once`: attributes
    that keep the value of the first claim. `awaits_report`: it is in the index of messages without an end until it has
    one.
    """

    crqid: str
    attributes: Mapping[str, Value | None] = field(repr=False)
    refused_as: SendState | None = None
    reason: str | None = None
    write_once: Mapping[str, Value] = field(default_factory=dict, repr=False)
    awaits_report: bool = False


@dataclass(frozen=True, slots=True)
class Claimed:
    """The message is ours to send until `lease_until`. `before`: its attributes, if known."""

    crqid: str
    claim_id: str
    lease_until: datetime
    before: Attributes = field(default_factory=dict, repr=False, compare=False)


@dataclass(frozen=True, slots=True)
class Settlement:
    """The outcome of a claim."""

    claim: Claimed
    state: SendState
    request_id: str | None = None
    error_code: str | None = None
    error: str | None = field(default=None, repr=False)
    failure_category: Category | None = None
    suppressed_because: SuppressedBecause | None = None


@dataclass(frozen=True, slots=True)
class Seen:
    """A message as reconciliation has read it. What it writes then holds for this claim in this state only."""

    crqid: str
    claim_id: str
    send_state: SendState


@dataclass(frozen=True, slots=True)
class Conclusion:
    """The end of a message of which no final report can be found. `reason` is for people."""

    status: DeliveryStatus
    reason: str
    category: Category


@dataclass(frozen=True, slots=True)
class StatusUpdate:
    """What one report says of a message."""

    status: DeliveryStatus
    code: str | None
    description: str | None
    failure_reason: str | None
    reported_at: str | None
    digest: str
    credits: Decimal | None = None
    failure_category: Category | None = None
    request_id: str | None = None

    @property
    def order(self) -> str:
        """Return a text that is the greater the more the report prevails: by rank, then time, then content.

        All reports of a message are ranked by it, so in whatever order they come the same one stays.
        """
        return f"{RANK[self.status]}#{self.reported_at or ''}#{self.digest}"


def claim(
    request: ClaimRequest,
    claim_id: str,
    now: datetime,
    lease: timedelta,
    retention: timedelta,
    resend_after: timedelta | None,
) -> Update:
    """Take a message for sending.

    Condition: there is no such message yet. Or it is known that nothing was sent (`held`, `retryable`), and no report
    has come, because a report proves a send whatever its answer was. With `resend_after` also: its outcome has been in
    doubt for that long since its lease ended; it is never refused instead, because it may have been sent. A conclusion
    is no report, and changes nothing in what is sent.
    """
    update = _update(request.crqid)
    name, value = update.name, update.value
    state = name("send_state")
    claimable = f"{state} IN ({value('held', SendState.HELD)}, {value('retryable', SendState.RETRYABLE)})"
    unreported = f"attribute_not_exists({name('delivery_status')})"
    is_refused = request.refused_as is not None
    if resend_after and not is_refused:
        concluded = ", ".join(value(str(status), status) for status in sorted(CONCLUSIONS))
        unreported = f"({unreported} OR {name('delivery_status')} IN ({concluded}))"
        in_doubt = f"{value('sending_then', SendState.SENDING)}, {value('unknown_then', SendState.UNKNOWN)}"
        since = value("in_doubt_since", instant(now - resend_after))
        claimable += f" OR ({state} IN ({in_doubt}) AND {name('lease_until')} < {since})"
    update.condition(f"attribute_not_exists({name('crqid')}) OR ({unreported} AND ({claimable}))")
    update.set(
        {
            **request.attributes,
            "claim_id": claim_id,
            "send_state": request.refused_as or SendState.SENDING,
            "error": request.reason,
            "settled_at": instant(now) if is_refused else None,
            "lease_until": None if is_refused else instant(now + lease),
            "awaiting_report": awaiting_partition(request.crqid) if request.awaits_report else None,
        },
        remove_absent=("error", "error_code", "failure_category", "settled_at", "awaiting_report"),
    )
    if resend_after and not is_refused:
        update.remove(*_OF_CONCLUSION)
    update.set_once(
        {
            **request.write_once,
            "created_at": instant(now),
            "expires_at": int((now + retention).timestamp()),
        }
    )
    update.count("attempts")
    return update


def settlement(outcome: Settlement, now: datetime) -> Update:
    """Write the outcome of a claim. Condition: the claim is still the last one.

    What is to be repeated must not be in doubt yet: then a delivery was answered that it is not sent again.
    """
    update = _update(outcome.claim.crqid)
    condition = f"{update.name('claim_id')} = {update.value('own_claim', outcome.claim.claim_id)}"
    if outcome.state in (SendState.RETRYABLE, SendState.HELD):
        condition = f"{update.name('send_state')} = {update.value('sending', SendState.SENDING)} AND {condition}"
    update.condition(condition)
    update.set(
        {
            "send_state": outcome.state,
            "settled_at": instant(now),
            "request_id": outcome.request_id,
            "error_code": outcome.error_code,
            "error": outcome.error,
            "suppressed_because": outcome.suppressed_because,
        },
        remove_absent=("error", "error_code"),
    )
    if outcome.state not in (SendState.ACCEPTED, SendState.UNKNOWN):
        update.remove("awaiting_report")
    if outcome.failure_category:
        # The claim has removed the category: if there is one now, a report has set it, and knows better.
        update.set_once({"failure_category": outcome.failure_category})
    return update


def unknown(crqid: str, claim_id: str | None, now: datetime) -> Update:
    """Record that a message is in doubt, because its sender was stopped. Condition: it is still that sender's claim."""
    update = _update(crqid)
    update.condition(
        f"{update.name('send_state')} = {update.value('sending', SendState.SENDING)}"
        f" AND {update.name('claim_id')} = {update.value('seen', claim_id or '')}"
    )
    update.set(
        {"send_state": SendState.UNKNOWN, "settled_at": instant(now), "error": "the function was stopped midway"}
    )
    return update


def release(crqid: str, claim_id: str, now: datetime) -> Update:
    """Give back a claim whose write failed for us but may have been made, so that the next delivery can send it."""
    update = _update(crqid)
    update.condition(
        f"{update.name('claim_id')} = {update.value('own_claim', claim_id)}"
        f" AND {update.name('send_state')} = {update.value('sending', SendState.SENDING)}"
    )
    update.set({"send_state": SendState.RETRYABLE, "settled_at": instant(now), "error": "the claim was lost"})
    update.remove("awaiting_report")
    return update


def status(crqid: str, phone: str | None, report: StatusUpdate, *, is_conflict: bool) -> Update:
    """Apply a report to its message.

    Condition: the message exists and is the report's: the number is the same; without a number (`phone` None), no other
    message shares its CRQID. And no report that prevails over this one was applied. And, unless `is_conflict` says that
    it is known: its status does not contradict this report's, one final status against another.
    """
    update = _update(crqid)
    name, value = update.name, update.value
    order = name("delivery_order")
    condition = f"attribute_exists({name('crqid')})"
    condition += f" AND (attribute_not_exists({order}) OR {order} < {value('order', report.order)})"
    if phone is None:
        condition += f" AND attribute_not_exists({name('crqid_shared')})"
    else:
        condition += f" AND {name('phone')} = {value('phone', phone)}"
    if not is_conflict and report.status in FINAL:
        others = ", ".join(value(str(other), other) for other in sorted(FINAL - {report.status}))
        condition += f" AND NOT {name('delivery_status')} IN ({others})"
    update.condition(condition)
    update.set(
        {
            "delivery_status": report.status,
            "delivery_code": report.code,
            "delivery_description": report.description,
            "failure_reason": report.failure_reason,
            "credits": report.credits,
            "failure_category": report.failure_category,
            "delivery_reported_at": report.reported_at,
            "delivery_order": report.order,
            "delivery_conflict": is_conflict or None,
        },
        remove_absent=_OF_ONE_REPORT,
    )
    if report.status in FINAL:
        update.remove("awaiting_report")
    if report.request_id:
        # A send whose answer was lost learns it here, so that reports without a CRQID find the message as well.
        update.set_once({"request_id": report.request_id})
    return update


def await_again(crqid: str) -> Update:
    """Put a concluded message back into the index, because a report without an end has replaced its conclusion."""
    update = _update(crqid)
    status = update.name("delivery_status")
    update.condition(f"{status} IN ({', '.join(update.value(str(one), one) for one in sorted(NOT_FINAL))})")
    update.set({"awaiting_report": awaiting_partition(crqid)})
    return update


def settlement_by_logs(seen: Seen, request_id: str | None, sent_at: datetime | None) -> Update:
    """Settle a message in doubt that MSG91's logs show: it was sent. Condition: it is still the same claim, in doubt.

    `sent_at`: when, by the logs. Without it the time of the doubt stays.
    """
    update = _update(seen.crqid)
    in_doubt = ", ".join(update.value(str(state), state) for state in sorted(IN_DOUBT))
    update.condition(
        f"{update.name('claim_id')} = {update.value('seen', seen.claim_id)}"
        f" AND {update.name('send_state')} IN ({in_doubt})"
    )
    update.set(
        {
            "send_state": SendState.ACCEPTED,
            "request_id": request_id,
            "settled_at": instant(sent_at) if sent_at else None,
        }
    )
    update.remove("error", "error_code")
    return update


def conclusion(seen: Seen, end: Conclusion, now: datetime, *, is_reported: bool = False) -> Update:
    """End a message without a final report. `is_reported`: another one has come, so it was accepted in any case.

    Condition: it is still the same claim in the same state, and no final report has come. Its order is below that of
    every report, so that one that comes after all prevails.
    """
    update = _update(seen.crqid)
    name, value = update.name, update.value
    status = name("delivery_status")
    not_final = ", ".join(value(str(one), one) for one in sorted(NOT_FINAL))
    update.condition(
        f"{name('claim_id')} = {value('seen', seen.claim_id)}"
        f" AND {name('send_state')} = {value('state', seen.send_state)}"
        f" AND (attribute_not_exists({status}) OR {status} IN ({not_final}))"
    )
    update.set(
        {
            "delivery_status": end.status,
            "delivery_description": end.reason,
            "failure_category": end.category,
            "delivery_order": f"{RANK[end.status]}#{instant(now)}",
            "concluded_at": instant(now),
            "send_state": SendState.ACCEPTED if is_reported else None,
        }
    )
    update.remove("delivery_code", "failure_reason", "delivery_reported_at", "awaiting_report")
    return update


def stop_awaiting(seen: Seen, reason: str, now: datetime) -> Update:
    """Take a message out of the index without a conclusion. Condition: it is still the same claim in the same state."""
    update = _update(seen.crqid)
    update.condition(
        f"{update.name('claim_id')} = {update.value('seen', seen.claim_id)}"
        f" AND {update.name('send_state')} = {update.value('state', seen.send_state)}"
    )
    update.set({"delivery_description": reason, "concluded_at": instant(now)})
    update.remove("awaiting_report")
    return update


def facts(crqid: str, learned: Mapping[str, Value | None]) -> Update:
    """Add what a report says although another prevails. Condition: the message exists."""
    update = _update(crqid)
    update.condition(f"attribute_exists({update.name('crqid')})")
    update.set(learned)
    return update


def _update(crqid: str) -> Update:
    return Update("crqid", crqid)
