"""One fault at one call, for tests of a single failure."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from threading import Lock

from sandbox.interception import PASS, Call, Verdict
from sandbox.msg91_simulator.answers import Answer
from sandbox.msg91_simulator.ledger import SentSms
from sandbox.msg91_simulator.simulator import Call as Msg91Call
from tests.chaos.aws_faults import Site, site_of


@dataclass(slots=True)
class AtAws:
    """Gives a verdict on `times` calls of one kind, after letting `passing` of them through."""

    site: Site
    verdict: Verdict
    passing: int = 0
    times: int = 1
    injected: int = 0
    _lock: Lock = field(default_factory=Lock)

    def before(self, call: Call) -> Verdict:
        with self._lock:
            if site_of(call) is not self.site or self.injected == self.times:
                return PASS
            if self.passing:
                self.passing -= 1
                return PASS
            self.injected += 1
            return self.verdict

    def after(self, call: Call) -> None:
        """Do nothing: the verdict says what happens after a call."""


@dataclass(slots=True)
class AtMsg91:
    """Answers the next call with `answer`. The callbacks run for every call, before and after its SMS are sent."""

    answer: Answer | None = None
    before_sending: Callable[[str], object] = lambda _: None
    after_sending: Callable[[str, Sequence[SentSms]], object] = lambda _, __: None
    is_unread: bool = False
    callers: list[str] = field(default_factory=list)

    def resets_unread(self, caller: str) -> bool:
        self.callers.append(caller)
        is_unread, self.is_unread = self.is_unread, False
        return is_unread

    def before(self, call: Msg91Call) -> Answer | None:
        self.before_sending(call.caller)
        answer, self.answer = self.answer, None
        return answer

    def after(self, call: Msg91Call, sent: Sequence[SentSms]) -> None:
        self.after_sending(call.caller, sent)
