"""If something is wrong with a stack, `make verify` fails and says what to do."""

import base64
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any, Final

import pytest
from werkzeug.wrappers import Request, Response

from sandbox.interception import PASS, Answer, Call, Execute, Refuse, Verdict
from sandbox.template import STACK_NAME, load_document
from scripts.verify import ingest, reports
from segment_msg91.segment.track_events import track_events
from tests.verify.conftest import OPERATOR, SECRET, Verify, World, signed


@dataclass(frozen=True, slots=True)
class Fault:
    """What is wrong, how to cause it, and which checks fail for it, with which words."""

    name: str
    put: Callable[[World], object]
    fails: Mapping[str, str]
    arguments: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class RefuseFunctions:
    """AWS refuses a call of the functions."""

    operation: str
    resource: str
    code: str

    def before(self, call: Call) -> Verdict:
        is_refused = (call.operation, call.resource) == (self.operation, self.resource) and call.caller != OPERATOR
        return Refuse(400, self.code) if is_refused else PASS

    def after(self, call: Call) -> None:
        """Do nothing."""


@dataclass(frozen=True, slots=True)
class RefuseOperator:
    """AWS refuses a call of `make verify`."""

    operation: str

    def before(self, call: Call) -> Verdict:
        is_refused = (call.caller, call.operation) == (OPERATOR, self.operation)
        return Refuse(400, "AccessDeniedException") if is_refused else PASS

    def after(self, call: Call) -> None:
        """Do nothing."""


class FindNothingAtOnce:
    """SQS answers a receive that does not wait without looking at all of its servers."""

    def before(self, call: Call) -> Verdict:
        is_short = call.operation == "ReceiveMessage" and not json.loads(call.body).get("WaitTimeSeconds")
        return Nothing() if call.caller == OPERATOR and is_short else PASS

    def after(self, call: Call) -> None:
        """Do nothing."""


class Nothing:
    """An empty answer."""

    def answer(self, call: Call, execute: Execute) -> Answer:  # noqa: ARG002  # the call is not executed
        return Answer(200, b"{}")


def adds_the_token(request: Request) -> None:
    if request.path == "/segment" and "Authorization" not in request.headers and "X-Signature" not in request.headers:
        request.environ["HTTP_AUTHORIZATION"] = f"Bearer {SECRET['segment_token']}"


def adds_the_token_to_what_is_signed(request: Request) -> None:
    if "X-Signature" in request.headers and request.get_data().startswith(b"["):
        request.environ["HTTP_AUTHORIZATION"] = f"Bearer {SECRET['segment_token']}"


def replaces_wrong_tokens(request: Request) -> None:
    if request.path == "/segment" and "Authorization" in request.headers:
        request.environ["HTTP_AUTHORIZATION"] = f"Bearer {SECRET['segment_token']}"


def signs_every_signed_request(request: Request) -> None:
    if "X-Signature" in request.headers and request.get_data().startswith(b"{"):
        request.environ["HTTP_X_SIGNATURE"] = signed(request.get_data())


def rewrites_json(request: Request) -> Response | None:
    """Change the signed bytes, as a proxy does that parses and rewrites bodies."""
    if request.path == "/segment" and "X-Signature" in request.headers:
        request.environ["HTTP_X_SIGNATURE"] = signed(request.get_data() + b" ")
    return None


def opens_reports(request: Request) -> None:
    if request.path.startswith("/msg91/reports"):
        request.environ["PATH_INFO"] = f"/msg91/reports/{SECRET['report_token']}"


def loses_what_is_unreadable(request: Request) -> Response | None:
    if request.mimetype == "text/plain":
        return Response('{"message": "Kept", "quarantined": 1}', 202, content_type="application/json")
    return None


def records_nothing(request: Request) -> Response | None:
    if b"no number" not in request.get_data():
        return None
    results = [{"status": "invalid", "crqid": "0" * 40}]
    return Response(json.dumps({"message": "Invalid", "results": results}), 400, content_type="application/json")


