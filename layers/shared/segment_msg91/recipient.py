"""What is stored of a phone number, and how it changes: its opt-outs, and the SMS that were sent to it. Pure.

Opt-outs are two registers, one for all SMS and one for promotional ones. In each the change with the latest time stays,
and of equal times the opt-out, so changes may come in any order. An opt-in to all SMS changes both. An opt-in to
promotional SMS does not end an opt-out from all.

`recent` has an entry for each SMS that was sent, or may have been: the time of its claim, and a part of its key and of
its claim's id, because two claims of a message may have the same time. MSG91 gets the SMS within the claim's lease, so
the windows of the caps are longer than an hour and a day: see `_MARGIN`.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any, Final, Self

from segment_msg91.msg91.codes import SuppressedBecause
from segment_msg91.times import instant

# A claim's SMS reaches MSG91 within the lease of 40 s. Each entry is put in front, so the order of several senders'
# entries is that of their times except for a lease. A window that is longer by two leases, and 40 s for differences
# between clocks, never lets more than the cap reach MSG91 within an hour of MSG91's own clock.
_MARGIN: Final = timedelta(seconds=120)
HOUR: Final = timedelta(hours=1) + _MARGIN
DAY: Final = timedelta(days=1) + _MARGIN
# A number without an opt-out is forgotten when no cap can need its entries any more.
_COUNTED_FOR: Final = timedelta(days=2)
_KEY_LENGTH: Final = 12
_CLAIM_LENGTH: Final = 4
_MAX_REASON_LENGTH: Final = 256


class Scope(StrEnum):
    """Which SMS an opt-out stops."""

    ALL = "all"
    PROMOTIONAL = "promotional"


class Source(StrEnum):
    """Where an opt-out or opt-in came from."""

    TRACK = "track"
    IDENTIFY = "identify"
    DELIVERY_REPORT = "delivery_report"
    OPERATOR = "operator"


@dataclass(frozen=True, slots=True)
class Change:
    """A person opts out or in. `reason` is for people."""

    phone: str = field(repr=False)
    opts_out: bool
    scope: Scope
    at: datetime
    source: Source
    reason: str | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class Consent:
    """The latest change of a scope. An opt-in stays, as a tombstone: an older opt-out that comes late loses to it."""

    opted_out: bool
    since: str
    source: str
    reason: str | None = field(default=None, repr=False)

    def gives_way_to(self, change: Change) -> bool:
        """Whether a change of the same scope is later, or at the same time an opt-out."""
        return (self.since, self.opted_out) < (instant(change.at), change.opts_out)


@dataclass(frozen=True, slots=True)
class Attempt:
    """One claim of an SMS. `may_be_second`: an earlier claim of the same message may have been sent."""

    phone: str = field(repr=False)
    crqid: str
    claim_id: str
    at: datetime
    is_promotional: bool = False
    may_be_second: bool = False

    @property
    def entry(self) -> str:
        """The text that counts this attempt. Text order is time order."""
        return f"{milliseconds(self.at)}{self.message}{self.claim_id[-_CLAIM_LENGTH:]}"

    @property
    def message(self) -> str:
        """The part of an entry that the claims of one message share."""
        return f"#{self.crqid[:_KEY_LENGTH]}#"


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why an SMS must not be sent. `reason` is for people, and quotes no number."""

    because: SuppressedBecause
    reason: str


@dataclass(frozen=True, slots=True)
class Cap:
    """At most `most` SMS to a number in a window. `parameter` is the template's."""

    most: int
    window: timedelta
    parameter: str

    def refusal(self) -> Refusal:
        """Return the answer to an SMS beyond it."""
        period = "an hour" if self.window == HOUR else "a day"
        plural = "" if self.most == 1 else "s"
        reason = f"phone: {self.most} message{plural} to it within {period}, the most that {self.parameter} allows"
        return Refusal(SuppressedBecause.CAPPED, reason)


def caps(per_hour: int, per_day: int) -> tuple[Cap, ...]:
    """Return the caps that are set. 0: none."""
    both = (Cap(per_hour, HOUR, "MaxSmsPerNumberPerHour"), Cap(per_day, DAY, "MaxSmsPerNumberPerDay"))
    return tuple(cap for cap in both if cap.most)


