"""The guard rails of sending: nothing to who has opted out, never more than the caps, and nothing without an answer."""

from collections import Counter
from collections.abc import Callable
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Final

import httpx
import pytest

from segment_msg91.recipient import Change, Scope, Source
from segment_msg91.settings import GuardRailSettings
from segment_msg91.store.recipients import Recipients
from segment_msg91.use_cases.segment_ingest import Result
from tests.engines import DYNAMODB_LOCAL

if TYPE_CHECKING:
    from tests.fakes.aws import Aws
    from tests.fakes.clock import Clock
    from tests.fakes.dynamodb import UnreliableDynamoDb
    from tests.fakes.events import Track
    from tests.fakes.msg91 import FakeMsg91
    from tests.integration.conftest import Send

type SendOne = Callable[..., Result]
type OptOut = Callable[[Scope], object]

PHONE: Final = "919800000001"
OTHER: Final = "919800000002"
ON: Final = GuardRailSettings("RecipientsTable", max_per_hour=3, max_per_day=0)
UNCAPPED: Final = GuardRailSettings("RecipientsTable", max_per_hour=0, max_per_day=0)


@pytest.fixture
def recipients(aws: "Aws") -> Recipients:
    """The table, as another function writes it."""
    return Recipients(aws.dynamodb, "RecipientsTable", timedelta(days=400))


@pytest.fixture
def opt_out(recipients: Recipients, clock: "Clock") -> OptOut:
    return lambda scope: recipients.record([_opted_out(clock, scope)], clock())


def _opted_out(clock: "Clock", scope: Scope = Scope.ALL, phone: str = PHONE) -> Change:
    return Change(phone, opts_out=True, scope=scope, at=clock(), source=Source.OPERATOR)


def _opted_in(clock: "Clock", scope: Scope = Scope.ALL) -> Change:
    return Change(PHONE, opts_out=False, scope=scope, at=clock(), source=Source.OPERATOR)


def _statuses(results: list[Any]) -> list[str]:
    return [str(result.status) for result in results]


def test_a_single_sms_takes_one_write_more(send: "Send", track: "Track", dynamodb: "UnreliableDynamoDb") -> None:
    send(track(PHONE), guard_rails=ON)
    assert dynamodb.calls == ["update_item"] * 3


def test_without_guard_rails_the_table_is_not_asked(
    send: "Send", track: "Track", dynamodb: "UnreliableDynamoDb", aws: "Aws"
) -> None:
    send(track(PHONE))
    send(track(PHONE, "message-2"), track(OTHER, "message-3"))
    assert dynamodb.calls == ["update_item"] * 2 + ["batch_get_item"] + ["transact_write_items"] * 2
    assert aws.recipients() == []


def test_a_batch_takes_three_calls_more(send: "Send", track: "Track", dynamodb: "UnreliableDynamoDb") -> None:
    events = [track(f"9198000000{number:02}", f"message-{number}") for number in range(9)]
    send(*events)
    before = len(dynamodb.calls)
    again = [event | {"messageId": f"again-{place}"} for place, event in enumerate(events)]
    send(*again, guard_rails=ON)
    guarded = Counter(dynamodb.calls[before:])
    assert guarded == Counter(dynamodb.calls[:before]) + Counter(["batch_get_item", "transact_write_items"])


def test_a_number_gets_no_more_than_the_cap_and_the_rest_is_on_record(
    send: "Send", track: "Track", aws: "Aws", msg91: "FakeMsg91"
) -> None:
    results = [send(track(PHONE, f"message-{number}"), guard_rails=ON)[0] for number in range(5)]
    assert _statuses(results) == ["accepted"] * 3 + ["suppressed"] * 2
    assert (results[-1].http_status, results[-1].is_final) == (200, True)
    assert results[-1].reason == "phone: 3 messages to it within an hour, the most that MaxSmsPerNumberPerHour allows"
    assert len(msg91.sent) == 3
    message = aws.message(str(results[-1].crqid))
    assert message == message | {
        "send_state": "suppressed",
        "suppressed_because": "capped",
        "error": results[-1].reason,
        "phone": PHONE,
        "settled_at": "2026-01-02T03:04:05.000Z",
    }
    assert "awaiting_report" not in message


def test_in_a_batch_the_first_events_to_a_number_are_sent(send: "Send", track: "Track", msg91: "FakeMsg91") -> None:
    events = [track(PHONE if number % 2 else OTHER, f"message-{number}") for number in range(10)]
    results = send(*events, guard_rails=ON)
    assert _statuses(results) == ["accepted"] * 6 + ["suppressed"] * 4
    assert Counter(sms.number for sms in msg91.sent) == {PHONE: 3, OTHER: 3}


