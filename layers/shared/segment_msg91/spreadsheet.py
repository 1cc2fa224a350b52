"""Messages as CSV (RFC 4180) that is safe to open in a spreadsheet. Phone numbers are masked. Pure."""

import csv
import io
import re
from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any, Final

from segment_msg91.masking import masked
from segment_msg91.message_view import SUMMARIZED, category_of, display_status, event_shown

COLUMNS: Final = ("time", "event", "phone", "sender", "template", "status", "category", "parts", "credits", "crqid")
# What is read of a message.
EXPORTED: Final = (*SUMMARIZED, "parts", "credits")

# A spreadsheet computes a cell that begins with one of these, or their full-width forms, and may skip what is not seen
# before them. Where it divides lines at semicolons or tabs, one of our cells becomes several.
_UNSEEN: Final = r"[\s\x00-\x1f\u00ad\u200b-\u200f\u2060\ufeff]*"
_FORMULA: Final = r"[=+\-@\uff1d\uff0b\uff0d\uff20]"
_BEGINS_ONE: Final = re.compile(f"{_UNSEEN}{_FORMULA}|[\t\r\n]")
_HAS_ONE: Final = re.compile(f"([;\t\r\n]{_UNSEEN})(?={_FORMULA})")


def csv_of(messages: Iterable[Mapping[str, Any]], now: datetime, *, has_header: bool) -> str:
    """Return a line for each message, in their order, after one with the names of the columns."""
    text = io.StringIO()
    lines = csv.writer(text)
    if has_header:
        lines.writerow(COLUMNS)
    lines.writerows(map(harmless, _cells(message, now)) for message in messages)
    return text.getvalue()


def harmless(cell: str) -> str:
    """Put an apostrophe before what a spreadsheet would take for a formula; then it is shown as text."""
    text = _HAS_ONE.sub(r"\1'", cell)
    return f"'{text}" if _BEGINS_ONE.match(text) else text


def _cells(message: Mapping[str, Any], now: datetime) -> Iterable[str]:
    cells = (
        message.get("created_at"),
        event_shown(message),
        masked(str(message["phone"])) if "phone" in message else None,
        message.get("sender_id"),
        message.get("template_id"),
        display_status(message, now).label,
        category_of(message),
        message.get("parts"),
        message.get("credits"),
        message["crqid"],
    )
    return ("" if cell is None else str(cell) for cell in cells)
