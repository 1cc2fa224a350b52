"""The outcome of one event, by the answer of MSG91."""

from collections.abc import Callable
from datetime import timedelta
from typing import TYPE_CHECKING, Final

import httpx
import pytest

from segment_msg91.use_cases.segment_ingest import Result, summary

if TYPE_CHECKING:
    from tests.fakes.aws import Aws
    from tests.fakes.events import Track
    from tests.fakes.msg91 import FakeMsg91
    from tests.integration.conftest import Send

type Prepare = Callable[["FakeMsg91"], None]

PHONE: Final = "919800000001"
HOUR: Final = timedelta(hours=1)


def answering(body: str, status: int = 200) -> Prepare:
    return lambda msg91: msg91.answers(body, status)


def refusing(code: str) -> Prepare:
    return lambda msg91: msg91.refuses(code)


def breaking_off(error: httpx.TransportError) -> Prepare:
    return lambda msg91: msg91.breaks_off(error)


SUCCESS: Final = [pytest.param(answering('{"type":"success","message":"5762846b"}'), id="success")]
DUPLICATE: Final = [pytest.param(refusing("311"), id="311 the same text within ten seconds")]
REJECTED: Final = [
    pytest.param(refusing("101"), id="101 missing mobile"),
    pytest.param(refusing("202"), id="202 invalid mobile"),
    pytest.param(refusing("203"), id="203 invalid sender id"),
    pytest.param(refusing("211"), id="211 empty DLT id"),
    pytest.param(refusing("310"), id="310 text too long"),
    pytest.param(refusing("999"), id="an unknown code"),
    pytest.param(answering('{"message":"flow id missing","type":"error"}'), id="an error without a code"),
    pytest.param(answering('{"type":"error","message":"Invalid request"}', 403), id="an error at HTTP 403"),
]
HELD: Final = [
    pytest.param(refusing("106"), id="106 missing authkey"),
    pytest.param(refusing("207"), id="207 invalid authkey"),
    pytest.param(refusing("301"), id="301 insufficient balance"),
    pytest.param(refusing("303"), id="303 banned account"),
    pytest.param(answering('{"msg":"418","msgType":"error"}'), id="418 under msg"),
    pytest.param(
        answering('{"status":"fail","hasError":true,"code":"401","apiError":"418"}', 401), id="418 under apiError"
    ),
]
RETRYABLE: Final = [
    pytest.param(refusing("001"), id="001"),
    pytest.param(refusing("306"), id="306 the route is closed at night"),
    pytest.param(refusing("601"), id="601"),
    pytest.param(answering("<html>Internal Server Error</html>", 500), id="HTTP 500"),
    pytest.param(answering("", 503), id="HTTP 503"),
    pytest.param(breaking_off(httpx.ConnectError("refused")), id="connection refused"),
    pytest.param(breaking_off(httpx.ConnectTimeout("slow")), id="connect timeout"),
    pytest.param(breaking_off(httpx.PoolTimeout("busy")), id="pool timeout"),
]
THROTTLED: Final = [pytest.param(answering('{"type":"error","message":"Too many requests"}', 429), id="HTTP 429")]
UNKNOWN: Final = [
    pytest.param(breaking_off(httpx.ReadTimeout("silent")), id="read timeout"),
    pytest.param(breaking_off(httpx.ReadError("reset")), id="reset"),
    pytest.param(breaking_off(httpx.RemoteProtocolError("closed")), id="closed without an answer"),
    pytest.param(answering(""), id="an empty body"),
    pytest.param(answering('{"type":"success","mess'), id="a cut-off body"),
    pytest.param(answering("<html>Please log in</html>"), id="HTML at HTTP 200"),
    pytest.param(answering('["success"]'), id="no object"),
    pytest.param(answering('{"message":"5762846b"}'), id="neither success nor error"),
]


def _http_status(result: Result) -> int:
    return summary([result], is_batch=False)[0]


@pytest.mark.parametrize("prepare", SUCCESS + DUPLICATE)
def test_an_accepted_event_is_answered_200(prepare: Prepare, send: "Send", msg91: "FakeMsg91", track: "Track") -> None:
    prepare(msg91)
    (result,) = send(track(PHONE))
    assert (result.status, _http_status(result)) == ("accepted", 200)


@pytest.mark.parametrize("prepare", REJECTED)
def test_a_rejected_event_is_answered_400(prepare: Prepare, send: "Send", msg91: "FakeMsg91", track: "Track") -> None:
    prepare(msg91)
    (result,) = send(track(PHONE))
    assert (result.status, _http_status(result)) == ("rejected", 400)


@pytest.mark.parametrize("prepare", HELD)
def test_an_event_is_answered_503_while_the_account_needs_repair(
    prepare: Prepare, send: "Send", msg91: "FakeMsg91", track: "Track"
) -> None:
    prepare(msg91)
    (result,) = send(track(PHONE))
    assert (result.status, _http_status(result)) == ("held", 503)


@pytest.mark.parametrize("prepare", RETRYABLE)
def test_an_event_is_answered_503_on_a_transient_error(
    prepare: Prepare, send: "Send", msg91: "FakeMsg91", track: "Track"
) -> None:
    prepare(msg91)
    (result,) = send(track(PHONE))
    assert (result.status, _http_status(result)) == ("retry", 503)


