"""The sandbox's own transactions and queries do what moto's do, and its metrics what CloudWatch's do."""

from contextlib import nullcontext
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import boto3
import pytest
from botocore.exceptions import ClientError
from moto import mock_aws
from moto.dynamodb.models import dynamodb_backends

from sandbox.moto_patches import cloudwatch_as_at_aws, faster_dynamodb
from sandbox.template import ACCOUNT, REGION, Template

if TYPE_CHECKING:
    from collections.abc import Iterator

    from mypy_boto3_cloudwatch import CloudWatchClient
    from mypy_boto3_dynamodb import DynamoDBClient

TABLE = "MessagesTable"
REQUEST = {":request_id": {"S": "r1"}, ":phone": {"S": "919800000001"}}


@pytest.fixture(params=["moto's own", "faster"])
def dynamodb(request: pytest.FixtureRequest) -> "Iterator[DynamoDBClient]":
    with mock_aws(), faster_dynamodb() if request.param == "faster" else nullcontext():
        client = boto3.client("dynamodb", region_name=REGION)
        for table in Template.load(parameters={"DeliveryEvents": "on"}).tables():
            definition = dict(table.definition)
            del definition["SSESpecification"]  # moto would create an RSA key each time
            client.create_table(**definition)
        yield client


def update(crqid: str, **changes: str) -> dict[str, Any]:
    request = {
        "TableName": TABLE,
        "Key": {"crqid": {"S": crqid}},
        "UpdateExpression": "SET attempts = if_not_exists(attempts, :zero) + :one",
        "ConditionExpression": "attribute_not_exists(crqid)",
        "ExpressionAttributeValues": {":zero": {"N": "0"}, ":one": {"N": "1"}},
        "ReturnValuesOnConditionCheckFailure": "ALL_OLD",
    }
    return {"Update": request | changes}


def put_report(report_id: str) -> dict[str, Any]:
    item = {"report_group": {"S": "g"}, "report_id": {"S": report_id}}
    return {"Put": {"TableName": "ReportsTable", "Item": item}}


def transact(dynamodb: "DynamoDBClient", *writes: dict[str, Any]) -> "list[Any]":
    """Return the cancellation reasons."""
    try:
        dynamodb.transact_write_items(TransactItems=writes)  # type: ignore[arg-type]
    except ClientError as error:
        return list(error.response["CancellationReasons"])
    return []


def keys(dynamodb: "DynamoDBClient") -> set[str]:
    return {item["crqid"]["S"] for item in dynamodb.scan(TableName=TABLE)["Items"]}


def test_a_transaction_writes_everything(dynamodb: "DynamoDBClient") -> None:
    assert transact(dynamodb, update("a"), update("b")) == []
    assert keys(dynamodb) == {"a", "b"}


def test_a_cancelled_transaction_writes_nothing(dynamodb: "DynamoDBClient") -> None:
    transact(dynamodb, update("b"))
    transact(dynamodb, update("a"), update("b"), update("c"))
    assert keys(dynamodb) == {"b"}


def test_a_cancelled_transaction_leaves_items_as_they_were(dynamodb: "DynamoDBClient") -> None:
    transact(dynamodb, update("a"), update("b"))
    transact(dynamodb, update("a", ConditionExpression="attribute_exists(crqid)"), update("b"))
    assert {item["attempts"]["N"] for item in dynamodb.scan(TableName=TABLE)["Items"]} == {"1"}


def test_a_cancelled_transaction_has_the_reason_of_each_item(dynamodb: "DynamoDBClient") -> None:
    transact(dynamodb, update("b"))
    free, taken = transact(dynamodb, update("a"), update("b"))
    assert (free["Code"], taken["Code"]) == ("None", "ConditionalCheckFailed")
    assert taken["Item"] == {"crqid": {"S": "b"}, "attempts": {"N": "1"}}


def test_a_cancelled_put_into_a_table_with_a_sort_key_is_undone(dynamodb: "DynamoDBClient") -> None:
    transact(dynamodb, update("b"), put_report("before"))
    transact(dynamodb, put_report("after"), update("b"))
    stored = dynamodb.scan(TableName="ReportsTable")["Items"]
    assert [item["report_id"]["S"] for item in stored] == ["before"]


def test_an_index_finds_those_that_have_its_key(dynamodb: "DynamoDBClient") -> None:
    for crqid, phone in (("a", "919800000001"), ("b", "919800000002")):
        item = {"crqid": {"S": crqid}, "request_id": {"S": "r1"}, "phone": {"S": phone}}
        dynamodb.put_item(TableName=TABLE, Item=item)
    dynamodb.put_item(TableName=TABLE, Item={"crqid": {"S": "c"}, "phone": {"S": "919800000001"}})
    found = dynamodb.query(
        TableName=TABLE,
        IndexName="by_request_id",
        KeyConditionExpression="request_id = :request_id AND phone = :phone",
        ExpressionAttributeValues=REQUEST,
    )["Items"]
    assert [item["crqid"]["S"] for item in found] == ["a"]


