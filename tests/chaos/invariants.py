"""What must hold after any fault, read from the simulator's ledger and the tables, never from the code under test."""

import itertools
import re
from collections import Counter, defaultdict
from collections.abc import Container, Iterable, Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from datetime import datetime, timedelta
from typing import Final

from sandbox.msg91_simulator.ledger import Ledger as Msg91Ledger
from sandbox.segment_simulator.tracking_api import Event
from tests.chaos.allowed_unknowns import AllowedUnknowns
from tests.chaos.segment import HOT, INVALID, NO_SMS, Tracked
from tests.chaos.webhook import CutOff, Logged, Report
from tests.chaos.world import Row, World

_RANK: Final = {"unknown": 0, "pending": 1, "failed": 2, "ndnc": 2, "rejected": 2, "blocked": 2, "delivered": 3}
_FINAL: Final = 2
_HOUR: Final = timedelta(hours=1)
_CONCLUSIONS: Final = ("unreported", "not_sent")
_OUTCOME: Final = {
    "delivered": "SMS Delivered",
    "failed": "SMS Undelivered",
    "ndnc": "SMS Failed",
    "rejected": "SMS Failed",
    "blocked": "SMS Failed",
    **dict.fromkeys(_CONCLUSIONS, "SMS Undelivered"),
}
_OUTCOME_OF_SEND: Final = {"rejected": "SMS Failed", "suppressed": "SMS Suppressed"}
_MESSAGE_ID: Final = re.compile(r"Order (\S+) is on its way")


class Ledger:
    """The number of SMS that MSG91 was asked to send for each event, including those it dropped as duplicates."""

    def __init__(self, world: World) -> None:
        self._requested: Counter[str] = Counter()
        for (_, text), times in world.simulator.ledger.asked().items():
            found = _MESSAGE_ID.search(text)
            if found:
                self._requested[found[1]] += times
        self.sent = {
            (entry.sms.number, entry.sms.crqid): entry.request_id for entry in world.simulator.ledger.entries()
        }
        """The request ids of what was sent, by number and CRQID."""
        self.dropped = {
            (entry.sms.number, entry.sms.crqid): entry.request_id for entry in world.simulator.ledger.dropped()
        }
        """The request ids of what was accepted and not sent."""

    def sms_of(self, event: Tracked) -> int:
        return self._requested[event.message_id]

    def __len__(self) -> int:
        return self._requested.total()


def no_sms_is_sent_twice(events: Iterable[Tracked], ledger: Ledger) -> Iterator[str]:
    for event in events:
        if ledger.sms_of(event) > 1:
            yield f"{event.message_id}: {ledger.sms_of(event)} SMS"
        if event.count("accepted") > 1:
            yield f"{event.message_id}: accepted {event.count('accepted')} times"


def no_number_gets_more_than_its_cap(ledger: Msg91Ledger, cap: int) -> Iterator[str]:
    """By MSG91's own clock, in any hour, with what MSG91 dropped after it had accepted it."""
    arrivals: defaultdict[str, list[datetime]] = defaultdict(list)
    for entry in (*ledger.entries(), *ledger.dropped()):
        arrivals[entry.sms.number].append(entry.at)
    for number, times in arrivals.items():
        in_order = sorted(times)
        most = max(sum(start <= at <= start + _HOUR for at in in_order) for start in in_order)
        if most > cap:
            yield f"{number}: {most} SMS within an hour"


def no_event_is_lost(events: Iterable[Tracked], messages: Mapping[str, Row]) -> Iterator[str]:
    """At any time, an event is on record or its answer makes Segment retry."""
    for event in events:
        row = messages.get(event.message_id)
        if event.wants_sms and event.last.is_final and (row is None or row["send_state"] in ("held", "retryable")):
            yield f"{event.message_id}: answered {event.last}, and the record is {row and row['send_state']}"


