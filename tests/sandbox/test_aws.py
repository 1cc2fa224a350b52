import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
from botocore.exceptions import ClientError

from sandbox.aws import SECRET, Aws, running_aws
from sandbox.template import Template


@pytest.fixture(scope="module")
def aws() -> Iterator[Aws]:
    with running_aws(Template.load()) as aws:
        yield aws


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
