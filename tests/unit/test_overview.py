"""The shape of the overview: its windows, bars, days and notices; and what CloudWatch may answer."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta, timezone
from typing import Any, Final, cast

import pytest
from botocore.exceptions import ClientError, ReadTimeoutError

from segment_msg91.msg91.failures import Category
from segment_msg91.store.metrics import MAX_QUERIES, Metric, Metrics, MetricsUnavailableError, Points, Query
from segment_msg91.store.waiting import WaitingCount, WaitingMessages
from segment_msg91.use_cases.overview import (
    ACCEPTED,
    ACCEPTED_LATELY,
    HELD,
    LATENCY,
    MAX_WAITING,
    MISSING,
    PRESENT,
    SILENT,
    STORED,
    WINDOWS,
    Overview,
    Window,
    notices_of,
    queries_of,
    shaped,
    window_of,
)

IST: Final = timezone(timedelta(hours=5, minutes=30))
NOON: Final = datetime(2026, 11, 25, 12, 20, tzinfo=IST)
START: Final = datetime(2026, 11, 25, 6, tzinfo=UTC)

type Sums = Mapping[str, float]


def _view(window: Window, now: datetime, *counted: tuple[Query, datetime, float], **more: Any) -> dict[str, Any]:  # noqa: ANN401
    history: dict[Query, Points] = {query: [] for query in queries_of(window)}
    for query, at, value in counted:
        history[query].append((at, value))
    return shaped(window, now, history, more.get("waiting"))


def _bars(name: str, now: datetime) -> tuple[list[str], timedelta]:
    window = window_of(name, now)
    return [f"{start:%d %H:%M}" for start in window.starts], window.step


def test_the_last_day_is_25_hours_of_the_clock_on_the_wall() -> None:
    bars, step = _bars("24h", NOON)
    assert (bars[0], bars[1], bars[-1], len(bars), step) == ("24 12:00", "24 13:00", "25 12:00", 25, timedelta(hours=1))


def test_the_last_week_begins_at_a_midnight_and_ends_with_the_bar_of_now() -> None:
    bars, step = _bars("7d", NOON)
    assert (bars[0], bars[-1], len(bars), step) == ("19 00:00", "25 12:00", 27, timedelta(hours=6))


def test_the_last_month_has_a_bar_for_each_day() -> None:
    bars, step = _bars("30d", NOON)
    assert (bars[0], bars[-1], len(bars), step) == ("27 00:00", "25 00:00", 30, timedelta(days=1))


@pytest.mark.parametrize(
    ("now", "day", "bars"),
    [
        (datetime(2026, 11, 25, 18, 29, 59, tzinfo=UTC), "2026-11-25", 28),
        (datetime(2026, 11, 25, 18, 30, tzinfo=UTC), "2026-11-26", 25),
        (datetime(2026, 11, 25, 18, 31, tzinfo=UTC), "2026-11-26", 25),
    ],
)
def test_a_day_begins_at_midnight_in_india(now: datetime, day: str, bars: int) -> None:
    window = window_of("7d", now.astimezone(IST))
    view = _view(window, now)
    assert (view["today"]["date"], len(view["bars"]), view["utc_offset"]) == (day, bars, "+05:30")
    assert view["from"].endswith("18:30:00.000Z")


@pytest.mark.parametrize("name", WINDOWS)
def test_a_window_reaches_to_the_end_of_the_bar_of_now(name: str) -> None:
    for minutes in range(0, 24 * 60, 7):
        now = NOON + timedelta(minutes=minutes)
        window = window_of(name, now)
        assert window.starts[-1] <= now < window.end
        assert window.whole % window.seconds == window.seconds % 3600 == 0


@pytest.mark.parametrize("name", WINDOWS)
def test_one_call_has_the_queries_of_a_window(name: str) -> None:
    queries = queries_of(window_of(name, NOON))
    assert len(set(queries)) == len(queries) < MAX_QUERIES


def test_what_happened_is_in_its_bar_its_day_and_the_totals() -> None:
    window = window_of("7d", NOON)
    delivered = Query(Metric("DeliveryStatus", ("status", "delivered")), window.seconds)
    yesterday = datetime(2026, 11, 24, 18, tzinfo=IST)
    # CloudWatch answers in UTC.
    view = _view(window, NOON, (delivered, yesterday.astimezone(UTC), 3), (delivered, NOON.replace(minute=0), 2))
    by_start = {bar["from"]: bar["delivered"] for bar in view["bars"] if bar["delivered"]}
    assert by_start == {"2026-11-24T12:30:00.000Z": 3, "2026-11-25T06:30:00.000Z": 2}
    assert (view["totals"]["delivered"], view["today"]["delivered"], view["yesterday"]["delivered"]) == (5, 2, 3)


def test_yesterday_is_shown_only_if_all_of_it_is_in_the_window() -> None:
    shown = {name: _view(window_of(name, NOON), NOON)["yesterday"] for name in WINDOWS}
    assert shown["24h"] is None
    assert shown["7d"]["date"] == shown["30d"]["date"] == "2026-11-24"


def test_today_of_the_last_24_hours_begins_at_midnight() -> None:
    window = window_of("24h", NOON)
    accepted = Query(Metric("SmsAccepted"), window.seconds)
    times = [datetime(2026, 11, 24, 23, tzinfo=IST), datetime(2026, 11, 25, 0, tzinfo=IST)]
    view = _view(window, NOON, *((accepted, at, 1) for at in times))
    assert (view["totals"]["accepted"], view["today"]["accepted"]) == (2, 1)


def test_a_late_delivery_takes_a_failure_of_another_day_from_the_total_and_shows_no_bar_below_zero() -> None:
    window = window_of("7d", NOON)
    failed = Query(Metric("DeliveryStatus", ("status", "failed")), window.seconds)
    superseded = Query(Metric("DeliveryStatusSuperseded", ("status", "failed")), window.seconds)
    before = NOON - timedelta(days=2)
    view = _view(window, NOON, (failed, before, 5), (superseded, NOON, 2))
    assert view["totals"]["failed"] == 3
    assert sorted(bar["failed"] for bar in view["bars"])[-2:] == [0, 5]
    assert view["today"]["failed"] == 0


def test_failures_are_largest_first_with_what_to_do() -> None:
    window = window_of("7d", NOON)
    counted = [
        (Query(Metric("FailureCategory", ("category", category)), window.whole), window.start, number)
        for category, number in ((Category.DND, 1), (Category.INVALID_NUMBER, 3))
    ]
    superseded = Query(Metric("FailureCategorySuperseded", ("category", "dnd")), window.whole)
    view = _view(window, NOON, *counted)
    assert [(one["category"], one["count"], one["share"]) for one in view["failures"]] == [
        ("invalid_number", 3, 0.75),
        ("dnd", 1, 0.25),
    ]
    assert view["failures"][0]["advice"] == "Correct the number in Segment, with its country code."
    view = _view(window, NOON, *counted, (superseded, window.start, 1))
    assert [one["category"] for one in view["failures"]] == ["invalid_number"]


def test_the_time_to_delivery_is_that_of_the_whole_window() -> None:
    window = window_of("30d", NOON)
    latencies = [
        (Query(LATENCY, window.whole, "p50"), window.start, 4.23),
        (Query(LATENCY, window.whole, "p95"), window.start, 31.0),
    ]
    assert _view(window, NOON, *latencies)["latency"] == {"median": 4.2, "p95": 31.0}
    assert _view(window, NOON)["latency"] is None


def test_without_an_index_what_waits_is_what_was_accepted_and_has_no_end() -> None:
    window = window_of("7d", NOON)
    accepted = Query(Metric("SmsAccepted"), window.seconds)
    delivered = Query(Metric("DeliveryStatus", ("status", "delivered")), window.seconds)
    view = _view(window, NOON, (accepted, NOON, 5), (delivered, NOON, 3))
    assert (view["totals"]["waiting"], view["waiting_is_minimum"]) == (2, False)
    view = _view(window, NOON, (accepted, NOON, 5), (delivered, NOON, 9))
    assert view["totals"]["waiting"] == 0


def test_a_count_of_what_waits_may_be_a_minimum() -> None:
    view = _view(window_of("7d", NOON), NOON, waiting=WaitingCount(MAX_WAITING, is_minimum=True))
    assert (view["totals"]["waiting"], view["waiting_is_minimum"]) == (20_000, True)


def _noticed(*values: tuple[Query, float, float]) -> list[str]:
    """Return the first words of the notices, by values of the periods that began some hours ago."""
    present: dict[Query, Points] = {query: [] for query in PRESENT}
    for query, hours_ago, value in values:
        present[query].append((NOON - timedelta(hours=hours_ago), value))
    return [notice["sentence"].split()[1] for notice in notices_of(present, NOON)]


@pytest.mark.parametrize(
    ("values", "noticed"),
    [
        ([], []),
        ([(HELD, 0.9, 1)], ["refuses"]),
        ([(HELD, 1, 100)], []),
        ([(SILENT, 0.5, 3), (SILENT, 2.5, 2)], ["delivery"]),
        ([(SILENT, 0.5, 4)], []),
        ([(SILENT, 0.5, 5), (STORED, 2.5, 5)], []),
        ([(SILENT, 0.5, 6), (STORED, 2.5, 5)], ["delivery"]),
        ([(SILENT, 4, 50)], []),
        ([(ACCEPTED_LATELY, 4.5, 2)], ["delivery"]),
        ([(ACCEPTED_LATELY, 4.5, 1)], []),
        ([(ACCEPTED_LATELY, 2.5, 9)], []),
        ([(ACCEPTED_LATELY, 6, 9)], []),
        ([(ACCEPTED_LATELY, 4.5, 9), (STORED, 4.5, 1)], []),
        ([(ACCEPTED_LATELY, 4.5, 9), (SILENT, 0.5, 9)], ["delivery"]),
        ([(MISSING, 5, 5), (ACCEPTED, 6, 99)], ["accepts"]),
        ([(MISSING, 5, 5), (ACCEPTED, 6, 100)], []),
        ([(MISSING, 5, 4)], []),
        ([(MISSING, 4, 5), (MISSING, 5, 6), (ACCEPTED, 5, 110)], ["accepts"]),
        ([(SILENT, 0.5, 9), (MISSING, 1, 9), (HELD, 0.5, 9)], ["refuses", "accepts", "delivery"]),
    ],
)
def test_what_people_must_know_now_comes_first(
    values: Sequence[tuple[Query, float, float]], noticed: list[str]
) -> None:
    assert _noticed(*values) == noticed


class CloudWatch:
    """The part of botocore's client that is used. `pages` answers one call after another."""

    def __init__(self, pages: Sequence[dict[str, Any] | Exception]) -> None:
        self.pages = list(pages)
        self.calls: list[dict[str, Any]] = []

    def get_metric_data(self, **arguments: Any) -> dict[str, Any]:  # noqa: ANN401 - boto3's
        self.calls.append(arguments)
        page = self.pages.pop(0)
        if isinstance(page, Exception):
            raise page
        return page


