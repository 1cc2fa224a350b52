"""The template keeps the promises that code alone can't."""

import json
import re
import tomllib
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from sandbox.template import REGION, Template, load_document
from segment_msg91.msg91.client import CALL_SECONDS, READ_TIMEOUT_SECONDS
from segment_msg91.segment.tracking_api import CALL_SECONDS as TRACKING_SECONDS
from segment_msg91.settings import (
    ConsoleSettings,
    EventSettings,
    IngestSettings,
    ReconciliationSettings,
    ReportSettings,
)
from segment_msg91.use_cases.segment_ingest import LEASE
from tests.transformed import EVERYTHING, of_type, transformed

ROOT = Path(__file__).parent.parent
SETTINGS = (ROOT / "layers/shared/segment_msg91/settings.py").read_text()


@pytest.fixture(scope="module")
def template() -> dict[str, Any]:
    return load_document()


@pytest.fixture(scope="module")
def deployed() -> dict[str, Any]:
    return transformed(EVERYTHING)


def _statements(document: dict[str, Any]) -> Iterator[dict[str, Any]]:
    for role in of_type(document, "AWS::IAM::Role").values():
        for policy in role["Policies"]:
            yield from policy["PolicyDocument"]["Statement"]


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("HttpApi", "AWS::Serverless::HttpApi"),
        ("SegmentIngestFunction", "AWS::Serverless::Function"),
        ("DeliveryReportsFunction", "AWS::Serverless::Function"),
        ("ReconciliationFunction", "AWS::Serverless::Function"),
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
    assert "DeliveryEventsDeadLetterQueue" in stream["DestinationConfig"]["OnFailure"]["Destination"]["Fn::GetAtt"]
    assert stream["FunctionResponseTypes"] == ["ReportBatchItemFailures"]
    assert stream["BisectBatchOnFunctionError"]


def test_the_queue_hides_a_body_for_longer_than_the_function_may_take(template: dict[str, Any]) -> None:
    timeout = template["Globals"]["Function"]["Timeout"]
    assert template["Resources"]["ReportsRedriveQueue"]["Properties"]["VisibilityTimeout"] >= 6 * timeout


def test_every_permission_is_one_action_on_one_named_resource(deployed: dict[str, Any]) -> None:
    statements = list(_statements(deployed))
    assert len(statements) > 30
    for statement in statements:
        assert isinstance(statement["Action"], str)
        if statement["Action"] == "cloudwatch:GetMetricData":
            continue  # metrics are no resources
        assert isinstance(statement["Resource"], dict), statement["Sid"]
        text = json.dumps(statement)
        # Streams of one table cannot be listed under one stream's name.
        assert "*" not in text.replace("${MessagesTable.Arn}/stream/*", ""), statement["Sid"]


def test_permissions_have_names_of_their_own(deployed: dict[str, Any]) -> None:
    for role in of_type(deployed, "AWS::IAM::Role").values():
        names = [one["Sid"] for policy in role["Policies"] for one in policy["PolicyDocument"]["Statement"]]
        assert len(names) == len(set(names))


def test_a_role_is_one_functions_and_has_no_policy_of_aws_s(deployed: dict[str, Any]) -> None:
    functions = of_type(deployed, "AWS::Lambda::Function")
    roles = of_type(deployed, "AWS::IAM::Role")
    assert [one["Role"] for one in functions.values()] == [{"Fn::GetAtt": [name, "Arn"]} for name in roles]
    assert not any("ManagedPolicyArns" in role for role in roles.values())


def test_an_event_source_comes_after_the_permissions_that_it_needs(deployed: dict[str, Any]) -> None:
    functions = of_type(deployed, "AWS::Lambda::Function")
    roles = of_type(deployed, "AWS::IAM::Role")
    sources = of_type(deployed, "AWS::Lambda::EventSourceMapping").values()
    assert len(sources) == 2
    for source in sources:
        role = functions[source["FunctionName"]["Ref"]]["Role"]["Fn::GetAtt"][0]
        assert json.dumps(source["EventSourceArn"]) in json.dumps(roles[role]["Policies"])
    # A policy as a resource of its own could come after.
    assert of_type(deployed, "AWS::IAM::Policy") == {}