@pytest.mark.slow
def test_a_loop_of_a_thousand_events_sends_twenty(
    send: "Send", track: "Track", aws: "Aws", msg91: "FakeMsg91", clock: "Clock", engine: str
) -> None:
    rails = GuardRailSettings("RecipientsTable", max_per_hour=20, max_per_day=0)
    statuses: Counter[str] = Counter()
    size = 100 if engine == DYNAMODB_LOCAL else 6  # moto copies its tables for each transaction
    for batch in range(10):
        events = [track(PHONE, f"message-{batch}-{number}", message=f"Text {number}") for number in range(size)]
        statuses.update(_statuses(send(*events, guard_rails=rails)))
        clock.advance(seconds=5)
    assert statuses == {"accepted": 20, "suppressed": 10 * size - 20}
    assert len(msg91.sent) == 20
    assert Counter(message["send_state"] for message in aws.messages()) == statuses


@pytest.mark.parametrize("alone", [True, False], ids=["alone", "in a batch"])
def test_a_capped_number_is_sent_to_again_when_its_sms_are_old_enough(
    *, alone: bool, send: "Send", track: "Track", clock: "Clock"
) -> None:
    for number in range(3):
        send(track(PHONE, f"message-{number}"), guard_rails=ON)
        clock.advance(minutes=10)
    clock.advance(minutes=31)

    def status(message_id: str) -> str:
        others = () if alone else (track(OTHER, f"other-{message_id}"),)
        return send(track(PHONE, message_id), *others, guard_rails=ON)[0].status

    assert status("after-61-minutes") == "suppressed"
    clock.advance(minutes=2)
    assert status("after-63-minutes") == "accepted"
    assert status("one-more") == "suppressed"


def test_a_day_has_a_cap_of_its_own(send: "Send", track: "Track", clock: "Clock") -> None:
    rails = GuardRailSettings("RecipientsTable", max_per_hour=2, max_per_day=3)
    statuses = []
    for hour in range(4):
        statuses += [send(track(PHONE, f"message-{hour}-{number}"), guard_rails=rails)[0].status for number in range(2)]
        clock.advance(hours=2)
    assert statuses == ["accepted"] * 3 + ["suppressed"] * 5
    clock.advance(hours=20)
    assert send(track(PHONE, "the-next-day"), guard_rails=rails)[0].status == "accepted"


@pytest.mark.parametrize("alone", [True, False], ids=["alone", "in a batch"])
def test_duplicates_and_retries_count_once(
    *, alone: bool, send: "Send", track: "Track", msg91: "FakeMsg91", clock: "Clock"
) -> None:
    others = () if alone else (track(OTHER, "other"),)
    for _ in range(6):
        msg91.refuses("301")
        assert send(track(PHONE), *others, guard_rails=ON)[0].status == "held"
        clock.advance(minutes=1)
    for _ in range(3):
        send(track(PHONE), *others, guard_rails=ON)
    assert len([sms for sms in msg91.sent if sms.number == PHONE]) == 1
    assert send(track(PHONE, "message-2"), guard_rails=ON)[0].status == "accepted"
    assert send(track(PHONE, "message-3"), guard_rails=ON)[0].status == "accepted"
    assert send(track(PHONE, "message-4"), guard_rails=ON)[0].status == "suppressed"


def test_a_send_in_doubt_counts_and_its_second_sms_as_well(
    send: "Send", track: "Track", msg91: "FakeMsg91", clock: "Clock"
) -> None:
    resend = {"guard_rails": ON, "resend_unknown_after": timedelta(minutes=5)}
    for _ in range(2):
        msg91.breaks_off(httpx.ReadTimeout("silent"), sends=True)
        send(track(PHONE), **resend)
        clock.advance(minutes=10)
    send(track(PHONE, "message-2"), **resend)
    assert send(track(PHONE, "message-3"), **resend)[0].status == "suppressed"
    assert len(msg91.sent) == 3


def test_counts_that_a_lost_answer_left_do_not_cap_their_own_message(
    send: "Send", track: "Track", dynamodb: "UnreliableDynamoDb", clock: "Clock", msg91: "FakeMsg91"
) -> None:
    for _ in range(3):
        dynamodb.passes("update_item").loses_answer("update_item")
        assert send(track(PHONE), guard_rails=ON)[0].status == "retry"
        clock.advance(minutes=1)
    assert send(track(PHONE), guard_rails=ON)[0].status == "accepted"
    assert len(msg91.sent) == 1


@pytest.mark.parametrize("operation", ["update_item", "transact_write_items"])
def test_a_write_that_the_sdk_repeats_counts_once(
    operation: str, send: "Send", track: "Track", dynamodb: "UnreliableDynamoDb", aws: "Aws"
) -> None:
    others = [track(OTHER, "other")] if operation == "transact_write_items" else []
    dynamodb.passes(operation).repeats(operation)
    assert send(track(PHONE), *others, guard_rails=ON)[0].status == "accepted"
    assert {item["phone"]: len(item["recent"]) for item in aws.recipients()}[PHONE] == 1


