"""The benchmarks' DynamoDB decides as the store expects, and charges the request units that AWS charges."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Final, cast

import pytest
from botocore.exceptions import ClientError

from benchmarks.dynamodb import DynamoDb
from benchmarks.providers import tables
from sandbox.expressions import Scope, UnknownExpressionError, holds, updated
from segment_msg91.msg91.codes import DeliveryStatus, SendState
from segment_msg91.store.messages import Claimed, ClaimRequest, Messages, Seen, Settlement, StatusUpdate
from segment_msg91.store.overdue import Overdue, Position, Positions
from segment_msg91.store.search_keys import awaiting_partition
from segment_msg91.use_cases.reconciliation import DROPPED, NOT_SENT

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

NOW: Final = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
PHONE: Final = "919800000001"


class Client:
    """The part of botocore's client that the store uses, without HTTP."""

    def __init__(self, dynamodb: DynamoDb) -> None:
        self._dynamodb = dynamodb

    def __getattr__(self, name: str) -> Callable[..., dict[str, Any]]:
        operation = name.title().replace("_", "")

        def call(**arguments: object) -> dict[str, Any]:
            status, answer = self._dynamodb.answer(operation, arguments)
            if status != 200:
                code = answer["__type"].partition("#")[2]
                response: Any = {"Error": {"Code": code}, "Item": answer["Item"]}
                raise ClientError(response, operation)
            return answer

        return call


@pytest.fixture
def dynamodb() -> DynamoDb:
    return DynamoDb(tables())


@pytest.fixture
def client(dynamodb: DynamoDb) -> "DynamoDBClient":
    return cast("DynamoDBClient", Client(dynamodb))


@pytest.fixture
def messages(client: "DynamoDBClient") -> Messages:
    return Messages(client, "MessagesTable", timedelta(days=400))


def _claim(messages: Messages, crqid: str = "c1", now: datetime = NOW) -> Claimed:
    request = ClaimRequest(crqid, {"phone": PHONE}, awaits_report=True)
    (claim,) = messages.claim([request], now, timedelta(seconds=40))
    assert isinstance(claim, Claimed)
    return claim


def _sent(messages: Messages, state: SendState = SendState.ACCEPTED) -> Seen:
    claim = _claim(messages)
    request_id = "r-1" if state is SendState.ACCEPTED else None
    assert messages.settle([Settlement(claim, state, request_id)], NOW) == []
    return Seen(claim.crqid, claim.claim_id, state)


def _report(status: DeliveryStatus) -> StatusUpdate:
    return StatusUpdate(status, None, None, None, "2026-01-02T03:05:00Z", "digest", request_id="r-1")


def _charged(dynamodb: DynamoDb) -> dict[str, float]:
    units = {name: count for name, count in dynamodb.units.items() if count}
    dynamodb.units.clear()
    return units


def test_an_index_costs_a_unit_for_an_entry_that_is_added_and_one_for_an_entry_that_is_removed(
    messages: Messages, dynamodb: DynamoDb
) -> None:
    _claim(messages)
    assert _charged(dynamodb) == {
        "MessagesTable": 1,
        "MessagesTable/by_phone": 1,
        "MessagesTable/awaiting_report": 1,
    }
    messages.apply("c1", PHONE, _report(DeliveryStatus.PENDING))
    assert _charged(dynamodb) == {"MessagesTable": 1, "MessagesTable/by_request_id": 1}
    messages.apply("c1", PHONE, _report(DeliveryStatus.DELIVERED))
    assert _charged(dynamodb) == {"MessagesTable": 1, "MessagesTable/awaiting_report": 1}


def test_an_index_costs_two_units_for_an_entry_whose_key_changes(messages: Messages, dynamodb: DynamoDb) -> None:
    _sent(messages)
    _charged(dynamodb)
    change = {
        "TableName": "MessagesTable",
        "Key": {"crqid": {"S": "c1"}},
        "UpdateExpression": "SET request_id = :other",
        "ExpressionAttributeValues": {":other": {"S": "r-2"}},
    }
    assert dynamodb.answer("UpdateItem", change) == (200, {})
    assert _charged(dynamodb) == {"MessagesTable": 1, "MessagesTable/by_request_id": 2}
    assert (messages.find("r-1", PHONE), messages.find("r-2", PHONE)) == (None, "c1")


def test_a_write_that_is_refused_costs_a_unit_of_the_table(messages: Messages, dynamodb: DynamoDb) -> None:
    seen = _sent(messages)
    messages.apply("c1", PHONE, _report(DeliveryStatus.DELIVERED))
    _charged(dynamodb)
    assert not messages.conclude(seen, DROPPED, NOW)
    assert _charged(dynamodb) == {"MessagesTable": 1}


def test_a_transaction_costs_twice(messages: Messages, dynamodb: DynamoDb) -> None:
    requests = [ClaimRequest(f"c{number}", {"phone": PHONE}) for number in range(3)]
    messages.claim(requests, NOW, timedelta(seconds=40))
    assert _charged(dynamodb) == {"reads": 3, "MessagesTable": 6, "MessagesTable/by_phone": 3}


def test_what_a_message_in_doubt_needs_is_decided_by_its_conditions(messages: Messages, dynamodb: DynamoDb) -> None:
    seen = _sent(messages, SendState.UNKNOWN)
    other = Seen(seen.crqid, "another claim", seen.send_state)
    assert not messages.settle_by_logs(other, "r-1", NOW)
    assert messages.settle_by_logs(seen, "r-1", NOW)
    assert not messages.settle_by_logs(seen, "r-1", NOW)
    assert not messages.conclude(seen, NOT_SENT, NOW)
    _charged(dynamodb)
    assert messages.conclude(Seen(seen.crqid, seen.claim_id, SendState.ACCEPTED), DROPPED, NOW)
    assert _charged(dynamodb) == {"MessagesTable": 1, "MessagesTable/awaiting_report": 1}


