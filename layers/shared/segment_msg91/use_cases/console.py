"""The use case of the console: people search for messages, read the history of each, and see how a day went."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta, timezone
from typing import Any, Final

from segment_msg91.breakdown import COUNTED, bars_of
from segment_msg91.list_query import AFTER, DAY, InvalidQueryError, ListQuery, read, read_day
from segment_msg91.message_view import SUMMARIZED, View, detail, summary
from segment_msg91.outcomes import Outcome
from segment_msg91.spreadsheet import EXPORTED, csv_of
from segment_msg91.store.search import (
    KEYS_PER_CALL,
    MOST_READ,
    PAGE,
    Index,
    Listing,
    Position,
    Search,
    Selected,
    Selection,
    UnknownPositionError,
)
from segment_msg91.times import instant

INDEXES: Final = {
    "phone": Index.PHONE,
    "message_id": Index.MESSAGE_ID,
    "user_id": Index.USER_ID,
    "request_id": Index.REQUEST_ID,
}
_DAYS_BACK: Final = 31  # of breakdowns


class NotFoundError(LookupError):
    """There is no such message."""


@dataclass(frozen=True, slots=True)
class Export:
    """A page of an export. `kind`: what the list is made by, without any value."""

    kind: str
    csv: str = field(repr=False)
    rows: int
    after: str | None


class Console:
    """Answers the page's requests. Phone numbers are masked in every answer except that of `phone`.

    `zone`: of days. `has_waiting_index`: the messages that wait for a report are in an index of their own.
    """

    def __init__(
        self,
        search: Search,
        retention: timedelta,
        zone: timezone,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
        *,
        has_waiting_index: bool = True,
    ) -> None:
        self._search = search
        self._retention = retention
        self._zone = zone
        self._clock = clock
        self._has_waiting_index = has_waiting_index

    def messages(self, query: Mapping[str, str]) -> View:
        """Return a page of the messages that a query asks for, and the position of the next page.

        Of lists by time also how many messages were read, and back to when. Raises InvalidQueryError,
        StoreUnavailableError.
        """
        asked = ListQuery.parse(query)
        now = self._clock()
        if asked.search:
            found, after = self._found(asked, PAGE)
            return {"messages": [summary(message, now) for message in found], "after": after}
        page = self._selected(asked, SUMMARIZED, PAGE, now)
        return {
            "messages": [summary(message, now) for message in page.messages],
            "after": str(page.after) if page.after else None,
            "read": page.read,
            "back_to": instant(page.after.until) if page.after else None,
        }

    def export(self, query: Mapping[str, str]) -> Export:
        """Return as CSV what `messages` finds for the same query, or the messages of a day, in larger pages.

        The first page has a line with the columns' names. Raises InvalidQueryError, StoreUnavailableError.
        """
        asked = ListQuery.parse(query, has_day=True)
        if asked.kind == "recent":
            raise InvalidQueryError(f"{DAY}: missing; give a day, as in 2026-01-02, or what to search or filter by")
        now = self._clock()
        if asked.search:
            messages, after = self._found(asked, KEYS_PER_CALL)
        else:
            page = self._selected(asked, EXPORTED, MOST_READ, now)
            messages, after = page.messages, str(page.after) if page.after else None
        csv = csv_of(messages, now, has_header=asked.after is None)
        return Export(asked.kind, csv, rows=len(messages), after=after)

    def breakdown(self, query: Mapping[str, str]) -> View:
        """Return the messages of a day, today's by default, or a sample of them, counted in groups.

        Raises InvalidQueryError, StoreUnavailableError.
        """
        now = self._clock()
        today = now.astimezone(self._zone).date()
        day = read_day(read(query, DAY)) or today
        if not today - timedelta(days=_DAYS_BACK) <= day <= today:
            raise InvalidQueryError(f"{DAY}: must be one of the last {_DAYS_BACK} days; today is {today}")
        begins, ends = self._bounds(day)
        sample = self._search.sample(begins, min(ends, now), COUNTED)
        return {
            "day": str(day),
            "read": len(sample.messages),
            "is_complete": sample.is_complete,
            "bars": bars_of(sample.messages, begins),
        }

    def message(self, crqid: str) -> View:
        """Return one message with its timeline. Raises NotFoundError, StoreUnavailableError."""
        message = self._search.message(crqid)
        if message is None:
            raise NotFoundError
        found = self._search.reports(message)
        return detail(message, found.reports, self._clock(), is_complete=found.is_complete)

    def phone(self, crqid: str) -> View:
        """Return one message's number in full. Raises NotFoundError, StoreUnavailableError."""
        message = self._search.message(crqid)
        if message is None or "phone" not in message:
            raise NotFoundError
        return {"phone": message["phone"]}

    def _found(self, asked: ListQuery, most: int) -> tuple[list[dict[str, Any]], str | None]:
        try:
            page = self._search.find(INDEXES[str(asked.search)], asked.value, asked.after, most)
        except UnknownPositionError:
            raise _no_position() from None
        return page.messages, page.after

    def _selected(self, asked: ListQuery, attributes: tuple[str, ...], most: int, now: datetime) -> Selected:
        since, until = self._bounds(asked.day) if asked.day else (asked.since, asked.until)
        oldest = now - self._retention
        newest = min(now, until - timedelta(microseconds=1)) if until else now
        is_indexed = self._has_waiting_index and asked.filter.outcome is Outcome.WAITING
        wanted = Selection(
            since=max(oldest, since) if since else oldest,
            attributes=attributes,
            matches=asked.filter.matches,
            most=most,
            listing=Listing.AWAITING_REPORT if is_indexed else Listing.BY_DAY,
        )
        try:
            position = Position.parse(asked.after) if asked.after else Position(newest)
        except UnknownPositionError:
            raise _no_position() from None
        return self._search.recent(position if position.until <= newest else Position(newest), wanted)

    def _bounds(self, day: date) -> tuple[datetime, datetime]:
        begins = datetime.combine(day, time.min, self._zone).astimezone(UTC)
        return begins, begins + timedelta(days=1)


def _no_position() -> InvalidQueryError:
    return InvalidQueryError(f"{AFTER}: no such position (any more); search again without it")
