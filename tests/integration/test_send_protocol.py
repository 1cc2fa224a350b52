"""The send protocol as a state machine, compared with a model that shares no code with it.

The model is design.md's two tables: what a claim finds, and the outcomes of a call. The
ledger of the fake MSG91 says how often an SMS was sent.
"""

import os
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from datetime import timedelta
from itertools import chain, repeat
from typing import TYPE_CHECKING, Any, Final

import httpx
import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule, run_state_machine_as_test

from segment_msg91.msg91.codes import DeliveryStatus
from segment_msg91.settings import IngestSettings
from segment_msg91.store.messages import Messages, StatusUpdate
from segment_msg91.use_cases.segment_ingest import Result, Sender, summary

if TYPE_CHECKING:
    from datetime import datetime

    from segment_msg91.msg91.client import Msg91
    from tests.fakes.aws import Aws
    from tests.fakes.clock import Clock
    from tests.fakes.dynamodb import UnreliableDynamoDb
    from tests.fakes.events import Track
    from tests.fakes.msg91 import FakeMsg91

type EventResult = tuple[str, int]  # the status and the HTTP status of an event

RUNS: Final = settings(
    max_examples=int(os.environ.get("FUZZ_EXAMPLES", "25")), stateful_step_count=10, deadline=None, print_blob=True
)
RETENTION: Final = timedelta(days=400)
TIMEOUT: Final = timedelta(seconds=29)
LEASE: Final = timedelta(seconds=40)
HOUR: Final = timedelta(hours=1)
NUMBERS: Final = ("919800000001", "919800000002")
PAUSES: Final = {
    "a moment": timedelta(seconds=5),
    "longer than a lease": timedelta(minutes=1),
    "longer than ResendUnknownAfterMinutes": timedelta(minutes=62),
    "a month": timedelta(days=31),
}
REPORTS: Final = {
    "submitted": StatusUpdate(DeliveryStatus.PENDING, None, "Submitted", None, "2026-01-02T03:04:09Z", "digest"),
    "delivered": StatusUpdate(DeliveryStatus.DELIVERED, "1", "DELIVERED", None, "2026-01-02T03:04:10Z", "digest"),
}


