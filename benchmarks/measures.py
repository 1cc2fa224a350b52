"""What is measured, against what, and the targets."""

import statistics
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice
from typing import Final

from benchmarks.building import POWERTOOLS_REFERENCE, Builds
from benchmarks.cold import cold_starts
from benchmarks.measuring import INGEST, REPORTS, TYPICAL, Bench, Reading, Subject, WrongResultError
from benchmarks.prices import Usage
from benchmarks.results import MEGABYTE, Result, Say, all_sent, ms
from benchmarks.throttling import MEGABYTES_PER_CORE, throttled
from benchmarks.workloads import Event, redrive_request, reports_request, segment_request, track_events

_ROUNDS: Final = 5
_COLD_ROUNDS: Final = 15
_SINGLES: Final = 60
_MEMORY: Final = (128, 256, 512, 1024, 1769)
_TABLE_SIZES: Final = (100, 10_000, 1_000_000)
_BATCH_SIZES: Final = (1, 10, 100, 1000, 4000)
_ACCESS_LOG: Final = 330
"""Bytes of a line of the API's access log, by its format in the template."""
_PLATFORM_LOG: Final = 420
"""Bytes of the lines START, END and REPORT, which the template turns off and the Powertools reference leaves on."""

POWERTOOLS: Final = "Powertools reference"
BASELINE: Final = "import baseline"
SINGLE: Final = "single"
BATCHES: Final = "batches of 100"
WITHOUT_RECONCILIATION: Final = "ReconcileEveryMinutes=0"


