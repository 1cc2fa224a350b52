"""Segment: delivers events singly and in batches, retries until the answer is final, and sometimes repeats."""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from random import Random
from threading import Lock
from typing import Any, Final

import httpx

from sandbox.aws import SECRET
from tests.chaos.schedule import Schedule
from tests.chaos.seeded_random import Tally, seeded

SEGMENT_TIMEOUT: Final = 5.0
RETRIED: Final = frozenset({408, 423, 429, 500, 502, 503, 504})
MAX_DELIVERIES: Final = 10
_INITIAL_BACKOFF: Final = 0.25
_MAX_BACKOFF: Final = 15.0
_SIZES_OF_RETRIES: Final = (1, 2, 5, 20)  # an event that waits for its lease keeps its whole batch from a final answer
_REPLAYED: Final = 0.1
_HORIZON: Final = 20.0
"""Seconds within which the repeats of an event are delivered."""

SMS: Final = "sms"
FLOW: Final = "flow"
NO_SMS: Final = "no sms"
INVALID: Final = "invalid"
HOT: Final = "hot"
"""One of more events to one number than its cap."""
_KINDS: Final = {SMS: 88, FLOW: 6, NO_SMS: 3, INVALID: 3}


@dataclass(frozen=True, slots=True)
class Answer:
    """What Segment was answered for one event."""

    http_status: int | None
    """None: no answer."""
    status: str | None = None
    """The event's own status, if the answer has one."""
    crqid: str | None = None

    @property
    def is_final(self) -> bool:
        return self.http_status is not None and self.http_status not in RETRIED


@dataclass(slots=True, eq=False)
class Tracked:
    """An event, and the answers that Segment received for it."""

    message_id: str
    kind: str
    phone: str
    payload: Mapping[str, Any]
    answers: list[Answer] = field(default_factory=list)
    _lock: Lock = field(default_factory=Lock)

    def add_answer(self, answer: Answer) -> None:
        with self._lock:
            self.answers.append(answer)

    @property
    def wants_sms(self) -> bool:
        return self.kind in (SMS, FLOW, HOT)

    @property
    def last(self) -> Answer:
        return self.answers[-1] if self.answers else Answer(None)

    def count(self, status: str) -> int:
        return sum(answer.status == status for answer in self.answers)


def tracked(message_id: str, phone: str, kind: str = SMS) -> Tracked:
    """Make an event. Its text holds its message id, so that one text is one event."""
    properties: dict[str, Any] = {"phone": phone, "message": f"Order {message_id} is on its way", "senderID": "MSGIND"}
    if kind == FLOW:
        properties["templateId"] = "60b07c5f3e"
    elif kind == NO_SMS:
        del properties["senderID"], properties["message"]
    elif kind == INVALID:
        properties["senderID"] = "not a sender id"
    event = {"type": "track", "event": "Order Shipped", "messageId": message_id, "properties": properties}
    more = {"userId": f"user-{message_id}", "timestamp": "2026-01-02T03:04:05.678Z"}
    return Tracked(message_id, kind, phone, event | more)


def hot_events(prefix: str, count: int, random: Random) -> list[Tracked]:
    """Make events to one number, which the simulator delivers to."""
    phone = f"9198{random.randrange(1_000_000):06}01"
    return [tracked(f"{prefix}-hot-{number}", phone, HOT) for number in range(count)]


