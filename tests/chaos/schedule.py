"""Items with their next delivery time: shared by Segment's retries and MSG91's reports."""

import heapq
import itertools
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from threading import Condition, Event
from typing import Final

_POLL_INTERVAL: Final = 0.05


class Schedule[Item]:
    """Items by the time they are due. Thread-safe."""

    def __init__(self) -> None:
        self._waiting: list[tuple[float, int, Item]] = []
        self._in_progress = 0
        self._sequence = itertools.count()
        self._changed = Condition()

    def put(self, item: Item, in_seconds: float = 0) -> None:
        with self._changed:
            heapq.heappush(self._waiting, (time.monotonic() + in_seconds, next(self._sequence), item))

    def take(self, max_items: int) -> list[Item]:
        """Take up to `max_items` that are due. Put back what needs a retry, then call `done` with all of them."""
        with self._changed:
            items: list[Item] = []
            while len(items) < max_items and self._waiting and self._waiting[0][0] <= time.monotonic():
                items.append(heapq.heappop(self._waiting)[2])
            self._in_progress += len(items)
            return items

    def done(self, items: Sequence[Item]) -> None:
        with self._changed:
            self._in_progress -= len(items)

    def flush(self) -> None:
        """Make everything due now."""
        with self._changed:
            now = time.monotonic()
            self._waiting = [(now, number, item) for _, number, item in self._waiting]
            heapq.heapify(self._waiting)

    def __len__(self) -> int:
        with self._changed:
            return len(self._waiting) + self._in_progress


@contextmanager
def running_workers(threads: int, work: Callable[[int], bool]) -> Iterator[None]:
    """Call `work` repeatedly from several threads, with the thread's number, until the block ends.

    `work` returns whether there was something to do. The block raises what `work` raises.
    """
    stopped = Event()

    def run(number: int) -> None:
        while not stopped.is_set():
            if not work(number):
                stopped.wait(_POLL_INTERVAL)

    with ThreadPoolExecutor(threads) as pool:
        running = [pool.submit(run, number) for number in range(threads)]
        try:
            yield
        finally:
            stopped.set()
        for future in running:
            future.result()
