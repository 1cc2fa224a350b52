"""`make verify` against the local stack without faults: it passes, prints no secret, and leaves nothing behind."""

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from datetime import datetime, timedelta, tzinfo
from functools import partial
from pathlib import Path
from threading import current_thread, main_thread
from typing import Any, Final

import pytest
from botocore.client import BaseClient
from werkzeug.wrappers import Request, Response

from sandbox.template import PATH, STACK_NAME, load_document
from scripts.verify import __main__ as program
from scripts.verify import messages, monitoring, reports, target
from scripts.verify.__main__ import CHECKS, Check, main
from scripts.verify.deployment import MEMBERS, OPTIONAL_MEMBERS, OPTIONAL_OUTPUTS, OUTPUTS, TOKENS
from scripts.verify.results import NAME_WIDTH, Result, Table, failed
from scripts.verify.target import Target
from segment_msg91.settings import Secrets
from tests.verify.conftest import SECRET, TOPIC, Verify, World

OPERATIONS: Final = (PATH.parent / "docs/operations.md").read_text()
SECTION: Final = OPERATIONS.split("\n## Verify a deployment\n")[-1].split("\n## ")[0]
NUMBER: Final = "919800000001"


def test_a_stack_without_faults_passes(verify: Verify) -> None:
    verified = verify()

    assert verified.code == 0
    assert f"{len(CHECKS) - 1} ok, 1 skipped." in verified.out
    assert "TO=<your number>" in verified.row("one real SMS")


def test_it_leaves_nothing_in_tables_and_queues(world: World, verify: Verify) -> None:
    assert verify().code == 0

    aws = world.stack.aws
    assert aws.items("MessagesTable") == aws.items("ReportsTable") == []
    for queue in ("ReportsQuarantineQueue", "ReportsRedriveQueue"):
        url = aws.sqs.get_queue_url(QueueName=queue)["QueueUrl"]
        assert "Messages" not in aws.sqs.receive_message(QueueUrl=url)


def test_other_bodies_in_the_quarantine_stay_and_are_visible(world: World, verify: Verify) -> None:
    url = world.stack.aws.sqs.get_queue_url(QueueName="ReportsQuarantineQueue")["QueueUrl"]
    bodies = {f"not a report {number}" for number in range(15)}
    for body in bodies:
        world.stack.aws.sqs.send_message(QueueUrl=url, MessageBody=body)

    assert verify().code == 0

    left = [
        message["Body"]
        for _ in range(2)
        for message in world.stack.aws.sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10)["Messages"]
    ]
    assert sorted(left) == sorted(bodies)


def test_more_bodies_than_it_looks_at_are_a_warning(
    world: World, verify: Verify, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reports, "_MAX_OTHERS", 10)
    url = world.stack.aws.sqs.get_queue_url(QueueName="ReportsQuarantineQueue")["QueueUrl"]
    for number in range(25):
        world.stack.aws.sqs.send_message(QueueUrl=url, MessageBody=f"not a report {number}")

    verified = verify()

    assert verified.code == 0
    row = verified.row("unreadable report taken out")
    assert "warning ReportsQuarantineQueue has more than 10 other bodies." in row
    assert "It begins with verify-" in row


def test_a_run_that_is_stopped_cleans_up(world: World, verify: Verify, monkeypatch: pytest.MonkeyPatch) -> None:
    search = reports._keys  # noqa: SLF001

    def stop_once(target: Target, marker: str) -> Iterator[dict[str, Any]]:
        monkeypatch.setattr(reports, "_keys", search)
        assert len(list(search(target, marker))) == 1
        raise KeyboardInterrupt

    monkeypatch.setattr(reports, "_keys", stop_once)

    verified = verify()

    assert verified.code == 1
    assert "report stored" in verified.out
    assert "report deleted" not in verified.out
    assert verified.out.endswith("\nStopped.\n")
    assert world.stack.aws.items("ReportsTable") == []