def answers_malformed_bodies_with_200(request: Request) -> Response | None:
    return Response("{}", 200) if request.get_data() == b'{"type": "track"' else None


def opens_the_console(request: Request) -> None:
    if request.path.startswith("/console"):
        credentials = base64.b64encode(f"anybody:{SECRET['console_token']}".encode()).decode()
        request.environ["HTTP_AUTHORIZATION"] = f"Basic {credentials}"


def opens_the_consoles_data(request: Request) -> None:
    if request.path.startswith("/console/"):
        opens_the_console(request)


def between(fault: Callable[[Request], Response | None]) -> Callable[[World], None]:
    """Put a fault between the caller and the API."""

    def put(world: World) -> None:
        world.proxy.fault = fault

    return put


def delete_alarm(world: World) -> None:
    world.cloudwatch.delete_alarms(AlarmNames=[f"{STACK_NAME}-QuarantineAlarm"])


def delete_composite_alarm(world: World) -> None:
    world.cloudwatch.delete_alarms(AlarmNames=[f"{STACK_NAME}-NoReportsAlarm"])


def silence_alarm(world: World) -> None:
    world.cloudwatch.disable_alarm_actions(AlarmNames=[f"{STACK_NAME}-HeldAlarm"])


def first_log_group(world: World) -> tuple[str, str]:
    """Logical and physical id."""
    groups = [
        (name, physical)
        for name, (kind, physical) in world.deployed.physical_ids().items()
        if kind.endswith("LogGroup")
    ]
    return groups[0]


def keep_logs_forever(world: World) -> None:
    world.logs.delete_retention_policy(logGroupName=first_log_group(world)[1])


def delete_log_group(world: World) -> None:
    world.logs.delete_log_group(logGroupName=first_log_group(world)[1])


def delete_quarantine(world: World) -> None:
    url = world.stack.aws.sqs.get_queue_url(QueueName="ReportsQuarantineQueue")["QueueUrl"]
    world.stack.aws.sqs.delete_queue(QueueUrl=url)


def filter_metrics(document: dict[str, Any]) -> None:
    document["Globals"]["Function"]["LoggingConfig"]["ApplicationLogLevel"] = "FATAL"


def without_output(name: str) -> Callable[[World], None]:
    return lambda world: world.deploy(lambda document: document["Outputs"].pop(name))


def without_alarms(document: dict[str, Any]) -> None:
    kept = {
        name: resource for name, resource in document["Resources"].items() if not resource["Type"].endswith("Alarm")
    }
    document["Resources"] = kept


def with_status(status: str) -> Callable[[World], None]:
    return lambda world: world.stack.aws.deployment.deploy(replace(world.deployed, status=status))


