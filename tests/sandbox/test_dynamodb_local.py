"""DynamoDB Local behind the embedded AWS: what it forwards, and when it ends."""

import json
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Barrier
from typing import Any, Final

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ConnectionClosedError

from sandbox.aws import Aws, running_aws
from sandbox.dynamodb_local import server
from sandbox.dynamodb_local.installation import NotAvailableError, Program
from sandbox.dynamodb_local.stream import Stream
from sandbox.servers import serving, url_of
from sandbox.template import PATH, REGION, Template

ONE_ATTEMPT: Final = Config(retries={"mode": "standard", "total_max_attempts": 1})
ENDED_WITHIN: Final = 20.0
_STARTS_IT: Final = """
import time
from sandbox.dynamodb_local.server import running_dynamodb_local

with running_dynamodb_local() as url:
    print(url, flush=True)
    time.sleep(600)
"""


class EngineOfTwo(ThreadingHTTPServer):
    """Answers scans in pairs: a single scan waits for another."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Answering)
        self.both = Barrier(2)
        self.connections = 0


class _Answering(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: EngineOfTwo

    def setup(self) -> None:
        super().setup()
        self.server.connections += 1

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        operation = self.headers["X-Amz-Target"].rpartition(".")[2]
        if operation == "Scan":
            self.server.both.wait(10)
        if operation == "DeleteItem":
            self.close_connection = True
            return
        answer = json.dumps({"TableNames": []} if operation == "ListTables" else {"Items": [], "Count": 0}).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/x-amz-json-1.0")
        self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    def log_message(self, *_arguments: object) -> None:
        """Ignore it: no test reads it."""


@pytest.fixture
def engine_of_two() -> Iterator[EngineOfTwo]:
    running = EngineOfTwo()
    with serving(running):
        yield running


@pytest.fixture
def before_two(engine_of_two: EngineOfTwo) -> Iterator[Aws]:
    with running_aws(Template.load(), dynamodb_url=url_of(engine_of_two)) as aws:
        yield aws


def test_requests_are_executed_at_once(before_two: Aws) -> None:
    with ThreadPoolExecutor(2) as threads:
        answers = list(threads.map(lambda _: before_two.dynamodb.scan(TableName="MessagesTable"), range(2)))
    assert [answer["Count"] for answer in answers] == [0, 0]


def test_connections_to_the_engine_are_kept(engine_of_two: EngineOfTwo, before_two: Aws) -> None:
    before_two.dynamodb.list_tables()
    made = engine_of_two.connections
    for _ in range(5):
        before_two.dynamodb.list_tables()
    assert engine_of_two.connections == made


def test_a_request_that_the_engine_does_not_answer_has_no_answer(before_two: Aws) -> None:
    session = boto3.Session("function", "sandbox", region_name=REGION)
    client = session.client("dynamodb", endpoint_url=before_two.url, config=ONE_ATTEMPT)
    with pytest.raises(ConnectionClosedError):
        client.delete_item(TableName="MessagesTable", Key={"crqid": {"S": "one"}})
    client.close()


def test_two_stacks_on_one_engine_do_not_see_each_other(dynamodb_local: str) -> None:
    template = Template.load()
    with running_aws(template, dynamodb_url=dynamodb_local) as one:
        one.dynamodb.put_item(TableName="MessagesTable", Item={"crqid": {"S": "one"}})
        with running_aws(template, dynamodb_url=dynamodb_local) as other:
            assert other.items("MessagesTable") == []
        assert len(one.items("MessagesTable")) == 1


@pytest.mark.usefixtures("dynamodb_local")
def test_the_engine_ends_when_the_process_that_started_it_is_killed() -> None:
    with subprocess.Popen(  # noqa: S603  # our own program
        (sys.executable, "-c", _STARTS_IT), cwd=PATH.parent, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout
        port = int(process.stdout.readline().rpartition(":")[2])
        process.kill()
    deadline = time.monotonic() + ENDED_WITHIN
    while _listens(port) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not _listens(port)


def test_an_engine_that_does_not_start_says_why_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    java = tmp_path / "java"
    java.write_text("#!/bin/sh\necho 'Error: Unable to access jarfile' >&2\nexit 1\n", encoding="utf-8")
    java.chmod(0o755)
    monkeypatch.setattr(server, "install", lambda: Program(java, tmp_path / "DynamoDBLocal.jar"))
    with pytest.raises(NotAvailableError, match="did not start: Error: Unable to access jarfile"):
        server.running_dynamodb_local().__enter__()


def test_an_engine_is_gone_when_its_block_ends(dynamodb_local: str) -> None:
    with server.running_dynamodb_local() as url:
        assert url != dynamodb_local
        port = int(url.rpartition(":")[2])
        assert _listens(port)
    assert not _listens(port)


def _listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


class Shards:
    """The Streams API with two shards; the first is closed after two records."""

    def __init__(self) -> None:
        self._records = {"first": [["a"], ["b"]], "second": [["c"]]}

    def describe_stream(self, **_: object) -> dict[str, Any]:
        shards = [("second", "3"), ("first", "1")]
        listed = [{"ShardId": name, "SequenceNumberRange": {"StartingSequenceNumber": start}} for name, start in shards]
        return {"StreamDescription": {"Shards": listed}}

    def get_shard_iterator(self, *, ShardId: str, **_: object) -> dict[str, str]:  # noqa: N803  # boto3's
        return {"ShardIterator": ShardId}

    def get_records(self, *, ShardIterator: str) -> dict[str, Any]:  # noqa: N803  # boto3's
        left = self._records[ShardIterator]
        keys = left.pop(0) if left else []
        answer: dict[str, Any] = {"Records": [{"dynamodb": {"Keys": key}} for key in keys]}
        is_closed = ShardIterator == "first" and not left
        return answer if is_closed else answer | {"NextShardIterator": ShardIterator}


def test_a_stream_goes_on_in_the_shard_after_one_that_is_closed() -> None:
    stream = Stream(Shards(), "arn")
    assert [record["dynamodb"]["Keys"] for record in stream.read()] == ["a", "b", "c"]
    assert len(stream.read()) == 3
