"""The AWS services of the local stack: moto's server with the template's tables, queues and secret."""

import json
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from threading import Lock
from typing import TYPE_CHECKING

import boto3
import httpx
from moto.moto_server.werkzeug_app import DomainDispatcherApplication, MotoRequestHandler, create_backend_app

from sandbox.servers import serving, url_of, wsgi_server
from sandbox.template import REGION, Queue, Table, Template

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment
    from mypy_boto3_dynamodb import DynamoDBClient, DynamoDBServiceResource
    from mypy_boto3_secretsmanager import SecretsManagerClient
    from mypy_boto3_sqs import SQSClient

CREDENTIALS = {"AWS_ACCESS_KEY_ID": "sandbox", "AWS_SECRET_ACCESS_KEY": "sandbox", "AWS_DEFAULT_REGION": REGION}
"""For the functions' environment; moto takes any."""

SECRET = {
    "msg91_authkey": "sandbox-msg91-authkey",
    "segment_shared_secret": "sandbox-shared-secret",
    "segment_token": "sandbox-segment-token",
    "report_token": "sandbox-report-token",
}
"""Made up; the events in events/ carry its tokens."""


class Aws:
    """The running services: clients for tests and the stack, and the environment that leads functions here."""

    def __init__(self, url: str, template: Template, secret: Mapping[str, str]) -> None:
        self.url = url
        self._template = template
        self._secret = secret
        self._session = boto3.Session("sandbox", "sandbox", region_name=REGION)
        self.dynamodb: DynamoDBClient = self._session.client("dynamodb", endpoint_url=url)
        self.tables: DynamoDBServiceResource = self._session.resource("dynamodb", endpoint_url=url)
        self.sqs: SQSClient = self._session.client("sqs", endpoint_url=url)
        self.secrets: SecretsManagerClient = self._session.client("secretsmanager", endpoint_url=url)

    def environment(self) -> dict[str, str]:
        return CREDENTIALS | {"AWS_ENDPOINT_URL": self.url}

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


@contextmanager
def running_aws(
    template: Template, secret: Mapping[str, str] = SECRET, host: str = "127.0.0.1", port: int = 0
) -> Iterator[Aws]:
    app = one_at_a_time(DomainDispatcherApplication(create_backend_app))
    server = wsgi_server(app, host, port, MotoRequestHandler)
    with serving(server):
        aws = Aws(url_of(server), template, secret)
        try:
            aws.reset()  # moto keeps its state per process, so an earlier server may have left some
            yield aws
        finally:
            aws.close()


def one_at_a_time(app: "WSGIApplication") -> "WSGIApplication":
    """Makes conditional writes and transactions atomic, which moto's are not between threads.

    Long polling would keep everybody waiting: receive with WaitTimeSeconds=0 here.
    """
    lock = Lock()

    def serialised(environ: "WSGIEnvironment", start_response: "StartResponse") -> Iterable[bytes]:
        with lock:
            answer = app(environ, start_response)
            try:
                return list(answer)
            finally:
                close = getattr(answer, "close", None)
                if close:
                    close()

    return serialised
