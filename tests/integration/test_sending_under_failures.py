"""No SMS is sent twice and no event is lost if DynamoDB refuses, answers get lost, or senders are killed."""

import uuid
from collections.abc import Callable
from contextlib import suppress
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Final

import httpx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from segment_msg91.msg91.codes import SendState
from segment_msg91.store.messages import Claimed, Settlement

if TYPE_CHECKING:
    from segment_msg91.store.messages import Messages
    from tests.fakes.aws import Aws
    from tests.fakes.clock import Clock
    from tests.fakes.dynamodb import UnreliableDynamoDb
    from tests.fakes.events import Track
    from tests.fakes.msg91 import FakeMsg91
    from tests.integration.conftest import Send

type Prepare = Callable[["FakeMsg91", "UnreliableDynamoDb"], object]
type DeliverThrough = Callable[[list[tuple[str, int]]], tuple[str, int]]

PHONE: Final = "919800000001"
HOUR: Final = timedelta(hours=1)


class KilledError(BaseException):
    """Lambda kills the function: nothing after this runs."""


@pytest.fixture(params=["alone", "in a batch"])
def events(request: pytest.FixtureRequest, track: "Track") -> list[dict[str, Any]]:
    """A single event, or two in one request: they use different DynamoDB calls."""
    batch = [track(PHONE), track("919800000002", "message-2")]
    return batch[:1] if request.param == "alone" else batch


@pytest.fixture
def write(events: list[dict[str, Any]]) -> str:
    """The call to DynamoDB that claims and settles these events."""
    return "update_item" if len(events) == 1 else "transact_write_items"


def _statuses(results: Any) -> set[str]:  # noqa: ANN401 - Results
    return {str(result.status) for result in results}


def test_nothing_is_sent_while_dynamodb_refuses(
    events: list[dict[str, Any]], send: "Send", dynamodb: "UnreliableDynamoDb", msg91: "FakeMsg91"
) -> None:
    dynamodb.refuses_everything("ThrottlingException")
    results = send(*events)
    assert {result.http_status for result in results} == {503}
    assert msg91.calls == []


def test_the_next_delivery_sends_what_dynamodb_refused(
    events: list[dict[str, Any]], send: "Send", dynamodb: "UnreliableDynamoDb", msg91: "FakeMsg91"
) -> None:
    dynamodb.refuses_everything("ThrottlingException")
    send(*events)
    dynamodb.recovers()
    assert _statuses(send(*events)) == {"accepted"}
    assert len(msg91.sent) == len(events)


def test_a_claim_that_the_sdk_repeats_is_recognised_as_our_own(
    events: list[dict[str, Any]], write: str, send: "Send", dynamodb: "UnreliableDynamoDb", msg91: "FakeMsg91"
) -> None:
    dynamodb.repeats(write)
    assert _statuses(send(*events)) == {"accepted"}
    assert len(msg91.sent) == len(events)


def test_nothing_is_sent_on_a_claim_whose_answer_never_came(
    events: list[dict[str, Any]], write: str, send: "Send", dynamodb: "UnreliableDynamoDb", msg91: "FakeMsg91"
) -> None:
    dynamodb.loses_answer(write)
    results = send(*events)
    assert ({result.http_status for result in results}, msg91.calls) == ({503}, [])


def test_a_claim_whose_answer_never_came_leaves_the_event_to_the_next_delivery(
    events: list[dict[str, Any]], write: str, send: "Send", dynamodb: "UnreliableDynamoDb", msg91: "FakeMsg91"
) -> None:
    dynamodb.loses_answer(write)
    send(*events)
    assert _statuses(send(*events)) == {"accepted"}
    assert len(msg91.sent) == len(events)


def test_a_sender_that_was_frozen_after_its_claim_sends_nothing(
    events: list[dict[str, Any]],
    write: str,
    send: "Send",
    dynamodb: "UnreliableDynamoDb",
    msg91: "FakeMsg91",
    clock: "Clock",
) -> None:
    dynamodb.interrupts(write, lambda: clock.advance(seconds=20))
    results = send(*events)
    assert ({result.http_status for result in results}, msg91.calls) == ({503}, [])
    assert _statuses(send(*events)) == {"accepted"}


def test_a_lookup_that_fails_costs_a_batch_nothing(
    send: "Send", dynamodb: "UnreliableDynamoDb", msg91: "FakeMsg91", track: "Track"
) -> None:
    send(track(PHONE))
    dynamodb.refuses("batch_get_item")
    first, second = send(track(PHONE), track("919800000002", "message-2"))
    assert (first.status, second.status, len(msg91.sent)) == ("duplicate", "accepted", 2)


