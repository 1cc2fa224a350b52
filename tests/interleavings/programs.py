"""The processes: a delivery by Segment, a delivery report of MSG91, a reconciliation run. Each is the real code."""

import json
from collections.abc import Callable, Hashable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from functools import cache
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, Final, cast
from unittest.mock import patch
from urllib.parse import urlencode

from segment_msg91.guard_rails import GuardRails
from segment_msg91.msg91.client import Msg91
from segment_msg91.msg91.logs import Logs
from segment_msg91.recording import Recorder
from segment_msg91.settings import GuardRailSettings, IngestSettings, ReconciliationSettings, ReportSettings
from segment_msg91.store import messages, overdue, search_keys
from segment_msg91.store.messages import Messages
from segment_msg91.store.overdue import Overdue, Positions
from segment_msg91.store.queues import Queue
from segment_msg91.store.reports import Reports
from segment_msg91.use_cases.delivery_reports import NotDurableError, Reporter
from segment_msg91.use_cases.reconciliation import Reconciler
from segment_msg91.use_cases.segment_ingest import Sender, summary
from tests.fakes import events
from tests.interleavings.msg91 import Sms, Wire, india
from tests.interleavings.replay import Calls, Point, Program

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient
    from mypy_boto3_sqs import SQSClient

_BASE_URL: Final = "https://msg91.test"
_PHONE: Final = "919800000001"
_TIMEOUT: Final = timedelta(seconds=29)
_RECONCILIATION_TIMEOUT: Final = timedelta(seconds=300)
_RETENTION: Final = timedelta(days=400)
_FORM: Final = "application/x-www-form-urlencoded"
_REPORTS: Final = {"delivered": "1", "failed": "2", "pending": "Submitted"}


@dataclass(frozen=True, slots=True)
class Programs:
    """Starts processes. `report_*` is what MSG91's webhook reports; `resend_after` is ResendUnknownAfterMinutes.

    `has_guard_rails`: with a cap of one SMS to a number.
    """

    report_status: str = "delivered"
    report_has_crqid: bool = True
    resend_after: timedelta | None = None
    has_guard_rails: bool = False
    _started: dict[Hashable, Point] = field(init=False, repr=False, compare=False, default_factory=dict)

    def delivery(self, name: str, at: datetime) -> Point:
        """Deliver the one event. It ends with the HTTP status of the answer to Segment."""
        return self._start(name, at, self._delivering(events.track(_PHONE)))

    def opt_out(self, name: str, at: datetime) -> Point:
        """Deliver the event by which the person opts out of all SMS. It ends as a delivery does."""
        event = {"type": "track", "event": "SMS Opted Out", "messageId": "message-2", "properties": {"phone": _PHONE}}
        return self._start(name, at, self._delivering(event))

    def _delivering(self, event: dict[str, Any]) -> Program:
        settings = replace(IngestSettings.load(), resend_unknown_after=self.resend_after)
        own = GuardRailSettings("RecipientsTable", max_per_hour=1, max_per_day=0)

        def run(calls: Calls) -> int:
            guard_rails = GuardRails(_dynamodb(calls), settings, own) if self.has_guard_rails else None
            sender = Sender(settings, _messages(calls), _msg91(calls), calls.clock, guard_rails=guard_rails)
            results = sender.send([event], "authkey", calls.clock() + _TIMEOUT)
            return summary(results, is_batch=False)[0]

        return run

    def report(self, name: str, sms: Sms, at: datetime) -> Point:
        """Post the webhook's report of an SMS. It ends with the HTTP status of the answer to MSG91."""
        status = _REPORTS[self.report_status]
        row = {"date": india(sms.delivered_at), "number": sms.phone, "status": status, "desc": self.report_status}
        row |= {"CRQID": sms.crqid} if self.report_has_crqid else {}
        body = urlencode({"data": json.dumps([{"requestId": sms.request_id, "report": [row]}])}).encode()

        def run(calls: Calls) -> int:
            try:
                return _reporter(calls).receive(body, _FORM, calls.clock() + _TIMEOUT).http_status
            except NotDurableError:
                return 503

        return self._start(name, at, run, sms)

    def redrive(self, message: Mapping[str, Any], at: datetime) -> Point:
        """Deliver a message of the redrive queue, `message` as it was sent there."""
        attributes = {
            name: {"stringValue": attribute["StringValue"]} for name, attribute in message["MessageAttributes"].items()
        }
        record = {"body": message["MessageBody"], "messageAttributes": attributes}
        return Point.start(
            "redrive", lambda calls: _reporter(calls).redrive(record, calls.clock() + _TIMEOUT).http_status, at
        )

    def reconciliation(self, name: str, at: datetime) -> Point:
        """Reconcile. Whatever it counts, it ends equally."""

        def run(calls: Calls) -> None:
            _reconciler(calls).run("authkey", calls.clock() + _RECONCILIATION_TIMEOUT)

        return self._start(name, at, run)

    def _start(self, name: str, at: datetime, program: Program, about: Hashable = None) -> Point:
        """Start a process; the same one again if it was started already."""
        known = self._started.get((name, at, about))
        if known is None:
            known = self._started[name, at, about] = Point.start(name, _repeatable(program), at)
        return known


