"""What AWS charges, and the cost of a message and of an idle stack.

List prices in USD, without free tiers, as AWS published them in 2025. Check the current prices before you budget.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

MILLION: Final = 1_000_000
_GIGABYTE: Final = 1e9


@dataclass(frozen=True, slots=True)
class Prices:
    region: str
    http_api_request: float
    lambda_request: float
    lambda_gb_second: float
    """arm64."""
    write_unit: float
    read_unit: float
    log_gigabyte: float
    """CloudWatch Logs, standard class, ingested."""
    access_log_gigabyte: float
    """CloudWatch Logs, infrequent access, ingested."""


US_EAST: Final = Prices("us-east-1", 1.00e-6, 0.20e-6, 13.3334e-6, 0.625e-6, 0.125e-6, 0.50, 0.25)
MUMBAI: Final = Prices("ap-south-1", 1.05e-6, 0.20e-6, 13.3334e-6, 0.7125e-6, 0.1425e-6, 0.67, 0.335)


@dataclass(frozen=True, slots=True)
class Usage:
    """What one message with its report used, on average."""

    requests: float
    """Requests to API Gateway, and as many to Lambda."""
    lambda_seconds: float
    memory_gigabytes: float
    units: Mapping[str, float]
    """DynamoDB's request units by what is charged, including `reads`."""
    log_bytes: float
    access_log_bytes: float


def costs(usage: Usage, prices: Prices) -> Iterator[tuple[str, float, float]]:
    """Yield each item of the bill, the amount that a million messages use, and its cost."""
    yield "HTTP API requests, millions", usage.requests, MILLION * usage.requests * prices.http_api_request
    yield "Lambda requests, millions", usage.requests, MILLION * usage.requests * prices.lambda_request
    gb_seconds = MILLION * usage.lambda_seconds * usage.memory_gigabytes
    yield "Lambda GB-seconds, thousands", gb_seconds / 1000, gb_seconds * prices.lambda_gb_second
    for name, units in sorted(usage.units.items()):
        price = prices.read_unit if name == "reads" else prices.write_unit
        yield f"DynamoDB {name}, million units", units, MILLION * units * price
    for name, size, price in (
        ("the functions'", usage.log_bytes, prices.log_gigabyte),
        ("the API's", usage.access_log_bytes, prices.access_log_gigabyte),
    ):
        gigabytes = MILLION * size / _GIGABYTE
        yield f"Logs, {name}, GB", gigabytes, gigabytes * price


def total(usage: Usage, prices: Prices) -> float:
    return sum(cost for _, _, cost in costs(usage, prices))


# A month of 730 hours.
_MINUTES: Final = 60 * 730
# The same in us-east-1 and ap-south-1.
_SECRET_READ: Final = 0.05 / 10_000
_ALARM_METRIC: Final = 0.10
_COMPOSITE_ALARM: Final = 0.50
_DASHBOARD: Final = 3.00
_SECRET: Final = 0.40
_SQS_REQUEST: Final = 0.40e-6
_POLLS: Final = 5 * 3 * 60 * 730
"""Lambda polls an empty queue with five pollers, each of which waits for 20 s."""


@dataclass(frozen=True, slots=True)
class Run:
    """What one scheduled run of a function used."""

    seconds: float
    memory_gigabytes: float
    read_units: float
    secret_reads: int
    log_bytes: float


def schedule_cost(run: Run, every_minutes: int, prices: Prices) -> float:
    """Return the cost of a month's runs. A rule with a schedule costs nothing itself."""
    cost = (
        prices.lambda_request
        + run.seconds * run.memory_gigabytes * prices.lambda_gb_second
        + run.read_units * prices.read_unit
        + run.secret_reads * _SECRET_READ
        + run.log_bytes / _GIGABYTE * prices.log_gigabyte
    )
    return _MINUTES / every_minutes * cost


def idle_costs(resources: Mapping[str, Any]) -> Iterator[tuple[str, int, float]]:
    """Yield each item of the bill for a month without requests, its count, and its cost.

    `resources` are a template's after SAM's transform. Idle tables, functions, log groups and routes cost nothing.
    """

    def of_type(kind: str) -> list[dict[str, Any]]:
        return [resource.get("Properties", {}) for resource in resources.values() if resource["Type"] == kind]

    watched = sum(
        len([metric for metric in alarm.get("Metrics", []) if "MetricStat" in metric]) or 1
        for alarm in of_type("AWS::CloudWatch::Alarm")
    )
    composite = len(of_type("AWS::CloudWatch::CompositeAlarm"))
    dashboards = len(of_type("AWS::CloudWatch::Dashboard"))
    secrets = len(of_type("AWS::SecretsManager::Secret"))
    polled = sum("StartingPosition" not in mapping for mapping in of_type("AWS::Lambda::EventSourceMapping"))
    yield "Metrics in alarms", watched, watched * _ALARM_METRIC
    yield "Composite alarms", composite, composite * _COMPOSITE_ALARM
    yield "Dashboard", dashboards, dashboards * _DASHBOARD
    yield "Secret", secrets, secrets * _SECRET
    yield "Queues that Lambda polls", polled, polled * _POLLS * _SQS_REQUEST
