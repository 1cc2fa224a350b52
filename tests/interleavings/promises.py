"""What must hold in every schedule, judged by MSG91's ledger, the tables, the queues and the answers alone."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Final

from segment_msg91.recipient import milliseconds
from segment_msg91.store.aws import Attributes, Value
from tests.interleavings.contents import rows
from tests.interleavings.exploration import State
from tests.interleavings.programs import Programs
from tests.interleavings.replay import KILLED
from tests.interleavings.store import queued
from tests.interleavings.world import World, Worlds

_CONCLUSIONS: Final = ("unreported", "not_sent")
_NOT_FINAL: Final = ("unknown", "pending")
_FAILURES: Final = ("failed", "ndnc", "rejected", "blocked")
# Of a status, from the lowest: None is none.
_RANKED: Final = ((None,), _CONCLUSIONS, ("unknown",), ("pending",), _FAILURES, ("delivered",))
_RANK: Final[dict[Value | None, int]] = {status: rank for rank, group in enumerate(_RANKED) for status in group}
_FINAL: Final = (*_FAILURES, "delivered")
_IN_DOUBT: Final = ("sending", "unknown")
_DONE: Final = ("accepted", "rejected", "suppressed", *_IN_DOUBT)
_RETRIED: Final = (KILLED, 429, 503)
_LEASE: Final = timedelta(seconds=40)
_GIVEN_UP_AFTER: Final = timedelta(hours=46)


@dataclass(slots=True)
class Promises:
    """The checks of a scenario. `reconciled_at`: when reconciliation runs again, after a schedule's last instant."""

    programs: Programs
    worlds: Worlds
    instants: Sequence[datetime]
    reconciled_at: Sequence[datetime]
    _ends: dict[tuple[World, int, bool], World] = field(default_factory=dict)

    def check_step(self, before: State, after: State) -> None:
        """Check what one step has changed."""
        was, message = _message(before.world), _message(after.world)
        now = self.instants[after.instant]
        if after.world.ledger is not before.world.ledger:
            self._check_sending(after.world, now)
            self._check_counted(after.world)
        if message is not was:
            self._check_claim(was, message)
            self._check_status(was, message, after.world, now)
            self._check_suppression(message, after.world)
        self._check_recipient(before.world, after.world)

    def check_quiet(self, state: State) -> None:
        """Check a state in which no process is running."""
        if state.last_ended and state.last_ended.ended not in _RETRIED:
            message = _message(state.world)
            assert _is_done(message), (
                f"Segment does not repeat the event, and its message is {message.get('send_state')}"
            )
        self._check_report(state)
        self._check_opt_out(state)
        _check_applied(state.world, "v2")
        self._check_end(state)

    def _check_sending(self, world: World, now: datetime) -> None:
        """Check the ledger after an SMS was sent."""
        assert _message(world), "an SMS was sent without a record"
        if len(world.ledger) > 1:
            resend_after = self.programs.resend_after
            assert resend_after, "two SMS were sent for one event"
            since = now - world.ledger[-2].sent_at
            assert since > resend_after, f"sent again after {since}"

    def _check_counted(self, world: World) -> None:
        """Check that the guard rails have counted the claim whose SMS was sent."""
        if self.programs.has_guard_rails:
            claimed_at = datetime.fromisoformat(str(_message(world)["lease_until"])) - _LEASE
            is_counted = any(entry.startswith(f"{milliseconds(claimed_at)}#") for entry in _recent(world))
            assert is_counted, "an SMS was sent without being counted"

    def _check_claim(self, was: Attributes, message: Attributes) -> None:
        """Check that what is known to be sent, or reported, is not claimed again, and that an acceptance stays."""
        state = was.get("send_state")
        assert state not in ("accepted", "rejected") or message["send_state"] == state, f"it was {state}"
        if was.get("claim_id") != message.get("claim_id"):
            assert _RANK[was.get("delivery_status")] <= _RANK["not_sent"], "it was claimed in spite of a report"

    def _check_status(self, was: Attributes, message: Attributes, world: World, now: datetime) -> None:
        """Check that a lesser status replaces none, and that a conclusion is right and comes late enough."""
        old, status = was.get("delivery_status"), message.get("delivery_status")
        if status == old:
            return
        if status not in _CONCLUSIONS:
            is_sent_again = self.programs.resend_after and old in _CONCLUSIONS
            assert _RANK[old] <= _RANK[status] or is_sent_again, f"{status} has replaced {old}"
            return
        assert old not in _FINAL, f"{status} has replaced {old}"
        is_pending = self.worlds.msg91.stays_pending and status == "unreported"
        assert not world.ledger or is_pending, f"{status}, although MSG91's logs have the SMS"
        age = now - datetime.fromisoformat(str(message["lease_until"])) + _LEASE
        assert age >= _GIVEN_UP_AFTER, f"{status} after {age} only"

    def _check_suppression(self, message: Attributes, world: World) -> None:
        """Check that only an opt-out suppresses the message: it is the only one, so the cap is never reached."""
        if message.get("send_state") == "suppressed":
            because = message["suppressed_because"]
            assert because == "opted_out", f"suppressed because {because}, and it is the only SMS"
            assert _is_opted_out(world), "suppressed, and the person has not opted out"

    def _check_recipient(self, before: World, after: World) -> None:
        """Check that an opt-out stays, and that no SMS is counted, and so sent, after it."""
        if _is_opted_out(before):
            assert _is_opted_out(after), "the opt-out is lost"
            assert set(_recent(after)) <= set(_recent(before)), "an SMS was counted in spite of an opt-out"

    def _check_opt_out(self, state: State) -> None:
        for point in state.points:
            if point and point.name == "opt-out" and point.ended == 200:
                assert _is_opted_out(state.world), "an opt-out that was answered 200 is not stored"

    def _check_report(self, state: State) -> None:
        for point in state.points:
            if point and point.name == "report":
                is_stored = any(row["webhook_version"] == "v2" for row in rows(state.world.contents, "ReportsTable"))
                is_queued = queued(state.world.contents)
                assert point.ended != 200 or is_stored, "a report that was answered 200 is not stored"
                assert point.ended != 202 or is_queued, "a report that was answered 202 is in no queue"

    def _check_end(self, state: State) -> None:
        """Check the end that the message has after its redrive and after reconciliation: what the ledger implies."""
        world = self._end(state)
        message = _message(world)
        status, send_state = message.get("delivery_status"), message.get("send_state")
        assert "awaiting_report" not in message, "it waits for a report for ever"
        assert not message or _is_done(message), f"Segment has retried, and the message is {send_state}"
        expected = self._ends_of(world, send_state)
        assert status in expected, f"{len(world.ledger)} SMS sent, {send_state}, and the message ends {status}"
        _check_applied(world, "v2")
        # Reconciliation stores a row before it applies it. In between, a report of a failure may end the message, or
        # another claim of it.
        if status not in _FAILURES and not self.programs.resend_after:
            _check_applied(world, "logs")
        if world.ledger:
            request_id = message.get("request_id")
            is_known = request_id in [sms.request_id for sms in world.ledger]
            assert is_known or self.programs.resend_after, f"its request id is {request_id}"
            # A webhook's final report ends a message in doubt. So does a row, if it was claimed again meanwhile.
            is_ended = status in _FINAL and (self.programs.resend_after or not _stored(world, "logs"))
            assert send_state == "accepted" or is_ended, f"MSG91's logs have the SMS, and the message is {send_state}"

    def _ends_of(self, world: World, send_state: Value | None) -> Sequence[Value | None]:
        """Return which status a message may have in the end. What is reported later must prevail as well."""
        if world.ledger:
            # A report of a failure ends the message: its logs are not read any more.
            by_logs = "unreported" if self.worlds.msg91.stays_pending else "delivered"
            # What is sent again ends by its last call, which may have sent nothing.
            by_last_call = _CONCLUSIONS if self.programs.resend_after else ()
            return by_logs, self.programs.report_status, *by_last_call
        if send_state == "accepted":
            return ("unreported",)
        if send_state in _IN_DOUBT:
            return ("not_sent",) if self.worlds.msg91.neighbours else ("unreported",)
        return (None,)

    def _end(self, state: State) -> World:
        is_retried = state.last_ended is not None and state.last_ended.ended in _RETRIED
        key = (state.world.later(), state.instant, is_retried)
        known = self._ends.get(key)
        if known is None:
            known = self._ends[key] = self._finish(*key)
        return known

    def _finish(self, world: World, instant: int, is_retried: bool) -> World:  # noqa: FBT001 - one of a key
        """Let Segment retry, the redrive queue deliver, and reconciliation run, one by one and without a fault."""
        now = self.instants[instant]
        for message in queued(world.contents):
            world, _ = self.worlds.undisturbed(self.programs.redrive(message, now), world, now)
        for at in (*self.instants[instant:], *self.reconciled_at):
            if is_retried:
                before = world
                world, ended = self.worlds.undisturbed(self.programs.delivery("last delivery", at), world, at)
                self._check_sending(world, at)
                self._check_recipient(before, world)
                is_retried = ended in _RETRIED
            world, _ = self.worlds.undisturbed(self.programs.reconciliation("last reconciliation", at), world, at)
        return world


