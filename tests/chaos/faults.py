"""What is done to the functions: at each of their calls to AWS and MSG91, and between their events."""

import itertools
import json
import re
import time
from collections import Counter, defaultdict, deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from threading import Lock
from typing import Final

from sandbox.interception import LOSE_ANSWER, LOSE_REQUEST, PASS, Call, Delay, Execute, Partial, Refuse, Verdict
from sandbox.interception import Answer as AwsAnswer
from sandbox.msg91_simulator.answers import ANSWERS, SUCCESS, Answer, Ending
from sandbox.msg91_simulator.ledger import SentSms
from sandbox.msg91_simulator.server import Farewell
from sandbox.msg91_simulator.simulator import Call as Msg91Call
from tests.chaos.chance import Deck, Tally, dice
from tests.chaos.environments import Environment
from tests.chaos.segment import HANGS_UP_AFTER
from tests.chaos.world import INGEST, MESSAGES_TABLE, REPORTS_TABLE, World

OUTAGE: Final = "aws: outage"
OUTAGE_CALLS: Final = 4
"""In a row: more than the SDK's three attempts."""
UNREAD: Final = "msg91: reset before reading the request"
ONE_UNREAD_IN: Final = 40
SHORTEST_FREEZE: Final = 1.2
"""Seconds. A connection that died within the last second is not told from a living one; Lambda thaws no sooner."""
_LONGEST_EVENT: Final = 30.0
"""Seconds that an event can occupy a function: its timeout, and one more."""
_BETWEEN_FREEZES: Final = 2.0
BYSTANDER: Final = "sandbox"
"""The caller that is no function: the judge and the poller."""
_CRQID: Final = re.compile(r'"crqid": ?\{"S": ?"(\w+)"')


class Site(StrEnum):
    """What a call to AWS is for."""

    SECRET = "secret"
    LOOK = "look"
    CLAIM = "claim"
    SETTLE = "settle"
    APPLY = "apply"
    FIND = "find"
    RECORD = "record"
    MATCH = "match"
    QUEUE = "queue"


def site_of(call: Call) -> Site | None:
    match call.service, call.operation, call.resource:
        case "secretsmanager", _, _:
            return Site.SECRET
        case "sqs", "SendMessage", _:
            return Site.QUEUE
        case "dynamodb", "BatchGetItem", _:
            return Site.LOOK
        case "dynamodb", "Query", _:
            return Site.FIND
        case "dynamodb", "PutItem", _:
            return Site.RECORD
        case "dynamodb", "UpdateItem", resource if resource == REPORTS_TABLE:
            return Site.MATCH
        case "dynamodb", "UpdateItem" | "TransactWriteItems", resource if resource == MESSAGES_TABLE:
            return _write_to_messages(call)
        case _:
            return None


def _write_to_messages(call: Call) -> Site:
    if not call.caller.startswith(INGEST):
        return Site.APPLY
    return Site.CLAIM if b":set_claim_id" in call.body else Site.SETTLE


@dataclass(frozen=True, slots=True)
class Kill:
    """Kills the caller, before its call is executed or right after."""

    world: World
    executed: bool

    def answer(self, call: Call, execute: Execute) -> AwsAnswer:
        if self.executed:
            execute(call.body)
        kill(self.world, call.caller)
        raise ConnectionAbortedError


def kill(world: World, name: str) -> None:
    if environment := world.environment(name):
        environment.kill()


@dataclass(frozen=True, slots=True, eq=False)
class AwsFault:
    name: str
    verdict: Verdict
    sites: frozenset[Site] = frozenset(Site)
    operation: str = ""
    """Empty: any."""

    def fits(self, site: Site, call: Call) -> bool:
        return site in self.sites and self.operation in ("", call.operation)


class _Conflict:
    """Another write to a transaction's first item cancels it."""

    def answer(self, call: Call, execute: Execute) -> AwsAnswer:
        others = json.loads(call.body)["TransactItems"][1:]
        reasons = [{"Code": "TransactionConflict"}, *({"Code": "None"} for _ in others)]
        return Refuse(400, "TransactionCanceledException", {"CancellationReasons": reasons}).answer(call, execute)


_THROTTLED: Final = Refuse(400, "ThrottlingException")
_TOO_SLOW: Final = Delay(2.5)  # the functions give AWS two seconds

_ANYWHERE: Final[Mapping[AwsFault, int]] = {
    AwsFault("aws: request lost", LOSE_REQUEST): 4,
    AwsFault("aws: answer lost", LOSE_ANSWER): 6,
    AwsFault("aws: throttled", _THROTTLED): 4,
    AwsFault("aws: internal error", Refuse(500, "InternalServerError")): 4,
    AwsFault("aws: unavailable", Refuse(503, "ServiceUnavailable")): 2,
    AwsFault("aws: answer too late", _TOO_SLOW): 1,
}
"""Each with how often it is in the deck."""


