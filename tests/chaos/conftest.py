"""The world that all attacks share: one build, one stack."""

from collections.abc import Iterator
from typing import Final

import pytest

from tests.chaos.building import build
from tests.chaos.world import INGEST, REPORTS, World, running_world

ENVIRONMENTS: Final = {INGEST: 6, REPORTS: 6}


@pytest.fixture(scope="session")
def world() -> Iterator[World]:
    with running_world(build(), ENVIRONMENTS) as running:
        yield running
