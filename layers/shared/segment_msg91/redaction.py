"""Unexpected errors for the log, without their texts, which may quote a number, a text of an SMS or a key."""

import traceback


def redacted(error: BaseException) -> dict[str, object]:
    """Return an error's class and the code positions it passed, innermost last."""
    frames = traceback.extract_tb(error.__traceback__)[-5:]
    places = [f"{frame.filename.rpartition('/')[2]}:{frame.lineno} {frame.name}" for frame in frames]
    return {"error": type(error).__name__, "places": places}