FAULTS: Final = (
    Fault(
        "the last deployment was rolled back",
        with_status("UPDATE_ROLLBACK_COMPLETE"),
        {"stack complete": "The last deployment failed: CloudFormation says UPDATE_ROLLBACK_COMPLETE"},
    ),
    Fault(
        "the stack was never created",
        with_status("ROLLBACK_IN_PROGRESS"),
        {"stack complete": "The last deployment failed: CloudFormation says ROLLBACK_IN_PROGRESS"},
    ),
    Fault(
        "a deployment has not ended",
        with_status("UPDATE_IN_PROGRESS"),
        {"stack complete": "Wait until the deploy has ended"},
    ),
    Fault(
        "a member of the secret is missing",
        lambda world: world.set_secret(segment_token=None),
        {"secret complete": "segment_token is missing or empty"},
    ),
    Fault(
        "a member of the secret is empty",
        lambda world: world.set_secret(msg91_authkey=" "),
        {"secret complete": "msg91_authkey is missing or empty"},
    ),
    Fault(
        "the write key is missing although delivery events are on",
        lambda world: world.set_secret(segment_write_key=None),
        {"secret complete": "segment_write_key is missing or empty"},
    ),
    Fault(
        "the console's token is missing",
        lambda world: world.set_secret(console_token=None),
        {"secret complete": "console_token is missing or empty"},
    ),
    Fault(
        "a token is too short",
        lambda world: world.set_secret(report_token=[SECRET["report_token"], "short"]),
        {"secret complete": "report_token is shorter than 24 characters"},
    ),
    Fault(
        "a rotation was never ended",
        lambda world: world.set_secret(segment_token=[SECRET["segment_token"], "b" * 24, "c" * 24]),
        {"secret complete": "segment_token lists 3 credentials; only the first 2 count"},
    ),
    Fault(
        "the secret is not JSON",
        lambda world: world.stack.aws.secrets.put_secret_value(SecretId="Secret", SecretString="{,}"),
        {"secret complete": "not a JSON object"},
    ),
    Fault(
        "the secret is binary",
        lambda world: world.stack.aws.secrets.put_secret_value(SecretId="Secret", SecretBinary=b"{}"),
        {"secret complete": "binary, which the functions do not read: store it with --secret-string"},
    ),
    Fault(
        "a token has a letter that a header can't carry",
        lambda world: world.set_secret(segment_token="é" * 24),
        {
            "secret complete": "segment_token has a space or a character that is not printable ASCII",
            "Segment: event with token skipped": "unexpected error (UnicodeEncodeError)",
            "Segment: malformed body named": "unexpected error (UnicodeEncodeError)",
        },
    ),
    Fault(
        "the authkey has a character that no one sees",
        lambda world: world.set_secret(msg91_authkey=f"{SECRET['msg91_authkey']}\u200bx"),
        {
            "secret complete": "msg91_authkey has a space or a character that is not printable ASCII",
            "authkey valid at MSG91": "unexpected error (UnicodeEncodeError)",
        },
    ),
    Fault(
        "the report_token has two lines",
        lambda world: world.set_secret(report_token=f"{'a' * 24}\n{'b' * 24}"),
        {
            "secret complete": "report_token has a space or a character that is not printable ASCII",
            "report stored": "unexpected error (InvalidURL)",
            "unreadable report quarantined": "unexpected error (InvalidURL)",
        },
    ),
    Fault(
        "a report_token has a slash",
        lambda world: world.set_secret(report_token=[SECRET["report_token"], "a/b" * 8]),
        {"secret complete": "report_token has one of / ? # %"},
    ),
    Fault(
        "Msg91BaseUrl is no address",
        lambda world: world.deploy(lambda _: None, Msg91BaseUrl="https://control.msg91.com:https"),
        {"authkey valid at MSG91": "Msg91BaseUrl is no valid address"},
    ),
    Fault(
        "the output SegmentUrl is missing",
        without_output("SegmentUrl"),
        {"outputs complete": "Missing: SegmentUrl."},
    ),
    Fault(
        "wrong tokens are accepted",
        between(replaces_wrong_tokens),
        {"Segment: wrong token refused": "was accepted"},
    ),
    Fault(
        "wrong signatures are accepted",
        between(signs_every_signed_request),
        {"Segment: wrong signature refused": "was accepted"},
    ),
    Fault(
        "unsigned batches are accepted",
        between(adds_the_token),
        {"Segment: unsigned batch refused": "send SMS at your expense"},
    ),
    Fault(
        "batches whose signature covers one event are accepted",
        between(adds_the_token_to_what_is_signed),
        {"Segment: half-signed batch refused": "covers its first event only was accepted"},
    ),
    Fault(
        "the functions have another shared secret",
        lambda world: world.set_secret(segment_shared_secret="another-shared-secret-of-the-tests"),
        {"Segment: signed event skipped": "segment_shared_secret is refused"},
    ),
    Fault(
        "something on the way changes the signed bytes",
        between(rewrites_json),
        {"Segment: signed event skipped": "something on the way changes the request"},
    ),
    Fault(
        "the functions have another segment_token",
        lambda world: world.set_secret(segment_token="another-segment-token-of-the-tests"),
        {
            "Segment: event with token skipped": "segment_token is refused",
            "Segment: malformed body named": "HTTP 401",
        },
    ),
    Fault(
        "malformed bodies are accepted",
        between(answers_malformed_bodies_with_200),
        {"Segment: malformed body named": "should be answered 400"},
    ),
    Fault(
        "the messages table refuses the function that sends",
        lambda world: setattr(
            world.stack.aws, "interceptor", RefuseFunctions("UpdateItem", "MessagesTable", "AccessDeniedException")
        ),
        {"Segment: invalid event recorded": "check its role and MessagesTable: no SMS is sent without that table"},
    ),
    Fault(
        "the function that sends has another table",
        between(records_nothing),
        {"Segment: invalid event recorded": "but it is not in MessagesTable"},
    ),
    Fault(
        "reports need no token",
        between(opens_reports),
        {"reports: wrong token refused": "could invent delivery reports"},
    ),
    Fault(
        "the functions have another report_token",
        lambda world: world.set_secret(report_token="another-report-token-of-the-tests"),
        {
            "report stored": "report_token is refused",
            "unreadable report quarantined": "report_token is refused",
        },
    ),
    Fault(
        "the reports table refuses writes",
        lambda world: setattr(
            world.stack.aws, "interceptor", RefuseFunctions("PutItem", "ReportsTable", "AccessDeniedException")
        ),
        {"report stored": "queued instead of stored"},
    ),
    Fault(
        "the messages table lacks its index",
        lambda world: setattr(
            world.stack.aws,
            "interceptor",
            RefuseFunctions("Query", "MessagesTable/index/by_request_id", "ValidationException"),
        ),
        {"report stored": "Check its role, ReportsTable, and MessagesTable with its index by_request_id"},
    ),
    Fault(
        "the quarantine queue is gone",
        delete_quarantine,
        {"unreadable report quarantined": "the quarantine queue does not take it"},
    ),
    Fault(
        "unreadable reports are lost",
        between(loses_what_is_unreadable),
        {"unreadable report taken out": "Such reports are lost"},
    ),
    Fault(
        "the operator may not delete reports",
        lambda world: setattr(world.stack.aws, "interceptor", RefuseOperator("DeleteItem")),
        {"report deleted": "DELETE=1, and enter the number 919800000099"},
    ),
    Fault(
        "the operator may not delete bodies",
        lambda world: setattr(world.stack.aws, "interceptor", RefuseOperator("DeleteMessage")),
        {"unreadable report taken out": "still be in ReportsQuarantineQueue. It begins with verify-"},
    ),
    Fault(
        "metrics are filtered by the log level",
        lambda world: world.deploy(filter_metrics),
        {
            "metric SmsSkipped arrives": "log level",
            "metric ReportStored arrives": "the alarms see nothing",
        },
    ),
    Fault("an alarm is deleted", delete_alarm, {"alarms": "Missing: QuarantineAlarm."}),
    Fault("a composite alarm is deleted", delete_composite_alarm, {"alarms": "Missing: NoReportsAlarm."}),
    Fault("an alarm notifies no one", silence_alarm, {"alarms": "do not notify the topic AlarmTopicArn: HeldAlarm"}),
    Fault("the stack has no alarms", lambda world: world.deploy(without_alarms), {"alarms": "has no alarms"}),
    Fault("a log group keeps its lines forever", keep_logs_forever, {"log groups": "forever"}),
    Fault("a log group is deleted", delete_log_group, {"log groups": "Missing: "}),
    Fault(
        "the console is open",
        between(opens_the_console),
        {"console locked": "page opens without a token"},
    ),
    Fault(
        "the console's data is open",
        between(opens_the_consoles_data),
        {"console locked": "list of messages opens without a token"},
    ),
    Fault(
        "the console's token is another one",
        lambda world: world.set_secret(console_token="another-console-token-of-the-tests"),
        {"console opens to its token": "console_token is refused"},
    ),
    Fault(
        "the console answers although it is off",
        lambda world: world.deploy(lambda _: None, Console="off"),
        {"console locked": "instead of 404", "console opens to its token": "instead of 404"},
    ),
    Fault(
        "MSG91 does not know the authkey",
        lambda world: world.set_secret(msg91_authkey="mistyped-authkey"),
        {"authkey valid at MSG91": "MSG91 does not know this authkey (code 201)"},
    ),
    Fault(
        "MSG91 refuses the address",
        lambda world: world.simulator.faults.add("418"),
        {"authkey valid at MSG91": "IP security"},
    ),
    Fault(
        "MSG91 refuses the address in other words",
        lambda world: world.simulator.faults.add("418-401"),
        {"authkey valid at MSG91": "Switch IP security off"},
    ),
    Fault(
        "the real SMS is refused by MSG91",
        lambda _: None,
        {"one real SMS": "not accepted but rejected: "},
        ("--to", "919800000022"),
    ),
    Fault(
        "the real SMS is held for the balance",
        lambda _: None,
        {"one real SMS": "#messages-are-held"},
        ("--to", "919800000021"),
    ),
    Fault(
        "the real SMS gets no report",
        lambda _: None,
        {"one real SMS": "in 3 s no report came"},
        ("--to", "919800000013"),
    ),
    Fault(
        "the real SMS fails at the operator",
        lambda _: None,
        {"one real SMS": "Compare the text with the approved template"},
        ("--to", "919800000002"),
    ),
)


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.name)
def test_it_fails_and_says_what_is_wrong_when(fault: Fault, world: World, verify: Verify) -> None:
    fault.put(world)

    verified = verify(*fault.arguments)

    assert verified.code == 1
    failing = {line[:36].strip() for line in verified.out.splitlines() if line[36:].startswith("FAILED")}
    assert failing == set(fault.fails), verified.out
    for check, words in fault.fails.items():
        row = verified.row(check)
        assert words in row
        assert " → " in row


