"""The client of Segment's Tracking API: one batch to a request, within the limits, and what each answer means."""

import base64
import json
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import pairwise
from typing import TYPE_CHECKING, Final

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sandbox.servers import serving, url_of
from segment_msg91.segment.tracking_api import (
    MAX_BATCH_BYTES,
    MAX_EVENT_BYTES,
    MAX_EVENTS,
    Answer,
    Tracking,
    Verdict,
    batches,
    encoded,
)

if TYPE_CHECKING:
    from tests.fakes.segment import FakeSegment

EVENT: Final = {
    "type": "track",
    "event": "SMS Sent",
    "messageId": "c1-sms-sent",
    "timestamp": "2026-01-02T03:04:05.000Z",
    "userId": "user-1",
    "properties": {"event_name": "Käufe 🛒"},
}
WRITE_KEY: Final = "sandbox-segment-write-key"


def answering(*responses: httpx.Response | Exception) -> Tracking:
    """A client of a Segment that gives these answers in turn."""
    prepared = iter(responses)

    def handle(_: httpx.Request) -> httpx.Response:
        response = next(prepared)
        if isinstance(response, Exception):
            raise response
        return response

    return Tracking("https://segment.test", httpx.MockTransport(handle))


def test_a_batch_is_what_segment_documents(segment: "FakeSegment") -> None:
    assert segment.client().send([encoded(EVENT), encoded(EVENT)], WRITE_KEY) == Answer(Verdict.TAKEN)
    (request,) = segment.requests
    assert (request.method, str(request.url)) == ("POST", "https://segment.test/v1/batch")
    assert request.headers["authorization"] == "Basic " + base64.b64encode(f"{WRITE_KEY}:".encode()).decode()
    assert request.headers["content-type"] == "application/json"
    assert json.loads(request.content) == {"batch": [EVENT, EVENT]}
    assert segment.violations() == []


@pytest.mark.parametrize(
    ("response", "expected"),
    [
        (httpx.Response(200), Answer(Verdict.TAKEN)),
        (httpx.Response(202), Answer(Verdict.TAKEN)),
        (httpx.Response(400), Answer(Verdict.REFUSED, "HTTP 400")),
        (httpx.Response(413), Answer(Verdict.REFUSED, "HTTP 413")),
        (httpx.Response(401), Answer(Verdict.UNAVAILABLE, "HTTP 401")),
        (httpx.Response(404), Answer(Verdict.UNAVAILABLE, "HTTP 404")),
        (httpx.Response(301, headers={"location": "/"}), Answer(Verdict.UNAVAILABLE, "HTTP 301")),
        (httpx.Response(429), Answer(Verdict.UNAVAILABLE, "HTTP 429")),
        (httpx.Response(429, headers={"retry-after": "7"}), Answer(Verdict.UNAVAILABLE, "HTTP 429", 7)),
        (httpx.Response(429, headers={"retry-after": " 7 "}), Answer(Verdict.UNAVAILABLE, "HTTP 429", 7)),
        (httpx.Response(429, headers={"retry-after": "-7"}), Answer(Verdict.UNAVAILABLE, "HTTP 429")),
        (httpx.Response(429, headers={"retry-after": "9" * 99}), Answer(Verdict.UNAVAILABLE, "HTTP 429")),
        (httpx.Response(429, headers={"retry-after": "soon"}), Answer(Verdict.UNAVAILABLE, "HTTP 429")),
        (httpx.Response(503, headers={"retry-after": "0"}), Answer(Verdict.UNAVAILABLE, "HTTP 503", 0)),
        (httpx.Response(500), Answer(Verdict.UNAVAILABLE, "HTTP 500")),
        (httpx.ConnectError("user-1"), Answer(Verdict.UNAVAILABLE, "no answer (ConnectError)")),
        (httpx.ReadTimeout("user-1"), Answer(Verdict.UNAVAILABLE, "no answer (ReadTimeout)")),
        (httpx.RemoteProtocolError("user-1"), Answer(Verdict.UNAVAILABLE, "no answer (RemoteProtocolError)")),
    ],
    ids=str,
)
def test_an_answer_means(response: httpx.Response | Exception, expected: Answer) -> None:
    assert answering(response).send([encoded(EVENT)], WRITE_KEY) == expected


def test_an_event_over_the_limit_is_refused_before_it_is_sent() -> None:
    room = MAX_EVENT_BYTES - len(encoded(EVENT | {"properties": {"text": ""}}))
    assert len(encoded(EVENT | {"properties": {"text": "x" * room}})) == MAX_EVENT_BYTES
    with pytest.raises(ValueError, match="32001 bytes"):
        encoded(EVENT | {"properties": {"text": "x" * (room + 1)}})


def test_what_json_does_not_have_is_refused_before_it_is_sent() -> None:
    with pytest.raises(ValueError, match="JSON"):
        encoded(EVENT | {"properties": {"credits": float("nan")}})


def sent_bodies(contents: list[bytes]) -> list[bytes]:
    bodies: list[bytes] = []

    def handle(request: httpx.Request) -> httpx.Response:
        bodies.append(request.content)
        return httpx.Response(200)

    client = Tracking("https://segment.test", httpx.MockTransport(handle))
    for batch in batches(contents, lambda content: content):
        client.send(batch, WRITE_KEY)
    return bodies


@given(st.lists(st.integers(1, MAX_EVENT_BYTES), max_size=40))
def test_batches_keep_the_order_and_the_limits_and_are_no_more_than_need_be(sizes: list[int]) -> None:
    contents = [json.dumps(f"{number}:".ljust(size, "x")).encode() for number, size in enumerate(sizes)]
    bodies = sent_bodies(contents)
    assert [event for body in bodies for event in json.loads(body)["batch"]] == [json.loads(one) for one in contents]
    assert all(len(body) <= MAX_BATCH_BYTES for body in bodies)
    assert all(len(one) + len(other) > MAX_BATCH_BYTES for one, other in pairwise(bodies))


def test_a_batch_may_be_exactly_as_large_as_segment_allows() -> None:
    frame = len(b'{"batch":[,]}')
    contents = [b'"%s"' % (b"x" * (size - 2)) for size in (MAX_BATCH_BYTES - frame - 10, 10)]
    (body,) = sent_bodies(contents)
    assert len(body) == MAX_BATCH_BYTES


def test_a_batch_has_no_more_events_than_segment_allows() -> None:
    assert [len(json.loads(body)["batch"]) for body in sent_bodies([b"{}"] * (MAX_EVENTS + 1))] == [MAX_EVENTS, 1]


class _Connections(BaseHTTPRequestHandler):
    """Keeps connections open, and counts them."""

    protocol_version = "HTTP/1.1"
    opened = 0

    def setup(self) -> None:
        super().setup()
        _Connections.opened += 1

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["content-length"]))
        self.send_response(200)
        self.send_header("content-length", "0")
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Do not log."""


@pytest.fixture
def patient_server() -> Iterator[str]:
    _Connections.opened = 0
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Connections)
    with serving(server):
        yield url_of(server)


def test_no_request_uses_the_connection_of_another_which_a_freeze_may_have_killed(patient_server: str) -> None:
    client = Tracking(patient_server)
    for _ in range(3):
        assert client.send([encoded(EVENT)], WRITE_KEY).verdict is Verdict.TAKEN
    assert _Connections.opened == 3
