"""boto3 sees an injected fault as it sees the real one."""

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError, ConnectionClosedError, ReadTimeoutError

from sandbox.aws import Aws
from sandbox.interception import LOSE_ANSWER, LOSE_REQUEST, PASS, Call, Delay, Partial, Refuse, Verdict
from sandbox.template import REGION, queue_url

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

TABLE: Final = "MessagesTable"
ONE_ATTEMPT: Final = Config(read_timeout=1, retries={"mode": "standard", "total_max_attempts": 1})


@dataclass(slots=True)
class Fixed:
    """Gives the same verdict on every call of the function."""

    verdict: Verdict = PASS
    executed: list[Call] = field(default_factory=list)

    def before(self, call: Call) -> Verdict:
        return self.verdict if call.caller == "function" else PASS

    def after(self, call: Call) -> None:
        self.executed.append(call)


@pytest.fixture
def aws(embedded: Aws) -> Aws:
    return embedded


@pytest.fixture(scope="module")
def session() -> boto3.Session:
    return boto3.Session("function", "sandbox", region_name=REGION)


@pytest.fixture
def dynamodb(aws: Aws, session: boto3.Session) -> "Iterator[DynamoDBClient]":
    client = session.client("dynamodb", endpoint_url=aws.url, config=ONE_ATTEMPT)
    yield client
    client.close()


def put(dynamodb: "DynamoDBClient", crqid: str = "a") -> None:
    dynamodb.put_item(TableName=TABLE, Item={"crqid": {"S": crqid}})


def stored(aws: Aws) -> int:
    return aws.dynamodb.scan(TableName=TABLE)["Count"]


def error_of(call: Callable[[], object]) -> Exception:
    with pytest.raises((BotoCoreError, ClientError)) as raised:
        call()
    return raised.value


def test_a_lost_request_has_no_effect(aws: Aws, dynamodb: "DynamoDBClient") -> None:
    aws.interceptor = Fixed(LOSE_REQUEST)
    assert isinstance(error_of(lambda: put(dynamodb)), ConnectionClosedError)
    assert stored(aws) == 0


def test_a_lost_answers_call_has_had_its_effect(aws: Aws, dynamodb: "DynamoDBClient") -> None:
    aws.interceptor = Fixed(LOSE_ANSWER)
    assert isinstance(error_of(lambda: put(dynamodb)), ConnectionClosedError)
    assert stored(aws) == 1


def test_a_refusal_is_the_services_own_error(aws: Aws, dynamodb: "DynamoDBClient") -> None:
    aws.interceptor = Fixed(Refuse(400, "ThrottlingException"))
    error = error_of(lambda: put(dynamodb))
    assert isinstance(error, ClientError)
    assert error.response["Error"]["Code"] == "ThrottlingException"
    assert stored(aws) == 0


def test_sqs_refuses_likewise(aws: Aws, session: boto3.Session) -> None:
    sqs = session.client("sqs", endpoint_url=aws.url, config=ONE_ATTEMPT)
    url = queue_url(aws.url, "ReportsRedriveQueue")
    aws.interceptor = Fixed(Refuse(400, "RequestThrottled"))
    error = error_of(lambda: sqs.send_message(QueueUrl=url, MessageBody="body"))
    sqs.close()
    assert isinstance(error, ClientError)
    assert error.response["Error"]["Code"] == "RequestThrottled"


def test_an_answer_later_than_the_callers_timeout_is_a_timeout_error(aws: Aws, dynamodb: "DynamoDBClient") -> None:
    aws.interceptor = Fixed(Delay(1.5))
    assert isinstance(error_of(lambda: put(dynamodb)), ReadTimeoutError)
    assert stored(aws) == 1


def test_a_delay_does_not_block_other_calls(aws: Aws, dynamodb: "DynamoDBClient") -> None:
    aws.interceptor = Fixed(Delay(2))
    error_of(lambda: put(dynamodb))
    started = time.monotonic()
    stored(aws)
    assert time.monotonic() - started < 1


def test_a_part_of_a_batch_is_read_and_the_rest_named(aws: Aws, dynamodb: "DynamoDBClient") -> None:
    keys = [{"crqid": {"S": crqid}} for crqid in ("a", "b", "c")]
    for crqid in ("a", "b", "c"):
        put(dynamodb, crqid)
    aws.interceptor = Fixed(Partial(1))
    answer = dynamodb.batch_get_item(RequestItems={TABLE: {"Keys": keys}})
    assert answer["Responses"][TABLE] == keys[:1]
    assert answer["UnprocessedKeys"][TABLE]["Keys"] == keys[1:]


def test_the_interceptor_is_called_after_executed_calls_only(aws: Aws, dynamodb: "DynamoDBClient") -> None:
    aws.interceptor = interceptor = Fixed(LOSE_REQUEST)
    error_of(lambda: put(dynamodb))
    assert interceptor.executed == []
    interceptor.verdict = LOSE_ANSWER
    error_of(lambda: put(dynamodb))
    assert [call.operation for call in interceptor.executed] == ["PutItem"]


def test_every_call_is_counted_with_its_caller_and_resource(aws: Aws, dynamodb: "DynamoDBClient") -> None:
    put(dynamodb)
    dynamodb.query(
        TableName=TABLE,
        IndexName="by_phone",
        KeyConditionExpression="phone = :phone",
        ExpressionAttributeValues={":phone": {"S": "919800000001"}},
    )
    dynamodb.transact_write_items(TransactItems=[{"Put": {"TableName": TABLE, "Item": {"crqid": {"S": "b"}}}}])
    assert aws.calls == {
        ("function", "dynamodb", "PutItem", TABLE): 1,
        ("function", "dynamodb", "Query", f"{TABLE}/index/by_phone"): 1,
        ("function", "dynamodb", "TransactWriteItems", TABLE): 1,
    }
