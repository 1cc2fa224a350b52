"""The events of each change of a message, case by case: their content and their time."""

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, Final

import pytest

from segment_msg91 import VERSION
from segment_msg91.segment.track_events import NoUserError, track_events

type Message = dict[str, object]

WRITTEN_AT: Final = datetime(2026, 1, 2, 3, 30, tzinfo=UTC)
CLAIMED: Final[Message] = {
    "crqid": "c1",
    "message_id": "message-1",
    "event_type": "track",
    "event_name": "Order Shipped",
    "user_id": "user-1",
    "phone": "919800000001",
    "sender_id": "MSGIND",
    "parts": Decimal(2),
    "send_state": "sending",
    "created_at": "2026-01-02T03:04:05.000Z",
    "lease_until": "2026-01-02T03:04:45.000Z",
}
ACCEPTED: Final = CLAIMED | {
    "send_state": "accepted",
    "request_id": "346130aa11bb22cc33dd4401",
    "settled_at": "2026-01-02T03:04:05.300Z",
}
REFUSED: Final = CLAIMED | {
    "send_state": "rejected",
    "settled_at": "2026-01-02T03:04:05.400Z",
    "error_code": "203",
    "error": "Invalid sender ID",
}
UNKNOWN: Final = CLAIMED | {"send_state": "unknown", "settled_at": "2026-01-02T03:04:15.000Z"}
HELD: Final = CLAIMED | {"send_state": "held", "settled_at": "2026-01-02T03:04:05.500Z", "error_code": "301"}
RETRYABLE: Final = CLAIMED | {"send_state": "retryable", "settled_at": "2026-01-02T03:04:05.500Z"}
INVALID: Final = CLAIMED | {"send_state": "invalid", "settled_at": "2026-01-02T03:04:05.000Z"}
SUPPRESSED: Final = CLAIMED | {
    "send_state": "suppressed",
    "suppressed_because": "country",
    "error": "phone: its country is LK, which AllowedCountries does not have",
    "settled_at": "2026-01-02T03:04:05.000Z",
}
REPORTED_AT: Final = "2026-01-02T03:04:09Z"
CONCLUDED_AT: Final = "2026-01-04T01:10:00.000Z"


def reported(message: Message, status: str, at: str | None = REPORTED_AT, **more: object) -> Message:
    report = {"delivery_status": status, "delivery_code": "2", "credits": Decimal("1.5"), **more}
    return message | report | ({"delivery_reported_at": at} if at else {})


def events(before: Message, after: Message) -> list[dict[str, Any]]:
    return track_events(before, after, WRITTEN_AT)


def names(before: Message, after: Message) -> list[str]:
    return [event["event"] for event in events(before, after)]


def concluded(message: Message, status: str, reason: str, **more: object) -> Message:
    conclusion = {"delivery_status": status, "delivery_description": reason, "concluded_at": CONCLUDED_AT, **more}
    return message | conclusion


UNREPORTED: Final = concluded(ACCEPTED, "unreported", "MSG91 accepted it, but its logs do not know it")
NOT_SENT: Final = concluded(UNKNOWN, "not_sent", "MSG91's logs do not have it", failure_category="not_sent")
SENT, DELIVERED, UNDELIVERED, FAILED = "SMS Sent", "SMS Delivered", "SMS Undelivered", "SMS Failed"


