"""The console's lists, breakdowns and exports on both engines' tables, compared with a count of all messages."""

import csv
import io
import random
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta, timezone
from itertools import batched, chain
from typing import TYPE_CHECKING, Any, Final

import pytest

from segment_msg91.breakdown import bars_of
from segment_msg91.list_query import InvalidQueryError
from segment_msg91.message_view import display_status, event_shown
from segment_msg91.outcomes import outcome_of
from segment_msg91.store.aws import to_item
from segment_msg91.store.search import MOST_READ, PAGE, Search
from segment_msg91.store.search_keys import awaiting_partition, search_keys
from segment_msg91.times import instant
from segment_msg91.use_cases.console import Console

if TYPE_CHECKING:
    from tests.fakes.aws import Aws
    from tests.fakes.clock import Clock
    from tests.fakes.dynamodb import UnreliableDynamoDb

type Message = dict[str, Any]
type Write = Callable[[list[Message]], None]

INDIA: Final = timezone(timedelta(hours=5, minutes=30))
RETENTION: Final = timedelta(days=4)  # every list ends soon
TODAY_BEGINS: Final = datetime(2026, 1, 1, 18, 30, tzinfo=UTC)  # of the clock's day, in India
DAY: Final = timedelta(days=1)
ENDS: Final[list[Message]] = [
    {"send_state": "accepted", "delivery_status": "delivered"},
    {"send_state": "accepted", "delivery_status": "ndnc", "failure_category": "dnd"},
    {"send_state": "accepted", "delivery_status": "failed", "failure_category": "unreachable"},
    {"send_state": "accepted", "delivery_status": "unreported", "failure_category": "unconfirmed"},
    {"send_state": "accepted"},
    {"send_state": "unknown", "delivery_status": "pending"},
    {"send_state": "held", "failure_category": "balance"},
    {"send_state": "suppressed", "suppressed_because": "country"},
]
EVENTS: Final = ["Order Shipped", "Call +91 98000 00001", "=1+1", "<img src=x>", None]


@pytest.fixture
def console(dynamodb: "UnreliableDynamoDb", clock: "Clock") -> Console:
    return Console(Search(dynamodb.client, "MessagesTable", "ReportsTable"), RETENTION, INDIA, clock)


@pytest.fixture
def write(aws: "Aws") -> Write:
    """Write messages as claims and reports do, with the keys of every index."""

    def put(messages: list[Message]) -> None:
        requests: list[Any] = [{"PutRequest": {"Item": to_item(_indexed(message))}} for message in messages]
        for some in batched(requests, 25, strict=False):
            aws.dynamodb.batch_write_item(RequestItems={"MessagesTable": some})

    return put


def _indexed(message: Message) -> Message:
    moment = datetime.fromisoformat(message["created_at"])
    waiting = {"awaiting_report": awaiting_partition(message["crqid"])} if outcome_of(message) == "waiting" else {}
    return message | search_keys(message["crqid"], None, message.get("user_id"), moment) | waiting


def _message(chance: random.Random, at: datetime) -> Message:
    message = {
        "crqid": f"{chance.getrandbits(160):040x}",
        "created_at": instant(at),
        "phone": chance.choice(["919800000001", "919800000002"]),
        "event_type": "track",
        "event_name": chance.choice(EVENTS),
        "sender_id": chance.choice(["MSGIND", "MSGTST"]),
        "template_id": chance.choice([None, "60b07c0ffee0000000000001", "60b07c0ffee0000000000002"]),
        "user_id": chance.choice(["user-1", "user-2"]),
        **chance.choice(ENDS),
    }
    return {name: value for name, value in message.items() if value is not None}


def _random_messages(seed: int, most: int = 230) -> list[Message]:
    """Make messages of the last days: batches that share an instant, some of them at the edges of a day."""
    chance = random.Random(seed)  # noqa: S311 - a test's
    messages: list[Message] = []
    edges = [TODAY_BEGINS, TODAY_BEGINS - timedelta(milliseconds=1), datetime(2026, 1, 2, tzinfo=UTC)]
    while len(messages) < most:
        minutes = chance.choice([5, 60, 500, 2500])
        moments = [*edges, TODAY_BEGINS + timedelta(hours=8) - timedelta(minutes=chance.uniform(0, minutes))]
        at = chance.choices(moments, weights=[1, 1, 1, 9])[0]
        messages += [_message(chance, at) for _ in range(chance.choice([1, 1, 1, 30, 60]))]
    return messages


