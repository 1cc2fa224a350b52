import json

import pytest

from sandbox.template import PATH, Function, ParameterError, QueueTrigger, Route, ScheduleTrigger, Template

ENVIRONMENT_FOR_SAM_LOCAL = PATH.parent / "sandbox" / "sam-local-env.json"
AWS_IN_A_CONTAINER = "http://host.docker.internal:3101"


@pytest.fixture(scope="module")
def template() -> Template:
    return Template.load(parameters={"DeliveryEvents": "on"})


def test_routes_come_with_their_functions(template: Template) -> None:
    assert template.routes() == [
        Route("POST", "/segment", "SegmentIngestFunction"),
        Route("POST", "/msg91/reports", "DeliveryReportsFunction"),
        Route("POST", "/msg91/reports/{token}", "DeliveryReportsFunction"),
    ]


def test_what_a_condition_leaves_out_is_not_there(template: Template) -> None:
    with_console = Template.load(parameters={"Console": "on"})

    assert {function.name for function in with_console.functions()} - {f.name for f in template.functions()} == {
        "ConsoleFunction"
    }
    assert [route.path for route in with_console.routes() if route.method == "GET"] == [
        "/console",
        "/console/overview",
        "/console/messages",
        "/console/messages/{crqid}",
        "/console/messages/{crqid}/phone",
        "/console/breakdown",
        "/console/export",
    ]


def test_a_condition_may_be_the_opposite_of_one() -> None:
    document = {
        "Parameters": {"Topic": {"Default": ""}},
        "Conditions": {"HasTopic": {"Fn::Not": [{"Fn::Equals": [{"Ref": "Topic"}, ""]}]}},
        "Resources": {"Queue": {"Type": "AWS::SQS::Queue", "Condition": "HasTopic", "Properties": {}}},
    }
    assert Template(document).queues() == []
    assert [queue.name for queue in Template(document, {"Topic": "arn"}).queues()] == ["Queue"]


def test_a_condition_of_another_form_is_not_guessed() -> None:
    with pytest.raises(ValueError, match="Fn::Or"):
        Template({"Conditions": {"Either": {"Fn::Or": []}}, "Resources": {}})


@pytest.mark.parametrize(("first", "second", "holds"), [("on", "on", True), ("on", "off", False), ("off", "on", False)])
def test_a_condition_may_need_another_one(first: str, second: str, *, holds: bool) -> None:
    is_on = {name: {"Fn::Equals": [{"Ref": name}, "on"]} for name in ("First", "Second")}
    both = {"Fn::And": [{"Condition": "IsFirst"}, is_on["Second"]]}
    document = {
        "Parameters": {"First": {"Default": first}, "Second": {"Default": second}},
        "Conditions": {"IsFirst": is_on["First"], "AreBoth": both},
        "Resources": {},
    }
    assert Template(document).conditions["AreBoth"] == holds


def test_a_function_has_the_globals_and_a_module_to_import(template: Template) -> None:
    assert template.functions()[0] == Function(
        "SegmentIngestFunction", "functions.segment_ingest.app", "lambda_handler", timeout=29, memory=256
    )


def test_the_redrive_queue_triggers_its_function(template: Template) -> None:
    assert template.queue_triggers() == [
        QueueTrigger("ReportsRedriveQueue", "DeliveryReportsFunction", batch_size=1, reports_item_failures=True)
    ]


def test_the_tables_stream_triggers_its_function_for_what_fits_the_patterns(template: Template) -> None:
    (trigger,) = template.stream_triggers()

    assert (trigger.table, trigger.function) == ("MessagesTable", "DeliveryEventsFunction")
    assert (trigger.maximum_retry_attempts, trigger.maximum_record_age) == (-1, 22 * 3600)
    assert trigger.on_failure == "DeliveryEventsDeadLetterQueue"
    assert {"dynamodb"} == {key for pattern in trigger.patterns for key in pattern}


SCHEDULED = {
    "Parameters": {"Every": {"Default": 30}},
    "Conditions": {"Runs": {"Fn::Not": [{"Fn::Equals": [{"Ref": "Every"}, 0]}]}},
    "Resources": {
        "Function": {
            "Type": "AWS::Serverless::Function",
            "Condition": "Runs",
            "Properties": {
                "Events": {
                    "Rule": {"Type": "Schedule", "Properties": {"Schedule": {"Fn::Sub": "rate(${Every} minutes)"}}}
                }
            },
        }
    },
}


def test_a_schedule_triggers_its_function_at_the_rate_of_a_parameter() -> None:
    assert Template(SCHEDULED).schedule_triggers() == [ScheduleTrigger("Function", seconds=1800)]
    assert Template(SCHEDULED, {"Every": "5"}).schedule_triggers() == [ScheduleTrigger("Function", seconds=300)]


def test_a_schedule_whose_condition_is_false_triggers_nothing() -> None:
    assert Template(SCHEDULED, {"Every": "0"}).schedule_triggers() == []


@pytest.mark.parametrize(
    ("schedule", "seconds"), [("rate(1 minute)", 60), ("rate(2 hours)", 7200), ("rate(1 day)", 86400)]
)
def test_a_rate_is_in_minutes_hours_or_days(schedule: str, seconds: int) -> None:
    assert Template(_scheduled(schedule)).schedule_triggers() == [ScheduleTrigger("Function", seconds)]


@pytest.mark.parametrize("schedule", ["cron(0 10 * * ? *)", "rate(0 minutes)", "rate(5 weeks)"])
def test_another_schedule_is_not_guessed(schedule: str) -> None:
    with pytest.raises(ValueError, match="schedule"):
        Template(_scheduled(schedule)).schedule_triggers()


