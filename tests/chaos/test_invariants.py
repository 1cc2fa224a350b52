"""The invariant of delivery events finds each violation."""

from typing import Any

import pytest

from tests.chaos.invariants import delivery_events_match

DELIVERED = {
    "message_id": "m1",
    "crqid": "c1",
    "user_id": "u1",
    "send_state": "accepted",
    "delivery_status": "delivered",
}


def event(name: str, second: int, **more: str) -> dict[str, Any]:
    message_id = f"c1-{name.lower().replace(' ', '-')}"
    return {"event": name, "messageId": message_id, "timestamp": f"2026-01-02T03:04:0{second}Z", "userId": "u1", **more}


SENT, ARRIVED = event("SMS Sent", 1), event("SMS Delivered", 2)


@pytest.mark.parametrize("received", [[SENT, ARRIVED], [ARRIVED, SENT, ARRIVED]], ids=["in order", "repeated"])
def test_events_that_match_the_transitions_have_no_violation(received: list[dict[str, Any]]) -> None:
    assert list(delivery_events_match([DELIVERED], received)) == []


@pytest.mark.parametrize(
    ("received", "problem"),
    [
        ([SENT], "SMS Delivered was not sent"),
        ([SENT, ARRIVED, event("SMS Failed", 3)], "SMS Failed was sent for accepted, delivered"),
        ([SENT, ARRIVED, ARRIVED | {"messageId": "c1-another"}], "one event with several ids"),
        ([SENT, ARRIVED | {"userId": "u2"}], "sent for another user"),
        ([SENT, event("SMS Delivered", 0)], "an outcome before its send"),
    ],
    ids=["lost", "made up", "two ids", "another user", "out of order"],
)
def test_a_violation_is_found(received: list[dict[str, Any]], problem: str) -> None:
    assert list(delivery_events_match([DELIVERED], received)) == [f"m1: {problem}"]


def test_an_event_without_a_message_is_found() -> None:
    assert list(delivery_events_match([], [SENT])) == ["c1: delivery events without a message"]
