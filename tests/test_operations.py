"""Each alarm notifies its topic and links its runbook; the commands of docs/operations.md are valid."""

import re
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import jmespath  # type: ignore[import-untyped]
import pytest
from botocore import xform_name
from botocore.session import Session

from sandbox.template import NO_VALUE, load_document
from segment_msg91.mapping import Sms, to_sms
from segment_msg91.settings import IngestSettings
from tests.dashboard import widgets
from tests.transformed import of_type, transformed

ROOT: Final = Path(__file__).parent.parent
TEXT: Final = (ROOT / "docs/operations.md").read_text()
README: Final = (ROOT / "README.md").read_text()

TEMPLATE: Final[dict[str, Any]] = load_document()
ALARMS: Final = {
    name: resource["Properties"]
    for name, resource in TEMPLATE["Resources"].items()
    if resource["Type"] in ("AWS::CloudWatch::Alarm", "AWS::CloudWatch::CompositeAlarm")
}
RULES: Final = [alarm["AlarmRule"]["Fn::Sub"] for alarm in ALARMS.values() if "AlarmRule" in alarm]
PARTS: Final = {name for rule in RULES for name in re.findall(r"\{(\w+)\}", rule)}
LOUD: Final = sorted(set(ALARMS) - PARTS)
# The dashboard leaves out what is off by default.
BY_DEFAULT: Final = [name for name in LOUD if TEMPLATE["Resources"][name].get("Condition") in (None, "Reconciles")]
WIDGETS: Final = widgets(TEMPLATE)
COMMANDS: Final = re.findall(
    r"^ *(?:\w+=\$\()?aws ([a-z]+) ([a-z-]+)((?:[^\n\\]|\\.|\\\n)*)", TEXT + README, re.MULTILINE
)
OF_EVERY_COMMAND: Final = {"query", "output", "max-items"}
# An option that the AWS CLI names otherwise, because `--endpoint-url` is one of every command's.
RENAMED: Final = {"notification-endpoint": "endpoint"}
SETUP: Final = TEXT.split("```sh\n")[1].split("```")[0]
HEADINGS: Final = re.findall(r"^#+ (.*)$", TEXT, re.MULTILINE)


def _anchor(heading: str) -> str:
    return re.sub(r"[^a-z0-9 -]", "", heading.lower()).replace(" ", "-")


def test_there_are_alarms() -> None:
    assert len(LOUD) >= 15
    assert len(PARTS) == 2


@pytest.mark.parametrize("name", LOUD)
def test_an_alarm_says_what_to_do_and_names_its_section(name: str) -> None:
    description = ALARMS[name]["AlarmDescription"]
    (anchor,) = re.findall(r"docs/operations\.md#([a-z0-9-]+)", description)
    assert anchor in map(_anchor, HEADINGS)
    assert 100 < len(description) <= 1024
    section = TEXT.split(next(f"# {heading}\n" for heading in HEADINGS if _anchor(heading) == anchor))[1]
    assert f"`{name}`" in section.split("\n#")[0]


@pytest.mark.parametrize("name", LOUD)
def test_an_alarm_notifies_the_topic_when_it_begins_and_ends(name: str) -> None:
    actions = {"Fn::If": ["HasAlarmTopic", [{"Ref": "AlarmTopicArn"}], NO_VALUE]}
    assert ALARMS[name]["AlarmActions"] == ALARMS[name]["OKActions"] == actions


@pytest.mark.parametrize("name", sorted(PARTS))
def test_a_part_of_a_composite_alarm_notifies_no_topic(name: str) -> None:
    assert not {"AlarmActions", "OKActions"} & set(ALARMS[name])


@pytest.mark.parametrize("name", sorted(name for name in ALARMS if "AlarmRule" not in ALARMS[name]))
def test_an_alarm_says_what_missing_data_means(name: str) -> None:
    assert ALARMS[name]["TreatMissingData"] in ("notBreaching", "breaching", "ignore")


def test_the_dashboard_shows_every_alarm_that_notifies() -> None:
    shown = [arn for widget in WIDGETS for arn in widget["properties"].get("alarms", [])]
    assert sorted(shown) == [f"${{{name}.Arn}}" for name in BY_DEFAULT]


def test_the_dashboard_names_no_alarm_that_the_parameters_leave_out() -> None:
    document = transformed({"ReconcileEveryMinutes": "0"})
    text, variables = of_type(document, "AWS::CloudWatch::Dashboard")["Dashboard"]["DashboardBody"]["Fn::Sub"]
    assert variables == {"ReconciliationAlarms": ""}
    assert set(re.findall(r"(\w+Alarm)\.Arn", text)) == {name for name in LOUD if name in document["Resources"]}


def test_the_widgets_of_the_dashboard_fill_their_rows_without_overlap() -> None:
    cells = [
        (column, row)
        for widget in WIDGETS
        for column in range(widget["x"], widget["x"] + widget["width"])
        for row in range(widget["y"], widget["y"] + widget["height"])
    ]
    assert max(column for column, _ in cells) == 23
    assert len(cells) == len(set(cells)) == 24 * (1 + max(row for _, row in cells))


def test_the_dashboard_stays_within_what_is_free_of_metrics() -> None:
    metrics = [row for widget in WIDGETS for row in widget["properties"].get("metrics", [])]
    assert 20 < len(metrics) <= 50


def test_links_lead_somewhere() -> None:
    links = [link for link in re.findall(r"\]\(([^)]+)\)", TEXT) if not link.startswith("https://")]
    assert links
    for link in links:
        path, _, anchor = link.partition("#")
        if path:
            assert (ROOT / "docs" / path).exists(), link
        if anchor:
            text = (ROOT / "docs" / path).read_text() if path else TEXT
            assert anchor in map(_anchor, re.findall(r"^#+ (.*)$", text, re.MULTILINE)), link


