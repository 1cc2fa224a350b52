import json
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Final

import pytest
from botocore.exceptions import ClientError

from sandbox.aws import SECRET, Aws
from sandbox.template import Template

TEMPLATE: Final = Template.load(parameters={"DeliveryEvents": "on"})


@pytest.fixture
def aws(embedded: Aws) -> Aws:
    return embedded


def _sorted(definitions: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    return sorted(definitions, key=lambda one: str(one["AttributeName"]))


def claim(aws: Aws, crqid: str) -> bool:
    try:
        aws.dynamodb.put_item(
            TableName="MessagesTable",
            Item={"crqid": {"S": crqid}},
            ConditionExpression="attribute_not_exists(crqid)",
        )
    except ClientError:
        return False
    return True


def test_of_many_conditional_writes_at_once_one_succeeds(aws: Aws) -> None:
    with ThreadPoolExecutor(8) as threads:
        claims = list(threads.map(lambda _: claim(aws, "one"), range(40)))

    assert claims.count(True) == 1


def test_the_secret_is_there(aws: Aws) -> None:
    assert json.loads(aws.secrets.get_secret_value(SecretId="Secret")["SecretString"]) == SECRET


def test_a_reset_empties_the_tables(aws: Aws) -> None:
    claim(aws, "gone")

    aws.reset()

    assert aws.tables.Table("MessagesTable").scan()["Items"] == []


def test_the_tables_are_the_templates(aws: Aws) -> None:
    for table in TEMPLATE.tables():
        made = aws.dynamodb.describe_table(TableName=table.name)["Table"]
        wanted = table.definition
        assert made["KeySchema"] == wanted["KeySchema"]
        assert _sorted(made["AttributeDefinitions"]) == _sorted(wanted["AttributeDefinitions"])
        indexes = {one["IndexName"]: (one["KeySchema"], one["Projection"]) for one in made["GlobalSecondaryIndexes"]}
        assert indexes == {
            one["IndexName"]: (one["KeySchema"], one["Projection"]) for one in wanted["GlobalSecondaryIndexes"]
        }
        assert made.get("StreamSpecification") == wanted.get("StreamSpecification")
        living = aws.dynamodb.describe_time_to_live(TableName=table.name)["TimeToLiveDescription"]
        assert (living["TimeToLiveStatus"], living["AttributeName"]) == ("ENABLED", "expires_at")


def test_every_item_is_found_in_whatever_engine_it_is(aws: Aws) -> None:
    claim(aws, "one")
    claim(aws, "two")

    assert sorted(item["crqid"] for item in aws.items("MessagesTable")) == ["one", "two"]
