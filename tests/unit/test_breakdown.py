"""A day's messages in four bars, counted by event, template and sender."""

from datetime import UTC, datetime, timedelta
from typing import Any, Final

from hypothesis import given
from hypothesis import strategies as st

from segment_msg91.breakdown import BAR, COUNTED, bars_of
from segment_msg91.message_view import event_shown
from segment_msg91.outcomes import SENT, outcome_of
from segment_msg91.times import instant

BEGINS: Final = datetime(2026, 1, 1, 18, 30, tzinfo=UTC)
ENDS: Final[list[dict[str, Any]]] = [
    {"send_state": "accepted", "delivery_status": "delivered"},
    {"send_state": "accepted", "delivery_status": "blocked"},
    {"send_state": "unknown", "delivery_status": "not_sent"},
    {"send_state": "accepted", "delivery_status": "unreported"},
    {"send_state": "accepted", "concluded_at": "2026-01-05T00:00:00.000Z"},
    {"send_state": "accepted", "delivery_status": "pending"},
    *({"send_state": state} for state in ("sending", "unknown", "held", "retryable", "rejected", "suppressed")),
]
MESSAGES: Final[st.SearchStrategy[list[dict[str, Any]]]] = st.lists(
    st.builds(
        lambda message, end: message | end,
        st.fixed_dictionaries(
            {
                "created_at": st.integers(0, 24 * 60 * 60 * 1000 - 1).map(
                    lambda at: instant(BEGINS + timedelta(milliseconds=at))
                ),
                "phone": st.sampled_from(["919800000001", "919800000002"]),
                "event_type": st.just("track"),
            },
            optional={
                "event_name": st.sampled_from(["Order Shipped", "Call 919800000001"]),
                "template_id": st.sampled_from(["t-1", "t-2"]),
                "sender_id": st.sampled_from(["MSGIND", "MSGTST"]),
            },
        ),
        st.sampled_from(ENDS),
    ),
    max_size=40,
)


@given(MESSAGES)
def test_every_sent_message_is_counted_once_in_its_bar_and_group(messages: list[dict[str, Any]]) -> None:
    bars = bars_of(messages, BEGINS)
    assert [bar["from"] for bar in bars] == [instant(BEGINS + BAR * number) for number in range(4)]
    for bar in bars:
        ends = instant(datetime.fromisoformat(bar["from"]) + BAR)
        own = [one for one in messages if bar["from"] <= one["created_at"] < ends]
        assert bar["read"] == len(own)
        sent = [one for one in own if outcome_of(one) in SENT]
        assert sum(group["sent"] for group in bar["groups"]) == len(sent)
        for group in bar["groups"]:
            key = (group["event"], group["template_id"], group["sender_id"])
            same = [one for one in sent if (event_shown(one), one.get("template_id"), one.get("sender_id")) == key]
            counted = {str(outcome): sum(outcome_of(one) is outcome for one in same) for outcome in SENT}
            assert {name: group[name] for name in counted} == counted
            assert group["sent"] == sum(counted.values()) > 0


@given(MESSAGES)
def test_what_is_read_of_a_message_is_all_that_counts(messages: list[dict[str, Any]]) -> None:
    read = [{name: value for name, value in message.items() if name in COUNTED} for message in messages]
    assert bars_of(read, BEGINS) == bars_of(messages, BEGINS)


def test_the_largest_group_comes_first_and_no_name_shows_its_own_number() -> None:
    at = {"created_at": instant(BEGINS), "phone": "919800000001", "send_state": "accepted"}
    messages = [at | {"event_name": name} for name in ("B", "Call 919800000001", "Call 919800000001", "A")]
    assert [(group["event"], group["sent"]) for group in bars_of(messages, BEGINS)[0]["groups"]] == [
        ("Call 91••••••••01", 2),
        ("A", 1),
        ("B", 1),
    ]


def test_a_message_that_was_never_sent_is_read_and_not_counted() -> None:
    (bar, *_) = bars_of([{"created_at": instant(BEGINS), "send_state": "suppressed"}], BEGINS)
    assert (bar["read"], bar["groups"]) == (1, [])