def test_a_run_that_is_stopped_deletes_its_message(
    world: World, verify: Verify, monkeypatch: pytest.MonkeyPatch
) -> None:
    delete = messages._delete  # noqa: SLF001

    def stop_once(*_: object) -> bool:
        monkeypatch.setattr(messages, "_delete", delete)
        assert len(world.stack.aws.items("MessagesTable")) == 1
        raise KeyboardInterrupt

    monkeypatch.setattr(messages, "_delete", stop_once)

    verified = verify()

    assert verified.out.endswith("\nStopped.\n")
    assert world.stack.aws.items("MessagesTable") == []


@pytest.mark.parametrize("output", ["ReportsTableName", "ReportsQuarantineQueueUrl"])
def test_a_run_that_is_stopped_and_cannot_clean_up_says_what_is_left(
    world: World, verify: Verify, monkeypatch: pytest.MonkeyPatch, output: str
) -> None:
    def stop(_: Target) -> Result:
        raise KeyboardInterrupt

    position = [check.name for check in CHECKS].index("unreadable report quarantined")
    checks = (*CHECKS[:position], Check("stopped", stop))
    monkeypatch.setattr(program, "CHECKS", [check for check in checks if check.name != "report deleted"])
    world.deploy(lambda document: document["Outputs"].pop(output))

    verified = verify()

    assert verified.code == 1
    left = verified.out.split("\nStopped. ")[1]
    assert ("still be in ReportsTable" in left) == (output == "ReportsTableName")
    assert ("still be in ReportsQuarantineQueue" in left) == (output == "ReportsQuarantineQueueUrl")
    assert len(world.stack.aws.items("ReportsTable")) == (output == "ReportsTableName")


def test_a_console_that_is_off_must_answer_404(world: World, verify: Verify) -> None:
    def answer_404(request: Request) -> None:
        if request.path.startswith("/console"):
            request.environ["PATH_INFO"] = "/nowhere"

    world.deploy(lambda _: None, Console="off")
    world.proxy.fault = answer_404
    world.set_secret(console_token=None)

    verified = verify()

    assert verified.code == 0
    assert "is off, and its address is answered 404" in verified.row("console locked")


def test_alarms_without_a_topic_are_a_warning(world: World, verify: Verify) -> None:
    world.deploy(lambda _: None, AlarmTopicArn="")

    verified = verify()

    assert verified.code == 0
    assert "warning" in verified.row("alarms")
    assert "notify no one" in verified.row("alarms")


@pytest.mark.parametrize(("topic", "words"), [(TOPIC, "HeldAlarm. →"), ("", "HeldAlarm. No one is notified")])
def test_alarms_that_are_on_are_named_as_a_warning(world: World, verify: Verify, topic: str, words: str) -> None:
    world.deploy(lambda _: None, AlarmTopicArn=topic)
    world.cloudwatch.describe_alarms()  # creates them
    set_state = partial(world.cloudwatch.set_alarm_state, StateReason="a test")
    set_state(AlarmName=f"{STACK_NAME}-HeldAlarm", StateValue="ALARM")
    set_state(AlarmName=f"{STACK_NAME}-AcceptedAlarm", StateValue="ALARM")  # a part of a composite alarm
    set_state(AlarmName=f"{STACK_NAME}-UnknownAlarm", StateValue="INSUFFICIENT_DATA")

    verified = verify()

    assert verified.code == 0
    assert f"alarms exist. In alarm now: {words}" in verified.row("alarms")


@pytest.mark.parametrize("level", ["DEBUG", "ERROR"])
def test_metrics_arrive_at_every_log_level(world: World, verify: Verify, level: str) -> None:
    world.deploy(lambda _: None, LogLevel=level)

    assert " ok " in verify().row("metric SmsSkipped arrives")


def tells_no_time(request: Request) -> Response | None:
    return Response("{}", 404, {"Date": "later"}) if (request.method, request.path) == ("GET", "/segment") else None


class ClockOf:
    """Stands for the class `datetime` on a machine whose clock is not right."""

    def __init__(self, ahead: timedelta) -> None:
        self._ahead = ahead

    def now(self, zone: tzinfo) -> datetime:
        return datetime.now(zone) + self._ahead


