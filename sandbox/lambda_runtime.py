"""Ways to invoke a function: in this process as Lambda's runtime does, or over HTTP in Lambda's emulator."""

import importlib
import json
import time
from collections.abc import Callable
from dataclasses import dataclass
from queue import SimpleQueue
from typing import Any, Final
from uuid import uuid4

import httpx

from sandbox.template import ACCOUNT, REGION, Function

type Event = dict[str, Any]
type Invoker = Callable[[Event], object]
type Handler = Callable[[Event, LambdaContext], object]


RIE_PATH: Final = "/2015-03-31/functions/function/invocations"


class FunctionError(Exception):
    """The function raised an error, timed out or gave no readable answer."""


@dataclass(frozen=True, slots=True)
class LambdaContext:
    function_name: str
    aws_request_id: str
    memory_limit_in_mb: int
    deadline: float
    """On the monotonic clock."""
    function_version: str = "$LATEST"

    @property
    def invoked_function_arn(self) -> str:
        return f"arn:aws:lambda:{REGION}:{ACCOUNT}:function:{self.function_name}"

    @property
    def log_group_name(self) -> str:
        return f"/aws/lambda/{self.function_name}"

    @property
    def log_stream_name(self) -> str:
        return self.aws_request_id

    def get_remaining_time_in_millis(self) -> int:
        return max(0, int((self.deadline - time.monotonic()) * 1000))


class InThisProcess:
    """Calls a handler as Lambda does, one event at a time, but cannot stop a call that times out."""

    def __init__(self, function: Function, handler: Handler) -> None:
        self._function = function
        self._handler = handler

    def __call__(self, event: Event) -> object:
        try:
            return _through_json(self._handler(_through_json(event), self._context()))
        except Exception as error:
            raise FunctionError(f"{self._function.name} raised {error!r}") from error

    def _context(self) -> LambdaContext:
        deadline = time.monotonic() + self._function.timeout
        return LambdaContext(self._function.name, str(uuid4()), self._function.memory, deadline)


class OverHttp:
    """Invokes functions in Lambda's own Runtime Interface Emulator, whose base URLs are given.

    An emulator takes one event at a time, so the number of URLs is the maximum concurrency.
    """

    def __init__(self, *urls: str, timeout: float = 60) -> None:
        self._idle: SimpleQueue[str] = SimpleQueue()
        self._timeout = timeout
        for url in urls:
            self._idle.put(url)

    def __call__(self, event: Event) -> object:
        url = self._idle.get()
        try:
            answer = httpx.post(url + RIE_PATH, json=event, timeout=self._timeout).json()
        except (httpx.HTTPError, json.JSONDecodeError) as error:  # the answer for a timeout is plain text
            raise FunctionError(f"The function at {url} did not answer: {error!r}") from error
        finally:
            self._idle.put(url)
        if isinstance(answer, dict) and "errorType" in answer:
            raise FunctionError(f"The function at {url} raised {answer['errorType']}: {answer.get('errorMessage')}")
        return answer


def load_handler(function: Function) -> Handler:
    """Import the module of the template's CodeUri and Handler. Its environment must be set before."""
    handler: Handler = getattr(importlib.import_module(function.module), function.handler)
    return handler


def _through_json[T](value: T) -> T:
    copy: T = json.loads(json.dumps(value))
    return copy
