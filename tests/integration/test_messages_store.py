"""The messages table of the contract: attributes, indexes, claims, settlements and reports."""

import re
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Final

import pytest

from segment_msg91.msg91.codes import DeliveryStatus, SendState
from segment_msg91.store.aws import StoreUnavailableError
from segment_msg91.store.messages import Claimed, ClaimRequest, Found, Messages, NotClaimed, Settlement, StatusUpdate
from segment_msg91.store.search_keys import awaiting_partition

if TYPE_CHECKING:
    from segment_msg91.store.messages import Claim
    from tests.fakes.aws import Aws
    from tests.fakes.clock import Clock
    from tests.fakes.dynamodb import UnreliableDynamoDb
    from tests.fakes.events import Track
    from tests.fakes.msg91 import FakeMsg91
    from tests.integration.conftest import Send

PHONE: Final = "919800000001"
LEASE: Final = timedelta(seconds=40)
CLAIM_REQUEST: Final = ClaimRequest("Crqid1", {"phone": PHONE})
DELIVERED: Final = StatusUpdate(DeliveryStatus.DELIVERED, "1", "DELIVERED", None, "2026-01-02T03:05:00Z", "digest")


def _claim(messages: "Messages", clock: "Clock", request: ClaimRequest = CLAIM_REQUEST) -> "Claim":
    return messages.claim([request], clock(), LEASE)[0]


def _claimed(messages: "Messages", clock: "Clock") -> Claimed:
    claim = _claim(messages, clock)
    assert isinstance(claim, Claimed)
    return claim


def test_an_accepted_message_has_every_attribute_of_the_contract(
    send: "Send", aws: "Aws", clock: "Clock", track: "Track"
) -> None:
    (result,) = send(track(PHONE) | {"userId": "user-1", "anonymousId": 17})
    (message,) = aws.messages()
    assert re.fullmatch("[0-9a-f]{32}", message.pop("claim_id"))
    assert message == {
        "crqid": result.crqid,
        "message_id": "message-1",
        "event_type": "track",
        "event_name": "Order Shipped",
        "user_id": "user-1",
        "anonymous_id": "17",
        "phone": PHONE,
        "sender_id": "MSGIND",
        "encoding": "GSM-7",
        "parts": Decimal(1),
        "send_state": "accepted",
        "request_id": "346130aa11bb22cc33dd0000",
        "attempts": Decimal(1),
        "created_at": "2026-01-02T03:04:05.000Z",
        "awaiting_report": awaiting_partition(str(result.crqid)),
        "settled_at": "2026-01-02T03:04:05.000Z",
        "lease_until": "2026-01-02T03:04:45.000Z",
        "expires_at": Decimal(int((clock() + timedelta(days=400)).timestamp())),
    }


def test_a_templates_message_has_its_template_id(send: "Send", aws: "Aws", track: "Track") -> None:
    send(track(PHONE, templateId="60b07"))
    (message,) = aws.messages()
    assert message["template_id"] == "60b07"


def test_a_rejected_message_has_its_error(send: "Send", aws: "Aws", msg91: "FakeMsg91", track: "Track") -> None:
    msg91.refuses("203", "Invalid sender ID")
    send(track(PHONE))
    (message,) = aws.messages()
    assert (message["error_code"], message["error"]) == ("203", "Invalid sender ID")


def test_a_delivered_message_has_every_delivery_attribute_of_the_contract(
    messages: "Messages", aws: "Aws", clock: "Clock"
) -> None:
    _claim(messages, clock)
    failed = StatusUpdate(DeliveryStatus.FAILED, "2", "FAILED", "Template Inactive", "2026-01-02T03:05:00Z", "digest")
    messages.apply("Crqid1", PHONE, DELIVERED)
    messages.apply("Crqid1", PHONE, failed)
    message = aws.message("Crqid1")
    names = ("delivery_status", "delivery_code", "delivery_description", "delivery_reported_at", "delivery_conflict")
    assert [message[name] for name in names] == ["delivered", "1", "DELIVERED", "2026-01-02T03:05:00Z", True]


def test_a_failed_message_has_its_reason(messages: "Messages", aws: "Aws", clock: "Clock") -> None:
    _claim(messages, clock)
    messages.apply(
        "Crqid1", PHONE, StatusUpdate(DeliveryStatus.FAILED, "2", "FAILED", "Inactive on DLT", None, "digest")
    )
    assert aws.message("Crqid1")["failure_reason"] == "Inactive on DLT"


def test_a_report_without_a_reason_removes_that_of_an_earlier_report(
    messages: "Messages", aws: "Aws", clock: "Clock"
) -> None:
    _claim(messages, clock)
    messages.apply(
        "Crqid1", PHONE, StatusUpdate(DeliveryStatus.FAILED, "2", "FAILED", "Inactive on DLT", None, "digest")
    )
    messages.apply("Crqid1", PHONE, DELIVERED)
    assert "failure_reason" not in aws.message("Crqid1")