@dataclass(frozen=True, slots=True)
class Recipient:
    """What is stored of one number. Version 0: nothing."""

    version: int = 0
    consents: Mapping[Scope, Consent] = field(default_factory=dict)
    recent: tuple[str, ...] = field(default=(), repr=False)

    @classmethod
    def of(cls, item: Mapping[str, Any]) -> Self:
        """Read a stored item."""
        return cls(
            version=int(item.get("version", 0)),
            consents={scope: _consent(item, scope) for scope in Scope if f"{scope}_since" in item},
            recent=tuple(item.get("recent", ())),
        )

    def attributes(self, now: datetime, retention: timedelta) -> dict[str, Any]:
        """Return what is to be stored; None for what is not.

        An opt-out is kept for ever, a tombstone for `retention`, and counts for two days.
        """
        expires_at: datetime | None = now + (retention if self.consents else _COUNTED_FOR)
        if any(consent.opted_out for consent in self.consents.values()):
            expires_at = None
        attributes: dict[str, Any] = {
            "version": self.version + 1,
            "recent": self.recent or None,
            "expires_at": int(expires_at.timestamp()) if expires_at else None,
        }
        for scope in Scope:
            consent = self.consents.get(scope)
            attributes |= {
                f"{scope}_opted_out": consent.opted_out if consent else None,
                f"{scope}_since": consent.since if consent else None,
                f"{scope}_source": consent.source if consent else None,
                f"{scope}_reason": consent.reason if consent else None,
            }
        return attributes

    def opted_out_of(self, *, promotional: bool) -> Scope | None:
        """Return the scope of the opt-out that stops an SMS; None if none does."""
        scopes = (Scope.ALL, Scope.PROMOTIONAL) if promotional else (Scope.ALL,)
        return next((scope for scope in scopes if scope in self.consents and self.consents[scope].opted_out), None)

    def changed(self, changes: Iterable[Change]) -> Self:
        """Apply changes of this number, in any order."""
        consents = dict(self.consents)
        for change in changes:
            both = change.scope is Scope.ALL and not change.opts_out
            for scope in Scope if both else (change.scope,):
                if scope not in consents or consents[scope].gives_way_to(change):
                    reason = (change.reason or "")[:_MAX_REASON_LENGTH] or None
                    consents[scope] = Consent(change.opts_out, instant(change.at), change.source, reason)
        return self if consents == self.consents else replace(self, consents=consents)

    def admitting(self, attempts: Sequence[Attempt], caps: Sequence[Cap]) -> tuple[Self, dict[str, Refusal]]:
        """Count attempts to send to this number; return it with them, and the refusals by key."""
        recent = self.recent
        refused: dict[str, Refusal] = {}
        for attempt in attempts:
            if scope := self.opted_out_of(promotional=attempt.is_promotional):
                refused[attempt.crqid] = _opted_out(scope)
                continue
            others = _others(recent, attempt)
            full = next((cap for cap in caps if _count(others, attempt.at - cap.window) >= cap.most), None)
            if attempt.entry in recent or not caps:
                continue  # counted by a write whose answer was lost, or not to be counted
            if full:
                refused[attempt.crqid] = full.refusal()
            else:
                recent = tuple(sorted((attempt.entry, *others), reverse=True))
        if recent == self.recent:
            return self, refused
        oldest = min(attempt.at for attempt in attempts) - max(cap.window for cap in caps)
        return replace(self, recent=tuple(entry for entry in recent if entry >= milliseconds(oldest))), refused

    def without(self, attempts: Iterable[Attempt]) -> Self:
        """Return this number without the entries of attempts of which nothing was sent."""
        entries = {attempt.entry for attempt in attempts}
        recent = tuple(entry for entry in self.recent if entry not in entries)
        return self if recent == self.recent else replace(self, recent=recent)


def _others(recent: tuple[str, ...], attempt: Attempt) -> tuple[str, ...]:
    """Leave out the entries of earlier claims of the same message. A claim proves that they were not sent.

    Not if it may be the second SMS, because then both count.
    """
    if attempt.may_be_second:
        return recent
    return tuple(entry for entry in recent if attempt.message not in entry)


def _count(recent: tuple[str, ...], since: datetime) -> int:
    return sum(entry >= milliseconds(since) for entry in recent)


def _opted_out(scope: Scope) -> Refusal:
    return Refusal(SuppressedBecause.OPTED_OUT, f"phone: the person has opted out of {scope} SMS")


def milliseconds(moment: datetime) -> str:
    """Write an instant as entries do. It is less than every entry of that instant."""
    return f"{int(moment.timestamp() * 1000):013d}"


def _consent(item: Mapping[str, Any], scope: Scope) -> Consent:
    return Consent(
        opted_out=item[f"{scope}_opted_out"],
        since=item[f"{scope}_since"],
        source=item[f"{scope}_source"],
        reason=item.get(f"{scope}_reason"),
    )
