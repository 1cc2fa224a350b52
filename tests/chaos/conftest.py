"""The stack that all chaos tests share: one build, one world."""

import itertools
import logging
from collections.abc import Callable, Iterator
from contextlib import closing
from datetime import timedelta
from typing import Final

import pytest

from tests.chaos.building import build
from tests.chaos.seeded_random import Tally
from tests.chaos.segment import SMS, Segment, Tracked, tracked
from tests.chaos.webhook import FIRST, Histories, Webhook
from tests.chaos.world import EVENTS, INGEST, RECONCILIATION, REPORTS, World, running_world
from tests.engines import ENGINES, MOTO

ENVIRONMENTS: Final = {INGEST: 6, REPORTS: 6, EVENTS: 1, RECONCILIATION: 2}

type NewEvent = Callable[..., Tracked]


@pytest.fixture(scope="package", params=ENGINES)
def _world(request: pytest.FixtureRequest) -> Iterator[World]:
    dynamodb_url: str | None = None if request.param == MOTO else request.getfixturevalue("dynamodb_local")
    logging.getLogger("sandbox").setLevel(logging.CRITICAL)  # functions are killed on purpose here
    with running_world(build(), ENVIRONMENTS, dynamodb_url) as running:
        yield running


@pytest.fixture
def world(_world: World) -> Iterator[World]:
    yield _world
    _world.aws.interceptor = None
    _world.simulator.interceptor = None
    _world.simulator.history = _world.simulator.history_by_number
    _world.simulator.logs.interceptor = None
    _world.tracking.interceptor = None


@pytest.fixture
def segment(world: World) -> Iterator[Segment]:
    with closing(Segment(world.segment_url, Tally())) as running:
        yield running


@pytest.fixture
def webhook(world: World) -> Iterator[Webhook]:
    with closing(Webhook(world.reports_url, Tally())) as running:
        yield running


@pytest.fixture(scope="session")
def histories() -> Histories:
    return Histories("scenarios", FIRST - timedelta(days=365))  # the second of a date identifies its report


@pytest.fixture(scope="session")
def _numbers() -> Iterator[int]:
    return itertools.count()


@pytest.fixture
def new_event(_numbers: Iterator[int]) -> NewEvent:
    """Makes an event with a unique number and text."""

    def make(kind: str = SMS) -> Tracked:
        number = next(_numbers)
        return tracked(f"scenario-{number}", f"9198{50_000_000 + number}", kind)

    return make
