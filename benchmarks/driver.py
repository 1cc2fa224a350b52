"""Calls a function's handler and measures it, with only its code, the layer and the runtime's packages.

`python driver.py`: a task as JSON on standard input, a reading as JSON on standard output (see `Bench.run`). It imports
nothing of this project except the function itself.
"""

import http.client
import importlib
import json
import os
import resource
import sys
import tempfile
import time
from collections import Counter
from typing import Any

_BYTES_PER_LOG_EVENT = 26  # what CloudWatch Logs charges for each besides its text


class Context:
    """The part of Lambda's context that handlers use."""

    function_name = "benchmark"
    memory_limit_in_mb = 512
    invoked_function_arn = "arn:aws:lambda:ap-south-1:123456789012:function:benchmark"
    aws_request_id = "00000000-0000-4000-8000-000000000000"

    def __init__(self, seconds: float) -> None:
        self._deadline = time.monotonic() + seconds

    def get_remaining_time_in_millis(self) -> int:
        return max(0, int(1000 * (self._deadline - time.monotonic())))


def main() -> None:
    task = json.load(sys.stdin)
    if task["core"] is not None and hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {task["core"]})
    for cgroup in task["cgroups"]:
        with open(cgroup, "w", encoding="ascii") as processes:  # noqa: PTH123  # only the imports that a function has
            processes.write(str(os.getpid()))
    results = os.dup(1)
    log = tempfile.TemporaryFile()  # noqa: SIM115  # until the process ends
    os.dup2(log.fileno(), 1)
    handler = importlib.import_module("app").lambda_handler
    for event in task["warm_up"]:
        handler(event, Context(task["seconds"]))
    _ask(task["providers"], "/read")
    sys.stdout.flush()
    log.truncate(0)
    walls, statuses = [], Counter[str]()
    answer = {}
    cpu = time.process_time()
    for event in task["events"]:
        began = time.perf_counter()
        answer = handler(event, Context(task["seconds"]))
        walls.append(time.perf_counter() - began)
        statuses[str(answer.get("statusCode"))] += 1
    cpu = time.process_time() - cpu
    sys.stdout.flush()
    log.seek(0)
    lines = log.read().splitlines()
    reading = {
        "log_bytes": sum(map(len, lines)) + _BYTES_PER_LOG_EVENT * len(lines),
        "walls": walls,
        "cpu": cpu,
        "statuses": statuses,
        "last_answer": json.loads(answer["body"]) if "body" in answer else answer,
        "peak_memory": _peak_memory(),
        "providers": _ask(task["providers"], "/read"),
    }
    os.write(results, json.dumps(reading).encode())


def _peak_memory() -> int:
    """Return the bytes that this process had in memory at most. Linux's `ru_maxrss` begins with its parent's."""
    try:
        with open("/proc/self/status", encoding="ascii") as status:  # noqa: PTH123  # only the imports that a function has
            return next(int(line.split()[1]) * 1024 for line in status if line.startswith("VmHWM"))
    except (OSError, StopIteration):
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)


def _ask(port: int, path: str) -> Any:  # noqa: ANN401  # JSON
    connection = http.client.HTTPConnection("127.0.0.1", port)
    connection.request("POST", path, b"{}")
    try:
        return json.load(connection.getresponse())
    finally:
        connection.close()


main()
