"""Opt-outs and opt-ins in Segment's events: SMS Opted Out, SMS Opted In, and an identify's subscriptions. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from segment_msg91 import mapping
from segment_msg91.fields import by_canonical_name, canonical, text_of
from segment_msg91.mapping import Origin, Request, phone_problem
from segment_msg91.phone_numbers import read_number
from segment_msg91.recipient import Change, Scope, Source

# Whether a track event of this name, in any casing, opts out.
_TRACK: Final = {"smsoptedout": True, "smsoptedin": False}
# Whether a status of Segment's subscriptions opts out, and of what. Who did not subscribe gets no marketing.
_SUBSCRIPTIONS: Final = {
    "subscribed": (False, Scope.ALL),
    "unsubscribed": (True, Scope.ALL),
    "didnotsubscribe": (True, Scope.PROMOTIONAL),
}
_PLACE: Final = "context.messaging_subscriptions"


@dataclass(frozen=True, slots=True)
class OptOuts:
    """What an event changes, and what is wrong with the rest. `sends_no_sms`: the event is for nothing else."""

    origin: Origin
    changes: tuple[Change, ...] = ()
    problem: str | None = None
    sends_no_sms: bool = False


def read(event: object, region: str, now: datetime, mapping_name: str | None = None) -> OptOuts | None:
    """Return what an event changes; None if it is no such event, or not for us.

    `region`: the country of numbers without a country code. Events of any age count, because their times do.
    """
    if not isinstance(event, dict):
        return None
    request = mapping.read(event, mapping_name)
    origin = request.origin
    is_opt_out = _TRACK.get(canonical(origin.event_name or "")) if origin.event_type == "track" else None
    subscriptions = _sms_subscriptions(event) if origin.event_type == "identify" else ()
    if (is_opt_out is None and not subscriptions) or mapping.reason_to_skip(request, now, None):
        return None
    at = _time_of(event, now)
    if is_opt_out is not None:
        return _of_track(request, region, at, opts_out=is_opt_out)
    return _of_identify(origin, subscriptions, region, at)


def _of_track(request: Request, region: str, at: datetime, *, opts_out: bool) -> OptOuts:
    fields = request.fields
    phone = read_number(fields.get("phone"), region)
    scope = _scope(fields)
    if phone is None or scope is None:
        problem = phone_problem(fields.get("phone"), region) if phone is None else "scope: must be all or promotional"
        return OptOuts(request.origin, problem=request.at(problem), sends_no_sms=True)
    change = Change(phone, opts_out, scope, at, Source.TRACK, text_of(fields.get("reason")))
    return OptOuts(request.origin, (change,), sends_no_sms=True)


def _of_identify(origin: Origin, subscriptions: Sequence[Mapping[str, Any]], region: str, at: datetime) -> OptOuts:
    changes: list[Change] = []
    problem = None
    for subscription in subscriptions:
        phone = read_number(subscription.get("key"), region)
        known = _SUBSCRIPTIONS.get(canonical(text_of(subscription.get("status")) or ""))
        if phone is None:
            problem = f"{_PLACE}: a key of type SMS is no phone number; give it with its country code"
        elif known is None:
            problem = f"{_PLACE}: a status of type SMS must be SUBSCRIBED, UNSUBSCRIBED or DID_NOT_SUBSCRIBE"
        else:
            opts_out, scope = known
            changes.append(Change(phone, opts_out, scope, at, Source.IDENTIFY))
    return OptOuts(origin, tuple(changes), problem)


def _sms_subscriptions(event: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    context = event.get("context")
    entries = context.get("messaging_subscriptions") if isinstance(context, dict) else None
    named = (
        [by_canonical_name(entry) for entry in entries or () if isinstance(entry, dict)]
        if isinstance(entries, list)
        else []
    )
    return [entry for entry in named if canonical(text_of(entry.get("type")) or "") == "sms"]


def _scope(fields: Mapping[str, Any]) -> Scope | None:
    text = (text_of(fields.get("scope", Scope.ALL)) or "").strip().lower()
    return Scope(text) if text in list(Scope) else None


def _time_of(event: Mapping[str, Any], now: datetime) -> datetime:
    """Return when a change was made. Never in the future, where a wrong clock would let it win for ever."""
    times = mapping.times_of(event)
    return times[0] if times and times[0] <= now else max((time for time in times if time <= now), default=now)