def test_no_role_may_make_a_log_group(deployed: dict[str, Any]) -> None:
    actions = {one["Action"] for one in _statements(deployed)}
    assert {action for action in actions if action.startswith("logs:")} == {"logs:CreateLogStream", "logs:PutLogEvents"}


def test_a_function_writes_into_a_log_group_that_is_there_before_it(deployed: dict[str, Any]) -> None:
    groups = of_type(deployed, "AWS::Logs::LogGroup")
    for name, function in of_type(deployed, "AWS::Lambda::Function").items():
        group = function["LoggingConfig"]["LogGroup"]["Ref"]
        assert group == name.replace("Function", "LogGroup")
        assert groups[group]["RetentionInDays"]
        assert "Function" not in json.dumps(groups[group])
    names = [group["LogGroupName"]["Fn::Sub"] for group in groups.values()]
    assert len(names) == len(set(names))
    assert all("${AWS::StackName}" in name for name in names)


def test_the_access_log_needs_no_room_in_the_accounts_log_policy(deployed: dict[str, Any]) -> None:
    (stage,) = of_type(deployed, "AWS::ApiGatewayV2::Stage").values()
    assert stage["AccessLogSettings"]["DestinationArn"] == {"Fn::GetAtt": ["HttpApiLogGroup", "Arn"]}
    group = of_type(deployed, "AWS::Logs::LogGroup")["HttpApiLogGroup"]
    assert group["LogGroupName"]["Fn::Sub"].startswith("/aws/vendedlogs/")


def test_a_warning_of_api_gateways_does_not_end_a_deployment(deployed: dict[str, Any]) -> None:
    (api,) = of_type(deployed, "AWS::ApiGatewayV2::Api").values()
    assert not api.get("FailOnWarnings", False)


def test_nothing_is_traced(deployed: dict[str, Any]) -> None:
    modes = [one["TracingConfig"]["Mode"] for one in of_type(deployed, "AWS::Lambda::Function").values()]
    assert modes == ["PassThrough"] * 5
    assert "xray" not in json.dumps(deployed).lower()


LEVELS = ("TRACE", "DEBUG", "INFO", "WARN", "ERROR", "FATAL")


@pytest.mark.parametrize("level", ["DEBUG", "INFO", "WARN", "ERROR"])
def test_metrics_survive_every_log_level(template: dict[str, Any], level: str) -> None:
    assert level in template["Parameters"]["LogLevel"]["AllowedValues"]
    for function in of_type(transformed(EVERYTHING | {"LogLevel": level}), "AWS::Lambda::Function").values():
        # Lambda takes a JSON line without a level, as metrics are, as INFO.
        assert LEVELS.index(function["LoggingConfig"]["ApplicationLogLevel"]) <= LEVELS.index("INFO")
        assert function["Environment"]["Variables"]["POWERTOOLS_LOG_LEVEL"] == level


def test_debug_lines_pass_when_they_are_asked_for() -> None:
    for function in of_type(transformed(EVERYTHING | {"LogLevel": "DEBUG"}), "AWS::Lambda::Function").values():
        assert function["LoggingConfig"]["ApplicationLogLevel"] == "DEBUG"


def test_each_side_has_a_throttle_of_its_own(deployed: dict[str, Any]) -> None:
    (stage,) = of_type(deployed, "AWS::ApiGatewayV2::Stage").values()
    rates = {route: float(one["ThrottlingRateLimit"]) for route, one in stage["RouteSettings"].items()}
    assert rates["POST /msg91/reports"] == rates["POST /msg91/reports/{token}"] > rates["POST /segment"]
    assert stage["DefaultRouteSettings"]["ThrottlingRateLimit"] < rates["POST /segment"]
    assert all("ThrottlingBurstLimit" in one for one in stage["RouteSettings"].values())
    assert not any("DetailedMetricsEnabled" in one for one in stage["RouteSettings"].values())


