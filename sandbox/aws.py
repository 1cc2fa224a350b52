"""The AWS services of the local stack, with the template's tables, queues and secret, at one address.

SQS and Secrets Manager are moto's. So is DynamoDB, unless DynamoDB Local runs.
"""

import json
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from contextlib import closing, contextmanager, nullcontext
from typing import TYPE_CHECKING, Any, Final, Protocol

import boto3
import httpx
from boto3.dynamodb.types import TypeDeserializer
from moto.moto_server.werkzeug_app import MotoRequestHandler

from sandbox.deployment import Deployment
from sandbox.dynamodb_local.engine import DynamoDbLocal
from sandbox.interception import Interception, Interceptor
from sandbox.moto_patches import cloudwatch_as_at_aws, faster_dynamodb, faster_server
from sandbox.moto_services import Moto
from sandbox.servers import serving, url_of, wsgi_server
from sandbox.template import REGION, Queue, Table, Template

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIEnvironment
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
"""Made up; the events in events/ have its tokens."""


_DESERIALIZER: Final = TypeDeserializer()
_ENCRYPTION: Final = "SSESpecification"


class Engine(Protocol):
    """Executes the requests to DynamoDB, as a WSGI application."""

    def __call__(self, environ: "WSGIEnvironment", start_response: "StartResponse") -> Iterable[bytes]: ...

    def items(self, table: str) -> Iterator[dict[str, Any]]: ...

    def stream(self, table: str) -> tuple[str, list[dict[str, Any]]]: ...

    def drop_tables(self) -> None: ...

    def close(self) -> None: ...


class _Services:
    """Forwards each request to its service."""

    def __init__(self, dynamodb: Engine, others: Moto) -> None:
        self._dynamodb = dynamodb
        self._others = others

    def __call__(self, environ: "WSGIEnvironment", start_response: "StartResponse") -> Iterable[bytes]:
        # The target of Streams has the same prefix.
        is_dynamodb = environ.get("HTTP_X_AMZ_TARGET", "").startswith("DynamoDB")
        return (self._dynamodb if is_dynamodb else self._others)(environ, start_response)


class Aws:
    """The running services: clients for tests and the stack, and the environment for the functions."""

    def __init__(
        self,
        url: str,
        template: Template,
        secret: Mapping[str, str],
        interception: Interception,
        engine: Engine,
        deployment: Deployment,
    ) -> None:
        self.url = url
        self.deployment = deployment
        self._engine = engine
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
        """Count the calls by caller, service, operation and resource, executed or not."""
        return self._interception.calls

    def environment(self, function: str) -> dict[str, str]:
        """Return a function's variables. Its own key identifies its calls; moto takes any key."""
        return {
            "AWS_ACCESS_KEY_ID": function,
            "AWS_SECRET_ACCESS_KEY": "sandbox",
            "AWS_DEFAULT_REGION": REGION,
            "AWS_ENDPOINT_URL": self.url,
        }

    def items(self, table: str) -> list[dict[str, Any]]:
        """Return all items of a table. Nothing may write during the call."""
        return [_plain(item) for item in self._engine.items(table)]

    def stream(self, table: str) -> tuple[str, list[dict[str, Any]]]:
        """Return the label of a table's stream and all of its records so far; no records if it has no stream."""
        return self._engine.stream(table)

    def reset(self) -> None:
        """Empty every table and queue by creating them again."""
        httpx.post(f"{self.url}/moto-api/reset").raise_for_status()
        self._engine.drop_tables()
        self._create_resources()

    def create_tables(self, template: Template) -> None:
        """Create the tables that other parameters of the template add."""
        names = {table.name for table in self._template.tables()}
        for table in template.tables():
            if table.name not in names:
                self._create_table(table)

    def close(self) -> None:
        for client in (self.dynamodb, self.tables.meta.client, self.sqs, self.secrets):
            client.close()
        self.deployment.close()

    def _create_resources(self) -> None:
        for table in self._template.tables():
            self._create_table(table)
        for queue in self._template.queues():
            self._create_queue(queue)
        for name in self._template.secrets():
            self.secrets.create_secret(Name=name, SecretString=json.dumps(dict(self._secret)))

    def _create_table(self, table: Table) -> None:
        """Create a table, without its encryption, for which moto would make an RSA key."""
        self.dynamodb.create_table(**{name: value for name, value in table.definition.items() if name != _ENCRYPTION})
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
    return {name: _DESERIALIZER.deserialize(value) for name, value in item.items()}


class _RequestHandler(MotoRequestHandler):
    def connection_dropped(self, _error: BaseException, _environ: "WSGIEnvironment | None" = None) -> None:
        """Close the connection that an interceptor drops, so that the caller does not wait for an answer."""
        self.close_connection = True


@contextmanager
def running_aws(
    template: Template,
    secret: Mapping[str, str] = SECRET,
    host: str = "127.0.0.1",
    port: int = 0,
    dynamodb_url: str | None = None,
) -> Iterator[Aws]:
    """`dynamodb_url` is the URL of a running DynamoDB Local; without it, DynamoDB is moto's."""
    moto = Moto()
    engine: Engine = DynamoDbLocal(dynamodb_url) if dynamodb_url else moto
    interception = Interception(_Services(engine, moto))
    deployment = Deployment(interception, moto)
    server = wsgi_server(deployment, host, port, _RequestHandler)
    patched = nullcontext() if dynamodb_url else faster_dynamodb()
    with closing(engine), patched, faster_server(), cloudwatch_as_at_aws(), serving(server):
        aws = Aws(url_of(server), template, secret, interception, engine, deployment)
        try:
            aws.reset()  # moto keeps its state per process, so an earlier server may have left some
            yield aws
        finally:
            aws.close()
