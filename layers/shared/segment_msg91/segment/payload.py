"""Segment's wire: what of a body its signature may cover, and the events in it."""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

from segment_msg91.fields import MalformedJsonError, read_json

# Segment's batches hold at most 4000. The answer has a result for each event, and Lambda limits answers to 6 MB.
MAX_EVENTS_IN_BATCH: Final = 10_000
_DECODER: Final = json.JSONDecoder()
_SPACE: Final = re.compile(r"[ \t\n\r]*")


class MalformedBodyError(ValueError):
    """The body holds no event, or too many. The text says why and quotes nothing."""


@dataclass(frozen=True, slots=True)
class EventBatch:
    """The events of one request, in their order. A batch is answered as a whole, even a batch of one."""

    events: list[Any]
    is_batch: bool


def split(body: bytes) -> EventBatch:
    """Split a body into events: one object, an array of them, or the Extensible Webhook's `{"json": event}`.

    Raises MalformedBodyError. An element of an array that is no event is an error of its own, not of the body.
    """
    try:
        content = read_json(body.decode())
    except UnicodeDecodeError:
        raise MalformedBodyError("The body is not UTF-8; send JSON.") from None
    except MalformedJsonError as error:
        raise MalformedBodyError(
            f"The body is not JSON: {error}; send one event object, or an array of them."
        ) from None
    if isinstance(content, list) and len(content) > MAX_EVENTS_IN_BATCH:
        raise MalformedBodyError(
            f"The body holds more than {MAX_EVENTS_IN_BATCH} events; make Segment's batches smaller."
        )
    if isinstance(content, list) and content:
        return EventBatch([_unwrapped(element) for element in content], is_batch=True)
    if isinstance(content, dict):
        return EventBatch([_unwrapped(content)], is_batch=False)
    raise MalformedBodyError("The body holds no event: send one event object, or an array of them.")


def signed_parts(body: bytes) -> Iterator[bytes]:
    """Yield what Segment's signature of a batch may cover: the body's first element, or that one's `json`.

    Slices of the raw bytes: JavaScript writes numbers and surrogates as Python's json never would.
    """
    try:
        text = body.decode()
        start = _after(text, 0, "[")
        if start is None:
            return
        _, end = _DECODER.raw_decode(text, start)
        yield text[start:end].encode()
        member = _json_member(text, start)
        if member:
            yield text[slice(*member)].encode()
    except (ValueError, RecursionError):
        return


def _unwrapped(element: Any) -> Any:  # noqa: ANN401 - any JSON value
    if isinstance(element, dict) and "type" not in element and isinstance(element.get("json"), dict):
        return element["json"]
    return element


def _json_member(text: str, start: int) -> tuple[int, int] | None:
    """Return the start and end of the value of the member `json` in the object at `start`."""
    position = _after(text, start, "{")
    while position is not None and text[position : position + 1] == '"':
        name, position = _DECODER.raw_decode(text, position)
        value_start = _after(text, position, ":")
        if value_start is None:
            return None
        _, value_end = _DECODER.raw_decode(text, value_start)
        if name == "json":
            return value_start, value_end
        position = _after(text, value_end, ",")
    return None


def _after(text: str, position: int, character: str) -> int | None:
    """Return the position after `character`, if that is next at `position` apart from white space; else None."""
    position = _skip_space(text, position)
    if text[position : position + 1] != character:
        return None
    return _skip_space(text, position + 1)


def _skip_space(text: str, position: int) -> int:
    match = _SPACE.match(text, position)
    return match.end() if match else position