def test_links_of_the_readme_lead_to_a_heading() -> None:
    anchors = re.findall(r"\]\(docs/operations\.md#([^)]+)\)", README)
    assert anchors
    assert set(anchors) <= set(map(_anchor, HEADINGS))


def test_what_the_commands_name_exists() -> None:
    outputs = set(TEMPLATE["Outputs"])
    named = set(re.findall(r"\$\(output (\w+)\)", TEXT))
    assert named
    assert named <= outputs
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    assert {"forget"} < set(re.findall(r"^ *make ([a-z]+)", TEXT, re.MULTILINE)) <= targets
    resources = set(re.findall(r"\$\(resource (\w+)\)", TEXT))
    groups = set(re.findall(r"insights (\w+) \d+ ", TEXT))
    assert {name for name in groups if not name.endswith("LogGroup")} == set()
    resources |= groups
    assert len(groups) == 5
    assert resources <= set(TEMPLATE["Resources"])


@pytest.fixture(scope="module")
def session() -> Session:
    return Session()


@pytest.mark.parametrize(("service", "operation", "rest"), COMMANDS, ids=lambda part: part[:24].strip())
def test_a_command_has_the_options_that_aws_has(service: str, operation: str, rest: str, session: Session) -> None:
    found = {option.removeprefix("no-") for option in re.findall(r"(?<=\s)--([a-z-]+)", rest)} - OF_EVERY_COMMAND
    options = {RENAMED.get(option, option) for option in found}
    model = session.get_service_model(service)
    names = {xform_name(name, "-"): name for name in model.operation_names}
    parameters: Any = model.operation_model(names[operation]).input_shape
    assert options <= {xform_name(name, "-") for name in parameters.members}
    assert {xform_name(name, "-") for name in parameters.required_members} <= options


def test_the_commands_are_found() -> None:
    assert len(COMMANDS) >= 20


def test_no_command_reads_a_log_group_in_a_way_that_infrequent_access_refuses() -> None:
    kinds = {
        one["Properties"].get("LogGroupClass", "STANDARD")
        for one in TEMPLATE["Resources"].values()
        if one["Type"] == "AWS::Logs::LogGroup"
    }
    assert "INFREQUENT_ACCESS" in kinds
    assert {operation for service, operation, _ in COMMANDS if service == "logs"} == {
        "start-query",
        "get-query-results",
        "describe-resource-policies",
    }
    for text in (TEXT, README):
        assert not re.search(r"aws logs (?:tail|filter-log-events|start-live-tail)", text)


AWS: Final = """#!/bin/sh
echo "$@" >> "$CALLS"
case "$*" in
  *describe-stack-resource*) echo log-group-of-it ;;
  *start-query*) echo query-1 ;;
  *"--query status"*) if [ -e "$CALLS.asked" ]; then echo Complete; else touch "$CALLS.asked"; echo Running; fi ;;
  *) echo found ;;
esac
"""


def test_insights_asks_until_the_answer_is_complete(tmp_path: Path) -> None:
    calls = tmp_path / "calls"
    for name, script in (("aws", AWS), ("sleep", "#!/bin/sh\n")):
        (tmp_path / name).write_text(script)
        (tmp_path / name).chmod(0o700)
    ran = subprocess.run(  # noqa: S603 - the document's own function
        ["/bin/sh", "-euc", SETUP + "insights SegmentIngestLogGroup 2 'status = \"held\"'"],
        env={"PATH": f"{tmp_path}:/usr/bin:/bin", "CALLS": str(calls)},
        capture_output=True,
        text=True,
        check=True,
    )
    resource, start, *states, results = calls.read_text().splitlines()
    assert "--logical-resource-id SegmentIngestLogGroup" in resource
    assert "--log-group-name log-group-of-it" in start
    assert 'filter status = "held" |' in start
    times = [int(value) for value in re.findall(r"--(?:start|end)-time (\d+)", start)]
    assert times[1] - times[0] in (7200, 7201)
    assert len(states) == 2
    assert "--query-id query-1" in results
    assert ran.stdout == "found\n"


def test_insights_prints_a_line_for_each_that_was_found() -> None:
    (query,) = re.findall(r'--query "(results[^"]+)"', SETUP)
    line = [
        {"field": "@timestamp", "value": "2026"},
        {"field": "@message", "value": "{}"},
        {"field": "@ptr", "value": "x"},
    ]
    assert jmespath.search(query, {"results": [line, line]}) == [["2026  {}"], ["2026  {}"]]


QUERIES: Final = [quoted or bare for quoted, bare in re.findall(r"--query (?:\"([^\"]+)\"|([^\s)]+))", TEXT + README)]


@pytest.mark.parametrize("query", QUERIES)
def test_a_query_can_be_read(query: str) -> None:
    jmespath.compile(query)


def test_the_key_of_a_message_is_made_as_the_command_makes_it() -> None:
    (program,) = re.findall(r"CRQID=\$\(python3 -c '([^']+)'", TEXT)
    event = {
        "messageId": "message-1",
        "type": "track",
        "properties": {"phone": "+91 98000 00001", "message": "Hello", "senderID": "MSGIND"},
    }
    sms = to_sms(event, IngestSettings.load().defaults, datetime.now(UTC))
    assert isinstance(sms, Sms)
    printed = subprocess.run(  # noqa: S603 - the document's own program
        [sys.executable, "-c", program, "message-1", "919800000001"], capture_output=True, text=True, check=True
    )
    assert printed.stdout.strip() == sms.crqid