def _on_ingest(world: World) -> dict[AwsFault, int]:
    before, after = Kill(world, executed=False), Kill(world, executed=True)
    claim, settle = frozenset({Site.CLAIM}), frozenset({Site.SETTLE})
    return {
        **_ANYWHERE,
        AwsFault("kill ingest: before the claim", before, claim): 1,
        AwsFault("kill ingest: between claim and send", after, claim): 1,
        AwsFault("kill ingest: after MSG91's answer", before, settle): 1,
        AwsFault("kill ingest: during settle", after, settle): 1,
        AwsFault("aws: claim's answer lost", LOSE_ANSWER, claim): 2,
        AwsFault("aws: settle's answer lost", LOSE_ANSWER, settle): 2,
        AwsFault("aws: transaction conflict", _Conflict(), claim | settle, "TransactWriteItems"): 2,
        AwsFault("aws: partial batch", Partial(3), frozenset({Site.LOOK})): 2,
        AwsFault(f"{OUTAGE} for ingest", _THROTTLED): 2,
    }


def _on_reports(world: World) -> dict[AwsFault, int]:
    before, after = Kill(world, executed=False), Kill(world, executed=True)
    return {
        **{fault: 3 * copies for fault, copies in _ANYWHERE.items()},
        AwsFault("kill reports: before apply", before, frozenset({Site.APPLY})): 1,
        AwsFault("kill reports: between apply and record", after, frozenset({Site.APPLY})): 1,
        AwsFault("kill reports: after record", after, frozenset({Site.RECORD})): 1,
        AwsFault(f"{OUTAGE} for reports", _THROTTLED, frozenset({Site.APPLY, Site.RECORD})): 3,
    }


class Excuses:
    """The messages to which something was done, so that their outcome may be unknown. Safe from several threads."""

    def __init__(self) -> None:
        self._excused: set[str] = set()
        self._claims: defaultdict[str, deque[tuple[float, Sequence[str]]]] = defaultdict(deque)
        self._lock = Lock()

    def note_claim(self, caller: str, crqids: Sequence[str]) -> None:
        with self._lock:
            self._claims[caller].append((time.monotonic(), crqids))

    def excuse(self, crqids: Iterable[str]) -> None:
        with self._lock:
            self._excused.update(crqids)

    def excuse_claims_of(self, caller: str) -> None:
        """For a caller that was killed, or not listened to: what it was about is what it had claimed."""
        with self._lock:
            claims = self._claims[caller]
            while claims and time.monotonic() - claims[0][0] > _LONGEST_EVENT:
                claims.popleft()
            for _, crqids in claims:
                self._excused.update(crqids)

    def __contains__(self, crqid: object) -> bool:
        with self._lock:
            return crqid in self._excused


class AwsFaults:
    """Makes calls of the functions to AWS fail: of all, the share `rate`."""

    def __init__(self, world: World, seed: str, rate: float, tally: Tally, excuses: Excuses) -> None:
        self._rate = rate
        self._tally = tally
        self._excuses = excuses
        self._random = dice(seed, "aws")
        self._ingest = Deck(_on_ingest(world), dice(seed, "aws of ingest"))
        self._reports = Deck(_on_reports(world), dice(seed, "aws of reports"))
        self._outages: Counter[str] = Counter()
        self._lock = Lock()

    @property
    def planned(self) -> set[str]:
        return {fault.name for deck in (self._ingest, self._reports) for fault in deck.cards}

    def before(self, call: Call) -> Verdict:
        site = site_of(call)
        if site is None or call.caller == BYSTANDER:
            return PASS
        self._tally.add("calls to AWS")
        crqids = _CRQID.findall(call.body.decode())
        if site is Site.CLAIM:
            self._excuses.note_claim(call.caller, crqids)
        with self._lock:
            verdict = self._verdict(site, call)
        if verdict is not PASS:
            self._tally.add("calls to AWS that failed")
            self._excuses.excuse(crqids)
            if isinstance(verdict, Kill):
                self._excuses.excuse_claims_of(call.caller)
        return verdict

    def after(self, call: Call) -> None:
        pass

    def _verdict(self, site: Site, call: Call) -> Verdict:
        if self._outages[call.caller]:
            self._outages[call.caller] -= 1
            return _THROTTLED
        if self._random.random() >= self._rate:
            return PASS
        deck = self._ingest if call.caller.startswith(INGEST) else self._reports
        fault = deck.deal(lambda fault: fault.fits(site, call))
        if fault is None:
            return PASS
        self._tally.add(fault.name)
        if fault.name.startswith(OUTAGE):
            self._outages[call.caller] = OUTAGE_CALLS - 1
        return fault.verdict