def test_the_text_of_an_sms_is_not_stored(send: "Send", aws: "Aws", track: "Track") -> None:
    send(track(PHONE, message="Secret 4711"), track("919800000002", variables={"VAR1": "Secret 4711"}, templateId="1"))
    assert "4711" not in str(aws.messages())


def test_a_message_keeps_its_first_times_when_it_is_claimed_again(
    send: "Send", aws: "Aws", msg91: "FakeMsg91", clock: "Clock", track: "Track"
) -> None:
    created = clock()
    msg91.refuses("301")
    send(track(PHONE))
    clock.advance(hours=2)
    send(track(PHONE))
    (message,) = aws.messages()
    assert message["created_at"] == "2026-01-02T03:04:05.000Z"
    assert message["expires_at"] == int((created + timedelta(days=400)).timestamp())
    assert message["lease_until"] == "2026-01-02T05:04:45.000Z"


@pytest.mark.parametrize(
    ("index", "names"), [("by_request_id", ("request_id", "phone")), ("by_phone", ("phone", "created_at"))]
)
def test_a_message_is_found_by_each_index_with_its_keys_only(
    index: str, names: tuple[str, str], send: "Send", aws: "Aws", track: "Track"
) -> None:
    send(track(PHONE))
    (message,) = aws.messages()
    (item,) = aws.dynamodb.query(
        TableName="MessagesTable",
        IndexName=index,
        KeyConditionExpression=f"{names[0]} = :first AND {names[1]} = :second",
        ExpressionAttributeValues={":first": {"S": message[names[0]]}, ":second": {"S": message[names[1]]}},
    )["Items"]
    assert set(item) == {"crqid", *names}


def test_a_message_is_found_by_request_id_and_number(messages: "Messages", send: "Send", track: "Track") -> None:
    (result,) = send(track(PHONE))
    assert messages.find(result.request_id or "", PHONE) == result.crqid


def test_a_message_is_not_found_by_its_request_id_and_another_number(
    messages: "Messages", send: "Send", track: "Track"
) -> None:
    (result,) = send(track(PHONE))
    assert messages.find(result.request_id or "", "919800000002") is None


def test_a_claim_lasts_as_long_as_its_lease(messages: "Messages", clock: "Clock") -> None:
    assert _claimed(messages, clock).lease_until == datetime(2026, 1, 2, 3, 4, 45, tzinfo=UTC)


def test_a_claimed_message_is_not_claimed_by_another(messages: "Messages", clock: "Clock") -> None:
    _claim(messages, clock)
    assert isinstance(_claim(messages, clock), Found)


def test_each_claim_request_of_a_batch_has_the_claim_of_its_own_key(messages: "Messages", clock: "Clock") -> None:
    _claim(messages, clock, ClaimRequest("Crqid2", {"phone": PHONE}))
    claims = messages.claim([ClaimRequest(f"Crqid{n}", {"phone": PHONE}) for n in (1, 2, 3)], clock(), LEASE)
    assert [(type(claim), getattr(claim, "crqid", None)) for claim in claims] == [
        *((Claimed, "Crqid1"), (Found, "Crqid2"), (Claimed, "Crqid3"))
    ]


def test_a_claim_that_dynamodb_refuses_names_its_error(
    messages: "Messages", dynamodb: "UnreliableDynamoDb", clock: "Clock"
) -> None:
    dynamodb.refuses("update_item", "ProvisionedThroughputExceededException")
    assert _claim(messages, clock) == NotClaimed("ProvisionedThroughputExceededException")


@pytest.mark.parametrize("state", [SendState.INVALID, SendState.SUPPRESSED])
def test_a_refused_claim_request_is_put_on_record_with_its_reason(
    state: SendState, messages: "Messages", aws: "Aws", clock: "Clock"
) -> None:
    _claim(messages, clock, ClaimRequest("Crqid1", {"phone": "12345"}, state, reason="properties.phone: too short"))
    message = aws.message("Crqid1")
    assert (message["send_state"], message["error"]) == (state, "properties.phone: too short")
    assert (message["settled_at"], "lease_until" in message) == ("2026-01-02T03:04:05.000Z", False)


def test_settling_names_what_could_not_be_written(
    messages: "Messages", dynamodb: "UnreliableDynamoDb", clock: "Clock"
) -> None:
    settlement = Settlement(_claimed(messages, clock), SendState.ACCEPTED, "r1")
    dynamodb.refuses("update_item")
    assert messages.settle([settlement], clock()) == ["Crqid1"]


