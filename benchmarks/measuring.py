"""Runs a handler in its own process against the providers, and reads the measurements."""

import json
import os
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import httpx

from benchmarks.providers import IDEMPOTENCY_TABLE
from benchmarks.workloads import Event
from sandbox.emulator import link_runtime
from sandbox.template import PATH, REGION, Function, Template

INGEST: Final = "SegmentIngestFunction"
REPORTS: Final = "DeliveryReportsFunction"
RECONCILIATION: Final = "ReconciliationFunction"
CORE_OF_FUNCTIONS: Final = 0
CORE_OF_PROVIDERS: Final = 1
TYPICAL: Final = {"dynamodb": 0.005, "secretsmanager": 0.005, "sqs": 0.005, "msg91": 0.150, "logs": 0.500}
_HERE: Final = Path(__file__).resolve().parent


class WrongResultError(Exception):
    """A benchmark did not do the work that it measures."""


@dataclass(frozen=True, slots=True)
class Reading:
    walls: Sequence[float]
    """Seconds, for each event."""
    cpu: float
    """Seconds, for all."""
    statuses: Mapping[str, int]
    last_answer: Mapping[str, Any]
    peak_memory: int
    """Bytes, of the process."""
    log_bytes: int
    calls: Mapping[str, int]
    provider_time: float
    """Seconds that the providers took for all calls together."""
    units: Mapping[str, float]
    """DynamoDB's request units."""
    sms: int
    queued: Sequence[Mapping[str, Any]]
    """The arguments of SendMessage, for each message to an SQS queue."""

    @property
    def wall(self) -> float:
        """Median seconds for an event."""
        return statistics.median(self.walls)

    @property
    def overhead(self) -> float:
        """Median seconds for an event, without the time that the providers took for its calls, one after another."""
        return self.wall - self.provider_time / len(self.walls)

    @property
    def dynamodb_calls(self) -> int:
        others = ("MSG91", "logs", "GetSecretValue", "SendMessage")
        return sum(count for name, count in self.calls.items() if name not in others)


@dataclass(frozen=True, slots=True)
class Subject:
    """What is measured: a folder with a folder of code for each function, run with the built layer.

    `variables` of the environment replace the template's.
    """

    name: str
    code: Path
    variables: Mapping[str, str] = field(default_factory=dict)


@dataclass(slots=True)
class Bench:
    """The running providers; runs subjects against them."""

    port: int
    build: Path
    runtime: Path
    template: Template = field(default_factory=Template.load)

    def reset(self, latency: Mapping[str, float], items: Mapping[str, int] | None = None) -> None:
        """Empty the providers and set their latencies. `items` is the number of other items by table."""
        content = {"latency": latency, "items": items or {}}
        httpx.post(f"{self.url}/reset", json=content, trust_env=False, timeout=120).raise_for_status()

    def treat(self, *, is_answer_lost: bool = False, is_logged: bool = False, others: int = 0) -> None:
        """Set how MSG91 treats what is sent from now on, and add SMS of other programs to its logs."""
        content = {"is_answer_lost": is_answer_lost, "is_logged": is_logged, "others": others}
        httpx.post(f"{self.url}/msg91", json=content, trust_env=False, timeout=120).raise_for_status()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def memory(self, function: str) -> int:
        """The function's memory, in MB."""
        return self._function(function).memory

    def timeout(self, function: str) -> int:
        """The function's timeout, in seconds."""
        return self._function(function).timeout

    def _function(self, name: str) -> Function:
        return next(function for function in self.template.functions() if function.name == name)

    def environment(self, function: str) -> dict[str, str]:
        """Return the function's variables of the template, with the providers' addresses."""
        return {
            **self.template.environment(function, self.url),
            "AWS_ENDPOINT_URL": self.url,
            "AWS_DEFAULT_REGION": REGION,
            "AWS_ACCESS_KEY_ID": "benchmark",
            "AWS_SECRET_ACCESS_KEY": "benchmark",
            "MSG91_BASE_URL": self.url,
            "IDEMPOTENCY_TABLE": IDEMPOTENCY_TABLE,
            "PYTHONDONTWRITEBYTECODE": "1",  # as in Lambda, where code and layer are read-only
        }

    def run(
        self,
        subject: Subject,
        function: str,
        events: Sequence[Event],
        warm_up: Sequence[Event] = (),
        cgroups: Sequence[Path] = (),
        seconds: float = 29,
    ) -> Reading:
        """Call the handler for each event, one after another. Raises WrongResultError if it did not run.

        `seconds` is the remaining time that the context reports for each event.
        """
        code = subject.code / function
        path = (code, self.build / "SharedLayer" / "python", self.runtime)
        environment = {
            "PATH": os.environ["PATH"],
            "PYTHONPATH": os.pathsep.join(map(str, path)),
            "AWS_LAMBDA_RUNTIME_API": "none",  # the functions build their clients at import, as in Lambda
            **self.environment(function),
            **subject.variables,
        }
        task = {
            "core": CORE_OF_FUNCTIONS if (os.cpu_count() or 1) > 1 else None,
            "cgroups": [str(cgroup / "cgroup.procs") for cgroup in cgroups],
            "providers": self.port,
            "warm_up": warm_up,
            "events": events,
            "seconds": seconds,
        }
        ran = subprocess.run(  # noqa: S603  # our own
            [getattr(sys, "_base_executable", sys.executable), "-s", str(_HERE / "driver.py")],
            input=json.dumps(task).encode(),
            env=environment,
            capture_output=True,
            check=False,
        )
        if ran.returncode:
            raise WrongResultError(f"{subject.name}, {function}: {ran.stderr.decode()}")
        return _reading(json.loads(ran.stdout))


def _reading(driver: dict[str, Any]) -> Reading:
    providers = driver.pop("providers")
    return Reading(**driver, **providers)


@contextmanager
def bench(build: Path) -> Iterator[Bench]:
    """Start the providers."""
    command = [sys.executable, "-m", "benchmarks.providers"]
    with (
        tempfile.TemporaryDirectory(prefix="segment-msg91-") as directory,
        subprocess.Popen(command, cwd=PATH.parent, stdout=subprocess.PIPE, text=True) as providers,  # noqa: S603
    ):
        try:
            if hasattr(os, "sched_setaffinity") and (os.cpu_count() or 1) > 1:
                os.sched_setaffinity(providers.pid, {CORE_OF_PROVIDERS})
            port = int(providers.stdout.readline() if providers.stdout else "")
            yield Bench(port, build, link_runtime(Path(directory) / "runtime"))
        finally:
            providers.terminate()
