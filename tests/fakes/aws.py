"""The template's tables, queues and secret on moto or DynamoDB Local.

They are made from the template, so that tests cannot drift from what is deployed.
"""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final

import httpx
from boto3.dynamodb.types import TypeDeserializer
from moto import mock_aws

from sandbox.aws import SECRET
from sandbox.event_source import to_event
from sandbox.moto_patches import cloudwatch_as_at_aws, faster_dynamodb, one_request_at_a_time
from sandbox.template import queue_arn, queue_url
from tests.environment import QUEUE_BASE_URL, TEMPLATE

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient
    from mypy_boto3_secretsmanager import SecretsManagerClient
    from mypy_boto3_sqs import SQSClient

    from sandbox.dynamodb_local.engine import DynamoDbLocal

type Item = dict[str, Any]

_DESERIALIZER: Final = TypeDeserializer()


@dataclass(frozen=True, slots=True)
class Aws:
    """The template's tables, queues and secret, and what tests ask of them."""

    dynamodb: "DynamoDBClient"
    sqs: "SQSClient"
    secretsmanager: "SecretsManagerClient"

    def messages(self) -> list[Item]:
        return self._items("MessagesTable")

    def message(self, crqid: str) -> Item:
        response = self.dynamodb.get_item(TableName="MessagesTable", Key={"crqid": {"S": crqid}})
        return _plain(response["Item"])

    def reports(self) -> list[Item]:
        return self._items("ReportsTable")

    def recipients(self) -> list[Item]:
        return self._items("RecipientsTable")

    def queued(self, queue: str) -> list[dict[str, Any]]:
        """Receive what is in a queue, each as the event in which Lambda would hand it to the function."""
        messages = self.sqs.receive_message(
            QueueUrl=queue_url(QUEUE_BASE_URL, queue),
            MaxNumberOfMessages=10,
            MessageAttributeNames=["All"],
            MessageSystemAttributeNames=["All"],
        ).get("Messages", [])
        return [to_event([message], queue_arn(queue)) for message in messages]

    def set_secret(self, text: str | None) -> None:
        """Replace the secret; with None there is none, and Secrets Manager answers with an error."""
        if text is None:
            self.secretsmanager.delete_secret(SecretId="Secret")
        else:
            self.secretsmanager.put_secret_value(SecretId="Secret", SecretString=text)

    def delete_record(self, queue: str, record: dict[str, Any]) -> None:
        self.sqs.delete_message(QueueUrl=queue_url(QUEUE_BASE_URL, queue), ReceiptHandle=record["receiptHandle"])

    def delete_queue(self, queue: str) -> None:
        self.sqs.delete_queue(QueueUrl=queue_url(QUEUE_BASE_URL, queue))

    def _items(self, table: str) -> list[Item]:
        return [_plain(item) for item in self.dynamodb.scan(TableName=table)["Items"]]


def _plain(item: Any) -> Item:  # noqa: ANN401 - an item in wire form
    return {name: _DESERIALIZER.deserialize(value) for name, value in item.items()}


@contextmanager
def _deployed_resources(clients: Aws, *, encrypted: bool) -> Iterator[None]:
    """Make the template's tables, queues and secret, on moto if the clients have no other endpoint.

    Without `encrypted` the tables lack their encryption, for which moto would make an RSA key for each table.
    """
    with mock_aws(config={"core": {"reset_boto3_session": False}}):
        for table in TEMPLATE.tables():
            left_out = set() if encrypted else {"SSESpecification"}
            clients.dynamodb.create_table(
                **{name: value for name, value in table.definition.items() if name not in left_out}
            )
        for queue in TEMPLATE.queues():
            clients.sqs.create_queue(QueueName=queue.name, Attributes=dict(queue.attributes))  # type: ignore[arg-type]
        for name in TEMPLATE.secrets():
            clients.secretsmanager.create_secret(Name=name, SecretString=httpx.Response(200, json=SECRET).text)
        yield


@contextmanager
def running_on(clients: Aws, local: "DynamoDbLocal | None") -> Iterator[Aws]:
    """Yield clients of empty resources, on DynamoDB Local or else on moto."""
    with ExitStack() as running:
        running.enter_context(cloudwatch_as_at_aws())
        if local is None:
            running.enter_context(one_request_at_a_time())
            running.enter_context(faster_dynamodb())
        else:
            local.drop_tables()
            clients = replace(clients, dynamodb=local.client)
        running.enter_context(_deployed_resources(clients, encrypted=local is not None))
        yield clients
