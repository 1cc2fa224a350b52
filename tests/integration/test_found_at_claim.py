"""The outcome of a repeated event, by what its claim finds: alone, and in a batch."""

from collections.abc import Callable
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Final

import httpx
import pytest

from segment_msg91.msg91.codes import DeliveryStatus
from segment_msg91.settings import NumberRules
from segment_msg91.store.messages import StatusUpdate
from segment_msg91.use_cases.segment_ingest import Result

if TYPE_CHECKING:
    from segment_msg91.store.messages import Messages
    from tests.fakes.aws import Aws, Item
    from tests.fakes.clock import Clock
    from tests.fakes.events import Track
    from tests.fakes.msg91 import FakeMsg91
    from tests.integration.conftest import Send

type Again = Callable[..., Result]

PHONE: Final = "919800000001"
OTHER_PHONE: Final = "919800000002"
HOUR: Final = timedelta(hours=1)
SILENCE: Final = httpx.ReadTimeout("silent")


class KilledError(BaseException):
    """Lambda kills the function: nothing after this runs."""


@pytest.fixture
def event(track: "Track") -> dict[str, Any]:
    return track(PHONE)


@pytest.fixture(params=["alone", "in a batch"])
def again(request: pytest.FixtureRequest, send: "Send", event: dict[str, Any], track: "Track") -> Again:
    """Deliver the event, alone or together with a new event."""

    def deliver(**settings: Any) -> Result:  # noqa: ANN401 - any setting
        if request.param == "alone":
            return send(event, **settings)[0]
        return send(track(OTHER_PHONE, message_id="message-2"), event, **settings)[1]

    return deliver


@pytest.fixture
def killed(send: "Send", event: dict[str, Any], msg91: "FakeMsg91") -> None:
    """The first delivery was killed after MSG91 had received the request."""
    msg91.breaks_off(KilledError(), sends=True)
    with pytest.raises(KilledError):
        send(event)


@pytest.fixture
def unknown(send: "Send", event: dict[str, Any], msg91: "FakeMsg91") -> None:
    """The first delivery got no answer from MSG91."""
    msg91.breaks_off(SILENCE, sends=True)
    send(event)


@pytest.fixture
def report(aws: "Aws", messages: "Messages") -> Callable[[], object]:
    """Apply a report to the only message."""
    delivery = StatusUpdate(DeliveryStatus.PENDING, None, "Submitted", None, "2026-01-02T03:04:10Z", "digest")
    return lambda: messages.apply(aws.messages()[0]["crqid"], PHONE, delivery)


def _sent(msg91: "FakeMsg91") -> int:
    return sum(sms.number == PHONE for sms in msg91.sent)


def _stored(aws: "Aws") -> "Item":
    return next(message for message in aws.messages() if message["phone"] == PHONE)


def test_an_accepted_event_is_a_duplicate_with_the_stored_request_id(
    again: Again, send: "Send", event: dict[str, Any], msg91: "FakeMsg91"
) -> None:
    (first,) = send(event)
    second = again()
    assert (second.status, second.request_id, second.http_status) == ("duplicate", first.request_id, 200)
    assert _sent(msg91) == 1


def test_a_rejected_event_is_a_duplicate_with_msg91s_words(
    again: Again, send: "Send", event: dict[str, Any], msg91: "FakeMsg91"
) -> None:
    msg91.refuses("203", "Invalid sender ID")
    send(event)
    second = again()
    assert (second.status, second.error_code, second.http_status) == ("duplicate", "203", 200)
    assert "Invalid sender ID" in (second.reason or "")
    assert _sent(msg91) == 0


def test_an_invalid_event_is_a_duplicate_with_its_reason(send: "Send", track: "Track") -> None:
    invalid = track("12345")
    (first,) = send(invalid)
    (second,) = send(invalid)
    assert (second.status, second.http_status) == ("duplicate", 200)
    assert (first.reason or "?") in (second.reason or "")


@pytest.mark.usefixtures("killed")
def test_an_event_that_is_being_sent_is_in_flight(again: Again, clock: "Clock", msg91: "FakeMsg91") -> None:
    clock.advance(seconds=5)
    second = again()
    assert (second.status, second.http_status, _sent(msg91)) == ("in_flight", 503, 1)


@pytest.mark.usefixtures("killed")
def test_an_event_whose_sender_was_killed_is_treated_as_sent(again: Again, clock: "Clock", msg91: "FakeMsg91") -> None:
    clock.advance(minutes=1)
    second = again()
    assert (second.status, second.http_status, _sent(msg91)) == ("unknown", 200, 1)


@pytest.mark.usefixtures("killed")
def test_an_event_whose_sender_was_killed_goes_on_record_as_unknown(again: Again, clock: "Clock", aws: "Aws") -> None:
    clock.advance(minutes=1)
    again()
    assert _stored(aws)["send_state"] == "unknown"


