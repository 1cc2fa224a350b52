"""A delivery report, from a webhook or from MSG91's logs: applied to its message, then recorded."""

from collections import Counter
from dataclasses import asdict, dataclass, field, replace
from datetime import datetime
from typing import TYPE_CHECKING, Final

from segment_msg91.msg91.codes import CONCLUSIONS, FINAL, DeliveryStatus, SendState
from segment_msg91.msg91.reports import DeliveryReport
from segment_msg91.outcomes import REFUSED, Counted
from segment_msg91.store.aws import Attributes
from segment_msg91.store.messages import Applied, Effect, Messages, StatusUpdate
from segment_msg91.store.reports import ReportItem, Reports
from segment_msg91.times import instant, parse_instant

if TYPE_CHECKING:
    from segment_msg91.guard_rails import ReportedOptOuts

_IN_KEY_ONLY: Final = frozenset({"digest", "meta", "phone"})
_NOT_KNOWN_AS_ACCEPTED: Final = frozenset({SendState.UNKNOWN, SendState.HELD, SendState.RETRYABLE})
_MAX_CODE_LENGTH_IN_KEY: Final = 32  # characters: DynamoDB's sort keys hold 1024 bytes


@dataclass(frozen=True, slots=True)
class Recorded:
    """A report, the message it was applied to if there is one, and whether it is new."""

    report: DeliveryReport
    applied: Applied | None
    is_new: bool
    received_at: datetime


@dataclass(slots=True)
class Tally:
    """What recorded reports have changed, for the metrics."""

    stored: int = 0
    duplicates: int = 0
    unmatched: int = 0
    conflicts: int = 0
    statuses: Counter[str] = field(default_factory=Counter)
    categories: Counter[str] = field(default_factory=Counter)
    superseded_statuses: Counter[str] = field(default_factory=Counter)
    """Counted statuses that are not, or no longer, a message's. Less than 0: of a message, and not counted for it."""
    superseded_categories: Counter[str] = field(default_factory=Counter)
    accepted: int = 0
    """Messages in doubt that MSG91 has accepted after all."""
    latencies: list[float] = field(default_factory=list)
    """Seconds from acceptance to delivery."""

    def add(self, recorded: Recorded) -> None:
        """Count one report; a repeated one only as such."""
        report = recorded.report
        self._take(recorded)
        if not recorded.is_new:
            self.duplicates += 1
            return
        self.stored += 1
        self.statuses[report.status] += 1
        if report.failure_category:
            self.categories[report.failure_category] += 1
        if recorded.applied is None:
            self.unmatched += 1
            return
        self.conflicts += recorded.applied.is_conflict
        before = recorded.applied.before
        if report.status is DeliveryStatus.DELIVERED and before.get("delivery_status") != DeliveryStatus.DELIVERED:
            accepted_at = parse_instant(str(before.get("settled_at", "")))
            reported_at = parse_instant(report.reported_at or "")
            if accepted_at and reported_at and before.get("send_state") == SendState.ACCEPTED:
                self.latencies.append(max(0.0, (reported_at - accepted_at).total_seconds()))

    def supersede(self, counted: Counted, messages: int = 1) -> None:
        """Take back under what a message was counted."""
        if counted.status:
            self.superseded_statuses[counted.status] += messages
        if counted.category:
            self.superseded_categories[counted.category] += messages

    def _take(self, recorded: Recorded) -> None:
        """Take back what is counted and no message has."""
        report, applied = recorded.report, recorded.applied
        counted = Counted(report.status if report.status in FINAL else None, report.failure_category)
        is_of_message = applied is not None and applied.effect is not Effect.OUTRANKED
        if recorded.is_new and not is_of_message:
            self.supersede(counted)
        if applied is None or applied.effect is not Effect.PREVAILED:
            return
        if not recorded.is_new:
            # It was counted when it had no message, or never: an earlier run has recorded it and was stopped.
            self.supersede(counted, -1)
        before = Counted.of(applied.before)
        is_refused_still = before.status == REFUSED and report.status not in FINAL
        self.supersede(replace(before, status=None) if is_refused_still else before)
        self.accepted += _shows_acceptance(applied.before, recorded.received_at)


