"""Every metric that an alarm or the dashboard watches is emitted with the same name and dimensions."""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import httpx
import pytest

from functions.segment_ingest import app as segment_ingest
from sandbox.template import STACK_NAME, load_document
from segment_msg91.store.aws import to_item
from tests.dashboard import widgets

if TYPE_CHECKING:
    from tests.fakes.aws import Aws
    from tests.fakes.events import Track
    from tests.fakes.msg91 import FakeMsg91
    from tests.fakes.msg91_logs import FakeLogs
    from tests.handlers.conftest import Ask, Endpoint, Invoke, Output

OURS: Final = "SegmentMsg91"
# What AWS publishes by itself, according to its documentation.
OF_AWS: Final = {
    "AWS/SQS": ({"ApproximateNumberOfMessagesVisible", "ApproximateAgeOfOldestMessage"}, [{"QueueName"}]),
    "AWS/Lambda": ({"Invocations", "Errors", "Throttles", "Duration", "IteratorAge"}, [{"FunctionName"}]),
    "AWS/ApiGateway": ({"Count", "4xx", "5xx"}, [{"ApiId"}]),
    "AWS/DynamoDB": (
        {"ConsumedReadCapacityUnits", "ConsumedWriteCapacityUnits"},
        [{"TableName"}, {"TableName", "GlobalSecondaryIndexName"}],
    ),
    "AWS/Logs": ({"IncomingBytes"}, [{"LogGroupName"}]),
}

# With them the overview tells messages from reports. Alone they say nothing to an operator.
OF_THE_OVERVIEW: Final = {"DeliveryStatusSuperseded", "FailureCategorySuperseded"}
LONG_AGO: Final = "2020-01-01T00:00:00.000Z"
TEMPLATE: Final[dict[str, Any]] = load_document()
RESOURCES: Final = TEMPLATE["Resources"]
ALARMS: Final = {name: one["Properties"] for name, one in RESOURCES.items() if one["Type"] == "AWS::CloudWatch::Alarm"}
WIDGETS: Final = widgets(TEMPLATE)
SEARCH: Final = re.compile(r"SEARCH\('\{([^}]+)\} MetricName=\"(\w+)\" (\w+)=\"(\S+)\"', 'Sum', (?:300|3600)\)")


@dataclass(frozen=True, slots=True)
class Watched:
    """A metric as it is requested from CloudWatch; a dimension's value is None if any value matches."""

    namespace: str
    name: str
    dimensions: frozenset[tuple[str, str | None]]

    @property
    def dimension_names(self) -> set[str]:
        return {name for name, _ in self.dimensions}


def _of_alarm(alarm: dict[str, Any]) -> Iterator[Watched]:
    stats = [metric["MetricStat"]["Metric"] for metric in alarm.get("Metrics", []) if "MetricStat" in metric]
    for metric in stats or [alarm]:
        dimensions = frozenset((one["Name"], _resource(one["Value"])) for one in metric["Dimensions"])
        yield Watched(metric["Namespace"], metric["MetricName"], dimensions)


def _resource(value: object) -> str:
    """Return what a dimension's value names, such as `Queue.QueueName`."""
    match value:
        case {"Ref": name}:
            return str(name)
        case {"Fn::GetAtt": [str(name), str(attribute)]}:
            return f"{name}.{attribute}"
        case _:
            return str(value)


def _of_dashboard() -> Iterator[Watched]:
    for widget in WIDGETS:
        for row in widget["properties"].get("metrics", []):
            if isinstance(row[0], dict):
                search = SEARCH.fullmatch(row[0]["expression"])
                assert search, row
                namespace, *names = search[1].split(",")
                values = {search[3]: search[4].replace("${", "").rstrip("}")}
                yield Watched(namespace, search[2], frozenset((name, values.get(name)) for name in names))
            else:
                namespace, name, *pairs = (cell for cell in row if isinstance(cell, str))
                plain = [pair.replace("${", "").rstrip("}") for pair in pairs]
                yield Watched(namespace, name, frozenset(zip(plain[::2], plain[1::2], strict=True)))


WATCHED: Final = tuple(
    dict.fromkeys([*_of_dashboard(), *(watched for alarm in ALARMS.values() for watched in _of_alarm(alarm))])
)


type Emitted = dict[str, list[dict[str, str]]]
"""By the metric's name: the dimensions and their values under which it was emitted."""


