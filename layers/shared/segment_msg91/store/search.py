"""Searches in both tables: queries on indexes and reads by key, each with a limit.

No call's cost grows with the tables. Three of the six indexes hold only what `search_keys` has put into them.
"""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from enum import Enum
from heapq import merge
from itertools import islice
from typing import TYPE_CHECKING, Any, Final, Self

from segment_msg91.store.aws import AWS_ERRORS, Attributes, StoreUnavailableError, error_code, from_item, to_item
from segment_msg91.store.batch_reads import read_items
from segment_msg91.store.samples import segments
from segment_msg91.store.search_keys import SHARDS, partition, shard_of
from segment_msg91.times import instant, parse_instant

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

# The maximum of days that one call reads: three times eight queries, and one more for each page more of a partition.
DAYS: Final = 3
PAGE: Final = 25
MOST_READ: Final = 200  # messages, in one call
KEYS_PER_CALL: Final = 100  # DynamoDB's limit

_KEY: Final = re.compile(r"[A-Za-z0-9]{1,52}")  # MSG91's limits of a CRQID
_OWN_KEY: Final = re.compile(r"[0-9a-f]{32}|[0-9a-f]{40}")  # those that `mapping` makes
# A page of which all match takes one call; one of which few do, three.
_READ_AT_ONCE: Final = (PAGE, KEYS_PER_CALL - PAGE, MOST_READ - KEYS_PER_CALL)
# A request has at most a thousand recipients (MaxRecipientsPerRequest), each with a report or two.
_REPORTS_PER_QUERY: Final = 500
_REPORT_QUERIES: Final = 4
_MAX_REPORTS: Final = 50
# What the console shows. `raw` is as large as the others together.
_REPORT_ATTRIBUTES: Final = (
    *("status", "code", "description", "failure_reason", "failure_category", "reported_at", "received_at"),
    *("webhook_version", "credits", "sender_id"),
)


class Index(Enum):
    """An index that leads from one value to its messages: its name, its key and its sort key."""

    PHONE = ("by_phone", "phone", "created_at")
    REQUEST_ID = ("by_request_id", "request_id", "phone")
    MESSAGE_ID = ("by_message_id", "searchable_message_id", "created_at")
    USER_ID = ("by_user_id", "searchable_user_id", "created_at")


class Listing(Enum):
    """An index that lists messages by time, in eight partitions: its name and its key."""

    BY_DAY = ("by_day", "searchable_day")
    AWAITING_REPORT = ("awaiting_report", "awaiting_report")

    def partitions(self, since: datetime, until: datetime) -> list[list[str]]:
        """Return the partitions that one call reads of a span of time, newest first: each day's, or all there are."""
        if self is Listing.AWAITING_REPORT:
            return [[str(shard) for shard in range(SHARDS)]]
        days = min(DAYS, (until.date() - since.date()).days + 1)
        read = [until.date() - timedelta(days=number) for number in range(days)]
        return [[partition(day, shard) for shard in range(SHARDS)] for day in read]

    def rest(self, since: datetime, until: datetime) -> "Position | None":
        """Return the position behind all that one call reads of a span of time. None: the call reads the whole span."""
        last = until.date() - timedelta(days=DAYS - 1)
        if self is Listing.AWAITING_REPORT or last <= since.date():
            return None
        return Position(datetime(last.year, last.month, last.day, tzinfo=UTC) - timedelta(milliseconds=1))


class UnknownPositionError(ValueError):
    """There is no such position: its message was deleted, or belongs to another search."""