CHANGE = (
    "SET ids = list_append(if_not_exists(ids, :none), :name), stage = :one REMOVE lease ADD parts :one, credits :one"
)
VALUES: "dict[str, Any]" = {
    ":none": {"L": []},
    ":name": {"L": [{"S": "x"}]},
    ":one": {"N": "1"},
}


def test_an_expression_changes_one_item_after_the_other(dynamodb: "DynamoDBClient") -> None:
    for crqid in ("a", "a", "b"):
        key = {"crqid": {"S": crqid}}
        dynamodb.update_item(TableName=TABLE, Key=key, UpdateExpression=CHANGE, ExpressionAttributeValues=VALUES)
    items = {item["crqid"]["S"]: item for item in dynamodb.scan(TableName=TABLE)["Items"]}
    named = {"L": [{"S": "x"}]}
    assert items["a"] == {
        "crqid": {"S": "a"},
        "ids": {"L": named["L"] * 2},
        "stage": {"N": "1"},
        "parts": {"N": "2"},
        "credits": {"N": "2"},
    }
    assert items["b"] == {
        "crqid": {"S": "b"},
        "ids": named,
        "stage": {"N": "1"},
        "parts": {"N": "1"},
        "credits": {"N": "1"},
    }


@pytest.mark.parametrize(
    "expression",
    [
        "SET a = :one SET b = :one",
        "ADD a :one ADD b :one",
        "REMOVE a REMOVE b",
        "SET a = :one, a = :one",
        "SET a = nothing",
        "SET crqid = :one",
        "SET a = :one +",
        "SET a.b = :one",
    ],
)
def test_an_expression_that_dynamodb_refuses_changes_nothing(dynamodb: "DynamoDBClient", expression: str) -> None:
    for _ in range(2):  # also if it was parsed before
        with pytest.raises(ClientError, match="ValidationException"):
            dynamodb.update_item(
                TableName=TABLE,
                Key={"crqid": {"S": "a"}},
                UpdateExpression=expression,
                ExpressionAttributeValues={":one": {"N": "1"}},
            )
    assert not dynamodb.scan(TableName=TABLE)["Items"]


def streamed() -> list[tuple[str, str]]:
    """Return the records of the table's stream: the kind of each change, and its item's key.

    moto's stream has two records of a new item; the first has only the key.
    """
    table = dynamodb_backends[ACCOUNT][REGION].get_table(TABLE)
    records = [one.to_json() for one in table.stream_shard.items] if table.stream_shard else []
    return [
        (record["eventName"], record["dynamodb"]["Keys"]["crqid"]["S"])
        for record in records
        if len(record["dynamodb"]["NewImage"]) > 1
    ]


def test_the_stream_has_each_write_of_a_transaction(dynamodb: "DynamoDBClient") -> None:
    transact(dynamodb, update("a"), update("b"))
    transact(dynamodb, update("a", ConditionExpression="attribute_exists(crqid)"))
    assert streamed() == [("INSERT", "a"), ("INSERT", "b"), ("MODIFY", "a")]


def test_the_stream_has_no_write_of_a_cancelled_transaction(dynamodb: "DynamoDBClient") -> None:
    transact(dynamodb, update("b"))
    transact(dynamodb, update("a"), update("b"), update("c"))
    assert streamed() == [("INSERT", "b")]


@pytest.fixture
def cloudwatch() -> "Iterator[CloudWatchClient]":
    with mock_aws(), cloudwatch_as_at_aws():
        yield boto3.client("cloudwatch", region_name=REGION)


def _value(cloudwatch: "CloudWatchClient", stat: str, *dimensions: tuple[str, str]) -> list[float]:
    now = datetime.now(UTC)
    named: Any = [{"Name": name, "Value": value} for name, value in dimensions]
    metric: Any = {"Namespace": "N", "MetricName": "Seconds", "Dimensions": named}
    query: Any = {"Id": "q", "MetricStat": {"Metric": metric, "Period": 7200, "Stat": stat}}
    start, end = now - timedelta(hours=1), now + timedelta(hours=1)
    (found,) = cloudwatch.get_metric_data(MetricDataQueries=[query], StartTime=start, EndTime=end)["MetricDataResults"]
    return found["Values"]


@pytest.mark.parametrize(("stat", "value"), [("p50", 50), ("p95", 95), ("p100", 100), ("Maximum", 100), ("Sum", 5050)])
def test_a_percentile_is_the_value_that_so_many_do_not_exceed(
    cloudwatch: "CloudWatchClient", stat: str, value: float
) -> None:
    for number in range(1, 101):
        cloudwatch.put_metric_data(Namespace="N", MetricData=[{"MetricName": "Seconds", "Value": number}])
    assert _value(cloudwatch, stat) == [value]


def test_the_order_of_dimensions_does_not_matter(cloudwatch: "CloudWatchClient") -> None:
    pairs = [("service", "stack"), ("category", "unreachable")]
    dimensions: Any = [{"Name": name, "Value": value} for name, value in reversed(pairs)]
    data: Any = [{"MetricName": "Seconds", "Dimensions": dimensions, "Value": 3}]
    cloudwatch.put_metric_data(Namespace="N", MetricData=data)
    assert _value(cloudwatch, "Sum", *pairs) == [3]
