"""The exploration finds bugs: each that is planted here breaks a promise in some interleaving."""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any, Final

import pytest

from segment_msg91.msg91.client import Msg91, Outcome
from segment_msg91.msg91.codes import SendState
from segment_msg91.msg91.logs import Logs, LogsError, LogsPage
from segment_msg91.msg91.reports import DeliveryReport
from segment_msg91.recipient import Attempt, milliseconds
from segment_msg91.recording import Recorded, Recorder
from segment_msg91.store import message_updates
from segment_msg91.store.conditional_writes import Failed, Update, WriteOutcome, Written
from segment_msg91.store.messages import Found, Messages
from segment_msg91.store.queues import Queue
from segment_msg91.store.recipients import Admission, Recipients
from segment_msg91.use_cases import reconciliation
from segment_msg91.use_cases.segment_ingest import HTTP_STATUS, Status
from tests.interleavings.exploration import BrokenPromiseError
from tests.interleavings.scenarios import MAIN, OPT_OUT, SCENARIOS, Scenario

type Plant = Callable[[pytest.MonkeyPatch], None]

_ANY: Final = "(attribute_exists(#crqid) OR attribute_not_exists(#crqid))"
_SENDING: Final = Scenario(reconciliations=0)
_SENDS_AGAIN: Final = SCENARIOS["what is in doubt is sent again"]
_GUARDED: Final = SCENARIOS[OPT_OUT]


@dataclass(frozen=True, slots=True)
class Bug:
    """A bug, the promise that it breaks, and in what it does. `faults`: how many it takes."""

    plant: Plant
    broken: str
    faults: int = 0
    scenario: Scenario = field(default_factory=lambda: SCENARIOS[MAIN])


def _unconditional(name: str, part: str = "") -> Plant:
    """Let an update of a message be written whatever the message is, or whatever a part of its condition says."""
    make: Callable[..., Update] = getattr(message_updates, name)

    def make_otherwise(*arguments: Any, **named: Any) -> Update:  # noqa: ANN401 - of any update
        update = make(*arguments, **named)
        update.name("crqid")
        condition = update.arguments("")["ConditionExpression"]
        assert part in condition
        update.condition(condition.replace(part, _ANY) if part else _ANY)
        return update

    return lambda patch: patch.setattr(message_updates, name, make_otherwise)


def _repeat_what_is_in_doubt(patch: pytest.MonkeyPatch) -> None:
    send = Msg91.send

    def send_otherwise(msg91: Msg91, *arguments: Any) -> Outcome:  # noqa: ANN401 - as they are
        outcome = send(msg91, *arguments)
        return replace(outcome, state=SendState.RETRYABLE) if outcome.state is SendState.UNKNOWN else outcome

    patch.setattr(Msg91, "send", send_otherwise)


def _take_errors_for_empty_logs(patch: pytest.MonkeyPatch) -> None:
    page = Logs.page

    def page_otherwise(logs: Logs, *arguments: Any) -> LogsPage:  # noqa: ANN401 - as they are
        try:
            return page(logs, *arguments)
        except LogsError:
            return LogsPage([])

    patch.setattr(Logs, "page", page_otherwise)


def _record_before_applying(patch: pytest.MonkeyPatch) -> None:
    def record(recorder: Recorder, report: DeliveryReport, received_at: datetime) -> Recorded:
        return recorder.record_for(str(report.crqid), report, received_at)

    patch.setattr(Recorder, "record", record)


def _answer_before_recording_the_doubt(patch: pytest.MonkeyPatch) -> None:
    mark_unknown = Messages.mark_unknown

    def mark_otherwise(messages: Messages, found: Found, now: datetime) -> bool:
        mark_unknown(messages, found, now)
        return True

    patch.setattr(Messages, "mark_unknown", mark_otherwise)


def _send_when_the_table_is_away(patch: pytest.MonkeyPatch) -> None:
    count = Recipients._count  # noqa: SLF001 - the bug is in there

    def count_otherwise(recipients: Recipients, *arguments: Any) -> WriteOutcome:  # noqa: ANN401 - as they are
        outcome = count(recipients, *arguments)
        return Written({}) if isinstance(outcome, Failed) else outcome

    patch.setattr(Recipients, "_count", count_otherwise)


def _without_the_opt_out(condition: Callable[[Update, str], None]) -> Callable[[Update, str], None]:
    """Let the count look at the caps alone, as if the opt-out had been read before."""

    def otherwise(update: Update, text: str) -> None:
        parts = [part for part in text.split(" AND ") if "_since" not in part]
        condition(update, " AND ".join(parts))

    return otherwise


def _forget_failed_changes(patch: pytest.MonkeyPatch) -> None:
    record = Recipients.record

    def record_otherwise(recipients: Recipients, *arguments: Any) -> dict[str, str]:  # noqa: ANN401 - as they are
        record(recipients, *arguments)
        return {}

    patch.setattr(Recipients, "record", record_otherwise)


class _Forgetful(set[str]):
    def add(self, _: str) -> None:
        """Stay empty."""


