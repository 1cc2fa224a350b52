"""The built functions under Lambda's real runtime interface, each in its own process, without Docker.

The emulator is the binary that `sam local` puts into its containers (in the aws-sam-cli wheel), the runtime client is
Lambda's own (awslambdaric). A function sees what it sees in Lambda: its code, the layer, and a runtime that has boto3.
"""

import os
import platform
import re
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, distribution
from importlib.resources import files
from pathlib import Path
from typing import Final

from sandbox.lambda_runtime import Invoker, OverHttp
from sandbox.servers import free_port
from sandbox.stack import Environments
from sandbox.template import PATH, Function

BUILD: Final = PATH.parent / ".aws-sam" / "build"
_LAYER: Final = "SharedLayer"
_RUNTIME_PACKAGES: Final = ("awslambdaric", "boto3")  # what Lambda's image has in /var/runtime
_START_TIMEOUT: Final = 20.0


class NotBuiltError(Exception):
    """`sam build` has not been run, or did not build this function."""


@dataclass(slots=True)
class Emulator:
    """One execution environment of one function. `start` starts it again after a kill."""

    function: Function
    environment: Mapping[str, str]
    build: Path
    runtime: Path
    log: Path
    url: str = ""
    process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start the emulator and wait until it listens; the function itself starts at its first event."""
        code = self.build / self.function.name
        if not (code / "app.py").exists() or not (self.build / _LAYER / "python").exists():
            raise NotBuiltError(f"{self.function.name} is not built; run `make build` first")
        address, runtime_api = f"127.0.0.1:{free_port()}", f"127.0.0.1:{free_port()}"
        command = [
            *(str(_emulator_binary()), "--log-level", "error"),
            *("--runtime-interface-emulator-address", address, "--runtime-api-address", runtime_api),
            # Not the virtual environment's Python: its packages would hide what the layer lacks.
            *(getattr(sys, "_base_executable", sys.executable), "-s", "-m", "awslambdaric", "app.lambda_handler"),
        ]
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(  # noqa: S603 - our own command
                command, cwd=code, env=self._environment(code), stdout=log, stderr=log, start_new_session=True
            )
        self.url = f"http://{address}"
        _wait_until_listening(address, self.process)

    def stop(self) -> None:
        """Kill the emulator and the function in it, if they are running."""
        process, self.process = self.process, None
        if process:
            _signal(process, signal.SIGKILL)
            process.wait()

    @property
    def is_running(self) -> bool:
        return self.process is not None and self.process.poll() is None

    def freeze(self) -> None:
        """Freeze the function as Lambda does between events: its connections stay open, and it does not notice."""
        if self.process:
            _signal(self.process, signal.SIGSTOP)

    def thaw(self) -> None:
        if self.process:
            _signal(self.process, signal.SIGCONT)

    def _environment(self, code: Path) -> dict[str, str]:
        return {
            "PATH": os.environ.get("PATH", ""),
            "LANG": "en_US.UTF-8",
            "TZ": ":UTC",
            "LAMBDA_TASK_ROOT": str(code),
            "AWS_EXECUTION_ENV": "AWS_Lambda_python3.13",
            "AWS_LAMBDA_FUNCTION_NAME": self.function.name,
            "AWS_LAMBDA_FUNCTION_TIMEOUT": str(self.function.timeout),
            "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": str(self.function.memory),
            "PYTHONPATH": os.pathsep.join(map(str, (code, self.build / _LAYER / "python", self.runtime))),
            **self.environment,
        }


@contextmanager
def emulated(
    functions: Sequence[Function], environments: Environments, build: Path = BUILD
) -> Iterator[Mapping[str, Invoker]]:
    """Start every function's emulator: `running_stack`'s `start_functions` for the built functions."""
    with emulators(functions, environments, build) as started:
        yield {name: OverHttp(emulator.url) for name, emulator in started.items()}


@contextmanager
def emulators(
    functions: Sequence[Function], environments: Environments, build: Path = BUILD
) -> Iterator[Mapping[str, Emulator]]:
    """Start every function's emulator, and stop them at the end of the block."""
    with starter(build) as start:
        yield {function.name: start(function, environments[function.name]) for function in functions}


@contextmanager
def starter(build: Path = BUILD) -> Iterator[Callable[[Function, Mapping[str, str]], Emulator]]:
    """Yield a function that starts an emulator, any number for one function. They stop at the end of the block."""
    with ExitStack() as stack:
        directory = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="segment-msg91-")))
        runtime = link_runtime(directory / "runtime")

        def start(function: Function, environment: Mapping[str, str]) -> Emulator:
            emulator = Emulator(function, environment, build, runtime, directory / f"{function.name}.log")
            stack.callback(emulator.stop)
            emulator.start()
            return emulator

        yield start


def _emulator_binary() -> Path:
    machine = {"x86_64": "x86_64", "amd64": "x86_64", "aarch64": "arm64", "arm64": "arm64"}[platform.machine().lower()]
    binary = Path(str(files("samcli"))) / "local" / "rapid" / f"aws-lambda-rie-{machine}"
    binary.chmod(0o755)
    return binary


def link_runtime(directory: Path) -> Path:
    """Link the packages that Lambda's runtime includes, and nothing else of this virtual environment."""
    directory.mkdir()
    pending, seen = list(_RUNTIME_PACKAGES), set[str]()
    while pending:
        name = pending.pop()
        if name in seen:
            continue
        seen.add(name)
        try:
            package = distribution(name)
        except PackageNotFoundError:
            continue  # a requirement of another platform or of an extra
        for file in package.files or ():
            top = file.parts[0]
            link = directory / top
            if top not in ("..", "__pycache__") and not link.exists():
                link.symlink_to(Path(str(package.locate_file(top))))
        needed = [requirement for requirement in package.requires or () if "extra ==" not in requirement]
        pending += [re.split(r"[^A-Za-z0-9._-]", requirement, maxsplit=1)[0] for requirement in needed]
    return directory


def _signal(process: subprocess.Popen[bytes], number: signal.Signals) -> None:
    """Signal the emulator and its function, which has its own process group."""
    for pid in (process.pid, *_children(process.pid)) if process.poll() is None else ():
        with suppress(ProcessLookupError):  # already ended
            os.kill(pid, number)


def _children(pid: int) -> list[int]:
    """Return the processes that a process has started. Linux only, as the emulator is."""
    started: list[int] = []
    with suppress(OSError):  # already ended
        for children in Path(f"/proc/{pid}/task").glob("*/children"):
            started += map(int, children.read_text().split())
    return started


def _wait_until_listening(address: str, process: subprocess.Popen[bytes]) -> None:
    host, port = address.split(":")
    deadline = time.monotonic() + _START_TIMEOUT
    while time.monotonic() < deadline and process.poll() is None:
        try:
            socket.create_connection((host, int(port)), timeout=1).close()
        except OSError:
            time.sleep(0.02)
        else:
            return
    raise NotBuiltError(f"the emulator at {address} did not start; is its binary for this machine?")
