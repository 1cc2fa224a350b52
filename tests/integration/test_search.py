"""Message search on moto's tables: every search, its pages, and its DynamoDB calls."""

import json
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, time, timedelta
from typing import TYPE_CHECKING, Any, Final

import pytest

from segment_msg91.store import search as search_module
from segment_msg91.store.aws import StoreUnavailableError, to_item
from segment_msg91.store.search import DAYS, PAGE, Index, Position, Search, Selected, Selection, UnknownPositionError
from segment_msg91.store.search_keys import SHARDS, search_keys
from segment_msg91.times import instant

if TYPE_CHECKING:
    from tests.fakes.aws import Aws
    from tests.fakes.clock import Clock
    from tests.fakes.dynamodb import UnreliableDynamoDb
    from tests.fakes.events import Track
    from tests.fakes.msg91 import FakeMsg91
    from tests.integration.conftest import Send

LONG_AGO: Final = datetime(2020, 1, 1, tzinfo=UTC)

type Put = Callable[..., list[str]]


@pytest.fixture
def search(dynamodb: "UnreliableDynamoDb") -> Search:
    return Search(dynamodb.client, "MessagesTable", "ReportsTable")


@pytest.fixture
def put(aws: "Aws", clock: "Clock") -> Put:
    """Put messages with search keys into the table; return their keys."""

    def write(count: int, at: datetime | None = None, **attributes: Any) -> list[str]:  # noqa: ANN401 - of any type
        moment = at or clock()
        prefix = attributes.pop("prefix", f"M{moment:%d%H%M%S}x")
        keys = [f"{prefix}{number}" for number in range(count)]
        for key in keys:
            found_by = search_keys(key, attributes.get("message_id"), attributes.get("user_id"), moment)
            item = {"crqid": key, "created_at": instant(moment), **attributes, **found_by}
            aws.dynamodb.put_item(TableName="MessagesTable", Item=to_item(item))
        return keys

    return write


def _keys(messages: list[Any]) -> list[str]:
    return [str(message["crqid"]) for message in messages]


def _recent(search: Search, position: Position, since: datetime = LONG_AGO) -> Selected:
    """Return a page of all messages."""
    attributes = ("crqid", "created_at", "send_state", "phone")
    return search.recent(position, Selection(since, attributes, matches=lambda _: True))


def _midnight(clock: "Clock") -> datetime:
    return datetime.combine(clock(), time.min, UTC)


def _all_recent(search: Search, clock: "Clock", since: datetime = LONG_AGO) -> Iterator[list[str]]:
    """Yield the keys of each page until there are no more."""
    position: Position | None = Position(clock())
    while position:
        page = _recent(search, Position.parse(str(position)), since)
        yield _keys(page.messages)
        position = page.after


@pytest.mark.parametrize(
    ("index", "attribute", "value"),
    [
        (Index.PHONE, "phone", "919800000001"),
        (Index.REQUEST_ID, "request_id", "346130aa11bb22cc33dd4401"),
        (Index.MESSAGE_ID, "message_id", "message-1"),
        (Index.USER_ID, "user_id", "user-1"),
    ],
)
def test_a_value_finds_its_messages_page_by_page_and_no_others(
    search: Search, put: Put, index: Index, attribute: str, value: str
) -> None:
    common = {"phone": "919800000001", attribute: value}
    wanted = put(2 * PAGE + 1, **common)
    put(3, **(common | {attribute: f"{value}2"}), prefix="Other")
    found, after = [], None
    for expected in (PAGE, PAGE, 1):
        page = search.find(index, value, after)
        assert len(page.messages) == expected
        found += _keys(page.messages)
        after = page.after
    assert (sorted(found), after) == (sorted(wanted), None)


def test_the_newest_come_first(search: Search, put: Put, clock: "Clock") -> None:
    moments = [clock() - timedelta(seconds=seconds) for seconds in (20, 10, 30)]
    middle, newest, oldest = (put(1, at, phone="919800000001")[0] for at in moments)
    assert _keys(search.find(Index.PHONE, "919800000001").messages) == [newest, middle, oldest]
    assert _keys(_recent(search, Position(clock())).messages) == [newest, middle, oldest]


def test_a_search_without_a_match_finds_nothing(search: Search, put: Put) -> None:
    put(1, phone="919800000001")
    page = search.find(Index.PHONE, "919800000002")
    assert (page.messages, page.after) == ([], None)


