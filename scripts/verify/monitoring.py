"""Checks of the monitoring: metrics, alarms, logs."""

import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Any, Final

import httpx

from scripts.verify.results import Result, failed, ok, warning
from scripts.verify.target import Resource, Target

if TYPE_CHECKING:
    from mypy_boto3_logs.type_defs import LogGroupTypeDef

NAMESPACE: Final = "SegmentMsg91"
_ALARMS: Final = ("AWS::CloudWatch::Alarm", "AWS::CloudWatch::CompositeAlarm")
_LOG_GROUP: Final = "AWS::Logs::LogGroup"
_AT_ONCE: Final = 100
"""Names that DescribeAlarms takes."""
_CLOCK_TOLERANCE: Final = timedelta(minutes=1)
_REDEPLOY: Final = (
    "It was deleted or changed outside of CloudFormation, which sam deploy does not notice: deploy once with the "
    "resource removed from template.yaml, and once more with it."
)


def metric_arrives(name: str, target: Target) -> Result:
    """Check that a metric which this run has caused is in CloudWatch. All metrics share the run's timeout."""
    left = target.timeout - (datetime.now(UTC) - target.started).total_seconds()
    ahead = _clock_ahead(target)
    clock = _about_the_clock(ahead)
    for _ in target.waiting(f"the metric {name} in CloudWatch", left):
        if _has_data(target, name, ahead):
            return ok(f"CloudWatch has {name} of the service {target.stack}.{clock}")
    level = target.parameter("LogLevel") or "not known"
    return failed(
        f"CloudWatch has no {name} of the service {target.stack} since this run began, so the alarms see nothing."
        f"{clock}",
        "Metrics travel as log lines that Lambda takes as INFO: the functions' application log level must be INFO or "
        f"DEBUG at every LogLevel (now {level}). Deploy this checkout again, and look at the level in the Lambda "
        "console. CloudWatch may also be slow: TIMEOUT=600 waits longer.",
    )


def alarms_exist(target: Target) -> Result:
    """Check that every alarm of the stack exists, notifies the topic and is not in alarm."""
    wanted = [resource for resource in target.resources if resource.type in _ALARMS]
    if not wanted:
        return failed("The stack has no alarms.", "It was deployed from another template: deploy this checkout.")
    found = {alarm["AlarmName"]: alarm for alarm in _alarms(target, wanted)}
    if missing := [alarm.logical_id for alarm in wanted if alarm.physical_id not in found]:
        return failed(f"Missing: {', '.join(missing)}.", _REDEPLOY)
    # Parts of a composite alarm notify no one, and their state alone means nothing.
    parts = {name for alarm in found.values() for name in re.findall(r'"([^"]+)"', alarm.get("AlarmRule", ""))}
    loud = [alarm for alarm in wanted if alarm.physical_id not in parts]
    topic = target.parameter("AlarmTopicArn")
    if topic and (silent := [one.logical_id for one in loud if not _notifies(found[one.physical_id], topic)]):
        return failed(f"These do not notify the topic AlarmTopicArn: {', '.join(silent)}.", _REDEPLOY)
    if on := [alarm.logical_id for alarm in loud if found[alarm.physical_id].get("StateValue") == "ALARM"]:
        told = "" if topic else " No one is notified, because there is no AlarmTopicArn."
        return warning(
            f"All {len(wanted)} alarms exist. In alarm now: {', '.join(on)}.{told}",
            "Each has its section in docs/operations.md#alarms. QuarantineAlarm may be on because of an earlier run.",
        )
    if not topic:
        return warning(
            f"All {len(wanted)} alarms exist, but notify no one: there is no AlarmTopicArn.",
            "Create a topic and deploy with its ARN: docs/operations.md#deploy.",
        )
    return ok(f"All {len(wanted)} alarms exist and notify the topic AlarmTopicArn.")


def log_groups_have_retention(target: Target) -> Result:
    """Check that the stack's log groups exist and have a retention."""
    wanted = [resource for resource in target.resources if resource.type == _LOG_GROUP]
    found = {resource.logical_id: _log_group(target, resource.physical_id) for resource in wanted}
    if missing := [name for name, group in found.items() if not group]:
        return failed(f"Missing: {', '.join(missing)}.", _REDEPLOY)
    if endless := [name for name, group in found.items() if group and "retentionInDays" not in group]:
        return failed(
            f"These keep their lines forever: {', '.join(endless)}.",
            "aws logs put-retention-policy --retention-in-days "
            f"{target.parameter('LogRetentionDays') or 30} --log-group-name <its name>. Logs cost by the month.",
        )
    return ok(f"All {len(wanted)} log groups exist and have a retention.") if wanted else _without_log_groups()


def _without_log_groups() -> Result:
    return failed("The stack has no log groups.", "It was deployed from another template: deploy this checkout.")


def _clock_ahead(target: Target) -> timedelta:
    """Return how far this machine's clock is ahead of the API's; 0 if the API does not tell its time."""
    try:
        answer = target.http.get(target.output("SegmentUrl"))  # there is no such route, so no function is started
        api = parsedate_to_datetime(answer.headers["date"])
    except (httpx.HTTPError, KeyError, ValueError):
        return timedelta()
    return datetime.now(UTC) - api.replace(tzinfo=UTC)  # HTTP's dates are GMT


def _about_the_clock(ahead: timedelta) -> str:
    """Say that the clocks differ, if they do so much that a person should know."""
    if abs(ahead) <= _CLOCK_TOLERANCE:
        return ""
    side = "ahead of" if ahead > timedelta() else "behind"
    return f" This machine's clock is about {abs(ahead) / _CLOCK_TOLERANCE:.0f} min {side} the API's: set it right."


def _has_data(target: Target, name: str, ahead: timedelta) -> bool:
    started, now = target.started - ahead, datetime.now(UTC) - ahead
    answer = target.aws.cloudwatch.get_metric_statistics(
        Namespace=NAMESPACE,
        MetricName=name,
        Dimensions=[{"Name": "service", "Value": target.stack}],
        # Data points carry the minute they begin in.
        StartTime=started.replace(second=0, microsecond=0),
        EndTime=now + timedelta(minutes=1),
        Period=60,
        Statistics=["Sum"],
    )
    return any(point.get("Sum", 0) > 0 for point in answer["Datapoints"])


def _alarms(target: Target, wanted: list[Resource]) -> Iterator[dict[str, Any]]:
    names = [alarm.physical_id for alarm in wanted]
    for start in range(0, len(names), _AT_ONCE):
        answer = target.aws.cloudwatch.describe_alarms(
            AlarmNames=names[start : start + _AT_ONCE],
            AlarmTypes=["MetricAlarm", "CompositeAlarm"],
            MaxRecords=_AT_ONCE,
        )
        yield from map(dict, answer.get("MetricAlarms", []))
        yield from map(dict, answer.get("CompositeAlarms", []))


def _notifies(alarm: dict[str, Any], topic: str) -> bool:
    return bool(alarm.get("ActionsEnabled", True)) and topic in alarm.get("AlarmActions", [])


def _log_group(target: Target, name: str) -> "LogGroupTypeDef | None":
    pages = target.aws.logs.get_paginator("describe_log_groups").paginate(logGroupNamePrefix=name)
    return next((group for page in pages for group in page["logGroups"] if group.get("logGroupName") == name), None)
