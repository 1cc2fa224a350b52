"""What is stored of a number: opt-outs in any order, and counts that never let more than the cap reach MSG91."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import permutations
from typing import Final

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from segment_msg91.recipient import DAY, HOUR, Attempt, Cap, Change, Recipient, Scope, Source, caps
from segment_msg91.store.aws import from_item, to_item
from segment_msg91.use_cases.segment_ingest import LEASE

NOW: Final = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
PHONE: Final = "919800000001"
MAX: Final = 3
CAP: Final = Cap(MAX, HOUR, "MaxSmsPerNumberPerHour")


def _out(scope: Scope = Scope.ALL, seconds: float = 0) -> Change:
    return Change(PHONE, opts_out=True, scope=scope, at=NOW + timedelta(seconds=seconds), source=Source.TRACK)


def _in(scope: Scope = Scope.ALL, seconds: float = 0) -> Change:
    return replace(_out(scope, seconds), opts_out=False)


def _attempt(number: int, seconds: float = 0, claim: int = 1, *, may_be_second: bool = False) -> Attempt:
    at = NOW + timedelta(seconds=seconds)
    return Attempt(PHONE, f"{number:012}{0:028}", f"{claim:032}", at, may_be_second=may_be_second)


def _stops(recipient: Recipient) -> tuple[bool, bool]:
    """Whether a promotional SMS is stopped, and any other."""
    promotional, other = (recipient.opted_out_of(promotional=is_promotional) for is_promotional in (True, False))
    return promotional is not None, other is not None


@pytest.mark.parametrize(
    ("changes", "stops"),
    [
        ([], (False, False)),
        ([_out()], (True, True)),
        ([_out(Scope.PROMOTIONAL)], (True, False)),
        ([_out(), _in(seconds=1)], (False, False)),
        ([_in(), _out(seconds=1)], (True, True)),
        ([_out(), _in()], (True, True)),  # of equal times the opt-out stays
        ([_out(), _in(seconds=0.0005)], (True, True)),  # times are stored in milliseconds
        ([_out(), _in(Scope.PROMOTIONAL, 1)], (True, True)),
        ([_out(), _out(Scope.PROMOTIONAL, 1)], (True, True)),
        ([_out(Scope.PROMOTIONAL), _in(seconds=1)], (False, False)),
        ([_in(), _out(Scope.PROMOTIONAL, 1)], (True, False)),
        ([_out(), _in(seconds=1), _out(Scope.PROMOTIONAL, 2)], (True, False)),
    ],
)
def test_the_latest_change_of_a_scope_stays_in_whatever_order_they_come(
    changes: list[Change], stops: tuple[bool, bool]
) -> None:
    for order in permutations(changes):
        recipient = Recipient()
        for change in order:
            recipient = recipient.changed([change])
        assert _stops(recipient) == _stops(Recipient().changed(order)) == stops


CHANGES: Final = st.lists(
    st.builds(
        lambda make, *given: make(*given), st.sampled_from([_out, _in]), st.sampled_from(Scope), st.integers(0, 4)
    ),
    max_size=6,
)


@given(CHANGES, st.randoms())
def test_any_changes_end_alike_in_any_order_and_however_often_they_come(changes: list[Change], random: object) -> None:
    shuffled = [*changes, *changes]
    random.shuffle(shuffled)  # type: ignore[attr-defined]
    one, other = Recipient().changed(changes), Recipient().changed(shuffled)
    assert {scope: (consent.opted_out, consent.since) for scope, consent in one.consents.items()} == {
        scope: (consent.opted_out, consent.since) for scope, consent in other.consents.items()
    }


def test_a_change_that_changes_nothing_is_not_written() -> None:
    recipient = Recipient().changed([_in(seconds=-1), _out()])
    assert recipient.changed([_out(), _in(seconds=-1)]) is recipient


def test_the_caps_that_are_zero_are_none() -> None:
    assert caps(0, 0) == ()
    assert [(cap.most, cap.window, cap.parameter) for cap in caps(20, 50)] == [
        (20, HOUR, "MaxSmsPerNumberPerHour"),
        (50, DAY, "MaxSmsPerNumberPerDay"),
    ]


def test_the_windows_are_two_leases_longer_than_what_they_promise() -> None:
    assert timedelta(hours=1) + 2 * LEASE < HOUR < timedelta(hours=1, minutes=5)
    assert DAY - timedelta(days=1) == HOUR - timedelta(hours=1)


def test_an_attempt_counts_once_however_often_it_is_admitted() -> None:
    recipient, refused = Recipient().admitting([_attempt(1)], [CAP])
    assert (recipient.admitting([_attempt(1)], [CAP]), refused) == ((recipient, {}), {})


def test_a_later_attempt_of_the_same_message_replaces_the_earlier_one() -> None:
    recipient, _ = Recipient().admitting([_attempt(1)], [CAP])
    again, _ = recipient.admitting([_attempt(1, 60)], [CAP])
    assert again.recent == (_attempt(1, 60).entry,)


def test_a_later_attempt_of_a_message_that_may_have_been_sent_counts_as_another() -> None:
    recipient, _ = Recipient().admitting([_attempt(1)], [CAP])
    again, _ = recipient.admitting([_attempt(1, 60, may_be_second=True)], [CAP])
    assert again.recent == (_attempt(1, 60).entry, _attempt(1).entry)


def test_what_was_not_sent_is_not_counted() -> None:
    recipient, _ = Recipient().admitting([_attempt(1), _attempt(2)], [CAP])
    assert recipient.without([_attempt(1)]).recent == (_attempt(2).entry,)
    assert recipient.without([_attempt(3)]) is recipient


def test_an_item_is_read_as_it_was_written() -> None:
    recipient, _ = Recipient().changed([_out(Scope.PROMOTIONAL)]).admitting([_attempt(1)], [CAP])
    attributes = recipient.attributes(NOW, timedelta(days=400))
    stored = Recipient.of(from_item(to_item(attributes)))
    assert (stored.consents, stored.recent, stored.version) == (recipient.consents, recipient.recent, 1)


@pytest.mark.parametrize(
    ("recipient", "kept"),
    [
        (Recipient(recent=("1#a",)), timedelta(days=2)),
        (Recipient().changed([_out()]), None),
        (Recipient().changed([_out(Scope.PROMOTIONAL)]), None),
        (Recipient().changed([_in()]), timedelta(days=400)),
    ],
)
def test_an_opt_out_is_kept_for_ever_and_other_items_are_not(recipient: Recipient, kept: timedelta | None) -> None:
    expires_at = recipient.attributes(NOW, timedelta(days=400))["expires_at"]
    assert expires_at == (int((NOW + kept).timestamp()) if kept else None)


# Each send: the seconds from the claim before it to its own, to its check, and from there to MSG91.
SENDS: Final = st.lists(st.tuples(st.floats(0, 1500), st.floats(0, 20), st.floats(0, 19)), min_size=1, max_size=40)


@given(SENDS)
@example([(0, 20, 19)] * MAX + [(3601, 0, 0)] * MAX)  # at the end of their leases, and at the beginning
def test_in_no_hour_of_msg91s_clock_do_more_than_the_cap_arrive(sends: list[tuple[float, float, float]]) -> None:
    recipient, claimed_at, events = Recipient(), 0.0, []
    for number, (pause, check, call) in enumerate(sends):
        claimed_at += pause
        events.append((claimed_at + check, claimed_at, number, claimed_at + check + call))
    arrivals: list[float] = []
    for _, at, number, arrives_at in sorted(events):  # in the order of their checks
        recipient, refused = recipient.admitting([_attempt(number, at)], [CAP])
        arrivals += [] if refused else [arrives_at]
    for start in arrivals:
        assert sum(start <= arrival <= start + 3600 for arrival in arrivals) <= MAX


def test_two_claims_of_a_message_at_the_same_time_are_released_one_by_one() -> None:
    recipient, _ = Recipient().admitting([_attempt(1, claim=1)], caps(1, 0))
    recipient, _ = recipient.admitting([_attempt(1, claim=2)], caps(1, 0))
    assert recipient.without([_attempt(1, claim=1)]).recent == (_attempt(1, claim=2).entry,)
