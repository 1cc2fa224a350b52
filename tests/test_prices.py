"""docs/performance.md says what a stack costs while idle, as counted in the template."""

import re
from pathlib import Path
from typing import Final

import pytest

from benchmarks.prices import idle_costs
from tests.transformed import EVERYTHING, transformed

PAGE: Final = (Path(__file__).parent.parent / "docs/performance.md").read_text(encoding="utf-8")
SECTION: Final = PAGE.split("## What a stack costs while idle\n")[1].split("\n## ")[0]
ROWS: Final = {
    what: (int(count), float(cost), int(count_of_all), float(cost_of_all))
    for what, count, cost, count_of_all, cost_of_all in re.findall(
        r"^\| ([\w ]+) \| (\d+) \| ([\d.]+) \| (\d+) \| ([\d.]+) \|$", SECTION, re.MULTILINE
    )
}


def test_the_table_has_what_the_template_has() -> None:
    least = idle_costs(transformed()["Resources"])
    most = idle_costs(transformed(EVERYTHING)["Resources"])
    counted = {
        what: (count, round(cost, 2), count_of_all, round(cost_of_all, 2))
        for (what, count, cost), (_, count_of_all, cost_of_all) in zip(least, most, strict=True)
    }
    assert counted == ROWS


def test_the_sums_are_those_of_the_rows() -> None:
    (sums,) = re.findall(r"^\| \*\*sum\*\* \| \| \*\*([\d.]+)\*\* \| \| \*\*([\d.]+)\*\* \|$", SECTION, re.MULTILINE)
    rows = ROWS.values()
    assert [float(one) for one in sums] == pytest.approx([sum(row[1] for row in rows), sum(row[3] for row in rows)])


def test_a_metric_of_an_expression_counts_and_the_expression_does_not() -> None:
    stat: dict[str, dict[str, str]] = {"MetricStat": {}}
    resources = {
        "Math": {"Type": "AWS::CloudWatch::Alarm", "Properties": {"Metrics": [{"Expression": "a / b"}, stat, stat]}},
        "Plain": {"Type": "AWS::CloudWatch::Alarm", "Properties": {"MetricName": "Errors"}},
        "Table": {"Type": "AWS::DynamoDB::Table"},
    }
    counts = {what: count for what, count, _ in idle_costs(resources)}
    assert counts["Metrics in alarms"] == 3
    assert sum(counts.values()) == 3
