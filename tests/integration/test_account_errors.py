"""While MSG91 refuses every message, calls are few; after the repair, sending resumes by itself."""

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import httpx
import pytest

from segment_msg91.circuit_breaker import OPEN_FOR, FailureKind
from segment_msg91.settings import IngestSettings
from segment_msg91.store.messages import Messages
from segment_msg91.use_cases.segment_ingest import Result, Sender

if TYPE_CHECKING:
    from tests.fakes.aws import Aws
    from tests.fakes.clock import Clock
    from tests.fakes.events import Track
    from tests.fakes.msg91 import FakeMsg91

type Deliver = Callable[..., list[Result]]


@dataclass
class Secret:
    """The secret in Secrets Manager; `reads` counts the reads past the cache."""

    authkey: str = "authkey"
    reads: int = 0

    def fresh(self) -> str:
        self.reads += 1
        return self.authkey


@pytest.fixture
def secret() -> Secret:
    return Secret()


@pytest.fixture
def deliver(messages: Messages, msg91: "FakeMsg91", clock: "Clock", secret: Secret) -> Deliver:
    """Deliver events to the Sender of one environment, whose cache has the key `authkey`."""
    sender = Sender(IngestSettings.load(), messages, msg91.client(), clock, secret.fresh)

    def send(*events: dict[str, Any]) -> list[Result]:
        return sender.send(events, "authkey", clock() + timedelta(seconds=29))

    return send


def number(index: int) -> str:
    return f"9198000000{index:02}"


def test_an_empty_balance_causes_a_few_calls_only(
    deliver: Deliver, msg91: "FakeMsg91", track: "Track", aws: "Aws"
) -> None:
    for index in range(30):
        msg91.refuses("301")
        (result,) = deliver(track(number(index), f"message-{index}"))
        assert (result.status, result.http_status) == ("held", 503)
    assert len(msg91.calls) == 5
    assert len(aws.messages()) == 5


def test_a_repaired_account_is_noticed_within_seconds(
    deliver: Deliver, msg91: "FakeMsg91", track: "Track", clock: "Clock"
) -> None:
    for index in range(10):
        msg91.refuses("301")
        deliver(track(number(index), f"message-{index}"))
    msg91.forgets_answers()
    clock.advance(seconds=OPEN_FOR[FailureKind.REFUSED].total_seconds())
    results = [deliver(track(number(index), f"message-{index}"))[0] for index in range(10)]
    assert {result.status for result in results} == {"accepted"}
    assert len(msg91.sent) == 10


def test_while_it_lasts_one_event_asks_again_and_the_rest_do_not(
    deliver: Deliver, msg91: "FakeMsg91", track: "Track", clock: "Clock"
) -> None:
    for index in range(10):
        msg91.refuses("301")
        deliver(track(number(index), f"message-{index}"))
    clock.advance(seconds=OPEN_FOR[FailureKind.REFUSED].total_seconds())
    for index in range(10):
        deliver(track(number(index), f"message-{index}"))
    assert len(msg91.calls) == 6


def test_refusals_for_different_reasons_do_not_open_the_circuit(
    deliver: Deliver, msg91: "FakeMsg91", track: "Track"
) -> None:
    for index, code in enumerate(["301", "207", "301", "418", "301", "207", "301"]):
        msg91.refuses(code)
        deliver(track(number(index), f"message-{index}"))
    assert deliver(track(number(50), "message-50"))[0].status == "accepted"


def test_an_open_circuit_hides_no_invalid_event(deliver: Deliver, msg91: "FakeMsg91", track: "Track") -> None:
    for index in range(6):
        msg91.refuses("301")
        deliver(track(number(index), f"message-{index}"))
    assert deliver(track("12", "message-bad"))[0].status == "invalid"


def test_a_rotated_authkey_is_read_again_before_a_message_is_held(
    deliver: Deliver, msg91: "FakeMsg91", track: "Track", secret: Secret
) -> None:
    secret.authkey = "new-authkey"
    msg91.refuses("207")
    assert deliver(track(number(1)))[0].status == "accepted"
    assert [request.headers["authkey"] for request in msg91.requests] == ["authkey", "new-authkey"]
    assert secret.reads == 1


