"""The use case of the console: people search for messages and read the history of each."""

from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Final

from segment_msg91.fields import phone_digits, well_formed
from segment_msg91.message_view import View, detail, summary
from segment_msg91.store.search import Index, Position, Search, UnknownPositionError

AFTER: Final = "after"
SEARCHES: Final = {
    "phone": Index.PHONE,
    "message_id": Index.MESSAGE_ID,
    "user_id": Index.USER_ID,
    "request_id": Index.REQUEST_ID,
}
_MAX_LENGTH: Final = 256  # characters, as of what is stored


class InvalidQueryError(ValueError):
    """The query can't be answered. The text names the parameter and the remedy."""


class NotFoundError(LookupError):
    """There is no such message."""


class Console:
    """Answers the page's requests. Phone numbers are masked in every answer except that of `phone`."""

    def __init__(
        self, search: Search, retention: timedelta, clock: Callable[[], datetime] = lambda: datetime.now(UTC)
    ) -> None:
        self._search = search
        self._retention = retention
        self._clock = clock

    def messages(self, query: Mapping[str, str]) -> View:
        """Return a page of the messages that the one parameter of SEARCHES finds; without one, of the most recent.

        `after` is the position that the page before returned. Raises InvalidQueryError, StoreUnavailableError.
        """
        given = {name: well_formed(value.strip()) for name, value in query.items() if value.strip()}
        after = given.pop(AFTER, None)
        if unknown := sorted(set(given) - set(SEARCHES)):
            raise InvalidQueryError(f"{unknown[0]}: not a parameter; search by {', '.join(SEARCHES)}")
        if len(given) > 1:
            raise InvalidQueryError(f"{', '.join(sorted(given))}: search by one of them at a time")
        now = self._clock()
        try:
            if given:
                ((name, value),) = given.items()
                page = self._search.find(SEARCHES[name], _searched(name, value), after)
            else:
                position = Position.parse(after) if after else Position(now)
                page = self._search.recent(position, (now - self._retention).date())
        except UnknownPositionError:
            raise InvalidQueryError(f"{AFTER}: no such position (any more); search again without it") from None
        return {"messages": [summary(message, now) for message in page.messages], "after": page.after}

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


def _searched(name: str, value: str) -> str:
    """Return a value as it is stored. Raises InvalidQueryError."""
    if len(value) > _MAX_LENGTH:
        raise InvalidQueryError(f"{name}: longer than {_MAX_LENGTH} characters; paste the value alone")
    if name != "phone":
        return value
    phone = phone_digits(value)
    if phone is None:
        raise InvalidQueryError("phone: no phone number; give 7 to 15 digits with the country code, as in 918818888758")
    return phone
