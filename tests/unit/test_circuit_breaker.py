"""The circuit breaker opens on errors that every message would get, and closes after one successful call."""

from datetime import UTC, datetime, timedelta
from typing import Final

import pytest

from segment_msg91.circuit_breaker import FAILURE_THRESHOLD, OPEN_FOR, CircuitBreaker, FailureKind, OpenReason

NOW: Final = datetime(2026, 1, 2, tzinfo=UTC)
SOON: Final = NOW + timedelta(seconds=1)
REFUSED: Final = OpenReason(FailureKind.REFUSED, "301", "insufficient balance")
TIMED_OUT: Final = OpenReason(FailureKind.UNANSWERED, None, "no answer")
BAD_GATEWAY: Final = OpenReason(FailureKind.UNANSWERED, "HTTP 502", "bad gateway")


def _opened(reason: OpenReason) -> CircuitBreaker:
    breaker = CircuitBreaker()
    for _ in range(FAILURE_THRESHOLD[reason.kind]):
        breaker.record(reason, NOW)
    return breaker


@pytest.mark.parametrize("reason", [REFUSED, TIMED_OUT])
def test_one_failure_less_than_the_threshold_leaves_it_closed(reason: OpenReason) -> None:
    breaker = CircuitBreaker()
    for _ in range(FAILURE_THRESHOLD[reason.kind] - 1):
        breaker.record(reason, NOW)
    assert breaker.open_reason(SOON) is None
    breaker.record(reason, NOW)
    assert breaker.open_reason(SOON) is reason


def test_calls_without_an_answer_are_alike_whatever_their_codes() -> None:
    breaker = CircuitBreaker()
    for reason in (TIMED_OUT, BAD_GATEWAY, TIMED_OUT):
        breaker.record(reason, NOW)
    assert breaker.open_reason(SOON) is TIMED_OUT


def test_any_other_outcome_in_between_starts_the_count_anew() -> None:
    breaker = CircuitBreaker()
    for reason in (TIMED_OUT, TIMED_OUT, None, TIMED_OUT, TIMED_OUT, REFUSED, TIMED_OUT, TIMED_OUT):
        breaker.record(reason, NOW)
    assert breaker.open_reason(SOON) is None


@pytest.mark.parametrize("reason", [REFUSED, TIMED_OUT])
def test_when_its_time_is_over_one_call_probes_and_no_other(reason: OpenReason) -> None:
    breaker = _opened(reason)
    later = NOW + OPEN_FOR[reason.kind]
    assert breaker.open_reason(later) is None
    assert breaker.admit(later) is None
    assert breaker.admit(later) is reason


@pytest.mark.parametrize("reason", [REFUSED, TIMED_OUT])
def test_a_probe_that_succeeds_closes_it(reason: OpenReason) -> None:
    breaker = _opened(reason)
    later = NOW + OPEN_FOR[reason.kind]
    breaker.admit(later)
    breaker.record(None, later)
    assert breaker.admit(later) is None
    assert breaker.admit(later) is None


@pytest.mark.parametrize("reason", [REFUSED, TIMED_OUT])
def test_a_probe_that_fails_opens_it_again(reason: OpenReason) -> None:
    breaker = _opened(reason)
    later = NOW + OPEN_FOR[reason.kind]
    breaker.admit(later)
    breaker.record(reason, later)
    assert breaker.open_reason(later + timedelta(seconds=1)) is reason


def test_a_probe_that_never_ends_lets_another_try_in_time() -> None:
    breaker = _opened(TIMED_OUT)
    later = NOW + OPEN_FOR[FailureKind.UNANSWERED]
    breaker.admit(later)
    assert breaker.admit(later + OPEN_FOR[FailureKind.UNANSWERED]) is None
