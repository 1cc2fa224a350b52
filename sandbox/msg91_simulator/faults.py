"""Faults of the next calls."""

from collections import deque
from collections.abc import Mapping
from threading import Lock


class Faults[Fault]:
    """Faults of the next calls, in order. Thread-safe."""

    def __init__(self, known: Mapping[str, Fault]) -> None:
        self._known = known
        self._next: deque[Fault] = deque()
        self._lock = Lock()

    def add(self, name: str, times: int = 1) -> None:
        """Raises KeyError for a name that is not known."""
        with self._lock:
            self._next.extend([self._known[name]] * times)

    def take(self) -> Fault | None:
        with self._lock:
            return self._next.popleft() if self._next else None

    def clear(self) -> None:
        with self._lock:
            self._next.clear()