def test_the_log_group_that_keeps_lines_forever_is_named(world: World, verify: Verify) -> None:
    keep_logs_forever(world)

    row = verify().row("log groups")

    assert first_log_group(world)[0] in row
    assert "put-retention-policy" in row


def test_what_needs_a_missing_credential_is_skipped_and_says_so(world: World, verify: Verify) -> None:
    world.set_secret(report_token=None)

    verified = verify()

    assert "skipped It needs report_token in the secret" in verified.row("report stored")
    assert "skipped It needs these checks to be ok first: report stored" in verified.row("report in the table")


def answers_for_the_api(path: str, status: int, words: str) -> Callable[[Request], Response | None]:
    """Answer as API Gateway does itself, and other requests not at all."""
    answer = json.dumps({"message": words})
    return lambda request: (
        Response(answer, status, content_type="application/json") if request.path.startswith(path) else None
    )


@pytest.mark.parametrize(
    ("status", "said", "words"),
    [
        (404, "Not Found", "sam deploy from this checkout"),
        (429, "Too Many Requests", "RequestsPerSecond (now "),
        (503, "Service Unavailable", "aws lambda get-function-concurrency --function-name"),
    ],
)
def test_what_api_gateway_answers_itself_is_not_blamed_on_the_function(
    world: World, verify: Verify, status: int, said: str, words: str
) -> None:
    world.proxy.fault = answers_for_the_api("/", status, said)

    verified = verify()

    for check, function in (
        ("Segment: wrong token refused", "SegmentIngestFunction"),
        ("Segment: signed event skipped", "SegmentIngestFunction"),
        ("reports: wrong token refused", "DeliveryReportsFunction"),
        ("report stored", "DeliveryReportsFunction"),
        ("unreadable report quarantined", "DeliveryReportsFunction"),
    ):
        row = verified.row(check)
        assert f"FAILED API Gateway has not started {function}: " in row
        assert f"({status})" in row
        assert words in row
        assert "Look at the log" not in row


