"""The use case of delivery reports: a webhook's body becomes stored reports, each applied to its message."""

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import FIRST_EXCEPTION, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta, timezone
from typing import Any, Final

from segment_msg91.msg91 import reports
from segment_msg91.msg91.reports import DeliveryReport
from segment_msg91.recording import Recorded, Recorder, Tally
from segment_msg91.store.aws import StoreUnavailableError
from segment_msg91.store.queues import Queue, RawReport
from segment_msg91.times import instant, parse_reported

_WORKERS: Final = 8
# This long before the function's end, reports that are not stored yet go into the redrive queue. That is time for fifty
# bodies, of ten thousand reports, with the least memory that Lambda has.
_QUEUEING_TIME: Final = timedelta(seconds=4)
_MAX_WAIT_SECONDS: Final = 900.0  # Lambda's longest timeout
_NO_DEADLINE: Final = datetime(9999, 1, 1, tzinfo=UTC)


@dataclass(slots=True)
class Receipt(Tally):
    """The outcome of a body's reports, and the changes of their messages."""

    quarantined: int = 0
    queued: int = 0
    """Reports, or bodies whose reports are not known, that wait in the redrive queue."""
    problems: list[str] = field(default_factory=list)

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


class NotDurableError(Exception):
    """Neither the tables nor the queues took a report, so MSG91 must not be answered that it was received."""

    def __init__(self, reason: str, receipt: Receipt) -> None:
        super().__init__(reason)
        self.receipt = receipt
        """The reports of the same body that were stored. The next time they are duplicates, which change nothing."""


class Reporter:
    """Receives webhook bodies, from MSG91 or from the redrive queue."""

    def __init__(
        self,
        recorder: Recorder,
        *,
        redrive: Queue,
        quarantine: Queue,
        zone: timezone,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._recorder = recorder
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
            raise NotDurableError(str(error), receipt) from error
        return receipt

    def redrive(self, record: Mapping[str, Any], deadline: datetime = _NO_DEADLINE) -> Receipt:
        """Store a body from the redrive queue. Raises NotDurableError, and then the queue tries it again."""
        receipt = Receipt()
        try:
            self._store(RawReport.of(record, instant(self._clock())), receipt, deadline)
        except StoreUnavailableError as error:
            raise NotDurableError(str(error), receipt) from error
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
        received_at = parse_reported(raw.received_at, UTC) or self._clock()
        unstored = self._store_each(reading.reports, received_at, receipt, deadline - _QUEUEING_TIME)
        for version, body in reports.bodies_of(unstored):
            part = RawReport(body, "application/json", raw.received_at, version)
            self._redrive.put(part, "no time left to store it at once")
        receipt.queued = len(unstored)
        if reading.problems:
            # The whole body: the reports in it that could be read are duplicates the next time.
            receipt.problems = reading.problems
            self._quarantine.put(raw, reading.problems[0])
            receipt.quarantined = 1

    def _store_each(
        self, found: Sequence[DeliveryReport], received_at: datetime, receipt: Receipt, stop_at: datetime
    ) -> list[DeliveryReport]:
        """Store reports; return those that are not stored at `stop_at`. Raises StoreUnavailableError."""
        if len(found) <= 1:
            for report in found:
                receipt.add(self._recorder.record(report, received_at))
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
                receipt.add(task.result())
        if errors:
            raise errors[0]
        return unstored

    def _store_until(
        self, found: Sequence[DeliveryReport], received_at: datetime, stop_at: datetime
    ) -> list[Future[Recorded]]:
        """Store reports in threads, until an error or `stop_at`. A call that hangs then is not waited for.

        Its report counts as not stored, and is stored again from the queue, which changes nothing.
        """
        pool = ThreadPoolExecutor(_WORKERS)
        tasks = [pool.submit(self._recorder.record, report, received_at) for report in found]
        wait(tasks, timeout=self._seconds_until(stop_at), return_when=FIRST_EXCEPTION)
        pool.shutdown(wait=False, cancel_futures=True)
        wait([task for task in tasks if task.running()], timeout=self._seconds_until(stop_at))
        return tasks

    def _seconds_until(self, moment: datetime) -> float:
        return min(max(0.0, (moment - self._clock()).total_seconds()), _MAX_WAIT_SECONDS)
