"""A simulation of MSG91: it answers calls and posts delivery reports."""

import secrets
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from threading import Lock
from typing import Final, Protocol

from sandbox.msg91_simulator.answers import ANSWERS, NOT_FOUND, REQUEST_ID, SUCCESS, Answer
from sandbox.msg91_simulator.calls import FLOW_PATH, SMS_PATH, Refused, Sms, read_call
from sandbox.msg91_simulator.ledger import Ledger, SentSms
from sandbox.msg91_simulator.numbers import Arrival, behaviour_of
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


class Faults:
    """Answers that override all others for the next calls, in order."""

    def __init__(self) -> None:
        self._answers: deque[Answer] = deque()
        self._lock = Lock()

    def add(self, answer: str, times: int = 1) -> None:
        """Raises KeyError for a name that is not in answers.ANSWERS."""
        with self._lock:
            self._answers.extend([ANSWERS[answer]] * times)

    def take(self) -> Answer | None:
        with self._lock:
            return self._answers.popleft() if self._answers else None

    def clear(self) -> None:
        with self._lock:
            self._answers.clear()


class Simulator:
    def __init__(self, authkey: str) -> None:
        self.ledger = Ledger()
        self.faults = Faults()
        self.postman = Postman()
        self.webhook: Webhook | None = None
        """None: no reports."""
        self.interceptor: Interceptor | None = None
        self._authkey = authkey

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

    def reset(self) -> None:
        self.ledger.clear()
        self.faults.clear()
        self.postman.clear()

    def _send(self, call: Call, answer: Answer) -> Answer:
        if not answer.sends:
            return answer
        request_id = secrets.token_hex(12)
        sent = self.ledger.enter(request_id, call.messages)
        for entry in sent:
            self._schedule_reports(entry)
        if self.interceptor:
            self.interceptor.after(call, sent)
        if not sent:
            return ANSWERS["311"]
        return replace(answer, body=answer.body.replace(REQUEST_ID, request_id))

    def _schedule_reports(self, sent: SentSms) -> None:
        if not (webhook := self.webhook):
            return
        for position, outcome in enumerate(behaviour_of(sent.sms.number).reports):
            delay = webhook.delay + position * PAUSE + (LATE_DELAY if outcome.arrival is Arrival.LATE else 0)
            at = datetime.now(UTC) + timedelta(seconds=delay - outcome.dated_back)
            if posting := WRITERS[webhook.version](sent, outcome, at):
                self.postman.post_in(delay, webhook.url, posting)


def _answer_to(messages: Sequence[Sms]) -> Answer:
    """Return the answer. An error of one number applies to the whole call, and nothing is sent."""
    names = [behaviour_of(sms.number).answer for sms in messages]
    answers = [ANSWERS[name] for name in names if name != "success"]
    return min(answers, key=lambda answer: answer.sends, default=SUCCESS)
