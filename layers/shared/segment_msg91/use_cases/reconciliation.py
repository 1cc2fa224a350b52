"""The use case of reconciliation: messages without an end get one, from MSG91's logs.

1. Find what is overdue, by the index of messages without an end.
2. Read MSG91's logs: by day, or by request id if that takes fewer calls. A row is recorded as a webhook's report is,
   and settles a message in doubt.
3. Conclude what no log knows, once MSG91 has had the time to write it there, and only after logs that were read to
   their end.

Every write has a condition on the message as it was read. So a run that is killed, two runs at once, or a report that
comes meanwhile change nothing in the result.
"""

import random
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta, timezone
from itertools import count
from typing import Final

from segment_msg91.fields import canonical
from segment_msg91.msg91.codes import FINAL, DeliveryStatus, SendState
from segment_msg91.msg91.failures import Category
from segment_msg91.msg91.logs import DAYS, ROWS_PER_PAGE, Logs, LogsError, LogsPage, LogsQuery
from segment_msg91.msg91.reports import LogRow, UnreadableError, read_log_row
from segment_msg91.outcomes import Counted
from segment_msg91.recording import Recorded, Recorder, Tally
from segment_msg91.store.aws import StoreUnavailableError
from segment_msg91.store.messages import Conclusion, Messages
from segment_msg91.store.overdue import Overdue, Position, Positions, Waiting

# The most that one run looks at. What is left waits for the next run.
MAX_KEYS: Final = 200_000
MAX_MESSAGES: Final = 50_000
MAX_PAGES: Final = 100
# At most so many requests of a day are looked up one by one, if the day has more pages than that. Rows of such a query
# lack the reason of a failure.
_FEW_REQUESTS: Final = 10
_MAX_ROWS_OF_A_DAY: Final = 1_000_000
# MSG91 keeps the answer to a query for minutes. Another query, which begins a day earlier or has another limit, is
# answered anew.
_CACHED_FOR: Final = timedelta(minutes=15)
# How much earlier or later MSG91 may date a send; of a scheduled one the zone is not certain.
_TOLERANCE: Final = timedelta(minutes=10)
_TOLERANCE_IF_SCHEDULED: Final = timedelta(hours=6)
_NEIGHBOURHOOD: Final = timedelta(hours=1)
_SPAN_SECONDS: Final = 600
# Only what was sent more recently counts as `missing`, so that the alarm ends some hours after its cause.
_RECENTLY: Final = timedelta(hours=6)
_WORKERS: Final = 8
# Before the function's end: a call to the logs takes 23 s at most.
_MAX_RESERVE: Final = timedelta(seconds=30)
# The part of a run's time that reading leaves to the conclusions, however slow MSG91 is.
_FOR_CONCLUSIONS: Final = 0.25
_MAX_ERRORS: Final = 20

DROPPED: Final = Conclusion(
    DeliveryStatus.UNREPORTED, "MSG91 accepted it, but its logs do not know it", Category.DROPPED
)
DUPLICATE: Final = Conclusion(
    DeliveryStatus.UNREPORTED,
    "MSG91 dropped it, because the same text went to this number shortly before",
    Category.DUPLICATE,
)
PENDING: Final = Conclusion(DeliveryStatus.UNREPORTED, "still pending in its logs", Category.UNCONFIRMED)
NOT_IN_LOGS: Final = Conclusion(
    DeliveryStatus.UNREPORTED, "its last report was not final, and no other came", Category.UNCONFIRMED
)
UNCLEAR: Final = Conclusion(
    DeliveryStatus.UNREPORTED,
    "MSG91's answer was lost, and its logs have an SMS to this number that may be this one",
    Category.UNCONFIRMED,
)
LOST: Final = Conclusion(
    DeliveryStatus.UNREPORTED, "MSG91's answer was lost, and its logs do not know it", Category.UNCONFIRMED
)
NOT_SENT: Final = Conclusion(
    DeliveryStatus.NOT_SENT,
    "MSG91's logs do not have it, although they have other SMS of the same hour",
    Category.NOT_SENT,
)
# No conclusion: nothing is known.
TOO_OLD: Final = "no final report came, and MSG91's logs were not read in time"


