"""What is to be delivered, and when next: the part that Segment's retries and MSG91's reports have in common."""

import heapq
import itertools
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from threading import Condition, Event
from typing import Final

_LOOK_AGAIN_AFTER: Final = 0.05


class Schedule[Item]:
    """Items by the time they are due. Safe to use from several threads."""

    def __init__(self) -> None:
        self._waiting: list[tuple[float, int, Item]] = []
        self._in_hand = 0
        self._sequence = itertools.count()
        self._changed = Condition()

    def put(self, item: Item, in_seconds: float = 0) -> None:
        with self._changed:
            heapq.heappush(self._waiting, (time.monotonic() + in_seconds, next(self._sequence), item))

    def take(self, most: int) -> list[Item]:
        """What is due, at most so much of it. Whoever takes it says `done` after putting back what comes again."""
        with self._changed:
            items: list[Item] = []
            while len(items) < most and self._waiting and self._waiting[0][0] <= time.monotonic():
                items.append(heapq.heappop(self._waiting)[2])
            self._in_hand += len(items)
            return items

    def done(self, items: Sequence[Item]) -> None:
        with self._changed:
            self._in_hand -= len(items)

    def hurry(self) -> None:
        """Everything is due now."""
        with self._changed:
            now = time.monotonic()
            self._waiting = [(now, number, item) for _, number, item in self._waiting]
            heapq.heapify(self._waiting)

    def __len__(self) -> int:
        with self._changed:
            return len(self._waiting) + self._in_hand


@contextmanager
def working(threads: int, work: Callable[[int], bool]) -> Iterator[None]:
    """Call `work` with its thread's number over and over, from several threads, until the block ends.

    It returns whether there was something to do. What it raises, the block raises.
    """
    stopped = Event()

    def run(number: int) -> None:
        while not stopped.is_set():
            if not work(number):
                stopped.wait(_LOOK_AGAIN_AFTER)

    with ThreadPoolExecutor(threads) as pool:
        running = [pool.submit(run, number) for number in range(threads)]
        try:
            yield
        finally:
            stopped.set()
        for one in running:
            one.result()
