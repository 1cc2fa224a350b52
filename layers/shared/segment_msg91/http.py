"""API Gateway's payload format 2.0: its event to a request, and answers back."""

import base64
import binascii
import json
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, Final

MAX_BODY_BYTES: Final = 5 * 1024 * 1024
RETRY_AFTER_SECONDS: Final = 30


@dataclass(frozen=True, slots=True)
class Request:
    """An HTTP request: raw body, header names in lower case."""

    body: bytes = field(repr=False)
    headers: Mapping[str, str] = field(repr=False)
    query: Mapping[str, str] = field(repr=False)
    path_parameters: Mapping[str, str] = field(repr=False)
    source_ip: str = ""

    @classmethod
    def of(cls, event: Mapping[str, Any]) -> "Request":
        """Read a payload 2.0 event. API Gateway encodes form bodies in base64; `sam local` does not."""
        text = event.get("body")
        body = text.encode("utf-8", "surrogatepass") if isinstance(text, str) else b""
        if event.get("isBase64Encoded"):
            with suppress(binascii.Error):  # API Gateway sends valid base64; of other callers, take the text unchanged
                body = base64.b64decode(body, validate=True)
        return cls(
            body=body,
            headers={name.lower(): value for name, value in _texts(event.get("headers")).items()},
            query=_texts(event.get("queryStringParameters")),
            path_parameters=_texts(event.get("pathParameters")),
            source_ip=_source_ip(event.get("requestContext")),
        )

    @property
    def is_too_large(self) -> bool:
        """Over 5 MB: Segment's batches are at most 4 MB."""
        return len(self.body) > MAX_BODY_BYTES


def answer(status: int, message: str, **content: object) -> dict[str, Any]:
    """Write an answer in JSON. A status that the caller retries has a Retry-After, which Segment may ignore."""
    headers = {"content-type": "application/json"}
    if status in (429, 503):
        headers["retry-after"] = str(RETRY_AFTER_SECONDS)
    body = json.dumps({"message": message, **content}, ensure_ascii=False)
    return {"statusCode": status, "headers": headers, "body": body}


def _source_ip(context: object) -> str:
    """Return the caller's address, which API Gateway always gives."""
    http = context.get("http") if isinstance(context, dict) else None
    return _texts(http).get("sourceIp", "")


def _texts(members: object) -> dict[str, str]:
    """Return the members that are texts. API Gateway's all are; test consoles and other gateways also write null."""
    if not isinstance(members, dict):
        return {}
    return {name: value for name, value in members.items() if isinstance(value, str)}
