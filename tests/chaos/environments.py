"""Execution environments that can be killed and frozen: several processes of each built function."""

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from queue import Empty, LifoQueue

import httpx

from sandbox.emulator import Emulator, NotBuiltError
from sandbox.lambda_runtime import RIE_PATH, Event, FunctionError
from sandbox.msg91_simulator.server import Listener

WAIT_FOR_IDLE = 60.0
"""Seconds until an environment is idle: twice what the functions may take that are invoked often."""


@dataclass(slots=True)
class Environment:
    """One environment of a function. It takes one event at a time, and starts again after a kill."""

    name: str
    """Its access key, which identifies the caller at AWS, and the name of its listener at MSG91."""
    emulator: Emulator
    msg91: Listener
    http: httpx.Client = field(default_factory=lambda: httpx.Client(trust_env=False))

    def invoke(self, event: Event) -> object:
        """Raises FunctionError."""
        if not self.emulator.is_running:
            self._start()
        try:
            timeout = 2 * self.emulator.function.timeout
            answer = self.http.post(self.emulator.url + RIE_PATH, json=event, timeout=timeout).json()
        except (httpx.HTTPError, json.JSONDecodeError) as error:
            raise FunctionError(f"{self.name} did not answer: {error!r}") from error
        if isinstance(answer, dict) and "errorType" in answer:
            raise FunctionError(f"{self.name} raised {answer['errorType']}: {answer.get('errorMessage')}")
        return answer

    def _start(self) -> None:
        try:
            self.emulator.start()
        except NotBuiltError as error:
            if self.emulator.process is None:  # a call of the killed process was still running, and was to kill as well
                raise FunctionError(f"{self.name} was killed while it started") from error
            raise

    def kill(self) -> None:
        self.emulator.stop()

    def close(self) -> None:
        self.http.close()


class Fleet:
    """The invoker of one function, with all its environments. The last used is the first used again, as in Lambda."""

    def __init__(self, environments: Sequence[Environment]) -> None:
        self.environments: Mapping[str, Environment] = {environment.name: environment for environment in environments}
        self._idle: LifoQueue[Environment] = LifoQueue()
        for environment in environments:
            self._idle.put(environment)

    def __call__(self, event: Event) -> object:
        environment = self._idle.get(timeout=WAIT_FOR_IDLE)
        try:
            return environment.invoke(event)
        finally:
            self._idle.put(environment)

    @property
    def is_idle(self) -> bool:
        return self._idle.qsize() == len(self.environments)

    @contextmanager
    def idle_environment(self) -> Iterator[Environment | None]:
        """Yield the last used idle environment, if any. It gets no event within the block, and the first after it."""
        try:
            environment = self._idle.get(timeout=1)
        except Empty:
            yield None
            return
        try:
            yield environment
        finally:
            self._idle.put(environment)
