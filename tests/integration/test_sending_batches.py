"""The outcomes of the events of one request: coalesced into few calls, each with its own outcome."""

from typing import TYPE_CHECKING, Any, Final

import httpx
import pytest

from segment_msg91.use_cases import segment_ingest as sending
from segment_msg91.use_cases.segment_ingest import summary

if TYPE_CHECKING:
    from tests.fakes.aws import Aws
    from tests.fakes.clock import Clock
    from tests.fakes.dynamodb import UnreliableDynamoDb
    from tests.fakes.events import Track
    from tests.fakes.msg91 import FakeMsg91
    from tests.integration.conftest import Send

IDENTIFY: Final = {"type": "identify", "messageId": "message-identify", "traits": {"phone": "919800000009"}}
MORE_THAN_A_TRANSACTION: Final = 101


def _batch(track: "Track", size: int = 3, **properties: object) -> list[dict[str, Any]]:
    return [track(f"919800{n:06}", f"message-{n}", **properties) for n in range(1, size + 1)]


def _statuses(results: Any) -> list[str]:  # noqa: ANN401 - Results
    return [str(result.status) for result in results]


def test_events_of_one_sender_go_out_in_one_call(send: "Send", msg91: "FakeMsg91", track: "Track") -> None:
    send(*_batch(track))
    assert msg91.calls == [["919800000001", "919800000002", "919800000003"]]


def test_events_of_one_template_go_out_in_one_call(send: "Send", msg91: "FakeMsg91", track: "Track") -> None:
    send(*_batch(track, templateId="60b07"))
    assert [request.url.path for request in msg91.requests] == ["/api/v5/flow"]


@pytest.mark.parametrize(
    "difference", [{"senderID": "OTHERS"}, {"templateId": "60b07"}, {"route": "1"}, {"DLT_TE_ID": "1107"}], ids=str
)
def test_events_that_differ_in_a_parameter_go_out_in_calls_of_their_own(
    difference: dict[str, object], send: "Send", msg91: "FakeMsg91", track: "Track"
) -> None:
    send(track("919800000001", "message-1"), track("919800000002", "message-2", **difference))
    assert sorted(msg91.calls) == [["919800000001"], ["919800000002"]]


def test_a_number_goes_at_most_once_into_a_call(send: "Send", msg91: "FakeMsg91", track: "Track") -> None:
    texts = {"message-1": "Packed", "message-2": "Shipped", "message-3": "Delivered"}
    results = send(*(track("919800000001", message_id, message=text) for message_id, text in texts.items()))
    assert msg91.calls == [["919800000001"]] * 3
    assert len({result.request_id for result in results}) == 3


def test_a_call_has_no_more_recipients_than_configured(send: "Send", msg91: "FakeMsg91", track: "Track") -> None:
    send(*_batch(track, 5), max_recipients_per_request=2)
    assert sorted(len(numbers) for numbers in msg91.calls) == [1, 2, 2]


def test_a_batch_takes_few_calls_to_dynamodb(send: "Send", dynamodb: "UnreliableDynamoDb", track: "Track") -> None:
    send(*_batch(track, 20))
    assert dynamodb.calls == ["batch_get_item", "transact_write_items", "transact_write_items"]


def test_a_new_event_alone_takes_two_calls_to_dynamodb(
    send: "Send", dynamodb: "UnreliableDynamoDb", track: "Track"
) -> None:
    send(*_batch(track, 1))
    assert dynamodb.calls == ["update_item", "update_item"]


def test_a_repeated_event_alone_takes_one_call_to_dynamodb(
    send: "Send", dynamodb: "UnreliableDynamoDb", track: "Track"
) -> None:
    send(*_batch(track, 1))
    dynamodb.calls.clear()
    send(*_batch(track, 1))
    assert dynamodb.calls == ["update_item"]


def test_every_event_of_a_large_batch_is_sent_once_and_settled(
    send: "Send", aws: "Aws", msg91: "FakeMsg91", track: "Track"
) -> None:
    send(*_batch(track, MORE_THAN_A_TRANSACTION))
    numbers = [sms.number for sms in msg91.sent]
    assert len(numbers) == len(set(numbers)) == MORE_THAN_A_TRANSACTION
    assert {message["send_state"] for message in aws.messages()} == {"accepted"}


