"""The invariants of delivery events and of ends find each violation."""

from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, Final, cast

import pytest

from sandbox.msg91_simulator import numbers
from sandbox.msg91_simulator.calls import SMS_PATH, Sms
from sandbox.msg91_simulator.simulator import Simulator
from tests.chaos.invariants import (
    Ledger,
    delivery_events_match,
    every_message_ends,
    no_number_gets_more_than_its_cap,
)
from tests.chaos.webhook import FIRST, Logged

if TYPE_CHECKING:
    from tests.chaos.world import World

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


def test_an_event_of_a_conclusion_is_allowed_if_a_report_came_after_it() -> None:
    received = [SENT, event("SMS Undelivered", 2), event("SMS Delivered", 3)]

    assert list(delivery_events_match([DELIVERED], received, concluded={"c1"})) == []
    assert list(delivery_events_match([DELIVERED], received)) == [
        "m1: SMS Undelivered was sent for accepted, delivered"
    ]


SENT_NUMBER: Final = "919800000001"
DROPPED_NUMBER: Final = "919800000020"
NEVER_SENT_NUMBER: Final = "919800000042"
IN_LOGS: Final = (SENT_NUMBER, "c1")


@pytest.fixture
def ledger() -> Ledger:
    """One SMS was sent, and one was accepted and dropped."""
    simulator = Simulator("authkey")
    simulator.ledger.enter("r1", [_sms(SENT_NUMBER)])
    simulator.ledger.drop("r2", [_sms(DROPPED_NUMBER)])
    return Ledger(cast("World", SimpleNamespace(simulator=simulator)))


def _sms(number: str) -> Sms:
    return Sms(SMS_PATH, number, "Order m1 is on its way", "MSGIND", "c1", "c1")


def _message(phone: str, state: str, status: str | None, **more: str) -> dict[str, Any]:
    given = {"delivery_status": status} if status else {}
    return {"message_id": "m1", "crqid": "c1", "phone": phone, "send_state": state, **given, **more}


@pytest.mark.parametrize(
    ("message", "logged"),
    [
        (_message(SENT_NUMBER, "accepted", "delivered"), numbers.DELIVERED),
        (_message(SENT_NUMBER, "accepted", "unreported"), numbers.PENDING_BEFORE),
        (_message(SENT_NUMBER, "accepted", "unreported"), None),
        (_message(SENT_NUMBER, "unknown", "failed"), numbers.DLT_FAILED),
        (_message(DROPPED_NUMBER, "accepted", "unreported", failure_category="dropped"), None),
        (_message(NEVER_SENT_NUMBER, "unknown", "not_sent"), None),
        (_message(NEVER_SENT_NUMBER, "unknown", "unreported"), None),
        (_message(NEVER_SENT_NUMBER, "rejected", None), None),
        (_message(NEVER_SENT_NUMBER, "suppressed", None), None),
    ],
)
def test_an_end_that_agrees_with_the_ledger_is_no_violation(
    ledger: Ledger, message: dict[str, Any], logged: numbers.Outcome | None
) -> None:
    assert list(every_message_ends([message], ledger, _logs(logged))) == []


@pytest.mark.parametrize(
    ("message", "logged", "problem"),
    [
        (_message(SENT_NUMBER, "accepted", "unreported"), numbers.DELIVERED, "its logs say delivered"),
        (_message(SENT_NUMBER, "accepted", "pending"), None, "this is no end"),
        (_message(SENT_NUMBER, "accepted", None), numbers.DELIVERED, "this is no end"),
        (_message(SENT_NUMBER, "accepted", "not_sent"), None, "this is no end"),
        (_message(SENT_NUMBER, "unknown", "not_sent"), None, "it was sent"),
        (_message(DROPPED_NUMBER, "accepted", "delivered"), None, "nothing was sent"),
        (
            _message(DROPPED_NUMBER, "accepted", "unreported", failure_category="unconfirmed"),
            None,
            "its category is unconfirmed",
        ),
        (_message(NEVER_SENT_NUMBER, "accepted", "unreported"), None, "this is no end"),
        (_message(NEVER_SENT_NUMBER, "unknown", None), None, "this is no end"),
        (_message(SENT_NUMBER, "suppressed", None), None, "it was sent"),
    ],
)
def test_an_end_that_contradicts_the_ledger_is_found(
    ledger: Ledger, message: dict[str, Any], logged: numbers.Outcome | None, problem: str
) -> None:
    (found,) = every_message_ends([message], ledger, _logs(logged))
    assert found.endswith(f"but {problem}")


def test_a_message_that_still_waits_is_found(ledger: Ledger) -> None:
    message = _message(SENT_NUMBER, "accepted", "delivered", awaiting_report="3")

    assert list(every_message_ends([message], ledger, {})) == ["m1: still waits for a report"]


def test_the_ledger_counts_what_was_dropped_as_a_request(ledger: Ledger) -> None:
    assert len(ledger) == 2
    assert (ledger.sent, ledger.dropped) == ({IN_LOGS: "r1"}, {(DROPPED_NUMBER, "c1"): "r2"})


@pytest.mark.parametrize(("sms", "violations"), [(3, []), (4, [f"{SENT_NUMBER}: 4 SMS within an hour"])])
def test_more_sms_to_a_number_than_its_cap_are_found(sms: int, violations: list[str]) -> None:
    ledger = Simulator("authkey").ledger
    for number in range(sms):
        one = Sms(SMS_PATH, SENT_NUMBER, f"Order m{number} is on its way", "MSGIND", f"c{number}", f"c{number}")
        (ledger.drop if number == 1 else ledger.enter)(f"r{number}", [one])
    assert list(no_number_gets_more_than_its_cap(ledger, 3)) == violations


def _logs(outcome: numbers.Outcome | None) -> dict[tuple[str, str], Logged]:
    return {IN_LOGS: Logged(outcome, FIRST)} if outcome else {}
