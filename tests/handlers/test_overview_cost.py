"""What a view of the overview costs: processor time, with as many points as there can be, and metrics requested."""

import re
import subprocess
import sys
import time
from collections.abc import Iterator
from datetime import timedelta, timezone
from typing import Final

import pytest

from sandbox.template import PATH
from segment_msg91.store.aws import cloudwatch_client, dynamodb_client
from segment_msg91.store.metrics import Metrics
from segment_msg91.store.waiting import WaitingMessages
from segment_msg91.use_cases.overview import METRICS_PER_VIEW, WINDOWS, Overview

BUDGET: Final = 0.05
"""Seconds of processor time."""
USD_PER_METRIC: Final = 0.01 / 1000
# AWS in a process of its own, whose time does not count: every metric has a value in every period.
SERVER: Final = """
import json
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_POST(self):
        asked = json.loads(self.rfile.read(int(self.headers["content-length"])))
        body = json.dumps(metrics(asked) if "MetricDataQueries" in asked else waiting()).encode()
        self.send_response(200)
        self.send_header("content-length", str(len(body)))
        self.send_header("content-type", "application/x-amz-json-1.0")
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass

def metrics(asked):
    start, end = int(asked["StartTime"]), int(asked["EndTime"])
    results = []
    for query in asked["MetricDataQueries"]:
        times = list(range(start, end, query["MetricStat"]["Period"]))
        results.append({"Id": query["Id"], "Label": "a label", "Timestamps": times,
                        "Values": [1234.0] * len(times), "StatusCode": "Complete"})
    return {"MetricDataResults": results, "Messages": []}

def waiting():
    return {"Count": 2500, "ScannedCount": 2500, "LastEvaluatedKey": {"crqid": {"S": "0" * 40}}}

server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
print(server.server_port, flush=True)
server.serve_forever()
"""


@pytest.fixture
def overview(monkeypatch: pytest.MonkeyPatch) -> Iterator[Overview]:
    server = subprocess.Popen([sys.executable, "-c", SERVER], stdout=subprocess.PIPE, text=True)  # noqa: S603 - ours
    assert server.stdout
    monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{server.stdout.readline().strip()}")
    metrics = Metrics(cloudwatch_client(), "SegmentMsg91", "stack")
    waiting = WaitingMessages(dynamodb_client(), "MessagesTable")
    yield Overview(metrics, waiting, timezone(timedelta(hours=5, minutes=30)), reconciles=True)
    server.kill()
    server.wait()
    server.stdout.close()


def _seconds(overview: Overview, window: str) -> float:
    """Return the processor time of a view that is not kept."""
    overview._views.clear()  # noqa: SLF001 - the views of this minute
    started = time.process_time()
    view = overview.view({"window": window})
    seconds = time.process_time() - started
    assert (view["totals"]["waiting"], len(view["failures"])) == (20_000, 0)
    return seconds


def test_a_view_takes_less_than_50_ms_of_processor_time(overview: Overview) -> None:
    times: dict[str, float] = {}
    for window in WINDOWS:
        times[window] = min(_seconds(overview, window) for _ in range(6))  # the machine may be busy
    assert max(times.values()) < BUDGET, times


def test_the_documents_say_what_a_view_costs() -> None:
    text = (PATH.parent / "docs" / "console.md").read_text(encoding="utf-8")
    found = re.search(r"(\d+) metrics at 0\.01 USD per\s+1,000, ([\d.]+) USD", text)
    assert found
    assert (int(found[1]), float(found[2])) == (METRICS_PER_VIEW, round(METRICS_PER_VIEW * USD_PER_METRIC, 5))