def test_results_come_in_the_order_of_the_events(send: "Send", track: "Track") -> None:
    events = [track("12345", "bad"), IDENTIFY, *_batch(track, 2), track("919800000001", "message-1"), None]
    results = send(*events)
    assert [result.message_id for result in results] == [
        *("bad", "message-identify", "message-1", "message-2", "message-1", None)
    ]
    assert _statuses(results) == ["invalid", "skipped", "accepted", "accepted", "duplicate", "invalid"]


def test_the_same_event_twice_in_a_batch_is_one_sms(send: "Send", msg91: "FakeMsg91", track: "Track") -> None:
    event = track("919800000001")
    results = send(event, event)
    assert (_statuses(results), len(msg91.sent)) == (["accepted", "duplicate"], 1)


def test_the_same_event_twice_in_a_batch_is_tried_again_twice(send: "Send", msg91: "FakeMsg91", track: "Track") -> None:
    msg91.refuses("601")
    event = track("919800000001")
    assert _statuses(send(event, event)) == ["retry", "retry"]


@pytest.mark.parametrize(
    "bad",
    [
        None,
        [],
        {},
        "event",
        17,
        {"type": "track"},
        {"type": 17},
        {"type": "track", "properties": []},
        {"type": "track", "messageId": "x" * 5000, "properties": {"phone": "919800000009", "message": "Hello"}},
        {"type": "track", "properties": {"phone": [], "message": "Hello"}},
        {"type": "track", "properties": {"phone": "\ud800", "message": "\ud800", "senderID": "MSGIND"}},
        {"type": "track", "properties": {"phone": "919800000009", "templateId": "60b07", "variables": {"VAR1": []}}},
    ],
    ids=lambda bad: str(bad)[:40],
)
def test_one_bad_event_never_costs_the_others(bad: object, send: "Send", track: "Track") -> None:
    results = send(track("919800000001", "message-1"), bad, track("919800000002", "message-2"))
    assert [results[0].status, results[2].status] == ["accepted", "accepted"]
    assert results[1].status in ("skipped", "invalid")


def test_the_cause_of_a_calls_error_is_found_by_sending_singly(
    send: "Send", msg91: "FakeMsg91", track: "Track"
) -> None:
    msg91.refuses_number("919800000002", "202")
    assert _statuses(send(*_batch(track))) == ["accepted", "rejected", "accepted"]
    assert [sms.number for sms in msg91.sent] == ["919800000001", "919800000003"]


def test_each_event_sent_singly_has_its_own_request_id(send: "Send", msg91: "FakeMsg91", track: "Track") -> None:
    msg91.refuses_number("919800000002", "202")
    results = send(*_batch(track))
    assert results[0].request_id != results[2].request_id


def test_the_cause_of_a_dropped_duplicate_is_found_by_sending_singly(
    send: "Send", msg91: "FakeMsg91", track: "Track"
) -> None:
    msg91.refuses_number("919800000002", "311")
    results = send(*_batch(track))
    assert [result.error_code for result in results] == [None, "311", None]
    assert [sms.number for sms in msg91.sent] == ["919800000001", "919800000003"]


def test_a_text_that_a_firewall_refuses_holds_no_other(send: "Send", msg91: "FakeMsg91", track: "Track") -> None:
    msg91.answers("<html>Forbidden</html>", 403)
    msg91.answers("<html>Forbidden</html>", 403)
    assert _statuses(send(*_batch(track))) == ["held", "accepted", "accepted"]


@pytest.mark.parametrize(("code", "status"), [("301", "held"), ("601", "retry")])
def test_an_error_that_is_not_an_events_is_not_tried_on_each(
    code: str, status: str, send: "Send", msg91: "FakeMsg91", track: "Track"
) -> None:
    msg91.refuses(code)
    assert _statuses(send(*_batch(track))) == [status] * 3
    assert len(msg91.calls) == 1


