"""Messages that may have an unknown outcome, because a fault was injected into them."""

import time
from collections import defaultdict, deque
from collections.abc import Iterable, Sequence
from threading import Lock
from typing import Final

_MAX_EVENT_SECONDS: Final = 30.0
"""Seconds that an event can occupy a function: its timeout plus one."""


class AllowedUnknowns:
    """The messages with an injected fault. Thread-safe."""

    def __init__(self) -> None:
        self._allowed: set[str] = set()
        self._claims: defaultdict[str, deque[tuple[float, Sequence[str]]]] = defaultdict(deque)
        self._lock = Lock()

    def record_claim(self, caller: str, crqids: Sequence[str]) -> None:
        with self._lock:
            self._claims[caller].append((time.monotonic(), crqids))

    def allow(self, crqids: Iterable[str]) -> None:
        with self._lock:
            self._allowed.update(crqids)

    def allow_claims_of(self, caller: str) -> None:
        """For a caller that was killed or whose request was not read: allow all that it had claimed."""
        with self._lock:
            claims = self._claims[caller]
            while claims and time.monotonic() - claims[0][0] > _MAX_EVENT_SECONDS:
                claims.popleft()
            for _, crqids in claims:
                self._allowed.update(crqids)

    def __contains__(self, crqid: object) -> bool:
        with self._lock:
            return crqid in self._allowed
