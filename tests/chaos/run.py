"""One attack with everything at once: chaos, then calm, then judgement."""

import itertools
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass
from typing import Final

from sandbox.msg91_simulator.ledger import SentSms
from sandbox.segment_simulator.tracking_api import Event
from tests.chaos import judge
from tests.chaos.aws_faults import AwsFaults
from tests.chaos.chance import Tally, dice
from tests.chaos.excuses import Excuses
from tests.chaos.freezes import Freezes
from tests.chaos.msg91_faults import Msg91Faults
from tests.chaos.schedule import working
from tests.chaos.segment import Deliveries, Segment, some_events
from tests.chaos.tracking_faults import TrackingFaults
from tests.chaos.webhook import Histories, Mailbag, Webhook
from tests.chaos.world import QUARANTINE, REDRIVE, World

type Say = Callable[[str], None]

_LOOK_EVERY: Final = 0.2
_OVERTAKEN: Final = "msg91: report overtook the answer"
_OVERTAKING_WITHIN: Final = 3.0
_CUT_OFF: Final = "reports: cut off"
_MOST_REPORTS_TOGETHER: Final = 10
_HUNG_UP: Final = "segment: hung up"
_REPLAY_SIZE: Final = 200


@dataclass(frozen=True, slots=True)
class Plan:
    """How hard to attack. `sizes` are those of Segment's deliveries, the likelier the more often they are named."""

    seed: str
    events: int
    reports: int
    aws_rate: float
    msg91_rate: float
    tracking_rate: float
    per_kill: int
    sizes: Sequence[int]
    segments: int
    mailmen: int
    longest_freeze: float
    chaos_within: float
    calm_within: float
    progress_every: float = 15.0


@dataclass(frozen=True, slots=True)
class Verdict:
    """What was found, what was planned and never came to pass, and how much was done."""

    violations: Sequence[str]
    untried: Sequence[str]
    figures: Counter[str]


class NotOverError(Exception):
    """Something does not come to its end."""