@dataclass(slots=True)
class Reconciliation:
    """The outcome of one run, in numbers of messages."""

    overdue: int = 0
    found: int = 0
    settled: int = 0
    unreported: int = 0
    not_sent: int = 0
    remaining: int = 0
    silent: int = 0
    """Final in MSG91's logs, and no webhook has reported it."""
    missing: int = 0
    """Accepted in the last hours, overdue, and in no log."""
    missed: int = 0
    """Older than MSG91's logs, which were not read in time."""
    unreadable: int = 0
    """Rows of the logs that are no report."""
    tally: Tally = field(default_factory=Tally)
    problems: list[str] = field(default_factory=list)
    """Why something was not looked up, or not written."""

    def as_json(self) -> dict[str, int]:
        """Return the function's result."""
        names = ("overdue", "found", "settled", "unreported", "not_sent", "remaining")
        return {name: getattr(self, name) for name in names}


@dataclass(frozen=True, slots=True)
class _Taken:
    """What a row has changed."""

    waiting: Waiting
    status: DeliveryStatus
    is_settled: bool
    recorded: Recorded | None


@dataclass(frozen=True, slots=True)
class _Closed:
    """A message's end, None if it is too old; whether it was written, and what the message was before."""

    waiting: Waiting
    end: Conclusion | None
    is_written: bool
    before: Counted


class _ManyPagesError(Exception):
    """Reading a day to its end takes more calls than looking up its requests."""


class _StoppedError(Exception):
    """The run has no time, pages or patience left."""


