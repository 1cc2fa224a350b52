"""The AWS services of the local stack: moto's server with the template's tables, queues and secret."""

import json
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import boto3
import httpx
from boto3.dynamodb.types import TypeDeserializer
from moto.dynamodb.models import dynamodb_backends
from moto.moto_server.werkzeug_app import DomainDispatcherApplication, MotoRequestHandler, create_backend_app

from sandbox.interception import Interception, Interceptor
from sandbox.moto_speed import faster_dynamodb
from sandbox.servers import serving, url_of, wsgi_server
from sandbox.template import ACCOUNT, REGION, Queue, Table, Template

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIEnvironment
    from mypy_boto3_dynamodb import DynamoDBClient, DynamoDBServiceResource
    from mypy_boto3_secretsmanager import SecretsManagerClient
    from mypy_boto3_sqs import SQSClient

SECRET = {
    "msg91_authkey": "sandbox-msg91-authkey",
    "segment_shared_secret": "sandbox-shared-secret",
    "segment_token": "sandbox-only-segment-token",
    "report_token": "sandbox-only-report-token",
    "segment_write_key": "sandbox-segment-write-key",
    "console_token": "sandbox-only-console-token",
}
"""Made up; the events in events/ carry its tokens."""


class Aws:
    """The running services: clients for tests and the stack, and the environment that leads functions here."""

    def __init__(self, url: str, template: Template, secret: Mapping[str, str], interception: Interception) -> None:
        self.url = url
        self._interception = interception
        self._template = template
        self._secret = secret
        self._session = boto3.Session("sandbox", "sandbox", region_name=REGION)
        self.dynamodb: DynamoDBClient = self._session.client("dynamodb", endpoint_url=url)
        self.tables: DynamoDBServiceResource = self._session.resource("dynamodb", endpoint_url=url)
        self.sqs: SQSClient = self._session.client("sqs", endpoint_url=url)
        self.secrets: SecretsManagerClient = self._session.client("secretsmanager", endpoint_url=url)

    @property
    def interceptor(self) -> Interceptor | None:
        return self._interception.interceptor

    @interceptor.setter
    def interceptor(self, interceptor: Interceptor | None) -> None:
        self._interception.interceptor = interceptor

    @property
    def calls(self) -> Counter[tuple[str, str, str, str]]:
        """How often each caller, service, operation and resource was seen, executed or not."""
        return self._interception.calls

    def environment(self, function: str) -> dict[str, str]:
        """Each function signs with a key of its own, which tells whose a call is; moto takes any."""
        return {
            "AWS_ACCESS_KEY_ID": function,
            "AWS_SECRET_ACCESS_KEY": "sandbox",
            "AWS_DEFAULT_REGION": REGION,
            "AWS_ENDPOINT_URL": self.url,
        }

    def items(self, table: str) -> list[dict[str, Any]]:
        """All of a table's items, from moto's memory: a scan of 20,000 takes it half a minute. While nobody writes."""
        stored = dynamodb_backends[ACCOUNT][REGION].get_table(table).all_items()
        return [_plain(item.to_json()["Attributes"]) for item in stored]

    def stream(self, table: str) -> tuple[str, list[dict[str, Any]]]:
        """The label of a table's stream and all of its records, from moto's memory; no records without a stream."""
        with self._interception.executing:  # of a transaction that fails, moto takes the records back
            stored = dynamodb_backends[ACCOUNT][REGION].tables.get(table)
            if not stored or not stored.stream_shard:
                return "", []
            return str(stored.latest_stream_label), [one.to_json() for one in stored.stream_shard.items]

    def reset(self) -> None:
        """Empties every table and queue, by making them anew."""
        httpx.post(f"{self.url}/moto-api/reset").raise_for_status()
        self._create_resources()

    def close(self) -> None:
        for client in (self.dynamodb, self.tables.meta.client, self.sqs, self.secrets):
            client.close()

    def _create_resources(self) -> None:
        for table in self._template.tables():
            self._create_table(table)
        for queue in self._template.queues():
            self._create_queue(queue)
        for name in self._template.secrets():
            self.secrets.create_secret(Name=name, SecretString=json.dumps(dict(self._secret)))

    def _create_table(self, table: Table) -> None:
        self.dynamodb.create_table(**table.definition)
        self.dynamodb.update_time_to_live(
            TableName=table.name,
            TimeToLiveSpecification={
                "Enabled": table.time_to_live["Enabled"],
                "AttributeName": table.time_to_live["AttributeName"],
            },
        )

    def _create_queue(self, queue: Queue) -> None:
        self.sqs.create_queue(QueueName=queue.name, Attributes=dict(queue.attributes))  # type: ignore[arg-type]


def _plain(item: Mapping[str, Any]) -> dict[str, Any]:
    deserializer = TypeDeserializer()
    return {name: deserializer.deserialize(value) for name, value in item.items()}


class _RequestHandler(MotoRequestHandler):
    def connection_dropped(self, _error: BaseException, _environ: "WSGIEnvironment | None" = None) -> None:
        """An interceptor wants it dropped: the caller must notice, and not wait for an answer."""
        self.close_connection = True


@contextmanager
def running_aws(
    template: Template, secret: Mapping[str, str] = SECRET, host: str = "127.0.0.1", port: int = 0
) -> Iterator[Aws]:
    interception = Interception(DomainDispatcherApplication(create_backend_app))
    server = wsgi_server(interception, host, port, _RequestHandler)
    with faster_dynamodb(), serving(server):
        aws = Aws(url_of(server), template, secret, interception)
        try:
            aws.reset()  # moto keeps its state per process, so an earlier server may have left some
            yield aws
        finally:
            aws.close()
