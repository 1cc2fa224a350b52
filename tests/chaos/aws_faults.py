"""Faults in the functions' calls to AWS: errors, lost requests and answers, delays, outages, kills."""

import json
import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from threading import Lock
from typing import TYPE_CHECKING, Final

from sandbox.interception import LOSE_ANSWER, LOSE_REQUEST, PASS, Answer, Call, Delay, Execute, Partial, Refuse, Verdict
from tests.chaos.allowed_unknowns import AllowedUnknowns
from tests.chaos.seeded_random import FaultPlan, Tally, seeded
from tests.chaos.world import (
    INGEST,
    MESSAGES_TABLE,
    RECIPIENTS_TABLE,
    RECONCILIATION,
    REPORTS,
    REPORTS_TABLE,
    World,
)

if TYPE_CHECKING:
    from tests.chaos.run import Plan

OUTAGE: Final = "aws: outage"
OUTAGE_CALLS: Final = 4
"""Consecutive calls that fail: more than the SDK's three attempts."""
SANDBOX_CALLER: Final = "sandbox"
"""The caller that is not a function: the invariants and the poller."""
_RECONCILIATION_RATE: Final = 0.5
"""Of the others' rate, for few messages: one run has hundreds of calls."""
_FEW_EVENTS: Final = 500
_CRQID: Final = re.compile(r'"crqid": ?\{"S": ?"(\w+)"')


class Site(StrEnum):
    """What a call to AWS is for."""

    SECRET = "secret"
    LOOK = "look"
    CLAIM = "claim"
    GUARD = "guard"
    """Whether it may be sent: read or counted."""
    SETTLE = "settle"
    APPLY = "apply"
    FIND = "find"
    RECORD = "record"
    MATCH = "match"
    QUEUE = "queue"
    POSITION = "position"
    """Where reading the logs stopped: read or dropped."""


def site_of(call: Call) -> Site | None:
    match call.service, call.operation, call.resource:
        case "secretsmanager", _, _:
            return Site.SECRET
        case "sqs", "SendMessage", _:
            return Site.QUEUE
        case "dynamodb", _, resource if resource == RECIPIENTS_TABLE:
            return Site.GUARD
        case "dynamodb", "BatchGetItem", _:
            return Site.LOOK
        case "dynamodb", "Query", _:
            return Site.FIND
        case "dynamodb", "PutItem", _:
            return Site.RECORD
        case "dynamodb", "GetItem" | "DeleteItem", resource if resource == REPORTS_TABLE:
            return Site.POSITION
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

    def answer(self, call: Call, execute: Execute) -> Answer:
        if self.executed:
            execute(call.body)
        self.world.kill(call.caller)
        raise ConnectionAbortedError


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

    def answer(self, call: Call, execute: Execute) -> Answer:
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
"""Each fault with its number of copies in the plan."""


def _on_ingest(world: World, per_kill: int) -> dict[AwsFault, int]:
    before, after = Kill(world, executed=False), Kill(world, executed=True)
    claim, guard, settle = frozenset({Site.CLAIM}), frozenset({Site.GUARD}), frozenset({Site.SETTLE})
    faults = {
        **_ANYWHERE,
        AwsFault("aws: claim's answer lost", LOSE_ANSWER, claim): 2,
        AwsFault("aws: guard's answer lost", LOSE_ANSWER, guard): 2,
        AwsFault("aws: settle's answer lost", LOSE_ANSWER, settle): 2,
        AwsFault("aws: transaction conflict", _Conflict(), claim | guard | settle, "TransactWriteItems"): 2,
        AwsFault("aws: partial batch", Partial(3), guard | {Site.LOOK}, "BatchGetItem"): 2,
        AwsFault(f"{OUTAGE} for ingest", _THROTTLED): 2,
    }
    return {
        **{fault: per_kill * copies for fault, copies in faults.items()},
        AwsFault("kill ingest: before the claim", before, claim): 1,
        AwsFault("kill ingest: between claim and guard", after, claim): 1,
        AwsFault("kill ingest: between guard and send", after, guard): 1,
        AwsFault("kill ingest: after MSG91's answer", before, settle): 1,
        AwsFault("kill ingest: during settle", after, settle): 1,
    }


