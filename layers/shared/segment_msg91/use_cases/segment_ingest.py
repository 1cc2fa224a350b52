"""The use case of sending: Segment events become SMS, each at most once, by claim, send and settle."""

from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from itertools import batched
from typing import TYPE_CHECKING, Final

from segment_msg91 import mapping
from segment_msg91.circuit_breaker import CircuitBreaker, FailureKind, OpenReason
from segment_msg91.mapping import Invalid, Origin, Skipped, Sms, Unrecorded
from segment_msg91.msg91 import requests
from segment_msg91.msg91.client import CALL_SECONDS, Msg91, Outcome
from segment_msg91.msg91.codes import IN_DOUBT, SendState, SuppressedBecause
from segment_msg91.msg91.failures import Category
from segment_msg91.outcomes import Counted
from segment_msg91.settings import IngestSettings
from segment_msg91.store.aws import StoreUnavailableError, Value
from segment_msg91.store.messages import Claimed, ClaimRequest, Found, Messages, NotClaimed, Settlement
from segment_msg91.store.search_keys import search_keys
from segment_msg91.suppression import Suppressed, checked
from segment_msg91.times import instant

if TYPE_CHECKING:
    from segment_msg91.guard_rails import GuardRails
    from segment_msg91.recipient import Refusal

# The time that a claim is ours. It is longer than the function's Timeout in template.yaml, so that a lease that has
# ended means that no function is sending the message.
LEASE: Final = timedelta(seconds=40)
# Messages that are claimed, sent and settled together: few enough to limit what a kill leaves in doubt.
CHUNK: Final = 200
# Requests to MSG91 at a time.
_WORKERS: Final = 4
# Before a call to MSG91, time must be left for its answer and for writing that down; before a claim, for the claim too.
_SEND_SECONDS: Final = CALL_SECONDS + 1
_CHUNK_SECONDS: Final = CALL_SECONDS + 3
# Attempts to write an outcome, beyond the SDK's own three.
_SETTLE_ROUNDS: Final = 2


class Status(StrEnum):
    """The status of an event in the answer to Segment."""

    ACCEPTED = "accepted"
    DUPLICATE = "duplicate"
    SKIPPED = "skipped"
    INVALID = "invalid"
    SUPPRESSED = "suppressed"
    REJECTED = "rejected"
    UNKNOWN = "unknown"
    IN_FLIGHT = "in_flight"
    HELD = "held"
    RETRY = "retry"


type Wanted = Sms | Invalid | Suppressed
"""What an event asks for. All but an SMS are only put on record."""
type Mapped = Wanted | Skipped | Unrecorded

_FINAL: Final = frozenset({SendState.ACCEPTED, SendState.REJECTED, SendState.INVALID, SendState.SUPPRESSED})
# MSG91 did not send it.
_UNSENT: Final = frozenset({SendState.REJECTED, SendState.HELD, SendState.RETRYABLE})
_RESULT_OF: Final = {
    SendState.ACCEPTED: Status.ACCEPTED,
    SendState.REJECTED: Status.REJECTED,
    SendState.HELD: Status.HELD,
    SendState.RETRYABLE: Status.RETRY,
    SendState.UNKNOWN: Status.UNKNOWN,
}
# The HTTP status of the answer to a single event. Segment retries 429 and 5xx for four hours.
HTTP_STATUS: Final = {
    Status.ACCEPTED: 200,
    Status.DUPLICATE: 200,
    Status.SKIPPED: 200,
    Status.INVALID: 400,
    Status.SUPPRESSED: 200,
    Status.REJECTED: 400,
    Status.UNKNOWN: 200,
    Status.IN_FLIGHT: 503,
    Status.HELD: 503,
    Status.RETRY: 503,
}