def _newest_first(messages: list[Message]) -> list[Message]:
    return sorted(messages, key=lambda message: str(message["created_at"]), reverse=True)


def _pages(console: Console, query: dict[str, str]) -> Iterator[dict[str, Any]]:
    after: dict[str, str] = {}
    while True:
        page = console.messages(query | after)
        yield page
        if page["after"] is None:
            return
        after = {"after": page["after"]}


def _all_pages(console: Console, query: dict[str, str]) -> list[Message]:
    return list(chain.from_iterable(page["messages"] for page in _pages(console, query)))


def _matches(message: Message, query: dict[str, str]) -> bool:
    shown = {
        "outcome": outcome_of(message),
        "category": message.get("failure_category"),
        "event": event_shown(message),
        "template_id": message.get("template_id"),
        "sender_id": message.get("sender_id"),
    }
    since, until = query.get("from", ""), query.get("until", "9")
    return since <= message["created_at"] < until and all(
        shown[name] == value for name, value in query.items() if name in shown
    )


FILTERS: Final[list[dict[str, str]]] = [
    {},
    {"outcome": "failed"},
    {"outcome": "delivered", "sender_id": "MSGIND"},
    {"outcome": "waiting"},
    {"outcome": "waiting", "event": "=1+1"},
    {"outcome": "failed", "category": "dnd", "event": "Call 91••••••••01"},
    {"category": "balance"},
    {"event": "track"},
    {"event": "<img src=x>", "template_id": "60b07c0ffee0000000000001"},
    {"template_id": "60b07c0ffee0000000000009"},
    {"from": instant(TODAY_BEGINS), "until": instant(TODAY_BEGINS + timedelta(hours=6))},
    {"until": instant(TODAY_BEGINS), "outcome": "no_report"},
    {"from": instant(TODAY_BEGINS - DAY), "outcome": "waiting", "sender_id": "MSGTST"},
]


@pytest.mark.parametrize("seed", range(2))
def test_the_pages_of_every_filter_have_the_messages_that_match_each_once(
    console: Console, write: Write, seed: int
) -> None:
    messages = _random_messages(seed)
    write(messages)
    for query in FILTERS:
        shown = _all_pages(console, query)
        wanted = [message for message in messages if _matches(message, query)]
        assert sorted(one["crqid"] for one in shown) == sorted(one["crqid"] for one in wanted), query
        assert [one["created_at"] for one in shown] == [one["created_at"] for one in _newest_first(wanted)], query


def test_a_page_reads_at_most_200_messages_and_says_how_many_and_back_to_when(console: Console, write: Write) -> None:
    messages = _random_messages(seed=4, most=450)
    write(messages)
    read = 0
    for page in _pages(console, {"category": "dnd", "event": "Order Shipped"}):
        assert len(page["messages"]) <= PAGE
        assert page["read"] <= MOST_READ
        read += page["read"]
        if page["after"]:
            later = sum(one["created_at"] > page["back_to"] for one in messages)
            assert later <= read <= sum(one["created_at"] >= page["back_to"] for one in messages)
        else:
            assert page["back_to"] is None
    assert read == len(messages)


@pytest.mark.parametrize("at", [TODAY_BEGINS + timedelta(hours=1), TODAY_BEGINS])
def test_a_batch_of_one_instant_that_is_larger_than_a_read_is_filtered_whole(
    console: Console, write: Write, at: datetime
) -> None:
    chance = random.Random(5)  # noqa: S311 - a test's
    messages = [_message(chance, at) for _ in range(250)]
    write(messages)
    shown = [one["crqid"] for one in _all_pages(console, {"outcome": "failed"})]
    assert sorted(shown) == sorted(one["crqid"] for one in messages if outcome_of(one) == "failed")