@pytest.mark.parametrize(
    ("minutes", "words"),
    [(4, "clock is about 4 min ahead of the API's"), (-4, "clock is about 4 min behind the API's")],
)
def test_metrics_are_found_although_the_machines_clock_is_wrong(
    verify: Verify, monkeypatch: pytest.MonkeyPatch, minutes: int, words: str
) -> None:
    for module in (monitoring, target):
        monkeypatch.setattr(module, "datetime", ClockOf(timedelta(minutes=minutes)))

    row = verify().row("metric SmsSkipped arrives")

    assert " ok " in row
    assert words in row


def test_the_machines_clock_counts_if_the_api_does_not_tell_its_time(world: World, verify: Verify) -> None:
    world.proxy.fault = tells_no_time

    row = verify().row("metric SmsSkipped arrives")

    assert " ok " in row
    assert "clock" not in row


def test_a_key_with_ip_security_is_a_warning_when_the_functions_have_a_vpc(world: World, verify: Verify) -> None:
    world.deploy(lambda _: None, VpcSubnetIds="subnet-1", VpcSecurityGroupIds="sg-1")
    world.simulator.faults.add("418")

    verified = verify()

    assert verified.code == 0
    assert "warning" in verified.row("authkey valid at MSG91")
    assert "NAT gateway" in verified.row("authkey valid at MSG91")


def test_a_shared_secret_may_have_any_character(world: World, verify: Verify) -> None:
    world.set_secret(segment_shared_secret=[SECRET["segment_shared_secret"], "zwei Wörter"])

    assert " ok " in verify().row("secret complete")


def test_a_valid_key_is_a_warning_when_the_functions_have_a_vpc(world: World, verify: Verify) -> None:
    world.deploy(lambda _: None, VpcSubnetIds="subnet-1", VpcSecurityGroupIds="sg-1")

    verified = verify()

    assert verified.code == 0
    row = verified.row("authkey valid at MSG91")
    assert "warning MSG91 says that the secret's authkey is valid. It was asked from this machine" in row
    assert "TO=<your number>" in row
    assert " ok " in verify("--to", NUMBER).row("authkey valid at MSG91")


@pytest.mark.parametrize("number", ["919800000001", "919800000012"])
def test_a_real_sms_is_followed_to_its_report(world: World, verify: Verify, number: str) -> None:
    verified = verify("--to", f"+{number}", "--text", "Hello", "--sender", "MSGXYZ", timeout="10")

    assert verified.code == 0
    assert "accepted" in verified.row("one real SMS")
    assert "delivered" in verified.row("one real SMS")
    (sent,) = world.simulator.ledger.entries()
    assert (sent.sms.number, sent.sms.text, sent.sms.sender) == (number, "Hello", "MSGXYZ")


def test_no_credential_and_no_number_is_printed_or_put_into_a_url(world: World, verify: Verify) -> None:
    verified = verify("--to", NUMBER)

    output = verified.out + verified.err
    assert "91••••••••01" in output
    assert [value for value in (*SECRET.values(), NUMBER) if value in output] == []
    others = [value for name, value in SECRET.items() if name != "report_token"]
    assert [value for value in others if value in "".join(world.proxy.seen)] == []
    assert "?" in world.proxy.seen[0]
    assert not any(seen.split("?", 1)[1] for seen in world.proxy.seen)


def test_outputs_and_members_are_those_of_the_template_and_the_code() -> None:
    document = load_document()
    outputs = document["Outputs"]
    assert set(OUTPUTS) == {name for name, output in outputs.items() if "Condition" not in output}
    assert set(OPTIONAL_OUTPUTS) == set(outputs) - set(OUTPUTS)
    assert {*MEMBERS, *OPTIONAL_MEMBERS} == set(SECRET)
    parsed = Secrets.parse(SECRET)
    assert [name for name in Secrets.__slots__ if not getattr(parsed, name)] == ["refused"]
    too_short = Secrets.parse(dict.fromkeys(SECRET, "short"))
    assert {refused.split(":")[0] for refused in too_short.refused} == set(TOKENS)


