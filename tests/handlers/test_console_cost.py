"""What a request of the console takes: at most 50 ms of processor time and a fixed number of reads, of any table."""

from collections import Counter
from datetime import timedelta, timezone
from time import process_time
from typing import Final

import pytest

from functions.console import app as console
from sandbox.aws import SECRET
from segment_msg91.settings import Secrets
from segment_msg91.store.aws import dynamodb_client
from segment_msg91.store.search import MOST_READ, Search
from segment_msg91.use_cases.console import Console
from tests.fakes.clock import Clock
from tests.fakes.endless_dynamodb import EndlessDynamoDb
from tests.handlers.conftest import Ask

BUDGET: Final = 0.05  # seconds
RUNS: Final = 7
DAY: Final = "2026-01-01"
QUERIES: Final[list[tuple[str, dict[str, str]]]] = [
    ("/console/messages", {}),
    ("/console/messages", {"outcome": "delivered"}),
    ("/console/messages", {"outcome": "failed", "event": "no such event"}),
    ("/console/messages", {"outcome": "waiting"}),
    ("/console/messages", {"user_id": "user-1"}),
    ("/console/breakdown", {"day": DAY}),
    ("/console/export", {"day": DAY}),
    ("/console/export", {"sender_id": "MSGTST"}),
    ("/console/export", {"user_id": "user-1"}),
]


@pytest.fixture
def endless(monkeypatch: pytest.MonkeyPatch) -> EndlessDynamoDb:
    """The console on a table without an end, in which each event's name has the number of its message."""
    client = dynamodb_client()
    database = EndlessDynamoDb(client)
    search = Search(client, "MessagesTable", "ReportsTable")
    use_case = Console(search, timedelta(days=400), timezone(timedelta(hours=5, minutes=30)), Clock())
    monkeypatch.setattr(console, "wiring", lambda: (_Secret(), use_case, None))
    return database


class _Secret:
    def read(self) -> Secrets:
        return Secrets(console_tokens=(SECRET["console_token"],))


@pytest.mark.parametrize(("path", "query"), QUERIES)
def test_a_request_takes_at_most_50_ms_of_processor_time(
    endless: EndlessDynamoDb, path: str, query: dict[str, str]
) -> None:
    ask = Ask()
    took = []
    for _ in range(RUNS):
        before = process_time() - endless.seconds
        assert ask(path, **query).status == 200
        took.append(process_time() - endless.seconds - before)
    assert min(took) <= BUDGET


@pytest.mark.parametrize(("path", "query"), QUERIES)
def test_a_request_reads_at_most_200_messages_by_few_calls(
    endless: EndlessDynamoDb, path: str, query: dict[str, str]
) -> None:
    Ask()(path, **query)
    calls = Counter(endless.operations)
    assert endless.read <= MOST_READ
    assert calls["Query"] <= 16
    assert calls["BatchGetItem"] <= 3
    assert set(calls) <= {"Query", "BatchGetItem"}


def test_a_breakdown_of_a_busy_day_takes_a_query_for_each_shard(endless: EndlessDynamoDb) -> None:
    body = Ask()("/console/breakdown", day=DAY).body
    assert Counter(endless.operations) == {"Query": 8, "BatchGetItem": 2}
    assert (body["read"], body["is_complete"], [bar["read"] for bar in body["bars"]]) == (200, False, [50] * 4)