class Attack:
    """Chaos, then calm, then the verdict: in this order, once."""

    def __init__(self, world: World, plan: Plan, opened: ExitStack, say: Say) -> None:
        self._world = world
        self._plan = plan
        self._say = say
        self._tally = Tally()
        self._excuses = Excuses()
        self._random = dice(plan.seed, "overtaking and cutting")
        self._aws = AwsFaults(world, plan.seed, plan.aws_rate, plan.per_kill, self._tally, self._excuses)
        self._msg91 = Msg91Faults(world, plan.seed, plan.msg91_rate, self._tally, self._excuses)
        self._tracking = TrackingFaults(world, plan.seed, plan.tracking_rate, self._tally)
        self._freezes = Freezes(world, plan.seed, plan.longest_freeze, self._tally)
        self._events = some_events(f"{plan.seed}-{time.time():.0f}", plan.events, dice(plan.seed, "events"))
        self._segment = opened.enter_context(closing(Segment(world.segment_url, self._tally)))
        self._webhook = opened.enter_context(closing(Webhook(world.reports_url, self._tally)))
        # Within the time that the function gives MSG91 to answer.
        self._overtaker = opened.enter_context(closing(Webhook(world.reports_url, self._tally, _OVERTAKING_WITHIN)))
        self._deliveries = Deliveries(self._segment, self._events, plan.sizes, plan.seed)
        self._histories = Histories(plan.seed)
        self._mailbag = Mailbag(self._webhook, plan.seed, _MOST_REPORTS_TOGETHER)
        self._started = self._told = time.monotonic()
        self._violations: list[str] = []

    def chaos(self) -> None:
        self._world.simulator.interceptor, self._msg91.on_sent = self._msg91, self._report
        self._world.aws.interceptor = self._aws
        self._world.tracking.interceptor = self._tracking
        with (
            working(self._plan.segments, self._deliveries.work),
            working(self._plan.mailmen, self._mailbag.work),
            working(1, self._freezes.work),
        ):
            self._wait(lambda: not self._deliveries.first_ones, self._plan.chaos_within)
            self._mailbag.add(self._histories.of_a_stranger() for _ in range(self._plan.reports - self._mailbag.count))
            self._wait(lambda: not len(self._mailbag), self._plan.chaos_within)
        self._world.aws.interceptor = self._world.tracking.interceptor = None
        self._msg91.is_active = False
        self._wait(self._world.is_idle, self._plan.calm_within)
        self._violations += judge.never_lost(self._events, self._world.messages())

    def calm(self, let_leases_end: Callable[[], None]) -> None:
        """Segment and MSG91 come again until all is done, and then Segment replays everything."""
        let_leases_end()
        with working(self._plan.segments, self._deliveries.work), working(self._plan.mailmen, self._mailbag.work):
            self._deliveries.hurry()
            self._wait(lambda: not len(self._deliveries), self._plan.calm_within)
            self._mailbag.again(report for report in self._mailbag.reports if not report.names_its_message)
            self._wait(lambda: not len(self._mailbag) and not self._world.queued(REDRIVE), self._plan.calm_within)
        for batch in itertools.batched(self._events, _REPLAY_SIZE, strict=False):
            self._segment.deliver(batch, is_replay=True)
        self._wait(lambda: self._world.stream.is_at_the_end, self._plan.calm_within)

    def verdict(self) -> Verdict:
        own = {event.message_id for event in self._events}
        messages = {name: row for name, row in self._world.messages().items() if name in own}
        ledger, rows = judge.Ledger(self._world), self._world.reports()
        quarantined = self._world.take_from(QUARANTINE)
        self._violations += [
            *judge.never_twice(self._events, ledger),
            *judge.all_final(self._events, messages, ledger, self._excuses),
            *judge.durable(self._mailbag.reports, self._mailbag.cut_off, rows, quarantined),
            *judge.order_does_not_matter(self._mailbag.reports, rows, messages.values()),
            *judge.told_to_segment(messages.values(), self._events_received()),
            *self._world.tracking.violations(),
            *(f"{self._world.wasted_requests()} requests into dead connections",) * bool(self._world.wasted_requests()),
        ]
        self._tally.add("ledger: SMS", len(ledger))
        self._tally.add("reports: rows", len(rows))
        received = [event["messageId"] for event in self._events_received()]
        self._tally.add("delivery events", len(set(received)))
        self._tally.add("delivery events repeated", len(received) - len(set(received)))
        for row in messages.values():
            self._tally.add(f"messages: {row['send_state']}")
        figures = self._tally.counts()
        return Verdict(self._violations, sorted(self._planned() - set(+figures)), figures)

    def _events_received(self) -> list[Event]:
        """The delivery events of this attack; the stack may have seen others."""
        own = {event.message_id for event in self._events}
        received = self._world.tracking.received()
        return [event for event in received if event["properties"]["message_id"] in own]

    def _planned(self) -> set[str]:
        planned = self._aws.planned | self._msg91.planned | self._tracking.planned | self._freezes.planned
        return planned | {_OVERTAKEN, _CUT_OFF, _HUNG_UP, "ledger: SMS", "reports: rows"}

    def _report(self, sent: Sequence[SentSms]) -> None:
        """MSG91 reports what it has sent, at times before it has answered."""
        reports = [report for sms in sent for report in self._histories.of(sms)]
        self._mailbag.add(reports)
        for report in reports:
            if self._random.random() < 0.03:
                self._mailbag.add_cut_off(self._histories.cut_off(report))
                self._tally.add(_CUT_OFF)
        if self._msg91.is_active and self._random.random() < 0.1:
            self._overtaker.post(reports[0].posting)
            self._tally.add(_OVERTAKEN)

    def _wait(self, is_over: Callable[[], bool], within: float) -> None:
        for _ in _until(time.monotonic() + within):
            if is_over():
                return
            self._tell()
        raise NotOverError(self._progress())

    def _tell(self) -> None:
        if time.monotonic() - self._told >= self._plan.progress_every:
            self._told = time.monotonic()
            self._say(self._progress())

    def _progress(self) -> str:
        counts = self._tally.counts()
        return (
            f"{time.monotonic() - self._started:5.0f} s: {len(self._deliveries)} deliveries and {len(self._mailbag)} "
            f"reports to go, {counts['segment: events delivered']} and {counts['reports: posts']} done"
        )


def attack(world: World, plan: Plan, let_leases_end: Callable[[], None], say: Say = lambda _: None) -> Verdict:
    with ExitStack() as opened:
        one = Attack(world, plan, opened, say)
        one.chaos()
        one.calm(let_leases_end)
        return one.verdict()


def _until(deadline: float) -> Iterator[None]:
    while time.monotonic() < deadline:
        yield
        time.sleep(_LOOK_EVERY)