class KilledError(BaseException):
    """Lambda kills the function: nothing after this runs."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """The outcome of a call to MSG91: what must be stored and answered, and whether an SMS was sent."""

    prepare: Callable[["FakeMsg91"], None]
    state: str
    status: str
    http_status: int = 200
    rings: bool = False
    kills: bool = False


def _breaks_off(error: BaseException, *, sends: bool = False) -> Callable[["FakeMsg91"], None]:
    return lambda msg91: msg91.breaks_off(error, sends=sends)


def _refuses(code: str) -> Callable[["FakeMsg91"], None]:
    return lambda msg91: msg91.refuses(code)


SUCCESS: Final = "success"
OUTCOMES: Final = {
    SUCCESS: Outcome(lambda _: None, "accepted", "accepted", rings=True),
    "311 the same text within ten seconds": Outcome(_refuses("311"), "accepted", "accepted"),
    "203 invalid sender id": Outcome(_refuses("203"), "rejected", "rejected", 400),
    "301 insufficient balance": Outcome(_refuses("301"), "held", "held", 503),
    "601 internal error": Outcome(_refuses("601"), "retryable", "retry", 503),
    "HTTP 429": Outcome(lambda msg91: msg91.answers("", 429), "retryable", "retry", 429),
    "refused connection": Outcome(_breaks_off(httpx.ConnectError("refused")), "retryable", "retry", 503),
    "silence": Outcome(_breaks_off(httpx.ReadTimeout("silent")), "unknown", "unknown"),
    "silence, yet sent": Outcome(
        _breaks_off(httpx.ReadTimeout("silent"), sends=True), "unknown", "unknown", rings=True
    ),
    "no success, no error": Outcome(
        lambda msg91: msg91.answers("<html>", sends=True), "unknown", "unknown", rings=True
    ),
    "killed": Outcome(_breaks_off(KilledError()), "sending", "", kills=True),
    "killed, yet sent": Outcome(_breaks_off(KilledError(), sends=True), "sending", "", rings=True, kills=True),
}

PASSES: Final = "passes"
REFUSES: Final = "refuses"
LOSES: Final = "loses_answer"
REPEATS: Final = "repeats"
FAULTS: Final = {
    "none": (),
    "claim repeated by the SDK": (REPEATS,),
    "claim refused": (REFUSES,),
    "claim's answer lost": (LOSES,),
    "claim's answer lost for good": (LOSES, REFUSES),
    "settle repeated by the SDK": (PASSES, REPEATS),
    "settle refused once": (PASSES, REFUSES),
    "settle's answer lost": (PASSES, LOSES),
    "settle refused": (PASSES, REFUSES, REFUSES),
}
"""Faults of DynamoDB in the writes of a delivery, in sequence."""
AGAIN: Final = "delivered again"
DURING_CALL: Final = (
    (AGAIN,),
    ("longer than a lease", AGAIN),
    ("longer than ResendUnknownAfterMinutes", AGAIN),
    ("a month", AGAIN, "a moment", AGAIN),
    ("submitted",),
    ("delivered", AGAIN),
    ("submitted", "a month", AGAIN),
)
"""What happens while MSG91 works on a request."""


class Model:
    """The model of one message, from design.md."""

    def __init__(self, resend_after: timedelta | None) -> None:
        self._resend_after = resend_after
        self._lease_until: datetime | None = None
        self.state: str | None = None
        self.attempts = 0
        self.rung = 0
        self.is_reported = False

    def claim(self, now: "datetime", writes: Iterator[str]) -> int | EventResult:
        """Return the claim's number, or the event's result if nothing may be sent."""
        exception, may_send = next(writes), self._may_send(now)
        if exception == REFUSES or (exception == LOSES and may_send):
            if exception == LOSES:
                self._take(now)
            is_abandoned = next(writes) != REFUSES
            if exception == LOSES and is_abandoned:
                self.state = "retryable"
            return "retry", 503
        if may_send:
            return self._take(now)
        if self.is_reported or self.state in ("accepted", "rejected"):
            return "duplicate", 200
        if self.state == "sending" and not self._is_lease_over(now):
            return "in_flight", 503
        if self.state == "sending":
            exception = next(writes)
            self.state = "sending" if exception == REFUSES else "unknown"
            if exception in (REFUSES, LOSES):
                return "retry", 503
        return self._in_doubt()

    def settle(self, claim: int, ends: Outcome, writes: Iterator[str]) -> EventResult | None:
        """Return the event's result for the outcome of a call; None if the function was killed."""
        self.rung += ends.rings
        if ends.kills:
            return None
        is_written = any(next(writes) != REFUSES for _ in range(2))
        if is_written and claim == self.attempts:  # otherwise another has claimed it since
            self.state = ends.state
        return self._in_doubt() if ends.state == "unknown" else (ends.status, ends.http_status)

    def _take(self, now: "datetime") -> int:
        self.state, self._lease_until = "sending", now + LEASE
        self.attempts += 1
        return self.attempts

    def _may_send(self, now: "datetime") -> bool:
        if self.state is None:
            return True
        is_resent = self._resend_after is not None and self._is_lease_over(now - self._resend_after)
        return not self.is_reported and (
            self.state in ("held", "retryable") or (is_resent and self.state in ("sending", "unknown"))
        )

    def _is_lease_over(self, now: "datetime") -> bool:
        return self._lease_until is not None and now >= self._lease_until

    def _in_doubt(self) -> EventResult:
        return "unknown", 503 if self._resend_after else 200


@dataclass(frozen=True, slots=True)
class World:
    """What the state machine runs on."""

    track: "Track"
    messages: Messages
    aws: "Aws"
    clock: "Clock"
    msg91: "FakeMsg91"
    client: "Msg91"
    dynamodb: "UnreliableDynamoDb"
    statuses: set[str] = field(default_factory=set)
    """The statuses seen in all runs: if all were refusals, the test would prove nothing."""


ANY_NUMBER: Final = st.sampled_from(NUMBERS)
ANY_OUTCOME: Final = st.sampled_from(sorted(OUTCOMES))