def test_a_report_token_that_no_path_carries_is_named(world: World, verify: Verify) -> None:
    world.set_secret(report_token="a/b" * 8)

    assert "the token has a / or another character that a URL path cannot carry" in verify().row("report stored")


def test_what_the_functions_answer_with_the_same_statuses_is_blamed_on_them(world: World, verify: Verify) -> None:
    world.proxy.fault = answers_for_the_api("/segment", 503, "The secret can't be read now")

    assert "Look at the log of SegmentIngestFunction" in verify().row("Segment: signed event skipped")


def test_a_route_names_what_the_template_has() -> None:
    document = load_document()
    for route in (ingest.ROUTE, reports.ROUTE):
        assert document["Resources"][route.function]["Type"] == "AWS::Serverless::Function"
        assert set(route.throttle) <= set(document["Parameters"])


def test_a_body_is_found_although_sqs_looks_at_some_of_its_servers_first(world: World, verify: Verify) -> None:
    world.stack.aws.interceptor = FindNothingAtOnce()

    assert " ok " in verify().row("unreadable report taken out")


@pytest.mark.parametrize(
    ("output", "check"),
    [
        ("MessagesTableName", "Segment: invalid event recorded"),
        ("ReportsTableName", "report deleted"),
        ("ReportsQuarantineQueueUrl", "unreadable report taken out"),
    ],
)
def test_what_is_left_for_want_of_an_output_is_named(world: World, verify: Verify, output: str, check: str) -> None:
    without_output(output)(world)

    row = verify().row(check)

    assert f"skipped It needs the output {output}, which is missing. → " in row
    assert "of this run may still be in " in row