@pytest.fixture
def emitted(  # noqa: PLR0913, PLR0917 - every function, and what they call
    ingest: "Endpoint",
    report: "Endpoint",
    ask: "Ask",
    reconcile: "Invoke",
    aws: "Aws",
    logs: "FakeLogs",
    msg91: "FakeMsg91",
    track: "Track",
    output: "Output",
    monkeypatch: pytest.MonkeyPatch,
) -> Emitted:
    """The metrics after every possible outcome."""
    for number, code in enumerate(("203", "301", "601"), 11):
        msg91.refuses_number(f"9198000000{number}", code)
        ingest(track(f"9198000000{number}", f"message-{number}"))
    msg91.breaks_off(httpx.ReadTimeout("silent"))
    ingest(track("919800000014", "message-14"))
    ingest(track("12", "message-invalid"))
    with monkeypatch.context() as staging:
        staging.setenv("ONLY_TO_NUMBERS", "919800000001")
        segment_ingest.wiring.cache_clear()
        ingest(track("919800000019", "message-19"))
        staging.delenv("ONLY_TO_NUMBERS")
        staging.setenv("GUARD_RAILS", "on")
        staging.setenv("MAX_SMS_PER_NUMBER_PER_HOUR", "1")
        segment_ingest.wiring.cache_clear()
        for number in (20, 21):
            ingest(track("919800000020", f"message-{number}"))
    segment_ingest.wiring.cache_clear()
    ingest({"type": "group"})
    sent = ingest(track("919800000001")).body["results"][0]["crqid"]
    ingest(track("919800000001"))
    about = {"requestId": "r1", "number": "919800000001", "CRQID": sent, "date": "2099-01-02 08:35:00"}
    for status in ("2", "1", "1"):
        report(about | {"status": status})
    report(about | {"status": "1", "number": "919800000002"})
    report("unreadable")
    ingest(track("919800000001"), headers={})
    ingest("malformed")
    ingest("[" + " " * 6_000_000 + "]")
    report(about, in_path="wrong")
    report("[" + " " * 6_000_000 + "]")
    ask("/console/messages", token="wrong")
    _reconciled(ingest, reconcile, aws, logs, track)
    aws.set_secret("no JSON")
    segment_ingest.wiring.cache_clear()
    ingest(track("919800000001"))
    found: Emitted = {}
    for emf in (json.loads(line) for line in output.text.splitlines() if "CloudWatchMetrics" in line):
        (definition,) = emf["_aws"]["CloudWatchMetrics"]
        assert (definition["Namespace"], emf["service"]) == (OURS, STACK_NAME)
        for metric in definition["Metrics"]:
            found.setdefault(metric["Name"], []).extend(
                {name: emf[name] for name in dimensions} for dimensions in definition["Dimensions"]
            )
    return found


def _reconciled(ingest: "Endpoint", reconcile: "Invoke", aws: "Aws", logs: "FakeLogs", track: "Track") -> None:
    """After these runs, messages are found, unreported, not sent, too old, and cannot be looked up."""
    found, _, old = (
        ingest(track(f"9198000000{number}", f"message-{number}")).body["results"][0]["crqid"] for number in (25, 26, 27)
    )
    # The message without an answer has a neighbour in the logs.
    logs.has("919800000025", CRQID=found)
    times = dict.fromkeys(("created_at", "settled_at", "lease_until"), LONG_AGO)
    aws.dynamodb.put_item(TableName="MessagesTable", Item=to_item(aws.message(old) | times))
    assert reconcile({})["not_sent"] == 1
    ingest(track("919800000028", "message-28"))
    logs.answers('{"type": "error", "code": "207"}', 401)
    assert reconcile({})["remaining"] == 1


def test_a_metric_of_ours_that_is_watched_is_emitted_with_the_same_dimensions(emitted: Emitted) -> None:
    ours = [watched for watched in WATCHED if watched.namespace == OURS]
    assert len(ours) >= 20
    assert [one for one in ours if not any(_is_under(one, found) for found in emitted.get(one.name, []))] == []


def _is_under(watched: Watched, found: dict[str, str]) -> bool:
    """Whether an emitted metric matches a watched one. `service` is the stack's name; another dimension may be any."""
    asked = dict(watched.dimensions)
    return asked.keys() == found.keys() and all(
        name == "service" or value is None or found[name] == value for name, value in asked.items()
    )