@pytest.mark.parametrize(
    ("before", "after", "expected"),
    [
        pytest.param({}, CLAIMED, [], id="claimed"),
        pytest.param({}, INVALID, [], id="invalid, which MSG91 never saw"),
        pytest.param({}, SUPPRESSED, ["SMS Suppressed"], id="suppressed"),
        pytest.param(HELD, SUPPRESSED, ["SMS Suppressed"], id="suppressed by a rule that came while it was held"),
        pytest.param(SUPPRESSED, {}, [], id="suppressed, and its time to live is over"),
        pytest.param(CLAIMED, ACCEPTED, [SENT], id="accepted"),
        pytest.param(CLAIMED, REFUSED, [FAILED], id="refused by the API"),
        pytest.param(CLAIMED, UNKNOWN, [], id="unknown, until a report comes"),
        pytest.param(CLAIMED, HELD, [], id="held, and sent when the account is repaired"),
        pytest.param(CLAIMED, RETRYABLE, [], id="retryable"),
        pytest.param(HELD, CLAIMED, [], id="claimed again"),
        pytest.param(ACCEPTED, reported(ACCEPTED, "pending"), [], id="pending"),
        pytest.param(ACCEPTED, reported(ACCEPTED, "unknown"), [], id="a report with an unknown status"),
        pytest.param(ACCEPTED, reported(ACCEPTED, "delivered"), [DELIVERED], id="delivered"),
        pytest.param(ACCEPTED, reported(ACCEPTED, "failed"), [UNDELIVERED], id="failed after acceptance"),
        pytest.param(ACCEPTED, reported(ACCEPTED, "ndnc"), [FAILED], id="ndnc"),
        pytest.param(ACCEPTED, reported(ACCEPTED, "rejected"), [FAILED], id="rejected"),
        pytest.param(ACCEPTED, reported(ACCEPTED, "blocked"), [FAILED], id="blocked"),
        pytest.param(reported(ACCEPTED, "pending"), reported(ACCEPTED, "delivered"), [DELIVERED], id="pending first"),
        pytest.param(reported(ACCEPTED, "failed"), reported(ACCEPTED, "delivered"), [DELIVERED], id="failed first"),
        pytest.param(reported(ACCEPTED, "failed"), reported(ACCEPTED, "blocked"), [FAILED], id="failed, then blocked"),
        pytest.param(reported(ACCEPTED, "ndnc"), reported(ACCEPTED, "blocked"), [], id="failed in two ways"),
        pytest.param(
            reported(ACCEPTED, "delivered"),
            reported(ACCEPTED, "delivered", delivery_conflict=True),
            [],
            id="delivered, and an older report of failure",
        ),
        pytest.param(CLAIMED, reported(CLAIMED, "delivered"), [SENT, DELIVERED], id="a report overtakes the settle"),
        pytest.param(reported(CLAIMED, "delivered"), reported(ACCEPTED, "delivered"), [], id="the settle comes after"),
        pytest.param(CLAIMED, reported(CLAIMED, "pending"), [SENT], id="any report proves the send"),
        pytest.param(
            reported(CLAIMED, "pending"), reported(CLAIMED, "delivered"), [DELIVERED], id="killed, and delivered"
        ),
        pytest.param(UNKNOWN, reported(UNKNOWN, "failed"), [SENT, UNDELIVERED], id="unknown, and failed"),
        pytest.param(UNKNOWN, reported(UNKNOWN, "ndnc"), [SENT, FAILED], id="unknown, and ndnc"),
        pytest.param(RETRYABLE, reported(RETRYABLE, "delivered"), [SENT, DELIVERED], id="sent in spite of a 5xx"),
        pytest.param(REFUSED, reported(REFUSED, "pending"), [SENT], id="sent in spite of a refusal"),
        pytest.param(
            reported(CLAIMED, "pending"), reported(REFUSED, "pending"), [], id="a report contradicts the refusal"
        ),
        pytest.param(ACCEPTED, UNREPORTED, [UNDELIVERED], id="accepted, and never reported"),
        pytest.param(UNKNOWN, NOT_SENT, [UNDELIVERED], id="a conclusion is no report, and proves no send"),
        pytest.param(UNREPORTED, reported(UNREPORTED, "delivered"), [DELIVERED], id="reported after the conclusion"),
        pytest.param(UNREPORTED, reported(UNREPORTED, "failed"), [], id="failed after the conclusion"),
        pytest.param(NOT_SENT, reported(NOT_SENT, "failed"), [SENT], id="sent after all, and failed"),
        pytest.param(NOT_SENT, reported(NOT_SENT, "pending"), [SENT], id="sent after all, and pending"),
        pytest.param(NOT_SENT, NOT_SENT | ACCEPTED, [SENT], id="sent again after the conclusion"),
        pytest.param(NOT_SENT, NOT_SENT | REFUSED, [FAILED], id="refused after the conclusion"),
        pytest.param(ACCEPTED, {}, [], id="its time to live is over"),
    ],
)
def test_a_change_is_these_events(before: Message, after: Message, expected: list[str]) -> None:
    assert names(before, after) == expected


