"""Searches in both tables: queries on indexes and reads by key, each with a limit.

No call's cost grows with the tables. Three of the five indexes hold only what `search_keys` has put into them.
"""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from enum import Enum
from heapq import merge
from itertools import islice
from typing import TYPE_CHECKING, Any, Final, Self

from segment_msg91.store.aws import AWS_ERRORS, Attributes, StoreUnavailableError, error_code, from_item, to_item
from segment_msg91.store.search_keys import SHARDS, partition, shard_of
from segment_msg91.times import instant, parse_instant

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

# The maximum of days that one call reads: three times eight queries.
DAYS: Final = 3
PAGE: Final = 25

_KEY: Final = re.compile(r"[A-Za-z0-9]{1,52}")  # MSG91's limits of a CRQID
_OWN_KEY: Final = re.compile(r"[0-9a-f]{32}|[0-9a-f]{40}")  # those that `mapping` makes
_MAX_ATTEMPTS: Final = 3
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

    def find(self, index: Index, value: str, after: str | None = None) -> Page:
        """Return a page of the messages with this value. `after` is the position that the page before returned.

        Raises StoreUnavailableError, and UnknownPositionError.
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
            Limit=PAGE,
            **arguments,
        )
        crqids = [item["crqid"]["S"] for item in response["Items"]]
        more = response.get("LastEvaluatedKey")
        return Page(self._get(crqids), more["crqid"]["S"] if more else None)

    def recent(self, position: Position, oldest: date) -> Page:
        """Return the most recent messages at a position, from as many days as fill a page or one call may look at.

        Before the day `oldest` there are none. Raises StoreUnavailableError.
        """
        found: list[Attributes] = []
        day = position.until.date()
        for _ in range(DAYS):
            if day < oldest:
                return Page(self._get(_keys(found)), None)
            found += islice(self._of_day(day, position), PAGE - len(found))
            if len(found) == PAGE:
                return Page(self._get(_keys(found)), str(_position_after(found, position)))
            day -= timedelta(days=1)
        end = datetime(day.year, day.month, day.day, 23, 59, 59, 999_000, tzinfo=UTC)
        return Page(self._get(_keys(found)), str(Position(end)))

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

    def _of_day(self, day: date, position: Position) -> Iterable[Attributes]:
        """Return the index's entries of a day, as many of each of its partitions as a page may need."""
        past = {shard_of(crqid): crqid for crqid in position.past} if day == position.until.date() else {}

        def of_shard(shard: int) -> list[Attributes]:
            arguments: dict[str, Any] = {}
            if shard in past:
                start = {
                    "searchable_day": partition(day, shard),
                    "created_at": instant(position.until),
                    "crqid": past[shard],
                }
                arguments["ExclusiveStartKey"] = to_item(start)
            response = self._query(
                TableName=self._messages_table,
                IndexName="by_day",
                KeyConditionExpression="searchable_day = :partition AND created_at <= :until",
                ExpressionAttributeValues=to_item(
                    {":partition": partition(day, shard), ":until": instant(position.until)}
                ),
                ScanIndexForward=False,
                Limit=PAGE,
                **arguments,
            )
            return [from_item(item) for item in response["Items"]]

        with ThreadPoolExecutor(SHARDS) as pool:
            return merge(*pool.map(of_shard, range(SHARDS)), key=lambda entry: str(entry["created_at"]), reverse=True)

    def _get(self, crqids: Sequence[str]) -> list[Attributes]:
        """Return messages in the order of their keys, without those that have expired since."""
        wanted: Any = [{"crqid": {"S": crqid}} for crqid in crqids]
        found: dict[str, Attributes] = {}
        for _ in range(_MAX_ATTEMPTS):
            if not wanted:
                return [found[crqid] for crqid in crqids if crqid in found]
            with _unavailable_on_error():
                response: Any = self._client.batch_get_item(RequestItems={self._messages_table: {"Keys": wanted}})
            items = response["Responses"].get(self._messages_table, [])
            found |= {item["crqid"]["S"]: from_item(item) for item in items}
            wanted = response.get("UnprocessedKeys", {}).get(self._messages_table, {}).get("Keys", [])
        raise StoreUnavailableError("some keys were left unread by each of several tries")

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
