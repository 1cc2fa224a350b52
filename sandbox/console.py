"""Aligned text for the terminal; colour only if the output is a terminal."""

import sys
from dataclasses import dataclass
from typing import Final, TextIO

from sandbox.messages import Row

HEADINGS: Final = ("EVENT", "NUMBER", "SENT", "DELIVERY", "BACK IN SEGMENT", "REASON")
WIDTHS: Final = (30, 14, 10, 10, 15, 0)
GREEN, YELLOW, RED = "32", "33", "31"
COLOURS: Final = {"accepted": GREEN, "delivered": GREEN, "sending": YELLOW, "pending": YELLOW, "": YELLOW}
"""By state and status; others are red."""


@dataclass(frozen=True, slots=True)
class Console:
    out: TextIO = sys.stdout

    def say(self, text: str = "") -> None:
        print(text, file=self.out, flush=True)

    def headings(self) -> None:
        self.say("  ".join(map(_padded, HEADINGS, WIDTHS)).rstrip())

    def row(self, row: Row) -> None:
        event, number, sent, delivery, last_event, reason = map(_padded, _cells(row), WIDTHS)
        sent, delivery = self._coloured(sent, row.sent), self._coloured(delivery, row.delivery)
        self.say(f"{event}  {number}  {sent}  {delivery}  {last_event}  {reason}".rstrip())

    def _coloured(self, text: str, status: str) -> str:
        return f"\033[{COLOURS.get(status, RED)}m{text}\033[0m" if self.out.isatty() else text


def _cells(row: Row) -> tuple[str, ...]:
    return row.event, row.number, row.sent, row.delivery or "-", row.last_event or "-", row.reason


def _padded(text: str, width: int) -> str:
    return text.ljust(width) if len(text) <= width or not width else f"{text[: width - 1]}…"
