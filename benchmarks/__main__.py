"""`make bench`: measures the built functions against two references, and writes docs/performance.md."""

import platform
import sys
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from importlib.metadata import version
from itertools import chain
from pathlib import Path
from typing import Final

from benchmarks.building import LAYER, build, sizes
from benchmarks.measures import POWERTOOLS, Measures, Result
from benchmarks.measuring import INGEST, bench
from benchmarks.prices import MUMBAI, US_EAST, costs, total
from sandbox.template import PATH

PAGE: Final = PATH.parent / "docs" / "performance.md"
_BEGIN: Final = "<!-- written by make bench: begin -->"
_END: Final = "<!-- written by make bench: end -->"
_BUDGETS: Final = {"single": 7.0, "batches of 100": 5.5}
"""USD for a million messages with their reports."""


def main() -> int:
    started = time.monotonic()
    builds = build()
    with bench(builds.compiled) as running:
        measures = Measures(running, builds, _say)
        results = list(chain(measures.cold_starts(), measures.single_events(), measures.batches(), measures.growth()))
        usages = measures.usages()
        results += [
            Result(
                f"a million messages with their reports, {name}",
                f"{total(usages[name], US_EAST):.2f} USD",
                f"{POWERTOOLS}, single, {total(usages[f'{POWERTOOLS}, single'], US_EAST):.2f} USD; {US_EAST.region}",
                f"under {budget:.2f} USD",
                total(usages[name], US_EAST) < budget,
            )
            for name, budget in _BUDGETS.items()
        ]
        sweep = list(measures.memory_sweep())
        memory = running.memory(INGEST)
    lines = [
        f"Measured on {datetime.now(UTC):%Y-%m-%d} by `make bench`, in {time.monotonic() - started:.0f} s.",
        f"{_machine()}.",
        "",
        *_table(
            ("what", "measured", "against", "target", ""),
            ((r.what, r.value, r.against, r.target, _mark(r)) for r in results),
        ),
        "",
        "### Memory",
        f"The template gives {memory} MB.",
        "",
        *_table(
            ("memory, MB", "single event", "batch of 1000", "Lambda, USD per million single events", ""),
            (
                (
                    str(megabytes),
                    f"{1000 * single:.0f} ms",
                    f"{batch:.2f} s",
                    f"{1e6 * single * megabytes / 1024 * US_EAST.lambda_gb_second:.2f}",
                    "under the kernel's CPU quota" if is_measured else "computed from processor time",
                )
                for megabytes, single, batch, is_measured in sweep
            ),
        ),
        "",
        "### Cost of a million messages with their reports",
        "List prices in USD, without SMS fees.",
        "",
    ]
    for name, usage in usages.items():
        lines += [
            f"**{name}**",
            "",
            *_table(
                ("what", "how much", US_EAST.region, MUMBAI.region),
                (
                    (what, f"{amount:.3f}", f"{here:.3f}", f"{there:.3f}")
                    for (what, amount, here), (_, _, there) in zip(
                        costs(usage, US_EAST), costs(usage, MUMBAI), strict=True
                    )
                ),
            ),
            f"| **sum** | | **{total(usage, US_EAST):.2f}** | **{total(usage, MUMBAI):.2f}** |",
            "",
        ]
    contents = sorted(sizes(builds.plain / LAYER).items(), key=lambda item: -item[1])
    lines += [
        "### The layer",
        "",
        *_table(("package", "KB, unpacked"), ((name, f"{size / 1000:.0f}") for name, size in contents)),
    ]
    for line in lines:
        _say(line)
    _write(lines)
    return 0


def _table(heads: tuple[str, ...], rows: Iterator[tuple[str, ...]]) -> Iterator[str]:
    yield "| " + " | ".join(heads) + " |"
    yield "|" + "---|" * len(heads)
    for row in rows:
        yield "| " + " | ".join(row) + " |"


def _mark(result: Result) -> str:
    return {True: "met", False: "**not met**", None: ""}[result.is_met]


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
