"""What MSG91 refuses everybody costs little while it lasts, and its repair needs neither a deploy nor a person here."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest

from segment_msg91.refusals import REFUSED_FOR
from segment_msg91.sending import Result, Sender
from segment_msg91.settings import IngestSettings
from segment_msg91.store.messages import Messages

if TYPE_CHECKING:
    from tests.conftest import Aws, Clock, FakeMsg91, Track

type Deliver = Callable[..., list[Result]]


@dataclass
class Secret:
    """What Secrets Manager has now; `reads` counts how often it was asked beyond the cache."""

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
    """Deliver events to one environment's Sender, which has the key `authkey` in its cache."""
    sender = Sender(IngestSettings.load(), messages, msg91.client(), clock, secret.fresh)

    def send(*events: dict[str, Any]) -> list[Result]:
        return sender.send(events, "authkey", clock() + timedelta(seconds=29))

    return send


def number(index: int) -> str:
    return f"9198000000{index:02}"


def test_an_empty_balance_is_asked_about_a_few_times_only(
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
    clock.advance(seconds=REFUSED_FOR.total_seconds())
    results = [deliver(track(number(index), f"message-{index}"))[0] for index in range(10)]
    assert {result.status for result in results} == {"accepted"}
    assert len(msg91.sent) == 10


def test_while_it_lasts_one_event_asks_again_and_the_rest_do_not(
    deliver: Deliver, msg91: "FakeMsg91", track: "Track", clock: "Clock"
) -> None:
    for index in range(10):
        msg91.refuses("301")
        deliver(track(number(index), f"message-{index}"))
    clock.advance(seconds=REFUSED_FOR.total_seconds())
    for index in range(10):
        deliver(track(number(index), f"message-{index}"))
    assert len(msg91.calls) == 6


def test_refusals_for_different_reasons_are_not_everybodys(
    deliver: Deliver, msg91: "FakeMsg91", track: "Track"
) -> None:
    for index, code in enumerate(["301", "207", "301", "418", "301", "207", "301"]):
        msg91.refuses(code)
        deliver(track(number(index), f"message-{index}"))
    assert deliver(track(number(50), "message-50"))[0].status == "accepted"


def test_a_refusal_of_everybody_hides_no_mistake_of_an_event(
    deliver: Deliver, msg91: "FakeMsg91", track: "Track"
) -> None:
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


def test_an_authkey_that_is_still_the_same_is_not_tried_twice(
    deliver: Deliver, msg91: "FakeMsg91", track: "Track", secret: Secret
) -> None:
    msg91.refuses("207")
    assert deliver(track(number(1)))[0].status == "held"
    assert (secret.reads, len(msg91.calls)) == (1, 1)


@pytest.mark.parametrize("code", ["301", "418"])
def test_a_trouble_that_is_not_the_keys_does_not_read_the_secret(
    deliver: Deliver, msg91: "FakeMsg91", track: "Track", secret: Secret, code: str
) -> None:
    msg91.refuses(code)
    deliver(track(number(1)))
    assert secret.reads == 0
