"""Cold starts under Lambda's runtime interface: from the process's start to its first answer."""

import time
from collections.abc import Mapping, Sequence
from pathlib import Path

import httpx

from benchmarks.measuring import Bench, WrongResultError
from benchmarks.workloads import Event
from sandbox.emulator import starter
from sandbox.lambda_runtime import RIE_PATH
from sandbox.template import Function


def cold_starts(
    bench: Bench, function: str, builds: Mapping[str, Path], event: Event, rounds: int
) -> Mapping[str, Sequence[float]]:
    """Start the function of each build in turns; return by build the seconds until it answered the event."""
    (described,) = (candidate for candidate in bench.template.functions() if candidate.name == function)
    seconds: dict[str, list[float]] = {name: [] for name in builds}
    with httpx.Client(trust_env=False, timeout=60) as http:
        for _ in range(rounds):
            for name, build in builds.items():
                seconds[name].append(_cold_start(bench, described, build, event, http))
    return seconds


def _cold_start(bench: Bench, function: Function, build: Path, event: Event, http: httpx.Client) -> float:
    with starter(build) as start:
        emulator = start(function, bench.environment(function.name))
        began = time.perf_counter()  # the emulator listens; the function's process starts with the first event
        answer = http.post(emulator.url + RIE_PATH, json=event).json()
        took = time.perf_counter() - began
    if "errorMessage" in answer or answer.get("statusCode", 200) not in (200, 202):
        raise WrongResultError(f"{function.name} of {build.name} answered {answer}")
    return took
