"""What a query of the console asks for: read strictly, and refused with the parameter's name and the remedy. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from enum import StrEnum
from typing import Final, Self

from segment_msg91.fields import phone_digits, well_formed
from segment_msg91.message_filter import MessageFilter
from segment_msg91.msg91.failures import Category
from segment_msg91.outcomes import Outcome
from segment_msg91.times import parse_instant

AFTER: Final = "after"
DAY: Final = "day"
SEARCHES: Final = ("phone", "message_id", "user_id", "request_id")
FILTERS: Final = ("outcome", "category", "event", "template_id", "sender_id", "from", "until")
_MAX_LENGTH: Final = 256  # characters, as of what is stored
_YEARS: Final = range(2000, 2101)


class InvalidQueryError(ValueError):
    """The query can't be answered. The text names the parameter and the remedy."""


@dataclass(frozen=True, slots=True)
class ListQuery:
    """A list of messages: those that one of SEARCHES finds, or the most recent ones that the filter selects.

    `day`, or the times `since` and `until`, which is not in it, bound the most recent ones. `after` continues a list.
    """

    search: str | None
    value: str = field(repr=False)
    filter: MessageFilter
    day: date | None
    since: datetime | None
    until: datetime | None
    after: str | None = field(repr=False)

    @classmethod
    def parse(cls, query: Mapping[str, str], *, has_day: bool = False) -> Self:
        """Read a query. `has_day`: it may have a day. Raises InvalidQueryError."""
        given = read(query, *([DAY] if has_day else []), *SEARCHES, *FILTERS, AFTER)
        after = given.pop(AFTER, None)
        search = _search(given)
        since, until, day = read_time(given, "from"), read_time(given, "until"), read_day(given)
        if since and until and since >= until:
            raise InvalidQueryError("until: must be later than from")
        if day and (since or until):
            raise InvalidQueryError("day: not together with from or until; leave out one of them")
        return cls(
            search=search,
            value=_searched(search, given[search]) if search else "",
            filter=_filter(given),
            day=day,
            since=since,
            until=until,
            after=after,
        )

    @property
    def kind(self) -> str:
        """What the list is made by, without any value: a search's name, `day`, `filter`, or `recent`."""
        if self.search or self.day:
            return self.search or DAY
        return "filter" if self.since or self.until or self.filter != MessageFilter() else "recent"


def read(query: Mapping[str, str], *known: str) -> dict[str, str]:
    """Return the parameters that are not blank. Raises InvalidQueryError, also if there are others than the known."""
    given = {name: well_formed(value.strip()) for name, value in query.items() if value.strip()}
    if unknown := sorted(set(given) - set(known)):
        raise InvalidQueryError(f"{unknown[0]}: not a parameter; use {', '.join(known)}")
    for name, value in given.items():
        if name != AFTER and len(value) > _MAX_LENGTH:
            raise InvalidQueryError(f"{name}: longer than {_MAX_LENGTH} characters; paste the value alone")
    return given


def read_day(given: Mapping[str, str]) -> date | None:
    """Return the day, None if there is none. Raises InvalidQueryError."""
    if DAY not in given:
        return None
    try:
        day = date.fromisoformat(given[DAY])
    except ValueError:
        day = date.min
    if day.year not in _YEARS:
        raise InvalidQueryError(f"{DAY}: no day; write it as in 2026-01-02")
    return day


def read_time(given: Mapping[str, str], name: str) -> datetime | None:
    """Return a time, None if there is none. Raises InvalidQueryError."""
    if name not in given:
        return None
    moment = parse_instant(given[name])
    if moment is None or moment.year not in _YEARS:
        raise InvalidQueryError(f"{name}: no time; write it in UTC as in 2026-01-02T03:04:05Z")
    return moment


def _search(given: Mapping[str, str]) -> str | None:
    searches = sorted(set(given) & set(SEARCHES))
    if len(searches) > 1:
        raise InvalidQueryError(f"{', '.join(searches)}: search by one of them at a time")
    if searches and (others := sorted(set(given) - set(searches))):
        raise InvalidQueryError(f"{others[0]}: not together with {searches[0]}; leave out one of them")
    return searches[0] if searches else None


def _searched(name: str, value: str) -> str:
    """Return a value as it is stored."""
    if name != "phone":
        return value
    phone = phone_digits(value)
    if phone is None:
        raise InvalidQueryError("phone: no phone number; give 7 to 15 digits with the country code, as in 918818888758")
    return phone


def _filter(given: Mapping[str, str]) -> MessageFilter:
    return MessageFilter(
        outcome=_member(given, "outcome", Outcome),
        category=_member(given, "category", Category),
        event=given.get("event"),
        template_id=given.get("template_id"),
        sender_id=given.get("sender_id"),
    )


def _member[Member: StrEnum](given: Mapping[str, str], name: str, members: type[Member]) -> Member | None:
    value = given.get(name)
    if value is not None and value not in list(members):
        raise InvalidQueryError(f"{name}: must be one of {', '.join(members)}")
    return None if value is None else members(value)
