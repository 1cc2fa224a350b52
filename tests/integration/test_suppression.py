"""SMS that a rule stops: on record, answered, never sent, and final."""

from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Final

import httpx
import pytest

from segment_msg91.settings import IngestSettings, NumberRules
from segment_msg91.use_cases.segment_ingest import Sender

if TYPE_CHECKING:
    from segment_msg91.store.messages import Messages
    from tests.fakes.aws import Aws
    from tests.fakes.clock import Clock
    from tests.fakes.dynamodb import UnreliableDynamoDb
    from tests.fakes.events import Track
    from tests.fakes.msg91 import FakeMsg91
    from tests.integration.conftest import Send

TESTER: Final = "919800000001"
CUSTOMER: Final = "919800000002"
OF_SRI_LANKA: Final = "94771234567"
STAGING: Final = NumberRules(only_to=frozenset({TESTER}))
INDIA_ONLY: Final = NumberRules(allowed_countries=frozenset({"IN"}))


@pytest.fixture
def event(track: "Track") -> dict[str, Any]:
    return track(CUSTOMER) | {"userId": "user-1"}


def test_a_number_that_is_not_on_the_test_list_is_suppressed_and_on_record(
    send: "Send", event: dict[str, Any], aws: "Aws", msg91: "FakeMsg91"
) -> None:
    (result,) = send(event, number_rules=STAGING)
    assert (result.status, result.http_status, result.is_final) == ("suppressed", 200, True)
    assert (result.reason or "").startswith("phone: not one of OnlyToNumbers")
    (message,) = aws.messages()
    assert message == message | {
        "crqid": result.crqid,
        "send_state": "suppressed",
        "suppressed_because": "not_on_test_list",
        "error": result.reason,
        "phone": CUSTOMER,
        "message_id": "message-1",
        "user_id": "user-1",
        "sender_id": "MSGIND",
        "parts": 1,
        "created_at": "2026-01-02T03:04:05.000Z",
        "settled_at": "2026-01-02T03:04:05.000Z",
    }
    assert msg91.calls == []


def test_a_number_on_the_test_list_is_sent_to(send: "Send", track: "Track", msg91: "FakeMsg91") -> None:
    (result,) = send(track("+91 98000 00001"), number_rules=STAGING)
    assert (result.status, [sms.number for sms in msg91.sent]) == ("accepted", [TESTER])


@pytest.mark.parametrize(
    ("number", "country"),
    [
        (OF_SRI_LANKA, "its country is LK"),
        ("14155552671", "its country is US"),
        ("447400123456", "its country is GB"),
        ("870773111632", "no known country"),
        ("167554321", "no known country"),
        ("9800000012", "its country is IR"),  # without its country code, it is Iran's
    ],
)
def test_a_number_of_another_country_is_suppressed(
    number: str, country: str, send: "Send", track: "Track", aws: "Aws", msg91: "FakeMsg91"
) -> None:
    (result,) = send(track(number), number_rules=INDIA_ONLY)
    assert (result.status, country in (result.reason or "")) == ("suppressed", True)
    assert (aws.messages()[0]["suppressed_because"], msg91.calls) == ("country", [])


@pytest.mark.parametrize("countries", [{"IN"}, {"IN", "LK"}, set[str]()])
def test_a_number_of_an_allowed_country_is_sent_to(countries: set[str], send: "Send", event: dict[str, Any]) -> None:
    (result,) = send(event, number_rules=NumberRules(allowed_countries=frozenset(countries)))
    assert result.status == "accepted"


@pytest.mark.parametrize("rules", [STAGING, NumberRules()], ids=["the rule still holds", "the rule is gone"])
@pytest.mark.parametrize("alone", [True, False], ids=["alone", "in a batch"])
def test_a_redelivery_or_a_replay_is_a_duplicate(
    rules: NumberRules, *, alone: bool, send: "Send", event: dict[str, Any], track: "Track", msg91: "FakeMsg91"
) -> None:
    (first,) = send(event, number_rules=STAGING)
    events = (event,) if alone else (track(TESTER, "message-2"), event)
    second = send(*events, number_rules=rules)[-1]
    assert (second.status, second.http_status, second.crqid) == ("duplicate", 200, first.crqid)
    assert second.reason == f"suppressed by an earlier delivery: {first.reason}"
    assert CUSTOMER not in {sms.number for sms in msg91.sent}


def test_in_a_batch_only_those_that_a_rule_stops_are_suppressed(
    send: "Send", track: "Track", aws: "Aws", msg91: "FakeMsg91"
) -> None:
    numbers = (TESTER, CUSTOMER, "12345", OF_SRI_LANKA)
    events = [track(number, f"message-{place}") for place, number in enumerate(numbers)]
    results = send(*events, events[1], number_rules=STAGING)
    assert [result.status for result in results] == ["accepted", "suppressed", "invalid", "suppressed", "duplicate"]
    assert [sms.number for sms in msg91.sent] == [TESTER]
    assert len(aws.messages()) == 4


def test_one_write_records_it_or_finds_it(send: "Send", event: dict[str, Any], dynamodb: "UnreliableDynamoDb") -> None:
    before = len(dynamodb.calls)
    send(event, number_rules=STAGING)
    assert dynamodb.calls[before:] == ["update_item"]
    send(event, number_rules=STAGING)
    assert dynamodb.calls[before:] == ["update_item"] * 2


def test_it_is_recorded_while_the_circuit_is_open(
    event: dict[str, Any], track: "Track", msg91: "FakeMsg91", messages: "Messages", clock: "Clock"
) -> None:
    sender = Sender(replace(IngestSettings.load(), number_rules=STAGING), messages, msg91.client(), clock)

    def send(event: dict[str, Any]) -> str:
        return sender.send([event], "authkey", clock() + timedelta(seconds=29))[0].status

    for number in range(3):
        msg91.breaks_off(httpx.ReadTimeout("silent"))
        send(track(TESTER, f"silent-{number}"))
    assert (send(track(TESTER)), send(event)) == ("retry", "suppressed")


def test_a_record_that_dynamodb_refuses_is_left_to_a_retry(
    send: "Send", event: dict[str, Any], dynamodb: "UnreliableDynamoDb", msg91: "FakeMsg91"
) -> None:
    dynamodb.refuses("update_item")
    (result,) = send(event, number_rules=STAGING)
    assert (result.status, result.http_status, msg91.calls) == ("retry", 503, [])
    dynamodb.recovers()
    assert send(event, number_rules=STAGING)[0].status == "suppressed"


def test_a_held_message_is_suppressed_by_a_rule_that_comes_meanwhile(
    send: "Send", event: dict[str, Any], aws: "Aws", msg91: "FakeMsg91"
) -> None:
    msg91.refuses("301")
    send(event)
    (result,) = send(event, number_rules=STAGING)
    assert result.status == "suppressed"
    (message,) = aws.messages()
    assert (message["send_state"], "error_code" in message, "failure_category" in message) == (
        "suppressed",
        False,
        False,
    )


def test_what_may_have_been_sent_is_not_suppressed_afterwards(
    send: "Send", event: dict[str, Any], aws: "Aws", clock: "Clock", msg91: "FakeMsg91"
) -> None:
    msg91.breaks_off(httpx.ReadTimeout("silent"), sends=True)
    resend = {"resend_unknown_after": timedelta(minutes=5)}
    send(event, **resend)
    clock.advance(hours=1)
    (result,) = send(event, number_rules=STAGING, **resend)
    assert (result.status, aws.messages()[0]["send_state"]) == ("unknown", "unknown")
    assert len(msg91.sent) == 1