def test_a_settlement_is_written_over_its_own_claim_only(messages: "Messages", aws: "Aws", clock: "Clock") -> None:
    stale = _claimed(messages, clock)
    messages.settle([Settlement(stale, SendState.RETRYABLE)], clock())
    messages.settle([Settlement(_claimed(messages, clock), SendState.ACCEPTED, "r2")], clock())
    messages.settle([Settlement(stale, SendState.REJECTED, None, "203", "stale")], clock())
    message = aws.message("Crqid1")
    assert (message["send_state"], message["request_id"]) == ("accepted", "r2")


def test_marking_unknown_spares_a_message_that_was_claimed_anew(
    messages: "Messages", aws: "Aws", clock: "Clock"
) -> None:
    stale = _claimed(messages, clock)
    found = _claim(messages, clock)
    assert isinstance(found, Found)
    messages.settle([Settlement(stale, SendState.RETRYABLE)], clock())
    _claim(messages, clock)
    messages.mark_unknown(found, clock())
    assert aws.message("Crqid1")["send_state"] == "sending"


def test_a_report_that_overtakes_the_settlement_survives_it(messages: "Messages", aws: "Aws", clock: "Clock") -> None:
    claim = _claimed(messages, clock)
    messages.apply("Crqid1", PHONE, DELIVERED)
    messages.settle([Settlement(claim, SendState.ACCEPTED, "r1")], clock())
    message = aws.message("Crqid1")
    assert (message["send_state"], message["delivery_status"]) == ("accepted", "delivered")


def test_a_settlement_survives_the_report(messages: "Messages", aws: "Aws", clock: "Clock") -> None:
    messages.settle([Settlement(_claimed(messages, clock), SendState.ACCEPTED, "r1")], clock())
    messages.apply("Crqid1", PHONE, DELIVERED)
    message = aws.message("Crqid1")
    assert (message["send_state"], message["request_id"], message["delivery_status"]) == ("accepted", "r1", "delivered")


def test_a_report_of_no_message_makes_none(messages: "Messages", aws: "Aws") -> None:
    assert messages.apply("Crqid1", PHONE, DELIVERED) is None
    assert aws.messages() == []


def test_a_report_for_another_number_leaves_the_message_alone(messages: "Messages", aws: "Aws", clock: "Clock") -> None:
    _claim(messages, clock)
    before = aws.message("Crqid1")
    assert messages.apply("Crqid1", "919800000002", DELIVERED) is None
    assert aws.message("Crqid1") == before


@pytest.mark.parametrize("operation", ["update_item", "query"])
def test_a_refusal_while_reporting_is_an_error_that_names_it(
    operation: str, messages: "Messages", dynamodb: "UnreliableDynamoDb"
) -> None:
    dynamodb.refuses(operation, "InternalServerError")
    with pytest.raises(StoreUnavailableError, match=r"^InternalServerError$"):
        messages.apply("Crqid1", PHONE, DELIVERED) if operation == "update_item" else messages.find("r1", PHONE)


@pytest.mark.parametrize("conflicts", [1, 3])
def test_a_write_that_meets_a_transaction_on_its_item_is_tried_again(
    dynamodb: "UnreliableDynamoDb", aws: "Aws", clock: "Clock", conflicts: int
) -> None:
    pauses: list[float] = []
    messages = Messages(dynamodb.client, "MessagesTable", timedelta(days=400), sleep=pauses.append)
    for _ in range(conflicts):
        dynamodb.refuses("update_item", "TransactionConflictException")
    (claim,) = messages.claim([ClaimRequest("m1", {"phone": "919800000001"})], clock(), timedelta(seconds=40))
    assert isinstance(claim, Claimed)
    assert aws.message("m1")["attempts"] == 1
    assert len(pauses) == conflicts
    assert all(0.02 <= pause <= 0.06 for pause in pauses)


def test_a_write_that_meets_transactions_again_and_again_is_given_up(
    dynamodb: "UnreliableDynamoDb", clock: "Clock"
) -> None:
    messages = Messages(dynamodb.client, "MessagesTable", timedelta(days=400), sleep=lambda _: None)
    dynamodb.refuses_everything("TransactionConflictException")
    (claim,) = messages.claim([ClaimRequest("m1", {})], clock(), timedelta(seconds=40))
    assert claim == NotClaimed("TransactionConflictException")


def test_between_the_attempts_of_a_transaction_there_is_a_pause(dynamodb: "UnreliableDynamoDb", clock: "Clock") -> None:
    pauses: list[float] = []
    messages = Messages(dynamodb.client, "MessagesTable", timedelta(days=400), sleep=pauses.append)
    dynamodb.conflicts()
    dynamodb.conflicts()
    claims = messages.claim([ClaimRequest("m1", {}), ClaimRequest("m2", {})], clock(), timedelta(seconds=40))
    assert all(isinstance(claim, Claimed) for claim in claims)
    assert len(pauses) == 2
