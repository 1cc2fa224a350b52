"""The use case of delivery reports: a webhook's body becomes stored reports, each applied to its message."""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import FIRST_EXCEPTION, Future, ThreadPoolExecutor, wait
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime, timedelta, timezone
from typing import Any, Final

from segment_msg91.msg91 import reports
from segment_msg91.msg91.codes import DeliveryStatus, SendState
from segment_msg91.msg91.reports import DeliveryReport
from segment_msg91.store.aws import StoreUnavailableError
from segment_msg91.store.messages import Applied, Messages, StatusUpdate
from segment_msg91.store.queues import Queue, RawReport
from segment_msg91.store.reports import ReportItem, Reports
from segment_msg91.times import instant, parse_instant, parse_reported

_WORKERS: Final = 8
# This long before the function's end, reports that are not stored yet go into the redrive queue. That is time for fifty
# bodies, of ten thousand reports, with the least memory that Lambda has.
_QUEUEING_TIME: Final = timedelta(seconds=4)
_MAX_WAIT_SECONDS: Final = 900.0  # Lambda's longest timeout
_NO_DEADLINE: Final = datetime(9999, 1, 1, tzinfo=UTC)
_IN_KEY_ONLY: Final = frozenset({"digest", "meta", "phone"})
_MAX_CODE_LENGTH_IN_KEY: Final = 32  # characters: DynamoDB's sort keys hold 1024 bytes

type _Stored = tuple[DeliveryReport, Applied | None, bool]  # the message it was applied to, and whether it is new


class NotDurableError(Exception):
    """Neither the tables nor the queues took a report, so MSG91 must not be answered that it was received."""


@dataclass(slots=True)
class Receipt:
    """The outcome of a body's reports, and the changes of their messages."""

    stored: int = 0
    duplicates: int = 0
    quarantined: int = 0
    queued: int = 0
    """Reports, or bodies whose reports are not known, that wait in the redrive queue."""
    unmatched: int = 0
    conflicts: int = 0
    problems: list[str] = field(default_factory=list)
    statuses: Counter[str] = field(default_factory=Counter)
    categories: Counter[str] = field(default_factory=Counter)
    latencies: list[float] = field(default_factory=list)

    @property
    def http_status(self) -> int:
        """200 when every report is in the table, 202 when some wait in a queue."""
        return 202 if self.quarantined or self.queued else 200

    @property
    def message(self) -> str:
        """Return one line that a person understands."""
        if self.queued:
            return f"Waiting in a queue, to be stored within minutes: {self.queued}. Reports stored: {self.stored}."
        if self.quarantined:
            reason = self.problems[0] if self.problems else "it could not be read"
            return f"Kept unchanged for a person to read: {reason}. Reports stored: {self.stored}."
        return f"Reports stored: {self.stored}, duplicates: {self.duplicates}."


