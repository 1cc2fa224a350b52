"""One run with all faults at once: chaos, then recovery, then reconciliation, then the invariants."""

import itertools
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing
from dataclasses import dataclass
from typing import Final

from sandbox.lambda_runtime import FunctionError
from sandbox.segment_simulator.tracking_api import Event
from tests.chaos import invariants
from tests.chaos.allowed_unknowns import AllowedUnknowns
from tests.chaos.aws_faults import AwsFaults
from tests.chaos.freezes import Freezes
from tests.chaos.logs_faults import LogsFaults
from tests.chaos.msg91_faults import Msg91Faults
from tests.chaos.reporting import Reporting
from tests.chaos.schedule import running_workers
from tests.chaos.seeded_random import Tally, seeded
from tests.chaos.segment import Deliveries, Segment, hot_events, some_events
from tests.chaos.tracking_faults import TrackingFaults
from tests.chaos.webhook import Histories, ReportQueue, Webhook
from tests.chaos.world import CAP, QUARANTINE, REDRIVE, World

type Say = Callable[[str], None]

_POLL_INTERVAL: Final = 0.2
_OVERTAKING_TIMEOUT: Final = 3.0
_MAX_REPORTS_PER_BODY: Final = 10
_TIMED_OUT: Final = "segment: timed out"
_REPLAY_SIZE: Final = 200
_HOT_EVENTS: Final = CAP + 10
_RECONCILIATIONS: Final = 40
"""The most that are run with faults, and then without."""
_RUNS_AT_ONCE: Final = 2


@dataclass(frozen=True, slots=True)
class Plan:
    """How hard to attack. `sizes` are those of Segment's deliveries; repeat a size to make it likelier."""

    seed: str
    events: int
    reports: int
    aws_rate: float
    msg91_rate: float
    tracking_rate: float
    per_kill: int
    sizes: Sequence[int]
    segment_workers: int
    report_workers: int
    max_freeze: float
    chaos_timeout: float
    recovery_timeout: float
    progress_every: float = 15.0


@dataclass(frozen=True, slots=True)
class Result:
    """Violated invariants, planned faults that were not injected, and counts."""

    violations: Sequence[str]
    not_injected: Sequence[str]
    figures: Counter[str]


class NotFinishedError(Exception):
    """Something did not finish in time; the message is the progress so far."""


