"""The result of a check, and its printed form."""

import shutil
import textwrap
from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

NAME_WIDTH: Final = 36
"""Columns for the name of a check. A test checks every name against it."""
_RESULT_WIDTH: Final = 9
_MIN_WIDTH: Final = 40
_HIDDEN: Final = "(hidden)"
_MIN_HIDDEN_LENGTH: Final = 7
"""Characters; no number is shorter."""


class Status(StrEnum):
    """The result of a check."""

    OK = "ok"
    WARNING = "warning"
    """Not wrong by itself, or not possible to check from here."""
    FAILED = "FAILED"
    SKIPPED = "skipped"


@dataclass(frozen=True, slots=True)
class Result:
    """The status of a check, what it means, and what to do about it (empty if nothing)."""

    status: Status
    meaning: str
    remedy: str = ""


def ok(meaning: str) -> Result:
    """Return the result of a check that passed."""
    return Result(Status.OK, meaning)


def warning(meaning: str, remedy: str) -> Result:
    """Return a result that does not fail the run."""
    return Result(Status.WARNING, meaning, remedy)


def failed(meaning: str, remedy: str) -> Result:
    """Return a result that fails the run."""
    return Result(Status.FAILED, meaning, remedy)


def skipped(meaning: str) -> Result:
    """Return the result of a check that did not run."""
    return Result(Status.SKIPPED, meaning)


class Table:
    """Prints each result. Never prints one of the hidden texts: credentials and numbers."""

    def __init__(self, hidden: Iterable[str]) -> None:
        # A shorter text may occur in our own sentences, and the gap there would reveal it.
        self._hidden = sorted({text for text in hidden if len(text) >= _MIN_HIDDEN_LENGTH}, key=len, reverse=True)
        self._width = max(_MIN_WIDTH, shutil.get_terminal_size((120, 40)).columns - NAME_WIDTH - _RESULT_WIDTH)

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
        # Commands and anchors have hyphens, and must stay copyable.
        lines = textwrap.wrap(self._safe(text), self._width, break_long_words=False, break_on_hyphens=False)
        first, *rest = lines or [""]
        print(f"{name:<{NAME_WIDTH}}{status:<{_RESULT_WIDTH}}{first}".rstrip(), flush=True)
        for line in rest:
            print(" " * (NAME_WIDTH + _RESULT_WIDTH) + line, flush=True)

    def _safe(self, text: str) -> str:
        for hidden in self._hidden:
            text = text.replace(hidden, _HIDDEN)
        return text
