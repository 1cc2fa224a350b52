"""What `sam build` makes, under Lambda's real runtime interface, against the local stack over real HTTP."""

import base64
import json
import subprocess
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import httpx
import pytest

from sandbox.emulator import emulated
from sandbox.samples import authorization, send, track
from sandbox.stack import Options, Stack, running_stack
from sandbox.template import PATH

ROOT = Path(__file__).parent.parent.parent
ANSWERS = {
    "batch.json": 200,
    "console.json": 200,
    "console_search.json": 200,
    "extensible_batch.json": 200,
    "identify.json": 200,
    "identify_without_sms.json": 200,
    "invalid_phone.json": 400,
    "page.json": 200,
    "report_new.json": 200,
    "report_unreadable.json": 202,
    "report_v2.json": 200,
    "report_v2_plain.json": 200,
    "report_v2_several_numbers.json": 200,
    "report_v3.json": 200,
    "report_v4.json": 200,
    "screen.json": 200,
    "track.json": 200,
    "track_template.json": 200,
    "mapped.json": 200,
}


@pytest.fixture(scope="module", params=["arm64", "x86_64"])
def build(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("build")
    command = [
        "sam",
        "build",
        "--no-cached",
        "--build-dir",
        str(directory),
        "--parameter-overrides",
        f"Architecture={request.param}",
    ]
    built = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)  # noqa: S603 - our command
    assert built.returncode == 0, built.stderr
    return directory