@pytest.mark.usefixtures("unknown")
def test_an_event_of_unknown_outcome_is_treated_as_sent(again: Again, clock: "Clock", msg91: "FakeMsg91") -> None:
    clock.advance(hours=3)
    second = again()
    assert (second.status, second.http_status, _sent(msg91)) == ("unknown", 200, 1)


@pytest.mark.usefixtures("unknown")
def test_a_report_settles_an_unknown_outcome(again: Again, report: Callable[[], object], msg91: "FakeMsg91") -> None:
    report()
    second = again()
    assert (second.status, second.http_status, _sent(msg91)) == ("duplicate", 200, 1)


@pytest.mark.usefixtures("unknown")
def test_an_unknown_outcome_awaits_its_report_before_it_is_sent_again(
    again: Again, clock: "Clock", msg91: "FakeMsg91"
) -> None:
    clock.advance(minutes=59)
    second = again(resend_unknown_after=HOUR)
    assert (second.status, second.http_status, _sent(msg91)) == ("unknown", 503, 1)


@pytest.mark.usefixtures("unknown")
def test_an_unknown_outcome_is_sent_again_when_the_time_has_passed(
    again: Again, clock: "Clock", msg91: "FakeMsg91"
) -> None:
    clock.advance(minutes=62)
    second = again(resend_unknown_after=HOUR)
    assert (second.status, second.http_status, _sent(msg91)) == ("accepted", 200, 2)


@pytest.mark.usefixtures("unknown")
def test_an_unknown_outcome_with_a_report_is_never_sent_again(
    again: Again, report: Callable[[], object], clock: "Clock", msg91: "FakeMsg91"
) -> None:
    report()
    clock.advance(minutes=62)
    second = again(resend_unknown_after=HOUR)
    assert (second.status, second.http_status, _sent(msg91)) == ("duplicate", 200, 1)


@pytest.mark.usefixtures("killed")
def test_a_killed_send_awaits_its_report_before_it_is_sent_again(
    again: Again, clock: "Clock", msg91: "FakeMsg91"
) -> None:
    clock.advance(minutes=59)
    second = again(resend_unknown_after=HOUR)
    assert (second.status, second.http_status, _sent(msg91)) == ("unknown", 503, 1)


@pytest.mark.usefixtures("killed")
def test_a_killed_send_is_sent_again_when_the_time_has_passed(again: Again, clock: "Clock", msg91: "FakeMsg91") -> None:
    clock.advance(minutes=62)
    second = again(resend_unknown_after=HOUR)
    assert (second.status, second.http_status, _sent(msg91)) == ("accepted", 200, 2)


@pytest.mark.usefixtures("unknown")
def test_an_event_that_is_refused_by_now_is_not_promised_to_be_sent_again(
    again: Again, msg91: "FakeMsg91", clock: "Clock"
) -> None:
    clock.advance(minutes=5)
    result = again(resend_unknown_after=HOUR, number_rules=NumberRules(only_to=frozenset({"919800000009"})))
    assert (result.status, result.http_status, _sent(msg91)) == ("unknown", 200, 1)


@pytest.mark.usefixtures("killed")
def test_a_running_send_is_in_flight_even_if_unknown_ones_are_sent_again(
    again: Again, clock: "Clock", msg91: "FakeMsg91"
) -> None:
    clock.advance(seconds=5)
    second = again(resend_unknown_after=HOUR)
    assert (second.status, second.http_status, _sent(msg91)) == ("in_flight", 503, 1)


@pytest.mark.parametrize("code", ["301", "601"], ids=["held", "retryable"])
def test_a_held_or_retryable_event_is_sent(
    code: str, again: Again, send: "Send", event: dict[str, Any], msg91: "FakeMsg91"
) -> None:
    msg91.refuses(code)
    send(event)
    second = again()
    assert (second.status, second.http_status, _sent(msg91)) == ("accepted", 200, 1)


@pytest.mark.parametrize("code", ["301", "601"], ids=["held", "retryable"])
def test_a_success_clears_the_error_on_record(
    code: str, again: Again, send: "Send", event: dict[str, Any], msg91: "FakeMsg91", aws: "Aws"
) -> None:
    msg91.refuses(code)
    send(event)
    again()
    stored = _stored(aws)
    assert (stored["send_state"], stored["attempts"]) == ("accepted", 2)
    assert not {"error", "error_code"} & set(stored)


def test_a_message_id_with_another_number_is_another_message(send: "Send", track: "Track", msg91: "FakeMsg91") -> None:
    send(track(PHONE))
    (second,) = send(track(OTHER_PHONE))
    assert (second.status, len(msg91.sent)) == ("accepted", 2)


def test_a_number_written_otherwise_is_the_same_message(send: "Send", track: "Track") -> None:
    send(track(PHONE))
    (second,) = send(track("+91 98000-00001"))
    assert second.status == "duplicate"


def test_an_event_without_a_message_id_is_never_recognised(send: "Send", track: "Track") -> None:
    send(track(PHONE, message_id=None))
    (second,) = send(track(PHONE, message_id=None))
    assert second.status == "accepted"
