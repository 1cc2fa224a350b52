"""The queues: reports to store later or for a person to read, and stream records that can't be delivered."""

import base64
import gzip
import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any, Final

from segment_msg91.store.aws import AWS_ERRORS, StoreUnavailableError, error_code

if TYPE_CHECKING:
    from mypy_boto3_sqs import SQSClient

_MAX_TEXT_BYTES: Final = 240_000  # bytes: SQS takes 256 KiB with the attributes
_NOT_IN_SQS: Final = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_PACKED: Final = "gzip+base64"
_MAX_ATTRIBUTE_LENGTH: Final = 512  # characters


@dataclass(frozen=True, slots=True)
class RawReport:
    """A webhook's unchanged body, and what is needed to read it later."""

    body: bytes = field(repr=False)
    content_type: str
    received_at: str
    webhook_version: str = ""
    """The version of a body that `bodies_of` has written; empty: the body shows it."""

    @classmethod
    def of(cls, record: Mapping[str, Any], received_at: str) -> "RawReport":
        """Read an SQS record. A person may have sent one with a body only: then it counts as received now."""
        attributes = {name: value.get("stringValue") for name, value in record.get("messageAttributes", {}).items()}
        text: str = record["body"]
        packed = attributes.get("body_encoding") == _PACKED
        body = gzip.decompress(base64.b64decode(text, validate=True)) if packed else text.encode("utf-8", "replace")
        return cls(
            body,
            attributes.get("content_type") or "",
            attributes.get("received_at") or received_at,
            attributes.get("webhook_version") or "",
        )


class _Sqs:
    """Sends to a queue. The client is made at the first use, which most environments never reach."""

    def __init__(self, connect: Callable[[], "SQSClient"], url: str) -> None:
        self._connect = connect
        self._url = url

    @cached_property
    def _client(self) -> "SQSClient":
        return self._connect()


class Queue(_Sqs):
    """One of the two queues of reports."""

    def put(self, report: RawReport, reason: str) -> None:
        """Keep a report, with the reason. Raises StoreUnavailableError."""
        text, body_encoding = _packed(report.body)
        attributes = {
            "content_type": report.content_type,
            "received_at": report.received_at,
            "webhook_version": report.webhook_version,
            "body_encoding": body_encoding,
            "reason": reason,
        }
        try:
            self._client.send_message(
                QueueUrl=self._url,
                MessageBody=text,
                MessageAttributes={
                    # SQS must not refuse a body because of the caller's content type.
                    name: {"DataType": "String", "StringValue": _NOT_IN_SQS.sub("?", value)[:_MAX_ATTRIBUTE_LENGTH]}
                    for name, value in attributes.items()
                    if value
                },
            )
        except AWS_ERRORS as error:
            raise StoreUnavailableError(error_code(error)) from error


class DeadLetters(_Sqs):
    """The queue of stream records that no retry can help. Lambda also sends there what it gives up."""

    def put(self, record: Mapping[str, Any], reason: str) -> None:
        """Keep an unchanged record, with the reason. Raises StoreUnavailableError."""
        try:
            self._client.send_message(
                QueueUrl=self._url,
                MessageBody=json.dumps(record),
                MessageAttributes={"reason": {"DataType": "String", "StringValue": reason}},
            )
        except AWS_ERRORS as error:
            raise StoreUnavailableError(error_code(error)) from error


def _packed(body: bytes) -> tuple[str, str]:
    """Return a body in a form that SQS takes, and its encoding: packed if it is empty, too long or no XML text."""
    try:
        text = body.decode()
    except UnicodeDecodeError:
        text = ""
    if text and len(body) <= _MAX_TEXT_BYTES and not _NOT_IN_SQS.search(text):
        return text, "plain"
    return base64.b64encode(gzip.compress(body, mtime=0)).decode(), _PACKED