class SendProtocol(RuleBasedStateMachine):
    """Two messages, delivered alone or in a batch, through everything that can happen to them."""

    def __init__(self, world: World, resend_after: timedelta | None) -> None:
        super().__init__()
        self._world = world
        self._resend_after = resend_after
        self._models = {number: Model(resend_after) for number in NUMBERS}
        self._events = {number: world.track(number, f"message of {number}") for number in NUMBERS}
        for message in world.aws.messages():
            world.aws.dynamodb.delete_item(TableName="MessagesTable", Key={"crqid": {"S": message["crqid"]}})
        world.msg91.sent.clear()

    @rule(number=ANY_NUMBER, outcome=ANY_OUTCOME, exception=st.sampled_from(sorted(FAULTS)))
    def deliver(self, number: str, outcome: str, exception: str) -> None:
        for happens in FAULTS[exception]:
            getattr(self._world.dynamodb, happens)("update_item")
        self._deliver(number, OUTCOMES[outcome], chain(FAULTS[exception], repeat(PASSES)))

    @rule(number=ANY_NUMBER, outcome=ANY_OUTCOME, during_call=st.sampled_from(DURING_CALL))
    def deliver_while_more_happens(self, number: str, outcome: str, during_call: tuple[str, ...]) -> None:
        def happen() -> None:
            for action in during_call:
                if action == AGAIN:
                    self._deliver(number, OUTCOMES[SUCCESS])
                elif action in REPORTS:
                    self.report(number, action)
                else:
                    self.wait(action)

        self._world.msg91.during_call = happen
        self._deliver(number, OUTCOMES[outcome])

    @rule(outcome=ANY_OUTCOME)
    def deliver_both_in_a_batch(self, outcome: str) -> None:
        ends, now = OUTCOMES[outcome], self._world.clock()
        claims = {number: model.claim(now, repeat(PASSES)) for number, model in self._models.items()}
        results = self._send(ends, *self._events.values())
        expected = [
            self._models[number].settle(claim, ends, repeat(PASSES)) if isinstance(claim, int) else claim
            for number, claim in claims.items()
        ]
        if None in expected:
            assert results is None
        else:
            assert results is not None
            assert [_event_result(result) for result in results] == expected
            is_final = all(result and result[1] not in (429, 503) for result in expected)
            assert summary(results, is_batch=True)[0] == (200 if is_final else 503)

    @rule(number=ANY_NUMBER, report=st.sampled_from(sorted(REPORTS)))
    def report(self, number: str, report: str) -> None:
        for message in self._world.aws.messages():
            if message["phone"] == number:
                self._world.messages.apply(message["crqid"], number, REPORTS[report])
                self._models[number].is_reported = True

    @rule(pause=st.sampled_from(sorted(PAUSES)))
    def wait(self, pause: str) -> None:
        self._world.clock.now += PAUSES[pause]

    @invariant()
    def what_is_stored_and_sent_is_as_the_model_has_it(self) -> None:
        stored = {message["phone"]: message for message in self._world.aws.messages()}
        ledger = Counter(sms.number for sms in self._world.msg91.sent)
        for number, model in self._models.items():
            message = stored.get(number, {})
            assert message.get("send_state") == model.state
            assert message.get("attempts", 0) == model.attempts
            assert ledger[number] == model.rung
            assert ledger[number] <= 1 or self._resend_after

    def _deliver(self, number: str, ends: Outcome, writes: Iterator[str] = repeat(PASSES)) -> None:  # noqa: B008 - endless
        """Deliver a single event, and compare its result with the model."""
        model = self._models[number]
        claim = model.claim(self._world.clock(), writes)
        results = self._send(ends, self._events[number])
        expected = model.settle(claim, ends, writes) if isinstance(claim, int) else claim
        if expected is None:
            assert results is None
        else:
            assert results is not None
            assert [_event_result(result) for result in results] == [expected]
            assert summary(results, is_batch=False)[0] == expected[1]

    def _send(self, ends: Outcome, *events: Any) -> list[Result] | None:  # noqa: ANN401 - an event's JSON
        """Deliver events in a new environment, without pending writes or cached state; None if it was killed."""
        world = self._world
        for _ in range(1 if len(events) == 1 else 1 + len(events)):  # a refused call is split into single ones
            ends.prepare(world.msg91)
        configured = replace(IngestSettings.load(), resend_unknown_after=self._resend_after)
        messages = Messages(world.dynamodb.client, "MessagesTable", configured.retention)
        sender = Sender(configured, messages, world.client, world.clock)
        try:
            results = sender.send(events, "authkey", world.clock() + TIMEOUT)
        except KilledError:
            return None
        finally:
            world.msg91.forgets_answers()
            world.msg91.during_call = None
            world.dynamodb.recovers()
        world.statuses.update(str(result.status) for result in results)
        return results


def _event_result(result: Result) -> EventResult:
    return str(result.status), result.http_status


@pytest.fixture
def world(
    track: "Track", messages: Messages, aws: "Aws", clock: "Clock", msg91: "FakeMsg91", dynamodb: "UnreliableDynamoDb"
) -> World:
    return World(track, messages, aws, clock, msg91, msg91.client(), dynamodb)


@pytest.mark.parametrize("resend_after", [None, HOUR], ids=["unknown is final", "unknown is sent again"])
def test_the_send_protocol_is_its_models(resend_after: timedelta | None, world: World) -> None:
    class ThisProtocol(SendProtocol):
        def __init__(self) -> None:
            super().__init__(world, resend_after)

    run_state_machine_as_test(ThisProtocol, settings=RUNS)
    assert world.statuses >= {"accepted", "duplicate", "unknown"}