def test_messages_that_match_are_found_over_days_without_any(
    dynamodb: "UnreliableDynamoDb", clock: "Clock", write: Write
) -> None:
    search = Search(dynamodb.client, "MessagesTable", "ReportsTable")
    console = Console(search, timedelta(days=10), INDIA, clock)
    chance = random.Random(6)  # noqa: S311 - a test's
    old = _message(chance, TODAY_BEGINS - 9 * DAY)
    expired = _message(chance, TODAY_BEGINS - 11 * DAY)
    write([old, expired])
    assert [one["crqid"] for one in _all_pages(console, {"event": str(event_shown(old))})] == [old["crqid"]]


def test_messages_that_wait_are_found_without_the_others(
    console: Console, write: Write, dynamodb: "UnreliableDynamoDb"
) -> None:
    messages = _random_messages(seed=7, most=300)
    write(messages)
    page = console.messages({"outcome": "waiting"})
    assert page["read"] == PAGE
    assert dynamodb.calls.count("query") == 8


def test_a_message_that_has_ended_between_two_pages_does_not_disturb_them(
    console: Console, write: Write, aws: "Aws"
) -> None:
    chance = random.Random(8)  # noqa: S311 - a test's
    messages = [_message(chance, TODAY_BEGINS) | {"send_state": "accepted"} for _ in range(3 * PAGE)]
    waiting = [message | dict.fromkeys(("delivery_status", "failure_category")) for message in messages]
    write([{name: value for name, value in message.items() if value} for message in waiting])
    first = console.messages({"outcome": "waiting"})
    for shown in first["messages"]:
        key = {"crqid": {"S": shown["crqid"]}}
        aws.dynamodb.update_item(TableName="MessagesTable", Key=key, UpdateExpression="REMOVE awaiting_report")
    others = _all_pages(console, {"outcome": "waiting", "after": first["after"]})
    assert len({one["crqid"] for one in [*first["messages"], *others]}) == 3 * PAGE


def test_without_reconciliation_the_messages_that_wait_are_found_among_all(
    dynamodb: "UnreliableDynamoDb", clock: "Clock", write: Write, aws: "Aws"
) -> None:
    messages = _random_messages(seed=9, most=100)
    write(messages)
    for message in messages:
        key = {"crqid": {"S": message["crqid"]}}
        aws.dynamodb.update_item(TableName="MessagesTable", Key=key, UpdateExpression="REMOVE awaiting_report")
    search = Search(dynamodb.client, "MessagesTable", "ReportsTable")
    console = Console(search, RETENTION, INDIA, clock, has_waiting_index=False)
    shown = [one["crqid"] for one in _all_pages(console, {"outcome": "waiting"})]
    assert sorted(shown) == sorted(one["crqid"] for one in messages if outcome_of(one) == "waiting")


# Breakdowns


def _of_day(messages: list[Message], begins: datetime) -> list[Message]:
    return [one for one in messages if instant(begins) <= one["created_at"] < instant(begins + DAY)]


@pytest.mark.parametrize("seed", range(2))
def test_a_day_of_few_messages_is_counted_whole_and_no_other_days(
    console: Console, write: Write, clock: "Clock", seed: int
) -> None:
    chance = random.Random(seed)  # noqa: S311 - a test's
    clock.advance(days=1)
    edges = [TODAY_BEGINS + offset for offset in (timedelta(0), DAY, timedelta(milliseconds=-1))]
    spread = [TODAY_BEGINS + DAY * chance.uniform(-1, 2) for _ in range(200)]
    messages = [_message(chance, at) for at in [*edges, *edges, *spread]]
    write(messages)
    view = console.breakdown({"day": "2026-01-02"})
    own = _of_day(messages, TODAY_BEGINS)
    assert (view["day"], view["is_complete"], view["read"]) == ("2026-01-02", True, len(own))
    assert view["bars"] == bars_of(own, TODAY_BEGINS)
    assert console.breakdown({"day": "2025-12-31"})["read"] == 0