_SLOW: Final = replace(SUCCESS, delay=HANGS_UP_AFTER + 1)  # within the ten seconds that the function gives MSG91
_UNANSWERED: Final = Answer(ending=Ending.RESET)
_UNANSWERED_BUT_SENT: Final = replace(_UNANSWERED, sends=True)

_KILL_UNSENT: Final = "kill ingest: while MSG91 works, nothing sent"
_KILL_SENT: Final = "kill ingest: while MSG91 works, sent"
_ANSWERS: Final = (
    *("202", "999", "301", "418-401", "403", "001", "429", "500", "503"),
    *("reset", "reset-sent", "html", "empty", "cut-off", "silent"),
)
_MSG91_FAULTS: Final[Mapping[str, Answer]] = {
    **{f"msg91: {name}": ANSWERS[name] for name in _ANSWERS},
    "msg91: success after Segment hung up": _SLOW,
    _KILL_UNSENT: _UNANSWERED,
    _KILL_SENT: _UNANSWERED_BUT_SENT,
}


class Msg91Faults:
    """Makes MSG91 fail: of all calls to it, the share `rate`."""

    def __init__(self, world: World, seed: str, rate: float, tally: Tally, excuses: Excuses) -> None:
        self._world = world
        self._rate = rate
        self._tally = tally
        self._excuses = excuses
        self._random = dice(seed, "msg91")
        self._deck = Deck(Counter(list(_MSG91_FAULTS)), dice(seed, "msg91's faults"))
        self._arrivals = itertools.count(1)
        self._condemned: set[str] = set()
        self._lock = Lock()
        self.is_active = True
        self.on_sent: Callable[[Sequence[SentSms]], None] = lambda _: None
        """Called when SMS are out, before the answer to the call."""

    @property
    def planned(self) -> set[str]:
        return {*_MSG91_FAULTS, UNREAD}

    def hangs_up(self, caller: str) -> bool:
        if not self.is_active or next(self._arrivals) % ONE_UNREAD_IN:
            return False
        self._tally.add(UNREAD)
        self._excuses.excuse_claims_of(caller)
        return True

    def before(self, call: Msg91Call) -> Answer | None:
        self._tally.add("calls to MSG91")
        with self._lock:
            name = self._deck.deal() if self.is_active and self._random.random() < self._rate else None
        if name is None:
            return None
        self._tally.add(name)
        self._tally.add("calls to MSG91 that failed")
        self._excuses.excuse(sms.crqid for sms in call.messages)
        if name in (_KILL_UNSENT, _KILL_SENT):
            self._excuses.excuse_claims_of(call.caller)
        if name == _KILL_UNSENT:
            kill(self._world, call.caller)
        elif name == _KILL_SENT:
            self._condemned.add(call.caller)
        return _MSG91_FAULTS[name]

    def after(self, call: Msg91Call, sent: Sequence[SentSms]) -> None:
        if call.caller in self._condemned:
            self._condemned.discard(call.caller)
            kill(self._world, call.caller)
        self.on_sent(sent)


class Freezes:
    """Stops environments between events, while MSG91 lets their connections go."""

    def __init__(self, world: World, seed: str, longest: float, tally: Tally) -> None:
        self._fleet = world.fleets[INGEST]
        self._random = dice(seed, "freezes")
        self._deck = Deck(Counter(list(Farewell)), self._random)
        self._longest = longest
        self._tally = tally

    @property
    def planned(self) -> set[str]:
        return {f"freeze: {farewell.value}" for farewell in Farewell}

    def work(self, _thread: int) -> bool:
        with self._fleet.an_idle_one() as environment:
            if not environment or not environment.msg91.is_connected:
                return False
            farewell = self._deck.deal() or Farewell.CLOSED
            freeze(environment, min(self._longest, SHORTEST_FREEZE + self._random.expovariate(1)), farewell)
        self._tally.add(f"freeze: {farewell.value}")
        time.sleep(_BETWEEN_FREEZES)
        return True


def freeze(environment: Environment, seconds: float, farewell: Farewell | None) -> None:
    """Freeze an idle environment for so long; meanwhile its connections end."""
    environment.emulator.freeze()
    if farewell:
        environment.msg91.let_go(farewell)
    time.sleep(seconds)
    environment.emulator.thaw()
