"""The use cases and the store on both engines' tables, with a fake MSG91 and a clock that tests set."""

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Final

import pytest

from segment_msg91.guard_rails import GuardRails
from segment_msg91.recording import Recorder
from segment_msg91.settings import IngestSettings, ReportSettings
from segment_msg91.store.messages import Messages
from segment_msg91.store.overdue import Overdue, Positions
from segment_msg91.store.queues import Queue
from segment_msg91.store.reports import Reports
from segment_msg91.use_cases.delivery_reports import Reporter
from segment_msg91.use_cases.reconciliation import Reconciler, Reconciliation
from segment_msg91.use_cases.segment_ingest import Result, Sender
from tests.engines import ENGINES
from tests.fakes.msg91_logs import FakeLogs

if TYPE_CHECKING:
    from tests.fakes.aws import Aws
    from tests.fakes.clock import Clock
    from tests.fakes.dynamodb import UnreliableDynamoDb
    from tests.fakes.msg91 import FakeMsg91

type Send = Callable[..., list[Result]]
type Reconcile = Callable[..., Reconciliation]

RETENTION: Final = timedelta(days=400)


@pytest.fixture(params=ENGINES)
def engine(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def messages(dynamodb: "UnreliableDynamoDb") -> Messages:
    return Messages(dynamodb.client, "MessagesTable", RETENTION)


@pytest.fixture
def reports(dynamodb: "UnreliableDynamoDb") -> Reports:
    return Reports(dynamodb.client, "ReportsTable", RETENTION)


@pytest.fixture
def send(messages: Messages, dynamodb: "UnreliableDynamoDb", msg91: "FakeMsg91", clock: "Clock") -> Send:
    """Deliver events to a Sender with the template's settings, except those that are given.

    `elsewhere`: in another execution environment, which sees only what the table has of this one's writes.
    """

    def deliver(
        *events: Any,  # noqa: ANN401 - any JSON
        seconds: float = 29,
        authkey: str = "authkey",
        elsewhere: bool = False,
        **settings: Any,  # noqa: ANN401 - any setting
    ) -> list[Result]:
        store = Messages(dynamodb.client, "MessagesTable", RETENTION) if elsewhere else messages
        chosen = replace(IngestSettings.load(), **settings)
        guard_rails = GuardRails(dynamodb.client, chosen, chosen.guard_rails) if chosen.guard_rails else None
        sender = Sender(chosen, store, msg91.client(), clock, guard_rails=guard_rails)
        return sender.send(events, authkey, clock() + timedelta(seconds=seconds))

    return deliver


@pytest.fixture
def redrive(aws: "Aws") -> Queue:
    return Queue(lambda: aws.sqs, ReportSettings.load().redrive_queue_url)


@pytest.fixture
def quarantine(aws: "Aws") -> Queue:
    return Queue(lambda: aws.sqs, ReportSettings.load().quarantine_queue_url)


@pytest.fixture
def reporter(messages: Messages, reports: Reports, redrive: Queue, quarantine: Queue, clock: "Clock") -> Reporter:
    zone = ReportSettings.load().msg91_zone
    recorder = Recorder(messages, reports)
    return Reporter(recorder, redrive=redrive, quarantine=quarantine, zone=zone, clock=clock)


@pytest.fixture
def logs(clock: "Clock") -> FakeLogs:
    return FakeLogs(clock)


@pytest.fixture
def reconcile(
    messages: Messages, reports: Reports, dynamodb: "UnreliableDynamoDb", logs: FakeLogs, clock: "Clock"
) -> Reconcile:
    """Run a reconciliation with the template's settings, except those that are given.

    `elsewhere`: in another execution environment, which does not know what this one asked for.
    """
    environments: dict[bool, Reconciler] = {}

    def make(overdue_minutes: float, given_up_hours: float, workers: int) -> Reconciler:
        return Reconciler(
            Overdue(dynamodb.client, "MessagesTable"),
            Positions(dynamodb.client, "ReportsTable"),
            messages,
            Recorder(messages, reports),
            logs.client(),
            zone=ReportSettings.load().msg91_zone,
            overdue_after=timedelta(minutes=overdue_minutes),
            given_up_after=timedelta(hours=given_up_hours),
            clock=clock,
            workers=workers,
        )

    def run(
        *,
        seconds: float = 300,
        authkey: str = "authkey",
        elsewhere: bool = False,
        overdue_minutes: float = 60,
        given_up_hours: float = 46,
        workers: int = 2,
    ) -> Reconciliation:
        reconciler = environments.get(elsewhere) or make(overdue_minutes, given_up_hours, workers)
        environments[elsewhere] = reconciler
        return reconciler.run(authkey, clock() + timedelta(seconds=seconds))

    return run