class Recorder:
    """Applies reports to messages and records them. Safe to call from several threads.

    `opt_outs`: opts out the numbers of reports that say so; None if no report does.
    """

    def __init__(self, messages: Messages, table: Reports, opt_outs: "ReportedOptOuts | None" = None) -> None:
        self._messages = messages
        self._table = table
        self._opt_outs = opt_outs

    def record(self, report: DeliveryReport, received_at: datetime) -> Recorded:
        """Apply a webhook's report, then record it. Raises StoreUnavailableError.

        In this order a report that is recorded has been applied, and its number is opted out. If recording fails, the
        body is retried.
        """
        applied = self._apply(report)
        crqid = applied.crqid if applied else None
        if self._opt_outs:
            number = applied.before.get("phone") if applied else None
            self._opt_outs.record(report, report.phone or (str(number) if number else None), received_at)
        is_new = self._table.record(_item(report, crqid, received_at), received_at)
        return Recorded(report, applied, is_new, received_at)

    def record_for(self, crqid: str, report: DeliveryReport, received_at: datetime) -> Recorded:
        """Record a row of the logs, then apply it to its message. Raises StoreUnavailableError.

        In this order a message that has its end has this row as well. If applying fails, it is looked up again.
        """
        if self._opt_outs:
            self._opt_outs.record(report, report.phone, received_at)
        is_new = self._table.record(_item(report, crqid, received_at), received_at)
        applied = self._messages.apply(crqid, report.phone, _status_update(report))
        return Recorded(report, applied, is_new, received_at)

    def _apply(self, report: DeliveryReport) -> Applied | None:
        """Apply a report to the message with its CRQID and number, else to that with its request id and number."""
        delivery = _status_update(report)
        # MSG91 may echo another recipient's CRQID. Without a number to check it, only v4 is believed, which has none.
        crqid = report.crqid or report.meta
        if crqid and (report.phone or report.webhook_version == "v4"):
            applied = self._messages.apply(crqid, report.phone, delivery)
            if applied:
                return applied
        if report.request_id and report.phone:
            key = self._messages.find(report.request_id, report.phone)
            return self._messages.apply(key, report.phone, delivery) if key else None
        return None


def _shows_acceptance(before: Attributes, now: datetime) -> bool:
    """Whether a message's first report is what shows that MSG91 has accepted it: the answer to its send does not.

    Of a message that is being sent, the answer is still to come.
    """
    if before.get("delivery_status", DeliveryStatus.UNREPORTED) not in CONCLUSIONS:
        return False
    if before.get("send_state") == SendState.SENDING:
        return str(before.get("lease_until", "")) < instant(now)
    return before.get("send_state") in _NOT_KNOWN_AS_ACCEPTED


def _status_update(report: DeliveryReport) -> StatusUpdate:
    return StatusUpdate(
        status=report.status,
        code=report.code,
        description=report.description,
        failure_reason=report.failure_reason,
        reported_at=report.reported_at,
        digest=report.digest,
        credits=report.credits,
        failure_category=report.failure_category,
        request_id=report.request_id,
    )


def _item(report: DeliveryReport, crqid: str | None, received_at: datetime) -> ReportItem:
    group = report.request_id or report.crqid or report.meta or (report.reported_at or instant(received_at))[:10]
    attributes = {name: value for name, value in asdict(report).items() if name not in _IN_KEY_ONLY}
    code = (report.code or "")[:_MAX_CODE_LENGTH_IN_KEY]
    return ReportItem(
        report_group=group,
        report_id="#".join((report.reported_at or "", report.phone or "", code, report.digest)),
        phone=report.phone,
        matched=crqid,
        attributes=attributes,
    )