@dataclass(frozen=True, slots=True)
class Result:
    """The outcome of one event."""

    status: Status
    message_id: str | None
    crqid: str | None = None
    request_id: str | None = None
    reason: str | None = field(default=None, repr=False)
    error_code: str | None = None
    retry_with: int | None = None
    failure_category: Category | None = None
    suppressed_because: SuppressedBecause | None = None
    superseded: Counted | None = None
    """Under what its message, or this event, is counted and no message is, or no longer."""
    was_in_doubt: bool = False
    """Whether its message was in doubt before, and is counted as such."""
    is_quote: bool = False
    """Whether `reason` has words of MSG91's or of the event's, which may be private."""

    @property
    def http_status(self) -> int:
        """The HTTP status of the answer to a single event."""
        return self.retry_with or HTTP_STATUS[self.status]

    @property
    def is_final(self) -> bool:
        """Whether Segment need not deliver the event again."""
        return self.http_status not in (429, 503)

    def as_json(self) -> dict[str, str | None]:
        """Return the member of `results`."""
        known = {"requestId": self.request_id, "crqid": self.crqid, "reason": self.reason}
        present = {name: value for name, value in known.items() if value}
        return {"messageId": self.message_id, "status": self.status, **present}


class Sender:
    """Sends the SMS of Segment events."""

    def __init__(
        self,
        settings: IngestSettings,
        messages: Messages,
        msg91: Msg91,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
        fresh_authkey: Callable[[], str] = lambda: "",
        guard_rails: "GuardRails | None" = None,
    ) -> None:
        self._settings = settings
        self._messages = messages
        self._msg91 = msg91
        self._clock = clock
        self._fresh_authkey = fresh_authkey
        self._guard_rails = guard_rails
        self._breaker = CircuitBreaker()

    def send(
        self, events: Sequence[object], authkey: str, deadline: datetime, mapping_name: str | None = None
    ) -> list[Result]:
        """Send for events, and answer for each in their order. What can't be done by `deadline` is left to a retry."""
        self._msg91.drop_idle_connections()
        now = self._clock()
        mapped: list[Mapped] = [self._map(event, now, mapping_name) for event in events]
        if self._guard_rails:
            mapped = self._guard_rails.record(events, mapped, now, mapping_name)
        # The same event twice in a batch is one message: the first represents both.
        wanted: dict[str, Wanted] = {}
        for mapped_event in mapped:
            if not isinstance(mapped_event, Skipped | Unrecorded) and mapped_event.crqid:
                wanted.setdefault(mapped_event.crqid, mapped_event)
        outcomes: dict[str, Result] = {}
        for chunk in batched(wanted.values(), CHUNK, strict=False):
            outcomes |= self._send_chunk(chunk, authkey, deadline)
        return _in_order(mapped, outcomes)

    def _map(self, event: object, now: datetime, mapping_name: str | None) -> Wanted | Skipped:
        settings = self._settings
        mapped = mapping.to_sms(event, settings.defaults, now, settings.max_event_age, mapping_name)
        return checked(mapped, settings.number_rules) if isinstance(mapped, Sms) else mapped

    def _send_chunk(self, chunk: Sequence[Wanted], authkey: str, deadline: datetime) -> dict[str, Result]:
        """Claim, check the guard rails, send and settle."""
        now = self._clock()
        if deadline - now < timedelta(seconds=_CHUNK_SECONDS):
            return {str(wanted.crqid): _retry(wanted, "no time left in this delivery") for wanted in chunk}
        results: dict[str, Result] = {}
        if open_reason := self._breaker.open_reason(now):
            results = {sms.crqid: _not_called(sms, open_reason) for sms in chunk if isinstance(sms, Sms)}
            chunk = [refused for refused in chunk if not isinstance(refused, Sms)]
        claims = self._messages.claim(self._claim_requests(chunk, now), now, LEASE, self._settings.resend_unknown_after)
        claimed: list[tuple[Sms, Claimed]] = []
        for wanted, claim in zip(chunk, claims, strict=True):
            if isinstance(claim, Claimed) and isinstance(wanted, Sms):
                claimed.append((wanted, claim))
            else:
                results[str(wanted.crqid)] = self._unclaimed(wanted, claim, now)
        if self._guard_rails:
            claimed, refused = self._checked(self._guard_rails, claimed, now)
            results |= refused
        sent = self._send_all(claimed, authkey, deadline)
        self._settle([_settlement(claim, outcome) for _, claim, outcome in sent])
        if self._guard_rails:
            unsent = [(sms, claim) for sms, claim, outcome in sent if outcome.state in _UNSENT]
            self._guard_rails.release(unsent, now, self._clock())
        return results | {sms.crqid: self._result(sms, claim, outcome) for sms, claim, outcome in sent}

    def _checked(
        self, guard_rails: "GuardRails", claimed: Sequence[tuple[Sms, Claimed]], now: datetime
    ) -> tuple[list[tuple[Sms, Claimed]], dict[str, Result]]:
        """Return what may be sent, and the results of what may not: settled, so that it is not in doubt later."""
        admission = guard_rails.admit(claimed, now)
        admitted: list[tuple[Sms, Claimed]] = []
        results: dict[str, Result] = {}
        settlements: list[Settlement] = []
        for sms, claim in claimed:
            if refusal := admission.refused.get(sms.crqid):
                settlements.append(
                    Settlement(claim, SendState.SUPPRESSED, error=refusal.reason, suppressed_because=refusal.because)
                )
                results[sms.crqid] = _suppressed(sms, refusal)
            elif error := admission.undecided.get(sms.crqid):
                reason = f"the database did not say whether it may be sent ({error})"
                settlements.append(Settlement(claim, SendState.RETRYABLE, error=reason))
                results[sms.crqid] = _retry(sms, reason)
            else:
                admitted.append((sms, claim))
        unwritten = self._settle(settlements)
        for sms, claim in claimed:
            if sms.crqid in unwritten:
                results[sms.crqid] = _retry(sms, "the database did not take the refusal")
            if sms.crqid in results:
                results[sms.crqid] = replace(results[sms.crqid], superseded=_superseded_by(claim))
        return admitted, results

    def _claim_requests(self, chunk: Sequence[Wanted], now: datetime) -> list[ClaimRequest]:
        contents = Counter(sms.content for sms in chunk if isinstance(sms, Sms))
        awaits_report = self._settings.reconciliation_enabled
        claims = [
            _sms_claim(wanted, now, shared=contents[wanted.content] > 1, awaits_report=awaits_report)
            if isinstance(wanted, Sms)
            else _refused_claim(wanted)
            for wanted in chunk
        ]
        if self._settings.console_enabled:
            return [_with_search_keys(claim, now) for claim in claims]
        return claims

    def _unclaimed(self, wanted: Wanted, claim: Claimed | Found | NotClaimed, now: datetime) -> Result:
        if isinstance(claim, NotClaimed):
            return _retry(wanted, f"the database did not take the claim ({claim.reason})")
        if isinstance(claim, Found):
            return self._found(wanted, claim, now)
        return replace(_refused(wanted), superseded=_superseded_by(claim))

    def _found(self, wanted: Wanted, found: Found, now: datetime) -> Result:
        """Answer for an event whose message is stored already."""
        message_id = wanted.origin.message_id
        before = Result(
            Status.DUPLICATE,
            message_id,
            crqid=found.crqid,
            request_id=found.request_id,
            error_code=found.error_code,
        )
        explained = replace(before, reason=found.error, is_quote=found.error is not None)
        if found.is_reported or found.send_state in _FINAL:
            reason = f"{found.send_state} by an earlier delivery" + (f": {found.error}" if found.error else "")
            return replace(explained, reason=reason)
        if found.send_state is SendState.SENDING and found.lease_until > instant(now):
            return replace(before, status=Status.IN_FLIGHT, reason="an earlier delivery is sending it")
        if found.send_state not in IN_DOUBT:
            return replace(before, status=Status.RETRY, reason="another delivery just changed this message")
        if found.send_state is SendState.SENDING and (problem := self._why_not_given_up(found, now)):
            return replace(before, status=Status.RETRY, reason=problem)
        in_doubt = replace(explained, status=Status.UNKNOWN, was_in_doubt=found.send_state is SendState.UNKNOWN)
        return self._in_doubt(in_doubt, is_wanted=isinstance(wanted, Sms))

    def _why_not_given_up(self, found: Found, now: datetime) -> str | None:
        """Record that a message is in doubt; if that is not on record, return why.

        Then the answer must not be final: a sender that was frozen, not stopped, may still settle it as not sent.
        """
        try:
            is_recorded = self._messages.mark_unknown(found, now)
        except StoreUnavailableError as error:
            return f"the database did not record that its sender was stopped ({error})"
        return None if is_recorded else "another delivery just changed this message"

    def _in_doubt(self, result: Result, *, is_wanted: bool = True) -> Result:
        """Answer for a message that may have been sent: final, unless ResendUnknownAfterMinutes says otherwise.

        `is_wanted`: whether its event asks for an SMS now, which other parameters may refuse by then.
        """
        resend_after = self._settings.resend_unknown_after
        if not (resend_after and is_wanted):
            return replace(
                result, reason=f"{result.reason or 'no answer from MSG91'}; not sent again, a report will settle it"
            )
        minutes = resend_after // timedelta(minutes=1)
        reason = f"{result.reason or 'no answer from MSG91'}; sent again if no report comes within {minutes} minutes"
        return replace(result, reason=reason, retry_with=503)

    def _send_all(
        self, claimed: Sequence[tuple[Sms, Claimed]], authkey: str, deadline: datetime
    ) -> list[tuple[Sms, Claimed, Outcome]]:
        claims = {sms.crqid: claim for sms, claim in claimed}
        deadline = min([deadline, *(claim.lease_until for claim in claims.values())])
        groups = requests.groups((sms for sms, _ in claimed), self._settings.max_recipients_per_request)
        if len(groups) <= 1:
            outcomes = [self._send_group(group, authkey, deadline) for group in groups]
        else:
            with ThreadPoolExecutor(_WORKERS) as pool:
                outcomes = list(pool.map(lambda group: self._send_group(group, authkey, deadline), groups))
        return [(sms, claims[sms.crqid], outcome) for group in outcomes for sms, outcome in group]

    def _send_group(self, group: Sequence[Sms], authkey: str, deadline: datetime) -> list[tuple[Sms, Outcome]]:
        """Send a group in one request; if one of several may be the cause of an error, each by itself."""
        now = self._clock()
        if deadline - now < timedelta(seconds=_SEND_SECONDS):
            # The function was frozen, or other groups took long. Nothing was sent; the next delivery can send it.
            return [
                (sms, Outcome(SendState.RETRYABLE, error="no time left for MSG91 in this delivery")) for sms in group
            ]
        if open_reason := self._breaker.admit(now):
            # Other groups of this chunk have found out since the claim.
            return [(sms, _outcome_of_open_circuit(open_reason)) for sms in group]
        outcome = self._call_msg91(group, authkey, deadline)
        if len(group) > 1 and outcome.should_split:
            return [pair for sms in group for pair in self._send_group([sms], authkey, deadline)]
        return [(sms, outcome) for sms in group]

    def _call_msg91(self, group: Sequence[Sms], authkey: str, deadline: datetime) -> Outcome:
        """Call MSG91. If it refuses the authkey, call it again with the secret's present one, if that is different."""
        outcome = self._msg91.send(group, authkey)
        if outcome.is_auth_error:
            fresh = self._fresh_authkey()
            if fresh and fresh != authkey and deadline - self._clock() >= timedelta(seconds=_SEND_SECONDS):
                outcome = self._msg91.send(group, fresh)
        self._breaker.record(_open_reason(outcome), self._clock())
        return outcome

    def _settle(self, settlements: Sequence[Settlement]) -> set[str]:
        """Write outcomes; return the keys of those that can't be written.

        They stay `sending` until their reports or the leases' ends.
        """
        pending = list(settlements)
        for _ in range(_SETTLE_ROUNDS):
            if pending:
                unwritten = set(self._messages.settle(pending, self._clock()))
                pending = [settlement for settlement in pending if settlement.claim.crqid in unwritten]
        return {settlement.claim.crqid for settlement in pending}

    def _result(self, sms: Sms, claim: Claimed, outcome: Outcome) -> Result:
        result = Result(
            _RESULT_OF[outcome.state],
            sms.origin.message_id,
            crqid=sms.crqid,
            request_id=outcome.request_id,
            reason=outcome.reason,
            error_code=outcome.error_code,
            failure_category=outcome.failure_category,
            superseded=_superseded_by(claim),
            is_quote=outcome.quotes_msg91,
        )
        if result.status is Status.UNKNOWN:
            return self._in_doubt(result)
        return replace(result, retry_with=429) if outcome.is_throttled else result