@pytest.mark.parametrize("fault", ["refuses", "loses_answer"])
def test_without_an_answer_nothing_is_sent_and_a_retry_sends_it(
    fault: str, send: "Send", track: "Track", dynamodb: "UnreliableDynamoDb", aws: "Aws", msg91: "FakeMsg91"
) -> None:
    getattr(dynamodb.passes("update_item"), fault)("update_item")
    (result,) = send(track(PHONE), guard_rails=ON)
    assert (result.status, result.http_status, msg91.calls) == ("retry", 503, [])
    assert "the database did not say whether it may be sent" in (result.reason or "")
    assert aws.messages()[0]["send_state"] == "retryable"
    assert send(track(PHONE), guard_rails=ON)[0].status == "accepted"


@pytest.mark.parametrize("operation", ["batch_get_item", "transact_write_items"])
def test_without_an_answer_nothing_of_a_batch_is_sent(
    operation: str, send: "Send", track: "Track", dynamodb: "UnreliableDynamoDb", msg91: "FakeMsg91"
) -> None:
    dynamodb.passes(operation).refuses(operation)
    events = [track(PHONE), track(OTHER, "message-2")]
    assert _statuses(send(*events, guard_rails=ON)) == ["retry"] * 2
    assert msg91.calls == []
    assert _statuses(send(*events, guard_rails=ON)) == ["accepted"] * 2


def test_a_refusal_that_cannot_be_written_is_left_to_a_retry(
    send: "Send", track: "Track", dynamodb: "UnreliableDynamoDb", recipients: Recipients, clock: "Clock", aws: "Aws"
) -> None:
    recipients.record([_opted_out(clock)], clock())
    dynamodb.passes("update_item").passes("update_item").refuses("update_item").refuses("update_item")
    (result,) = send(track(PHONE), guard_rails=ON)
    assert (result.status, result.http_status) == ("retry", 503)
    # It is written before the next claim.
    assert send(track(PHONE), guard_rails=ON)[0].status == "duplicate"
    assert aws.messages()[0]["send_state"] == "suppressed"


@pytest.fixture(params=[ON, UNCAPPED], ids=["with caps", "without caps"])
def rails(request: pytest.FixtureRequest) -> GuardRailSettings:
    settings: GuardRailSettings = request.param
    return settings


@pytest.fixture(params=[True, False], ids=["alone", "in a batch"])
def send_one(request: pytest.FixtureRequest, rails: GuardRailSettings, send: "Send", track: "Track") -> SendOne:
    """Send to PHONE, with an SMS to another number in the same batch or without."""
    others = () if request.param else (track(OTHER, "other"),)
    return lambda **fields: send(track(PHONE, **fields), *others, guard_rails=rails)[0]


@pytest.mark.parametrize(
    ("scope", "fields", "status"),
    [
        (Scope.ALL, {}, "suppressed"),
        (Scope.ALL, {"promotional": True}, "suppressed"),
        (Scope.PROMOTIONAL, {}, "accepted"),
        (Scope.PROMOTIONAL, {"route": "4"}, "accepted"),
        (Scope.PROMOTIONAL, {"route": "1"}, "suppressed"),
        (Scope.PROMOTIONAL, {"promotional": True}, "suppressed"),
        (Scope.PROMOTIONAL, {"promotional": "true"}, "suppressed"),
        (Scope.PROMOTIONAL, {"promotional": False}, "accepted"),
        (Scope.PROMOTIONAL, {"promotional": "summer sale"}, "accepted"),
    ],
)
def test_an_opt_out_stops_what_its_scope_says(
    scope: Scope, fields: dict[str, Any], status: str, send_one: SendOne, opt_out: OptOut, aws: "Aws"
) -> None:
    opt_out(scope)
    result = send_one(**fields)
    assert result.status == status
    message = aws.message(str(result.crqid))
    assert (message["send_state"], message.get("suppressed_because")) == (
        status,
        "opted_out" if status == "suppressed" else None,
    )
    assert status == "accepted" or result.reason == f"phone: the person has opted out of {scope} SMS"


def test_nothing_goes_to_who_has_opted_out(send_one: SendOne, opt_out: OptOut, msg91: "FakeMsg91") -> None:
    opt_out(Scope.ALL)
    send_one()
    assert PHONE not in {sms.number for sms in msg91.sent}


def test_promotional_and_other_sms_to_one_number_are_decided_each_by_itself(
    send: "Send", track: "Track", recipients: Recipients, clock: "Clock"
) -> None:
    recipients.record([_opted_out(clock, Scope.PROMOTIONAL)], clock())
    events = [track(PHONE, f"message-{place}", promotional=place % 2 == 0) for place in range(8)]
    assert _statuses(send(*events, guard_rails=ON)) == [
        "suppressed" if place % 2 == 0 or place > 5 else "accepted" for place in range(8)
    ]


