"""Faults of AWS calls, and the call sites of the functions."""

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Final

from sandbox.aws import Aws
from sandbox.interception import (
    LOSE_ANSWER,
    LOSE_REQUEST,
    PASS,
    Answer,
    Call,
    Delay,
    Execute,
    Partial,
    Refuse,
    Verdict,
)

READ_TIMEOUT: Final = 0.2
"""Seconds that the functions wait for AWS in these tests."""
_TOO_LATE: Final = Delay(3 * READ_TIMEOUT)
_ALWAYS: Final = 1000


@dataclass(frozen=True, slots=True)
class Site:
    """A call site of a function: its operation and resource, and a text that only its requests contain."""

    function: str
    operation: str
    resource: str
    mark: bytes = b""

    def makes(self, call: Call) -> bool:
        made_by = (call.caller, call.operation, call.resource) == (self.function, self.operation, self.resource)
        return made_by and self.mark in call.body


@dataclass(frozen=True, slots=True)
class Fault:
    """A fault of the first `times` calls of a site; each retry of the SDK is another call."""

    verdict: Verdict
    times: int


class Conflict:
    """Cancels a transaction because of another write to its first item."""

    def answer(self, call: Call, execute: Execute) -> Answer:
        others = json.loads(call.body)["TransactItems"][1:]
        reasons = [{"Code": "TransactionConflict"}, *({"Code": "None"} for _ in others)]
        refusal = Refuse(400, "TransactionCanceledException", {"CancellationReasons": reasons})
        return refusal.answer(call, execute)


_VERDICTS: Final[Mapping[str, Verdict]] = {
    "throttled": Refuse(400, "ThrottlingException"),
    "internal error": Refuse(500, "InternalServerError"),
    "in conflict": Refuse(400, "TransactionConflictException"),
    "request lost": LOSE_REQUEST,
    "answer lost": LOSE_ANSWER,
    "answered too late": _TOO_LATE,
}
_REPEATED: Final = ("throttled", "in conflict", "answer lost")
"""One of each effect on a call that the SDK or the store repeats: refused, refused for a transaction, done."""
LASTING: Final[Mapping[str, Fault]] = {f"{name} always": Fault(verdict, _ALWAYS) for name, verdict in _VERDICTS.items()}
FAULTS: Final[Mapping[str, Fault]] = {
    **{f"{name} once": Fault(_VERDICTS[name], 1) for name in _REPEATED},
    **LASTING,
}
CONFLICTS: Final[Mapping[str, Fault]] = {
    "conflict once": Fault(Conflict(), 1),
    "conflict always": Fault(Conflict(), _ALWAYS),
}
PARTIAL: Final[Mapping[str, Fault]] = {
    "nothing read": Fault(Partial(0), _ALWAYS),
    "one read": Fault(Partial(1), _ALWAYS),
}
REFUSED: Final = Fault(_VERDICTS["throttled"], _ALWAYS)
LOST: Final = Fault(LOSE_ANSWER, _ALWAYS)


@dataclass(slots=True)
class Injector:
    """Injects the planned faults."""

    plan: Mapping[Site, Fault]
    injected: dict[Site, int] = field(default_factory=dict)

    def before(self, call: Call) -> Verdict:
        for site, fault in self.plan.items():
            times = self.injected.get(site, 0)
            if site.makes(call) and times < fault.times:
                self.injected[site] = times + 1
                return fault.verdict
        return PASS

    def after(self, call: Call) -> None:
        """Do nothing: all faults here come before the answer."""


@contextmanager
def injected(aws: Aws, plan: Mapping[Site, Fault]) -> Iterator[None]:
    """Inject faults within the block; fail if a planned site was never called."""
    injector = Injector(plan)
    aws.interceptor = injector
    try:
        yield
    finally:
        aws.interceptor = None
    assert set(injector.injected) == set(plan), "a fault that was planned was never met"