def test_a_route_with_settings_of_its_own_is_never_taken_away() -> None:
    document = transformed({"Console": "off", "DeliveryEvents": "off"})
    (stage,) = of_type(document, "AWS::ApiGatewayV2::Stage").values()
    (api,) = of_type(document, "AWS::ApiGatewayV2::Api").values()
    routes = {f"{method.upper()} {path}" for path, methods in api["Body"]["paths"].items() for method in methods}
    assert set(stage["RouteSettings"]) <= routes


COMPANY = {
    "VpcSubnetIds": "subnet-1a,subnet-2b",
    "VpcSecurityGroupIds": "sg-3c",
    "PermissionsBoundaryArn": "arn:aws:iam::123456789012:policy/boundary",
    "ReservedIngestConcurrency": "50",
    "ReservedReportsConcurrency": "20",
    "IngestMemory": "512",
    "ReportsMemory": "1024",
}


def test_what_a_company_asks_for_is_off_by_default(deployed: dict[str, Any]) -> None:
    for function in of_type(deployed, "AWS::Lambda::Function").values():
        assert not {"VpcConfig", "ReservedConcurrentExecutions"} & set(function)
    assert not any("PermissionsBoundary" in role for role in of_type(deployed, "AWS::IAM::Role").values())
    assert of_type(deployed, "AWS::IAM::ManagedPolicy") == {}


def test_every_role_has_the_companys_boundary() -> None:
    roles = of_type(transformed(EVERYTHING | COMPANY), "AWS::IAM::Role")
    assert len(roles) == 5
    assert {role["PermissionsBoundary"] for role in roles.values()} == {COMPANY["PermissionsBoundaryArn"]}


def test_in_a_vpc_every_function_is_in_its_subnets_and_may_connect_to_them() -> None:
    document = transformed(EVERYTHING | COMPANY)
    for function in of_type(document, "AWS::Lambda::Function").values():
        assert function["VpcConfig"] == {"SubnetIds": ["subnet-1a", "subnet-2b"], "SecurityGroupIds": ["sg-3c"]}
    (policy,) = of_type(document, "AWS::IAM::ManagedPolicy").values()
    (statement,) = policy["PolicyDocument"]["Statement"]
    assert {action.split(":")[0] for action in statement["Action"]} == {"ec2"}
    for role in of_type(document, "AWS::IAM::Role").values():
        assert role["ManagedPolicyArns"] == [{"Ref": "NetworkInterfacesPolicy"}]


def test_memory_and_concurrency_are_each_functions_own() -> None:
    functions = of_type(transformed(EVERYTHING | COMPANY), "AWS::Lambda::Function")
    given = {name: (one["MemorySize"], one.get("ReservedConcurrentExecutions")) for name, one in functions.items()}
    assert given["SegmentIngestFunction"] == ("512", "50")
    assert given["DeliveryReportsFunction"] == ("1024", "20")
    assert given["ConsoleFunction"] == (256, None)


def test_subnets_and_security_groups_come_together(deployed: dict[str, Any]) -> None:
    rules = list(deployed["Rules"].values())
    asked = {"Fn::Not": [{"Fn::Equals": [{"Ref": "VpcSubnetIds"}, ""]}]}
    needed = {"Fn::Not": [{"Fn::Equals": [{"Ref": "VpcSecurityGroupIds"}, ""]}]}
    assert [(rule["RuleCondition"], *(one["Assert"] for one in rule["Assertions"])) for rule in rules] == [
        (asked, needed),
        (needed, asked),
    ]


@pytest.mark.parametrize("parameter", ["Msg91BaseUrl", "SegmentTrackingUrl"])
@pytest.mark.parametrize(
    ("url", "is_taken"),
    [
        ("https://control.msg91.com", True),
        ("https://events.eu1.segmentapis.com", True),
        ("http://localhost:3102", True),
        ("http://127.0.0.1", True),
        ("http://host.docker.internal:3102", True),
        ("http://control.msg91.com", False),
        ("http://localhost.example.com", False),
        ("http://localhost@example.com", False),
        ("http://127x0.0.1", False),
        ("https://control.msg91.com/", False),
        ("https://user@example.com", False),
    ],
)
def test_nothing_goes_in_clear_text_but_on_this_machine(
    template: dict[str, Any], parameter: str, url: str, *, is_taken: bool
) -> None:
    assert bool(re.fullmatch(template["Parameters"][parameter]["AllowedPattern"], url)) == is_taken


