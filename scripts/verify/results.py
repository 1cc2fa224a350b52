"""What a check found, and how a person reads it."""

import shutil
import textwrap
from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

NAME_WIDTH: Final = 36
"""Columns for the name of a check. A test holds every name to it."""
_RESULT_WIDTH: Final = 9
_NARROWEST: Final = 40
_HIDDEN: Final = "(hidden)"
_SHORTEST_HIDDEN: Final = 7
"""Characters; no number is shorter."""


class Status(StrEnum):
    """The result of a check."""

    OK = "ok"
    WARNING = "warning"
    """Not wrong by itself, or not to be checked from here. A person should read it."""
    FAILED = "FAILED"
    SKIPPED = "skipped"


@dataclass(frozen=True, slots=True)
class Result:
    """What a check found, what it means, and what to do about it (empty when there is nothing to do)."""

    status: Status
    meaning: str
    remedy: str = ""


def ok(meaning: str) -> Result:
    """Return the result of a check that found what it should."""
    return Result(Status.OK, meaning)


def warning(meaning: str, remedy: str) -> Result:
    """Return a result that does not fail the run."""
    return Result(Status.WARNING, meaning, remedy)


def failed(meaning: str, remedy: str) -> Result:
    """Return a result that fails the run."""
    return Result(Status.FAILED, meaning, remedy)


def skipped(meaning: str) -> Result:
    """Return the result of a check that was not made."""
    return Result(Status.SKIPPED, meaning)


class Table:
    """Prints a line for each result as it comes. Never prints one of the hidden texts: credentials and numbers."""

    def __init__(self, hidden: Iterable[str]) -> None:
        # A shorter one may be a word of ours, and a gap in a known sentence would show it.
        self._hidden = sorted({text for text in hidden if len(text) >= _SHORTEST_HIDDEN}, key=len, reverse=True)
        self._width = max(_NARROWEST, shutil.get_terminal_size((120, 40)).columns - NAME_WIDTH - _RESULT_WIDTH)

    def head(self) -> None:
        """Print the headings."""
        self._print("CHECK", "RESULT", "WHAT IT MEANS, AND WHAT TO DO")

    def row(self, name: str, result: Result) -> None:
        """Print a result."""
        self._print(name, result.status, result.meaning)
        if result.remedy:
            self._print("", "", f"→ {result.remedy}")

    def say(self, text: str) -> None:
        """Print a line of progress or advice."""
        print(self._safe(text), flush=True)

    def _print(self, name: str, status: str, text: str) -> None:
        first, *rest = textwrap.wrap(self._safe(text), self._width, break_long_words=False) or [""]
        print(f"{name:<{NAME_WIDTH}}{status:<{_RESULT_WIDTH}}{first}".rstrip(), flush=True)
        for line in rest:
            print(" " * (NAME_WIDTH + _RESULT_WIDTH) + line, flush=True)

    def _safe(self, text: str) -> str:
        for hidden in self._hidden:
            text = text.replace(hidden, _HIDDEN)
        return text