def all_final(
    events: Iterable[Tracked], messages: Mapping[str, Row], ledger: Ledger, allowed_unknowns: AllowedUnknowns
) -> Iterator[str]:
    """After recovery, every event has a final answer and a state that agrees with the ledger."""
    for event in events:
        sent = ledger.sms_of(event)
        if not event.last.is_final:
            yield f"{event.message_id}: still not final, {event.last}"
        row = messages.get(event.message_id)
        state = str(row["send_state"]) if row else None
        if problem := _contradiction(event, state, sent, is_reported=row is not None and "delivery_status" in row):
            yield f"{event.message_id}: {problem}"
        if row and state == "unknown" and row["crqid"] not in allowed_unknowns:
            yield f"{event.message_id}: unknown ({row.get('error')}), without an injected fault"
        request_ids = ledger.sent | ledger.dropped
        if row and "request_id" in row and request_ids.get((event.phone, row["crqid"])) != row["request_id"]:
            yield f"{event.message_id}: the request id is not the one that MSG91 gave"


def _contradiction(event: Tracked, state: str | None, sent: int, *, is_reported: bool) -> str | None:
    match event.kind, state, sent:
        case kind, None, 0 if kind == NO_SMS:
            return None
        case kind, "invalid", 0 if kind == INVALID:
            return None
        case _ if not event.wants_sms:
            return f"{event.kind} is {state} with {sent} SMS"
        case (_, "accepted", 1) | (_, "rejected", 0) | (_, "unknown", 0 | 1):
            return None
        case _, "sending", 1 if is_reported:
            return None
        case kind, "suppressed", 0 if kind == HOT:
            return None
        case _:
            return f"{state} with {sent} SMS"


def every_message_ends(
    messages: Iterable[Row], ledger: Ledger, logged: Mapping[tuple[str, str], Logged]
) -> Iterator[str]:
    """After reconciliation, no message waits for a report, and its end agrees with the ledger and the logs."""
    for row in messages:
        key = row["phone"], row["crqid"]
        if "awaiting_report" in row:
            yield f"{row['message_id']}: still waits for a report"
        if problem := _wrong_end(row, ledger, logged.get(key)):
            end = f"{row['send_state']}, {row.get('delivery_status')}"
            yield f"{row['message_id']}: ended as {end} ({row.get('delivery_description')}), but {problem}"


def _wrong_end(row: Row, ledger: Ledger, logged: Logged | None) -> str | None:
    key = row["phone"], row["crqid"]
    state, status = row["send_state"], row.get("delivery_status")
    match state, status:
        case (("rejected" | "invalid"), None):
            return None
        case "suppressed", None:
            return "it was sent" if key in ledger.sent else None
        case _, final if _RANK.get(str(final), 0) >= _FINAL:
            return None if key in ledger.sent else "nothing was sent"
        case "accepted", "unreported" if key in ledger.sent:
            is_final = logged is not None and _RANK[logged.status] >= _FINAL
            return f"its logs say {logged.status}" if logged and is_final else None
        case "accepted", "unreported" if key in ledger.dropped:
            return None if row["failure_category"] == "dropped" else f"its category is {row['failure_category']}"
        case "unknown", ("not_sent" | "unreported"):
            return "it was sent" if key in ledger.sent else None
        case _:
            return "this is no end"


def no_row_of_the_logs_is_repeated(logged: Iterable[Logged], rows: Iterable[Row]) -> Iterator[str]:
    """A final row is recorded once at most. Another may be read again, by a query that gives other columns."""
    stored = Counter(row.get("reported_at") for row in rows if row.get("webhook_version") == "logs")
    for row in logged:
        if _RANK[row.status] >= _FINAL and stored[row.reported_at] > 1:
            yield f"row of {row.reported_at}: recorded {stored[row.reported_at]} times"


def no_report_is_lost(
    reports: Sequence[Report], cut_off: Sequence[CutOff], rows: Sequence[Row], quarantined: Iterable[str]
) -> Iterator[str]:
    """Every report is stored once, every unreadable body is quarantined. All have been answered 2xx."""
    stored = Counter(row.get("reported_at") for row in rows if row.get("webhook_version") != "logs")
    for report in reports:
        if stored[report.reported_at] != 1:
            yield f"report of {report.reported_at} ({report.version}): {stored[report.reported_at]} rows"
    kept = Counter(quarantined)
    for item in cut_off:
        if not kept[item.posting.body.decode()]:
            yield f"a body of {len(item.posting.body)} bytes could not be read and was not quarantined"


