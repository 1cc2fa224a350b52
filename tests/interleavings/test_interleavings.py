"""No promise breaks in any interleaving. `make interleavings` has more scenarios, and more faults in a schedule."""

import pytest

from tests.interleavings.scenarios import MAIN, OPT_OUT, SCENARIOS, TWO_RUNS


@pytest.mark.parametrize("name", [MAIN, TWO_RUNS, OPT_OUT])
def test_every_interleaving_keeps_the_promises(name: str) -> None:
    assert SCENARIOS[name].exploration(faults=0).run().schedules > 10_000


@pytest.mark.slow
def test_every_interleaving_with_a_fault_keeps_the_promises() -> None:
    assert SCENARIOS[MAIN].exploration(faults=1).run().schedules > 10_000_000
