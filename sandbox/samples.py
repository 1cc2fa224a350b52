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


def send_sample(url: str, name: str) -> list[Result]:
    event = json.loads((EVENTS / f"{name}.json").read_text(encoding="utf-8"))
    return send(url, event["body"], event["headers"]["authorization"])


def send(url: str, body: str, authorization: str) -> list[Result]:
    headers = {"authorization": authorization, "content-type": "application/json"}
    answer = httpx.post(url, content=body, headers=headers, timeout=TIMEOUT)
    parsed = answer.json()
    if "results" not in parsed:
        return [Result(f"HTTP {answer.status_code}", reason=parsed["message"])]
    return [_result(result) for result in parsed["results"]]


def authorization(secret: Mapping[str, str]) -> str:
    return f"Bearer {secret['segment_token']}"


def track(number: str, message: str, **more: str) -> dict[str, object]:
    properties = {"phone": number, "message": message, **more}
    return {"type": "track", "event": "Sandbox Test", "properties": properties}


def _result(result: Mapping[str, str]) -> Result:
    return Result(result["status"], result.get("crqid"), result.get("reason", ""))
