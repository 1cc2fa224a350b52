"""For every history of a message, and however often the stream is read: each event once, dated and in order."""

from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any, Final

from hypothesis import given
from hypothesis import strategies as st

from segment_msg91.msg91.codes import CONCLUSIONS, FINAL, RANK, DeliveryStatus
from segment_msg91.segment.track_events import track_events
from segment_msg91.times import instant, parse_instant, second

type Image = dict[str, object]
type Change = tuple[Image, Image, datetime]
type Kept = dict[str, dict[str, Any]]

START: Final = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
BARE: Final[Image] = {"crqid": "c1", "user_id": "user-1", "send_state": "sending"}
REPORTED: Final = sorted(set(DeliveryStatus) - CONCLUSIONS)


@st.composite
def histories(draw: st.DrawFn) -> list[tuple[Image, datetime]]:
    """The states of one message, and when each was written: claimed, perhaps settled, reported in any order, ended.

    Conclusions come after the settle, because they are drawn an hour or more after the send.
    A suppressed message is that from the beginning, and nothing else happens to it.
    """
    now = START
    image = BARE | {"created_at": instant(now)}
    if draw(st.integers(0, 9)) == 0:
        return [(_settled(image, "suppressed", now), now)]
    states = [(image, now)]
    reports = draw(st.lists(st.tuples(st.sampled_from(REPORTED), st.integers(-40_000, 40_000)), max_size=5))
    steps: list[Any] = [*reports]
    settled = draw(st.sampled_from([None, "accepted", "unknown", "rejected"]))
    settled_as_step = draw(st.integers(0, len(steps)))
    if settled:
        steps.insert(settled_as_step, settled)
    concluded = draw(st.sampled_from([None, *sorted(CONCLUSIONS)]))
    if concluded:
        steps.insert(draw(st.integers(settled_as_step + bool(settled), len(steps))), concluded)
    for step in steps:
        now += timedelta(milliseconds=draw(st.integers(1, 30_000)))
        after = _step(image, step, now)
        if after != image:
            image = after
            states.append((image, now))
    return states


def _step(image: Image, step: str | tuple[DeliveryStatus, int], now: datetime) -> Image:
    if isinstance(step, DeliveryStatus):
        return _concluded(image, step, now)
    return _settled(image, step, now) if isinstance(step, str) else _reported(image, step, now)


def _settled(image: Image, state: str, now: datetime) -> Image:
    return image | {"send_state": state, "settled_at": instant(now)}


def _reported(image: Image, report: tuple[DeliveryStatus, int], now: datetime) -> Image:
    """Apply reports as store.messages does: the higher rank wins, then the later date."""
    status, shift = report
    at = second(now + timedelta(milliseconds=shift))
    order = f"{RANK[status]}#{at}"
    if str(image.get("delivery_order", "")) >= order:
        return image
    return image | {"delivery_status": status, "delivery_reported_at": at, "delivery_order": order}


def _concluded(image: Image, status: DeliveryStatus, now: datetime) -> Image:
    """Conclude as store.overdue does: only what is accepted or in doubt, and has no final report."""
    if image["send_state"] == "rejected" or image.get("delivery_status") in FINAL:
        return image
    return image | {"delivery_status": status, "concluded_at": instant(now), "delivery_order": f"{RANK[status]}#"}


def _changes(history: list[tuple[Image, datetime]]) -> list[Change]:
    states = [({}, START), *history]
    return [(before, after, at) for (before, _), (after, at) in pairwise(states)]


def _kept(changes: list[Change]) -> Kept:
    """Return the events of changes by messageId, without the repeats that Segment drops."""
    kept: Kept = {}
    for change in changes:
        for event in track_events(*change):
            kept.setdefault(event["messageId"], event)
    return kept


@given(histories())
def test_the_events_are_what_the_states_say(history: list[tuple[Image, datetime]]) -> None:
    """Return the expected events from the states of the message, independently of pairs."""
    statuses = {image.get("delivery_status") for image, _ in history} - {None}
    accepted = any(image["send_state"] == "accepted" for image, _ in history)
    names = {
        *({"c1-sms-sent"} if accepted or statuses - CONCLUSIONS else set()),
        *({"c1-sms-delivered"} if "delivered" in statuses else set()),
        *({"c1-sms-undelivered"} if statuses & {"failed", *CONCLUSIONS} else set()),
        *({"c1-sms-failed"} if statuses & {"ndnc", "rejected", "blocked"} else set()),
    }
    if any(image["send_state"] == "suppressed" for image, _ in history):
        names.add("c1-sms-suppressed")
    refused = any(image["send_state"] == "rejected" and "delivery_status" not in image for image, _ in history)
    assert set(_kept(_changes(history))) == names | ({"c1-sms-failed"} if refused else set())


@given(histories(), st.data())
def test_a_stream_that_is_read_again_from_anywhere_gives_the_same_events(
    history: list[tuple[Image, datetime]], data: st.DataObject
) -> None:
    changes = _changes(history)
    read: list[Change] = []
    position = 0
    for _ in range(data.draw(st.integers(0, 4))):  # a failed invocation: read, partly sent, and returned
        end = data.draw(st.integers(position, len(changes)))
        read += changes[position:end]
        position = data.draw(st.integers(position, end))
    read += changes[position:]
    assert _kept(read) == _kept(changes)


@given(histories(), st.data())
def test_changes_in_any_order_and_number_give_the_same_events(
    history: list[tuple[Image, datetime]], data: st.DataObject
) -> None:
    changes = _changes(history)
    shuffled = data.draw(st.permutations(changes + data.draw(st.lists(st.sampled_from(changes), max_size=4))))
    assert set(_kept(shuffled)) == set(_kept(changes))


@given(histories())
def test_no_outcome_is_dated_before_its_send(history: list[tuple[Image, datetime]]) -> None:
    events = list(_kept(_changes(history)).values())
    sent_at = next((event["timestamp"] for event in events if event["event"] == "SMS Sent"), "")
    assert all(event["timestamp"] >= sent_at for event in events)


@given(histories())
def test_an_event_is_dated_by_a_report_by_a_conclusion_or_by_the_send(history: list[tuple[Image, datetime]]) -> None:
    dates = {
        instant(moment)
        for image, _ in history
        for name in ("created_at", "settled_at", "delivery_reported_at", "concluded_at")
        if (moment := parse_instant(str(image.get(name))))
    }
    assert {event["timestamp"] for event in _kept(_changes(history)).values()} <= dates
