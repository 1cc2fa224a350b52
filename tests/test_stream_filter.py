"""The function runs for a change if, and only if, the change is an event: the template's patterns against the code."""

from collections.abc import Mapping
from datetime import UTC, datetime
from itertools import product
from typing import Any, Final

from sandbox.filter_patterns import fits
from sandbox.template import Template
from segment_msg91.msg91.codes import CONCLUSIONS, FINAL, RANK, DeliveryStatus, SendState
from segment_msg91.segment.track_events import track_events

type Message = dict[str, object]

(TRIGGER,) = Template.load(parameters={"DeliveryEvents": "on"}).stream_triggers()
MAX_PATTERNS: Final = 5  # Lambda's limit for one event source mapping
_FINAL: Final = {SendState.ACCEPTED, SendState.REJECTED, SendState.INVALID, SendState.SUPPRESSED}
_CAN_BE_CONCLUDED: Final = {SendState.ACCEPTED, SendState.UNKNOWN, SendState.SENDING}
_NEW: Final[list[Message]] = [
    {"crqid": "c1", "user_id": "user-1", "send_state": state}
    for state in (SendState.SENDING, SendState.INVALID, SendState.SUPPRESSED)
]
_STATES: Final[list[Message]] = [
    {"crqid": "c1", "user_id": "user-1", "send_state": state} | ({"delivery_status": status} if status else {})
    for state, status in product(SendState, (None, *DeliveryStatus))
]


def _can_become(before: Message, after: Message) -> bool:
    """A final state stays; a report stays unless one of its rank or a higher one comes, a conclusion until a report.

    None is suppressed after a report, or reported after that.
    """
    if SendState.SUPPRESSED in (before["send_state"], after["send_state"]) and "delivery_status" in before | after:
        return False
    if before["send_state"] in _FINAL and after["send_state"] != before["send_state"]:
        return False
    old, new = before.get("delivery_status"), after.get("delivery_status")
    if new in CONCLUSIONS and old != new:
        return old not in FINAL and after["send_state"] == before["send_state"] in _CAN_BE_CONCLUDED
    return old is None or (new is not None and RANK[DeliveryStatus(str(new))] >= RANK[DeliveryStatus(str(old))])


CHANGES: Final = [
    *(pair for pair in product(_STATES, _STATES) if _can_become(*pair)),
    *(({}, state) for state in _NEW),
    *((state, {}) for state in _STATES),
]


def _record(before: Message, after: Message) -> Mapping[str, Any]:
    images = {"OldImage": before, "NewImage": after}
    wire = {name: {key: {"S": str(value)} for key, value in image.items()} for name, image in images.items() if image}
    return {"eventName": "MODIFY", "dynamodb": wire}


def _runs_for(before: Message, after: Message) -> bool:
    return any(fits(_record(before, after), pattern) for pattern in TRIGGER.patterns)


def _is_event(before: Message, after: Message) -> bool:
    return bool(track_events(before, after, datetime.now(UTC)))


def test_no_event_is_missed() -> None:
    assert [pair for pair in CHANGES if _is_event(*pair) and not _runs_for(*pair)] == []


def test_a_change_that_is_no_event_runs_nothing() -> None:
    assert [pair for pair in CHANGES if _runs_for(*pair) and not _is_event(*pair)] == []


def test_there_are_changes_of_both_kinds() -> None:
    events = sum(_is_event(*pair) for pair in CHANGES)
    assert 100 < events < len(CHANGES) - 100


def test_of_the_new_messages_it_runs_for_a_suppressed_one_only() -> None:
    assert [state["send_state"] for state in _NEW if _runs_for({}, state)] == [SendState.SUPPRESSED]


def test_nothing_runs_for_what_is_gone() -> None:
    assert not any(_runs_for(state, {}) for state in _STATES)


def test_an_account_has_so_many_patterns_without_asking() -> None:
    assert len(TRIGGER.patterns) <= MAX_PATTERNS
