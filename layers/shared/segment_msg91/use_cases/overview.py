"""The use case of the overview: how the SMS of the last day, week or month are doing, from the metrics that exist.

A message is counted when something happens to it, not when it was sent: an SMS of yesterday that is delivered today is
one of today's deliveries.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta, timezone
from typing import Any, Final

from segment_msg91.message_view import Severity
from segment_msg91.msg91.codes import FAILING, DeliveryStatus, SuppressedBecause
from segment_msg91.msg91.failures import FAILURES, Category
from segment_msg91.outcomes import MISSED, REFUSED, share_delivered
from segment_msg91.store.metrics import Metric, Metrics, Points, Query, Statistic
from segment_msg91.store.waiting import WaitingCount, WaitingMessages
from segment_msg91.times import instant

type View = dict[str, Any]
"""What is written as JSON. Absent is None."""
type Figures = dict[str, int]
"""Numbers of messages, by the name of a figure."""
type Series = Mapping[str, Sequence[float]]
"""A figure's values by bars, by its name."""
type Found = Mapping[Query, Points]

MAX_WAITING: Final = 20_000
_FRESH_FOR: Final = timedelta(minutes=1)
_HOUR: Final = timedelta(hours=1)
_DAY: Final = timedelta(days=1)


class UnknownWindowError(ValueError):
    """There is no such window. The text names the parameter and the remedy."""


@dataclass(frozen=True, slots=True)
class Window:
    """A span of time that ends now, in bars. `start` is in the stack's zone; the last bar may be partial."""

    name: str
    start: datetime
    step: timedelta
    bars: int

    @property
    def end(self) -> datetime:
        """Return the end of the last bar."""
        return self.start + self.step * self.bars

    @property
    def starts(self) -> list[datetime]:
        """Return the beginnings of the bars."""
        return [self.start + self.step * number for number in range(self.bars)]

    @property
    def seconds(self) -> int:
        """Return the length of a bar."""
        return int(self.step.total_seconds())

    @property
    def whole(self) -> int:
        """Return the period of which there is one in the window, in seconds."""
        return int((self.end - self.start).total_seconds())

    def has_all_of(self, day: date) -> bool:
        """Whether a day is in it from its beginning."""
        return datetime.combine(day, time(), self.start.tzinfo) >= self.start


def _last_hours(now: datetime) -> datetime:
    return (now - _DAY).replace(minute=0, second=0, microsecond=0)


def _days(number: int) -> Callable[[datetime], datetime]:
    """Return what finds the midnight since which so many days have begun, today's the last."""
    return lambda now: datetime.combine(now.date() - timedelta(days=number - 1), time(), now.tzinfo)


# Each window's beginning, by the time in the stack's zone, and the length of its bars.
WINDOWS: Final[Mapping[str, tuple[Callable[[datetime], datetime], timedelta]]] = {
    "24h": (_last_hours, _HOUR),
    "7d": (_days(7), timedelta(hours=6)),
    "30d": (_days(30), _DAY),
}
DEFAULT_WINDOW: Final = "7d"


def _status(status: str) -> Metric:
    return Metric("DeliveryStatus", ("status", status))


def _superseded(status: str) -> Metric:
    return Metric("DeliveryStatusSuperseded", ("status", status))


@dataclass(frozen=True, slots=True)
class Figure:
    """A number of messages: what counts them, less what is counted and is not, or no longer, of a message."""

    counted: tuple[Metric, ...]
    superseded: tuple[Metric, ...] = ()

    @property
    def metrics(self) -> tuple[Metric, ...]:
        """Return what it is made of."""
        return self.counted + self.superseded


_FAILED: Final = tuple(sorted(FAILING))
FIGURES: Final[Mapping[str, Figure]] = {
    "accepted": Figure((Metric("SmsAccepted"),)),
    "delivered": Figure((_status(DeliveryStatus.DELIVERED),), (_superseded(DeliveryStatus.DELIVERED),)),
    "failed": Figure(
        (*map(_status, _FAILED), Metric("SmsNotSent")),
        (*map(_superseded, _FAILED), _superseded(DeliveryStatus.NOT_SENT)),
    ),
    "no_report": Figure(
        (Metric("SmsUnreported"), Metric("ReconciliationMissed")),
        (_superseded(DeliveryStatus.UNREPORTED), _superseded(MISSED)),
    ),
    "suppressed": Figure(tuple(Metric("SmsSuppressed", ("because", because)) for because in SuppressedBecause)),
    "refused": Figure((Metric("SmsRejected"),), (_superseded(REFUSED),)),
    "invalid": Figure((Metric("SmsInvalid"),)),
}
_ENDED: Final = ("delivered", "failed", "no_report")
_OF_BARS: Final = ("accepted", *_ENDED, "suppressed")
CATEGORIES: Final[Mapping[Category, Figure]] = {
    category: Figure(
        (Metric("FailureCategory", ("category", category)),),
        (Metric("FailureCategorySuperseded", ("category", category)),),
    )
    for category in Category
}
LATENCY: Final = Metric("DeliveryLatency")
LATENCY_STATISTICS: Final[tuple[Statistic, ...]] = ("p50", "p95")

