"""`python -m tests.interleavings`: the long form, with more faults at once. It prints a row for each scenario."""

# ruff: noqa: E402 - the environment is set before the code under test is imported

from tests.environment import set_environment

set_environment()

import argparse
import sys
import time
from typing import Final

from tests.interleavings.exploration import BrokenPromiseError
from tests.interleavings.scenarios import MAIN, SCENARIOS

_COLUMNS: Final = ("scenario", "faults", "schedules", "states", "seconds")


def main() -> int:
    """Return 0 if no schedule breaks a promise."""
    parser = argparse.ArgumentParser(prog="make interleavings", description=__doc__)
    parser.add_argument("--faults", type=int, help=f"at most so many in a schedule (2; 3 in '{MAIN}')")
    given = parser.parse_args().faults
    _print(*_COLUMNS)
    _print(*("---" for _ in _COLUMNS))
    for name, scenario in SCENARIOS.items():
        faults = given if given is not None else 3 if name == MAIN else 2
        started = time.monotonic()
        try:
            explored = scenario.exploration(faults).run()
        except BrokenPromiseError as error:
            print(f"{name}: {error}")  # noqa: T201  # output for the user
            return 1
        seconds = round(time.monotonic() - started)
        _print(name, faults, f"{float(f'{explored.schedules:.1e}'):,.0f}", f"{explored.states:,}", seconds)
    return 0


def _print(*cells: object) -> None:
    print(f"| {' | '.join(str(cell) for cell in cells)} |", flush=True)  # noqa: T201  # output for the user


if __name__ == "__main__":
    sys.exit(main())
