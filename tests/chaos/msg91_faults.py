"""Faults of MSG91, and kills of the functions while it works."""

import itertools
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from threading import Lock
from typing import Final

from sandbox.msg91_simulator.answers import ANSWERS, SUCCESS, Answer, Ending
from sandbox.msg91_simulator.ledger import SentSms
from sandbox.msg91_simulator.simulator import Call
from tests.chaos.allowed_unknowns import AllowedUnknowns
from tests.chaos.seeded_random import FaultPlan, Tally, seeded
from tests.chaos.segment import SEGMENT_TIMEOUT
from tests.chaos.world import World

UNREAD: Final = "msg91: reset before reading the request"
UNREAD_EVERY: Final = 40
DROPPED: Final = "msg91: accepted and dropped"
_ACCEPTED: Final = ""
_OTHERS: Final = Counter({_ACCEPTED: 9, DROPPED: 1})
"""What becomes of the calls that do not fail."""

_SLOW: Final = replace(SUCCESS, delay=SEGMENT_TIMEOUT + 1)  # within the ten seconds that the function gives MSG91
_UNANSWERED: Final = Answer(ending=Ending.RESET)
_UNANSWERED_BUT_SENT: Final = replace(_UNANSWERED, sends=True)

_KILL_UNSENT: Final = "kill ingest: while MSG91 works, nothing sent"
_KILL_SENT: Final = "kill ingest: while MSG91 works, sent"
_ANSWERS: Final = (
    *("202", "999", "301", "418-401", "403", "400", "001", "429", "500", "503", "502-sent", "504"),
    *("reset", "reset-sent", "html", "empty", "cut-off", "silent"),
)
_MSG91_FAULTS: Final[Mapping[str, Answer]] = {
    **{f"msg91: {name}": ANSWERS[name] for name in _ANSWERS},
    "msg91: success after Segment's timeout": _SLOW,
    _KILL_UNSENT: _UNANSWERED,
    _KILL_SENT: _UNANSWERED_BUT_SENT,
}


class Msg91Faults:
    """Makes the share `rate` of calls to MSG91 fail."""

    def __init__(self, world: World, seed: str, rate: float, tally: Tally, allowed_unknowns: AllowedUnknowns) -> None:
        self._world = world
        self._rate = rate
        self._tally = tally
        self._allowed_unknowns = allowed_unknowns
        self._random = seeded(seed, "msg91")
        self._plan = FaultPlan(Counter(list(_MSG91_FAULTS)), seeded(seed, "msg91's faults"))
        self._others = FaultPlan(_OTHERS, seeded(seed, "accepted and dropped"))
        self._arrivals = itertools.count(1)
        self._to_kill: set[str] = set()
        self._lock = Lock()
        self.is_active = True
        self.on_sent: Callable[[Sequence[SentSms]], None] = lambda _: None
        """Called when SMS have been sent, before the answer to the call."""

    @property
    def planned(self) -> set[str]:
        return {*_MSG91_FAULTS, UNREAD, DROPPED}

    def resets_unread(self, caller: str) -> bool:
        if not self.is_active or next(self._arrivals) % UNREAD_EVERY:
            return False
        self._tally.add(UNREAD)
        self._allowed_unknowns.allow_claims_of(caller)
        return True

    def before(self, call: Call) -> Answer | None:
        self._tally.add("calls to MSG91")
        with self._lock:
            name = self._plan.next_fault() if self.is_active and self._random.random() < self._rate else None
        if name is None and self.is_active and self._others.next_fault() == DROPPED:
            self._tally.add(DROPPED)
            return ANSWERS["dropped"]
        if name is None:
            return None
        self._tally.add(name)
        self._tally.add("calls to MSG91 that failed")
        self._allowed_unknowns.allow(sms.crqid for sms in call.messages)
        if name in (_KILL_UNSENT, _KILL_SENT):
            self._allowed_unknowns.allow_claims_of(call.caller)
        if name == _KILL_UNSENT:
            self._world.kill(call.caller)
        elif name == _KILL_SENT:
            self._to_kill.add(call.caller)
        return _MSG91_FAULTS[name]

    def after(self, call: Call, sent: Sequence[SentSms]) -> None:
        if call.caller in self._to_kill:
            self._to_kill.discard(call.caller)
            self._world.kill(call.caller)
        self.on_sent(sent)
