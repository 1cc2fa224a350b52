"""Errors that nobody foresaw, told without what they may quote: a number, a text, a key."""

import traceback


def redacted(error: BaseException) -> dict[str, object]:
    """Return an error's class and where it came from, innermost last. Its text stays out: it may quote the data."""
    frames = traceback.extract_tb(error.__traceback__)[-5:]
    places = [f"{frame.filename.rpartition('/')[2]}:{frame.lineno} {frame.name}" for frame in frames]
    return {"error": type(error).__name__, "places": places}
