"""The sample events in events/, sent as Segment would send them."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import httpx

from sandbox.template import PATH

EVENTS: Final = PATH.parent / "events"
SAMPLES: Final = ("identify", "page", "screen", "track", "track_template", "mapped", "batch", "extensible_batch")
"""The samples that must all be delivered."""
TIMEOUT: Final = 60
"""Seconds; more than API Gateway's timeout."""


@dataclass(frozen=True, slots=True)
class Result:
    """The result of one event in the answer."""

    status: str
    crqid: str | None = None
    reason: str = ""
    event: str = ""
    """Its type and name."""


def send_sample(url: str, name: str) -> list[Result]:
    event = json.loads((EVENTS / f"{name}.json").read_text(encoding="utf-8"))
    return send(url, event["body"], event["headers"]["authorization"])


def send(url: str, body: str, authorization: str) -> list[Result]:
    headers = {"authorization": authorization, "content-type": "application/json"}
    answer = httpx.post(url, content=body, headers=headers, timeout=TIMEOUT)
    parsed = answer.json()
    if "results" not in parsed:
        return [Result(f"HTTP {answer.status_code}", reason=parsed["message"])]
    return [_result(result, event) for result, event in zip(parsed["results"], _names(body), strict=True)]


def authorization(secret: Mapping[str, str]) -> str:
    return f"Bearer {secret['segment_token']}"


def track(number: str, message: str, **more: str) -> dict[str, object]:
    properties = {"phone": number, "message": message, **more}
    return {"type": "track", "event": "Sandbox Test", "properties": properties}


def _result(result: Mapping[str, str], event: str) -> Result:
    return Result(result["status"], result.get("crqid"), result.get("reason", ""), event)


def _names(body: str) -> list[str]:
    content = json.loads(body)
    events = [event.get("json", event) for event in (content if isinstance(content, list) else [content])]
    return [f"{event.get('type', '')} {event.get('event') or event.get('name') or ''}".strip() for event in events]
