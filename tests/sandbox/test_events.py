import base64
import json
from typing import Any

import pytest

from sandbox.api_gateway import find
from sandbox.aws import SECRET
from sandbox.samples import EVENTS
from sandbox.template import Template

REQUESTS = sorted(path.stem for path in EVENTS.glob("*.json") if path.stem not in ("redrive", "schedule", "stream"))


def load(name: str) -> dict[str, Any]:
    event: dict[str, Any] = json.loads((EVENTS / f"{name}.json").read_text(encoding="utf-8"))
    return event


@pytest.mark.parametrize("name", REQUESTS)
def test_an_event_fits_a_route_of_the_template(name: str) -> None:
    event = load(name)

    routes = Template.load(parameters={"Console": "on"}).routes()
    match = find(routes, event["requestContext"]["http"]["method"], event["rawPath"])

    assert match
    assert event["routeKey"] == event["requestContext"]["routeKey"] == match.route.key
    assert event.get("pathParameters", {}) == match.path_parameters


@pytest.mark.parametrize("name", REQUESTS)
def test_an_event_carries_the_sandboxs_token(name: str) -> None:
    event = load(name)

    if event["rawPath"] == "/segment":
        assert event["headers"]["authorization"] == f"Bearer {SECRET['segment_token']}"
    elif event["rawPath"].startswith("/console"):
        encoded = event["headers"]["authorization"].removeprefix("Basic ")
        assert base64.b64decode(encoded).decode() == f"support:{SECRET['console_token']}"
    else:
        assert event["pathParameters"]["token"] == SECRET["report_token"]


@pytest.mark.parametrize("name", REQUESTS)
def test_an_events_length_is_that_of_its_body(name: str) -> None:
    event = load(name)
    body = base64.b64decode(event["body"]) if event["isBase64Encoded"] else event.get("body", "").encode()

    assert event["headers"]["content-length"] == str(len(body))
