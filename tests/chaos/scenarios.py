"""One fault at one place, for tests that say exactly what happens."""

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
    """Gives a verdict on the calls of one kind, from the first of them on or from a later, and so many times."""

    site: Site
    verdict: Verdict
    passing: int = 0
    times: int = 1
    struck: int = 0
    _lock: Lock = field(default_factory=Lock)

    def before(self, call: Call) -> Verdict:
        with self._lock:
            if site_of(call) is not self.site or self.struck == self.times:
                return PASS
            if self.passing:
                self.passing -= 1
                return PASS
            self.struck += 1
            return self.verdict

    def after(self, call: Call) -> None:
        """What happens after a call is in its verdict."""


@dataclass(slots=True)
class AtMsg91:
    """Answers the next call so. `before` and `after` happen before and after the SMS go out, each time."""

    answer: Answer | None = None
    before_sending: Callable[[str], object] = lambda _: None
    after_sending: Callable[[str, Sequence[SentSms]], object] = lambda _, __: None
    is_unread: bool = False
    callers: list[str] = field(default_factory=list)

    def hangs_up(self, caller: str) -> bool:
        self.callers.append(caller)
        is_unread, self.is_unread = self.is_unread, False
        return is_unread

    def before(self, call: Msg91Call) -> Answer | None:
        self.before_sending(call.caller)
        answer, self.answer = self.answer, None
        return answer

    def after(self, call: Msg91Call, sent: Sequence[SentSms]) -> None:
        self.after_sending(call.caller, sent)