def test_a_busy_day_is_sampled_all_over_and_no_message_twice(
    console: Console, write: Write, clock: "Clock", dynamodb: "UnreliableDynamoDb"
) -> None:
    chance = random.Random(10)  # noqa: S311 - a test's
    clock.advance(days=1)
    messages = [_message(chance, TODAY_BEGINS + DAY * chance.uniform(-0.2, 1.2)) for _ in range(1500)]
    write(messages)
    view = console.breakdown({"day": "2026-01-02"})
    assert (view["read"], view["is_complete"]) == (MOST_READ, False)
    assert [bar["read"] for bar in view["bars"]] == pytest.approx([50] * 4, abs=15)
    assert dynamodb.calls.count("query") <= 12
    search = Search(dynamodb.client, "MessagesTable", "ReportsTable")
    sample = search.sample(TODAY_BEGINS, TODAY_BEGINS + DAY, ("crqid", "created_at"))
    keys = {str(one["crqid"]) for one in sample.messages}
    assert len(keys) == MOST_READ
    assert keys <= {one["crqid"] for one in _of_day(messages, TODAY_BEGINS)}


def test_a_day_whose_messages_came_in_one_hour_is_sampled_there(console: Console, write: Write, clock: "Clock") -> None:
    chance = random.Random(11)  # noqa: S311 - a test's
    clock.advance(days=1)
    write([_message(chance, TODAY_BEGINS + timedelta(hours=13, minutes=chance.uniform(0, 60))) for _ in range(600)])
    view = console.breakdown({"day": "2026-01-02"})
    assert (view["read"], view["is_complete"]) == (MOST_READ, False)
    assert [bar["read"] for bar in view["bars"]] == [0, 0, MOST_READ, 0]


def test_todays_messages_until_now_are_the_default(console: Console, write: Write, clock: "Clock") -> None:
    chance = random.Random(12)  # noqa: S311 - a test's
    messages = [_message(chance, clock() - timedelta(minutes=minutes)) for minutes in (1, 60, 500)]
    write([*messages, _message(chance, TODAY_BEGINS - timedelta(minutes=1))])
    view = console.breakdown({})
    assert (view["day"], view["read"], view["is_complete"]) == ("2026-01-02", 3, True)
    assert [bar["read"] for bar in view["bars"]] == [1, 2, 0, 0]


@pytest.mark.parametrize("day", ["2026-01-03", "2025-12-01", "3000-01-01"])
def test_a_day_that_is_not_one_of_the_last_is_refused(console: Console, day: str) -> None:
    with pytest.raises(InvalidQueryError, match=r"^day: "):
        console.breakdown({"day": day})


# Exports


def _exported(console: Console, query: dict[str, str]) -> list[dict[str, str]]:
    text, rows = "", 0
    after: dict[str, str] = {}
    while True:
        page = console.export(query | after)
        text += page.csv
        rows += page.rows
        if page.after is None:
            break
        after = {"after": page.after}
    lines = list(csv.DictReader(io.StringIO(text, newline="")))
    assert len(lines) == rows
    return lines


def test_an_export_has_what_the_search_shows(console: Console, write: Write) -> None:
    write(_random_messages(seed=13))
    for query in [*FILTERS[1:5], {"user_id": "user-1"}, {"phone": "+91 98000 00001"}]:
        lines, shown = _exported(console, query), _all_pages(console, query)
        assert [line["crqid"] for line in lines] == [one["crqid"] for one in shown]
        assert [line["status"] for line in lines] == [one["label"] for one in shown]
        assert [line["time"] for line in lines] == [one["created_at"] for one in shown]
        assert {line["phone"] for line in lines} <= {"91••••••••01", "91••••••••02"}


def test_an_export_of_a_day_has_every_message_of_the_day(console: Console, write: Write, clock: "Clock") -> None:
    clock.advance(days=3)
    messages = _random_messages(seed=14, most=450)
    write(messages)
    lines = _exported(console, {"day": "2026-01-02"})
    own = {one["crqid"]: one for one in _of_day(messages, TODAY_BEGINS)}
    assert sorted(line["crqid"] for line in lines) == sorted(own)
    assert {line["crqid"]: line["status"] for line in lines} == {
        crqid: display_status(one, clock()).label for crqid, one in own.items()
    }
    assert len(_exported(console, {"day": "2026-01-02", "outcome": "failed"})) == sum(
        outcome_of(one) == "failed" for one in own.values()
    )


def test_an_export_of_everything_is_refused(console: Console) -> None:
    with pytest.raises(InvalidQueryError, match=r"^day: missing; give a day"):
        console.export({"after": "2026-01-02T03:04:05Z"})