class Reconciler:
    """Gives messages their end."""

    def __init__(  # noqa: PLR0913 - its parts and its limits
        self,
        overdue: Overdue,
        positions: Positions,
        messages: Messages,
        recorder: Recorder,
        logs: Logs,
        *,
        zone: timezone,
        overdue_after: timedelta,
        given_up_after: timedelta,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
        workers: int = _WORKERS,
    ) -> None:
        """`zone` is that of MSG91's days. `workers`: calls to DynamoDB at a time; with 1 there are no threads."""
        self._overdue = overdue
        self._positions = positions
        self._messages = messages
        self._recorder = recorder
        self._logs = logs
        self._zone = zone
        self._overdue_after = overdue_after
        self._given_up_after = given_up_after
        self._clock = clock
        self._workers = workers
        self._asked: dict[LogsQuery, datetime] = {}

    def run(self, authkey: str, deadline: datetime) -> Reconciliation:
        """Reconcile what is overdue, as far as `deadline` allows. Problems of MSG91 and DynamoDB are in the outcome."""
        now = self._clock()
        outcome = Reconciliation()
        try:
            keys = self._overdue.keys(now - self._overdue_after, MAX_KEYS)
            # A random part, so that messages that wait long for their end leave a turn to the others.
            chosen = random.sample(keys, MAX_MESSAGES) if len(keys) > MAX_MESSAGES else keys
            waiting = [one for one in self._overdue.read(chosen) if one.sent_by <= now - self._overdue_after]
        except StoreUnavailableError as error:
            outcome.problems.append(f"DynamoDB: {error}")
            return outcome
        outcome.overdue = len(waiting) + len(keys) - len(chosen)
        ended: set[str] = set()
        if waiting:
            run = _Run(self._overdue, self._messages, waiting, now.astimezone(self._zone), outcome)
            run.is_sample = len(chosen) < len(keys)
            run.stop_at = deadline - min(_MAX_RESERVE, (deadline - now) / 5)
            run.read_until = run.stop_at - (run.stop_at - now) * _FOR_CONCLUSIONS
            self._read_logs(run, authkey)
            self._conclude_all(run)
            ended = run.ended
        outcome.remaining = outcome.overdue - len(ended)
        return outcome

    def _read_logs(self, run: "_Run", authkey: str) -> None:
        if not authkey:
            run.outcome.problems.append("msg91_authkey is missing in the secret; add it there")
            return
        try:
            kept = {day: self._positions.load(day, run.now) for day in run.days_to_read()}
            # First the days that an earlier run has begun: each gets its turn, even if one day takes several runs.
            for day in sorted(kept, key=lambda day: (kept[day] is None, day)):
                few = run.few_requests(day)
                if not few or not run.requests.keys() >= set(few):
                    self._read_day(run, authkey, day, kept[day], few)
        except LogsError as error:
            run.outcome.problems.append(str(error))
        except StoreUnavailableError as error:
            run.outcome.problems.append(f"DynamoDB: {error}")
        except _StoppedError:
            pass

    def _read_request(self, run: "_Run", authkey: str, request_id: str) -> None:
        """Read the rows of one request. Raises LogsError, _StoppedError."""
        days = run.days_of_request(request_id)
        position = self._position(run, days[0], days[-1], request_id)
        try:
            self._read_to_the_end(run, authkey, position, request_id)
        except LogsError as error:
            if error.concerns_every_query:
                raise
            run.outcome.problems.append(str(error))
        else:
            run.requests[request_id] = position

    def _read_day(self, run: "_Run", authkey: str, day: date, kept: Position | None, few: Sequence[str]) -> None:
        """Read the rows of a day, from where an earlier run stopped; if that takes many calls, of a few requests.

        Raises LogsError, StoreUnavailableError, _StoppedError.
        """
        position = kept or self._position(run, day, day)
        try:
            self._read_to_the_end(run, authkey, position, most=len(few) or None)
        except _ManyPagesError:
            for request_id in few:
                self._read_request(run, authkey, request_id)
        except _StoppedError:
            self._keep(run, day, position)
            raise
        except LogsError as error:
            if kept:
                self._positions.drop(day)  # its token may have expired: begin anew the next time
            if error.concerns_every_query:
                raise
            run.outcome.problems.append(str(error))
        else:
            if not position.is_partial:
                run.days[day] = position
            if kept:
                self._positions.drop(day)

    def _keep(self, run: "_Run", day: date, position: Position) -> None:
        """Keep where reading a day stops, unless a row before was not written. Raises StoreUnavailableError."""
        if position.token and not run.failed:
            position.is_partial |= run.is_sample
            position.unnamed |= run.unnamed_spans()
            self._positions.save(day, position)

    def _position(self, run: "_Run", first: date, last: date, request_id: str | None = None) -> Position:
        """Return the start of a query that covers some days, and that was not made in the last minutes."""
        self._asked = {query: at for query, at in self._asked.items() if run.now - at < _CACHED_FOR}
        ranges = [
            (start, end) for start in run.readable_days for end in run.readable_days if start <= first and last <= end
        ]
        ranges.sort(key=lambda days: (days[1] - days[0], days[1]))
        queries = (LogsQuery(*days, request_id, limit) for limit in range(ROWS_PER_PAGE, 0, -1) for days in ranges)
        query = next(query for query in queries if query not in self._asked)
        self._asked[query] = run.now
        return Position(query.first, query.last, query.limit, run.now)

    def _read_to_the_end(
        self, run: "_Run", authkey: str, position: Position, request_id: str | None = None, most: int | None = None
    ) -> None:
        """Read page after page. `most`: how many are worth it; None: all.

        Raises LogsError, _ManyPagesError, and _StoppedError with `position` at the page that was not read.
        """
        query = LogsQuery(position.first, position.last, request_id, position.limit)
        previous: LogsPage | None = None
        total: int | None = None  # the first one, because rows may be added meanwhile
        for pages in count(1):
            if run.pages == MAX_PAGES or self._clock() >= run.read_until:
                raise _StoppedError
            run.pages += 1
            page = self._logs.page(query, position.token, authkey)
            total = page.total if total is None else total
            if previous and page.rows and page.rows == previous.rows:
                # Its token leads nowhere, so the rest is not known. A page may be short because MSG91 limits it.
                raise LogsError("MSG91's logs repeat a page", concerns_every_query=False)
            self._take_rows(run, page, position)
            position.rows += len(page.rows)
            if not page.rows or not page.token or (total is not None and position.rows >= total):
                if total is not None and position.rows < total:
                    raise LogsError("MSG91's logs lack rows of their own total", concerns_every_query=False)
                return
            if position.rows >= _MAX_ROWS_OF_A_DAY:
                raise LogsError("MSG91's logs never end", concerns_every_query=False)
            position.token, previous = page.token, page
            if most and pages + _pages_left(page, position.rows) > most:
                raise _ManyPagesError

    def _take_rows(self, run: "_Run", page: LogsPage, position: Position) -> None:
        """Apply and record the rows of messages that wait. Raises _StoppedError, StoreUnavailableError."""
        rows: list[tuple[Waiting, LogRow]] = []
        for raw in page.rows:
            position.columns |= {canonical(name) for name in raw}
            try:
                row = read_log_row(raw, self._zone)
            except UnreadableError:
                run.outcome.unreadable += 1
                continue
            if row.sent_at:
                position.times.add(_span(row.sent_at))
            if waiting := run.match(row):
                rows.append((waiting, row))
        for taken in self._each(run, self._take, rows):
            run.count(taken)

    def _take(self, waiting: Waiting, row: LogRow) -> _Taken:
        """Settle the message of a row if it is in doubt, record the row and apply it. Raises StoreUnavailableError."""
        report = row.report
        is_settled = waiting.is_in_doubt and self._messages.settle_by_logs(
            waiting.seen, report.request_id or waiting.request_id, row.sent_at
        )
        if report.status not in FINAL and report.status is waiting.delivery_status:
            return _Taken(waiting, report.status, is_settled, None)  # recorded by an earlier run
        recorded = self._recorder.record_for(waiting.crqid, report, self._clock())
        return _Taken(waiting, report.status, is_settled, recorded)

    def _conclude_all(self, run: "_Run") -> None:
        """Write the end of messages that no log knows, and close those that are too old for the logs."""
        ends = [(one, self._end_of(run, one)) for one in run.left()]
        closing = [(one, end) for one, end in ends if end or run.is_too_old(one)]
        try:
            for closed in self._each(run, self._close, closing):
                run.count_closed(closed)
        except StoreUnavailableError as error:
            run.outcome.problems.append(f"DynamoDB: {error}")
        except _StoppedError:
            pass

    def _close(self, waiting: Waiting, end: Conclusion | None) -> _Closed:
        """Write an end, None for that of a message that is too old."""
        if end:
            is_reported = waiting.delivery_status is not None
            before = self._messages.conclude(waiting.seen, end, self._clock(), is_reported=is_reported)
            return _Closed(waiting, end, is_written=before is not None, before=Counted.of(before or {}))
        is_written = self._messages.stop_awaiting(waiting.seen, TOO_OLD, self._clock())
        return _Closed(waiting, end, is_written=is_written, before=Counted())

    def _end_of(self, run: "_Run", waiting: Waiting) -> Conclusion | None:
        """Return what to conclude; None if it is too early, or if the logs were not read well enough."""
        pulls = run.pulls_that_cover(waiting)
        if not pulls or waiting.crqid in run.failed:
            return None
        if run.is_missing(waiting):
            run.outcome.missing += 1
        if waiting.sent_by + self._given_up_after > min(pull.as_of for pull in pulls):
            return None
        if waiting.crqid in run.statuses:
            return PENDING
        if waiting.delivery_status:
            return NOT_IN_LOGS
        if waiting.is_duplicate:
            return DUPLICATE
        if waiting.send_state is SendState.ACCEPTED:
            return DROPPED
        if run.is_unclear(waiting, pulls):
            return UNCLEAR
        return NOT_SENT if any(_has_neighbours(pull, waiting) for pull in pulls) else LOST

    def _each[Found, Result](
        self, run: "_Run", work: Callable[[Waiting, Found], Result], items: Sequence[tuple[Waiting, Found]]
    ) -> Iterator[Result]:
        """Yield the results of work on messages and what was found of each, in threads.

        Raises _StoppedError; StoreUnavailableError after many of them. Of a message that could not be written, nothing
        is concluded.
        """

        def attempt(item: tuple[Waiting, Found]) -> Result | StoreUnavailableError:
            if self._clock() >= run.stop_at:
                raise _StoppedError
            try:
                return work(*item)
            except StoreUnavailableError as error:
                return error

        for (waiting, _), result in zip(items, self._map(attempt, items), strict=True):
            if not isinstance(result, StoreUnavailableError):
                yield result
                continue
            run.failed.add(waiting.crqid)
            if len(run.failed) >= _MAX_ERRORS:
                raise result

    def _map[Item, Result](self, work: Callable[[Item], Result], items: Sequence[Item]) -> Iterator[Result]:
        if self._workers == 1 or len(items) == 1:
            yield from map(work, items)
            return
        pool = ThreadPoolExecutor(self._workers)
        try:
            yield from pool.map(work, items)
        finally:
            pool.shutdown(cancel_futures=True)


