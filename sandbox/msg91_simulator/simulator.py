"""A simulation of MSG91: it answers calls and posts delivery reports."""

import secrets
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from threading import Lock
from typing import Final, Protocol

from sandbox.msg91_simulator.answers import ANSWERS, NOT_FOUND, REQUEST_ID, SUCCESS, Answer
from sandbox.msg91_simulator.calls import FLOW_PATH, SMS_PATH, Refused, Sms, read_call
from sandbox.msg91_simulator.faults import Faults
from sandbox.msg91_simulator.ledger import Ledger, SentSms
from sandbox.msg91_simulator.log_rows import Reported
from sandbox.msg91_simulator.logs import Logs
from sandbox.msg91_simulator.numbers import Arrival, Outcome, behaviour_of
from sandbox.msg91_simulator.postman import Postman
from sandbox.msg91_simulator.reports import WRITERS

LATE_DELAY: Final = 5.0
"""Seconds between a late report and one that is not."""
PAUSE: Final = 0.2
"""Seconds between two reports of one SMS."""


@dataclass(frozen=True, slots=True)
class Webhook:
    """The URL for reports, their version, and their delay in seconds after the send."""

    url: str
    version: str = "v2"
    delay: float = 0.3


@dataclass(frozen=True, slots=True)
class Call:
    """A request to send. `caller` is the name of the listener that received it."""

    caller: str
    messages: Sequence[Sms]


class Interceptor(Protocol):
    """Observes calls and injects faults. Called concurrently from the threads of several calls."""

    def resets_unread(self, caller: str) -> bool:
        """Return whether to reset the connection before reading the request's body."""

    def before(self, call: Call) -> Answer | None:
        """Called before SMS are sent. Return an answer to override that of the numbers, or None."""

    def after(self, call: Call, sent: Sequence[SentSms]) -> None:
        """Called after SMS are sent, before the answer is written."""


class Simulator:
    def __init__(self, authkey: str) -> None:
        self.ledger = Ledger()
        self.logs = Logs(authkey)
        self.faults = Faults(ANSWERS)
        self.postman = Postman()
        self.webhook: Webhook | None = None
        """None: no reports."""
        self.interceptor: Interceptor | None = None
        self.history: Callable[[SentSms], Sequence[Reported]] = self.history_by_number
        """What is reported of an SMS, by webhook and in the logs: by its number, unless this is replaced."""
        self._authkey = authkey
        self._overdue: list[tuple[SentSms, Outcome]] = []
        self._lock = Lock()

    def resets_unread(self, caller: str) -> bool:
        return self.interceptor is not None and self.interceptor.resets_unread(caller)

    def answer(self, path: str, authkey: str | None, body: bytes, caller: str = "") -> Answer:
        if path not in (SMS_PATH, FLOW_PATH):
            return NOT_FOUND
        if not authkey:
            return ANSWERS["106"]
        if authkey != self._authkey:
            return ANSWERS["207"]
        try:
            messages = read_call(path, body)
        except Refused as refused:
            return refused.answer
        call = Call(caller, messages)
        intercepted = self.interceptor.before(call) if self.interceptor else None
        return self._send(call, intercepted or self.faults.take() or _answer_to(messages))

    def check_key(self, authkey: str | None) -> Answer:
        """Return MSG91's answer on whether an authkey is valid, as text."""
        if fault := self.faults.take():
            return fault
        return Answer("Valid" if authkey == self._authkey else "201", content_type="text/html")

    def history_by_number(self, sent: SentSms) -> list[Reported]:
        delay = self.webhook.delay if self.webhook else 0
        reported = []
        for position, outcome in enumerate(behaviour_of(sent.sms.number).reports):
            if outcome.arrival is Arrival.OVERDUE:
                with self._lock:
                    self._overdue.append((sent, outcome))
                continue
            seconds = delay + position * PAUSE + (LATE_DELAY if outcome.arrival is Arrival.LATE else 0)
            due = datetime.now(UTC) + timedelta(seconds=seconds)
            reported.append(Reported(outcome, due - timedelta(seconds=outcome.dated_back), due))
        return reported

    def post_overdue_reports(self) -> int:
        """Report the outcome of the SMS whose reports wait for this; return how many there were."""
        with self._lock:
            overdue, self._overdue = self._overdue, []
        now = datetime.now(UTC)
        for sent, outcome in overdue:
            self._report(sent, [Reported(outcome, now, now)])
        return len(overdue)

    def reset(self) -> None:
        self.ledger.clear()
        self.logs.clear()
        self.faults.clear()
        self.postman.clear()
        with self._lock:
            self._overdue.clear()

    def _send(self, call: Call, answer: Answer) -> Answer:
        request_id = secrets.token_hex(12)
        if answer.sends:
            sent = self.ledger.enter(request_id, call.messages)
            for entry in sent:
                self._report(entry, self.history(entry))
            if self.interceptor:
                self.interceptor.after(call, sent)
            if not sent:
                return ANSWERS["311"]
        elif answer.accepts:
            self.ledger.drop(request_id, call.messages)
        return replace(answer, body=answer.body.replace(REQUEST_ID, request_id))

    def _report(self, sent: SentSms, reported: Sequence[Reported]) -> None:
        self.logs.enter(sent, reported)
        if not (webhook := self.webhook):
            return
        for report in reported:
            posting = WRITERS[webhook.version](sent, report.outcome, report.at) if report.outcome.is_posted else None
            if posting:
                delay = (report.due - datetime.now(UTC)).total_seconds()
                self.postman.post_in(delay, webhook.url, posting)


def _answer_to(messages: Sequence[Sms]) -> Answer:
    """Return the answer. An error of one number applies to the whole call, and nothing is sent."""
    names = [behaviour_of(sms.number).answer for sms in messages]
    answers = [ANSWERS[name] for name in names if name != "success"]
    return min(answers, key=lambda answer: answer.sends, default=SUCCESS)