def _repeatable(program: Program) -> Program:
    """Let each run make the same ids.

    And let the index of messages without an end have one partition: queries of seven empty ones would prove nothing.
    """

    def run(calls: Calls) -> Hashable:
        ids = (SimpleNamespace(hex=f"claim {number} of {calls.name}") for number in range(10))
        with (
            patch.object(messages, "uuid", SimpleNamespace(uuid4=lambda: next(ids))),
            patch.object(overdue, "SHARDS", 1),
            patch.object(search_keys, "SHARDS", 1),
        ):
            return program(calls)

    return run


def _reporter(calls: Calls) -> Reporter:
    settings = ReportSettings.load()

    def queue(url: str) -> Queue:
        return Queue(lambda: cast("SQSClient", _Client("sqs", calls)), url)

    return Reporter(
        _recorder(calls),
        redrive=queue(settings.redrive_queue_url),
        quarantine=queue(settings.quarantine_queue_url),
        zone=settings.msg91_zone,
        clock=calls.clock,
    )


def _reconciler(calls: Calls) -> Reconciler:
    settings = ReconciliationSettings.load()
    return Reconciler(
        Overdue(_dynamodb(calls), settings.messages_table),
        Positions(_dynamodb(calls), settings.reports_table),
        _messages(calls),
        _recorder(calls),
        _logs(calls),
        zone=settings.msg91_zone,
        overdue_after=settings.overdue_after,
        given_up_after=settings.given_up_after,
        clock=calls.clock,
        workers=1,
    )


def _recorder(calls: Calls) -> Recorder:
    return Recorder(_messages(calls), Reports(_dynamodb(calls), "ReportsTable", _RETENTION))


def _messages(calls: Calls) -> Messages:
    return Messages(_dynamodb(calls), "MessagesTable", _RETENTION, sleep=lambda _: None)


def _dynamodb(calls: Calls) -> "DynamoDBClient":
    return cast("DynamoDBClient", _Client("dynamodb", calls))


class _Client:
    """A botocore client whose calls are a process's."""

    def __init__(self, service: str, calls: Calls) -> None:
        self._service = service
        self._calls = calls

    def __getattr__(self, operation: str) -> Callable[..., Any]:
        return lambda **arguments: self._calls.call(self._service, operation, arguments)


# MSG91's clients are slow to make, and keep nothing of a call. So all runs share one of each, and so its transport.
_SENDING: Final = Wire("msg91")
_READING: Final = Wire("logs")


@cache
def _shared_msg91() -> Msg91:
    return Msg91(_BASE_URL, _SENDING, lambda: 0.0)


@cache
def _shared_logs() -> Logs:
    return Logs(_BASE_URL, "POST", _READING)


def _msg91(calls: Calls) -> Msg91:
    _SENDING.calls = calls
    return _shared_msg91()


def _logs(calls: Calls) -> Logs:
    _READING.calls = calls
    return _shared_logs()