def test_a_message_that_the_operator_may_not_delete_is_a_warning(world: World, verify: Verify) -> None:
    world.stack.aws.interceptor = RefuseOperator("DeleteItem")

    row = verify().row("Segment: invalid event recorded")

    (message,) = world.stack.aws.items("MessagesTable")
    assert "warning" in row
    assert (
        f"""aws dynamodb delete-item --table-name MessagesTable --key '{{"crqid": {{"S": "{message["crqid"]}"}}}}'"""
        in row
    )


def test_its_message_causes_no_sms_and_no_delivery_event(world: World, verify: Verify) -> None:
    world.stack.aws.interceptor = RefuseOperator("DeleteItem")

    verify()

    (message,) = world.stack.aws.items("MessagesTable")
    assert message["send_state"] == "invalid"
    assert track_events({}, {**message, "user_id": "user-1"}, datetime.now(UTC)) == []
    assert track_events({}, {**message, "user_id": "user-1", "send_state": "rejected"}, datetime.now(UTC)) != []
    assert world.simulator.ledger.entries() == []


def test_an_unexpected_error_fails_its_check_only_and_is_not_quoted(
    verify: Verify, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise RuntimeError("what only the secret holds")

    monkeypatch.setattr(reports, "_keys", fail)

    verified = verify()

    assert verified.code == 1
    assert "FAILED The check ended with an unexpected error (RuntimeError)." in verified.row("report in the table")
    assert " ok " in verified.row("unreadable report taken out")
    assert "what only the secret holds" not in verified.out + verified.err


def test_an_api_that_does_not_answer_fails_each_check_of_it(world: World, verify: Verify) -> None:
    world.stack.aws.deployment.deploy(replace(world.deployed, api_url="http://127.0.0.1:9"))

    verified = verify()

    assert verified.code == 1
    assert "does not answer (ConnectError)" in verified.row("Segment: wrong token refused")
    assert " ok " in verified.row("alarms")


@pytest.mark.parametrize("answer", ["403", "500", "106", "html", "empty"])
def test_an_unclear_answer_about_the_authkey_is_a_warning(world: World, verify: Verify, answer: str) -> None:
    world.simulator.faults.add(answer)

    verified = verify()

    assert verified.code == 0
    assert "warning" in verified.row("authkey valid at MSG91")
    assert "TO=<your number>" in verified.row("authkey valid at MSG91")
