"""Which messages a filter selects: by what the console shows of them."""

from typing import Any, Final

import pytest

from segment_msg91.message_filter import MessageFilter
from segment_msg91.message_view import event_shown
from segment_msg91.msg91.failures import Category
from segment_msg91.outcomes import Outcome

FAILED: Final[dict[str, Any]] = {
    "crqid": "c1",
    "phone": "919800000001",
    "event_type": "track",
    "event_name": "Order Shipped",
    "template_id": "t-1",
    "sender_id": "MSGIND",
    "send_state": "accepted",
    "delivery_status": "ndnc",
    "failure_category": "dnd",
}


@pytest.mark.parametrize(
    ("wanted", "unwanted"),
    [
        (MessageFilter(), None),
        (MessageFilter(outcome=Outcome.FAILED), MessageFilter(outcome=Outcome.DELIVERED)),
        (MessageFilter(category=Category.DND), MessageFilter(category=Category.BLOCKED)),
        (MessageFilter(event="Order Shipped"), MessageFilter(event="order shipped")),
        (MessageFilter(template_id="t-1"), MessageFilter(template_id="t-10")),
        (MessageFilter(sender_id="MSGIND"), MessageFilter(sender_id="MSG")),
        (MessageFilter(Outcome.FAILED, Category.DND), MessageFilter(Outcome.FAILED, Category.BLOCKED)),
    ],
)
def test_a_message_must_have_all_that_is_asked_for(wanted: MessageFilter, unwanted: MessageFilter | None) -> None:
    assert wanted.matches(FAILED)
    assert unwanted is None or not unwanted.matches(FAILED)


@pytest.mark.parametrize("name", ["event", "template_id", "sender_id", "category"])
def test_a_message_without_an_attribute_has_no_value_of_it(name: str) -> None:
    value: Any = Category.DND if name == "category" else "x"
    assert not MessageFilter(**{name: value}).matches({"crqid": "c1", "send_state": "accepted"})


@pytest.mark.parametrize("event", ["Call +91 98000 00001", "919800000001", "  Order  ", "<img src=x>", "=1+1", "😀"])
def test_the_shown_name_of_an_event_finds_its_message(event: str) -> None:
    message = FAILED | {"event_name": event}
    shown = event_shown(message)
    assert shown
    assert MessageFilter(event=shown.strip()).matches(message)


def test_the_type_of_an_event_without_a_name_is_its_name() -> None:
    message = {name: value for name, value in FAILED.items() if name != "event_name"} | {"event_type": "identify"}
    assert MessageFilter(event="identify").matches(message)


def test_a_number_does_not_find_the_event_that_hides_it() -> None:
    assert not MessageFilter(event="Call 919800000001").matches(FAILED | {"event_name": "Call 919800000001"})