def test_a_message_can_leave_the_index_without_a_conclusion(
    messages: Messages, client: "DynamoDBClient", dynamodb: DynamoDb
) -> None:
    seen = _sent(messages)
    _charged(dynamodb)
    messages.stop_awaiting(seen, "too old", NOW)
    assert _charged(dynamodb) == {"MessagesTable": 1, "MessagesTable/awaiting_report": 1}
    assert Overdue(client, "MessagesTable").keys(NOW, 100) == []


def test_an_index_is_read_by_its_sort_key_in_pages(
    messages: Messages, client: "DynamoDBClient", dynamodb: DynamoDb
) -> None:
    for number in range(100):
        _claim(messages, f"c{number}", NOW + timedelta(seconds=number))
    _charged(dynamodb)
    overdue = Overdue(client, "MessagesTable")
    keys = overdue.keys(NOW + timedelta(seconds=49), 8000)
    assert sorted(keys) == sorted(f"c{number}" for number in range(50))
    assert _charged(dynamodb) == {"reads": 4}
    few = overdue.keys(NOW + timedelta(hours=1), 16)
    assert [int(key[1:]) for key in few[:2]] == sorted(
        number for number in range(100) if awaiting_partition(f"c{number}") == "0"
    )[:2]


def test_a_query_is_continued_after_its_last_key(messages: Messages, dynamodb: DynamoDb) -> None:
    for number in range(40):
        _claim(messages, f"c{number}", NOW)
    query: dict[str, Any] = {
        "TableName": "MessagesTable",
        "IndexName": "awaiting_report",
        "KeyConditionExpression": "awaiting_report = :shard",
        "ExpressionAttributeValues": {":shard": {"S": "0"}},
        "Limit": 2,
    }
    found: list[str] = []
    while True:
        _, page = dynamodb.answer("Query", query)
        found += [item["crqid"]["S"] for item in page["Items"]]
        if "LastEvaluatedKey" not in page:
            break
        query["ExclusiveStartKey"] = page["LastEvaluatedKey"]
    assert found == sorted(f"c{number}" for number in range(40) if awaiting_partition(f"c{number}") == "0")


def test_a_read_costs_half_a_unit_unless_it_is_consistent(
    messages: Messages, client: "DynamoDBClient", dynamodb: DynamoDb
) -> None:
    seen = _sent(messages)
    _charged(dynamodb)
    (waiting,) = Overdue(client, "MessagesTable").read([seen.crqid])
    assert (waiting.seen, waiting.request_id) == (seen, "r-1")
    assert _charged(dynamodb) == {"reads": 0.5}
    dynamodb.answer("GetItem", {"TableName": "MessagesTable", "Key": {"crqid": {"S": "c1"}}, "ConsistentRead": True})
    assert _charged(dynamodb) == {"reads": 1}


def test_a_position_is_saved_and_dropped(client: "DynamoDBClient", dynamodb: DynamoDb) -> None:
    positions = Positions(client, "ReportsTable")
    position = Position(NOW.date(), NOW.date(), 1000, NOW, "token", 1000, {"status"}, {1})
    positions.save(NOW.date(), position)
    assert positions.load(NOW.date(), NOW) == position
    positions.drop(NOW.date())
    assert positions.load(NOW.date(), NOW) is None
    assert _charged(dynamodb) == {"ReportsTable": 2, "reads": 1}


@pytest.mark.parametrize(
    ("text", "is_met"),
    [
        ("a = :one OR a = :two AND missing = :one", True),
        ("(a = :one OR a = :two) AND missing = :one", False),
        ("NOT a IN (:one, :two)", False),
        ("NOT missing IN (:one, :two) AND NOT missing < :two", True),
        ("attribute_not_exists(missing) AND attribute_exists(#alias)", True),
        ("number < :ten AND number <> :ten", True),
    ],
)
def test_a_condition_is_read_by_dynamodbs_precedence(text: str, *, is_met: bool) -> None:
    item = {"a": {"S": "1"}, "number": {"N": "9"}}
    values = {":one": {"S": "1"}, ":two": {"S": "2"}, ":ten": {"N": "10"}}
    assert holds(text, Scope(item, {"#alias": "a"}, values)) is is_met


@pytest.mark.parametrize("text", ["size(a) > :one", "begins_with(a, :one)", "a = :one b"])
def test_a_condition_that_is_not_known_is_an_error(text: str) -> None:
    with pytest.raises(UnknownExpressionError):
        holds(text, Scope({}, {}, {":one": {"S": "1"}}))


@pytest.mark.parametrize(
    ("text", "after"),
    [
        ("REMOVE #a, missing", {"n": {"N": "1"}}),
        ("SET b = :b", {"a": {"S": "1"}, "n": {"N": "1"}, "b": {"S": "b"}}),
        ("SET #a = if_not_exists(#a, :b), n = if_not_exists(n, :n) + :n", {"a": {"S": "1"}, "n": {"N": "3"}}),
        ("SET m = if_not_exists(m, :n) + :n REMOVE n", {"a": {"S": "1"}, "m": {"N": "4"}}),
    ],
)
def test_an_update_sets_adds_and_removes(text: str, after: dict[str, dict[str, str]]) -> None:
    request = {
        "ExpressionAttributeNames": {"#a": "a"},
        "ExpressionAttributeValues": {":b": {"S": "b"}, ":n": {"N": "2"}},
    }
    assert updated(text, Scope.of(request, {"a": {"S": "1"}, "n": {"N": "1"}})) == after