def test_a_rotated_authkey_is_not_tried_without_the_time_for_an_answer(
    deliver: Deliver, msg91: "FakeMsg91", track: "Track", secret: Secret, clock: "Clock"
) -> None:
    secret.authkey = "new-authkey"
    msg91.refuses("207")
    msg91.during_call = lambda: clock.advance(seconds=15)
    assert (deliver(track(number(1)))[0].status, len(msg91.calls)) == ("held", 1)
    assert deliver(track(number(1)))[0].status == "accepted"


def test_an_authkey_that_is_still_the_same_is_not_tried_twice(
    deliver: Deliver, msg91: "FakeMsg91", track: "Track", secret: Secret
) -> None:
    msg91.refuses("207")
    assert deliver(track(number(1)))[0].status == "held"
    assert (secret.reads, len(msg91.calls)) == (1, 1)


@pytest.mark.parametrize("code", ["301", "418"])
def test_an_error_that_is_not_the_keys_does_not_read_the_secret(
    deliver: Deliver, msg91: "FakeMsg91", track: "Track", secret: Secret, code: str
) -> None:
    msg91.refuses(code)
    deliver(track(number(1)))
    assert secret.reads == 0


TIMED_OUT: Any = httpx.ReadTimeout("silent")
REFUSED: Any = httpx.ConnectError("refused")


@pytest.mark.parametrize(("error", "first"), [(TIMED_OUT, "unknown"), (REFUSED, "retry")], ids=["silent", "refused"])
def test_while_msg91_does_not_answer_events_are_answered_503_without_a_call(  # fixtures
    deliver: Deliver, msg91: "FakeMsg91", track: "Track", aws: "Aws", error: Exception, first: str
) -> None:
    results = []
    for index in range(30):
        msg91.breaks_off(error)
        results += deliver(track(number(index), f"message-{index}"))
    assert [result.status for result in results] == [first] * 3 + ["retry"] * 27
    assert {result.http_status for result in results[3:]} == {503}
    assert "called again within 20 s" in str(results[-1].reason)
    assert (len(msg91.calls), len(aws.messages())) == (3, 3)


def test_one_probe_that_is_answered_closes_the_circuit_and_nothing_is_sent_twice(
    deliver: Deliver, msg91: "FakeMsg91", track: "Track", clock: "Clock"
) -> None:
    for index in range(6):
        msg91.breaks_off(TIMED_OUT, sends=True)
        deliver(track(number(index), f"message-{index}"))
    msg91.forgets_answers()
    clock.advance(seconds=OPEN_FOR[FailureKind.UNANSWERED].total_seconds())
    for index in range(6):
        deliver(track(number(index), f"message-{index}"))
    assert Counter(sms.number for sms in msg91.sent) == {number(index): 1 for index in range(6)}


def test_a_batch_stops_calling_msg91_once_three_calls_had_no_answer(
    deliver: Deliver, msg91: "FakeMsg91", track: "Track", aws: "Aws"
) -> None:
    for _ in range(40):
        msg91.breaks_off(TIMED_OUT)
    results = deliver(*(track(number(index), f"message-{index}", campaign=f"c{index}") for index in range(40)))
    statuses = Counter(str(result.status) for result in results)
    assert statuses["unknown"] == len(msg91.calls) < 10
    assert statuses["retry"] == 40 - len(msg91.calls)
    assert Counter(row["send_state"] for row in aws.messages()) == {
        "unknown": statuses["unknown"],
        "retryable": statuses["retry"],
    }


def test_a_wrong_template_holds_its_own_messages_and_no_others(
    deliver: Deliver, msg91: "FakeMsg91", track: "Track"
) -> None:
    for index in range(10):
        msg91.answers('{"type":"error","message":"Template ID Missing or Invalid Template","code":"400"}')
        (held,) = deliver(track(number(index), f"message-{index}", templateId="wrong"))
        assert (held.status, held.http_status) == ("held", 503)
    assert len(msg91.calls) == 10
    msg91.forgets_answers()
    assert deliver(track(number(50), "message-50", templateId="right"))[0].status == "accepted"
    assert deliver(track(number(1), "message-1", templateId="wrong"))[0].status == "accepted"