@dataclass(slots=True)
class Measures:
    bench: Bench
    builds: Builds
    say: Say
    _numbers: Iterator[Event] = field(default_factory=track_events)

    @property
    def _ours(self) -> Subject:
        return Subject("this bundle", self.builds.compiled)

    @property
    def _reference(self) -> Subject:
        return Subject(POWERTOOLS, POWERTOOLS_REFERENCE)

    def cold_starts(self) -> Iterator[Result]:
        self.bench.reset({})
        first = self._events(1)
        crqid = self.bench.run(self._ours, INGEST, [segment_request(first)]).last_answer["results"][0]["crqid"]
        requests = {INGEST: segment_request(self._events(1)), REPORTS: reports_request([crqid], _number(first[0]))}
        for function, request in requests.items():
            builds = {
                "compiled": self.builds.compiled,
                "compiled baseline": self.builds.compiled_import_baseline,
                "plain": self.builds.plain,
                "plain baseline": self.builds.plain_import_baseline,
            }
            took = cold_starts(self.bench, function, builds, request, _COLD_ROUNDS)
            for name, how in (("compiled", "make build"), ("plain", "sam build")):
                ours, baseline = took[name], took[f"{name} baseline"]
                ratio = statistics.median(ours) / statistics.median(baseline)
                yield self._result(
                    f"cold start, {function}, {how}",
                    f"{ratio:.2f} × the {BASELINE}",
                    f"{ms(statistics.median(ours))} against {ms(statistics.median(baseline))}, medians of {len(ours)}",
                    "≤ 1.15 ×",
                    is_met=ratio <= 1.15,
                )
            plain, compiled = statistics.median(took["plain baseline"]), statistics.median(took["compiled"])
            yield self._result(
                f"cold start, {function}, make build against the {BASELINE} by sam build",
                f"{compiled / plain:.2f} × the {BASELINE}",
                f"{ms(compiled)} against {ms(plain)}",
                "below 1 ×",
                is_met=compiled < plain,
            )

    def single_events(self) -> Iterator[Result]:
        self.bench.reset(TYPICAL)
        new: dict[str, list[Reading]] = {"ours": [], "reference": []}
        again: list[Reading] = []
        for _ in range(_ROUNDS):
            warm_up, events = self._requests(3), self._requests(_SINGLES)
            new["ours"].append(all_sent(self.bench.run(self._ours, INGEST, events, warm_up), _SINGLES))
            again.append(all_sent(self.bench.run(self._ours, INGEST, events, warm_up), 0))
            new["reference"].append(
                all_sent(self.bench.run(self._reference, INGEST, self._requests(_SINGLES), self._requests(3)), _SINGLES)
            )
        ours, reference, repeated = _median(new["ours"]), _median(new["reference"]), _median(again)
        yield self._result(
            "warm single event",
            f"{ms(ours.overhead)} own overhead",
            f"{ms(ours.wall)} in total; {POWERTOOLS} {ms(reference.overhead)} own overhead",
            "≤ 5 ms",
            is_met=ours.overhead <= 0.005,
        )
        trips, repeat = sum(ours.calls.values()) / _SINGLES, sum(repeated.calls.values()) / _SINGLES
        yield self._result(
            "round trips of an event, and of a duplicate",
            f"{trips:g} and {repeat:g}",
            f"{POWERTOOLS} {sum(reference.calls.values()) / _SINGLES:g}",
            "3 and 1",
            is_met=(trips, repeat) == (3, 1),
        )
        ratios = [own.cpu / other.cpu for own, other in zip(new["ours"], new["reference"], strict=True)]
        ratio = statistics.median(ratios)
        yield self._result(
            "CPU per single event",
            f"{ratio:.2f} × the {POWERTOOLS}",
            f"{ms(ours.cpu / _SINGLES)} against {ms(reference.cpu / _SINGLES)}; ratios of {min(ratios):.2f} to "
            f"{max(ratios):.2f} in {_ROUNDS} rounds",
            "≤ 0.6 ×",
            is_met=ratio <= 0.6,
        )

    def batches(self) -> Iterator[Result]:
        size = 1000
        self.bench.reset(TYPICAL)
        new, again, events = [], [], list[Event]()
        for _ in range(3):
            events = self._events(size)
            new.append(all_sent(self.bench.run(self._ours, INGEST, [segment_request(events)], self._requests(3)), size))
            again.append(all_sent(self.bench.run(self._ours, INGEST, [segment_request(events)], self._requests(3)), 0))
        few = self._events(size // 10)  # 1000 would take minutes
        reference = all_sent(
            self.bench.run(self._reference, INGEST, [segment_request(few)], self._requests(3)), len(few)
        )
        ours, repeated = _median(new), _median(again)
        yield self._result(
            f"batch of {size} new events",
            f"{ours.wall:.2f} s, {ours.calls['MSG91']} MSG91 calls, {ours.dynamodb_calls} DynamoDB calls",
            f"{POWERTOOLS} {10 * reference.wall:.0f} s, {10 * reference.calls['MSG91']} and "
            f"{10 * reference.dynamodb_calls} calls (from a batch of {size // 10})",
            "≤ 2 s, ≤ 25, ≤ 100",
            is_met=ours.wall <= 2 and ours.calls["MSG91"] <= 25 and ours.dynamodb_calls <= 100,
        )
        yield self._result(
            f"batch of {size} duplicates",
            f"{repeated.wall:.2f} s, {repeated.calls.get('MSG91', 0)} MSG91 calls",
            f"{repeated.wall / ours.wall:.2f} × the new ones'",
            "≤ 1 s, 0",
            is_met=repeated.wall <= 1 and "MSG91" not in repeated.calls,
        )
        yield from self._reports_of(events)
        yield from self._reports_without_time()
        yield from self._largest_batch()

    def _reports_of(self, events: Sequence[Event]) -> Iterator[Result]:
        size = 500
        ours, reference = [], []
        for part in (events[:size], events[size:]):
            request = self._reports(self._ours, part)
            ours.append(self.bench.run(self._ours, REPORTS, [request]))
            reference.append(self.bench.run(self._reference, REPORTS, [request]))
            if ours[-1].last_answer["stored"] != size:
                raise WrongResultError(f"{ours[-1].last_answer} for {size} reports")
        yield self._result(
            f"v2 body of {size} reports",
            f"{max(reading.wall for reading in ours):.2f} s, {ours[0].dynamodb_calls} DynamoDB calls",
            f"{POWERTOOLS} {max(reading.wall for reading in reference):.2f} s, {reference[0].dynamodb_calls} calls",
            "≤ 2 s",
            is_met=max(reading.wall for reading in ours) <= 2,
        )

    def _reports_without_time(self) -> Iterator[Result]:
        """Measure a body that can't be stored before the function's timeout: the rest is stored from the queue."""
        size, seconds = 2500, 8
        for megabytes in (_MEMORY[0], self.bench.memory(REPORTS)):
            events = self._events(size)
            request = self._reports(self._ours, events)
            with throttled(megabytes) as group:
                groups = [group] if group else []
                first = self.bench.run(self._ours, REPORTS, [request], cgroups=groups, seconds=seconds)
                rest = [redrive_request(message) for message in first.queued]
                redriven = self.bench.run(self._ours, REPORTS, rest, cgroups=groups) if rest else None
            stored = first.calls.get("PutItem", 0) + (redriven.calls.get("PutItem", 0) if redriven else 0)
            if stored < size or (redriven and redriven.queued):
                raise WrongResultError(f"{stored} of {size} reports stored, {first.last_answer}")
            longest = max(redriven.walls) if redriven else 0
            yield self._result(
                f"v2 body of {size} reports, {megabytes} MB, timeout of {seconds} s",
                f"{first.wall:.1f} s: {first.last_answer['stored']} stored, the rest in {len(rest)} bodies",
                f"each body stored from the queue in at most {longest:.1f} s, "
                f"{'under the CPU quota' if group else 'without a CPU quota'}",
                f"≤ {seconds} s, all stored",
                is_met=first.wall <= seconds and longest <= 29,
            )

    def _largest_batch(self) -> Iterator[Result]:
        size = 4000
        reading = all_sent(self.bench.run(self._ours, INGEST, [segment_request(self._events(size))]), size)
        limit = self.bench.memory(INGEST) / 2
        yield self._result(
            f"peak memory, batch of {size}",
            f"{reading.peak_memory / MEGABYTE:.0f} MB",
            f"{reading.wall:.1f} s",
            f"≤ {limit:.0f} MB: half the function's",
            is_met=reading.peak_memory / MEGABYTE <= limit,
        )

    def growth(self) -> Iterator[Result]:
        """Measure calls and processor time per event as the table grows, and as batches grow."""
        by_table = {}
        for items in _TABLE_SIZES:
            self.bench.reset({}, {"MessagesTable": items})
            reading = all_sent(
                self.bench.run(self._ours, INGEST, self._requests(_SINGLES), self._requests(3)), _SINGLES
            )
            by_table[items] = reading
        first, last = by_table[_TABLE_SIZES[0]], by_table[_TABLE_SIZES[-1]]
        is_flat = sum(first.calls.values()) == sum(last.calls.values())
        yield self._result(
            f"growth of the table, {_TABLE_SIZES[0]} to {_TABLE_SIZES[-1]:,} items",
            " → ".join(f"{sum(reading.calls.values()) / _SINGLES:g}" for reading in by_table.values())
            + " calls per event",
            " → ".join(ms(reading.cpu / _SINGLES) for reading in by_table.values()) + " CPU",
            "flat",
            is_met=is_flat,
        )
        self.bench.reset(TYPICAL)
        by_batch = {}
        for size in _BATCH_SIZES:
            request = segment_request(self._events(size))
            by_batch[size] = all_sent(self.bench.run(self._ours, INGEST, [request], self._requests(3)), size)
        walls = [reading.wall / size for size, reading in by_batch.items()]
        calls = [sum(reading.calls.values()) / size for size, reading in by_batch.items()]
        yield self._result(
            f"growth of batches, {_BATCH_SIZES[0]} to {_BATCH_SIZES[-1]}",
            " → ".join(f"{count:.3g}" for count in calls) + " calls per event",
            " → ".join(ms(wall) for wall in walls) + " per event",
            "falling",
            is_met=calls == sorted(calls, reverse=True) and walls[-1] < walls[0],
        )

    def usages(self) -> Mapping[str, Usage]:
        """Return what a message and its report use: single, in batches of a hundred, and in the reference."""
        self.bench.reset(TYPICAL)
        without = Subject("this bundle without reconciliation", self.builds.compiled, {"RECONCILE_EVERY_MINUTES": "0"})
        return {
            SINGLE: self._usage(self._ours, 1),
            BATCHES: self._usage(self._ours, 100),
            f"{SINGLE}, {WITHOUT_RECONCILIATION}": self._usage(without, 1),
            f"{BATCHES}, {WITHOUT_RECONCILIATION}": self._usage(without, 100),
            f"{POWERTOOLS}, {SINGLE}": self._usage(self._reference, 1),
        }

    def memory_sweep(self) -> Iterator[tuple[int, float, float, bool]]:
        """Yield memory in MB, seconds for a single event and for a batch of 1000, and whether a CPU quota applied."""
        self.bench.reset(TYPICAL)
        for megabytes in _MEMORY:
            with throttled(megabytes) as group:
                groups = [group] if group else []
                single = self.bench.run(self._ours, INGEST, self._requests(20), self._requests(2), groups)
                batch = self.bench.run(
                    self._ours, INGEST, [segment_request(self._events(1000))], self._requests(2), groups
                )
            if group:
                yield megabytes, statistics.fmean(single.walls), batch.wall, True
            else:
                share = min(1, megabytes / MEGABYTES_PER_CORE)
                seconds = [
                    (reading.provider_time + reading.cpu / share) / len(reading.walls) for reading in (single, batch)
                ]
                yield megabytes, seconds[0], seconds[1], False

    def _usage(self, subject: Subject, size: int) -> Usage:
        """Measure 40 single messages or 10 batches, with the memory of the template."""
        count = 40 if size == 1 else 10
        events = self._events(count * size)
        requests = [segment_request(events[first : first + size]) for first in range(0, len(events), size)]
        memory = self.bench.memory(INGEST)
        with throttled(memory) as group:
            groups = [group] if group else []
            sent = all_sent(self.bench.run(subject, INGEST, requests, self._requests(2), groups), len(events))
            reports = [self._reports(subject, events[first : first + size]) for first in range(0, len(events), size)]
            warm_up = [self._reports(subject, self._events(1))]
            reported = self.bench.run(subject, REPORTS, reports, warm_up, groups)
        logs = sent.log_bytes + reported.log_bytes
        if subject == self._reference:
            logs += 2 * count * _PLATFORM_LOG
        return Usage(
            requests=2 / size,
            lambda_seconds=(sum(sent.walls) + sum(reported.walls)) / len(events),
            memory_gigabytes=memory / 1024,
            units={
                name: (sent.units.get(name, 0) + reported.units.get(name, 0)) / len(events)
                for name in {*sent.units, *reported.units}
            },
            log_bytes=logs / len(events),
            access_log_bytes=2 * _ACCESS_LOG / size,
        )

    def _reports(self, subject: Subject, events: Sequence[Event]) -> Event:
        """Return a body that reports each event's message; messages that were not sent before are sent first."""
        results = self.bench.run(subject, INGEST, [segment_request(events)]).last_answer["results"]
        return reports_request([result["crqid"] for result in results], _number(events[0]))

    def _events(self, count: int) -> list[Event]:
        return list(islice(self._numbers, count))

    def _requests(self, count: int) -> list[Event]:
        return [segment_request([event]) for event in self._events(count)]

    def _result(self, what: str, value: str, against: str, target: str, *, is_met: bool | None = None) -> Result:
        return Result(what, value, against, target, is_met).said(self.say)


def _number(event: Event) -> int:
    """Return the number in the event's phone, from which reports_request counts on."""
    return int(event["properties"]["phone"].removeprefix("9198"))


def _median(readings: Sequence[Reading]) -> Reading:
    return sorted(readings, key=lambda reading: reading.wall)[len(readings) // 2]
