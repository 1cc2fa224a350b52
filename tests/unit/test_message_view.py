from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, Final

import pytest

from segment_msg91.message_view import SUMMARIZED, detail, display_status, summary
from segment_msg91.msg91.codes import DeliveryStatus, SendState, SuppressedBecause
from segment_msg91.msg91.failures import FAILURES, Category

NOW: Final = datetime(2026, 1, 2, 3, 5, tzinfo=UTC)
PHONE: Final = "919800000001"
MESSAGE: Final[dict[str, Any]] = {
    "crqid": "Crqid1",
    "phone": PHONE,
    "event_type": "track",
    "event_name": "Order Shipped",
    "message_id": "message-1",
    "sender_id": "MSGIND",
    "parts": Decimal(2),
    "encoding": "GSM-7",
    "attempts": Decimal(1),
    "send_state": "accepted",
    "request_id": "request-1",
    "created_at": "2026-01-02T03:04:05.000Z",
    "settled_at": "2026-01-02T03:04:05.500Z",
}
DELIVERED: Final = {
    "status": "delivered",
    "code": "1",
    "description": "DELIVERED",
    "reported_at": "2026-01-02T03:04:10Z",
    "credits": Decimal(2),
}


def shown(reports: list[dict[str, Any]] | None = None, **attributes: object) -> dict[str, Any]:
    return detail(MESSAGE | attributes, reports or [], NOW, is_complete=True)


def steps(message: dict[str, Any]) -> list[tuple[str, str, str | None]]:
    return [(step["title"], step["tone"], step["words"]) for step in message["timeline"]]


@pytest.mark.parametrize(
    ("state", "label", "tone"),
    [
        ("sending", "Outcome unknown", "doubt"),  # its lease is over, or it never had one
        ("accepted", "Accepted", "waiting"),
        ("rejected", "Refused", "bad"),
        ("invalid", "Not sent", "bad"),
        ("suppressed", "Suppressed", "bad"),
        ("held", "Held", "waiting"),
        ("retryable", "To be retried", "waiting"),
        ("unknown", "Outcome unknown", "doubt"),
    ],
)
def test_without_a_report_a_message_has_the_status_of_its_send(state: str, label: str, tone: str) -> None:
    displayed = display_status(MESSAGE | {"send_state": state}, NOW)
    assert (displayed.label, displayed.tone) == (label, tone)


@pytest.mark.parametrize("state", SendState)
@pytest.mark.parametrize("status", [None, *DeliveryStatus])
def test_what_is_read_for_a_line_of_a_list_is_all_that_it_shows(
    state: SendState, status: DeliveryStatus | None
) -> None:
    ended = {"delivery_status": status} if status else {}
    lease = {"lease_until": "2026-01-02T03:06:00.000Z", "suppressed_because": "country", "failure_category": "dnd"}
    message = MESSAGE | {"send_state": state} | ended | lease
    read = {name: value for name, value in message.items() if name in SUMMARIZED}
    assert summary(read, NOW) == summary(message, NOW)


@pytest.mark.parametrize(
    ("status", "label", "tone"),
    [
        ("delivered", "Delivered", "good"),
        ("failed", "Not delivered", "bad"),
        ("ndnc", "Not delivered", "bad"),
        ("rejected", "Not delivered", "bad"),
        ("blocked", "Not delivered", "bad"),
        ("pending", "On its way", "waiting"),
        ("unknown", "Unclear report", "doubt"),
        ("unreported", "No report", "doubt"),
        ("not_sent", "Not sent", "bad"),
    ],
)
@pytest.mark.parametrize("state", ["accepted", "sending", "unknown"])
def test_a_report_outweighs_what_was_known_of_the_sending(state: str, status: str, label: str, tone: str) -> None:
    displayed = display_status(MESSAGE | {"send_state": state, "delivery_status": status}, NOW)
    assert (displayed.label, displayed.tone) == (label, tone)