def test_an_event_says_what_segment_and_marketing_need() -> None:
    message = reported(ACCEPTED, "delivered", delivery_code="1")
    assert events(ACCEPTED, message) == [
        {
            "type": "track",
            "event": "SMS Delivered",
            "messageId": "c1-sms-delivered",
            "timestamp": "2026-01-02T03:04:09.000Z",
            "userId": "user-1",
            "properties": {
                "message_id": "message-1",
                "event_name": "Order Shipped",
                "request_id": "346130aa11bb22cc33dd4401",
                "sender_id": "MSGIND",
                "parts": 2,
                "credits": 1.5,
                "status": "delivered",
                "code": "1",
                "seconds_to_delivery": 3.7,
            },
            "context": {
                "traits": {"phone": "919800000001"},
                "integration": {"name": "segment-msg91", "version": VERSION},
            },
        }
    ]


def test_a_suppressed_message_says_which_rule_stopped_it() -> None:
    (event,) = events({}, SUPPRESSED)
    assert (event["messageId"], event["timestamp"]) == ("c1-sms-suppressed", "2026-01-02T03:04:05.000Z")
    assert event["properties"] == {
        "message_id": "message-1",
        "event_name": "Order Shipped",
        "sender_id": "MSGIND",
        "parts": 2,
        "status": "suppressed",
        "suppressed_because": "country",
        "reason": "phone: its country is LK, which AllowedCountries does not have",
    }


def test_an_event_says_by_which_mapping_its_sms_was_sent() -> None:
    (event,) = events(CLAIMED | {"mapping": "review"}, ACCEPTED | {"mapping": "review"})
    assert event["properties"]["mapping"] == "review"


def test_a_failure_says_why_and_of_which_kind() -> None:
    failed = reported(ACCEPTED, "failed", failure_reason="Template Inactive on DLT", failure_category="dlt_template")
    (event,) = events(ACCEPTED, failed)
    reported_as = {
        name: event["properties"].get(name) for name in ("status", "code", "failure_reason", "failure_category")
    }
    assert reported_as == {
        "status": "failed",
        "code": "2",
        "failure_reason": "Template Inactive on DLT",
        "failure_category": "dlt_template",
    }


def test_a_failure_without_a_reason_has_the_reports_description() -> None:
    (event,) = events(ACCEPTED, reported(ACCEPTED, "failed", delivery_description="FAILED"))
    assert event["properties"]["failure_reason"] == "FAILED"


def test_a_refusal_has_the_apis_code_and_words() -> None:
    (event,) = events(CLAIMED, REFUSED)
    reported_as = {name: event["properties"].get(name) for name in ("status", "code", "failure_reason")}
    assert reported_as == {"status": "rejected", "code": "203", "failure_reason": "Invalid sender ID"}


def test_a_conclusion_says_why_and_of_which_kind() -> None:
    (event,) = events(UNKNOWN, NOT_SENT | {"error": "ReadTimeout"})
    reported_as = {name: event["properties"].get(name) for name in ("status", "failure_reason", "failure_category")}
    assert reported_as == {
        "status": "not_sent",
        "failure_reason": "MSG91's logs do not have it",
        "failure_category": "not_sent",
    }


def test_a_refusal_after_a_conclusion_has_the_apis_code_and_words() -> None:
    (event,) = events(NOT_SENT, NOT_SENT | REFUSED)
    reported_as = {name: event["properties"].get(name) for name in ("status", "code", "failure_reason")}
    assert reported_as == {"status": "rejected", "code": "203", "failure_reason": "Invalid sender ID"}


