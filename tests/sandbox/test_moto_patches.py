"""The sandbox's own transactions and queries do what moto's do."""

from contextlib import nullcontext
from typing import TYPE_CHECKING, Any

import boto3
import pytest
from botocore.exceptions import ClientError
from moto import mock_aws
from moto.dynamodb.models import dynamodb_backends

from sandbox.moto_patches import faster_dynamodb
from sandbox.template import ACCOUNT, REGION, Template

if TYPE_CHECKING:
    from collections.abc import Iterator

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