def summary(results: Sequence[Result], *, is_batch: bool) -> tuple[int, str]:
    """Return the HTTP status and the message of the answer to a request.

    A batch is final if all of its events are: Segment then retries none of them.
    """
    if not is_batch:
        (result,) = results
        return result.http_status, result.reason or f"SMS {result.status}."
    counts = Counter(str(result.status) for result in results)
    outcomes = ", ".join(f"{count} {status}" for status, count in sorted(counts.items()))
    line = f"{len(results)} event{'s' * (len(results) > 1)}: {outcomes}."
    if all(result.is_final for result in results):
        return 200, line
    return 503, line + " Retry all of them; those that are final will be duplicates."


def _settlement(claim: Claimed, outcome: Outcome) -> Settlement:
    return Settlement(
        claim=claim,
        state=outcome.state,
        request_id=outcome.request_id,
        error_code=outcome.error_code,
        error=outcome.error,
        failure_category=outcome.failure_category,
    )


def _in_order(mapped: Sequence[Mapped], outcomes: dict[str, Result]) -> list[Result]:
    results: list[Result] = []
    answered: set[str] = set()
    for event in mapped:
        message_id = event.origin.message_id
        if isinstance(event, Skipped):
            results.append(Result(Status.SKIPPED, message_id, reason=event.reason))
        elif isinstance(event, Unrecorded):
            results.append(Result(Status.RETRY, message_id, reason=event.reason))
        elif event.crqid is None:
            results.append(Result(Status.INVALID, message_id, reason=event.reason))
        else:
            first = outcomes[event.crqid]
            results.append(_repeated(first) if event.crqid in answered else first)
            answered.add(event.crqid)
    return results


