"""The functions' metrics in CloudWatch, read only. Each is named, because a SEARCH forgets what is two weeks old."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final, Literal

from segment_msg91.store.aws import AWS_ERRORS, StoreUnavailableError, error_code

if TYPE_CHECKING:
    from mypy_boto3_cloudwatch import CloudWatchClient

MAX_QUERIES: Final = 500  # of one call, CloudWatch's limit
_MAX_PAGES: Final = 5
_COMPLETE: Final = "Complete"

type Statistic = Literal["Sum", "Maximum", "p50", "p95"]
type Points = list[tuple[datetime, float]]
"""The beginning of a period, and its value. A period without data is not there."""


class MetricsUnavailableError(StoreUnavailableError):
    """CloudWatch refused the call, or returned a part of what was asked for. The text names the error."""


@dataclass(frozen=True, slots=True)
class Metric:
    """A metric of this stack. `dimension`: name and value of the one beside the service's."""

    name: str
    dimension: tuple[str, str] | None = None


@dataclass(frozen=True, slots=True)
class Query:
    """A statistic of a metric, by periods of so many seconds, a multiple of 60."""

    metric: Metric
    period: int
    statistic: Statistic = "Sum"


class Metrics:
    """The metrics of one stack. Safe to call from several threads."""

    def __init__(self, client: "CloudWatchClient", namespace: str, service: str) -> None:
        self._client = client
        self._namespace = namespace
        self._service = service

    def read(self, queries: Sequence[Query], start: datetime, end: datetime) -> dict[Query, Points]:
        """Return the points of each query from `start` on, its first period, until before `end`.

        Raises MetricsUnavailableError, also if CloudWatch has only a part of them now.
        """
        arguments: dict[str, Any] = {
            "MetricDataQueries": [self._described(number, query) for number, query in enumerate(queries)],
            "StartTime": start,
            "EndTime": end,
        }
        found: dict[Query, Points] = {query: [] for query in queries}
        status: dict[str, str] = {}
        for _ in range(_MAX_PAGES):
            page = self._page(arguments)
            for result in page["MetricDataResults"]:
                points = zip(result.get("Timestamps", ()), result.get("Values", ()), strict=True)
                found[queries[int(result["Id"][1:])]] += points
                status[result["Id"]] = result.get("StatusCode", _COMPLETE)
            if not page.get("NextToken"):
                break
            arguments["NextToken"] = page["NextToken"]
        else:
            raise MetricsUnavailableError(f"more than {_MAX_PAGES} pages")
        if incomplete := sorted(set(status.values()) - {_COMPLETE}):
            raise MetricsUnavailableError(incomplete[0])
        return found

    def _page(self, arguments: dict[str, Any]) -> dict[str, Any]:
        try:
            return dict(self._client.get_metric_data(**arguments))
        except AWS_ERRORS as error:
            raise MetricsUnavailableError(error_code(error)) from error

    def _described(self, number: int, query: Query) -> dict[str, Any]:
        dimensions = [("service", self._service), *([query.metric.dimension] if query.metric.dimension else [])]
        metric = {
            "Namespace": self._namespace,
            "MetricName": query.metric.name,
            "Dimensions": [{"Name": name, "Value": value} for name, value in dimensions],
        }
        stat = {"Metric": metric, "Period": query.period, "Stat": query.statistic}
        return {"Id": f"q{number}", "MetricStat": stat}
