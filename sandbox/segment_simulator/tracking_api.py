"""A simulation of Segment's HTTP Tracking API. Segment is less strict: it answers nearly everything with 200."""

import json
import re
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from threading import Lock
from typing import Any, Final

MAX_EVENT_BYTES: Final = 32 * 1000
MAX_BATCH_BYTES: Final = 500 * 1000
"""Bytes. Segment's page says KB; 1000 bytes per KB is safe for both meanings."""
MAX_EVENTS: Final = 2500
MAX_MESSAGE_ID_LENGTH: Final = 100
_SNAKE_CASE: Final = re.compile(r"[a-z][a-z0-9]*(_[a-z0-9]+)*")
_TITLE_CASE: Final = re.compile(r"([A-Z]\w*)( [A-Z]\w*)*")

type Event = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Answer:
    status: int = 200
    body: str = '{"success": true}'
    headers: Mapping[str, str] = field(default_factory=dict)
    takes: bool = False
    """Whether the batch is accepted, even with an error status: a lost answer."""


SUCCESS: Final = Answer(takes=True)
THROTTLED: Final = Answer(429, headers={"Retry-After": "1"})
UNAVAILABLE: Final = Answer(503)
LOST: Final = Answer(504, takes=True)


type Interceptor = Callable[[], Answer | None]
"""Called for each valid request before it is accepted; None leaves the answer to the API."""


class TrackingApi:
    """Thread-safe."""

    def __init__(self, write_key: str) -> None:
        self.interceptor: Interceptor | None = None
        self._write_key = write_key
        self._received: list[Event] = []
        self._violations: list[str] = []
        self._faults: deque[Answer] = deque()
        self._lock = Lock()

    def post(self, path: str, user: str | None, body: bytes) -> Answer:
        """Handle a request; `user` is that of Basic authentication."""
        with self._lock:
            events, violations = _read(body)
            if path != "/v1/batch":
                violations.append(f"path {path}")
            if user != self._write_key:
                violations.append("write key")
            if violations:
                self._violations += violations
                return Answer(400, json.dumps({"success": False, "message": violations[0]}))
            intercepted = self.interceptor() if self.interceptor else None
            answer = intercepted or (self._faults.popleft() if self._faults else SUCCESS)
            if answer.takes:
                self._received += events
            return answer

    def fail(self, *answers: Answer) -> None:
        """Give these answers to the next valid requests, in order."""
        with self._lock:
            self._faults += answers

    def received(self) -> list[Event]:
        """Return all accepted events in order, including repeats."""
        with self._lock:
            return list(self._received)

    def events(self) -> dict[str, Event]:
        """Return the events by messageId, without the repeats that Segment drops."""
        kept: dict[str, Event] = {}
        for event in self.received():
            kept.setdefault(event["messageId"], event)
        return kept

    def violations(self) -> list[str]:
        """Return the errors of requests; each of these was answered 400 and ignored."""
        with self._lock:
            return list(self._violations)

    def reset(self) -> None:
        with self._lock:
            self._received.clear()
            self._violations.clear()
            self._faults.clear()


def _read(body: bytes) -> tuple[list[Event], list[str]]:
    """Return the events of a batch, and the errors of the batch and its events."""
    if len(body) > MAX_BATCH_BYTES:
        return [], [f"a batch of {len(body)} bytes"]
    try:
        events = json.loads(body)["batch"]
    except (ValueError, TypeError, KeyError):
        return [], ["no JSON object with a batch"]
    if not isinstance(events, list) or not 0 < len(events) <= MAX_EVENTS:
        return [], ["batch: no array of 1 to 2500 events"]
    return events, [violation for event in events for violation in _violations(event)]


def _violations(event: object) -> Iterator[str]:
    if not isinstance(event, dict):
        yield "an event that is no object"
        return
    size = len(json.dumps(event, ensure_ascii=False, separators=(",", ":")).encode())
    if size > MAX_EVENT_BYTES:
        yield f"an event of {size} bytes"
    if event.get("type") != "track" or not _TITLE_CASE.fullmatch(str(event.get("event"))):
        yield "type or event: no track event with a name in Title Case"
    if not any(isinstance(event.get(name), str) and event[name] for name in ("userId", "anonymousId")):
        yield "userId, anonymousId: neither"
    if not 0 < len(str(event.get("messageId", ""))) <= MAX_MESSAGE_ID_LENGTH:
        yield "messageId: none, or longer than 100 characters"
    if not _is_instant(event.get("timestamp")):
        yield "timestamp: no ISO 8601 in UTC"
    yield from (f"properties.{name}" for name in event.get("properties", {}) if not _SNAKE_CASE.fullmatch(name))


def _is_instant(value: object) -> bool:
    try:
        return str(value).endswith("Z") and datetime.fromisoformat(str(value)).tzinfo is not None
    except ValueError:
        return False
