"""The use cases and the store on both engines' tables, with a fake MSG91 and a clock that tests set."""

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Final

import pytest

from segment_msg91.settings import IngestSettings, ReportSettings
from segment_msg91.store.messages import Messages
from segment_msg91.store.queues import Queue
from segment_msg91.store.reports import Reports
from segment_msg91.use_cases.delivery_reports import Reporter
from segment_msg91.use_cases.segment_ingest import Result, Sender
from tests.engines import ENGINES

if TYPE_CHECKING:
    from tests.fakes.aws import Aws
    from tests.fakes.clock import Clock
    from tests.fakes.dynamodb import UnreliableDynamoDb
    from tests.fakes.msg91 import FakeMsg91

type Send = Callable[..., list[Result]]

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
        sender = Sender(replace(IngestSettings.load(), **settings), store, msg91.client(), clock)
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
    return Reporter(messages, reports, redrive=redrive, quarantine=quarantine, zone=zone, clock=clock)