@pytest.mark.parametrize(
    ("parameter", "value", "is_taken"),
    [
        *((name, value, True) for name, value in COMPANY.items() if not name.endswith("Memory")),
        *((name, "", True) for name in COMPANY if not name.endswith("Memory")),
        ("VpcSubnetIds", "subnet-1a, subnet-2b", False),
        ("VpcSecurityGroupIds", "subnet-1a", False),
        ("ReservedIngestConcurrency", "0", False),
        ("PermissionsBoundaryArn", "arn:aws:iam::123456789012:role/boundary", False),
        ("PermissionsBoundaryArn", "arn:aws:iam::aws:policy/PowerUserAccess", True),
        *(("DefaultRegion", value, True) for value in ("", "IN")),
        *(("DefaultRegion", value, False) for value in ("in", "91", "IND", "IN,AE")),
        *(("AllowedCountries", value, True) for value in ("", "IN", "IN,AE")),
        *(("AllowedCountries", value, False) for value in ("in", "IN, AE", "IN,", ",IN", "91")),
        *(("OnlyToNumbers", value, True) for value in ("", "919800000001", "+919800000001,919800000002")),
        *(("OnlyToNumbers", value, False) for value in ("12345", "919800000001,", "+91 98000 00001", "me")),
    ],
)
def test_a_value_of_the_wrong_form_is_refused(
    template: dict[str, Any], parameter: str, value: str, *, is_taken: bool
) -> None:
    assert bool(re.fullmatch(template["Parameters"][parameter]["AllowedPattern"], value)) == is_taken


ENVIRONMENTS = tomllib.loads((ROOT / "samconfig.toml").read_text())


@pytest.mark.parametrize("environment", ["default", "production"])
def test_the_default_deployment_suits_production(template: dict[str, Any], environment: str) -> None:
    overrides = ENVIRONMENTS[environment]["deploy"]["parameters"]["parameter_overrides"]
    given = dict(one.split("=", 1) for one in overrides)
    values = {name: str(one["Default"]) for name, one in template["Parameters"].items()} | given
    assert set(given) <= set(template["Parameters"])
    assert values["LogLevel"] == "INFO"
    assert values["RetentionDays"] == "400"
    assert int(values["LogRetentionDays"]) >= 30
    # A replay of old events is skipped by default; Segment's own retries of four hours are sent.
    assert values["MaxEventAgeHours"] == "72"
    assert template["Parameters"]["MaxEventAgeHours"]["Default"] == 0


@pytest.mark.parametrize("environment", ["default", "production"])
def test_a_stack_is_deployed_to_the_shells_region(environment: str) -> None:
    assert ENVIRONMENTS[environment]["global"]["parameters"] == {
        "stack_name": {"default": "segment-msg91", "production": "segment-msg91-production"}[environment]
    }
    assert "region" not in ENVIRONMENTS[environment]["deploy"]["parameters"]


def test_sam_local_asks_the_local_stacks_region() -> None:
    default = ENVIRONMENTS["default"]
    assert default["local_invoke"]["parameters"]["region"] == REGION
    assert default["local_start_api"]["parameters"]["region"] == REGION


@pytest.mark.parametrize("name", ["MessagesTable", "ReportsTable", "RecipientsTable"])
def test_tables_survive_and_can_be_restored(template: dict[str, Any], name: str) -> None:
    table = template["Resources"][name]
    assert table["DeletionPolicy"] == table["UpdateReplacePolicy"] == "Retain"
    properties = table["Properties"]
    assert properties["DeletionProtectionEnabled"]
    assert properties["BillingMode"] == "PAY_PER_REQUEST"
    assert properties["SSESpecification"]["SSEEnabled"]
    assert properties["PointInTimeRecoverySpecification"]["PointInTimeRecoveryEnabled"]
    assert properties["TimeToLiveSpecification"] == {"AttributeName": "expires_at", "Enabled": True}
    indexes = properties.get("GlobalSecondaryIndexes", [])
    assert {index["Projection"]["ProjectionType"] for index in indexes} <= {"KEYS_ONLY"}