def _message(world: World) -> Attributes:
    messages = rows(world.contents, "MessagesTable")
    return messages[0] if messages else {}


def _recipient(world: World) -> Attributes:
    recipients = rows(world.contents, "RecipientsTable")
    return recipients[0] if recipients else {}


def _recent(world: World) -> Sequence[str]:
    """Return what counts the SMS that were sent, or may have been."""
    recent: Any = _recipient(world).get("recent", ())
    return recent  # type: ignore[no-any-return]


def _is_opted_out(world: World) -> bool:
    return _recipient(world).get("all_opted_out") is True


def _is_done(message: Attributes) -> bool:
    """Whether no other delivery is needed: it was sent, may have been sent, or is refused. A report proves a send."""
    return message.get("send_state") in _DONE or message.get("delivery_status") in _FINAL


def _stored(world: World, version: str) -> list[Attributes]:
    """Return the stored reports of a message that came by the webhook (v2), or from the logs."""
    reports = rows(world.contents, "ReportsTable")
    return [report for report in reports if report["webhook_version"] == version and "matched" in report]


def _check_applied(world: World, version: str) -> None:
    """Check that no stored report would prevail over the message's status."""
    status = _message(world).get("delivery_status")
    for report in _stored(world, version):
        is_concluded = status in _CONCLUSIONS and report["status"] in _NOT_FINAL
        is_applied = _RANK[report["status"]] <= _RANK[status] or is_concluded
        assert is_applied, f"the report {report['status']} is stored, and the message is {status}"