@dataclass(frozen=True, slots=True)
class Position:
    """A position in the list of the most recent messages: an instant, and the messages of that instant already shown.

    The messages of a batch share one instant, so an instant alone is no position among them. Example: a page ends in
    a batch of three, with keys a, b and c in the partitions 1, 4 and 6; a and b were shown. The next page then begins
    at that instant, after a in partition 1, after b in partition 4, and with c in partition 6.
    """

    until: datetime
    past: tuple[str, ...] = ()

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read what `str` wrote. Raises UnknownPositionError."""
        until, *past = text.split("~")
        moment = parse_instant(until)
        if moment is None or len(past) > SHARDS or not all(map(_KEY.fullmatch, past)):
            raise UnknownPositionError
        return cls(moment, tuple(past))

    def __str__(self) -> str:
        return "~".join((instant(self.until), *self.past))


@dataclass(frozen=True, slots=True)
class Page:
    """Messages, newest first (of a request: by number), and the position of the next page. None: this is the last."""

    messages: list[Attributes] = field(repr=False)
    after: str | None


@dataclass(frozen=True, slots=True)
class Selection:
    """Which messages of a list are wanted: those that `matches`, of times from `since` on, `most` in a page.

    `attributes`: what is read of a message; it must have all that `matches` looks at.
    """

    since: datetime
    attributes: tuple[str, ...]
    matches: Callable[[Attributes], bool]
    most: int = PAGE
    listing: Listing = Listing.BY_DAY


@dataclass(frozen=True, slots=True)
class Selected:
    """A page of a list, newest first, and the position of the next one. None: there are no more.

    `read`: how many messages were read for it, matching or not.
    """

    messages: list[Attributes] = field(repr=False)
    after: Position | None
    read: int


@dataclass(frozen=True, slots=True)
class Sample:
    """Messages of a span of time, in no order. Complete: there are no others."""

    messages: list[Attributes] = field(repr=False)
    is_complete: bool


@dataclass(frozen=True, slots=True)
class MessageReports:
    """The reports of one message in the order of their times; not complete when their group has too many to read."""

    reports: list[Attributes] = field(repr=False)
    is_complete: bool


class Search:
    """Both tables, to be read only."""

    def __init__(self, client: "DynamoDBClient", messages_table: str, reports_table: str) -> None:
        self._client = client
        self._messages_table = messages_table
        self._reports_table = reports_table

    def find(self, index: Index, value: str, after: str | None = None, most: int = PAGE) -> Page:
        """Return a page of the messages with this value. `after` is the position that the page before returned.

        `most`: up to KEYS_PER_CALL. Raises StoreUnavailableError, and UnknownPositionError.
        """
        name, key, sort_key = index.value
        arguments: dict[str, Any] = {}
        if after:
            last = self.message(after)
            if last is None or last.get(key) != value:
                raise UnknownPositionError
            arguments["ExclusiveStartKey"] = to_item({one: last[one] for one in (key, sort_key, "crqid")})
        response = self._query(
            TableName=self._messages_table,
            IndexName=name,
            KeyConditionExpression="#key = :value",
            ExpressionAttributeNames={"#key": key},
            ExpressionAttributeValues=to_item({":value": value}),
            ScanIndexForward=index is Index.REQUEST_ID,
            Limit=most,
            **arguments,
        )
        crqids = [item["crqid"]["S"] for item in response["Items"]]
        more = response.get("LastEvaluatedKey")
        return Page(self._get(crqids), more["crqid"]["S"] if more else None)

    def recent(self, position: Position, wanted: Selection) -> Selected:
        """Return the most recent of the wanted messages at a position, from as many as one call may read.

        Raises StoreUnavailableError.
        """
        if position.until < wanted.since:
            return Selected([], None, 0)
        entries = self._newest(wanted.listing, position, wanted.since)
        passed: list[Attributes] = []
        found: list[Attributes] = []
        for size in _READ_AT_ONCE:
            chunk = list(islice(entries, size))
            messages = {str(one["crqid"]): one for one in self._get(_keys(chunk), wanted.attributes)}
            for entry in chunk:
                passed.append(entry)
                message = messages.get(str(entry["crqid"]))
                if message and wanted.matches(message):
                    found.append(message)
                if len(found) == wanted.most:
                    return Selected(found, _position_after(passed, position), len(passed))
            if len(chunk) < size:
                return Selected(found, wanted.listing.rest(wanted.since, position.until), len(passed))
        return Selected(found, _position_after(passed, position), len(passed))

    def sample(self, since: datetime, until: datetime, attributes: tuple[str, ...]) -> Sample:
        """Return up to MOST_READ messages of a span of time, spread over it. `until` is not in it.

        Few messages are all returned. Raises StoreUnavailableError.
        """
        with ThreadPoolExecutor(SHARDS) as pool:
            parts = list(pool.map(lambda shard: self._sample_of(shard, since, until), range(SHARDS)))
        messages = self._get([key for part, _ in parts for key in part], attributes)
        return Sample(messages, all(is_complete for _, is_complete in parts))

    def message(self, crqid: str) -> Attributes | None:
        """Return one message. Raises StoreUnavailableError."""
        if not _KEY.fullmatch(crqid):
            return None
        with _unavailable_on_error():
            response = self._client.get_item(TableName=self._messages_table, Key={"crqid": {"S": crqid}})
        return from_item(response["Item"]) if "Item" in response else None

    def reports(self, message: Attributes) -> MessageReports:
        """Return a message's reports, of the groups that they are stored in. Raises StoreUnavailableError."""
        groups = [str(message[name]) for name in ("request_id", "crqid") if name in message]
        read = [self._reports_of_group(group, message) for group in groups]
        reports = sorted((report for part in read for report in part.reports), key=_time_of_report)
        is_complete = all(part.is_complete for part in read) and len(reports) <= _MAX_REPORTS
        return MessageReports(reports[:_MAX_REPORTS], is_complete)

    def _reports_of_group(self, group: str, message: Attributes) -> MessageReports:
        """Read a group, which is all of a request's reports, for those of one message."""
        names = {f"#{name}": name for name in (*_REPORT_ATTRIBUTES, "matched", "phone")}
        reports: list[Attributes] = []
        arguments: dict[str, Any] = {}
        for _ in range(_REPORT_QUERIES):
            response = self._query(
                TableName=self._reports_table,
                KeyConditionExpression="report_group = :group",
                FilterExpression="#matched = :crqid OR #phone = :phone",
                ProjectionExpression=", ".join(f"#{name}" for name in _REPORT_ATTRIBUTES),
                ExpressionAttributeNames=names,
                ExpressionAttributeValues=to_item(
                    # An invalid message may have no number; none has this one.
                    {":group": group, ":crqid": message["crqid"], ":phone": message.get("phone", "none")}
                ),
                Limit=_REPORTS_PER_QUERY,
                **arguments,
            )
            reports += map(from_item, response["Items"])
            if "LastEvaluatedKey" not in response:
                return MessageReports(reports, is_complete=True)
            arguments["ExclusiveStartKey"] = response["LastEvaluatedKey"]
        return MessageReports(reports, is_complete=False)

    def _newest(self, listing: Listing, position: Position, since: datetime) -> Iterator[Attributes]:
        """Yield a list's entries from a position on, newest first, of as many days as one call may read."""
        past = {shard_of(crqid): crqid for crqid in position.past}
        for partitions in listing.partitions(since, position.until):
            queries = [
                self._span(listing, key, since, position.until, past=past.get(shard))
                for shard, key in enumerate(partitions)
            ]
            with ThreadPoolExecutor(SHARDS) as pool:
                first = list(pool.map(lambda query: self._query(**query), queries))
            parts = map(self._entries, queries, first)
            yield from merge(*parts, key=lambda entry: str(entry["created_at"]), reverse=True)
            past = {}

    def _entries(self, query: dict[str, Any], response: Mapping[str, Any]) -> Iterator[Attributes]:
        """Yield the entries of a query's first page, and of the next ones when they are needed."""
        yield from map(from_item, response["Items"])
        while last := response.get("LastEvaluatedKey"):
            response = self._query(**query | {"ExclusiveStartKey": last})
            yield from map(from_item, response["Items"])

    def _sample_of(self, shard: int, since: datetime, until: datetime) -> tuple[list[str], bool]:
        """Return the keys of a page of a shard's messages, and whether there are no others."""
        keys: list[str] = []
        for one in segments(since, until, shard):
            if len(keys) == PAGE:
                return keys, False
            query = self._span(Listing.BY_DAY, one.partition, one.first, one.last, most=PAGE - len(keys))
            response = self._query(**query)
            keys += [item["crqid"]["S"] for item in response["Items"]]
            if "LastEvaluatedKey" in response:
                return keys, False
        return keys, True

    def _span(
        self, listing: Listing, key: str, since: datetime, until: datetime, *, past: str | None = None, most: int = PAGE
    ) -> dict[str, Any]:
        """Return the query for a partition's entries of a span of time, newest first. Both ends are in it."""
        index, attribute = listing.value
        start = {attribute: key, "created_at": instant(until), "crqid": past}
        return {
            "TableName": self._messages_table,
            "IndexName": index,
            "KeyConditionExpression": "#key = :key AND created_at BETWEEN :since AND :until",
            "ExpressionAttributeNames": {"#key": attribute},
            "ExpressionAttributeValues": to_item({":key": key, ":since": instant(since), ":until": instant(until)}),
            "ScanIndexForward": False,
            "Limit": most,
            **({"ExclusiveStartKey": to_item(start)} if past else {}),
        }

    def _get(self, crqids: Sequence[str], attributes: tuple[str, ...] = ()) -> list[Attributes]:
        """Return messages in the order of their keys, without those that have expired since.

        `attributes`: what is read of them, with `crqid`; all if empty.
        """
        keys = ({"crqid": {"S": crqid}} for crqid in crqids)
        items = read_items(self._client, self._messages_table, keys, attributes=attributes)
        found = {str(item["crqid"]): item for item in items}
        return [found[crqid] for crqid in crqids if crqid in found]

    def _query(self, **arguments: Any) -> Mapping[str, Any]:  # noqa: ANN401 - boto3's
        with _unavailable_on_error():
            return self._client.query(**arguments)


def is_key(text: str) -> bool:
    """Whether a text has the form of a message's key: longer than any phone number, so that it can be logged."""
    return _OWN_KEY.fullmatch(text) is not None


@contextmanager
def _unavailable_on_error() -> Iterator[None]:
    try:
        yield
    except AWS_ERRORS as error:
        raise StoreUnavailableError(error_code(error)) from error


def _position_after(shown: Sequence[Attributes], before: Position) -> Position:
    """Return the position behind a page: the last message shown of each partition at the page's last instant."""
    until = datetime.fromisoformat(str(shown[-1]["created_at"]))
    past = {shard_of(crqid): crqid for crqid in before.past} if until == before.until else {}
    past |= {shard_of(crqid): crqid for crqid in _keys(one for one in shown if one["created_at"] == instant(until))}
    return Position(until, tuple(past.values()))


def _keys(entries: Iterable[Attributes]) -> list[str]:
    return [str(entry["crqid"]) for entry in entries]


def _time_of_report(report: Attributes) -> tuple[str, str]:
    return str(report.get("reported_at", "")), str(report.get("received_at", ""))