def test_who_opts_in_again_is_sent_to(send: "Send", track: "Track", recipients: Recipients, clock: "Clock") -> None:
    recipients.record([_opted_out(clock)], clock())
    clock.advance(seconds=1)
    recipients.record([_opted_in(clock)], clock())
    assert send(track(PHONE), guard_rails=ON)[0].status == "accepted"
    assert send(track(PHONE, "message-2"), track(OTHER, "other"), guard_rails=ON)[0].status == "accepted"


@pytest.mark.parametrize("operation", ["update_item", "transact_write_items"])
def test_an_opt_out_between_the_claim_and_the_check_counts(
    operation: str, send: "Send", track: "Track", opt_out: OptOut, dynamodb: "UnreliableDynamoDb", msg91: "FakeMsg91"
) -> None:
    dynamodb.passes(operation).interrupts(operation, lambda: opt_out(Scope.ALL))
    others = () if operation == "update_item" else (track(OTHER, "other"),)
    assert send(track(PHONE), *others, guard_rails=ON)[0].status == "suppressed"
    assert PHONE not in {sms.number for sms in msg91.sent}


@pytest.mark.parametrize("opts_out_last", [True, False])
def test_of_two_changes_that_race_the_later_one_stays(
    *, opts_out_last: bool, recipients: Recipients, dynamodb: "UnreliableDynamoDb", clock: "Clock"
) -> None:
    first = _opted_in(clock) if opts_out_last else _opted_out(clock)
    clock.advance(seconds=1)
    last = _opted_out(clock) if opts_out_last else _opted_in(clock)
    dynamodb.interrupts("update_item", lambda: recipients.record([last], clock()))
    assert Recipients(dynamodb.client, "RecipientsTable", timedelta(days=400)).record([first], clock()) == {}
    assert (recipients.find(PHONE).opted_out_of(promotional=False) is not None) == opts_out_last


def test_senders_that_race_for_the_last_place_do_not_both_get_it(
    send: "Send", track: "Track", dynamodb: "UnreliableDynamoDb", msg91: "FakeMsg91"
) -> None:
    for number in range(2):
        send(track(PHONE, f"message-{number}"), guard_rails=ON)

    def another() -> None:
        send(track(PHONE, "another"), track(OTHER, "other"), guard_rails=ON, elsewhere=True)

    dynamodb.passes("transact_write_items").interrupts("transact_write_items", another)
    results = send(track(PHONE, "late"), track(OTHER, "late-other"), guard_rails=ON)
    assert _statuses(results) == ["suppressed", "accepted"]
    assert len([sms for sms in msg91.sent if sms.number == PHONE]) == 3


def test_a_number_that_changes_all_the_time_is_not_sent_to(
    send: "Send", track: "Track", recipients: Recipients, dynamodb: "UnreliableDynamoDb", clock: "Clock"
) -> None:
    def change() -> None:
        clock.advance(seconds=0.1)
        recipients.record([_opted_in(clock)], clock())

    change()
    dynamodb.passes("update_item")  # the claim
    for _ in range(30):
        dynamodb.interrupts("update_item", change)
    assert send(track(PHONE), guard_rails=ON)[0].status == "retry"


def test_what_is_counted_is_forgotten_after_two_days_and_an_opt_out_never(
    send: "Send", track: "Track", recipients: Recipients, aws: "Aws", clock: "Clock"
) -> None:
    send(track(PHONE), guard_rails=ON)
    assert aws.recipients()[0]["expires_at"] == int((clock() + timedelta(days=2)).timestamp())
    recipients.record([_opted_out(clock)], clock())
    assert "expires_at" not in aws.recipients()[0]
    clock.advance(seconds=1)
    recipients.record([_opted_in(clock)], clock())
    assert aws.recipients()[0]["expires_at"] == int((clock() + timedelta(days=400)).timestamp())
    send(track(PHONE, "message-2"), guard_rails=ON)
    assert aws.recipients()[0]["expires_at"] == int((clock() + timedelta(days=400)).timestamp())


@pytest.mark.slow
def test_a_busy_numbers_item_does_not_grow(send: "Send", track: "Track", aws: "Aws", clock: "Clock") -> None:
    longest = 0
    for number in range(30):
        assert send(track(PHONE, f"message-{number}"), guard_rails=ON)[0].status == "accepted"
        longest = max(longest, len(aws.recipients()[0]["recent"]))
        clock.advance(minutes=25)
    assert longest <= ON.max_per_hour + 11
    assert len(aws.recipients()[0]["recent"]) < longest