def test_an_event_that_another_claims_after_the_lookup_is_not_sent_twice(
    send: "Send", dynamodb: "UnreliableDynamoDb", msg91: "FakeMsg91", track: "Track"
) -> None:
    dynamodb.interrupts("transact_write_items", lambda: send(track(PHONE)))
    first, second = send(track(PHONE), track("919800000002", "message-2"))
    assert (first.status, second.status, len(msg91.sent)) == ("duplicate", "accepted", 2)


def test_a_settle_that_cannot_be_written_does_not_change_the_answer(
    events: list[dict[str, Any]], write: str, send: "Send", dynamodb: "UnreliableDynamoDb"
) -> None:
    dynamodb.passes(write).refuses(write).refuses(write)
    results = send(*events)
    assert {(result.status, result.request_id is None) for result in results} == {("accepted", False)}


def test_a_settle_that_could_not_be_written_is_written_before_the_next_claim(
    events: list[dict[str, Any]],
    write: str,
    send: "Send",
    dynamodb: "UnreliableDynamoDb",
    msg91: "FakeMsg91",
    clock: "Clock",
) -> None:
    dynamodb.passes(write).refuses(write).refuses(write)
    send(*events)
    clock.advance(hours=1)
    assert _statuses(send(*events)) == {"duplicate"}
    assert len(msg91.sent) == len(events)


def test_an_event_whose_settle_could_not_be_written_is_not_sent_again(
    events: list[dict[str, Any]],
    write: str,
    send: "Send",
    dynamodb: "UnreliableDynamoDb",
    msg91: "FakeMsg91",
    clock: "Clock",
) -> None:
    dynamodb.passes(write).refuses(write).refuses(write)
    send(*events)
    clock.advance(hours=1)
    assert _statuses(send(*events, elsewhere=True)) == {"unknown"}
    assert len(msg91.sent) == len(events)


def test_a_settle_that_the_sdk_repeats_is_written(
    events: list[dict[str, Any]], write: str, send: "Send", dynamodb: "UnreliableDynamoDb", aws: "Aws"
) -> None:
    dynamodb.passes(write).repeats(write)
    send(*events)
    assert {message["send_state"] for message in aws.messages()} == {"accepted"}


def test_a_settle_that_a_report_gets_in_the_way_of_is_tried_again(
    send: "Send", dynamodb: "UnreliableDynamoDb", aws: "Aws", track: "Track"
) -> None:
    dynamodb.passes("transact_write_items").conflicts()
    send(track(PHONE), track("919800000002", "message-2"))
    assert {message["send_state"] for message in aws.messages()} == {"accepted"}


def test_a_batch_that_always_conflicts_is_left_to_the_next_delivery(
    send: "Send", dynamodb: "UnreliableDynamoDb", msg91: "FakeMsg91", track: "Track"
) -> None:
    for _ in range(10):
        dynamodb.conflicts()
    results = send(track(PHONE), track("919800000002", "message-2"))
    assert ({result.http_status for result in results}, msg91.calls) == ({503}, [])


def test_a_sender_that_was_overtaken_cannot_write_over_the_new_claims_outcome(
    events: list[dict[str, Any]], send: "Send", msg91: "FakeMsg91", clock: "Clock", aws: "Aws"
) -> None:
    def overtake() -> None:
        clock.advance(hours=2)
        send(*events, resend_unknown_after=HOUR)

    msg91.during_call = overtake
    msg91.refuses("601")  # the overtaken sender receives it too late
    send(*events)
    assert {(message["send_state"], message["attempts"]) for message in aws.messages()} == {("accepted", 2)}


def test_a_late_sender_settles_what_was_marked_unknown(
    send: "Send", msg91: "FakeMsg91", clock: "Clock", aws: "Aws", track: "Track"
) -> None:
    def mark_unknown() -> None:
        clock.advance(minutes=1)
        send(track(PHONE))

    msg91.during_call = mark_unknown
    send(track(PHONE))
    (message,) = aws.messages()
    assert (message["send_state"], "error" in message) == ("accepted", False)


@pytest.fixture
def stopped(send: "Send", msg91: "FakeMsg91", clock: "Clock", track: "Track") -> dict[str, Any]:
    """An event whose sender was stopped before it called MSG91; its lease has ended."""
    event = track(PHONE)
    msg91.breaks_off(KilledError())
    with pytest.raises(KilledError):
        send(event)
    clock.advance(minutes=1)
    return event


def test_an_event_is_not_answered_unknown_before_that_is_on_record(
    stopped: dict[str, Any], send: "Send", dynamodb: "UnreliableDynamoDb"
) -> None:
    dynamodb.passes("update_item").refuses("update_item")
    answers = [result for _ in range(2) for result in send(stopped)]
    assert [(result.status, result.http_status) for result in answers] == [("retry", 503), ("unknown", 200)]