# The notices look at the present: the last period of these queries, which has just begun, and the one before it.
_HALF_HOUR, _TWO_HOURS, _SIX_HOURS = (int(_HOUR.total_seconds() * hours) for hours in (0.5, 2, 6))
HELD: Final = Query(Metric("SmsHeld"), _HALF_HOUR)
SILENT: Final = Query(Metric("WebhookSilent"), _TWO_HOURS)
STORED: Final = Query(Metric("ReportStored"), _TWO_HOURS)
ACCEPTED_LATELY: Final = Query(Metric("SmsAccepted"), _TWO_HOURS)
MISSING: Final = Query(Metric("SmsMissingInLogs"), _SIX_HOURS, "Maximum")
ACCEPTED: Final = Query(Metric("SmsAccepted"), _SIX_HOURS)
PRESENT: Final = (HELD, SILENT, STORED, ACCEPTED_LATELY, MISSING, ACCEPTED)
# Two hours and more after a send, its report has come. One report may be lost.
_MIN_UNREPORTED: Final = 2
# As WebhookSilentAlarm and AcceptedAndDroppedAlarm have them in template.yaml.
_MIN_SILENT: Final = 5
_MIN_MISSING: Final = 5
_MAX_MISSING_SHARE: Final = 0.05

METRICS_PER_VIEW: Final = (
    sum(len(figure.metrics) for figure in (*FIGURES.values(), *CATEGORIES.values())) + 1 + len(PRESENT)
)
"""The metrics requested, which CloudWatch charges for. Two statistics of one are one metric."""