def test_a_page_cannot_be_continued_from_another_search_or_from_nothing(search: Search, put: Put) -> None:
    (other,) = put(1, phone="919800000002")
    for after in (other, "unknown", "not a key"):
        with pytest.raises(UnknownPositionError):
            search.find(Index.PHONE, "919800000001", after)


def test_the_most_recent_come_page_by_page_each_once(search: Search, put: Put, clock: "Clock") -> None:
    batches = [put(30, clock() - timedelta(hours=hours)) for hours in (1, 2, 3)]
    pages = list(_all_recent(search, clock, since=_midnight(clock)))
    seen = [key for page in pages for key in page]
    assert [sorted(seen[start : start + 30]) for start in (0, 30, 60)] == [sorted(batch) for batch in batches]
    assert [len(page) for page in pages[:3]] == [PAGE] * 3


def test_a_batch_of_one_instant_is_paged_through_whole(search: Search, put: Put, clock: "Clock") -> None:
    keys = put(200)
    seen = [key for page in _all_recent(search, clock, since=_midnight(clock)) for key in page]
    assert sorted(seen) == sorted(keys)


def test_new_messages_do_not_shift_the_pages(search: Search, put: Put, clock: "Clock") -> None:
    keys = put(2 * PAGE)
    first = _recent(search, Position(clock()), _midnight(clock))
    clock.advance(seconds=1)
    put(10)
    second = _recent(search, Position.parse(str(first.after)), _midnight(clock))
    assert sorted(_keys([*first.messages, *second.messages])) == sorted(keys)


def test_a_page_is_filled_from_the_days_before(search: Search, put: Put, clock: "Clock") -> None:
    today, yesterday = put(3), put(4, clock() - timedelta(days=1))
    page = _recent(search, Position(clock()))
    assert sorted(_keys(page.messages)[:3]) == sorted(today)
    assert sorted(_keys(page.messages)[3:]) == sorted(yesterday)


def test_a_call_looks_at_few_days_and_says_where_to_look_next(
    search: Search, put: Put, clock: "Clock", dynamodb: "UnreliableDynamoDb"
) -> None:
    old = put(2, clock() - timedelta(days=DAYS))
    page = _recent(search, Position(clock()))
    assert page.messages == []
    assert dynamodb.calls == ["query"] * SHARDS * DAYS
    assert sorted(_keys(_recent(search, Position.parse(str(page.after))).messages)) == sorted(old)


def test_there_is_nothing_before_the_oldest_day(search: Search, clock: "Clock", dynamodb: "UnreliableDynamoDb") -> None:
    page = _recent(search, Position(clock()), _midnight(clock))
    assert (page.messages, page.after) == ([], None)
    assert len(dynamodb.calls) == SHARDS


@pytest.mark.parametrize("text", ["0001-01-01T00:00:00Z", "2019-12-31T23:59:59Z"])
def test_a_position_before_the_oldest_day_has_nothing_behind_it(
    search: Search, dynamodb: "UnreliableDynamoDb", text: str
) -> None:
    page = _recent(search, Position.parse(text))
    assert (page.messages, page.after, dynamodb.calls) == ([], None, [])


def test_a_days_messages_are_spread() -> None:
    at = datetime(2026, 1, 2, 23, 59, tzinfo=UTC)
    days = {str(search_keys(f"Crqid{number}", None, None, at)["searchable_day"]) for number in range(200)}
    assert days == {f"2026-01-02#{shard}" for shard in range(SHARDS)}


@pytest.mark.parametrize(
    "text",
    ["", "now", "~a", "2026-01-02T03:04:05Z~a b", "2026-01-02T03:04:05Z" + "~a" * 9, "0001-01-01T00:00:00+01:00"],
)
def test_what_is_no_position_is_refused(text: str) -> None:
    with pytest.raises(UnknownPositionError):
        Position.parse(text)


def test_only_messages_of_the_time_when_the_console_is_on_are_searchable(
    send: "Send", aws: "Aws", track: "Track"
) -> None:
    event = track("919800000001") | {"userId": "user-1"}
    send(event)
    assert not [name for name in aws.messages()[0] if name.startswith("searchable")]
    send(track("919800000002", "message-2") | {"userId": "user-1"}, console_enabled=True)
    (message,) = [one for one in aws.messages() if "searchable_day" in one]
    assert (message["searchable_message_id"], message["searchable_user_id"]) == ("message-2", "user-1")


