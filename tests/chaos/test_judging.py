"""The judge of delivery events finds what it is there for."""

from typing import Any

import pytest

from tests.chaos.judge import told_to_segment

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
def test_what_was_told_as_it_happened_is_right(received: list[dict[str, Any]]) -> None:
    assert list(told_to_segment([DELIVERED], received)) == []


@pytest.mark.parametrize(
    ("received", "problem"),
    [
        ([SENT], "SMS Delivered was not told"),
        ([SENT, ARRIVED, event("SMS Failed", 3)], "SMS Failed was told of accepted, delivered"),
        ([SENT, ARRIVED, ARRIVED | {"messageId": "c1-another"}], "one event under several ids"),
        ([SENT, ARRIVED | {"userId": "u2"}], "told of another user"),
        ([SENT, event("SMS Delivered", 0)], "an outcome before its send"),
    ],
    ids=["lost", "made up", "two ids", "another user", "out of order"],
)
def test_what_was_told_otherwise_is_found(received: list[dict[str, Any]], problem: str) -> None:
    assert list(told_to_segment([DELIVERED], received)) == [f"m1: {problem}"]


def test_an_event_about_no_message_is_found() -> None:
    assert list(told_to_segment([], [SENT])) == ["c1: told of, and is no message"]