@pytest.mark.parametrize("prepare", THROTTLED)
def test_an_event_is_answered_429_when_msg91_throttles(
    prepare: Prepare, send: "Send", msg91: "FakeMsg91", track: "Track"
) -> None:
    prepare(msg91)
    (result,) = send(track(PHONE))
    assert (result.status, _http_status(result)) == ("retry", 429)


@pytest.mark.parametrize("prepare", UNKNOWN)
def test_an_unknown_outcome_is_answered_200(prepare: Prepare, send: "Send", msg91: "FakeMsg91", track: "Track") -> None:
    prepare(msg91)
    (result,) = send(track(PHONE))
    assert (result.status, _http_status(result)) == ("unknown", 200)


@pytest.mark.parametrize("prepare", UNKNOWN)
def test_an_unknown_outcome_that_may_be_sent_again_is_answered_503(
    prepare: Prepare, send: "Send", msg91: "FakeMsg91", track: "Track"
) -> None:
    prepare(msg91)
    (result,) = send(track(PHONE), resend_unknown_after=HOUR)
    assert (result.status, _http_status(result)) == ("unknown", 503)


@pytest.mark.parametrize(
    ("prepare", "state"),
    [
        (answering('{"type":"success","message":"5762846b"}'), "accepted"),
        (refusing("311"), "accepted"),
        (refusing("203"), "rejected"),
        (refusing("301"), "held"),
        (refusing("601"), "retryable"),
        (answering("", 429), "retryable"),
        (breaking_off(httpx.ConnectError("refused")), "retryable"),
        (breaking_off(httpx.ReadTimeout("silent")), "unknown"),
    ],
    ids=["success", "311", "203", "301", "601", "HTTP 429", "refused", "silent"],
)
def test_the_outcome_is_on_record(
    prepare: Prepare, state: str, send: "Send", aws: "Aws", msg91: "FakeMsg91", track: "Track"
) -> None:
    prepare(msg91)
    send(track(PHONE))
    assert [message["send_state"] for message in aws.messages()] == [state]


@pytest.mark.parametrize("code", ["203", "211", "301"])
def test_an_error_that_msg91_never_reports_is_on_record_from_its_own_answer(
    code: str, send: "Send", aws: "Aws", msg91: "FakeMsg91", track: "Track"
) -> None:
    msg91.refuses(code, "Explained once")
    send(track(PHONE))
    (message,) = aws.messages()
    assert (message["error_code"], message["error"]) == (code, "Explained once")


def test_a_rejected_event_is_answered_in_msg91s_words(send: "Send", msg91: "FakeMsg91", track: "Track") -> None:
    msg91.refuses("203", "Invalid sender ID")
    assert "Invalid sender ID" in summary(send(track(PHONE)), is_batch=False)[1]


def test_the_request_id_is_what_msg91_answered(send: "Send", aws: "Aws", msg91: "FakeMsg91", track: "Track") -> None:
    msg91.answers('{"type":"success","message":"5762846b4f8d285d378b4567"}')
    (result,) = send(track(PHONE))
    assert result.request_id == aws.messages()[0]["request_id"] == "5762846b4f8d285d378b4567"


def test_the_key_on_record_is_the_reference_given_to_msg91(
    send: "Send", aws: "Aws", msg91: "FakeMsg91", track: "Track"
) -> None:
    (result,) = send(track(PHONE))
    assert result.crqid == aws.messages()[0]["crqid"] == msg91.sent[0].crqid


def test_an_event_without_a_phone_is_skipped_without_a_trace(send: "Send", aws: "Aws", msg91: "FakeMsg91") -> None:
    (result,) = send({"type": "track", "messageId": "message-1", "properties": {"message": "Hello"}})
    assert (result.status, _http_status(result), aws.messages(), msg91.calls) == ("skipped", 200, [], [])


def test_an_invalid_event_is_on_record_and_not_sent(
    send: "Send", aws: "Aws", msg91: "FakeMsg91", track: "Track"
) -> None:
    (result,) = send(track("12345"))
    (message,) = aws.messages()
    assert (result.status, _http_status(result), msg91.calls) == ("invalid", 400, [])
    assert (message["send_state"], message["phone"], message["error"]) == ("invalid", "12345", result.reason)


def test_the_reason_of_an_invalid_event_names_the_field(send: "Send", track: "Track") -> None:
    (result,) = send(track(PHONE, senderID="NO SENDER"))
    assert (result.reason or "").startswith("properties.senderID: ")


def test_a_missing_authkey_holds_the_event(send: "Send", msg91: "FakeMsg91", track: "Track") -> None:
    (result,) = send(track(PHONE), authkey="")
    assert (result.status, msg91.calls) == ("held", [])


def test_nothing_is_claimed_when_no_time_is_left_for_a_call(send: "Send", aws: "Aws", track: "Track") -> None:
    (result,) = send(track(PHONE), seconds=15)
    assert (_http_status(result), aws.messages()) == (503, [])


def test_an_event_without_a_message_id_is_sent(send: "Send", msg91: "FakeMsg91", track: "Track") -> None:
    (result,) = send(track(PHONE, message_id=None))
    assert (result.status, result.message_id, len(msg91.sent)) == ("accepted", None, 1)
