"""Execution environments that can be killed and frozen: several of each built function, in processes of their own."""

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from queue import Empty, LifoQueue

import httpx

from sandbox.emulator import Emulator
from sandbox.lambda_runtime import RIE_PATH, Event, FunctionError
from sandbox.msg91_simulator.server import Entrance

PATIENCE = 60.0
"""Seconds: twice what a function may take."""


@dataclass(slots=True)
class Environment:
    """One environment of a function. It takes one event at a time, and is started anew after it was killed."""

    name: str
    """Its access key, by which AWS knows who calls, and the name of its entrance at MSG91."""
    emulator: Emulator
    msg91: Entrance
    http: httpx.Client = field(default_factory=lambda: httpx.Client(timeout=PATIENCE, trust_env=False))

    def invoke(self, event: Event) -> object:
        """Raises FunctionError."""
        if not self.emulator.is_running:
            self.emulator.start()
        try:
            answer = self.http.post(self.emulator.url + RIE_PATH, json=event).json()
        except (httpx.HTTPError, json.JSONDecodeError) as error:
            raise FunctionError(f"{self.name} did not answer: {error!r}") from error
        if isinstance(answer, dict) and "errorType" in answer:
            raise FunctionError(f"{self.name} raised {answer['errorType']}: {answer.get('errorMessage')}")
        return answer

    def kill(self) -> None:
        self.emulator.stop()

    def close(self) -> None:
        self.http.close()


class Fleet:
    """All environments of one function: its invoker. The warmest first, as Lambda does it."""

    def __init__(self, environments: Sequence[Environment]) -> None:
        self.environments: Mapping[str, Environment] = {one.name: one for one in environments}
        self._idle: LifoQueue[Environment] = LifoQueue()
        for environment in environments:
            self._idle.put(environment)

    def __call__(self, event: Event) -> object:
        environment = self._idle.get(timeout=PATIENCE)
        try:
            return environment.invoke(event)
        finally:
            self._idle.put(environment)

    @property
    def is_idle(self) -> bool:
        return self._idle.qsize() == len(self.environments)

    @contextmanager
    def an_idle_one(self) -> Iterator[Environment | None]:
        """The warmest that has no event now; it gets none within the block, and the first after it."""
        try:
            environment = self._idle.get(timeout=1)
        except Empty:
            yield None
            return
        try:
            yield environment
        finally:
            self._idle.put(environment)
