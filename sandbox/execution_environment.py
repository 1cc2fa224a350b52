"""A function's execution environment, as in Lambda: a separate process that sees only its own variables.

`python -m sandbox.execution_environment FUNCTION` is that process: each line on stdin is an event, on stdout a result.
"""

import json
import os
import subprocess
import sys
import traceback
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from queue import LifoQueue
from threading import Timer
from typing import IO, Any, Final

from sandbox.lambda_runtime import Event, FunctionError, InThisProcess, Invoker, load_handler
from sandbox.template import PATH, Function

MAX_ENVIRONMENTS: Final = 4
"""Environments of one function, so its maximum of concurrent invocations; further ones wait."""
_IMPORT_PATH: Final = os.pathsep.join(str(path) for path in (PATH.parent, PATH.parent / "layers" / "shared"))


class ExecutionEnvironment:
    """Starts cold at its first event, and after an event that killed it. Takes one event at a time."""

    def __init__(self, function: Function, variables: Mapping[str, str], log: IO[str]) -> None:
        self._function = function
        self._variables = {**variables, "PATH": os.environ.get("PATH", os.defpath), "PYTHONPATH": _IMPORT_PATH}
        self._log = log
        self._process: subprocess.Popen[str] | None = None

    def invoke(self, event: Event) -> object:
        """Raises FunctionError; a function that runs out of time is killed, as Lambda kills it."""
        process = self._process or self._start()
        alarm = Timer(self._function.timeout, process.kill)
        alarm.start()
        try:
            answer = _exchange(process, event)
        finally:
            alarm.cancel()
        if answer is None:
            self.stop()
            raise FunctionError(f"{self._function.name} was killed, or ran longer than {self._function.timeout} s")
        if "error" in answer:
            raise FunctionError(answer["error"])
        return answer["result"]

    def stop(self) -> None:
        if self._process:
            process, self._process = self._process, None
            process.kill()
            process.communicate()

    def _start(self) -> subprocess.Popen[str]:
        self._process = subprocess.Popen(  # noqa: S603  # this very module
            [sys.executable, "-u", "-m", __name__, json.dumps(asdict(self._function))],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._log,
            env=self._variables,
            text=True,
            start_new_session=True,  # only the stack receives Ctrl-C, and then stops its functions
        )
        return self._process


def _exchange(process: subprocess.Popen[str], event: Event) -> dict[str, Any] | None:
    """Return None if the process has ended."""
    if not process.stdin or not process.stdout:
        return None
    try:
        print(json.dumps(event), file=process.stdin, flush=True)
    except BrokenPipeError:
        return None
    line = process.stdout.readline()
    return json.loads(line) if line else None


@contextmanager
def scaling(function: Function, variables: Mapping[str, str], log: IO[str]) -> Iterator[Invoker]:
    """Yield an invoker with an environment for each concurrent event. The last used is used first."""
    environments = [ExecutionEnvironment(function, variables, log) for _ in range(MAX_ENVIRONMENTS)]
    idle: LifoQueue[ExecutionEnvironment] = LifoQueue()
    for environment in environments:
        idle.put(environment)

    def invoke(event: Event) -> object:
        environment = idle.get()
        try:
            return environment.invoke(event)
        finally:
            idle.put(environment)

    try:
        yield invoke
    finally:
        for environment in environments:
            environment.stop()


def _answer_events(function: Function, events: IO[str], answers: IO[str]) -> None:
    invoke = InThisProcess(function, load_handler(function))
    for line in events:
        try:
            answer = {"result": invoke(json.loads(line))}
        except FunctionError as error:
            traceback.print_exc()
            answer = {"error": str(error)}
        print(json.dumps(answer), file=answers, flush=True)


def _main(arguments: Sequence[str]) -> None:
    answers = os.fdopen(os.dup(sys.stdout.fileno()), "w")
    # The function's output, its logs and metrics, goes to the same file as its errors.
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
    _answer_events(Function(**json.loads(arguments[1])), sys.stdin, answers)


if __name__ == "__main__":
    _main(sys.argv)