def some_events(prefix: str, count: int, random: Random) -> list[Tracked]:
    """Make events of all kinds. Each number has several, so that reports could confuse them."""
    phones = [f"9198{number:08}" for number in random.sample(range(1_000_000, 99_999_999), max(1, count // 3))]
    kinds = random.choices(list(_KINDS), list(_KINDS.values()), k=count)
    return [tracked(f"{prefix}-{number}", random.choice(phones), kind) for number, kind in enumerate(kinds)]


def as_replay(event: Tracked) -> dict[str, Any]:
    """Return the event as a replay sends it: the same id and timestamp, other destinations."""
    return {**event.payload, "integrations": {"All": False, "Webhooks (Actions)": True}}


class Segment:
    def __init__(self, url: str, tally: Tally, timeout: float = SEGMENT_TIMEOUT) -> None:
        self._url = url
        self._tally = tally
        self._http = httpx.Client(
            timeout=timeout,
            trust_env=False,
            headers={"authorization": f"Bearer {SECRET['segment_token']}", "content-type": "application/json"},
            limits=httpx.Limits(max_connections=None),
        )

    def close(self) -> None:
        self._http.close()

    def deliver(self, events: Sequence[Tracked], *, is_replay: bool = False) -> list[Answer]:
        """Deliver events in one request: a single event as an object, several as an array."""
        payloads = [as_replay(event) if is_replay else event.payload for event in events]
        answers = self._post(json.dumps(payloads if len(payloads) > 1 else payloads[0]).encode(), len(events))
        for event, answer in zip(events, answers, strict=True):
            event.add_answer(answer)
        return answers

    def _post(self, body: bytes, count: int) -> list[Answer]:
        self._tally.add("segment: deliveries")
        self._tally.add("segment: events delivered", count)
        try:
            response = self._http.post(self._url, content=body)
        except httpx.TimeoutException:
            self._tally.add("segment: timed out")
            return [Answer(None)] * count
        except httpx.HTTPError:
            self._tally.add("segment: connection error")
            return [Answer(None)] * count
        self._tally.add(f"segment: answered {response.status_code}")
        results = response.json().get("results") or [{}] * count
        return [Answer(response.status_code, result.get("status"), result.get("crqid")) for result in results]


class Deliveries:
    """All that Segment delivers: each event one to ten times, each time with retries until its answer is final."""

    def __init__(self, segment: Segment, events: Sequence[Tracked], sizes: Sequence[int], seed: str) -> None:
        self._segment = segment
        self._sizes = sizes
        self._seed = seed
        self._randoms: dict[int, Random] = {}
        self._first: Schedule[_Delivery] = Schedule()
        self._again: Schedule[_Delivery] = Schedule()
        for delivery, in_seconds in _deliveries(events, seeded(seed, "deliveries")):
            self._first.put(delivery, in_seconds)

    @property
    def untried(self) -> int:
        """Deliveries that have not been tried yet."""
        return len(self._first)

    def __len__(self) -> int:
        return len(self._first) + len(self._again)

    def flush(self) -> None:
        self._again.flush()

    def work(self, thread: int) -> bool:
        """Deliver a batch of what is due: first deliveries, or retries of several earlier batches together."""
        random = self._randoms.setdefault(thread, seeded(self._seed, "segment", thread))
        schedule, sizes = random.choice(((self._first, self._sizes), (self._again, _SIZES_OF_RETRIES)))
        batch = schedule.take(random.choice(sizes))
        if not batch:
            return False
        answers = self._segment.deliver([delivery.event for delivery in batch], is_replay=random.random() < _REPLAYED)
        for delivery, answer in zip(batch, answers, strict=True):
            if not answer.is_final:
                wait = min(_MAX_BACKOFF, _INITIAL_BACKOFF * 2**delivery.tries)
                self._again.put(_Delivery(delivery.event, delivery.tries + 1), wait * random.uniform(0.5, 1.5))
        schedule.done(batch)
        return True


@dataclass(frozen=True, slots=True)
class _Delivery:
    event: Tracked
    tries: int = 0


def _deliveries(events: Sequence[Tracked], random: Random) -> Iterator[tuple[_Delivery, float]]:
    """Plan deliveries with their delay: half of the events once, others up to ten times, some at the same moment."""
    for event in events:
        yield _Delivery(event), 0
        if random.random() < 0.5:
            continue
        for _ in range(min(MAX_DELIVERIES - 1, int(random.expovariate(0.6)) + 1)):
            yield _Delivery(event), random.choice((0, random.uniform(0, _HORIZON)))
