"""Lambda stops a function between events, and its connection to MSG91 ends meanwhile."""

import pytest

from sandbox.msg91_simulator.server import Farewell
from tests.chaos.conftest import NewEvent
from tests.chaos.freezes import SHORTEST_FREEZE, freeze
from tests.chaos.judge import Ledger
from tests.chaos.scenarios import AtMsg91
from tests.chaos.segment import Segment
from tests.chaos.world import INGEST, World

pytestmark = pytest.mark.slow


@pytest.mark.parametrize(
    "farewell",
    [None, *Farewell],
    ids=["alive", "closed by FIN", "forgotten by a load balancer", "forgotten by a NAT gateway"],
)
def test_the_first_event_after_a_freeze_is_sent_once_whatever_became_of_the_connection(
    world: World, segment: Segment, event: NewEvent, farewell: Farewell | None
) -> None:
    world.simulator.interceptor = watched = AtMsg91()
    before, after = event(), event()
    assert segment.deliver([before])[0].status == "accepted"
    with world.fleets[INGEST].an_idle_one() as environment:
        assert environment is not None
        assert watched.callers == [environment.name]
        freeze(environment, SHORTEST_FREEZE, farewell)
    assert segment.deliver([after])[0].status == "accepted"
    assert watched.callers == [environment.name] * 2
    assert Ledger(world).sms_of(after) == 1
    assert environment.msg91.wasted == []