QUERIES: Final = (Query(Metric("SmsAccepted"), 3600), Query(Metric("DeliveryStatus", ("status", "failed")), 3600))


def _read(*pages: dict[str, Any] | Exception) -> tuple[dict[Query, Points], list[dict[str, Any]]]:
    client = CloudWatch(pages)
    metrics = Metrics(cast("Any", client), "SegmentMsg91", "stack")
    return metrics.read(QUERIES, START, START + timedelta(hours=1)), client.calls


def _result(number: int, *points: tuple[datetime, float], status: str = "Complete") -> dict[str, Any]:
    times, values = [at for at, _ in points], [value for _, value in points]
    return {"Id": f"q{number}", "Timestamps": times, "Values": values, "StatusCode": status}


def test_metrics_are_asked_for_by_name_and_of_this_stack() -> None:
    _, (call,) = _read({"MetricDataResults": []})
    assert (call["StartTime"], call["EndTime"]) == (START, START + timedelta(hours=1))
    first, second = call["MetricDataQueries"]
    assert first["MetricStat"]["Metric"]["Dimensions"] == [{"Name": "service", "Value": "stack"}]
    assert second["MetricStat"]["Metric"] == {
        "Namespace": "SegmentMsg91",
        "MetricName": "DeliveryStatus",
        "Dimensions": [{"Name": "service", "Value": "stack"}, {"Name": "status", "Value": "failed"}],
    }
    assert (second["MetricStat"]["Period"], second["MetricStat"]["Stat"]) == (3600, "Sum")


