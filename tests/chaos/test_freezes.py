"""Lambda freezes a function between events, and its connection to MSG91 ends in that time."""

import pytest

from sandbox.msg91_simulator.server import ConnectionEnd
from tests.chaos.conftest import NewEvent
from tests.chaos.freezes import MIN_FREEZE, freeze
from tests.chaos.invariants import Ledger
from tests.chaos.scenarios import AtMsg91
from tests.chaos.segment import Segment
from tests.chaos.world import INGEST, World


@pytest.mark.parametrize(
    "connection_end",
    [None, *ConnectionEnd],
    ids=["alive", "closed by FIN", "forgotten by a load balancer", "forgotten by a NAT gateway"],
)
def test_the_first_event_after_a_freeze_is_sent_once_however_its_connection_ended(
    world: World, segment: Segment, new_event: NewEvent, connection_end: ConnectionEnd | None
) -> None:
    world.simulator.interceptor = watched = AtMsg91()
    before, after = new_event(), new_event()
    assert segment.deliver([before])[0].status == "accepted"
    with world.fleets[INGEST].idle_environment() as environment:
        assert environment is not None
        assert watched.callers == [environment.name]
        freeze(environment, MIN_FREEZE, connection_end)
    assert segment.deliver([after])[0].status == "accepted"
    assert watched.callers == [environment.name] * 2
    assert Ledger(world).sms_of(after) == 1
    assert environment.msg91.wasted == []