class _Environment(dict[str, str]):
    """Remembers which variables were read."""

    def __init__(self, variables: dict[str, str]) -> None:
        super().__init__(variables)
        self.read: set[str] = set()

    def get(self, name: str, default: Any = None) -> Any:  # noqa: ANN401 - as in dict
        self.read.add(name)
        return super().get(name, default)


def test_each_function_gets_the_variables_that_its_settings_read() -> None:
    template = Template.load(parameters={"Console": "on", "DeliveryEvents": "on"})
    for function, settings in (
        ("SegmentIngestFunction", IngestSettings),
        ("DeliveryReportsFunction", ReportSettings),
        ("ReconciliationFunction", ReconciliationSettings),
        ("DeliveryEventsFunction", EventSettings),
        ("ConsoleFunction", ConsoleSettings),
    ):
        environment = _Environment(template.environment(function, "http://127.0.0.1"))
        settings.load(environment)
        others = {name for name in environment if not name.startswith("POWERTOOLS_")}
        assert others == {name for name in environment.read if not name.startswith("POWERTOOLS_")}
        assert environment.read <= set(environment)


def test_every_setting_of_a_customers_is_a_parameter_in_pascal_case(template: dict[str, Any]) -> None:
    settings = set(
        re.findall(
            r'"((?:ALLOWED|DEFAULT|GUARD|MSG91|MAX|ONLY|OPT|RECONCILE|REPORT|RESEND|RETENTION|SEGMENT)_[A-Z0-9_]+)"',
            SETTINGS,
        )
    )
    assert {"".join(word.capitalize() for word in name.split("_")) for name in settings} <= set(template["Parameters"])


def test_every_parameter_explains_itself_and_refuses_nonsense(template: dict[str, Any]) -> None:
    for name, parameter in template["Parameters"].items():
        assert parameter["Description"], name
        assert {"AllowedPattern", "AllowedValues", "MinValue"} & set(parameter), name


def test_the_console_and_all_that_is_its_own_are_there_only_when_it_is_on(template: dict[str, Any]) -> None:
    assert template["Parameters"]["Console"]["Default"] == "off"
    assert template["Conditions"]["HasConsole"] == {"Fn::Equals": [{"Ref": "Console"}, "on"]}
    own = [*template["Resources"].items(), *template["Outputs"].items()]
    assert {name for name, one in own if one.get("Condition") == "HasConsole"} == {
        name for name, _ in own if name.startswith("Console")
    }


def test_the_reconciliation_and_all_that_is_its_own_are_there_unless_it_never_runs(template: dict[str, Any]) -> None:
    own = [*template["Resources"].items(), *template["Outputs"].items()]
    assert {name for name, one in own if one.get("Condition") == "Reconciles"} == {
        "ReconciliationFunction",
        "ReconciliationRole",
        "ReconciliationLogGroup",
        "ReconciliationFailedAlarm",
        "WebhookSilentAlarm",
        "AcceptedAndDroppedAlarm",
    }
    never = transformed(EVERYTHING | {"ReconcileEveryMinutes": "0"})["Resources"]
    assert not {name for name in never if name.startswith("Reconciliation")}
    assert {name for name in transformed()["Resources"] if name.startswith("Reconciliation")} >= {
        "ReconciliationFunction",
        "ReconciliationFunctionSchedule",
    }


