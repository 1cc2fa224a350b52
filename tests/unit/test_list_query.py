"""Queries of the console: what each asks for, and what is refused."""

from datetime import UTC, date, datetime

import pytest

from segment_msg91.list_query import InvalidQueryError, ListQuery
from segment_msg91.message_filter import MessageFilter
from segment_msg91.msg91.failures import Category
from segment_msg91.outcomes import Outcome


def test_a_query_names_what_a_message_must_have() -> None:
    query = {
        "outcome": "failed",
        "category": "dnd",
        "event": " Order Shipped ",
        "template_id": "t-1",
        "sender_id": "MSGIND",
        "from": "2026-01-02T03:04:05Z",
        "until": "2026-01-02T08:35:00+05:30",
        "after": "x",
    }
    asked = ListQuery.parse(query)
    assert asked.filter == MessageFilter(Outcome.FAILED, Category.DND, "Order Shipped", "t-1", "MSGIND")
    assert (asked.since, asked.until, asked.after) == (
        datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC),
        datetime(2026, 1, 2, 3, 5, tzinfo=UTC),
        "x",
    )
    assert (asked.search, asked.day) == (None, None)


@pytest.mark.parametrize(
    ("query", "kind"),
    [
        ({}, "recent"),
        ({"after": "2026-01-02T03:04:05Z", "event": " "}, "recent"),
        ({"phone": "919800000001"}, "phone"),
        ({"user_id": "919800000001", "after": "c1"}, "user_id"),
        ({"event": "919800000001"}, "filter"),
        ({"until": "2026-01-02T03:04:05Z"}, "filter"),
        ({"day": "2026-01-02", "outcome": "failed"}, "day"),
    ],
)
def test_the_kind_of_a_list_has_no_value_in_it(query: dict[str, str], kind: str) -> None:
    assert ListQuery.parse(query, has_day=True).kind == kind


def test_a_day_is_the_day_that_it_says() -> None:
    assert ListQuery.parse({"day": " 2026-01-02 "}, has_day=True).day == date(2026, 1, 2)


def test_a_query_shows_nothing_private() -> None:
    for name in ("phone", "user_id", "event", "template_id", "sender_id"):
        assert "919800000001" not in repr(ListQuery.parse({name: "919800000001"}))


@pytest.mark.parametrize(
    ("query", "message"),
    [
        (
            {"outcome": "lost"},
            "outcome: must be one of delivered, failed, no_report, waiting, suppressed, refused, inv",
        ),
        ({"category": "DND"}, "category: must be one of dlt_template, "),
        ({"event": "x" * 257}, "event: longer than 256 characters"),
        ({"from": "yesterday"}, "from: no time; write it in UTC as in 2026-01-02T03:04:05Z"),
        ({"until": "0001-01-01T00:00:00Z"}, "until: no time"),
        ({"until": "9999-12-31T23:59:59-12:00"}, "until: no time"),
        ({"from": "2026-01-02T00:00:00Z", "until": "2026-01-02T00:00:00Z"}, "until: must be later than from"),
        ({"day": "today"}, "day: no day; write it as in 2026-01-02"),
        ({"day": "0001-01-01"}, "day: no day"),
        ({"day": "2026-01-02", "from": "2026-01-02T00:00:00Z"}, "day: not together with from or until"),
        ({"phone": "919800000001", "user_id": "u"}, "phone, user_id: search by one of them at a time"),
        ({"phone": "919800000001", "outcome": "failed"}, "outcome: not together with phone; leave out one of them"),
        ({"user_id": "u", "day": "2026-01-02"}, "day: not together with user_id"),
        ({"name": "x"}, "name: not a parameter; use day, phone, message_id, user_id, request_id, outcome, category"),
    ],
)
def test_what_cannot_be_answered_names_the_parameter_and_the_remedy(query: dict[str, str], message: str) -> None:
    with pytest.raises(InvalidQueryError) as refused:
        ListQuery.parse(query, has_day=True)
    assert str(refused.value).startswith(message)
    assert "919800000001" not in str(refused.value)


def test_only_an_export_has_a_day() -> None:
    with pytest.raises(InvalidQueryError, match="day: not a parameter; use phone"):
        ListQuery.parse({"day": "2026-01-02"})
