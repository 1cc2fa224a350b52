"""Posts delivery reports when they are due, in order and once: we assume that MSG91 does not retry."""

import heapq
import itertools
import logging
import time
from dataclasses import dataclass
from threading import Condition, Thread

import httpx

from sandbox.msg91_simulator.reports import Posting

TIMEOUT = 30
"""Seconds for the webhook's answer."""

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Posted:
    """A posted report, and the HTTP status of the answer (None: no answer)."""

    posting: Posting
    status: int | None


class Postman:
    def __init__(self) -> None:
        self._due: list[tuple[float, int, str, Posting]] = []
        self._posted: list[Posted] = []
        self._sequence = itertools.count()  # keeps the order of reports that are due at the same moment
        self._changed = Condition()
        self._stopped = False
        self._thread = Thread(target=self._run, daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        """Stop. Reports that are not posted yet are dropped."""
        with self._changed:
            self._stopped = True
            self._changed.notify()
        self._thread.join()

    def post_in(self, seconds: float, url: str, posting: Posting) -> None:
        with self._changed:
            heapq.heappush(self._due, (time.monotonic() + seconds, next(self._sequence), url, posting))
            self._changed.notify()

    def posted(self) -> list[Posted]:
        with self._changed:
            return list(self._posted)

    def clear(self) -> None:
        with self._changed:
            self._due.clear()
            self._posted.clear()

    def _run(self) -> None:
        with httpx.Client(timeout=TIMEOUT) as http:
            while due := self._next():
                posted = _post(http, *due)
                with self._changed:
                    self._posted.append(posted)

    def _next(self) -> tuple[str, Posting] | None:
        """Wait for the next report; return None if stopped."""
        with self._changed:
            while not self._stopped:
                wait = self._due[0][0] - time.monotonic() if self._due else None
                if wait is not None and wait <= 0:
                    _, _, url, posting = heapq.heappop(self._due)
                    return url, posting
                self._changed.wait(wait)
            return None


def _post(http: httpx.Client, url: str, posting: Posting) -> Posted:
    try:
        answer = http.post(url, content=posting.body, headers={"content-type": posting.content_type})
    except httpx.HTTPError:
        logger.warning("The webhook did not answer", exc_info=True)
        return Posted(posting, None)
    return Posted(posting, answer.status_code)
