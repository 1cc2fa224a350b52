"""The local stack's console has figures: from the functions' log lines through CloudWatch."""

import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import httpx
import pytest

from sandbox.msg91_simulator.numbers import PREFIX
from sandbox.samples import authorization, send, track
from sandbox.stack import Options, Stack, running_stack

ENDS: Final = {"01": "delivered", "02": "failed", "22": "refused"}
"""By the number's last two digits, which choose what MSG91 does."""
REPORTED: Final = ("delivered", "failed")


@pytest.fixture
def log(tmp_path: Path) -> Path:
    return tmp_path / "stack.log"


@pytest.fixture
def stack(log: Path) -> Iterator[Stack]:
    with running_stack(Options(log=log, report_delay=0.05, parameters={"Console": "on"})) as running:
        yield running


def _view(stack: Stack) -> dict[str, Any]:
    answer = httpx.get(f"{stack.console_url}/overview", auth=("support", stack.secret["console_token"]), timeout=30)
    assert answer.status_code == 200, answer.text
    view: dict[str, Any] = answer.json()
    return view


def test_what_happened_is_in_the_overview(stack: Stack, log: Path) -> None:
    for suffix in ENDS:
        event = track(PREFIX + suffix, f"To {suffix}", senderID="MSGIND") | {"messageId": suffix}
        send(stack.segment_url, json.dumps(event), authorization(stack.secret))
    deadline = time.monotonic() + 60
    while log.read_text().count('"DeliveryStatus":[') < len(REPORTED) and time.monotonic() < deadline:
        time.sleep(0.1)
    view = _view(stack)
    assert {name: view["totals"][name] for name in ENDS.values()} == dict.fromkeys(ENDS.values(), 1)
    assert view["totals"]["accepted"] == 2
    assert view["latency"]["p95"] >= view["latency"]["median"] >= 0
    assert len(view["failures"]) == 2
