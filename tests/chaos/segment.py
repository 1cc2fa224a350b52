"""Segment: delivers events singly and in batches, again until it hears something final, and at times once more."""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from random import Random
from threading import Lock
from typing import Any, Final

import httpx

from sandbox.aws import SECRET
from tests.chaos.chance import Tally, dice
from tests.chaos.schedule import Schedule

HANGS_UP_AFTER: Final = 5.0
RETRIED: Final = frozenset({408, 423, 429, 500, 502, 503, 504})
MOST_DELIVERIES: Final = 10
_FIRST_RETRY: Final = 0.25
_LONGEST_RETRY: Final = 15.0
_SIZES_OF_RETRIES: Final = (1, 2, 5, 20)  # one event that must wait for its lease keeps a batch from being final
_REPLAYED: Final = 0.1
_HORIZON: Final = 20.0
"""Seconds within which an event that is delivered several times is delivered again."""

SMS: Final = "sms"
FLOW: Final = "flow"
NO_SMS: Final = "no sms"
INVALID: Final = "invalid"
_KINDS: Final = {SMS: 88, FLOW: 6, NO_SMS: 3, INVALID: 3}


@dataclass(frozen=True, slots=True)
class Answer:
    """What Segment heard of one event."""

    http_status: int | None
    """None: no answer."""
    status: str | None = None
    """The event's own, where the answer has one."""
    crqid: str | None = None

    @property
    def is_final(self) -> bool:
        return self.http_status is not None and self.http_status not in RETRIED


@dataclass(slots=True, eq=False)
class Tracked:
    """An event, and what Segment heard of it."""

    message_id: str
    kind: str
    phone: str
    payload: Mapping[str, Any]
    answers: list[Answer] = field(default_factory=list)
    _lock: Lock = field(default_factory=Lock)

    def hear(self, answer: Answer) -> None:
        with self._lock:
            self.answers.append(answer)

    @property
    def wants_sms(self) -> bool:
        return self.kind in (SMS, FLOW)

    @property
    def last(self) -> Answer:
        return self.answers[-1] if self.answers else Answer(None)

    def told(self, status: str) -> int:
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


def some_events(prefix: str, count: int, random: Random) -> list[Tracked]:
    """Make events of all kinds. Each number has several, for reports must not confuse them."""
    phones = [f"9198{number:08}" for number in random.sample(range(1_000_000, 99_999_999), max(1, count // 3))]
    kinds = random.choices(list(_KINDS), list(_KINDS.values()), k=count)
    return [tracked(f"{prefix}-{number}", random.choice(phones), kind) for number, kind in enumerate(kinds)]


def as_replay(event: Tracked) -> dict[str, Any]:
    """What a replay makes of it: the old id and timestamp, with the destinations rewritten."""
    return {**event.payload, "integrations": {"All": False, "Webhooks (Actions)": True}}


class Segment:
    def __init__(self, url: str, tally: Tally, hangs_up_after: float = HANGS_UP_AFTER) -> None:
        self._url = url
        self._tally = tally
        self._http = httpx.Client(
            timeout=hangs_up_after,
            trust_env=False,
            headers={"authorization": f"Bearer {SECRET['segment_token']}", "content-type": "application/json"},
            limits=httpx.Limits(max_connections=None),
        )

    def close(self) -> None:
        self._http.close()

    def deliver(self, events: Sequence[Tracked], *, is_replay: bool = False) -> list[Answer]:
        """Deliver events in one request: one as it is, several as a batch."""
        payloads = [as_replay(event) if is_replay else event.payload for event in events]
        answers = self._post(json.dumps(payloads if len(payloads) > 1 else payloads[0]).encode(), len(events))
        for event, answer in zip(events, answers, strict=True):
            event.hear(answer)
        return answers

    def _post(self, body: bytes, count: int) -> list[Answer]:
        self._tally.add("segment: deliveries")
        self._tally.add("segment: events delivered", count)
        try:
            response = self._http.post(self._url, content=body)
        except httpx.TimeoutException:
            self._tally.add("segment: hung up")
            return [Answer(None)] * count
        except httpx.HTTPError:
            self._tally.add("segment: connection error")
            return [Answer(None)] * count
        self._tally.add(f"segment: heard {response.status_code}")
        results = response.json().get("results") or [{}] * count
        return [Answer(response.status_code, result.get("status"), result.get("crqid")) for result in results]


class Deliveries:
    """All that Segment has to deliver: each event one to ten times, each time again until it is final."""

    def __init__(self, segment: Segment, events: Sequence[Tracked], sizes: Sequence[int], seed: str) -> None:
        self._segment = segment
        self._sizes = sizes
        self._seed = seed
        self._randoms: dict[int, Random] = {}
        self._first: Schedule[_Delivery] = Schedule()
        self._again: Schedule[_Delivery] = Schedule()
        for delivery, in_seconds in _deliveries(events, dice(seed, "deliveries")):
            self._first.put(delivery, in_seconds)

    @property
    def first_ones(self) -> int:
        """Deliveries that have not been tried yet."""
        return len(self._first)

    def __len__(self) -> int:
        return len(self._first) + len(self._again)

    def hurry(self) -> None:
        self._again.hurry()

    def work(self, thread: int) -> bool:
        """Deliver a batch of what is due: new ones, or together what was in several batches before."""
        random = self._randoms.setdefault(thread, dice(self._seed, "segment", thread))
        schedule, sizes = random.choice(((self._first, self._sizes), (self._again, _SIZES_OF_RETRIES)))
        batch = schedule.take(random.choice(sizes))
        if not batch:
            return False
        answers = self._segment.deliver([one.event for one in batch], is_replay=random.random() < _REPLAYED)
        for one, answer in zip(batch, answers, strict=True):
            if not answer.is_final:
                wait = min(_LONGEST_RETRY, _FIRST_RETRY * 2**one.tries)
                self._again.put(_Delivery(one.event, one.tries + 1), wait * random.uniform(0.5, 1.5))
        schedule.done(batch)
        return True


@dataclass(frozen=True, slots=True)
class _Delivery:
    event: Tracked
    tries: int = 0


def _deliveries(events: Sequence[Tracked], random: Random) -> Iterator[tuple[_Delivery, float]]:
    """Plan deliveries: half of the events once, others up to ten times, some of these at the same moment."""
    for event in events:
        yield _Delivery(event), 0
        if random.random() < 0.5:
            continue
        for _ in range(min(MOST_DELIVERIES - 1, int(random.expovariate(0.6)) + 1)):
            yield _Delivery(event), random.choice((0, random.uniform(0, _HORIZON)))
