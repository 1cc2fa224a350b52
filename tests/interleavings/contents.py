"""The contents of the tables and queues as values, and the answers of AWS."""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cache
from typing import Any, Final, NamedTuple

from botocore.exceptions import ClientError, ReadTimeoutError

from segment_msg91.store.aws import Attributes, from_item

type Item = Mapping[str, Any]
"""In wire form, such as {"name": {"S": "text"}}."""


class Key(NamedTuple):
    """The key of an item; of a queue's message, the message itself."""

    table: str
    key: str
    """JSON."""


@dataclass(frozen=True, slots=True, eq=False)
class Contents:
    """All items of all tables. Equal contents are the same object."""

    items: Mapping[Key, str] = field(repr=False)
    """JSON."""

    def item(self, key: Key) -> Item | None:
        return _parsed(self.items[key]) if key in self.items else None

    def of(self, table: str) -> list[Item]:
        """Return a table's items in the order of their keys."""
        return [_parsed(self.items[key]) for key in sorted(self.items) if key.table == table]

    def after(self, written: Iterable[tuple[Key, str | None]]) -> "Contents":
        """Return the contents with these items; None deletes one."""
        items = {**self.items, **dict(written)}
        return contents_of({key: item for key, item in items.items() if item is not None})


@cache
def rows(contents: Contents, table: str) -> tuple[Attributes, ...]:
    """Return a table's items as attributes, in the order of their keys."""
    return tuple(_attributes(contents.items[key]) for key in sorted(contents.items) if key.table == table)


def contents_of(items: Mapping[Key, str]) -> Contents:
    return _interned(frozenset(items.items()))


def as_json(value: object) -> str:
    """Write JSON in which equal values are equal texts."""
    return json.dumps(value, sort_keys=True)


@cache
def _interned(items: frozenset[tuple[Key, str]]) -> Contents:
    return Contents(dict(items))


@cache
def _parsed(item: str) -> Item:
    return json.loads(item)  # type: ignore[no-any-return]


@cache
def _attributes(item: str) -> Attributes:
    return from_item(_parsed(item))


EMPTY: Final = contents_of({})


@dataclass(frozen=True, slots=True, eq=False)
class Answered:
    """A response of AWS."""

    response: str
    """JSON."""

    def give(self) -> dict[str, Any]:
        return json.loads(self.response)  # type: ignore[no-any-return]


@dataclass(frozen=True, slots=True, eq=False)
class Refused:
    """An error of AWS."""

    code: str
    more: str = "{}"
    """JSON: further members of the response, such as the item that was in the way of a condition."""

    def give(self) -> None:
        error: Any = {"Error": {"Code": self.code, "Message": "simulated"}, **json.loads(self.more)}
        raise ClientError(error, "simulated")


@dataclass(frozen=True, slots=True, eq=False)
class Unanswered:
    """No answer came, however often the SDK tried."""

    def give(self) -> None:
        raise ReadTimeoutError(endpoint_url="https://aws.test")


answered = cache(Answered)
refused = cache(Refused)
UNANSWERED: Final = Unanswered()
