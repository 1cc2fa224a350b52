"""The queues: reports that can't be stored now, to be tried again or read by a person, and stream records set aside."""

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
    """A webhook's body as it came, and what is needed to read it again later."""

    body: bytes = field(repr=False)
    content_type: str
    received_at: str
    webhook_version: str = ""
    """Of a body that we have cut out of another; empty: the body tells it."""

    @classmethod
    def of(cls, record: Mapping[str, Any], received_at: str) -> "RawReport":
        """Read an SQS record. One that somebody put there by hand may have a body only: it is received now."""
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
    """A queue's end that puts. Its client is made when it is needed, which most environments never see."""

    def __init__(self, connect: Callable[[], "SQSClient"], url: str) -> None:
        self._connect = connect
        self._url = url

    @cached_property
    def _client(self) -> "SQSClient":
        return self._connect()


class Queue(_Sqs):
    """One of the two queues of reports."""

    def put(self, report: RawReport, reason: str) -> None:
        """Keep a report, with the reason for it. Raises StoreUnavailableError."""
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
                    # A caller's content type must not be what SQS refuses a body for.
                    name: {"DataType": "String", "StringValue": _NOT_IN_SQS.sub("?", value)[:_MAX_ATTRIBUTE_LENGTH]}
                    for name, value in attributes.items()
                    if value
                },
            )
        except AWS_ERRORS as error:
            raise StoreUnavailableError(error_code(error)) from error


class DeadLetters(_Sqs):
    """The queue of stream records that no retry will help. Lambda puts there what it gives up as well."""

    def put(self, record: Mapping[str, Any], reason: str) -> None:
        """Keep a record as it came, with the reason for it. Raises StoreUnavailableError."""
        try:
            self._client.send_message(
                QueueUrl=self._url,
                MessageBody=json.dumps(record),
                MessageAttributes={"reason": {"DataType": "String", "StringValue": reason}},
            )
        except AWS_ERRORS as error:
            raise StoreUnavailableError(error_code(error)) from error


def _packed(body: bytes) -> tuple[str, str]:
    """Return a body as SQS can hold it, and how: as it is, or packed where it is empty, too long, or no XML text."""
    try:
        text = body.decode()
    except UnicodeDecodeError:
        text = ""
    if text and len(body) <= _MAX_TEXT_BYTES and not _NOT_IN_SQS.search(text):
        return text, "plain"
    return base64.b64encode(gzip.compress(body, mtime=0)).decode(), _PACKED