def _on_reports(world: World, per_kill: int) -> dict[AwsFault, int]:
    before, after = Kill(world, executed=False), Kill(world, executed=True)
    faults = {**_ANYWHERE, AwsFault(f"{OUTAGE} for reports", _THROTTLED, frozenset({Site.APPLY, Site.RECORD})): 1}
    return {
        **{fault: per_kill * copies for fault, copies in faults.items()},
        AwsFault("kill reports: before apply", before, frozenset({Site.APPLY})): 1,
        AwsFault("kill reports: between apply and record", after, frozenset({Site.APPLY})): 1,
        AwsFault("kill reports: after record", after, frozenset({Site.RECORD})): 1,
    }


def _on_reconciliation(world: World) -> dict[AwsFault, int]:
    before, after = Kill(world, executed=False), Kill(world, executed=True)
    return {
        **{fault: 1 for fault in _ANYWHERE if fault.verdict is not _TOO_SLOW},  # its two runs would only wait
        AwsFault(f"{OUTAGE} for reconciliation", _THROTTLED): 1,
        AwsFault("kill reconciliation: while it looks for messages", before, frozenset({Site.FIND, Site.LOOK})): 1,
        AwsFault("kill reconciliation: before it writes to a message", before, frozenset({Site.APPLY})): 1,
        AwsFault("kill reconciliation: after it has written to a message", after, frozenset({Site.APPLY})): 1,
    }


class AwsFaults:
    """Makes a share of the functions' calls to AWS fail."""

    def __init__(self, world: World, plan: "Plan", tally: Tally, allowed_unknowns: AllowedUnknowns) -> None:
        # The more messages, the more calls has one reconciliation; it must reach the last of them at times.
        share = _RECONCILIATION_RATE * min(1, _FEW_EVENTS / plan.events)
        seed, rate, per_kill = plan.seed, plan.aws_rate, plan.per_kill
        self._rates = {INGEST: rate, REPORTS: rate, RECONCILIATION: rate * share}
        self._tally = tally
        self._allowed_unknowns = allowed_unknowns
        self._random = seeded(seed, "aws")
        self._plans = {
            INGEST: FaultPlan(_on_ingest(world, per_kill), seeded(seed, "aws of ingest")),
            REPORTS: FaultPlan(_on_reports(world, per_kill), seeded(seed, "aws of reports")),
            RECONCILIATION: FaultPlan(_on_reconciliation(world), seeded(seed, "aws of reconciliation")),
        }
        self._outages: Counter[str] = Counter()
        self._lock = Lock()

    @property
    def planned(self) -> set[str]:
        return {fault.name for plan in self._plans.values() for fault in plan.faults}

    def before(self, call: Call) -> Verdict:
        site = site_of(call)
        if site is None or call.caller == SANDBOX_CALLER:
            return PASS
        self._tally.add("calls to AWS")
        crqids = _CRQID.findall(call.body.decode())
        if site is Site.CLAIM:
            self._allowed_unknowns.record_claim(call.caller, crqids)
        with self._lock:
            verdict = self._verdict(site, call)
        if verdict is not PASS:
            self._tally.add("calls to AWS that failed")
            self._allowed_unknowns.allow(crqids)
            if isinstance(verdict, Kill):
                self._allowed_unknowns.allow_claims_of(call.caller)
        return verdict

    def after(self, call: Call) -> None:
        pass

    def _verdict(self, site: Site, call: Call) -> Verdict:
        if self._outages[call.caller]:
            self._outages[call.caller] -= 1
            return _THROTTLED
        function = call.caller.rpartition("-")[0]
        if function not in self._plans or self._random.random() >= self._rates[function]:
            return PASS
        fault = self._plans[function].next_fault(lambda fault: fault.fits(site, call))
        if fault is None:
            return PASS
        self._tally.add(fault.name)
        if fault.name.startswith(OUTAGE):
            self._outages[call.caller] = OUTAGE_CALLS - 1
        return fault.verdict
