"""The fixtures of every test. Importing this sets the environment, and from then on no test reaches the network."""

# ruff: noqa: E402 - the environment is set before boto3 and moto are imported

from tests.environment import TEMPLATE, set_environment

set_environment()

import os
import sys
from collections.abc import Generator, Iterator
from contextlib import ExitStack, closing
from dataclasses import replace
from typing import TYPE_CHECKING, Final

import boto3
import hypothesis
import pytest

from sandbox.aws import Aws as EmbeddedAws
from sandbox.aws import running_aws
from sandbox.dynamodb_local.engine import DynamoDbLocal
from sandbox.dynamodb_local.installation import NotAvailableError
from sandbox.dynamodb_local.server import running_dynamodb_local
from sandbox.moto_patches import one_request_at_a_time
from sandbox.template import REGION
from tests.engines import ENGINES, MOTO
from tests.fakes import events
from tests.fakes.aws import Aws, deployed_resources
from tests.fakes.clock import Clock
from tests.fakes.dynamodb import UnreliableDynamoDb
from tests.fakes.msg91 import FakeMsg91
from tests.fakes.segment import FakeSegment
from tests.network import block_network
from tests.scheduling import GroupByFolder, mark_slow, without_repeats

if TYPE_CHECKING:
    from xdist.remote import Producer

# The same examples in every run: `make test` fails because of a change, not because of a new example. `make fuzz` makes
# new ones. No deadline either: a busy machine is slow at times.
hypothesis.settings.register_profile("repeatable", derandomize="FUZZ_EXAMPLES" not in os.environ, deadline=None)
hypothesis.settings.load_profile("repeatable")

_LACKING: Final = "no DynamoDB Local"


def pytest_configure(config: pytest.Config) -> None:
    sys.addaudithook(block_network)
    # A refused request counts nothing; pytest puts its own filters over the functions'.
    config.addinivalue_line("filterwarnings", "ignore:No application metrics to publish:UserWarning")


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    mark_slow(items)  # before `-m` selects
    items[:], repeats = without_repeats(items)
    config.hook.pytest_deselected(items=repeats)


def pytest_xdist_make_scheduler(config: pytest.Config, log: "Producer") -> GroupByFolder:
    return GroupByFolder(config, log)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Report once that DynamoDB Local is lacking, not once for each test that needs it."""
    report = yield
    if report.skipped and isinstance(report.longrepr, tuple) and _LACKING in report.longrepr[2]:
        report.longrepr = ("tests", None, report.longrepr[2])  # type: ignore[assignment]  # pytest takes no line as well
    return report


@pytest.fixture(scope="session")
def session() -> boto3.Session:
    """One for all: each session parses AWS's descriptions of its services anew."""
    return boto3.Session(region_name=REGION)


@pytest.fixture(scope="session")
def _clients(session: boto3.Session) -> Aws:
    return Aws(session.client("dynamodb"), session.client("sqs"), session.client("secretsmanager"))


@pytest.fixture(scope="session")
def dynamodb_local() -> Iterator[str]:
    """The URL of Amazon's DynamoDB Local. Without it, tests that need it are skipped; with CI set, they fail."""
    with ExitStack() as running:
        try:
            url = running.enter_context(running_dynamodb_local())
        except NotAvailableError as error:
            (pytest.fail if os.environ.get("CI") else pytest.skip)(f"{_LACKING}: {error}")
        yield url


@pytest.fixture(scope="session")
def _local_dynamodb(dynamodb_local: str) -> Iterator[DynamoDbLocal]:
    with closing(DynamoDbLocal(dynamodb_local)) as engine:
        yield engine


@pytest.fixture(scope="session")
def _on_moto() -> Iterator[EmbeddedAws]:
    with running_aws(TEMPLATE) as aws:
        yield aws


@pytest.fixture(scope="session")
def _on_dynamodb_local(dynamodb_local: str) -> Iterator[EmbeddedAws]:
    with running_aws(TEMPLATE, dynamodb_url=dynamodb_local) as aws:
        yield aws


@pytest.fixture(params=ENGINES)
def embedded(request: pytest.FixtureRequest) -> Iterator[EmbeddedAws]:
    """The embedded AWS, empty and without an interceptor, on each engine.

    Both are kept running: a session's fixture with parameters would be started anew whenever they change.
    """
    aws: EmbeddedAws = request.getfixturevalue("_on_moto" if request.param == MOTO else "_on_dynamodb_local")
    aws.reset()
    aws.calls.clear()
    yield aws
    aws.interceptor = None


@pytest.fixture
def engine() -> str:
    """What DynamoDB is. A folder whose tests run on both engines has a fixture of this name with ENGINES for params."""
    return MOTO


@pytest.fixture
def aws(engine: str, _clients: Aws, request: pytest.FixtureRequest) -> Iterator[Aws]:
    with ExitStack() as running:
        clients = _clients
        if engine == MOTO:
            running.enter_context(one_request_at_a_time())
        else:
            local: DynamoDbLocal = request.getfixturevalue("_local_dynamodb")
            local.drop_tables()
            clients = replace(_clients, dynamodb=local.client)
        running.enter_context(deployed_resources(clients, encrypted=engine != MOTO))
        yield clients


@pytest.fixture
def dynamodb(aws: Aws) -> UnreliableDynamoDb:
    return UnreliableDynamoDb(aws.dynamodb)


@pytest.fixture
def msg91() -> FakeMsg91:
    return FakeMsg91()


@pytest.fixture
def segment() -> FakeSegment:
    return FakeSegment()


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def track() -> events.Track:
    """Make a track event that asks for an SMS; further properties by name."""
    return events.track