class Overview:
    """Answers how the SMS are doing. A view is kept for a minute, for each window."""

    def __init__(
        self,
        metrics: Metrics,
        waiting: WaitingMessages,
        zone: timezone,
        *,
        reconciles: bool,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        """`zone` is that of days. Unless the stack `reconciles`, there is no index of what waits."""
        self._metrics = metrics
        self._waiting = waiting
        self._zone = zone
        self._reconciles = reconciles
        self._clock = clock
        self._views: dict[str, tuple[datetime, View]] = {}

    def view(self, query: Mapping[str, str]) -> View:
        """Return the figures of a window. Raises UnknownWindowError, StoreUnavailableError."""
        name = query.get("window", "").strip() or DEFAULT_WINDOW
        if unknown := sorted(set(query) - {"window"}):
            raise UnknownWindowError(f"{unknown[0]}: not a parameter; the overview has window only")
        if name not in WINDOWS:
            raise UnknownWindowError(f"window: there is no such window; give one of {', '.join(WINDOWS)}")
        now = self._clock()
        read_at, view = self._views.get(name, (None, {}))
        if read_at is None or not read_at <= now < read_at + _FRESH_FOR:
            view = self._read(window_of(name, now.astimezone(self._zone)), now)
            self._views[name] = now, view
        return view

    def _read(self, window: Window, now: datetime) -> View:
        """Read what a view shows, at the same time."""
        with ThreadPoolExecutor(2) as pool:
            found = pool.submit(self._metrics.read, queries_of(window), window.start, window.end)
            waiting = pool.submit(self._waiting.count, window.start, MAX_WAITING) if self._reconciles else None
            return shaped(window, now, found.result(), waiting.result() if waiting else None)


def window_of(name: str, now: datetime) -> Window:
    """Return a window of WINDOWS. `now` is in the stack's zone."""
    begin, step = WINDOWS[name]
    start = begin(now)
    return Window(name, start, step, (now - start) // step + 1)


def queries_of(window: Window) -> list[Query]:
    """Return what a window is made of: its figures by bars, the rest as a whole, and what shows the present."""
    queries = [
        *(Query(metric, window.seconds) for figure in FIGURES.values() for metric in figure.metrics),
        *(Query(metric, window.whole) for figure in CATEGORIES.values() for metric in figure.metrics),
        *(Query(LATENCY, window.whole, statistic) for statistic in LATENCY_STATISTICS),
        *PRESENT,
    ]
    return list(dict.fromkeys(queries))  # a window of six-hour bars has one of them already


def shaped(window: Window, now: datetime, found: Found, waiting: WaitingCount | None) -> View:
    """Return a view as the page gets it. Without a count of what waits, it is what was accepted and has no end."""
    series = {name: _series(window, found, figure) for name, figure in FIGURES.items()}
    totals = _totals(series, range(window.bars))
    today = now.astimezone(window.start.tzinfo).date()
    is_waiting = waiting.number if waiting else max(0, totals["accepted"] - sum(totals[name] for name in _ENDED))
    return {
        "window": window.name,
        "from": instant(window.start),
        "as_of": instant(now),
        "utc_offset": f"{window.start:%:z}",
        "step": window.seconds,
        "totals": totals | {"waiting": is_waiting},
        "waiting_is_minimum": waiting is not None and waiting.is_minimum,
        "share_delivered": _share(totals),
        "today": _day(window, series, today),
        "yesterday": _day(window, series, today - _DAY) if window.has_all_of(today - _DAY) else None,
        "bars": [
            {"from": instant(start)} | {name: _number(series[name][bar]) for name in _OF_BARS}
            for bar, start in enumerate(window.starts)
        ],
        "failures": _failures(window, found),
        "latency": _latency(window, found),
        "notices": notices_of(found, now),
    }


def notices_of(found: Found, now: datetime) -> list[View]:
    """Return what people must know now, most urgent first."""

    def last(query: Query, periods: int = 2) -> list[float]:
        since = now - periods * timedelta(seconds=query.period)
        return [value for at, value in found[query] if at > since]

    silent, stored = sum(last(SILENT)), sum(last(STORED))
    accepted_before = sum(last(ACCEPTED_LATELY, 3)) - sum(last(ACCEPTED_LATELY, 2))
    missing, accepted = max(last(MISSING), default=0), sum(last(ACCEPTED))
    is_silent = silent >= _MIN_SILENT and silent > stored
    is_so = {
        "held": sum(last(HELD)) > 0,
        "dropped": missing >= _MIN_MISSING and missing > _MAX_MISSING_SHARE * accepted,
        "silent": is_silent,
        "unreported": accepted_before >= _MIN_UNREPORTED and not last(STORED, 3) and not is_silent,
    }
    return [notice for name, notice in NOTICES.items() if is_so[name]]


NOTICES: Final[Mapping[str, View]] = {
    "held": {
        "tone": Severity.BAD,
        "sentence": "MSG91 refuses the account or a template at the moment, so SMS are held and not sent.",
        "advice": "The failures below name the cause: the balance, the authkey, its IP security or a template. If you "
        "repair it within four hours, Segment's retries send these SMS. Replay what is older.",
    },
    "dropped": {
        "tone": Severity.BAD,
        "sentence": "MSG91 accepts SMS and does not send them: its logs do not know them.",
        "advice": "Check the authkey and its permissions, the balance and the templates at MSG91. Pause sending if the "
        "SMS matter, and give MSG91 the request ids of some.",
    },
    "silent": {
        "tone": Severity.DOUBT,
        "sentence": "Most delivery reports of the last hours did not come by the webhook, so statuses are late.",
        "advice": "Check at MSG91 that the webhook is not paused and that its URL has the right token. Until then "
        "MSG91's logs are read instead, and nothing is lost.",
    },
    "unreported": {
        "tone": Severity.DOUBT,
        "sentence": "No delivery report has come for hours, although MSG91 has accepted SMS.",
        "advice": "Check at MSG91 that the webhook is configured and not paused, and that its URL has the right token.",
    },
}


def _series(window: Window, found: Found, figure: Figure) -> list[float]:
    """Return a figure by bars. One may be below 0: what it supersedes may be counted in an earlier one."""
    bars = [0.0] * window.bars
    for metrics, sign in ((figure.counted, 1), (figure.superseded, -1)):
        for metric in metrics:
            for at, value in found[Query(metric, window.seconds)]:
                bars[min(max(0, (at - window.start) // window.step), window.bars - 1)] += sign * value
    return bars


def _totals(series: Series, bars: Iterable[int]) -> Figures:
    chosen = list(bars)
    return {name: _number(sum(values[bar] for bar in chosen)) for name, values in series.items()}


def _number(value: float) -> int:
    return max(0, round(value))


def _day(window: Window, series: Series, day: date) -> View:
    figures = _totals(series, (bar for bar, start in enumerate(window.starts) if start.date() == day))
    return {"date": day.isoformat(), **figures, "share_delivered": _share(figures)}


def _share(figures: Figures) -> float | None:
    return share_delivered(*(figures[name] for name in _ENDED))


def _failures(window: Window, history: Found) -> list[View]:
    def of(metrics: Iterable[Metric]) -> float:
        return sum(value for metric in metrics for _, value in history[Query(metric, window.whole)])

    counts = {category: _number(of(figure.counted) - of(figure.superseded)) for category, figure in CATEGORIES.items()}
    total = sum(counts.values())
    return [
        {
            "category": category,
            "count": count,
            "share": round(count / total, 4),
            "sentence": FAILURES[category].sentence,
            "advice": FAILURES[category].advice,
        }
        for category, count in sorted(counts.items(), key=lambda item: -item[1])
        if count
    ]


def _latency(window: Window, history: Found) -> View | None:
    """Return the median and the 95th percentile, in seconds; None without a delivery."""
    medians, p95s = (history[Query(LATENCY, window.whole, statistic)] for statistic in LATENCY_STATISTICS)
    if not medians or not p95s:
        return None
    return {"median": round(medians[-1][1], 1), "p95": round(p95s[-1][1], 1)}