def test_every_metric_that_is_emitted_is_on_the_dashboard(emitted: Emitted) -> None:
    shown = {watched.name for watched in _of_dashboard() if watched.namespace == OURS}
    assert set(emitted) == shown | OF_THE_OVERVIEW


@pytest.mark.parametrize("watched", [one for one in WATCHED if one.namespace == OURS], ids=lambda one: one.name)
def test_a_metric_of_ours_is_watched_for_this_stack(watched: Watched) -> None:
    variables = TEMPLATE["Globals"]["Function"]["Environment"]["Variables"]
    assert ("service", _resource(variables["POWERTOOLS_SERVICE_NAME"])) in watched.dimensions


@pytest.mark.parametrize(
    "watched", [one for one in WATCHED if one.namespace != OURS], ids=lambda one: f"{one.namespace} {one.name}"
)
def test_a_metric_of_aws_s_is_one_that_it_publishes_about_a_resource_of_ours(watched: Watched) -> None:
    names, dimensions = OF_AWS[watched.namespace]
    assert watched.name in names
    assert watched.dimension_names in dimensions
    indexes = {index["IndexName"] for one in RESOURCES.values() for index in _indexes(one)}
    for name, value in watched.dimensions:
        if value is None and name == "GlobalSecondaryIndexName":
            continue  # a search: each index of the table
        assert value
        assert value.removesuffix(".QueueName") in {*RESOURCES, *indexes}


def _indexes(resource: dict[str, Any]) -> list[dict[str, Any]]:
    indexes: list[dict[str, Any]] = resource.get("Properties", {}).get("GlobalSecondaryIndexes", [])
    return indexes


def _values(output: "Output") -> dict[str, float]:
    """Return the sum of each metric; one without data is not in it."""
    sums: dict[str, float] = {}
    for emf in (json.loads(line) for line in output.text.splitlines() if "CloudWatchMetrics" in line):
        for metric in emf["_aws"]["CloudWatchMetrics"][0]["Metrics"]:
            sums[metric["Name"]] = sums.get(metric["Name"], 0) + sum(emf[metric["Name"]])
    return sums


def test_with_a_failed_send_each_metric_that_its_alarms_compare_has_data(
    ingest: "Endpoint", msg91: "FakeMsg91", track: "Track", output: "Output"
) -> None:
    ingest(track("12"))
    assert _values(output) == {"SmsAccepted": 0, "SmsRejected": 0, "SmsInvalid": 1}
    msg91.refuses("203")
    ingest(track("919800000001", "message-2"))
    sums = _values(output)
    assert (sums["SmsAccepted"], sums["SmsRejected"], sums["SmsInvalid"]) == (0, 1, 1)


def test_an_accepted_message_counts_no_other_outcome(ingest: "Endpoint", track: "Track", output: "Output") -> None:
    ingest(track("919800000001"))
    assert _values(output) == {"SmsAccepted": 1}


@pytest.mark.parametrize(
    ("is_in_logs", "counted", "compared"),
    [(True, "WebhookSilent", "ReportStored"), (False, "SmsMissingInLogs", "SmsAccepted")],
)
def test_with_what_the_logs_show_the_metric_that_its_alarm_compares_has_data(  # noqa: PLR0913 - all there is
    *,
    is_in_logs: bool,
    counted: str,
    compared: str,
    ingest: "Endpoint",
    reconcile: "Invoke",
    logs: "FakeLogs",
    track: "Track",
    output: "Output",
) -> None:
    sent = ingest(track("919800000001")).body["results"][0]["crqid"]
    other = ingest(track("919800000002", "message-2")).body["results"][0]["crqid"]
    logs.has("919800000001" if is_in_logs else "919800000002", CRQID=sent if is_in_logs else other)
    before = _values(output)
    reconcile({})
    after = _values(output)
    assert (after[counted], before.get(counted)) == (1, None)
    assert compared in _names_of_last(output)
    assert after[compared] == before.get(compared, 0)


def _names_of_last(output: "Output") -> set[str]:
    """Return the metrics without a dimension of the last invocation."""
    *_, last = (emf for emf in map(json.loads, output.text.splitlines()) if "_aws" in emf and "status" not in emf)
    return {metric["Name"] for metric in last["_aws"]["CloudWatchMetrics"][0]["Metrics"]}
