"""scripts/optout.py changes opt-outs, one number typed or many in a file, and shows no number unless it is told to."""

import io
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Final

import boto3
import pytest

from scripts import optout
from segment_msg91.recipient import Scope
from segment_msg91.settings import GuardRailSettings
from segment_msg91.store.recipients import Recipients
from tests.fakes.stack import FakeCloudFormation, FakeSession

if TYPE_CHECKING:
    from tests.fakes.aws import Aws
    from tests.fakes.events import Track
    from tests.integration.conftest import Send

type Run = Callable[..., str]

PHONE: Final = "919800000001"
ON: Final = GuardRailSettings("RecipientsTable", max_per_hour=20, max_per_day=0)


@pytest.fixture
def stack() -> FakeCloudFormation:
    return FakeCloudFormation({"RecipientsTableName": "RecipientsTable"}, {"RetentionDays": "30"})


@pytest.fixture
def run(
    aws: "Aws", stack: FakeCloudFormation, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Run:
    """Run the script, type a number, and return what it printed."""
    clients = {"cloudformation": stack, "dynamodb": aws.dynamodb}
    monkeypatch.setattr(boto3, "Session", partial(FakeSession, clients))

    def main(*arguments: str, typed: str = PHONE) -> str:
        monkeypatch.setattr("sys.stdin", io.StringIO(f"{typed}\n"))
        code = optout.main(["--stack", "segment-msg91", *arguments])
        output = capsys.readouterr()
        return f"{code}|{output.out}|{output.err}"

    return main


@pytest.fixture
def recipients(aws: "Aws") -> Recipients:
    return Recipients(aws.dynamodb, "RecipientsTable", timedelta(days=400))


def test_a_typed_number_is_opted_out_and_in_again(
    run: Run, send: "Send", track: "Track", recipients: Recipients
) -> None:
    assert "0|••••••••••01: opted out of all SMS since " in run("add", "--reason", "ticket 1", typed="+91 98000 00001")
    assert recipients.find(PHONE).consents[Scope.ALL].reason == "ticket 1"
    assert send(track(PHONE), guard_rails=ON)[0].status == "suppressed"
    assert "0|••••••••••01: opted in to all SMS since " in run("remove")
    assert send(track(PHONE, "message-2"), guard_rails=ON)[0].status == "accepted"


def test_a_scope_can_be_given(run: Run, recipients: Recipients) -> None:
    run("add", "--scope", "promotional")
    assert recipients.find(PHONE).opted_out_of(promotional=False) is None
    assert recipients.find(PHONE).opted_out_of(promotional=True) is Scope.PROMOTIONAL


def test_a_number_of_the_region_needs_no_country_code(run: Run, recipients: Recipients) -> None:
    run("--region", "IN", "add", typed="098000 00001")
    assert recipients.find(PHONE).opted_out_of(promotional=False)


@pytest.mark.parametrize("typed", ["", "12345"])
def test_without_a_number_nothing_is_done(typed: str, run: Run, aws: "Aws") -> None:
    assert run("add", typed=typed).startswith("2||")
    assert aws.recipients() == []


def test_a_number_can_be_looked_up(run: Run) -> None:
    assert "neither opted out nor in" in run("show")
    run("add", "--reason", "ticket 1")
    assert "opted out of all SMS since" in run("show")
    assert "(operator): ticket 1" in run("show")


def test_the_opt_outs_in_force_are_listed_without_their_numbers(run: Run) -> None:
    run("add")
    run("add", typed="919800000002")
    run("remove", typed="919800000002")
    printed = run("list")
    assert printed.startswith("0|••••••••••01\tall\t")
    assert "9800" not in printed
    assert printed.partition("|Stack segment-msg91 in ap-south-1.")[0].count("\n") == 1
    assert PHONE in run("list", "--numbers")


def test_a_file_is_imported_line_by_line(run: Run, aws: "Aws", recipients: Recipients, tmp_path: Path) -> None:
    file = tmp_path / "list.csv"
    file.write_text(
        "\ufeffPhone,scope,reason,at,status\n"
        "+91 98000 00001,,replied STOP,2026-01-01T00:00:00Z,\n"
        "919800000002,promotional,,,opted_out\n"
        "919800000003,all,,2026-01-01T00:00:00Z,opted_in\n"
        "12345,,,,\n"
        "919800000004,most,,,\n"
        "919800000005,,,tomorrow,\n"
        "919800000006,,,2999-01-01T00:00:00Z,\n"
        "919800000007,,,,gone\n"
    )
    printed = run("import", str(file))
    assert printed.startswith("1|")
    for line, problem in (
        (5, "phone: no phone"),
        (6, "scope: must"),
        (7, "at: must"),
        (8, "at: must"),
        (9, "status: must"),
    ):
        assert f"line {line}: {problem}" in printed
    assert "Stored: 3." in printed
    assert "12345" not in printed
    assert len(aws.recipients()) == 3
    consent = recipients.find(PHONE).consents[Scope.ALL]
    assert (consent.since, consent.reason, consent.source) == ("2026-01-01T00:00:00.000Z", "replied STOP", "operator")


def test_an_import_may_be_run_again_and_does_not_undo_a_newer_opt_in(run: Run, aws: "Aws", tmp_path: Path) -> None:
    file = tmp_path / "list.csv"
    file.write_text(f"phone,at\n{PHONE},2026-01-01T00:00:00Z\n")
    assert run("import", str(file)).startswith("0|Stored: 1.")
    run("remove")
    assert run("import", str(file)).startswith("0|Stored: 1.")
    assert aws.recipients()[0]["all_opted_out"] is False


def test_a_file_without_a_header_is_not_imported(run: Run, aws: "Aws", tmp_path: Path) -> None:
    file = tmp_path / "list.csv"
    file.write_text(f"{PHONE}\n919800000002\n")
    printed = run("import", str(file))
    assert printed.startswith("1|The first line must name the columns")
    assert (PHONE in printed, aws.recipients()) == (False, [])


def test_a_stack_without_guard_rails_is_told_so(run: Run, stack: FakeCloudFormation) -> None:
    stack.outputs = {}
    assert "deploy it with GuardRails=on" in run("list")


def test_a_region_that_is_none_is_refused(run: Run) -> None:
    assert run("--region", "UK", "add").startswith("2||--region: must be")


def test_a_tombstone_is_kept_as_long_as_the_stack_keeps_messages(run: Run, aws: "Aws") -> None:
    run("remove")
    expires_at = datetime.fromtimestamp(int(aws.recipients()[0]["expires_at"]), UTC)
    assert timedelta(days=29) < expires_at - datetime.now(UTC) < timedelta(days=31)


def test_a_number_without_a_country_code_is_completed_as_the_stack_completes_it(
    run: Run, stack: FakeCloudFormation, recipients: Recipients, tmp_path: Path
) -> None:
    stack.parameters["DefaultRegion"] = "IN"
    run("add", typed=PHONE[2:])
    assert recipients.find(PHONE).consents
    file = tmp_path / "opt-outs.csv"
    file.write_text("phone\n9800000002\n")
    assert "Stored: 1." in run("import", str(file))
    assert recipients.find("919800000002").consents


@pytest.mark.parametrize("content", [None, b"phone\n\xff\xfe"])
def test_a_file_that_cannot_be_read_is_named(content: bytes | None, run: Run, tmp_path: Path) -> None:
    file = tmp_path / "opt-outs.csv"
    if content is not None:
        file.write_bytes(content)
    printed = run("import", str(file))
    assert printed.startswith(f"1|{file} cannot be read (")
    assert "give a CSV file in UTF-8. Nothing was stored." in printed