class Reporter:
    """Receives webhook bodies, from MSG91 or from the redrive queue."""

    def __init__(
        self,
        messages: Messages,
        table: Reports,
        *,
        redrive: Queue,
        quarantine: Queue,
        zone: timezone,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._messages = messages
        self._table = table
        self._redrive = redrive
        self._quarantine = quarantine
        self._zone = zone
        self._clock = clock

    def receive(self, body: bytes, content_type: str, deadline: datetime = _NO_DEADLINE) -> Receipt:
        """Make a body from the webhook durable: in the tables, or in a queue. Raises NotDurableError.

        `deadline` is when the function is stopped. What can't be stored well before goes into the redrive queue.
        """
        raw = RawReport(body, content_type, instant(self._clock()))
        receipt = Receipt()
        try:
            self._store_or_keep(raw, receipt, deadline)
        except StoreUnavailableError as error:
            raise NotDurableError(str(error)) from error
        return receipt

    def redrive(self, record: Mapping[str, Any], deadline: datetime = _NO_DEADLINE) -> Receipt:
        """Store a body from the redrive queue. Raises StoreUnavailableError, and then the queue tries it again."""
        receipt = Receipt()
        self._store(RawReport.of(record, instant(self._clock())), receipt, deadline)
        return receipt

    def _store_or_keep(self, raw: RawReport, receipt: Receipt, deadline: datetime) -> None:
        try:
            self._store(raw, receipt, deadline)
        except StoreUnavailableError as error:
            self._redrive.put(raw, str(error))
            receipt.queued = 1
        except Exception as error:  # noqa: BLE001 - MSG91 may send it only once: keep the body at any error
            receipt.problems.append(f"unexpected {type(error).__name__}")
            self._quarantine.put(raw, receipt.problems[-1])
            receipt.quarantined = 1

    def _store(self, raw: RawReport, receipt: Receipt, deadline: datetime) -> None:
        reading = reports.read(raw.body, self._zone, raw.webhook_version)
        if reading.problems:
            # The whole body: the reports in it that could be read are duplicates the next time.
            self._quarantine.put(raw, reading.problems[0])
            receipt.quarantined = 1
            receipt.problems = reading.problems
        received_at = parse_reported(raw.received_at, UTC) or self._clock()
        unstored = self._store_each(reading.reports, received_at, receipt, deadline - _QUEUEING_TIME)
        for version, body in reports.bodies_of(unstored):
            part = RawReport(body, "application/json", raw.received_at, version)
            self._redrive.put(part, "no time left to store it at once")
        receipt.queued = len(unstored)

    def _store_each(
        self, found: Sequence[DeliveryReport], received_at: datetime, receipt: Receipt, stop_at: datetime
    ) -> list[DeliveryReport]:
        """Store reports; return those that are not stored at `stop_at`. Raises StoreUnavailableError."""
        if len(found) <= 1:
            for report in found:
                _count(receipt, self._store_one(report, received_at))
            return []
        if not self._seconds_until(stop_at):
            return list(found)
        tasks = self._store_until(found, received_at, stop_at)
        errors: list[BaseException] = []
        unstored: list[DeliveryReport] = []
        for report, task in zip(found, tasks, strict=True):
            if task.cancelled() or not task.done():
                unstored.append(report)
            elif error := task.exception():
                errors.append(error)
            else:
                _count(receipt, task.result())
        if errors:
            raise errors[0]
        return unstored

    def _store_until(
        self, found: Sequence[DeliveryReport], received_at: datetime, stop_at: datetime
    ) -> list[Future[_Stored]]:
        """Store reports in threads, until an error or `stop_at`. A call that hangs then is not waited for.

        Its report counts as not stored, and is stored again from the queue, which changes nothing.
        """
        pool = ThreadPoolExecutor(_WORKERS)
        tasks = [pool.submit(self._store_one, report, received_at) for report in found]
        wait(tasks, timeout=self._seconds_until(stop_at), return_when=FIRST_EXCEPTION)
        pool.shutdown(wait=False, cancel_futures=True)
        wait([task for task in tasks if task.running()], timeout=self._seconds_until(stop_at))
        return tasks

    def _seconds_until(self, moment: datetime) -> float:
        return min(max(0.0, (moment - self._clock()).total_seconds()), _MAX_WAIT_SECONDS)

    def _store_one(self, report: DeliveryReport, received_at: datetime) -> _Stored:
        """Apply first, then record: a report that is recorded has been applied."""
        applied = self._apply(report)
        is_new = self._table.record(_item(report, applied, received_at), received_at)
        return report, applied, is_new

    def _apply(self, report: DeliveryReport) -> Applied | None:
        """Apply a report to the message with its CRQID and number, else to that with its request id and number."""
        delivery = StatusUpdate(
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


def _item(report: DeliveryReport, applied: Applied | None, received_at: datetime) -> ReportItem:
    group = report.request_id or report.crqid or report.meta or (report.reported_at or instant(received_at))[:10]
    attributes = {name: value for name, value in asdict(report).items() if name not in _IN_KEY_ONLY}
    code = (report.code or "")[:_MAX_CODE_LENGTH_IN_KEY]
    return ReportItem(
        report_group=group,
        report_id="#".join((report.reported_at or "", report.phone or "", code, report.digest)),
        phone=report.phone,
        matched=applied.crqid if applied else None,
        attributes=attributes,
    )


def _count(receipt: Receipt, stored: _Stored) -> None:
    report, applied, is_new = stored
    if not is_new:
        receipt.duplicates += 1
        return
    receipt.stored += 1
    receipt.statuses[report.status] += 1
    if report.failure_category:
        receipt.categories[report.failure_category] += 1
    if applied is None:
        receipt.unmatched += 1
        return
    receipt.conflicts += applied.is_conflict
    before = applied.before
    if report.status is DeliveryStatus.DELIVERED and before.get("delivery_status") != DeliveryStatus.DELIVERED:
        accepted_at = parse_instant(str(before.get("settled_at", "")))
        reported_at = parse_instant(report.reported_at or "")
        if accepted_at and reported_at and before.get("send_state") == SendState.ACCEPTED:
            receipt.latencies.append(max(0.0, (reported_at - accepted_at).total_seconds()))
