"""DynamoDB Local behind the embedded AWS: forwards requests to it, concurrently."""

from collections.abc import Iterator
from threading import Lock
from typing import TYPE_CHECKING, Any, Final
from uuid import uuid4

import boto3
import urllib3
from urllib3.exceptions import HTTPError

from sandbox.dynamodb_local.stream import Stream
from sandbox.template import REGION

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIEnvironment

_CONNECTIONS: Final = 64
_FORWARDED_HEADERS: Final = ("content-type", "x-amzn-requestid", "x-amz-crc32")


class DynamoDbLocal:
    """One database of a running DynamoDB Local, which has a database for each access key."""

    def __init__(self, url: str) -> None:
        key = uuid4().hex
        session = boto3.Session(key, "sandbox", region_name=REGION)
        self.client = session.client("dynamodb", endpoint_url=url)
        self._streams: Any = session.client("dynamodbstreams", endpoint_url=url)
        self._pool = urllib3.connection_from_url(url, maxsize=_CONNECTIONS)
        # It does not check signatures. It refuses our callers' access keys, because they have hyphens.
        scope = f"{key}/20260101/{REGION}/dynamodb/aws4_request"
        self._authorization = f"AWS4-HMAC-SHA256 Credential={scope}, SignedHeaders=host, Signature=none"
        self._stream: Stream | None = None
        self._reading = Lock()

    def __call__(self, environ: "WSGIEnvironment", start_response: "StartResponse") -> list[bytes]:
        """Raises ConnectionAbortedError for a request that it does not answer."""
        headers = {
            "Authorization": self._authorization,
            "Content-Type": environ["CONTENT_TYPE"],
            "X-Amz-Target": environ["HTTP_X_AMZ_TARGET"],
        }
        body = environ["wsgi.input"].read(int(environ["CONTENT_LENGTH"]))
        try:
            answer = self._pool.urlopen("POST", "/", body, headers, retries=False)
        except HTTPError as error:
            raise ConnectionAbortedError from error
        forwarded = [(name, value) for name, value in answer.headers.items() if name.lower() in _FORWARDED_HEADERS]
        start_response(f"{answer.status} {answer.reason or ''}", forwarded)
        return [answer.data]

    def items(self, table: str) -> Iterator[dict[str, Any]]:
        """Yield all items of a table, in wire form."""
        for page in self.client.get_paginator("scan").paginate(TableName=table, ConsistentRead=True):
            yield from page["Items"]

    def stream(self, table: str) -> tuple[str, list[dict[str, Any]]]:
        """Return the label of a table's stream and all of its records so far; no records if it has no stream."""
        try:
            description = self.client.describe_table(TableName=table)["Table"]
        except self.client.exceptions.ResourceNotFoundException:  # it is being created again
            return "", []
        arn = description.get("LatestStreamArn")
        if not arn:
            return "", []
        with self._reading:
            if not self._stream or self._stream.arn != arn:
                self._stream = Stream(self._streams, arn)
            return description["LatestStreamLabel"], self._stream.read()

    def drop_tables(self) -> None:
        for table in self.client.list_tables()["TableNames"]:
            self.client.delete_table(TableName=table)

    def close(self) -> None:
        self.drop_tables()
        for client in (self.client, self._streams, self._pool):
            client.close()
