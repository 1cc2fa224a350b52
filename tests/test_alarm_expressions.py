"""When the alarms with metric math go off, with metrics that have data and that have none."""

import re
from typing import Any, Final

import pytest

from sandbox.template import load_document

RESOURCES: Final[dict[str, Any]] = load_document()["Resources"]
WITH_MATH: Final = sorted(name for name, one in RESOURCES.items() if "Metrics" in one.get("Properties", {}))
FILLED: Final = re.compile(r"FILL\((\w+), 0\)")


def _goes_off(name: str, values: dict[str, int]) -> bool:
    """Whether an alarm goes off with these values of its period; a metric that is not named has no data."""
    alarm = RESOURCES[name]["Properties"]
    assert (alarm["ComparisonOperator"], alarm["Threshold"]) == ("GreaterThanThreshold", 0)
    (expression,) = [one["Expression"] for one in alarm["Metrics"] if "Expression" in one]
    metrics = {one["Id"] for one in alarm["Metrics"] if "MetricStat" in one}
    assert set(values) <= metrics
    filled = FILLED.sub(lambda found: str(values.get(found[1], 0)), expression)
    if set(re.findall(r"[a-z_]+", filled)) - set(values):
        return False  # metric math has no value if one of its metrics has none
    functions = {"IF": lambda condition, then, otherwise: then if condition else otherwise}
    python = filled.replace(" AND ", " and ")
    return bool(eval(python, functions | values) > 0)  # noqa: S307 - the template's own expression


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ({}, False),
        ({"stored": 100}, False),
        ({"silent": 4, "stored": 0}, False),
        ({"silent": 5, "stored": 0}, True),
        ({"silent": 50, "stored": 49}, True),
        ({"silent": 50, "stored": 50}, False),
        ({"silent": 5, "stored": 1000}, False),
    ],
)
def test_the_webhook_is_silent_if_most_statuses_came_from_the_logs(values: dict[str, int], *, expected: bool) -> None:
    assert _goes_off("WebhookSilentAlarm", values) == expected


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ({}, False),
        ({"accepted": 100}, False),
        ({"missing": 0, "accepted": 100}, False),
        ({"missing": 4, "accepted": 4}, False),
        ({"missing": 5, "accepted": 99}, True),
        ({"missing": 5, "accepted": 100}, False),
        ({"missing": 60, "accepted": 1000}, True),
        ({"missing": 5, "accepted": 0}, True),
    ],
)
def test_msg91_drops_sms_if_more_than_a_few_are_not_in_its_logs(values: dict[str, int], *, expected: bool) -> None:
    assert _goes_off("AcceptedAndDroppedAlarm", values) == expected


@pytest.mark.parametrize(("name", "least"), [("FailedSendsAlarm", 10), ("FailedSendsAtLowTrafficAlarm", 3)])
@pytest.mark.parametrize("accepted", [0, 1, 100])
def test_most_sends_fail_if_together_they_outweigh(name: str, least: int, accepted: int) -> None:
    failed = max(least, accepted + 1)
    for rejected in (0, failed // 2, failed):
        values = {"rejected": rejected, "invalid": failed - rejected, "accepted": accepted}
        assert _goes_off(name, values)
        assert not _goes_off(name, values | {"accepted": failed})
    assert not _goes_off(name, {"rejected": least - 1, "invalid": 0, "accepted": 0})
    assert not _goes_off(name, {"accepted": accepted})


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ({}, False),
        ({"runs": 12, "errors": 0}, False),
        ({"runs": 12, "errors": 0, "failed": 6}, False),
        ({"runs": 12, "errors": 0, "failed": 7}, True),
        ({"runs": 12, "errors": 7}, True),
        ({"runs": 12, "errors": 3, "failed": 4}, True),
        ({"runs": 1, "errors": 0, "failed": 1}, True),
    ],
)
def test_the_reconciliation_fails_if_most_runs_do(values: dict[str, int], *, expected: bool) -> None:
    assert _goes_off("ReconciliationFailedAlarm", values) == expected


@pytest.mark.parametrize(
    "name", sorted(name for name in RESOURCES if "Metrics" in RESOURCES[name].get("Properties", {}))
)
def test_the_metrics_of_an_expression_have_one_period_as_cloudwatch_requires(name: str) -> None:
    periods = {one["MetricStat"]["Period"] for one in RESOURCES[name]["Properties"]["Metrics"] if "MetricStat" in one}
    assert len(periods) == 1
    assert max(periods) * RESOURCES[name]["Properties"]["EvaluationPeriods"] <= 86_400
