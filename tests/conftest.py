"""The fixtures of every test. Importing this sets the environment, and from then on no test reaches the network."""

# ruff: noqa: E402 - the environment is set before boto3 and moto are imported

from tests.environment import TEMPLATE, set_environment

set_environment()

import sys
from collections.abc import Generator, Iterator
from contextlib import closing
from typing import TYPE_CHECKING

import boto3
import pytest

from sandbox.aws import Aws as EmbeddedAws
from sandbox.aws import running_aws
from sandbox.dynamodb_local.engine import DynamoDbLocal
from sandbox.template import REGION
from tests.engines import ENGINES, MOTO, needed_dynamodb_local, reported_once
from tests.fakes import events
from tests.fakes.aws import Aws, running_on
from tests.fakes.clock import Clock
from tests.fakes.dynamodb import UnreliableDynamoDb
from tests.fakes.msg91 import FakeMsg91
from tests.fakes.segment import FakeSegment
from tests.network import block_network, load_no_certificates
from tests.scheduling import GroupByFolder, mark_sizes, without_repeats

if TYPE_CHECKING:
    from xdist.remote import Producer


def pytest_configure(config: pytest.Config) -> None:
    sys.addaudithook(block_network)
    load_no_certificates()
    # A refused request counts nothing; pytest puts its own filters over the functions'.
    config.addinivalue_line("filterwarnings", "ignore:No application metrics to publish:UserWarning")


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    mark_sizes(items)  # before `-m` selects
    items[:], repeats = without_repeats(items)
    config.hook.pytest_deselected(items=repeats)


def pytest_xdist_make_scheduler(config: pytest.Config, log: "Producer") -> GroupByFolder:
    return GroupByFolder(config, log)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Generator[None, pytest.TestReport, pytest.TestReport]:
    return reported_once((yield))


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
    with needed_dynamodb_local() as url:
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
    local: DynamoDbLocal | None = None if engine == MOTO else request.getfixturevalue("_local_dynamodb")
    with running_on(_clients, local) as clients:
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