def test_the_guard_rails_and_all_that_is_their_own_are_there_only_when_they_are_on(template: dict[str, Any]) -> None:
    assert template["Parameters"]["GuardRails"]["Default"] == "off"
    own = [*template["Resources"].items(), *template["Outputs"].items()]
    assert {name for name, one in own if one.get("Condition") == "HasGuardRails"} == {
        "RecipientsTable",
        "RecipientsTableName",
        "CappedAlarm",
    }
    off = transformed(EVERYTHING | {"GuardRails": "off"})
    assert "Recipients" not in json.dumps([off["Resources"], off["Outputs"]])
    assert "guard_rails" not in json.dumps(of_type(off, "AWS::IAM::Role"))


@pytest.mark.parametrize(("on_blocked", "roles"), [("off", 1), ("on", 3)])
def test_a_function_reaches_the_table_of_the_numbers_only_if_it_uses_it(on_blocked: str, roles: int) -> None:
    document = transformed(EVERYTHING | {"OptOutOnBlocked": on_blocked})
    users = [role for role in of_type(document, "AWS::IAM::Role").values() if "RecipientsTable" in json.dumps(role)]
    assert len(users) == roles


@pytest.mark.parametrize(("above", "is_there"), [("0", False), ("10000", True)])
def test_the_volume_alarm_is_there_only_with_a_number(above: str, *, is_there: bool) -> None:
    alarms = of_type(transformed({"AlarmWhenSmsPerHourAbove": above}), "AWS::CloudWatch::Alarm")
    assert ("VolumeAlarm" in alarms) == is_there
    if is_there:
        assert (alarms["VolumeAlarm"]["Threshold"], alarms["VolumeAlarm"]["Period"]) == (above, 3600)


@pytest.mark.parametrize("minutes", [5, 30, 720])
def test_the_reconciliation_runs_by_one_rule_and_is_not_repeated(template: dict[str, Any], minutes: int) -> None:
    assert minutes in template["Parameters"]["ReconcileEveryMinutes"]["AllowedValues"]
    # `rate` has another form for one minute.
    assert 1 not in template["Parameters"]["ReconcileEveryMinutes"]["AllowedValues"]
    document = transformed({"ReconcileEveryMinutes": str(minutes)})
    (rule,) = of_type(document, "AWS::Events::Rule").values()
    assert rule["ScheduleExpression"] == {"Fn::Sub": "rate(${ReconcileEveryMinutes} minutes)"}
    assert [target["Arn"] for target in rule["Targets"]] == [{"Fn::GetAtt": ["ReconciliationFunction", "Arn"]}]
    (invocation,) = of_type(document, "AWS::Lambda::EventInvokeConfig").values()
    assert invocation["MaximumRetryAttempts"] == 0


def test_after_a_message_is_given_up_the_logs_can_be_read_for_four_more_runs(template: dict[str, Any]) -> None:
    hours, minutes = (
        template["Parameters"][name]["Default"] for name in ("ReportGivenUpHours", "ReconcileEveryMinutes")
    )
    # MSG91's logs have a send until the end of the second day after it.
    assert timedelta(hours=hours) + 4 * timedelta(minutes=minutes) <= timedelta(hours=48)


def test_a_run_of_the_reconciliation_ends_before_the_next_begins(template: dict[str, Any]) -> None:
    timeout = template["Resources"]["ReconciliationFunction"]["Properties"]["Timeout"]
    shortest = min(filter(None, template["Parameters"]["ReconcileEveryMinutes"]["AllowedValues"]))
    assert timeout <= timedelta(minutes=shortest).total_seconds()


def test_no_log_line_of_the_api_can_carry_the_report_token(template: dict[str, Any]) -> None:
    log_format = template["Resources"]["HttpApi"]["Properties"]["AccessLogSettings"]["Format"]
    assert "routeKey" in log_format
    assert not re.search(r"\$context\.(path|http|domain)|request\.(path|querystring)", log_format)


def test_the_secret_is_never_in_the_template(template: dict[str, Any]) -> None:
    secret = template["Resources"]["Secret"]["Properties"]
    assert "SecretString" not in secret
    assert json.loads(secret["GenerateSecretString"]["SecretStringTemplate"]) == {
        "msg91_authkey": "",
        "segment_shared_secret": "",
        "report_token": "",
    }
