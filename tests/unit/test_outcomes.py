"""What became of a message."""

import pytest

from segment_msg91.msg91.codes import DeliveryStatus, SendState
from segment_msg91.outcomes import SENT, Outcome, outcome_of, share_delivered


@pytest.mark.parametrize(
    ("status", "outcome"),
    [
        ("delivered", "delivered"),
        ("failed", "failed"),
        ("ndnc", "failed"),
        ("rejected", "failed"),
        ("blocked", "failed"),
        ("not_sent", "failed"),
        ("unreported", "no_report"),
    ],
)
@pytest.mark.parametrize("state", list(SendState))
def test_the_end_of_a_delivery_decides_whatever_the_answer_to_the_send_was(
    state: SendState, status: str, outcome: str
) -> None:
    assert outcome_of({"send_state": state, "delivery_status": status}) == outcome


@pytest.mark.parametrize("status", [None, DeliveryStatus.PENDING, DeliveryStatus.UNKNOWN])
@pytest.mark.parametrize(
    ("state", "outcome"),
    [
        ("accepted", "waiting"),
        ("unknown", "waiting"),
        ("sending", "waiting"),
        ("suppressed", "suppressed"),
        ("rejected", "refused"),
        ("invalid", "invalid"),
        ("held", "held"),
        ("retryable", "held"),
    ],
)
def test_without_an_end_the_sending_decides(state: str, outcome: str, status: str | None) -> None:
    message = {"send_state": state} | ({"delivery_status": status} if status else {})
    assert outcome_of(message) == outcome


@pytest.mark.parametrize("status", [{}, {"delivery_status": "pending"}])
def test_a_message_that_is_too_old_for_msg91s_logs_has_no_report(status: dict[str, str]) -> None:
    assert outcome_of({"send_state": "accepted", "concluded_at": "2026-01-01T00:00:00.000Z", **status}) == "no_report"


def test_a_delivery_prevails_over_what_was_concluded_before() -> None:
    assert outcome_of({"send_state": "accepted", "concluded_at": "x", "delivery_status": "delivered"}) == "delivered"


def test_a_message_without_any_state_is_waited_for() -> None:
    assert outcome_of({}) == Outcome.WAITING


def test_what_was_sent_is_what_a_report_may_come_for() -> None:
    assert set(SENT) == {"delivered", "failed", "no_report", "waiting"}


@pytest.mark.parametrize(
    ("ended", "share"),
    [((0, 0, 0), None), ((3, 0, 0), 1.0), ((0, 1, 2), 0.0), ((2, 1, 0), 0.6667), ((19, 0, 1), 0.95)],
)
def test_the_share_delivered_is_that_of_all_that_ended(ended: tuple[int, int, int], share: float | None) -> None:
    assert share_delivered(*ended) == share
