"""`make bench`: measures the built functions against two references, and writes docs/performance.md."""

import argparse
import platform
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Final

from benchmarks.building import LAYER, Builds, build, sizes
from benchmarks.measures import BATCHES, POWERTOOLS, SINGLE, Measures
from benchmarks.measuring import INGEST, bench
from benchmarks.prices import MUMBAI, US_EAST, Usage, costs, total
from benchmarks.reconciliation import ReconciliationMeasures
from benchmarks.results import Result
from sandbox.template import PATH

PAGE: Final = PATH.parent / "docs" / "performance.md"
_BEGIN: Final = "<!-- written by make bench: begin -->"
_END: Final = "<!-- written by make bench: end -->"
_BUDGETS: Final = {SINGLE: 7.0, BATCHES: 5.5}
"""USD for a million messages with their reports, with and without the reconciliation."""
_TABLE: Final[Mapping[str, Callable[[Measures], Iterator[Result]]]] = {
    "cold-starts": Measures.cold_starts,
    "single-events": Measures.single_events,
    "batches": Measures.batches,
    "growth": Measures.growth,
    "reconciliation": lambda measures: ReconciliationMeasures(measures.bench, measures.builds, measures.say).all(),
}
"""The parts of the first table."""
_PARTS: Final = (*_TABLE, "costs", "memory", "layer")


def main() -> int:
    parser = argparse.ArgumentParser(prog="make bench", description=__doc__)
    parser.add_argument("--only", nargs="+", choices=_PARTS, help="measure these parts, and do not write the page")
    only: Sequence[str] | None = parser.parse_args().only
    started = time.monotonic()
    builds = build()
    with bench(builds.compiled) as running:
        lines = list(_lines(Measures(running, builds, _say), only or _PARTS))
    if not only:
        took = f"Measured on {datetime.now(UTC):%Y-%m-%d} by `make bench`, in {time.monotonic() - started:.0f} s."
        lines = [took, f"{_machine()}.", "", *lines]
    for line in lines:
        _say(line)
    if not only:
        _write(lines)
    return 0


def _lines(measures: Measures, parts: Sequence[str]) -> Iterator[str]:
    results = [result for part in parts if part in _TABLE for result in _TABLE[part](measures)]
    usages = measures.usages() if "costs" in parts else {}
    results += _costs_against_budgets(usages)
    yield from _table(
        ("what", "measured", "against", "target", ""),
        ((r.what, r.value, r.against, r.target, _mark(r)) for r in results),
    )
    if "memory" in parts:
        yield from _memory(measures)
    if usages:
        yield from _costs(usages)
    if "layer" in parts:
        yield from _layer(measures.builds)


def _costs_against_budgets(usages: Mapping[str, Usage]) -> Iterator[Result]:
    for name, usage in usages.items():
        budget = next((budget for start, budget in _BUDGETS.items() if name.startswith(start)), None)
        if budget is not None:
            cost = total(usage, US_EAST)
            reference = total(usages[f"{POWERTOOLS}, {SINGLE}"], US_EAST)
            yield Result(
                f"a million messages with their reports, {name}",
                f"{cost:.2f} USD",
                f"{POWERTOOLS}, {SINGLE}, {reference:.2f} USD; {US_EAST.region}",
                f"under {budget:.2f} USD",
                cost < budget,
            )


def _memory(measures: Measures) -> Iterator[str]:
    yield from ("", "### Memory", f"The template gives {measures.bench.memory(INGEST)} MB.", "")
    yield from _table(
        ("memory, MB", "single event", "batch of 1000", "Lambda, USD per million single events", ""),
        (
            (
                str(megabytes),
                f"{1000 * single:.0f} ms",
                f"{batch:.2f} s",
                f"{1e6 * single * megabytes / 1024 * US_EAST.lambda_gb_second:.2f}",
                "under the kernel's CPU quota" if is_measured else "computed from processor time",
            )
            for megabytes, single, batch, is_measured in measures.memory_sweep()
        ),
    )


def _costs(usages: Mapping[str, Usage]) -> Iterator[str]:
    yield from ("", "### Cost of a million messages with their reports", "List prices in USD, without SMS fees.")
    for name, usage in usages.items():
        yield from ("", f"**{name}**", "")
        yield from _table(
            ("what", "how much", US_EAST.region, MUMBAI.region),
            (
                (what, f"{amount:.3f}", f"{here:.3f}", f"{there:.3f}")
                for (what, amount, here), (_, _, there) in zip(costs(usage, US_EAST), costs(usage, MUMBAI), strict=True)
            ),
        )
        yield f"| **sum** | | **{total(usage, US_EAST):.2f}** | **{total(usage, MUMBAI):.2f}** |"


def _layer(builds: Builds) -> Iterator[str]:
    contents = sorted(sizes(builds.plain / LAYER).items(), key=lambda item: -item[1])
    yield from ("", "### The layer", "")
    yield from _table(("package", "KB, unpacked"), ((name, f"{size / 1000:.0f}") for name, size in contents))


def _table(heads: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> Iterator[str]:
    yield "| " + " | ".join(heads) + " |"
    yield "|" + "---|" * len(heads)
    for row in rows:
        yield "| " + " | ".join(row) + " |"


def _mark(result: Result) -> str:
    return f"**{result.verdict}**" if result.is_met is False else result.verdict


def _machine() -> str:
    model = platform.processor() or platform.machine()
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.exists():
        names = [
            line.split(":", 1)[1].strip() for line in cpuinfo.read_text().splitlines() if line.startswith("model name")
        ]
        model = f"{len(names)} cores of {names[0]}" if names else model
    packages = ", ".join(f"{name} {version(name)}" for name in ("boto3", "httpx", "aws-lambda-powertools"))
    return f"{model}, {platform.system()}, Python {platform.python_version()}, {packages}"


def _write(lines: list[str]) -> None:
    """Write the figures between the page's marks, and keep the rest of the page."""
    before, _, rest = PAGE.read_text(encoding="utf-8").partition(_BEGIN)
    _, _, after = rest.partition(_END)
    PAGE.write_text("\n".join([before + _BEGIN, *lines, _END + after]), encoding="utf-8")


def _say(line: str) -> None:
    print(line, flush=True)  # noqa: T201  # output for the user


if __name__ == "__main__":
    sys.exit(main())
