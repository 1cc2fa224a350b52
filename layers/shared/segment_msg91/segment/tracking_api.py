"""The HTTP client of Segment's Tracking API: events in, one batch to a request."""

import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final

import httpx

READ_TIMEOUT_SECONDS: Final = 8.0
CONNECT_TIMEOUT_SECONDS: Final = 3.0
# The longest that a call takes, unless its answer trickles in byte by byte.
CALL_SECONDS: Final = CONNECT_TIMEOUT_SECONDS + READ_TIMEOUT_SECONDS

# Segment's limits: 32 KB an event, 500 KB and 2500 events a batch. Where KB could be 1024 bytes, they are 1000 here.
MAX_EVENT_BYTES: Final = 32_000
MAX_BATCH_BYTES: Final = 500_000
MAX_EVENTS: Final = 2500
_HEAD, _COMMA, _TAIL = b'{"batch":[', b",", b"]}"
_FRAME: Final = len(_HEAD + _TAIL) - len(_COMMA)  # the first event has none before it

_WHOLE_SECONDS: Final = re.compile(r"\d{1,6}", re.ASCII)
# Segment refuses the events, and would refuse them again.
_REFUSALS: Final = frozenset({httpx.codes.BAD_REQUEST, httpx.codes.REQUEST_ENTITY_TOO_LARGE})


class Verdict(StrEnum):
    """Segment's verdict on a batch."""

    TAKEN = "taken"
    REFUSED = "refused"
    UNAVAILABLE = "unavailable"


@dataclass(frozen=True, slots=True)
class Answer:
    """Segment's answer, or that there was none; `reason` never quotes the events. `retry_after` is in seconds."""

    verdict: Verdict
    reason: str = ""
    retry_after: int | None = None


class Tracking:
    """Segment's HTTP Tracking API. Each request has its own connection, because Lambda's freezes end idle ones."""

    def __init__(self, base_url: str, transport: httpx.BaseTransport | None = None) -> None:
        self._client = httpx.Client(
            base_url=base_url,
            timeout=httpx.Timeout(READ_TIMEOUT_SECONDS, connect=CONNECT_TIMEOUT_SECONDS),
            limits=httpx.Limits(max_keepalive_connections=0),
            headers={"content-type": "application/json", "user-agent": "segment-msg91"},
            trust_env=False,  # no proxy and no .netrc of the environment's comes between
            verify=httpx.create_ssl_context(trust_env=False),
            transport=transport,
        )

    def send(self, events: Sequence[bytes], write_key: str) -> Answer:
        """Send events, as `encoded`, in one batch. Never raises. Segment drops those whose messageId it knows."""
        body = _HEAD + _COMMA.join(events) + _TAIL
        try:
            response = self._client.post("/v1/batch", content=body, auth=(write_key, ""))
        except (httpx.HTTPError, httpx.StreamError, httpx.InvalidURL) as error:
            return Answer(Verdict.UNAVAILABLE, f"no answer ({type(error).__name__})")
        if response.is_success:
            return Answer(Verdict.TAKEN)
        reason = f"HTTP {response.status_code}"
        if response.status_code in _REFUSALS:
            return Answer(Verdict.REFUSED, reason)
        return Answer(Verdict.UNAVAILABLE, reason, _retry_after(response))


def encoded(event: Mapping[str, Any]) -> bytes:
    """Write an event as JSON. Raises ValueError for what JSON, or Segment, can't hold."""
    content = json.dumps(event, ensure_ascii=False, allow_nan=False, separators=(",", ":")).encode()
    if len(content) > MAX_EVENT_BYTES:
        raise ValueError(f"an event of {len(content)} bytes; Segment takes {MAX_EVENT_BYTES}")
    return content


def batches[Event](events: Iterable[Event], content_of: Callable[[Event], bytes]) -> Iterator[list[Event]]:
    """Divide events into batches within Segment's limits, in their order."""
    batch: list[Event] = []
    size = _FRAME
    for event in events:
        length = len(_COMMA) + len(content_of(event))
        if batch and (size + length > MAX_BATCH_BYTES or len(batch) == MAX_EVENTS):
            yield batch
            batch, size = [], _FRAME
        batch.append(event)
        size += length
    if batch:
        yield batch


def _retry_after(response: httpx.Response) -> int | None:
    """Read Retry-After in seconds; Segment writes no dates."""
    text = response.headers.get("retry-after", "").strip()
    return int(text) if _WHOLE_SECONDS.fullmatch(text) else None