def test_an_unknown_outcome_of_a_call_is_that_of_all_its_events(
    send: "Send", aws: "Aws", msg91: "FakeMsg91", track: "Track"
) -> None:
    msg91.breaks_off(httpx.ReadTimeout("silent"), sends=True)
    assert _statuses(send(*_batch(track))) == ["unknown"] * 3
    assert {message["send_state"] for message in aws.messages()} == {"unknown"}
    assert len(msg91.calls) == 1


def test_an_unknown_outcome_found_while_sending_singly_is_not_repeated(
    send: "Send", msg91: "FakeMsg91", track: "Track"
) -> None:
    msg91.refuses("202")
    msg91.breaks_off(httpx.ReadTimeout("silent"), sends=True)
    send(*_batch(track))
    assert _statuses(send(*_batch(track))) == ["unknown", "duplicate", "duplicate"]
    assert sorted(sms.number for sms in msg91.sent) == ["919800000001", "919800000002", "919800000003"]


def test_a_batch_delivered_again_sends_only_what_is_new(send: "Send", msg91: "FakeMsg91", track: "Track") -> None:
    first, second, third = _batch(track)
    send(first, second)
    results = send(second, third, first)
    assert _statuses(results) == ["duplicate", "accepted", "duplicate"]
    assert len(msg91.sent) == 3


def test_a_batch_delivered_while_it_is_being_sent_is_in_flight(
    send: "Send", msg91: "FakeMsg91", track: "Track"
) -> None:
    repeats: list[str] = []
    msg91.during_call = lambda: repeats.extend(_statuses(send(*_batch(track))))
    send(*_batch(track))
    assert (repeats, len(msg91.sent)) == (["in_flight"] * 3, 3)


def test_what_there_is_no_time_for_is_left_to_the_next_delivery(
    send: "Send", msg91: "FakeMsg91", clock: "Clock", track: "Track", monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sending, "CHUNK", 2)
    msg91.during_call = lambda: clock.advance(seconds=12)
    assert _statuses(send(*_batch(track))) == ["accepted", "accepted", "retry"]
    assert _statuses(send(*_batch(track))) == ["duplicate", "duplicate", "accepted"]


def test_a_message_id_longer_than_segments_is_answered_without_it(send: "Send", track: "Track") -> None:
    (result,) = send(track("919800000001", "x" * 5000))
    assert (result.status, result.message_id) == ("invalid", None)


def test_a_batch_is_answered_200_when_every_outcome_is_final(send: "Send", msg91: "FakeMsg91", track: "Track") -> None:
    msg91.refuses_number("919800000002", "202")
    results = send(*_batch(track), track("12345", "bad"), IDENTIFY, track("919800000001", "message-1"))
    assert set(_statuses(results)) == {"accepted", "rejected", "invalid", "skipped", "duplicate"}
    assert summary(results, is_batch=True)[0] == 200


def test_a_batch_of_unknown_outcomes_is_answered_200(send: "Send", msg91: "FakeMsg91", track: "Track") -> None:
    msg91.breaks_off(httpx.ReadTimeout("silent"))
    assert summary(send(*_batch(track)), is_batch=True)[0] == 200


@pytest.mark.parametrize("prepare", ["301", "601", "in_flight", "429"])
def test_a_batch_is_answered_503_when_one_event_needs_another_delivery(
    prepare: str, send: "Send", msg91: "FakeMsg91", track: "Track"
) -> None:
    answers: list[int] = []
    other = track("919800000002", "message-2", senderID="OTHERS")
    if prepare == "in_flight":
        msg91.during_call = lambda: answers.append(summary(send(*_batch(track, 1), other), is_batch=True)[0])
        send(*_batch(track, 1))
    else:
        send(other)
        msg91.answers("", 429) if prepare == "429" else msg91.refuses(prepare)
        answers.append(summary(send(*_batch(track, 1), other), is_batch=True)[0])
    assert answers == [503]


def test_a_batch_of_one_rejected_event_is_answered_200(send: "Send", msg91: "FakeMsg91", track: "Track") -> None:
    msg91.refuses("202")
    assert summary(send(*_batch(track, 1)), is_batch=True)[0] == 200
