"""DynamoDB, Secrets Manager, SQS and MSG91 at fixed latencies: `python -m benchmarks.providers` prints its port.

It is a separate process, so that the measurements are of the function alone. It counts since the last read: calls by
name, the time that they took, DynamoDB's request units, and SMS.
"""

import asyncio
import json
import re
import uuid
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final
from urllib.parse import parse_qsl, urlsplit

from benchmarks.dynamodb import DynamoDb, Table
from benchmarks.msg91 import LOGS_PATH, Msg91
from sandbox.aws import SECRET
from sandbox.template import Template

IDEMPOTENCY_TABLE: Final = "IdempotencyTable"
"""What Powertools' idempotency needs, in the Powertools reference."""
CONTROLS: Final = ("/reset", "/msg91", "/read")
_LENGTH: Final = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE)
_TARGET: Final = re.compile(rb"\r\nx-amz-target: *(\w+)\.(\w+)", re.IGNORECASE)
_HEAD: Final = b"HTTP/1.1 %d X\r\ncontent-type: %b\r\ncontent-length: %d\r\n\r\n"


@dataclass(slots=True)
class Providers:
    latency: Mapping[str, float] = field(default_factory=dict)
    """Seconds, by provider: `dynamodb`, `secretsmanager`, `sqs`, `msg91`, `logs`."""
    dynamodb: DynamoDb = field(default_factory=lambda: DynamoDb(tables()))
    msg91: Msg91 = field(default_factory=Msg91)
    calls: Counter[str] = field(default_factory=Counter)
    provider_time: float = 0.0
    """Seconds for all calls together, from the last byte received to the first byte sent."""
    queued: list[dict[str, Any]] = field(default_factory=list)

    def answer(self, url: str, head: bytes, body: bytes) -> tuple[str, int, bytes]:
        """Return the provider, the HTTP status and the body."""
        target = _TARGET.search(head)
        if target and target[1] == b"secretsmanager":
            self.calls["GetSecretValue"] += 1
            secret = {"ARN": "arn", "Name": "secret", "VersionId": "1", "SecretString": json.dumps(SECRET)}
            return "secretsmanager", 200, json.dumps(secret).encode()
        if target and target[1] == b"AmazonSQS":
            self.calls["SendMessage"] += 1
            self.queued.append(json.loads(body))
            return "sqs", 200, json.dumps({"MessageId": uuid.uuid4().hex, "MD5OfMessageBody": ""}).encode()
        if target:
            operation = target[2].decode()
            self.calls[operation] += 1
            status, answer = self.dynamodb.answer(operation, json.loads(body))
            return "dynamodb", status, json.dumps(answer).encode()
        address = urlsplit(url)
        if address.path == LOGS_PATH:
            self.calls["logs"] += 1
            return "logs", 200, json.dumps(self.msg91.logs(dict(parse_qsl(address.query)))).encode()
        self.calls["MSG91"] += 1
        return "msg91", 200, json.dumps(self.msg91.send(json.loads(body))).encode()

    def control(self, path: str, body: bytes) -> dict[str, Any]:
        """Handle what is none of a provider's.

        `/reset`: latencies, and a number of items by table. `/msg91`: how it treats what is sent from now on, and a
        number of `others` to add to its logs. `/read`: return the counts.
        """
        wanted = json.loads(body)
        if path == "/reset":
            self.latency, self.dynamodb, self.msg91 = wanted.get("latency", {}), DynamoDb(tables()), Msg91()
            self._read()
            for name, count in wanted.get("items", {}).items():
                self.dynamodb.tables[name].items.update(((str(number),), {}) for number in range(count))
            return {}
        if path == "/msg91":
            self.msg91.is_answer_lost, self.msg91.is_logged = wanted["is_answer_lost"], wanted["is_logged"]
            self.msg91.add_others(wanted["others"])
            return {}
        return self._read()

    def _read(self) -> dict[str, Any]:
        """Return the counts since the last read, and reset them."""
        reading = {
            "calls": self.calls,
            "provider_time": self.provider_time,
            "sms": self.msg91.sms,
            "units": dict(self.dynamodb.units),
            "queued": self.queued,
        }
        self.calls, self.provider_time, self.msg91.sms, self.queued = Counter(), 0.0, 0, []
        self.dynamodb.units.clear()
        return reading


class Connection(asyncio.Protocol):
    """One HTTP/1.1 connection, kept alive."""

    def __init__(self, providers: Providers) -> None:
        self._providers = providers
        self._received = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport: asyncio.WriteTransport = transport  # type: ignore[assignment]  # TCP's

    def data_received(self, data: bytes) -> None:
        self._received += data
        head, separator, rest = self._received.partition(b"\r\n\r\n")
        if not separator:
            return
        length = _LENGTH.search(head)
        size = int(length[1]) if length else 0
        if len(rest) < size:
            return
        self._received = rest[size:]
        self._answer(head, rest[:size])

    def _answer(self, head: bytes, body: bytes) -> None:
        loop = asyncio.get_running_loop()
        began = loop.time()
        url = head.split(b" ", 2)[1].decode()
        if url in CONTROLS:
            self._write(200, json.dumps(self._providers.control(url, body)).encode())
            return
        provider, status, answer = self._providers.answer(url, head, body)

        def finish() -> None:
            self._providers.provider_time += loop.time() - began
            self._write(status, answer)

        if latency := self._providers.latency.get(provider):
            loop.call_at(began + latency, finish)
        else:
            finish()

    def _write(self, status: int, body: bytes) -> None:
        self._transport.write(_HEAD % (status, b"application/json", len(body)) + body)


def tables() -> list[Table]:
    """Return the template's tables, empty, and that of the Powertools reference."""
    return [
        *(_table(table.name, table.definition) for table in Template.load().tables()),
        Table(IDEMPOTENCY_TABLE, ["id"], {}),
    ]


def _table(name: str, definition: Mapping[str, Any]) -> Table:
    indexes = {
        index["IndexName"]: [key["AttributeName"] for key in index["KeySchema"]]
        for index in definition.get("GlobalSecondaryIndexes", [])
    }
    return Table(name, [key["AttributeName"] for key in definition["KeySchema"]], indexes)


async def serve() -> None:
    providers = Providers()
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: Connection(providers), "127.0.0.1", 0)
    print(server.sockets[0].getsockname()[1], flush=True)  # noqa: T201  # the parent process reads it
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(serve())