@pytest.mark.parametrize("attribute", [{"send_state": state} for state in SendState])
def test_every_status_that_is_not_good_says_what_to_do_or_is_about_to_change(attribute: dict[str, str]) -> None:
    failed = {"failure_category": "other"} if attribute["send_state"] == "rejected" else {}
    displayed = display_status(MESSAGE | attribute | failed, NOW)
    assert displayed.sentence.endswith(".")
    assert displayed.advice.endswith(".")


def test_a_message_is_being_sent_while_its_lease_runs() -> None:
    sending = MESSAGE | {"send_state": "sending"}
    assert display_status(sending | {"lease_until": "2026-01-02T03:05:00.001Z"}, NOW).label == "Being sent"
    assert display_status(sending | {"lease_until": "2026-01-02T03:05:00.000Z"}, NOW).label == "Outcome unknown"


@pytest.mark.parametrize("category", Category)
def test_a_failure_says_why_and_what_to_do_in_the_words_of_its_category(category: Category) -> None:
    message = shown(delivery_status="failed", failure_category=category)
    failure = FAILURES[category]
    assert (message["sentence"], message["advice"]) == (failure.sentence, failure.advice)
    assert (message["category"], message["is_permanent"]) == (category, failure.is_permanent)


@pytest.mark.parametrize("category", [None, "one-of-a-later-version"])
def test_a_failure_without_a_known_category_has_the_text_of_its_status(category: str | None) -> None:
    message = shown(delivery_status="ndnc", failure_category=category)
    assert "do-not-disturb" in message["sentence"]
    assert (message["category"], message["is_permanent"]) == (None, None)


def test_the_timeline_goes_from_the_event_to_the_last_report() -> None:
    failed = DELIVERED | {"status": "failed", "code": "2", "description": "FAILED", "failure_reason": "Absent"}
    assert steps(shown([failed, DELIVERED], delivery_status="delivered")) == [
        ("Event from Segment", "good", "track Order Shipped"),
        ("Accepted by MSG91", "good", None),
        ("Report: failed", "bad", "Absent · FAILED · code 2"),
        ("Report: delivered", "good", "DELIVERED · code 1"),
    ]


def test_a_mapped_request_names_the_mapping_of_its_url() -> None:
    step, *_ = steps(shown(event_type="mapped", mapping="review"))
    assert step == ("Event from Segment", "good", "mapped Order Shipped (?mapping=review)")


@pytest.mark.parametrize(
    ("because", "parameter"),
    [
        (SuppressedBecause.COUNTRY, "AllowedCountries"),
        (SuppressedBecause.NOT_ON_TEST_LIST, "OnlyToNumbers"),
        (SuppressedBecause.CAPPED, "MaxSmsPerNumberPerHour"),
        (SuppressedBecause.OPTED_OUT, "SMS Opted In"),
    ],
)
def test_a_suppressed_message_says_which_rule_stopped_it_and_where_to_change_it(because: str, parameter: str) -> None:
    message = shown(send_state="suppressed", suppressed_because=because, error="phone: the rule's words")
    assert message["sentence"].startswith("It was not sent, because")
    assert parameter in message["advice"]
    assert steps(message)[1] == ("Suppressed", "bad", "phone: the rule's words")


@pytest.mark.parametrize("because", SuppressedBecause)
def test_every_rule_has_a_sentence_of_its_own(because: SuppressedBecause) -> None:
    sentences = {shown(send_state="suppressed", suppressed_because=one)["sentence"] for one in (because, None)}
    assert len(sentences) == 2


def test_a_rule_of_a_later_version_is_a_suppressed_message_all_the_same() -> None:
    message = shown(send_state="suppressed", suppressed_because="one-of-a-later-version")
    assert (message["label"], "rule" in message["sentence"]) == ("Suppressed", True)


