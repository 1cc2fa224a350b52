"""What is explored: the processes, the instants and the promises of each scenario."""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Final

from tests.interleavings.exploration import Exploration, Process, State
from tests.interleavings.msg91 import Msg91
from tests.interleavings.programs import Programs
from tests.interleavings.promises import Promises
from tests.interleavings.replay import Point
from tests.interleavings.world import Worlds

_START: Final = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
INSTANTS: Final = (
    _START,
    _START + timedelta(seconds=41),  # leases are over
    _START + timedelta(hours=2),  # what has no report is overdue
    _START + timedelta(hours=47),  # what is in no log is given up
)
# For what was sent at the two last instants: MSG91's logs reach back to the day before yesterday.
RECONCILED_AT: Final = (INSTANTS[2] + timedelta(hours=47), INSTANTS[3] + timedelta(hours=47))
NEIGHBOURS: Final = tuple(instant + timedelta(minutes=1) for instant in INSTANTS)


@dataclass(frozen=True, slots=True)
class Scenario:
    """Processes that run at the same time, and how MSG91 behaves towards them."""

    deliveries: int = 2
    reports: int = 1
    reconciliations: int = 1
    opt_outs: int = 0
    programs: Programs = field(default_factory=Programs)
    msg91: Msg91 = field(default_factory=lambda: Msg91(neighbours=NEIGHBOURS))

    def exploration(self, faults: int) -> Exploration:
        """Prepare an exploration, in which at most so many faults happen in a schedule."""
        programs, worlds = replace(self.programs), Worlds(self.msg91)

        def report(state: State, at: datetime) -> Point | None:
            """Report an SMS, once it was sent."""
            return programs.report("report", state.world.ledger[0], at) if state.world.ledger else None

        return Exploration(
            processes=[
                *_in_turn("delivery", 0, self.deliveries, programs.delivery),
                *[Process("report", report)] * self.reports,
                *[Process("opt-out", lambda _, at: programs.opt_out("opt-out", at))] * self.opt_outs,
                *_in_turn(
                    "reconciliation", self.deliveries + self.reports, self.reconciliations, programs.reconciliation
                ),
            ],
            instants=INSTANTS,
            faults=faults,
            worlds=worlds,
            checks=Promises(programs, worlds, INSTANTS, RECONCILED_AT),
        )


def _in_turn(name: str, first: int, number: int, start: Callable[[str, datetime], Point]) -> list[Process]:
    """Make equal processes. Each starts after the one before: in another order only their names would be different."""

    def process(index: int) -> Process:
        def begin(state: State, at: datetime) -> Point | None:
            return start(f"{name} {index + 1}", at) if index == 0 or state.points[first + index - 1] else None

        return Process(f"{name} {index + 1}", begin, is_delivery=name == "delivery")

    return [process(index) for index in range(number)]


MAIN: Final = "two deliveries, a report, a reconciliation run"
TWO_RUNS: Final = "two reconciliation runs, and no other SMS"
OPT_OUT: Final = "two deliveries with guard rails, an opt-out"
SCENARIOS: Final = {
    MAIN: Scenario(),
    "the report has no CRQID": Scenario(programs=Programs(report_has_crqid=False)),
    "the report is of a failure": Scenario(programs=Programs(report_status="failed")),
    "the report is not final": Scenario(programs=Programs(report_status="pending")),
    "the logs never know the end": Scenario(msg91=Msg91(stays_pending=True)),
    TWO_RUNS: Scenario(deliveries=1, reconciliations=2, msg91=Msg91()),
    "what is in doubt is sent again": Scenario(programs=Programs(resend_after=timedelta(hours=1))),
    OPT_OUT: Scenario(reports=0, reconciliations=0, opt_outs=1, programs=Programs(has_guard_rails=True)),
}