def test_what_is_delivered_after_a_failure_names_no_failure() -> None:
    delivered = reported(ACCEPTED, "delivered", failure_category="unreachable", error="an older error")
    (event,) = events(ACCEPTED, delivered)
    assert not {"failure_reason", "failure_category"} & set(event["properties"])


def test_a_send_is_accepted_whatever_its_report_says() -> None:
    sent, _ = events(CLAIMED, reported(CLAIMED, "failed"))
    assert (sent["properties"]["status"], "code" in sent["properties"]) == ("accepted", False)


@pytest.mark.parametrize(
    ("user", "expected"),
    [
        ({"user_id": "u"}, {"userId": "u"}),
        ({"anonymous_id": "a"}, {"anonymousId": "a"}),
        ({"user_id": "u", "anonymous_id": "a"}, {"userId": "u", "anonymousId": "a"}),
    ],
    ids=["user", "anonymous", "both"],
)
def test_an_event_is_about_the_user_of_its_cause(user: Message, expected: dict[str, str]) -> None:
    message = {name: value for name, value in ACCEPTED.items() if name != "user_id"} | user
    (event,) = events(CLAIMED, message)
    assert {name: event[name] for name in ("userId", "anonymousId") if name in event} == expected


def test_a_message_without_a_user_is_no_event() -> None:
    with pytest.raises(NoUserError):
        events(CLAIMED, {name: value for name, value in ACCEPTED.items() if name != "user_id"})


def test_a_message_without_a_user_may_change_in_ways_that_are_no_event() -> None:
    assert events({}, {name: value for name, value in CLAIMED.items() if name != "user_id"}) == []


@pytest.mark.parametrize(("before", "after"), [(ACCEPTED, UNREPORTED), (UNKNOWN, NOT_SENT)])
def test_a_conclusion_is_dated_when_it_was_drawn(before: Message, after: Message) -> None:
    assert timestamps(before, after) == [CONCLUDED_AT]


def timestamps(before: Message, after: Message) -> list[str]:
    return [event["timestamp"] for event in events(before, after)]


@pytest.mark.parametrize(
    ("before", "after", "expected"),
    [
        pytest.param(CLAIMED, ACCEPTED, ["03:04:05.300"], id="accepted when it was settled"),
        pytest.param(CLAIMED, REFUSED, ["03:04:05.400"], id="refused when it was settled"),
        pytest.param(ACCEPTED, reported(ACCEPTED, "delivered"), ["03:04:09.000"], id="delivered when the report says"),
        pytest.param(
            ACCEPTED,
            reported(ACCEPTED, "delivered", "2026-01-02T03:04:05Z"),
            ["03:04:05.300"],
            id="not before it was sent, though reports know no milliseconds",
        ),
        pytest.param(
            ACCEPTED,
            reported(ACCEPTED, "delivered", "2026-01-01T21:34:09Z"),
            ["03:04:05.300"],
            id="nor when the zone is wrong",
        ),
        pytest.param(ACCEPTED, reported(ACCEPTED, "failed", None), ["03:30:00.000"], id="a report without a date"),
        pytest.param(
            UNKNOWN,
            reported(UNKNOWN, "delivered", "2026-01-02T03:10:00Z"),
            ["03:04:05.000", "03:10:00.000"],
            id="unknown: sent when it was claimed",
        ),
        pytest.param(
            CLAIMED,
            reported(CLAIMED, "delivered", "2026-01-02T03:10:00Z"),
            ["03:04:05.000", "03:10:00.000"],
            id="killed: sent when it was claimed",
        ),
        pytest.param(
            CLAIMED, reported(CLAIMED, "failed", None), ["03:04:05.000", "03:30:00.000"], id="killed, without a date"
        ),
    ],
)
def test_an_event_is_dated_when_it_happened(before: Message, after: Message, expected: list[str]) -> None:
    assert timestamps(before, after) == [f"2026-01-02T{time}Z" for time in expected]