def test_the_pages_of_an_answer_are_joined() -> None:
    later = START + timedelta(minutes=30)
    found, calls = _read(
        {"MetricDataResults": [_result(0, (START, 1.0), status="PartialData")], "NextToken": "more"},
        {"MetricDataResults": [_result(0, (later, 2.0)), _result(1, (START, 3.0))]},
    )
    assert found == {QUERIES[0]: [(START, 1.0), (later, 2.0)], QUERIES[1]: [(START, 3.0)]}
    assert [call.get("NextToken") for call in calls] == [None, "more"]


def test_a_metric_that_does_not_exist_has_no_points() -> None:
    found, _ = _read({"MetricDataResults": [_result(0), _result(1)]})
    assert found == {QUERIES[0]: [], QUERIES[1]: []}


@pytest.mark.parametrize(
    ("pages", "named"),
    [
        ([{"MetricDataResults": [_result(0), _result(1, status="PartialData")]}], "PartialData"),
        ([{"MetricDataResults": [_result(0, status="InternalError"), _result(1)]}], "InternalError"),
        ([{"MetricDataResults": [_result(0, status="Forbidden")]}], "Forbidden"),
        ([{"MetricDataResults": [], "NextToken": "more"}] * 5, "more than 5 pages"),
        ([ClientError({"Error": {"Code": "ThrottlingException"}}, "GetMetricData")], "ThrottlingException"),
        ([ClientError({"Error": {"Code": "AccessDenied"}}, "GetMetricData")], "AccessDenied"),
        ([ReadTimeoutError(endpoint_url="https://monitoring.test")], "ReadTimeoutError"),
    ],
)
def test_figures_of_which_a_part_is_missing_are_none(pages: list[dict[str, Any] | Exception], named: str) -> None:
    with pytest.raises(MetricsUnavailableError, match=named):
        _read(*pages)


