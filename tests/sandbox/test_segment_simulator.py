import json
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from sandbox.segment_simulator.server import running_tracking_api
from sandbox.segment_simulator.tracking_api import LOST, THROTTLED, TrackingApi

WRITE_KEY = "test-write-key"
EVENT: dict[str, Any] = {
    "type": "track",
    "event": "SMS Sent",
    "messageId": "c1-sms-sent",
    "timestamp": "2026-01-02T03:04:05.000Z",
    "userId": "user-1",
    "properties": {"request_id": "r1"},
}


@pytest.fixture(scope="module")
def running() -> Iterator[tuple[TrackingApi, str]]:
    with running_tracking_api(WRITE_KEY) as running:
        yield running


@pytest.fixture
def api(running: tuple[TrackingApi, str]) -> TrackingApi:
    running[0].reset()
    return running[0]


def post(url: str, *events: object, key: str = WRITE_KEY, path: str = "/v1/batch") -> httpx.Response:
    return httpx.post(url + path, json={"batch": events}, auth=(key, ""))


def test_a_batch_is_taken_and_shown(api: TrackingApi, running: tuple[TrackingApi, str]) -> None:
    _, url = running
    assert post(url, EVENT, EVENT | {"messageId": "c1-sms-delivered", "event": "SMS Delivered"}).status_code == 200
    assert [event["event"] for event in httpx.get(f"{url}/events").json()] == ["SMS Sent", "SMS Delivered"]
    assert api.violations() == []


def test_a_repeated_message_id_is_dropped(api: TrackingApi, running: tuple[TrackingApi, str]) -> None:
    _, url = running
    post(url, EVENT)
    post(url, EVENT | {"timestamp": "2026-01-03T00:00:00.000Z"})
    assert api.events() == {"c1-sms-sent": EVENT}
    assert len(api.received()) == 2


@pytest.mark.parametrize(
    "event",
    [
        None,
        {},
        EVENT | {"userId": None},
        EVENT | {"userId": "", "anonymousId": ""},
        EVENT | {"userId": 7},
        EVENT | {"type": "identify"},
        EVENT | {"event": "sms_sent"},
        EVENT | {"messageId": ""},
        EVENT | {"messageId": "x" * 101},
        EVENT | {"timestamp": "2026-01-02 03:04:05"},
        EVENT | {"timestamp": None},
        EVENT | {"properties": {"requestId": "r1"}},
        EVENT | {"properties": {"text": "x" * 32_000}},
    ],
    ids=str,
)
def test_an_event_that_breaks_a_rule_costs_its_batch(
    api: TrackingApi, running: tuple[TrackingApi, str], event: object
) -> None:
    _, url = running
    assert post(url, EVENT, event).status_code == 400
    assert (bool(api.violations()), api.received()) == (True, [])


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"[]",
        b"{}",
        b'{"batch": {}}',
        b'{"batch": []}',
        b'{"batch": [%s]}' % b",".join([json.dumps(EVENT).encode()] * 2501),
        b'{"batch": [%s]}' % b",".join([json.dumps(EVENT | {"properties": {"x": "x" * 30_000}}).encode()] * 17),
    ],
    ids=["empty", "array", "no batch", "object", "no event", "2501 events", "510 KB"],
)
def test_a_body_that_is_no_batch_within_the_limits_is_refused(
    api: TrackingApi, running: tuple[TrackingApi, str], body: bytes
) -> None:
    _, url = running
    assert httpx.post(f"{url}/v1/batch", content=body, auth=(WRITE_KEY, "")).status_code == 400
    assert api.received() == []


def test_another_key_or_path_is_refused(api: TrackingApi, running: tuple[TrackingApi, str]) -> None:
    _, url = running
    assert post(url, EVENT, key="another").status_code == 400
    assert post(url, EVENT, path="/v1/track").status_code == 400
    assert httpx.post(f"{url}/v1/batch", json={"batch": [EVENT]}).status_code == 400
    assert api.violations() == ["write key", "path /v1/track", "write key"]


def test_faults_are_answered_in_turn_and_then_all_is_well(api: TrackingApi, running: tuple[TrackingApi, str]) -> None:
    _, url = running
    api.fail(THROTTLED, LOST)
    first, second, third = (post(url, EVENT) for _ in range(3))
    assert [answer.status_code for answer in (first, second, third)] == [429, 504, 200]
    assert first.headers["retry-after"] == "1"
    assert len(api.received()) == 2
