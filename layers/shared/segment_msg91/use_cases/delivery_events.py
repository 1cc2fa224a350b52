"""The use case of delivery events: changes of messages, from their table's stream, become Segment track events."""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from segment_msg91.segment.track_events import NoUserError, track_events
from segment_msg91.segment.tracking_api import CALL_SECONDS, Tracking, Verdict, batches, encoded
from segment_msg91.store.aws import StoreUnavailableError
from segment_msg91.store.queues import DeadLetters
from segment_msg91.store.stream import Change

# Seconds before a retry if Segment names no time; doubled after each failure.
_INITIAL_BACKOFF: Final = 1
# Seconds. No answer of Segment's may delay events for longer.
_MAX_BACKOFF: Final = 600
# Seconds left of an invocation that returns records before Segment may be called again.
_SECONDS_TO_GIVE_BACK: Final = 3
# A call to Segment needs so many seconds: for its answer, and to dead-letter what Segment refuses.
_MIN_SECONDS_TO_SEND: Final = CALL_SECONDS + 3

type Record = Mapping[str, Any]


class UnavailableError(Exception):
    """Segment takes no events now. The text has its answer."""


@dataclass(frozen=True, slots=True)
class _Outgoing:
    """An event on its way, and the position of its record among those of the invocation."""

    position: int
    content: bytes = field(repr=False)


@dataclass(slots=True)
class Publication:
    """The outcome of an invocation's records. Those from the position `checkpoint` on must be retried."""

    checkpoint: int
    sent: int = 0
    skipped: int = 0
    dead_lettered: int = 0
    problems: list[str] = field(default_factory=list)


class Publisher:
    """Publishes the changes of messages to Segment."""

    def __init__(
        self,
        tracking: Tracking,
        dead_letters: DeadLetters,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._tracking = tracking
        self._dead_letters = dead_letters
        self._clock = clock
        self._sleep = sleep
        self._not_before: datetime | None = None

    def publish(self, records: Sequence[Record], write_key: str, deadline: datetime) -> Publication:
        """Send the events of stream records, in their order, and keep trying until `deadline`.

        Records that no retry can help go to the dead-letter queue, so that they do not block the others. If Segment, or
        the queue for those, does not answer, the rest is left to a further invocation: it sends some events again,
        which Segment drops.
        """
        publication = Publication(checkpoint=len(records))
        outgoing, undeliverable = _read(records, publication)
        for batch in batches(outgoing, lambda event: event.content):
            try:
                refused = self._send(batch, write_key, deadline)
            except UnavailableError as error:
                publication.checkpoint = batch[0].position
                publication.problems.append(str(error))
                break
            publication.sent += len(batch) - len(refused)
            undeliverable |= refused
        self._dead_letter(records, undeliverable, publication)
        return publication

    def _send(self, batch: Sequence[_Outgoing], write_key: str, deadline: datetime) -> dict[int, str]:
        """Send a batch; return the positions of what Segment refuses, each with the reason. Raises UnavailableError."""
        pause = _INITIAL_BACKOFF
        reason = "Segment requested a pause"
        while True:
            self._wait(deadline, reason)
            answer = self._tracking.send([event.content for event in batch], write_key)
            if answer.verdict is not Verdict.UNAVAILABLE:
                break
            reason = f"Segment: {answer.reason}"
            seconds = pause if answer.retry_after is None else answer.retry_after
            self._not_before = self._clock() + timedelta(seconds=min(seconds, _MAX_BACKOFF))
            pause *= 2
        if answer.verdict is Verdict.TAKEN:
            return {}
        if len(batch) == 1:
            return {batch[0].position: f"Segment: {answer.reason}"}
        # One of them may be the cause.
        middle = len(batch) // 2
        return self._send(batch[:middle], write_key, deadline) | self._send(batch[middle:], write_key, deadline)

    def _wait(self, deadline: datetime, reason: str) -> None:
        """Wait until Segment may be called. Raises UnavailableError if that call would not end before `deadline`."""
        now = self._clock()
        start = max(now, self._not_before or now)
        if start + timedelta(seconds=_MIN_SECONDS_TO_SEND) > deadline:
            # Lambda invokes again at once, so wait here: a long Retry-After would cause invocations in a tight loop.
            self._sleep_until(min(start, deadline - timedelta(seconds=_SECONDS_TO_GIVE_BACK)))
            raise UnavailableError(reason)
        self._sleep_until(start)

    def _sleep_until(self, moment: datetime) -> None:
        if (seconds := (moment - self._clock()).total_seconds()) > 0:
            self._sleep(seconds)

    def _dead_letter(
        self, records: Sequence[Record], undeliverable: Mapping[int, str], publication: Publication
    ) -> None:
        """Send undeliverable records before the checkpoint to the dead-letter queue; those after it are retried."""
        for position, reason in sorted(undeliverable.items()):
            if position >= publication.checkpoint:
                break
            try:
                self._dead_letters.put(records[position], reason)
            except StoreUnavailableError as error:
                publication.checkpoint = position
                publication.problems.append(f"SQS: {error}")
                break
            publication.dead_lettered += 1
            publication.problems.append(reason)


def _read(records: Sequence[Record], publication: Publication) -> tuple[list[_Outgoing], dict[int, str]]:
    """Return the events of records; and the positions of those that can't be read, each with the reason."""
    outgoing: list[_Outgoing] = []
    undeliverable: dict[int, str] = {}
    for position, record in enumerate(records):
        try:
            change = Change.of(record)
            events = track_events(change.before, change.after, change.written_at)
            outgoing += [_Outgoing(position, encoded(event)) for event in events]
        except NoUserError:
            publication.skipped += 1
        except Exception as error:  # noqa: BLE001 - any error here would repeat at the next attempt
            undeliverable[position] = f"unexpected {type(error).__name__}"
    return outgoing, undeliverable