def _repeated(first: Result) -> Result:
    """Answer for an event that is in the same batch again. Its message is counted once."""
    repeated = replace(first, failure_category=None, superseded=None, was_in_doubt=first.status is Status.UNKNOWN)
    if not first.is_final:
        return repeated
    return replace(repeated, status=Status.DUPLICATE, reason="the same event earlier in this batch")


def _superseded_by(claim: Claimed) -> Counted | None:
    """Return under what a message is counted that was claimed again: the claim removes it."""
    return Counted.of(claim.before) if claim.before else None


def _refused(wanted: Wanted) -> Result:
    """Answer for an event that was put on record, and is not sent."""
    if isinstance(wanted, Suppressed):
        return _suppressed(wanted, wanted)
    invalid = Result(Status.INVALID, wanted.origin.message_id, crqid=wanted.crqid)
    return (
        replace(invalid, reason=wanted.reason, is_quote=wanted.quotes_event) if isinstance(wanted, Invalid) else invalid
    )


def _suppressed(wanted: Sms | Suppressed, refusal: "Refusal | Suppressed") -> Result:
    return Result(
        Status.SUPPRESSED,
        wanted.origin.message_id,
        crqid=wanted.crqid,
        reason=refusal.reason,
        suppressed_because=refusal.because,
    )