@pytest.fixture(scope="module")
def stack(build: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    log = tmp_path_factory.mktemp("log") / "stack.log"
    parameters = {"Console": "on", "ReportOverdueMinutes": "0"}
    options = Options(log=log, report_delay=0.05, parameters=parameters)
    with running_stack(options, partial(emulated, build=build)) as running:
        yield running


@pytest.fixture(scope="module")
def restricted_stack(build: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    log = tmp_path_factory.mktemp("log") / "stack.log"
    rules = {"DefaultRegion": "IN", "AllowedCountries": "IN,AE"}
    options = Options(log=log, report_delay=0.05, parameters=rules)
    with running_stack(options, partial(emulated, build=build)) as running:
        yield running


def _invoke(stack: Stack, event: dict[str, Any]) -> httpx.Response:
    """Send one of events/ as the HTTP request that it describes."""
    headers = {name: value for name, value in event["headers"].items() if name not in ("content-length", "host")}
    url = f"{stack.api_url}{event['rawPath']}?{event['rawQueryString']}"
    content = base64.b64decode(event["body"]) if event["isBase64Encoded"] else event.get("body", "").encode()
    method = event["requestContext"]["http"]["method"]
    return httpx.request(method, url, content=content, headers=headers, timeout=30)


def test_the_layer_has_the_package_and_leaves_boto3_to_the_runtime(build: Path) -> None:
    shipped = {path.name for path in (build / "SharedLayer" / "python").iterdir()}
    assert {"segment_msg91", "httpx", "aws_lambda_powertools"} <= shipped
    assert not {"boto3", "botocore", "tests", "segment_msg91.egg-info"} & shipped


def test_a_function_is_its_handler_and_nothing_else(build: Path) -> None:
    for name in (
        "SegmentIngestFunction",
        "DeliveryReportsFunction",
        "ReconciliationFunction",
        "DeliveryEventsFunction",
    ):
        assert [path.name for path in (build / name).iterdir()] == ["app.py"]
    shipped = sorted(path.name for path in (build / "ConsoleFunction").iterdir())
    assert shipped == sorted(path.name for path in (PATH.parent / "functions" / "console").iterdir() if path.is_file())


def test_every_sample_event_is_answered_as_expected(stack: Stack) -> None:
    answers = {}
    for path in sorted((ROOT / "events").glob("*.json")):
        event = json.loads(path.read_text())
        if "rawPath" in event:  # a request
            answers[path.name] = _invoke(stack, event).status_code
    assert answers == ANSWERS


def test_an_event_becomes_one_sms_with_its_report_and_both_delivery_events(stack: Stack) -> None:
    event = {
        "type": "track",
        "event": "Order Shipped",
        "messageId": "built-1",
        "userId": "user-1",
        "properties": {"phone": 919800000071, "message": "On its way", "senderID": "MSGIND"},
    }
    headers = {"authorization": f"Bearer {stack.secret['segment_token']}"}
    answers = [httpx.post(stack.segment_url, json=event, headers=headers, timeout=30).json() for _ in range(3)]
    assert [answer["results"][0]["status"] for answer in answers] == ["accepted", "duplicate", "duplicate"]
    assert stack.simulator is not None
    assert len(stack.simulator.ledger.entries("919800000071")) == 1
    message = _delivered(stack, answers[0]["results"][0]["crqid"])
    assert message["send_state"] == "accepted"
    assert message["delivery_code"] == "1"
    crqid = message["crqid"]
    assert _delivery_events(stack, f"{crqid}-sms-delivered") == [f"{crqid}-sms-sent", f"{crqid}-sms-delivered"]
    assert stack.tracking.violations() == []


def test_a_message_whose_report_is_lost_ends_as_msg91s_logs_say(stack: Stack) -> None:
    event = track("919800000014", "On its way", senderID="MSGIND")
    (result,) = send(stack.segment_url, json.dumps(event), authorization(stack.secret))
    time.sleep(0.5)  # the logs lag
    outcome: Any = stack.invoke("ReconciliationFunction", json.loads((ROOT / "events/schedule.json").read_text()))
    assert outcome["found"] >= 1
    assert _delivered(stack, str(result.crqid))["send_state"] == "accepted"


def test_numbers_are_completed_and_those_of_other_countries_are_suppressed(restricted_stack: Stack) -> None:
    stack = restricted_stack
    headers = {"authorization": f"Bearer {stack.secret['segment_token']}"}

    def result(phone: object, message_id: str = "built-2") -> dict[str, str]:
        request = {"messageId": message_id, "userId": "user-1", "event": "Order Completed", "phone": phone}
        request |= {"message": "On its way", "sender_id": "MSGIND"}
        answer = httpx.post(stack.segment_url, json=request, headers=headers, timeout=30)
        (found,) = answer.json()["results"]
        return dict(found)

    forms = ("98000 00072", "09800000072", "+91 98000 00072", "919800000072", "00919800000072")
    results = [result(form) for form in forms]
    assert [one["status"] for one in results] == ["accepted", *["duplicate"] * 4]
    assert {one["crqid"] for one in results} == {results[0]["crqid"]}
    assert result("4155552671", "built-3")["status"] == "invalid"
    suppressed = result("+94 77 123 4567", "built-4")
    assert (suppressed["status"], result("+94 77 123 4567", "built-4")["status"]) == ("suppressed", "duplicate")
    assert stack.simulator is not None
    assert len(stack.simulator.ledger.entries("919800000072")) == 1
    assert stack.simulator.ledger.entries("94771234567") == []
    event_id = f"{suppressed['crqid']}-sms-suppressed"
    assert _delivery_events(stack, event_id) == [event_id]
    assert stack.tracking.violations() == []


def test_requests_without_a_token_are_refused_on_both_routes(stack: Stack) -> None:
    assert httpx.post(stack.segment_url, json={}, timeout=30).status_code == 401
    assert httpx.post(f"{stack.api_url}/msg91/reports/wrong", json={}, timeout=30).status_code == 401


def _delivery_events(stack: Stack, last: str) -> list[str]:
    """Wait for a delivery event, ten seconds at most; return those of its message."""
    deadline = time.monotonic() + 10
    while last not in stack.tracking.events() and time.monotonic() < deadline:
        time.sleep(0.05)
    crqid = last.partition("-")[0]
    return [message_id for message_id in stack.tracking.events() if message_id.startswith(crqid)]


def _delivered(stack: Stack, crqid: str) -> dict[str, Any]:
    """Wait for the message's report, ten seconds at most."""
    item: dict[str, Any] = {}
    deadline = time.monotonic() + 10
    while item.get("delivery_status") != "delivered" and time.monotonic() < deadline:
        item = stack.messages.get_item(Key={"crqid": crqid}, ConsistentRead=True)["Item"]
        time.sleep(0.05)
    assert item["delivery_status"] == "delivered"
    return item
