"""Which messages may have an unknown outcome, because something was done to them."""

import time
from collections import defaultdict, deque
from collections.abc import Iterable, Sequence
from threading import Lock
from typing import Final

_LONGEST_EVENT: Final = 30.0
"""Seconds that an event can occupy a function: its timeout, and one more."""


class Excuses:
    """The messages to which something was done, so that their outcome may be unknown. Safe from several threads."""

    def __init__(self) -> None:
        self._excused: set[str] = set()
        self._claims: defaultdict[str, deque[tuple[float, Sequence[str]]]] = defaultdict(deque)
        self._lock = Lock()

    def note_claim(self, caller: str, crqids: Sequence[str]) -> None:
        with self._lock:
            self._claims[caller].append((time.monotonic(), crqids))

    def excuse(self, crqids: Iterable[str]) -> None:
        with self._lock:
            self._excused.update(crqids)

    def excuse_claims_of(self, caller: str) -> None:
        """For a caller that was killed, or not listened to: what it was about is what it had claimed."""
        with self._lock:
            claims = self._claims[caller]
            while claims and time.monotonic() - claims[0][0] > _LONGEST_EVENT:
                claims.popleft()
            for _, crqids in claims:
                self._excused.update(crqids)

    def __contains__(self, crqid: object) -> bool:
        with self._lock:
            return crqid in self._excused