def test_an_event_without_ids_is_searchable_by_day_alone(send: "Send", aws: "Aws", track: "Track") -> None:
    send(track("919800000001", message_id=None), console_enabled=True)
    assert [name for name in aws.messages()[0] if name.startswith("searchable")] == ["searchable_day"]


def test_an_invalid_event_is_searchable(send: "Send", search: Search, clock: "Clock", track: "Track") -> None:
    send(track("12"), console_enabled=True)
    assert [one["send_state"] for one in _recent(search, Position(clock())).messages] == ["invalid"]
    assert [one["send_state"] for one in search.find(Index.MESSAGE_ID, "message-1").messages] == ["invalid"]


def test_a_message_stays_in_the_day_in_which_it_came_however_often_it_is_claimed(
    send: "Send", aws: "Aws", clock: "Clock", track: "Track", msg91: "FakeMsg91"
) -> None:
    event = track("919800000001")
    msg91.refuses("301")
    send(event, console_enabled=True)
    before = aws.messages()[0]["searchable_day"]
    clock.advance(days=1)
    send(event, console_enabled=True)
    (message,) = aws.messages()
    assert (message["send_state"], message["attempts"]) == ("accepted", 2)
    assert message["searchable_day"] == before
    assert str(message["created_at"]).startswith(before[:10])


def test_keys_that_dynamodb_leaves_unread_are_asked_for_again(
    search: Search, put: Put, dynamodb: "UnreliableDynamoDb"
) -> None:
    keys = put(3, phone="919800000001")
    whole = dynamodb._client.batch_get_item  # noqa: SLF001 - what the fake wraps

    def leave_two(**arguments: Any) -> dict[str, Any]:  # noqa: ANN401 - boto3's
        wanted = arguments["RequestItems"]["MessagesTable"]["Keys"]
        response: Any = whole(RequestItems={"MessagesTable": {"Keys": wanted[:1]}})
        return {**response, "UnprocessedKeys": {"MessagesTable": {"Keys": wanted[1:]}}}

    dynamodb._prepare("batch_get_item", leave_two)  # noqa: SLF001 - a fault of this test only
    assert sorted(_keys(search.find(Index.PHONE, "919800000001").messages)) == sorted(keys)


@pytest.mark.parametrize("operation", ["query", "batch_get_item"])
def test_a_failing_table_is_said_to_be_unavailable(
    search: Search, put: Put, dynamodb: "UnreliableDynamoDb", operation: str
) -> None:
    put(1, phone="919800000001")
    dynamodb.refuses(operation)
    with pytest.raises(StoreUnavailableError, match="ThrottlingException"):
        search.find(Index.PHONE, "919800000001")


def _report(group: str, at: str, **attributes: str) -> dict[str, Any]:
    key = {"report_group": group, "report_id": f"{at}#{json.dumps(attributes)}"}
    return to_item({**key, "reported_at": at, "status": "failed", "raw": "{}", **attributes})


def test_a_messages_reports_are_those_of_its_number_in_its_request_and_those_of_its_key(
    search: Search, aws: "Aws"
) -> None:
    for item in (
        _report("request-1", "2026-01-02T03:00:02Z", phone="919800000001"),
        _report("request-1", "2026-01-02T03:00:03Z", phone="919800000002"),
        _report("Crqid1", "2026-01-02T03:00:01Z", matched="Crqid1"),
        _report("request-2", "2026-01-02T03:00:04Z", phone="919800000001"),
    ):
        aws.dynamodb.put_item(TableName="ReportsTable", Item=item)
    found = search.reports({"crqid": "Crqid1", "request_id": "request-1", "phone": "919800000001"})
    assert [report["reported_at"] for report in found.reports] == ["2026-01-02T03:00:01Z", "2026-01-02T03:00:02Z"]
    assert found.is_complete
    assert "raw" not in found.reports[0]


def test_a_request_with_more_reports_than_are_read_is_not_complete(
    search: Search, aws: "Aws", dynamodb: "UnreliableDynamoDb", monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(search_module, "_REPORTS_PER_QUERY", 2)
    for second in range(9):
        item = _report("request-1", f"2026-01-02T03:00:0{second}Z", phone="919800000001")
        aws.dynamodb.put_item(TableName="ReportsTable", Item=item)
    found = search.reports({"crqid": "Crqid1", "request_id": "request-1", "phone": "919800000001"})
    assert (len(found.reports), found.is_complete) == (8, False)
    assert dynamodb.calls == ["query"] * 5  # four for the request, one for the message's own key
