"""Instants as text, ISO 8601 in UTC with `Z`, and the forms that the providers write."""

import re
from datetime import UTC, datetime, timedelta, timezone

from segment_msg91.fields import text_of

_MILLISECONDS_FROM = 100_000_000_000  # an epoch beyond the year 5138 is one in milliseconds
_YEARS = range(2000, 2101)
_OFFSET = re.compile(r"([+-])(\d\d):([0-5]\d)", re.ASCII)


def instant(moment: datetime) -> str:
    """Write an instant of our own clock: `2024-05-22T04:36:20.123Z`. Of one length, so text order is time order."""
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def second(moment: datetime) -> str:
    """Write an instant of MSG91's, which reports in seconds: `2024-05-22T04:36:20Z`."""
    return moment.astimezone(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")


def parse_instant(text: str, zone: timezone = UTC) -> datetime | None:
    """Read ISO 8601, with `T` or a space; without an offset it is in `zone`. None when it is no date."""
    try:
        moment = datetime.fromisoformat(text.strip())
        return (moment if moment.tzinfo else moment.replace(tzinfo=zone)).astimezone(UTC)
    except (ValueError, OverflowError):
        return None


def parse_reported(value: object, zone: timezone) -> datetime | None:
    """Read a report's time: a date without a zone (`2024-05-22 10:06:20`, in `zone`), ISO 8601, or an epoch.

    Epochs are seconds (v4's `ts`) or milliseconds. None for other texts, and for dates outside this century.
    """
    text = (text_of(value) or "").strip()
    if text.isascii() and text.replace(".", "", 1).isdigit():
        epoch = float(text)
        seconds = epoch / 1000 if epoch >= _MILLISECONDS_FROM else epoch
        moment = _from_epoch(seconds)
    else:
        moment = parse_instant(text, zone)
    return moment if moment and moment.year in _YEARS else None


def parse_offset(text: str) -> timezone:
    """Read an offset from UTC such as `+05:30`. Raises ValueError."""
    match = _OFFSET.fullmatch(text)
    if not match:
        raise ValueError("an offset from UTC is written like +05:30")
    sign, hours, minutes = match.groups()
    offset = timedelta(hours=int(hours), minutes=int(minutes))
    return timezone(-offset if sign == "-" else offset)


def _from_epoch(seconds: float) -> datetime | None:
    try:
        return datetime.fromtimestamp(seconds, UTC)
    except (ValueError, OverflowError, OSError):
        return None