def _scheduled(schedule: str) -> dict[str, object]:
    events = {"Rule": {"Type": "Schedule", "Properties": {"Schedule": schedule}}}
    return {"Resources": {"Function": {"Type": "AWS::Serverless::Function", "Properties": {"Events": events}}}}


def test_a_table_has_its_stream(template: Template) -> None:
    messages, reports = template.tables()

    assert messages.definition["StreamSpecification"] == {
        "StreamEnabled": True,
        "StreamViewType": "NEW_AND_OLD_IMAGES",
    }
    assert "StreamSpecification" not in reports.definition


def test_what_its_condition_does_not_ask_for_is_not_there() -> None:
    template = Template.load(parameters={"ReconcileEveryMinutes": "0"})

    assert [function.name for function in template.functions()] == ["SegmentIngestFunction", "DeliveryReportsFunction"]
    assert "DeliveryEventsDeadLetterQueue" not in {queue.name for queue in template.queues()}
    assert template.stream_triggers() == []
    assert all("StreamSpecification" not in table.definition for table in template.tables())


def test_a_dead_letter_queue_comes_first_and_is_named_by_its_local_arn(template: Template) -> None:
    quarantine, redrive = (queue for queue in template.queues() if queue.name.startswith("Reports"))

    policy = json.loads(redrive.attributes["RedrivePolicy"])
    assert policy["deadLetterTargetArn"] == f"arn:aws:sqs:ap-south-1:123456789012:{quarantine.name}"
    assert redrive.attributes["VisibilityTimeout"] == "180"


def test_a_table_is_what_create_table_takes(template: Template) -> None:
    messages, _ = template.tables()

    assert messages.definition["TableName"] == "MessagesTable"
    assert messages.definition["KeySchema"] == [{"AttributeName": "crqid", "KeyType": "HASH"}]
    assert [index["IndexName"] for index in messages.definition["GlobalSecondaryIndexes"]] == [
        "by_request_id",
        "by_phone",
        "awaiting_report",
        "by_message_id",
        "by_user_id",
        "by_day",
    ]
    assert messages.time_to_live == {"AttributeName": "expires_at", "Enabled": True}


def test_variables_are_filled_in_with_parameters_and_local_resources(template: Template) -> None:
    variables = template.environment("DeliveryReportsFunction", "http://aws")

    assert variables["MESSAGES_TABLE"] == "MessagesTable"
    assert variables["REPORTS_REDRIVE_QUEUE_URL"] == "http://aws/123456789012/ReportsRedriveQueue"
    assert variables["MSG91_UTC_OFFSET"] == "+05:30"
    assert "DEFAULT_ROUTE" not in variables


def test_a_parameter_can_be_given() -> None:
    template = Template.load(parameters={"DefaultSenderId": "MSGIND"})

    assert template.environment("SegmentIngestFunction", "")["DEFAULT_SENDER_ID"] == "MSGIND"


def test_a_parameter_that_does_not_exist_is_refused() -> None:
    with pytest.raises(ParameterError, match=r"DefaultSender$"):
        Template.load(parameters={"DefaultSender": "MSGIND"})


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("GuardRails", "yes", "GuardRails: one of off, on"),
        ("DefaultRegion", "India", "DefaultRegion: .*two letters"),
        ("MaxSmsPerNumberPerHour", "abc", "MaxSmsPerNumberPerHour: a number of 0"),
        ("ReconcileEveryMinutes", "100000", "ReconcileEveryMinutes: "),
    ],
)
def test_a_value_that_cloudformation_refuses_is_refused_in_the_templates_words(
    name: str, value: str, words: str
) -> None:
    with pytest.raises(ParameterError, match=words):
        Template.load(parameters={name: value})


def test_a_variable_without_a_value_is_left_out() -> None:
    variables = {"A": {"Ref": "AWS::NoValue"}, "B": "b"}
    function = {"Type": "AWS::Serverless::Function", "Properties": {"Environment": {"Variables": variables}}}

    assert Template({"Resources": {"Function": function}}).environment("Function", "") == {"B": "b"}


def test_sam_local_gets_every_variable_that_leads_to_the_sandbox() -> None:
    given = json.loads(ENVIRONMENT_FOR_SAM_LOCAL.read_text(encoding="utf-8"))
    template = Template.load(parameters={"Console": "on", "GuardRails": "on"})

    for function in template.functions():
        local = template.environment(function.name, AWS_IN_A_CONTAINER)
        places = {
            "SECRET_ID",
            "MSG91_BASE_URL",
            "SEGMENT_TRACKING_URL",
            *(name for name in local if name.endswith(("_TABLE", "_QUEUE_URL"))),
        }
        expected = {name: local[name] for name in places if name in local} | {"AWS_ENDPOINT_URL": AWS_IN_A_CONTAINER}
        if "MSG91_BASE_URL" in expected:
            expected["MSG91_BASE_URL"] = "http://host.docker.internal:3102"
        if "SEGMENT_TRACKING_URL" in expected:
            expected["SEGMENT_TRACKING_URL"] = "http://host.docker.internal:3103"
        assert given[function.name] == expected


def test_sam_local_is_given_declared_variables_only_because_it_ignores_others() -> None:
    declared = PATH.read_text(encoding="utf-8")
    given = json.loads(ENVIRONMENT_FOR_SAM_LOCAL.read_text(encoding="utf-8"))

    names = {name for variables in given.values() for name in variables}
    assert {name for name in names if f" {name}: " not in declared} == set()