def _forget_failed_writes(patch: pytest.MonkeyPatch) -> None:
    run = reconciliation._Run  # noqa: SLF001 - the bug is in there
    init = run.__init__

    def init_otherwise(self: Any, *arguments: Any) -> None:  # noqa: ANN401 - as they are
        init(self, *arguments)
        self.failed = _Forgetful()

    patch.setattr(run, "__init__", init_otherwise)


BUGS: Final = {
    "a claim does not look at what is stored": Bug(_unconditional("claim"), "it was accepted"),
    "a claim does not look for a report": Bug(
        _unconditional("claim", "attribute_not_exists(#delivery_status)"), "in spite of a report", scenario=_SENDS_AGAIN
    ),
    "a claim enters no index": Bug(
        lambda patch: patch.setenv("RECONCILE_EVERY_MINUTES", "0"), "1 SMS sent, accepted, and the message ends None"
    ),
    "an outcome is written over another claim": Bug(
        _unconditional("settlement"), "accepted, and the message ends None", faults=2, scenario=_SENDING
    ),
    "an outcome in doubt is retried": Bug(_repeat_what_is_in_doubt, "two SMS were sent", faults=1, scenario=_SENDING),
    "a claim of another delivery is released": Bug(
        _unconditional("release"), "it was accepted", faults=1, scenario=_SENDING
    ),
    "a settled message is marked unknown": Bug(
        _unconditional("unknown"), "it was accepted", faults=1, scenario=_SENDING
    ),
    "the answer does not wait for the record of a doubt": Bug(
        _answer_before_recording_the_doubt, "Segment does not repeat the event", faults=1, scenario=_SENDING
    ),
    "a held event is answered 200": Bug(
        lambda patch: patch.setitem(HTTP_STATUS, Status.HELD, 200),
        "its message is held",
        faults=1,
        scenario=_SENDING,
    ),
    "a report is applied in any order": Bug(
        _unconditional("status", "#delivery_order < :order"),
        "pending has replaced delivered",
        scenario=SCENARIOS["the report is not final"],
    ),
    "a report is recorded before it is applied": Bug(_record_before_applying, "delivered is stored, and"),
    "a report that is refused is not queued": Bug(
        lambda patch: patch.setattr(Queue, "put", lambda *_: None), "202 is in no queue", faults=1
    ),
    "a message with its end stays in the index": Bug(
        lambda patch: patch.setattr(Update, "remove", lambda *_: None), "it waits for a report for ever"
    ),
    "a row does not settle a message in doubt": Bug(
        lambda patch: patch.setattr(Messages, "settle_by_logs", lambda *_: True), "MSG91's logs have the SMS, and"
    ),
    "a conclusion replaces a report": Bug(
        _unconditional("conclusion"),
        "unreported has replaced delivered",
        scenario=SCENARIOS["the logs never know the end"],
    ),
    "a conclusion is of another claim": Bug(
        _unconditional("conclusion", "#claim_id = :seen"),
        "not_sent, although MSG91's logs have the SMS",
        scenario=_SENDS_AGAIN,
    ),
    "a conclusion does not wait": Bug(
        lambda patch: patch.setenv("REPORT_GIVEN_UP_HOURS", "1"), "not_sent after 2:00:00 only"
    ),
    "a conclusion follows from logs that could not be read": Bug(
        _take_errors_for_empty_logs, "although MSG91's logs have the SMS", faults=1
    ),
    "a conclusion follows though its row was not written": Bug(
        _forget_failed_writes,
        "although MSG91's logs have the SMS",
        faults=1,
    ),
    "the guard rails are not asked": Bug(
        lambda patch: patch.setattr(Recipients, "admit", lambda *_: Admission()),
        "without being counted",
        scenario=_GUARDED,
    ),
    "the guard rails fail open": Bug(
        _send_when_the_table_is_away, "without being counted", faults=1, scenario=_GUARDED
    ),
    "an opt-out is read before the count, and not a condition of it": Bug(
        lambda patch: patch.setattr(Update, "condition", _without_the_opt_out(Update.condition)),
        "in spite of an opt-out",
        scenario=_GUARDED,
    ),
    "an opt-out that is not stored is answered 200": Bug(
        _forget_failed_changes, "is not stored", faults=1, scenario=_GUARDED
    ),
    "two claims of a message at the same time count as one": Bug(
        lambda patch: patch.setattr(
            Attempt, "entry", property(lambda attempt: f"{milliseconds(attempt.at)}{attempt.message}")
        ),
        "without being counted",
        faults=1,
        scenario=_GUARDED,
    ),
}


@pytest.mark.parametrize("bug", BUGS.values(), ids=BUGS.keys())
def test_a_planted_bug_is_found(bug: Bug, monkeypatch: pytest.MonkeyPatch) -> None:
    bug.plant(monkeypatch)
    with pytest.raises(BrokenPromiseError, match=bug.broken):
        bug.scenario.exploration(bug.faults).run()
