"""What the reconciliation takes: for many overdue messages, for long logs, and for none."""

import statistics
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import islice
from typing import Final

from benchmarks.building import Builds
from benchmarks.cold import cold_starts
from benchmarks.measuring import INGEST, RECONCILIATION, TYPICAL, Bench, Reading, Subject, WrongResultError
from benchmarks.prices import US_EAST, Run, schedule_cost
from benchmarks.results import MEGABYTE, Result, Say, all_sent, ms
from benchmarks.throttling import throttled
from benchmarks.workloads import Event, segment_request, track_events

_OVERDUE: Final = 10_000
_BATCH: Final = 1000
_PAGES: Final = 30
_ROWS_PER_PAGE: Final = 1000
_MAX_RUNS: Final = 20
_COLD_ROUNDS: Final = 5
_AT_ONCE: Final = {"REPORT_OVERDUE_MINUTES": "0", "REPORT_GIVEN_UP_HOURS": "0"}
"""What was sent just now is overdue, and past the time at which it is given up."""


@dataclass(frozen=True, slots=True)
class _Group:
    """A part of the messages: what became of them at MSG91."""

    size: int
    is_answer_lost: bool
    is_logged: bool
    counted_as: tuple[str, ...]
    """In the function's result."""


_GROUPS: Final = (
    _Group(_OVERDUE * 5 // 10, is_answer_lost=False, is_logged=True, counted_as=("found",)),
    _Group(_OVERDUE * 2 // 10, is_answer_lost=True, is_logged=True, counted_as=("found", "settled")),
    _Group(_OVERDUE * 2 // 10, is_answer_lost=False, is_logged=False, counted_as=("unreported",)),
    _Group(_OVERDUE * 1 // 10, is_answer_lost=True, is_logged=False, counted_as=("not_sent",)),
)


@dataclass(slots=True)
class ReconciliationMeasures:
    bench: Bench
    builds: Builds
    say: Say
    _events: Iterator[Event] = field(default_factory=track_events)

    def all(self) -> Iterator[Result]:
        yield self._nothing_overdue()
        for is_throttled in (True, False):
            yield self._many_overdue(is_throttled=is_throttled)
        yield self._long_logs()

    def _nothing_overdue(self) -> Result:
        self.bench.reset(TYPICAL)
        self._send(_BATCH)
        every_minutes = int(self.bench.template.parameters["ReconcileEveryMinutes"])
        reading = self.bench.run(self._subject, RECONCILIATION, [{}])
        starts = cold_starts(self.bench, RECONCILIATION, {"compiled": self.builds.compiled}, {}, _COLD_ROUNDS)
        seconds = statistics.median(starts["compiled"])
        run = Run(
            seconds=seconds,
            memory_gigabytes=self._memory / 1024,
            read_units=reading.units["reads"],
            secret_reads=reading.calls["GetSecretValue"],
            log_bytes=reading.log_bytes,
        )
        return Result(
            "reconciliation with nothing overdue",
            f"{reading.dynamodb_calls} DynamoDB calls, {reading.calls.get('logs', 0)} of MSG91's logs",
            f"{ms(reading.wall)}, {ms(seconds)} with the start; "
            f"{schedule_cost(run, every_minutes, US_EAST):.3f} USD a month at every {every_minutes} minutes",
            "8, 0",
            is_met=(reading.dynamodb_calls, reading.calls.get("logs", 0)) == (8, 0),
        ).said(self.say)

    def _many_overdue(self, *, is_throttled: bool) -> Result:
        self.bench.reset(TYPICAL)
        for group in _GROUPS:
            self.bench.treat(is_answer_lost=group.is_answer_lost, is_logged=group.is_logged)
            self._send(group.size)
        readings, is_limited = self._run_until_nothing_remains(is_throttled=is_throttled)
        _check(readings)
        walls = [reading.wall for reading in readings]
        peak = max(reading.peak_memory for reading in readings) / MEGABYTE
        logs = sum(reading.calls["logs"] for reading in readings)
        cpu = sum(reading.cpu for reading in readings)
        calls = sum(reading.dynamodb_calls for reading in readings) / _OVERDUE
        reads = sum(reading.units["reads"] for reading in readings) / _OVERDUE
        writes = sum(sum(reading.units.values()) for reading in readings) / _OVERDUE - reads
        processor = f"{self._memory} MB" if is_limited else "a whole core"
        return Result(
            f"reconciliation of {_OVERDUE:,} overdue messages, {processor}",
            f"{sum(walls):.0f} s in {_times(len(walls), 'run')}, {_times(logs, 'call')} of MSG91's logs, "
            f"{calls:.2f} DynamoDB calls per message, {peak:.0f} MB",
            f"{reads:.2f} read and {writes:.2f} write units per message, {cpu:.0f} s of processor time; "
            f"{_quota(is_limited=is_limited)}",
            f"1 run of ≤ {self._timeout} s, ≤ {self._memory / 2:.0f} MB",
            is_met=len(walls) == 1 and walls[0] <= self._timeout and peak <= self._memory / 2,
        ).said(self.say)

    def _long_logs(self) -> Result:
        self.bench.reset(TYPICAL)
        # A message in doubt has no request id, so the whole day is read for it.
        self.bench.treat(others=_PAGES * _ROWS_PER_PAGE, is_answer_lost=True)
        self._send(1)
        (reading, *_), is_limited = self._run_until_nothing_remains(is_throttled=True)
        if reading.calls["logs"] != _PAGES:
            raise WrongResultError(f"{reading.calls['logs']} calls of the logs for {_PAGES} pages")
        page = reading.wall / _PAGES
        return Result(
            f"a page of MSG91's logs with {_ROWS_PER_PAGE} SMS of other programs",
            f"{page:.2f} s, {TYPICAL['logs']:g} s of it MSG91's",
            f"{reading.peak_memory / MEGABYTE:.0f} MB after {_PAGES} pages; {_quota(is_limited=is_limited)}",
            "",
        ).said(self.say)

    def _send(self, count: int) -> None:
        requests = [segment_request(list(islice(self._events, min(count, _BATCH)))) for _ in range(0, count, _BATCH)]
        all_sent(self.bench.run(self._subject, INGEST, requests), count)

    def _run_until_nothing_remains(self, *, is_throttled: bool) -> tuple[list[Reading], bool]:
        """Return each run's reading, and whether there was a CPU quota. Each run is a new process, as in Lambda."""
        readings: list[Reading] = []
        with throttled(self._memory) as group:
            groups = [group] if group and is_throttled else []
            while not readings or readings[-1].last_answer["remaining"]:
                if len(readings) == _MAX_RUNS:
                    raise WrongResultError(f"after {_MAX_RUNS} runs: {readings[-1].last_answer}")
                readings.append(
                    self.bench.run(self._at_once, RECONCILIATION, [{}], cgroups=groups, seconds=self._timeout)
                )
        return readings, bool(groups)

    @property
    def _subject(self) -> Subject:
        return Subject("this bundle", self.builds.compiled)

    @property
    def _at_once(self) -> Subject:
        return Subject("this bundle", self.builds.compiled, _AT_ONCE)

    @property
    def _memory(self) -> int:
        return self.bench.memory(RECONCILIATION)

    @property
    def _timeout(self) -> int:
        return self.bench.timeout(RECONCILIATION)


def _check(readings: Sequence[Reading]) -> None:
    """Raises WrongResultError if messages did not end as MSG91 treated them."""
    for name in ("found", "settled", "unreported", "not_sent"):
        expected = sum(group.size for group in _GROUPS if name in group.counted_as)
        counted = sum(reading.last_answer[name] for reading in readings)
        if counted != expected:
            raise WrongResultError(f"{name} {counted}, not {expected}: {[reading.last_answer for reading in readings]}")


def _quota(*, is_limited: bool) -> str:
    return "under the CPU quota" if is_limited else "without a CPU quota"


def _times(count: int, what: str) -> str:
    return f"{count:,} {what}{'s' if count != 1 else ''}"