def order_has_no_effect(
    reports: Sequence[Report],
    logged: Mapping[tuple[str, str], Logged],
    rows: Sequence[Row],
    messages: Iterable[Row],
) -> Iterator[str]:
    """Each message has the status that its reports imply, and each report is joined to its own message.

    The row in the logs is a report if it was recorded. A message without a final status has been concluded.
    """
    matched = {str(row.get("reported_at")): row.get("matched") for row in rows}
    by_crqid: defaultdict[str, list[Report]] = defaultdict(list)
    by_request: defaultdict[tuple[str, str], list[Report]] = defaultdict(list)
    for report in reports:
        if report.names_its_message:
            by_crqid[report.sms.sms.crqid].append(report)
        else:
            by_request[report.sms.request_id, report.sms.sms.number].append(report)
    for row in messages:
        own: list[Report | Logged] = [
            *by_crqid.pop(row["crqid"], []),
            *by_request.pop((row.get("request_id", ""), row["phone"]), []),
        ]
        in_logs = logged.get((row["phone"], row["crqid"]))
        if in_logs and in_logs.reported_at in matched:
            own.append(in_logs)
        for reported_at in sorted(report.reported_at for report in own):
            if matched.get(reported_at) != row["crqid"]:
                yield f"report of {reported_at}: joined to {matched.get(reported_at)}"
        expected = _implied(own)
        if _RANK.get(str(expected[0]), 0) >= _FINAL and (found := _delivery(row)) != expected:
            yield f"{row['message_id']}: {found}, but its {len(own)} reports imply {expected}"
    for report in itertools.chain(*by_crqid.values(), *by_request.values()):
        if matched.get(report.reported_at):
            yield f"report of {report.reported_at}: joined to {matched[report.reported_at]}, which is another message"


def _delivery(row: Row) -> tuple[object, object, bool]:
    return row.get("delivery_status"), row.get("delivery_reported_at"), bool(row.get("delivery_conflict"))


def _implied(reports: Sequence[Report | Logged]) -> tuple[object, object, bool]:
    """Return the expected status: the highest rank wins, then the later date; two final statuses are a conflict."""
    if not reports:
        return None, None, False
    last = max(reports, key=lambda report: (_RANK[report.status], report.at))
    finals = {report.status for report in reports if _RANK[report.status] >= _FINAL}
    return last.status, last.reported_at, len(finals) > 1


def delivery_events_match(
    messages: Iterable[Row], received: Iterable[Event], concluded: Container[str] = ()
) -> Iterator[str]:
    """Segment has an event for each transition and no other, in order, with one id however often it was sent.

    `concluded`: the CRQIDs of messages that were concluded before their reports came.
    """
    by_crqid: defaultdict[str, list[Event]] = defaultdict(list)
    for event in received:
        by_crqid[event["messageId"].partition("-")[0]].append(event)
    for row in messages:
        allowed = {_OUTCOME["unreported"]} if row["crqid"] in concluded else set()
        problems = _event_problems(row, by_crqid.pop(row["crqid"], []), allowed)
        yield from (f"{row['message_id']}: {problem}" for problem in problems)
    yield from (f"{crqid}: delivery events without a message" for crqid in by_crqid)


def _event_problems(row: Row, sent: Sequence[Event], allowed: AbstractSet[str]) -> Iterator[str]:
    names = {event["event"] for event in sent}
    status = str(row.get("delivery_status"))
    is_reported = "delivery_status" in row and status not in _CONCLUSIONS
    is_sent = row["send_state"] == "accepted" or is_reported
    expected = {"SMS Sent"} if is_sent else set(filter(None, [_OUTCOME_OF_SEND.get(row["send_state"])]))
    if status in _OUTCOME:
        expected.add(_OUTCOME[status])
    if missing := expected - names:
        yield f"{', '.join(missing)} was not sent"
    # After a conflict, an earlier final status has an event as well.
    if not row.get("delivery_conflict") and (more := names - expected - allowed):
        yield f"{', '.join(more)} was sent for {row['send_state']}, {status}"
    if len({event["messageId"] for event in sent}) != len(names):
        yield "one event with several ids"
    if {event["userId"] for event in sent} - {row["user_id"]}:
        yield "sent for another user"
    sent_at = [event["timestamp"] for event in sent if event["event"] == "SMS Sent"]
    if sent_at and any(event["timestamp"] < sent_at[0] for event in sent):
        yield "an outcome before its send"