class _Run:
    """One run: the messages that wait, and what has been found out about them."""

    def __init__(
        self,
        overdue: Overdue,
        messages: Messages,
        waiting: Sequence[Waiting],
        now: datetime,
        outcome: Reconciliation,
    ) -> None:
        """`now` is in the zone of MSG91's days."""
        self.now = now
        self.outcome = outcome
        self.stop_at = self.read_until = now
        self.is_sample = False
        """Whether more messages wait than those of this run."""
        self.pages = 0
        self.days: dict[date, Position] = {}
        """Days that were read to their end."""
        self.requests: dict[str, Position] = {}
        """Requests that were read to their end."""
        self.statuses: dict[str, DeliveryStatus] = {}
        """The last status of the rows of a message."""
        self.ended: set[str] = set()
        self.failed: set[str] = set()
        """Messages that DynamoDB did not write."""
        self.readable_days = [now.date() - timedelta(days=days) for days in reversed(range(DAYS))]
        self._overdue = overdue
        self._messages = messages
        self._waiting = waiting
        self._by_crqid = {one.crqid: one for one in waiting}
        self._by_request: dict[tuple[str | None, str], Waiting] = {
            (one.request_id, one.phone): one for one in waiting if one.request_id
        }
        shared = [one for one in waiting if one.is_shared and not one.request_id]
        calls = Counter((one.lease_until, one.phone) for one in shared)
        self._shared = {(one.lease_until, one.phone): one for one in shared if calls[one.lease_until, one.phone] == 1}
        self._several = {call for call, number in calls.items() if number > 1}
        self._in_doubt = {one.phone for one in waiting if not one.request_id}
        self._unnamed: set[tuple[str, int]] = set()
        """The number and the span of rows without a CRQID that may be of a message in doubt."""

    def days_to_read(self) -> list[date]:
        """Return the days on which MSG91 may have filed a message, oldest first."""
        return sorted({day for one in self._waiting for day in self._readable(one)})

    def few_requests(self, day: date) -> list[str]:
        """Return the requests of a day, if they are few and each of its messages belongs to one."""
        requests = {one.request_id for one in self._waiting if day in self._readable(one)}
        few = [request_id for request_id in requests if request_id]
        return sorted(few) if len(few) == len(requests) <= _FEW_REQUESTS else []

    def days_of_request(self, request_id: str) -> list[date]:
        """Return the days on which MSG91 may have filed the messages of a request."""
        return sorted({day for one in self._waiting if one.request_id == request_id for day in self._readable(one)})

    def match(self, row: LogRow) -> Waiting | None:
        """Return the message that a row is about: by CRQID and number, else by request id and number.

        Equal texts of one call may have one recipient's CRQID for all. Then a message in doubt, which has no request
        id, is that of the same call, with the row's number; unless the row is of a message that no longer waits.
        Raises StoreUnavailableError.
        """
        report = row.report
        if not report.phone:
            return None
        named = self._by_crqid.get(report.crqid or "")
        if named and named.phone == report.phone:
            return named
        if found := self._by_request.get((report.request_id, report.phone)):
            return found
        if report.phone not in self._in_doubt:
            return None
        if not report.crqid:
            self._unnamed.add((report.phone, _span(row.sent_at or self.now)))
            return None
        lease, phone = (named.lease_until, named.phone) if named else self._overdue.claim_of(report.crqid)
        found = self._shared.get((lease, report.phone))
        if not found or phone == report.phone:
            return None
        # A lease is that of all calls of a batch, and another of them may have been to this number.
        is_anothers = report.request_id and self._messages.find(report.request_id, report.phone)
        return None if is_anothers else found

    def count(self, taken: _Taken) -> None:
        """Count what a row has changed."""
        outcome, crqid = self.outcome, taken.waiting.crqid
        outcome.found += crqid not in self.statuses
        outcome.settled += taken.is_settled
        if taken.is_settled:
            taken.waiting.send_state = SendState.ACCEPTED
            # A report that came before has been counted as its acceptance.
            outcome.tally.accepted += taken.waiting.delivery_status is None
        if self.statuses.get(crqid) not in FINAL:
            self.statuses[crqid] = taken.status
        if taken.status in FINAL:
            self.ended.add(crqid)
        if taken.recorded:
            outcome.tally.add(taken.recorded)
            applied = taken.recorded.applied
            outcome.silent += bool(
                taken.status in FINAL and applied and applied.before.get("delivery_status") not in FINAL
            )

    def count_closed(self, closed: _Closed) -> None:
        """Count the end of a message."""
        outcome, end = self.outcome, closed.end
        self.ended.add(closed.waiting.crqid)
        if not closed.is_written:
            return
        if end is None:
            outcome.missed += 1
            return
        outcome.unreported += end.status is DeliveryStatus.UNREPORTED
        outcome.not_sent += end.status is DeliveryStatus.NOT_SENT
        outcome.tally.supersede(closed.before)
        outcome.tally.categories[end.category] += 1

    def left(self) -> list[Waiting]:
        """Return the messages without an end."""
        return [one for one in self._waiting if one.crqid not in self.ended]

    def is_too_old(self, waiting: Waiting) -> bool:
        """Whether MSG91's logs of its day cannot be read any more."""
        return not self._readable(waiting)

    def unnamed_spans(self) -> set[int]:
        """Return the spans of rows without a CRQID that may be of a message in doubt."""
        return {span for _, span in self._unnamed}

    def is_unclear(self, waiting: Waiting, pulls: Sequence[Position]) -> bool:
        """Whether the logs may have the SMS of a message in doubt, without saying that it is this one.

        Of what earlier runs have read, only the time is known, not the number.
        """
        near = [_span(waiting.sent_by + sign * _TOLERANCE) for sign in (-1, 0, 1)]
        return (
            (waiting.lease_until, waiting.phone) in self._several
            or any((waiting.phone, span) in self._unnamed for span in near)
            or any(span in pull.unnamed for pull in pulls for span in near)
        )

    def is_missing(self, waiting: Waiting) -> bool:
        """Whether MSG91 accepted it recently, and neither a report nor the logs show it."""
        is_known = waiting.crqid in self.statuses or waiting.delivery_status or waiting.is_duplicate
        return waiting.send_state is SendState.ACCEPTED and not is_known and waiting.sent_by > self.now - _RECENTLY

    def pulls_that_cover(self, waiting: Waiting) -> list[Position]:
        """Return what was read to its end and would show a message; empty if that does not suffice."""
        if waiting.request_id in self.requests:
            pulls = [self.requests[waiting.request_id]]
        else:
            days = self._days(waiting)
            pulls = [self.days[day] for day in days if day in self.days]
            if len(pulls) < len(days):
                return []
        return pulls if all(_shows(pull, waiting) for pull in pulls) else []

    def _days(self, waiting: Waiting) -> list[date]:
        """Return the days that MSG91 may have filed it under."""
        tolerance = _TOLERANCE_IF_SCHEDULED if waiting.is_scheduled else _TOLERANCE
        first, last = ((waiting.sent_by + sign * tolerance).astimezone(self.now.tzinfo).date() for sign in (-1, 1))
        last = max(first, min(last, self.now.date()))
        return [first + timedelta(days=days) for days in range((last - first).days + 1)]

    def _readable(self, waiting: Waiting) -> list[date]:
        return [day for day in self._days(waiting) if day in self.readable_days]


def _shows(pull: Position, waiting: Waiting) -> bool:
    """Whether rows have the columns by which a message would be found. Without rows there are no columns."""
    keys = {"crqid", "requestid"} if waiting.request_id else {"crqid"}
    return not pull.rows or ("telnum" in pull.columns and bool(keys & pull.columns))


def _pages_left(page: LogsPage, rows_read: int) -> int:
    """Return the least number of pages that follow one."""
    return 1 if page.total is None else -(-(page.total - rows_read) // len(page.rows))


def _has_neighbours(pull: Position, waiting: Waiting) -> bool:
    near = range(_span(waiting.sent_by - _NEIGHBOURHOOD), _span(waiting.sent_by + _NEIGHBOURHOOD) + 1)
    return any(span in pull.times for span in near)


def _span(moment: datetime) -> int:
    return int(moment.timestamp()) // _SPAN_SECONDS
