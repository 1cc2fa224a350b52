"""The whole path on one machine: an event becomes an SMS, its report arrives, and Segment receives both events."""

import json
import time
from collections.abc import Iterator, Mapping

import pytest

from sandbox.msg91_simulator.numbers import PREFIX
from sandbox.samples import authorization, send, track
from sandbox.segment_simulator.tracking_api import THROTTLED
from sandbox.stack import Options, Stack, running_stack

WITHIN = 60.0
"""Seconds; a busy machine is slow."""
EXPECTED = {
    "01": ["SMS Sent", "SMS Delivered"],
    "02": ["SMS Sent", "SMS Undelivered"],
    "03": ["SMS Sent", "SMS Failed"],
    "04": ["SMS Sent", "SMS Failed"],
    "06": ["SMS Sent", "SMS Failed"],
    "08": ["SMS Sent", "SMS Delivered"],
    "09": ["SMS Sent", "SMS Undelivered", "SMS Delivered"],
    "10": ["SMS Sent", "SMS Delivered"],
    "12": ["SMS Sent", "SMS Delivered"],
    "13": ["SMS Sent"],
    "21": [],
    "22": ["SMS Failed"],
    "31": [],
    "43": ["SMS Sent", "SMS Delivered"],
}
"""By the number's last two digits, which choose what MSG91 does."""


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    log = tmp_path_factory.mktemp("log") / "stack.log"
    with running_stack(Options(log=log, report_delay=0.05)) as running:
        yield running


def events_by_suffix(stack: Stack) -> Mapping[str, list[str]]:
    names: dict[str, list[str]] = {suffix: [] for suffix in EXPECTED}
    for event in stack.tracking.events().values():
        names[event["context"]["traits"]["phone"][-2:]].append(event["event"])
    return names


def test_segment_receives_the_events_of_each_sms(stack: Stack) -> None:
    stack.tracking.fail(THROTTLED)
    events = [track(PREFIX + suffix, f"To {suffix}", senderID="MSGIND") | {"userId": suffix} for suffix in EXPECTED]
    for event in events:
        send(stack.segment_url, json.dumps(event | {"messageId": event["userId"]}), authorization(stack.secret))

    deadline = time.monotonic() + WITHIN
    while events_by_suffix(stack) != EXPECTED and time.monotonic() < deadline:
        time.sleep(0.1)

    assert events_by_suffix(stack) == EXPECTED
    assert stack.tracking.violations() == []
    assert {event["userId"]: event["context"]["traits"]["phone"][-2:] for event in stack.tracking.received()} == {
        suffix: suffix for suffix, names in EXPECTED.items() if names
    }
    categories = {one["userId"]: one["properties"].get("failure_category") for one in stack.tracking.events().values()}
    assert {suffix: categories[suffix] for suffix in ("01", "02", "03", "22")} == {
        "01": None,
        "02": "dlt_template",
        "03": "dnd",
        "22": "dlt_header",
    }
