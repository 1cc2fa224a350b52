"""Under any fault of AWS the overview shows figures that are whole, or says that there are none now."""

from typing import TYPE_CHECKING, Final

import pytest

from tests.aws_faults.faults import FAULTS, Fault, Site, injected
from tests.engines import MOTO

if TYPE_CHECKING:
    from tests.aws_faults.conftest import World
    from tests.fakes.events import Track

_FUNCTION: Final = "ConsoleFunction"
FIGURES: Final = Site(_FUNCTION, "GetMetricData", "*")
WAITING: Final = Site(_FUNCTION, "Query", "MessagesTable/index/awaiting_report")
# A late answer is no fault here, because the console waits longer than it takes. Unit tests have a timeout.
_MET: Final = {name: fault for name, fault in FAULTS.items() if "too late" not in name and "conflict" not in name}


@pytest.mark.parametrize("embedded", [MOTO], indirect=True)  # the calls are the same on the other engine
@pytest.mark.parametrize("name", _MET)
@pytest.mark.parametrize("site", [FIGURES, WAITING], ids=["figures", "waiting"])
def test_an_overview_is_whole_or_says_that_it_cannot_be_read(
    world: "World", track: "Track", site: Site, name: str
) -> None:
    world.deliver(track("919800000001"))
    fault: Fault = _MET[name]
    with injected(world.aws, {site: fault}):
        reply = world.ask("/console/overview")
    if name.endswith("once"):
        assert (reply.status, reply.body["totals"]["waiting"]) == (200, 1)
        return
    what = "The figures can't be read from CloudWatch" if site is FIGURES else "The tables can't be read"
    assert (reply.status, reply.body["message"]) == (503, f"{what} now; try again.")
    assert world.ask("/console/overview").status == 200


@pytest.mark.parametrize("embedded", [MOTO], indirect=True)
@pytest.mark.parametrize("window", ["24h", "7d", "30d"])
def test_a_view_makes_ten_calls(world: "World", window: str) -> None:
    world.aws.calls.clear()
    world.ask("/console/overview", window=window)
    calls = {
        (operation, resource): number
        for (caller, _, operation, resource), number in world.aws.calls.items()
        if caller == _FUNCTION and operation != "GetSecretValue"
    }
    assert calls == {("GetMetricData", "*"): 1, ("Query", "MessagesTable/index/awaiting_report"): 8}