def _sms_claim(sms: Sms, now: datetime, *, shared: bool, awaits_report: bool) -> ClaimRequest:
    """Describe an SMS. `shared`: others have the same text, and MSG91 may report them under its CRQID."""
    attributes = {"crqid_shared": shared or None, "scheduled_at": requests.scheduled_at(sms, now)}
    return ClaimRequest(sms.crqid, _described(sms) | attributes, awaits_report=awaits_report)


def _refused_claim(wanted: Invalid | Suppressed) -> ClaimRequest:
    """Describe what is only put on record."""
    if isinstance(wanted, Invalid):
        attributes = _origin(wanted.origin) | {"phone": wanted.phone}
        return ClaimRequest(str(wanted.crqid), attributes, SendState.INVALID, reason=wanted.reason)
    attributes = _described(wanted.sms) | {"suppressed_because": wanted.because}
    return ClaimRequest(wanted.crqid, attributes, SendState.SUPPRESSED, reason=wanted.reason)


def _described(sms: Sms) -> dict[str, Value | None]:
    return _origin(sms.origin) | {
        "phone": sms.phone,
        "sender_id": sms.sender_id,
        "template_id": sms.template_id,
        "encoding": sms.encoding,
        "parts": sms.parts,
    }


def _origin(origin: Origin) -> dict[str, Value | None]:
    return {
        "message_id": origin.message_id,
        "event_type": origin.event_type,
        "event_name": origin.event_name,
        "mapping": origin.mapping,
        "user_id": origin.user_id,
        "anonymous_id": origin.anonymous_id,
    }