def test_a_view_is_kept_for_a_minute_for_each_window_and_no_longer() -> None:
    now = [NOON]
    client = CloudWatch([{"MetricDataResults": []}] * 8)
    metrics = Metrics(cast("Any", client), "SegmentMsg91", "stack")
    overview = Overview(metrics, cast("WaitingMessages", None), IST, reconciles=False, clock=lambda: now[0])

    def calls_after(seconds: float, window: str = "7d") -> int:
        now[0] = NOON + timedelta(seconds=seconds)
        overview.view({"window": window})
        return len(client.calls)

    assert [calls_after(0), calls_after(59), calls_after(59, "24h"), calls_after(60)] == [1, 1, 2, 3]
    assert calls_after(59) == 4  # a clock that was set back makes no view of the future


def test_a_failure_is_not_kept() -> None:
    client = CloudWatch([ReadTimeoutError(endpoint_url=""), *[{"MetricDataResults": []}] * 3])
    metrics = Metrics(cast("Any", client), "SegmentMsg91", "stack")
    overview = Overview(metrics, cast("WaitingMessages", None), IST, reconciles=False, clock=lambda: NOON)
    with pytest.raises(MetricsUnavailableError):
        overview.view({})
    assert overview.view({})["window"] == "7d"


class Index:
    """A client that counts so many messages in each partition."""

    def __init__(self, each: int, *, more: bool = False) -> None:
        self.queries: list[dict[str, Any]] = []
        self._answer: dict[str, Any] = {"Count": each} | ({"LastEvaluatedKey": {}} if more else {})

    def query(self, **arguments: Any) -> dict[str, Any]:  # noqa: ANN401 - boto3's
        self.queries.append(arguments)
        return self._answer


@pytest.mark.parametrize(
    ("index", "count"),
    [(Index(3), WaitingCount(24, is_minimum=False)), (Index(2500, more=True), WaitingCount(20_000, is_minimum=True))],
)
def test_what_waits_is_counted_in_eight_queries_that_read_no_message(index: Index, count: WaitingCount) -> None:
    assert WaitingMessages(cast("Any", index), "messages").count(NOON, MAX_WAITING) == count
    assert len(index.queries) == 8
    assert {query["Select"] for query in index.queries} == {"COUNT"}
    assert {query["Limit"] for query in index.queries} == {2500}
    assert {query["ExpressionAttributeValues"][":from"]["S"] for query in index.queries} == {"2026-11-25T06:50:00.000Z"}
