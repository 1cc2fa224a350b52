"""The local stack as an operator sees it: CloudFormation's answers, alarms, log groups and metrics."""

import json
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import boto3
import pytest
from botocore.exceptions import ClientError

from sandbox.aws import Aws, running_aws
from sandbox.deployment import Deployed
from sandbox.template import REGION, STACK_NAME, Template, load_document

if TYPE_CHECKING:
    from mypy_boto3_cloudformation import CloudFormationClient
    from mypy_boto3_cloudwatch import CloudWatchClient
    from mypy_boto3_logs import CloudWatchLogsClient

API = "http://127.0.0.1:3100"


@dataclass(frozen=True, slots=True)
class Operator:
    aws: Aws
    deployed: Deployed
    cloudformation: "CloudFormationClient"
    cloudwatch: "CloudWatchClient"
    logs: "CloudWatchLogsClient"

    def write(self, *lines: object) -> None:
        """Log as the functions do."""
        with self.deployed.log.open("a") as log:
            log.writelines(f"{line if isinstance(line, str) else json.dumps(line)}\n" for line in lines)

    def sum_of(self, metric: str) -> float:
        now = datetime.now(UTC)
        points = self.cloudwatch.get_metric_statistics(
            Namespace="SegmentMsg91",
            MetricName=metric,
            Dimensions=[{"Name": "service", "Value": "one"}],
            StartTime=now - timedelta(minutes=5),
            EndTime=now + timedelta(minutes=5),
            Period=600,
            Statistics=["Sum"],
        )["Datapoints"]
        return sum(point["Sum"] for point in points)


def emf(metric: str, *values: float, **more: object) -> dict[str, Any]:
    """Make a line in the embedded metric format."""
    directive = {
        "Namespace": "SegmentMsg91",
        "Dimensions": [["service"]],
        "Metrics": [{"Name": metric, "Unit": "Count"}],
    }
    emf = {"Timestamp": int(time.time() * 1000), "CloudWatchMetrics": [directive]}
    return {"_aws": emf, "service": "one", metric: list(values), **more}


@pytest.fixture(scope="module")
def _aws() -> Iterator[Aws]:
    with running_aws(Template.load()) as aws:
        yield aws


@pytest.fixture
def operator(_aws: Aws, tmp_path: Path) -> Operator:
    _aws.reset()
    session = boto3.Session("operator", "sandbox", region_name=REGION)
    template = Template.load(parameters={"LogRetentionDays": "7", "LogLevel": "INFO"})
    deployed = Deployed(template, API, _aws.url, tmp_path / "log")
    _aws.deployment.deploy(deployed)
    return Operator(
        _aws,
        deployed,
        session.client("cloudformation", endpoint_url=_aws.url),
        session.client("cloudwatch", endpoint_url=_aws.url),
        session.client("logs", endpoint_url=_aws.url),
    )


def test_outputs_lead_to_the_local_stack(operator: Operator) -> None:
    (stack,) = operator.cloudformation.describe_stacks(StackName=STACK_NAME)["Stacks"]

    outputs = {output["OutputKey"]: output["OutputValue"] for output in stack["Outputs"]}
    assert outputs["SegmentUrl"] == f"{API}/segment"
    assert outputs["ReportsTableName"] == "ReportsTable"
    assert "ConsoleUrl" not in outputs
    queue = outputs["ReportsQuarantineQueueUrl"]
    assert operator.aws.sqs.get_queue_attributes(QueueUrl=queue, AttributeNames=["QueueArn"])["Attributes"]


def test_parameters_are_the_templates_given_or_default(operator: Operator) -> None:
    (stack,) = operator.cloudformation.describe_stacks(StackName=STACK_NAME)["Stacks"]

    parameters = {item["ParameterKey"]: item["ParameterValue"] for item in stack["Parameters"]}
    assert parameters == operator.deployed.template.parameters
    assert (parameters["LogRetentionDays"], parameters["DefaultRoute"]) == ("7", "4")


def test_another_stack_does_not_exist(operator: Operator) -> None:
    with pytest.raises(ClientError, match="Stack with id another does not exist"):
        operator.cloudformation.describe_stacks(StackName="another")


def test_every_alarm_and_log_group_of_the_template_is_there(operator: Operator) -> None:
    resources = [
        one
        for page in operator.cloudformation.get_paginator("list_stack_resources").paginate(StackName=STACK_NAME)
        for one in page["StackResourceSummaries"]
    ]
    declared = {
        name: resource
        for name, resource in load_document()["Resources"].items()
        if resource.get("Condition") in (None, "Reconciles")
    }
    assert {one["LogicalResourceId"] for one in resources} == set(declared)

    of_type = {
        kind: {one["PhysicalResourceId"] for one in resources if one["ResourceType"] == f"AWS::{kind}"}
        for kind in ("CloudWatch::Alarm", "CloudWatch::CompositeAlarm", "Logs::LogGroup")
    }
    alarms = operator.cloudwatch.describe_alarms(AlarmTypes=["MetricAlarm", "CompositeAlarm"])
    assert {alarm["AlarmName"] for alarm in alarms["MetricAlarms"]} == of_type["CloudWatch::Alarm"]
    assert {alarm["AlarmName"] for alarm in alarms["CompositeAlarms"]} == of_type["CloudWatch::CompositeAlarm"]
    groups = operator.logs.describe_log_groups()["logGroups"]
    assert {group["logGroupName"] for group in groups} == of_type["Logs::LogGroup"]
    assert {group["retentionInDays"] for group in groups} == {7}


def test_lines_in_the_embedded_metric_format_become_metrics(operator: Operator) -> None:
    operator.write("START", emf("Sent", 2, 3), {"level": "INFO", "message": "no metric"}, ["no", "object"])
    assert operator.sum_of("Sent") == 5

    operator.write(emf("Sent", 1))
    assert operator.sum_of("Sent") == 6


def test_a_line_that_is_not_yet_whole_is_read_later(operator: Operator) -> None:
    line = json.dumps(emf("Sent", 2))
    with operator.deployed.log.open("a") as log:
        log.write(line[:40])
        log.flush()
        assert operator.sum_of("Sent") == 0
        log.write(f"{line[40:]}\n")

    assert operator.sum_of("Sent") == 2


def test_what_was_logged_before_a_reset_is_gone_with_it(operator: Operator) -> None:
    operator.write(emf("Sent", 2))

    operator.aws.reset()

    assert operator.sum_of("Sent") == 0


@pytest.mark.parametrize(
    ("log_level", "level", "passes"),
    [
        ("INFO", None, True),
        ("WARN", None, False),
        ("WARN", "info", False),
        ("WARN", "WARNING", True),
        ("ERROR", "CRITICAL", True),
        ("DEBUG", "no level", True),
    ],
)
def test_lambda_drops_lines_below_the_functions_log_level(
    operator: Operator, log_level: str, level: str | None, *, passes: bool
) -> None:
    document = load_document()
    document["Globals"]["Function"]["LoggingConfig"]["ApplicationLogLevel"] = log_level
    operator.aws.deployment.deploy(replace(operator.deployed, template=Template(document)))

    operator.write(emf("Sent", 1, **({"level": level} if level else {})))

    assert operator.sum_of("Sent") == passes