def test_a_refusal_is_shown_in_msg91s_words() -> None:
    message = shown(send_state="rejected", error_code="203", error="Invalid sender", failure_category="dlt_header")
    assert steps(message)[1] == ("Refused by MSG91", "bad", "Code 203 · Invalid sender")


def test_a_report_that_is_known_of_the_message_alone_is_a_step_all_the_same() -> None:
    message = shown(
        send_state="unknown",
        delivery_status="failed",
        delivery_code="2",
        failure_reason="Absent",
        delivery_reported_at="2026-01-02T03:04:20Z",
    )
    assert steps(message)[1:] == [
        ("No answer from MSG91", "doubt", None),
        ("Report: failed", "bad", "Absent · code 2"),
    ]
    assert message["timeline"][-1]["at"] == "2026-01-02T03:04:20Z"


def test_a_row_of_msg91s_logs_is_told_from_a_report_of_the_webhook() -> None:
    message = shown([DELIVERED | {"webhook_version": "logs"}], delivery_status="delivered")
    assert steps(message)[2] == ("MSG91's logs: delivered", "good", "DELIVERED \u00b7 code 1")


@pytest.mark.parametrize(("status", "tone"), [("unreported", "doubt"), ("not_sent", "bad")])
def test_a_conclusion_is_the_last_step_with_its_reason(status: str, tone: str) -> None:
    pending = DELIVERED | {"status": "pending", "webhook_version": "logs"}
    message = shown(
        [pending],
        delivery_status=status,
        delivery_description="still pending in its logs",
        concluded_at="2026-01-04T03:04:05.000Z",
    )
    assert steps(message)[-2:] == [
        ("MSG91's logs: pending", "waiting", "DELIVERED"),
        ("No final report: closed", tone, "still pending in its logs"),
    ]
    assert message["timeline"][-1]["at"] == "2026-01-04T03:04:05.000Z"


def test_a_message_that_was_not_looked_up_in_time_says_so() -> None:
    message = shown(concluded_at="2026-01-05T03:04:05.000Z", delivery_description="its logs were not read in time")
    assert (message["label"], message["tone"]) == ("No report", "doubt")
    assert [title for title, _, _ in steps(message)] == [
        "Event from Segment",
        "Accepted by MSG91",
        "No final report: closed",
    ]


def test_an_invalid_event_says_which_field() -> None:
    reason = "properties.phone: missing; give the number with its country code"
    message = shown(send_state="invalid", error=reason, phone=None)
    assert steps(message)[1] == ("Not sent", "bad", reason)


@pytest.mark.parametrize("status", DeliveryStatus)
def test_every_status_has_a_step(status: DeliveryStatus) -> None:
    assert steps(shown([DELIVERED | {"status": status}]))[2][0] == f"Report: {status}"


def test_credits_are_the_last_reports_that_has_any() -> None:
    without = {name: value for name, value in DELIVERED.items() if name != "credits"}
    assert shown([DELIVERED, without])["credits"] == "2"
    assert shown([without])["credits"] is None


def test_parts_and_attempts_are_numbers() -> None:
    assert (shown()["parts"], shown(attempts=Decimal(3))["attempts"]) == (2, 3)


def test_two_final_statuses_are_said_to_contradict_each_other() -> None:
    assert shown(delivery_status="delivered", delivery_conflict=True)["is_contradicted"]
    assert not shown(delivery_status="delivered")["is_contradicted"]


def test_a_message_of_which_little_is_known_shows_what_is_known() -> None:
    bare = {"crqid": "Crqid1"}
    assert summary(bare, NOW) == {
        "crqid": "Crqid1",
        "created_at": None,
        "event": None,
        "phone": None,
        "sender_id": None,
        "label": "Outcome unknown",
        "tone": "doubt",
    }
    assert [step["title"] for step in detail(bare, [], NOW, is_complete=True)["timeline"]] == [
        "Event from Segment",
        "No answer from MSG91",
    ]