class Attack:
    """Call chaos, recovery, reconciliation and result, in this order: each once."""

    def __init__(self, world: World, plan: Plan, opened: ExitStack, say: Say) -> None:
        self._world = world
        self._plan = plan
        self._say = say
        self._tally = Tally()
        self._allowed_unknowns = AllowedUnknowns()
        self._aws = AwsFaults(world, plan, self._tally, self._allowed_unknowns)
        self._msg91 = Msg91Faults(world, plan.seed, plan.msg91_rate, self._tally, self._allowed_unknowns)
        self._logs = LogsFaults(world, plan.seed, self._tally)
        self._tracking = TrackingFaults(world, plan.seed, plan.tracking_rate, self._tally)
        self._freezes = Freezes(world, plan.seed, plan.max_freeze, self._tally)
        prefix, random = f"{plan.seed}-{time.time():.0f}", seeded(plan.seed, "events")
        self._events = some_events(prefix, plan.events, random) + hot_events(prefix, _HOT_EVENTS, random)
        self._segment = opened.enter_context(closing(Segment(world.segment_url, self._tally)))
        self._webhook = opened.enter_context(closing(Webhook(world.reports_url, self._tally)))
        # Less than the time that the function gives MSG91 to answer.
        overtaker = opened.enter_context(closing(Webhook(world.reports_url, self._tally, _OVERTAKING_TIMEOUT)))
        self._deliveries = Deliveries(self._segment, self._events, plan.sizes, plan.seed)
        self._histories = Histories(plan.seed)
        self._report_queue = ReportQueue(self._webhook, plan.seed, _MAX_REPORTS_PER_BODY)
        self._reporting = Reporting(self._histories, self._report_queue, overtaker, plan.seed, self._tally)
        self._started = self._last_progress = time.monotonic()
        self._violations: list[str] = []
        self._remaining = 0

    def chaos(self) -> None:
        self._world.simulator.history = self._reporting.history_of
        self._world.simulator.interceptor, self._msg91.on_sent = self._msg91, self._reporting.overtake
        self._world.aws.interceptor = self._aws
        self._world.tracking.interceptor = self._tracking
        with (
            running_workers(self._plan.segment_workers, self._deliveries.work),
            running_workers(self._plan.report_workers, self._report_queue.work),
            running_workers(1, self._freezes.work),
        ):
            self._wait(lambda: not self._deliveries.untried, self._plan.chaos_timeout)
            self._report_queue.add(
                self._histories.of_another_sender() for _ in range(self._plan.reports - self._report_queue.count)
            )
            self._wait(lambda: not len(self._report_queue), self._plan.chaos_timeout)
        self._world.aws.interceptor = self._world.tracking.interceptor = None
        self._msg91.is_active = False
        self._wait(self._world.is_idle, self._plan.recovery_timeout)
        self._violations += invariants.no_event_is_lost(self._events, self._world.messages())

    def recovery(self, expire_leases: Callable[[], None]) -> None:
        """Segment and MSG91 retry until everything is done, then Segment replays every event."""
        expire_leases()
        with running_workers(self._plan.segment_workers, self._deliveries.work):
            self._deliveries.flush()
            self._wait(lambda: not len(self._deliveries), self._plan.recovery_timeout)
        self._post_reports()
        self._replay()

    def reconciliation(self) -> None:
        """Reconcile, with faults and then without, until every message has its end. Then the late reports come."""
        faults = self._logs.planned | self._aws.planned
        self._world.simulator.logs.interceptor, self._world.aws.interceptor = self._logs, self._aws
        # Not until nothing remains: a run that cannot read the messages has none.
        self._reconcile_until(lambda: not self._not_injected() & faults)
        self._world.simulator.logs.interceptor = self._world.aws.interceptor = None
        self._reconcile_to_the_end()
        self._reporting.post_late_reports()
        self._post_reports()
        self._reconcile_to_the_end()
        self._replay()
        self._wait(lambda: self._world.stream.is_at_the_end, self._plan.recovery_timeout)

    def _post_reports(self) -> None:
        """Post all reports, and those that were not joined to their message once more."""
        with running_workers(self._plan.report_workers, self._report_queue.work):
            self._report_queue.repeat(report for report in self._report_queue.reports if not report.names_its_message)
            self._wait(
                lambda: not len(self._report_queue) and not self._world.queued(REDRIVE), self._plan.recovery_timeout
            )

    def _replay(self) -> None:
        for batch in itertools.batched(self._events, _REPLAY_SIZE, strict=False):
            self._segment.deliver(batch, is_replay=True)

    def _reconcile_to_the_end(self) -> None:
        if not self._reconcile_until(lambda: not self._remaining):
            self._violations.append(f"{self._remaining} messages remain to be reconciled")

    def _reconcile_until(self, is_done: Callable[[], bool]) -> bool:
        """Run the reconciliation several times at once, again and again; return whether it is done in the end."""
        with ThreadPoolExecutor(_RUNS_AT_ONCE) as pool:
            for _ in range(_RECONCILIATIONS):
                self._remaining = sum(pool.map(self._reconcile, range(_RUNS_AT_ONCE)))
                if is_done():
                    return True
        return False

    def _reconcile(self, _thread: int) -> int:
        """Return how many messages remain; if the run is killed, at least one."""
        self._tally.add("reconciliations")
        try:
            return int(self._world.reconcile()["remaining"])
        except FunctionError:
            self._tally.add("reconciliations killed")
            return 1

    def result(self) -> Result:
        own = {event.message_id for event in self._events}
        messages = {name: row for name, row in self._world.messages().items() if name in own}
        ledger, rows = invariants.Ledger(self._world), self._world.reports()
        quarantined = self._world.take_from(QUARANTINE)
        reports, logged = self._report_queue.reports, self._reporting.logged
        self._violations += [
            *invariants.no_sms_is_sent_twice(self._events, ledger),
            *invariants.no_number_gets_more_than_its_cap(self._world.simulator.ledger, CAP),
            *invariants.all_final(self._events, messages, ledger, self._allowed_unknowns),
            *invariants.no_report_is_lost(reports, self._report_queue.cut_off, rows, quarantined),
            *invariants.no_row_of_the_logs_is_repeated(logged.values(), rows),
            *invariants.order_has_no_effect(reports, logged, rows, messages.values()),
            *invariants.every_message_ends(messages.values(), ledger, logged),
            *invariants.delivery_events_match(messages.values(), self._events_received(), self._reporting.late),
            *self._world.tracking.violations(),
            *(f"{self._world.wasted_requests()} requests to closed connections",) * bool(self._world.wasted_requests()),
        ]
        self._tally.add("ledger: SMS", len(ledger))
        self._tally.add("reports: rows", len(rows))
        received = [event["messageId"] for event in self._events_received()]
        self._tally.add("delivery events", len(set(received)))
        self._tally.add("delivery events repeated", len(received) - len(set(received)))
        for row in messages.values():
            self._tally.add(f"messages: {row['send_state']}, {row.get('delivery_status')}")
        return Result(self._violations, sorted(self._not_injected()), self._tally.counts())

    def _events_received(self) -> list[Event]:
        """Return the delivery events of this run; the stack may have seen others."""
        own = {event.message_id for event in self._events}
        received = self._world.tracking.received()
        return [event for event in received if event["properties"]["message_id"] in own]

    def _not_injected(self) -> set[str]:
        faults = (self._aws, self._msg91, self._logs, self._tracking, self._freezes, self._reporting)
        planned = {_TIMED_OUT}.union(*(fault.planned for fault in faults))
        return planned - set(+self._tally.counts())

    def _wait(self, is_done: Callable[[], bool], timeout: float) -> None:
        for _ in _poll_until(time.monotonic() + timeout):
            if is_done():
                return
            self._report_progress()
        raise NotFinishedError(self._progress())

    def _report_progress(self) -> None:
        if time.monotonic() - self._last_progress >= self._plan.progress_every:
            self._last_progress = time.monotonic()
            self._say(self._progress())

    def _progress(self) -> str:
        counts = self._tally.counts()
        return (
            f"{time.monotonic() - self._started:5.0f} s: {len(self._deliveries)} deliveries and "
            f"{len(self._report_queue)} reports to go, {counts['segment: events delivered']} and "
            f"{counts['reports: posts']} done"
        )


def attack(world: World, plan: Plan, expire_leases: Callable[[], None], say: Say = lambda _: None) -> Result:
    with ExitStack() as opened:
        run = Attack(world, plan, opened, say)
        run.chaos()
        run.recovery(expire_leases)
        run.reconciliation()
        return run.result()


def _poll_until(deadline: float) -> Iterator[None]:
    while time.monotonic() < deadline:
        yield
        time.sleep(_POLL_INTERVAL)
