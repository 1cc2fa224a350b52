"""Loosely written JSON, as both providers send it: read strictly, field names in any casing, values as text."""

import json
import math
import re
import unicodedata
from collections.abc import Mapping
from functools import lru_cache
from typing import Any, Final, NoReturn

PHONE_DIGITS = range(7, 16)
_PUNCTUATION = ("P", "Z", "C")  # Unicode's categories of punctuation, spaces, and control and direction marks
_DIALLED: Final = re.compile(r"\+?[0-9]+")
_NOT_WITHIN_A_NUMBER: Final = frozenset(",;#*")  # before an extension, or between two numbers
_WHOLE_DECIMAL: Final = re.compile(r"\s*(\+?[0-9]{7,})\.0+\s*")  # as spreadsheets and warehouses write a number
_MAX_REMEMBERED_LENGTH: Final = 64
_INTERNATIONAL_PREFIX: Final = re.compile(r"\+?(?:00)*")  # before a country code; none begins with 0


class MalformedJsonError(ValueError):
    """The text is no JSON; the message has the position, without quoting it."""


def read_json(text: str) -> Any:  # noqa: ANN401 - any JSON value
    """Parse JSON as the standard has it: NaN and Infinity, which Python alone would take, are errors."""
    try:
        return json.loads(text, parse_constant=_refuse_constant)
    except RecursionError as error:
        raise MalformedJsonError("nested too deeply") from error
    except json.JSONDecodeError as error:
        raise MalformedJsonError(f"{error.msg} at character {error.pos}") from error
    except ValueError as error:
        raise MalformedJsonError("a number that JSON does not have, or one with thousands of digits") from error


def canonical(name: str) -> str:
    """Reduce a field's name to what all its casings share: `senderID`, `sender_id`, `Sender-Id` → `senderid`."""
    # Reports and rows of the logs repeat a few names thousands of times. Long names of a sender would fill the memory.
    return _remembered(name) if len(name) <= _MAX_REMEMBERED_LENGTH else _reduced(name)


def by_canonical_name(fields: Mapping[str, Any]) -> dict[str, Any]:
    """Index an object's members by canonical name, without absent ones (null, blank). Of two casings one stays."""
    members: dict[str, Any] = {}
    for name, value in fields.items():
        if value is not None and not (isinstance(value, str) and not value.strip()):
            members.setdefault(canonical(name), value)
    return members


def text_of(value: object) -> str | None:
    """Return a string or number as text, anything else as None. `918818888758.0` and `918818888758` are the same."""
    if isinstance(value, str):
        return well_formed(value)
    if isinstance(value, bool):
        return None
    if isinstance(value, float):
        if value.is_integer():
            return str(int(value))
        return repr(value) if math.isfinite(value) else None
    return str(value) if isinstance(value, int) else None


def identifier_of(value: object) -> str | None:
    """Return an id, code or name as stripped text; None for an empty one and for `0`, which MSG91 writes for absent."""
    text = (text_of(value) or "").strip()
    return None if text in ("", "0") else text


def well_formed(text: str) -> str:
    """Replace lone surrogates, which JavaScript can send and neither DynamoDB nor an SMS can hold."""
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")


def phone_digits(value: object) -> str | None:
    """Return a phone number as its 7 to 15 digits, without `+`, leading `00`, spaces and punctuation; else None.

    E.164 allows no other length. MSG91 decides which numbers exist.
    """
    digits = without_international_prefix(bare_number(value) or "")
    return digits if len(digits) in PHONE_DIGITS else None


def bare_number(value: object) -> str | None:
    """Return a phone number as it is dialled, `+` or not and digits, without spaces and punctuation; else None."""
    text = text_of(value)
    if text is None or (isinstance(value, float) and "." in text):  # `.` would count as punctuation
        return None
    if whole := _WHOLE_DECIMAL.fullmatch(text):
        text = whole[1]
    if _NOT_WITHIN_A_NUMBER & set(text):
        return None
    bare = "".join(character for character in text if unicodedata.category(character)[0] not in _PUNCTUATION)
    return bare if _DIALLED.fullmatch(bare) else None


def without_international_prefix(number: str) -> str:
    """Remove what is dialled before a country code, `+` and `00`."""
    return _INTERNATIONAL_PREFIX.sub("", number, count=1)


def _reduced(name: str) -> str:
    return "".join(character for character in name.lower() if character.isalnum())


_remembered: Final = lru_cache(maxsize=1024)(_reduced)


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(name)