def test_an_event_that_its_late_sender_settles_meanwhile_is_answered_503(
    stopped: dict[str, Any],
    send: "Send",
    messages: "Messages",
    dynamodb: "UnreliableDynamoDb",
    clock: "Clock",
    aws: "Aws",
) -> None:
    def settle_as_not_sent() -> None:
        (message,) = aws.messages()
        claim = Claimed(message["crqid"], message["claim_id"], clock())
        messages.settle([Settlement(claim, SendState.RETRYABLE)], clock())

    dynamodb.passes("update_item").interrupts("update_item", settle_as_not_sent)
    answers = [result for _ in range(2) for result in send(stopped)]
    assert [(result.status, result.http_status) for result in answers] == [("retry", 503), ("accepted", 200)]


@pytest.mark.parametrize("state", [SendState.RETRYABLE, SendState.HELD])
def test_a_late_sender_does_not_take_back_that_its_message_is_in_doubt(
    state: SendState, stopped: dict[str, Any], send: "Send", messages: "Messages", clock: "Clock", aws: "Aws"
) -> None:
    assert _statuses(send(stopped)) == {"unknown"}
    (message,) = aws.messages()
    messages.settle([Settlement(Claimed(message["crqid"], message["claim_id"], clock()), state)], clock())
    (after,) = aws.messages()
    assert (after["send_state"], "awaiting_report" in after) == ("unknown", True)


CLEAR: Final[dict[str, Prepare]] = {
    "held": lambda msg91, _: msg91.refuses("301"),
    "retryable": lambda msg91, _: msg91.refuses("601"),
    "throttled": lambda msg91, _: msg91.answers("", 429),
    "refused connection": lambda msg91, _: msg91.breaks_off(httpx.ConnectError("refused")),
    "claim refused": lambda _, dynamodb: dynamodb.refuses("update_item"),
    "claim lost": lambda _, dynamodb: dynamodb.loses_answer("update_item"),
}
"""Nothing is sent, and we know it."""
DOUBTFUL: Final[dict[str, Prepare]] = {
    "silent": lambda msg91, _: msg91.breaks_off(httpx.ReadTimeout("silent"), sends=True),
    "reset": lambda msg91, _: msg91.breaks_off(httpx.ReadError("reset")),
    "killed before": lambda msg91, _: msg91.breaks_off(KilledError()),
    "killed after": lambda msg91, _: msg91.breaks_off(KilledError(), sends=True),
    "settle refused": lambda _, dynamodb: dynamodb.passes("update_item").refuses("update_item").refuses("update_item"),
    "settle lost": lambda _, dynamodb: dynamodb.passes("update_item").loses_answer("update_item"),
}
FAULTS: Final = CLEAR | DOUBTFUL
PAUSES: Final = st.sampled_from([1, 60])  # seconds: within the lease, and beyond it
PROPERTY: Final = settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


@pytest.fixture
def deliver_through(
    send: "Send", msg91: "FakeMsg91", dynamodb: "UnreliableDynamoDb", clock: "Clock", track: "Track"
) -> DeliverThrough:
    """Deliver an event once for each exception, then without one; return the last status and the number of SMS."""

    def deliver(faults: list[tuple[str, int]]) -> tuple[str, int]:
        event = track(PHONE, str(uuid.uuid4()))
        msg91.sent.clear()
        for exception, seconds in faults:
            FAULTS[exception](msg91, dynamodb)
            with suppress(KilledError):
                send(event)
            msg91.forgets_answers()
            dynamodb.recovers()
            clock.advance(seconds=seconds)
        clock.advance(minutes=1)
        (result,) = send(event)
        return str(result.status), len(msg91.sent)

    return deliver


@pytest.mark.slow
@PROPERTY
@given(faults=st.lists(st.tuples(st.sampled_from(sorted(FAULTS)), PAUSES), max_size=5))
def test_no_sequence_of_faults_sends_an_event_twice(
    faults: list[tuple[str, int]], deliver_through: DeliverThrough
) -> None:
    _, times = deliver_through(faults)
    assert times <= 1


@pytest.mark.slow
@PROPERTY
@given(faults=st.lists(st.tuples(st.sampled_from(sorted(CLEAR)), PAUSES), max_size=5))
def test_no_sequence_of_faults_of_known_outcome_loses_an_event(
    faults: list[tuple[str, int]], deliver_through: DeliverThrough
) -> None:
    assert deliver_through(faults) == ("accepted", 1)


@pytest.mark.slow
@PROPERTY
@given(faults=st.lists(st.tuples(st.sampled_from(sorted(FAULTS)), PAUSES), max_size=5))
def test_an_event_ends_accepted_or_on_record_as_unknown(
    faults: list[tuple[str, int]], deliver_through: DeliverThrough
) -> None:
    status, times = deliver_through(faults)
    assert (status, times) in (("accepted", 1), ("duplicate", 1), ("unknown", 0), ("unknown", 1))
