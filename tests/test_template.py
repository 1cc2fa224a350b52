"""The template keeps the promises that code alone can't."""

import inspect
import re
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import yaml

from sandbox.template import Template
from segment_msg91.msg91 import CALL_SECONDS, READ_TIMEOUT_SECONDS
from segment_msg91.sending import LEASE
from segment_msg91.settings import ConsoleSettings, EventSettings, IngestSettings, ReportSettings
from segment_msg91.tracking import CALL_SECONDS as TRACKING_SECONDS

ROOT = Path(__file__).parent.parent
SETTINGS = (ROOT / "layers/shared/segment_msg91/settings.py").read_text()


class _Loader(yaml.SafeLoader):
    """Reads CloudFormation's short forms as plain values."""


_Loader.add_multi_constructor("!", lambda loader, _, node: getattr(loader, f"construct_{node.id}")(node))


@pytest.fixture(scope="module")
def template() -> dict[str, Any]:
    loaded: dict[str, Any] = yaml.load((ROOT / "template.yaml").read_text(), _Loader)  # noqa: S506 - a SafeLoader
    return loaded


def _statements(template: dict[str, Any]) -> Iterator[dict[str, Any]]:
    for resource in template["Resources"].values():
        for policy in resource.get("Properties", {}).get("Policies", []):
            yield from policy["Statement"]


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("HttpApi", "AWS::Serverless::HttpApi"),
        ("SegmentIngestFunction", "AWS::Serverless::Function"),
        ("DeliveryReportsFunction", "AWS::Serverless::Function"),
        ("DeliveryEventsFunction", "AWS::Serverless::Function"),
        ("ConsoleFunction", "AWS::Serverless::Function"),
        ("SharedLayer", "AWS::Serverless::LayerVersion"),
        ("MessagesTable", "AWS::DynamoDB::Table"),
        ("ReportsTable", "AWS::DynamoDB::Table"),
        ("ReportsRedriveQueue", "AWS::SQS::Queue"),
        ("ReportsQuarantineQueue", "AWS::SQS::Queue"),
        ("DeliveryEventsDeadLetterQueue", "AWS::SQS::Queue"),
        ("Secret", "AWS::SecretsManager::Secret"),
    ],
)
def test_the_contracts_resources_have_their_logical_ids(template: dict[str, Any], name: str, kind: str) -> None:
    assert template["Resources"][name]["Type"] == kind


def test_a_running_lease_outlives_its_function(template: dict[str, Any]) -> None:
    assert timedelta(seconds=template["Globals"]["Function"]["Timeout"]) < LEASE


def test_msg91_gets_its_ten_seconds_within_the_functions_time(template: dict[str, Any]) -> None:
    assert READ_TIMEOUT_SECONDS >= 10
    assert template["Globals"]["Function"]["Timeout"] > CALL_SECONDS + 5


def test_segment_is_asked_more_than_once_within_the_functions_time(template: dict[str, Any]) -> None:
    assert template["Globals"]["Function"]["Timeout"] > TRACKING_SECONDS + 10


def test_a_change_is_given_up_before_the_stream_forgets_it(template: dict[str, Any]) -> None:
    stream = template["Resources"]["DeliveryEventsFunction"]["Properties"]["Events"]["MessagesStream"]["Properties"]
    assert stream["MaximumRecordAgeInSeconds"] < timedelta(hours=24).total_seconds()
    assert "DeliveryEventsDeadLetterQueue" in stream["DestinationConfig"]["OnFailure"]["Destination"]
    assert stream["FunctionResponseTypes"] == ["ReportBatchItemFailures"]
    assert stream["BisectBatchOnFunctionError"]


def test_the_queue_hides_a_body_for_longer_than_the_function_may_take(template: dict[str, Any]) -> None:
    timeout = template["Globals"]["Function"]["Timeout"]
    assert template["Resources"]["ReportsRedriveQueue"]["Properties"]["VisibilityTimeout"] >= 6 * timeout


def test_every_permission_is_one_action_on_one_named_resource(template: dict[str, Any]) -> None:
    statements = list(_statements(template))
    assert statements
    for statement in statements:
        assert isinstance(statement["Action"], str)
        assert isinstance(statement["Resource"], str)
        assert "*" not in statement["Action"] + statement["Resource"]


@pytest.mark.parametrize("name", ["MessagesTable", "ReportsTable"])
def test_tables_survive_and_can_be_restored(template: dict[str, Any], name: str) -> None:
    table = template["Resources"][name]
    assert table["DeletionPolicy"] == table["UpdateReplacePolicy"] == "Retain"
    properties = table["Properties"]
    assert properties["BillingMode"] == "PAY_PER_REQUEST"
    assert properties["SSESpecification"]["SSEEnabled"]
    assert properties["PointInTimeRecoverySpecification"]["PointInTimeRecoveryEnabled"]
    assert properties["TimeToLiveSpecification"] == {"AttributeName": "expires_at", "Enabled": True}
    assert {index["Projection"]["ProjectionType"] for index in properties["GlobalSecondaryIndexes"]} == {"KEYS_ONLY"}


def test_each_function_gets_the_variables_that_its_settings_read() -> None:
    template = Template.load(parameters={"Console": "on", "DeliveryEvents": "on"})
    for function, settings in (
        ("SegmentIngestFunction", IngestSettings),
        ("DeliveryReportsFunction", ReportSettings),
        ("DeliveryEventsFunction", EventSettings),
        ("ConsoleFunction", ConsoleSettings),
    ):
        read = set(re.findall(r'"([A-Z0-9_]{5,})"', inspect.getsource(settings)))
        given = set(template.environment(function, "http://127.0.0.1"))
        assert {name for name in given if not name.startswith("POWERTOOLS_")} == read


def test_every_setting_of_a_customers_is_a_parameter_in_pascal_case(template: dict[str, Any]) -> None:
    settings = set(re.findall(r'"((?:DEFAULT|MSG91|MAX|RESEND|RETENTION|SEGMENT)_[A-Z0-9_]+)"', SETTINGS))
    assert {"".join(word.capitalize() for word in name.split("_")) for name in settings} <= set(template["Parameters"])


def test_every_parameter_explains_itself_and_refuses_nonsense(template: dict[str, Any]) -> None:
    for name, parameter in template["Parameters"].items():
        assert parameter["Description"], name
        assert {"AllowedPattern", "AllowedValues", "MinValue"} & set(parameter), name


def test_the_console_and_all_that_is_its_own_are_there_only_when_it_is_on(template: dict[str, Any]) -> None:
    assert template["Parameters"]["Console"]["Default"] == "off"
    assert template["Conditions"]["HasConsole"] == ["Console", "on"]
    own = [*template["Resources"].items(), *template["Outputs"].items()]
    assert {name for name, one in own if one.get("Condition") == "HasConsole"} == {
        name for name, _ in own if name.startswith("Console")
    }


def test_no_log_line_of_the_api_can_carry_the_report_token(template: dict[str, Any]) -> None:
    log_format = template["Resources"]["HttpApi"]["Properties"]["AccessLogSettings"]["Format"]
    assert "routeKey" in log_format
    assert not re.search(r"\$context\.(path|http|domain)|request\.(path|querystring)", log_format)


def test_the_secret_is_never_in_the_template(template: dict[str, Any]) -> None:
    secret = template["Resources"]["Secret"]["Properties"]
    assert "SecretString" not in secret
    assert yaml.safe_load(secret["GenerateSecretString"]["SecretStringTemplate"]) == {
        "msg91_authkey": "",
        "segment_shared_secret": "",
        "report_token": "",
    }