def test_a_command_is_not_broken_at_its_hyphens(capsys: pytest.CaptureFixture[str]) -> None:
    command = "aws lambda get-function-concurrency --function-name a-function"
    Table([]).row("a check", failed("It failed.", " ".join([command] * 20)))

    printed = capsys.readouterr().out
    assert len(printed.splitlines()) > 10
    assert [line for line in printed.splitlines() if line.endswith("-")] == []


def test_names_of_checks_fit_their_column_and_needs_name_earlier_checks() -> None:
    names = [check.name for check in CHECKS]
    assert len(set(names)) == len(names)
    assert max(map(len, names)) < NAME_WIDTH
    for position, check in enumerate(CHECKS):
        assert set(check.needs) <= set(names[:position])


def test_the_documented_permissions_are_those_of_the_calls(
    world: World, verify: Verify, monkeypatch: pytest.MonkeyPatch
) -> None:
    called: set[str] = set()
    call = BaseClient._make_api_call  # type: ignore[attr-defined]  # noqa: SLF001 - botocore's own

    def record(client: Any, operation: str, arguments: Any) -> Any:  # noqa: ANN401 - botocore's
        if current_thread() is main_thread():  # in other threads, the stack makes its own calls
            called.add(f"{client.meta.service_model.service_name}:{operation}")
        return call(client, operation, arguments)

    monkeypatch.setattr(BaseClient, "_make_api_call", record)
    url = world.stack.aws.sqs.get_queue_url(QueueName="ReportsQuarantineQueue")["QueueUrl"]
    world.stack.aws.sqs.send_message(QueueUrl=url, MessageBody="another body, which is made visible again")
    called.clear()

    verify("--to", NUMBER)

    assert called >= {"sqs:ReceiveMessage", "dynamodb:GetItem"}
    documented = set(re.findall(r"`([a-z]+:[A-Z]\w+)`", SECTION))
    assert called == documented - {"kms:Decrypt"}  # needed only if the secret has the customer's own key


def run(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "scripts.verify", *arguments]
    paths = {"PYTHONPATH": os.pathsep.join([str(PATH.parent / "layers/shared"), str(PATH.parent)])}
    return subprocess.run(  # noqa: S603 - our own command
        command, cwd=PATH.parent, env=paths | environment, capture_output=True, text=True, check=False, timeout=60
    )


def test_a_stack_that_does_not_exist_is_a_usage_error(verify: Verify) -> None:
    verified = verify(stack="segment-msg19")

    assert (verified.code, verified.out) == (2, "")
    assert "no stack segment-msg19 in ap-south-1" in verified.err
    assert "STACK=" in verified.err


@pytest.mark.parametrize(
    ("arguments", "words"), [([], "STACK=segment-msg91"), (["--stack", STACK_NAME, "--to", "my phone"], "TO=")]
)
def test_invalid_arguments_are_a_usage_error(
    arguments: list[str], words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(arguments) == 2
    assert words in capsys.readouterr().err


def test_missing_credentials_are_a_usage_error(tmp_path: Path) -> None:
    ended = run(
        *("--stack", STACK_NAME), HOME=str(tmp_path), AWS_DEFAULT_REGION="ap-south-1", AWS_EC2_METADATA_DISABLED="true"
    )

    assert (ended.returncode, ended.stdout) == (2, "")
    assert "Unable to locate credentials" in ended.stderr
    assert "aws configure" in ended.stderr


def test_the_makefile_runs_it_against_a_local_stack(world: World) -> None:
    environment = {"PATH": os.environ["PATH"], "AWS_ACCESS_KEY_ID": "operator", "AWS_SECRET_ACCESS_KEY": "sandbox"}
    command = ["make", "verify", f"STACK={STACK_NAME}", "TIMEOUT=20"]
    ended = subprocess.run(  # noqa: S603 - our own command
        command,
        cwd=PATH.parent,
        env=environment | {"AWS_DEFAULT_REGION": "ap-south-1", "AWS_ENDPOINT_URL": world.stack.aws.url},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )

    assert ended.returncode == 0, ended.stdout + ended.stderr
    assert "1 skipped" in ended.stdout