def _with_search_keys(request: ClaimRequest, now: datetime) -> ClaimRequest:
    """Add the attributes by which the console finds a message, beyond its number and its request id."""
    message_id, user_id = request.attributes["message_id"], request.attributes["user_id"]
    return replace(request, write_once=search_keys(request.crqid, message_id, user_id, now))


def _open_reason(outcome: Outcome) -> OpenReason | None:
    """Return what an outcome means for the next message; None if it concerns its own message only."""
    if not outcome.concerns_every_message:
        return None
    kind = FailureKind.UNANSWERED if outcome.is_unanswered else FailureKind.REFUSED
    return OpenReason(kind, outcome.error_code, outcome.reason, outcome.failure_category, outcome.quotes_msg91)


def _outcome_of_open_circuit(reason: OpenReason) -> Outcome:
    if reason.kind is FailureKind.REFUSED:
        return Outcome(SendState.HELD, error_code=reason.code, error=reason.reason, quotes_msg91=reason.quotes_msg91)
    return Outcome(SendState.RETRYABLE, error=_advice(reason), quotes_msg91=reason.quotes_msg91)


def _not_called(wanted: Sms, reason: OpenReason) -> Result:
    """Answer for an event while MSG91 is not called: nothing is claimed, and Segment delivers it again."""
    if reason.kind is FailureKind.UNANSWERED:
        return replace(_retry(wanted, _advice(reason)), is_quote=reason.quotes_msg91)
    return Result(
        Status.HELD,
        wanted.origin.message_id,
        crqid=wanted.crqid,
        reason=_advice(reason),
        error_code=reason.code,
        failure_category=reason.category,
        superseded=Counted(category=reason.category),
        is_quote=reason.quotes_msg91,
    )


def _advice(reason: OpenReason) -> str:
    return f"{reason.reason}; MSG91 is called again within {reason.open_for // timedelta(seconds=1)} s"


def _retry(wanted: Wanted, reason: str) -> Result:
    return Result(Status.RETRY, wanted.origin.message_id, crqid=wanted.crqid, reason=reason)
