"""scripts/forget.py deletes only one person's data from both tables, and shows no number."""

import io
import json
from collections.abc import Callable, Iterator
from datetime import timedelta
from functools import partial
from typing import TYPE_CHECKING, Any, Final

import boto3
import pytest

from sandbox.template import PATH
from scripts import forget
from scripts.forget import Person, Tables, masked
from segment_msg91.recipient import Change, Scope, Source
from segment_msg91.settings import GuardRailSettings
from segment_msg91.store.recipients import Recipients
from tests.fakes.stack import FakeCloudFormation, FakeSession

if TYPE_CHECKING:
    from segment_msg91.use_cases.delivery_reports import Reporter
    from tests.fakes.aws import Aws, Item
    from tests.fakes.clock import Clock
    from tests.fakes.events import Track
    from tests.fakes.msg91 import FakeMsg91
    from tests.integration.conftest import Send

type Report = Callable[..., None]
type Forget = Callable[..., str]

PHONE: Final = "919800000001"
OTHER: Final = "919800000002"
TABLES: Final = Tables("MessagesTable", "ReportsTable", "RecipientsTable")
OUTPUTS: Final = {
    "MessagesTableName": TABLES.messages,
    "ReportsTableName": TABLES.reports,
    "RecipientsTableName": "RecipientsTable",
}
ON: Final = GuardRailSettings("RecipientsTable", max_per_hour=20, max_per_day=0)


@pytest.fixture
def report(reporter: "Reporter") -> Report:
    """Receive a report of delivery."""

    def receive(**members: Any) -> None:  # noqa: ANN401 - members of a report
        body = {"status": "1", "date": "2026-01-02 08:35:00", **members}
        reporter.receive(json.dumps(body).encode(), "application/json")

    return receive


def _phones(items: "list[Item]") -> list[object]:
    return [item.get("phone") for item in items]


def _forget(aws: "Aws", phone: str, *, scan: bool = False) -> None:
    person = Person(aws.dynamodb, TABLES, phone)
    person.delete(person.find(scan=scan))


def test_only_the_messages_and_reports_of_the_person_are_deleted(
    send: "Send", report: Report, track: "Track", aws: "Aws"
) -> None:
    for result, phone in zip(send(track(PHONE), track(OTHER, "message-2")), (PHONE, OTHER), strict=True):
        report(requestId=result.request_id, number=phone)
    assert len(aws.messages()) == len(aws.reports()) == 2
    _forget(aws, PHONE)
    assert _phones(aws.messages()) == _phones(aws.reports()) == [OTHER]


def test_only_counting_deletes_nothing(send: "Send", report: Report, track: "Track", aws: "Aws") -> None:
    (result,) = send(track(PHONE))
    report(requestId=result.request_id, number=PHONE)
    found = Person(aws.dynamodb, TABLES, PHONE).find()
    assert (len(found.messages), len(found.reports)) == (1, 1)
    assert len(aws.messages()) == len(aws.reports()) == 1


def test_the_other_recipients_of_a_request_keep_their_reports(
    send: "Send", report: Report, track: "Track", aws: "Aws"
) -> None:
    own, other = send(track(PHONE), track(OTHER, "message-2"))
    assert own.request_id == other.request_id
    for phone in (PHONE, OTHER):
        report(requestId=own.request_id, number=phone)
    _forget(aws, PHONE)
    assert _phones(aws.reports()) == [OTHER]


def test_reports_without_a_message_are_deleted(report: Report, aws: "Aws") -> None:
    report(requestId="r1", number=PHONE)
    report(requestId="r1", number=OTHER)
    _forget(aws, PHONE)
    assert _phones(aws.reports()) == [OTHER]


def test_reports_of_v4_which_have_no_number_are_deleted_by_their_message(
    send: "Send", reporter: "Reporter", track: "Track", aws: "Aws"
) -> None:
    own, other = send(track(PHONE), track(OTHER, "message-2", message="Another text"))
    for result in (own, other):
        body = [{"event": "delivered", "data": [{"meta": result.crqid, "ts": 1726729500}]}]
        reporter.receive(json.dumps(body).encode(), "application/json")
    _forget(aws, PHONE)
    assert [stored["matched"] for stored in aws.reports()] == [other.crqid]


def test_an_invalid_event_s_number_is_found_as_it_was_typed(send: "Send", track: "Track", aws: "Aws") -> None:
    send(track("98-00"))
    _forget(aws, "98-00")
    assert aws.messages() == []


@pytest.mark.parametrize("typed", ["+91 98000 00001", "0091-9800000001", "919800000001"])
def test_a_number_may_be_typed_as_people_write_it(typed: str, send: "Send", track: "Track", aws: "Aws") -> None:
    send(track(PHONE))
    _forget(aws, typed)
    assert aws.messages() == []


def test_more_reports_than_dynamodb_returns_at_once_are_deleted(
    send: "Send", report: Report, track: "Track", aws: "Aws"
) -> None:
    (result,) = send(track(PHONE))
    for number in range(40):
        report(requestId=result.request_id, number=PHONE, serial=number, anything="x" * 30_000)
    page = aws.dynamodb.query(
        TableName="ReportsTable",
        KeyConditionExpression="report_group = :group",
        ExpressionAttributeValues={":group": {"S": str(result.request_id)}},
    )
    assert "LastEvaluatedKey" in page
    _forget(aws, PHONE)
    assert aws.reports() == []


@pytest.fixture
def _unlinked_reports(send: "Send", report: Report, track: "Track") -> None:
    """A message, and a report of it under a request id that is not the message's."""
    (result,) = send(track(PHONE))
    report(requestId="another-request", number=PHONE, CRQID=result.crqid)


@pytest.mark.usefixtures("_unlinked_reports")
def test_a_message_with_a_report_that_no_index_leads_to_is_counted(aws: "Aws") -> None:
    found = Person(aws.dynamodb, TABLES, PHONE).find()
    assert (len(found.messages), len(found.reports), found.unlinked_reports) == (1, 0, 1)


def test_a_report_of_an_earlier_attempt_needs_a_scan(
    send: "Send", report: Report, track: "Track", aws: "Aws", msg91: "FakeMsg91"
) -> None:
    msg91.answers("", 503)  # although it has sent the SMS
    (result,) = send(track(PHONE))
    send(track(PHONE))
    report(requestId="first-attempt", number=PHONE, CRQID=result.crqid)
    report(requestId=aws.messages()[0]["request_id"], number=PHONE, CRQID=result.crqid)
    person = Person(aws.dynamodb, TABLES, PHONE)
    assert (len(person.find().reports), person.find().unlinked_reports) == (1, 1)
    assert len(person.find(scan=True).reports) == 2


@pytest.mark.usefixtures("_unlinked_reports")
def test_a_scan_finds_what_no_index_leads_to(aws: "Aws") -> None:
    found = Person(aws.dynamodb, TABLES, PHONE).find(scan=True)
    assert (len(found.messages), len(found.reports), found.unlinked_reports) == (1, 1, 0)


def test_an_interrupted_run_is_completed_by_the_next(
    send: "Send", report: Report, track: "Track", aws: "Aws", monkeypatch: pytest.MonkeyPatch
) -> None:
    (result,) = send(track(PHONE))
    for status in ("2", "1"):
        report(requestId=result.request_id, number=PHONE, status=status)
    deletions: Iterator[None] = iter([None])
    delete_item = aws.dynamodb.delete_item

    def interrupt(**arguments: Any) -> None:  # noqa: ANN401 - the client's
        next(deletions)
        delete_item(**arguments)

    with monkeypatch.context() as broken:
        broken.setattr(aws.dynamodb, "delete_item", interrupt)
        with pytest.raises(StopIteration):
            _forget(aws, PHONE)
    assert (len(aws.messages()), len(aws.reports())) == (1, 1)
    _forget(aws, PHONE)
    assert aws.messages() == aws.reports() == []


@pytest.fixture
def recipients(aws: "Aws") -> Recipients:
    return Recipients(aws.dynamodb, "RecipientsTable", timedelta(days=400))


def test_the_counts_of_a_number_are_deleted(send: "Send", track: "Track", aws: "Aws") -> None:
    send(track(PHONE), track(OTHER, "message-2"), guard_rails=ON)
    _forget(aws, PHONE)
    assert _phones(aws.recipients()) == [OTHER]


@pytest.fixture
def opted_out(send: "Send", track: "Track", recipients: Recipients, clock: "Clock") -> None:
    """A person who got an SMS, and has opted out since."""
    send(track(PHONE), guard_rails=ON)
    change = Change(PHONE, opts_out=True, scope=Scope.ALL, at=clock(), source=Source.TRACK, reason="wrote to us")
    recipients.record([change], clock())


@pytest.mark.usefixtures("opted_out")
def test_an_opt_out_outlives_a_deletion(send: "Send", track: "Track", aws: "Aws") -> None:
    _forget(aws, PHONE)
    (item,) = aws.recipients()
    kept = {"phone": PHONE, "version": 3, "all_opted_out": True, "all_source": "track"}
    assert item == kept | {"all_since": item["all_since"]}
    assert send(track(PHONE, "message-2"), guard_rails=ON)[0].status == "suppressed"


@pytest.mark.usefixtures("opted_out")
def test_an_opt_out_is_deleted_if_that_is_asked_for(send: "Send", track: "Track", aws: "Aws") -> None:
    person = Person(aws.dynamodb, TABLES, PHONE)
    found = person.find()
    assert (found.opt_outs, len(found.recipients)) == (1, 1)
    person.delete(found, opt_out=True)
    assert aws.recipients() == []
    assert send(track(PHONE, "message-2"), guard_rails=ON)[0].status == "accepted"


def test_the_script_says_that_an_opt_out_stays(run: Forget, aws: "Aws", recipients: Recipients, clock: "Clock") -> None:
    change = Change(PHONE, opts_out=True, scope=Scope.ALL, at=clock(), source=Source.OPERATOR)
    recipients.record([change], clock())
    assert "The opt-out stays" in run("--delete")
    assert len(aws.recipients()) == 1
    assert "The opt-out stays" not in run("--delete", "--opt-out")
    assert aws.recipients() == []


def test_a_stack_without_guard_rails_has_no_table_to_look_at(send: "Send", track: "Track", aws: "Aws") -> None:
    send(track(PHONE), guard_rails=ON)
    person = Person(aws.dynamodb, Tables.of({name: OUTPUTS[name] for name in list(OUTPUTS)[:2]}), PHONE)
    person.delete(person.find())
    assert (aws.messages(), len(aws.recipients())) == ([], 1)


@pytest.fixture
def stack() -> FakeCloudFormation:
    return FakeCloudFormation(dict(OUTPUTS), {})


@pytest.fixture
def run(
    aws: "Aws", stack: FakeCloudFormation, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Forget:
    """Run the script, type a number, and return what it printed."""
    clients = {"cloudformation": stack, "dynamodb": aws.dynamodb}
    monkeypatch.setattr(boto3, "Session", partial(FakeSession, clients))

    def main(*arguments: str, typed: str = PHONE) -> str:
        monkeypatch.setattr("sys.stdin", io.StringIO(f"{typed}\n"))
        code = forget.main(["--stack", "segment-msg91", *arguments])
        output = capsys.readouterr()
        return f"{code}|{output.out}|{output.err}"

    return main


def test_the_script_only_counts_without_the_option_delete(
    run: Forget, send: "Send", track: "Track", aws: "Aws"
) -> None:
    send(track(PHONE))
    assert "1 message, 0 reports.\nNothing was deleted: run again with DELETE=1." in run()
    assert len(aws.messages()) == 1
    assert "1 message, 0 reports.\nDeleted." in run("--delete")
    assert aws.messages() == []


def test_the_script_shows_no_number(run: Forget, send: "Send", track: "Track") -> None:
    send(track(PHONE))
    for printed in (run(), run("--delete", typed="+91 98000 00001")):
        assert "01: " in printed
        assert "9800" not in printed


@pytest.mark.usefixtures("_unlinked_reports")
def test_the_script_says_when_a_scan_is_needed(run: Forget) -> None:
    assert "No index leads to all reports that 1 message may have: run again with SCAN=1." in run()
    assert "1 message, 1 report.\nDeleted.\n|" in run("--delete", "--scan")


def test_a_number_without_a_country_code_is_completed_as_the_stack_completes_it(
    run: Forget, send: "Send", track: "Track", stack: FakeCloudFormation
) -> None:
    send(track(PHONE))
    assert "nothing is stored. Was it with its country code" in run(typed=PHONE[2:])
    stack.parameters = {"DefaultRegion": "IN"}
    assert "1 message, 0 reports." in run(typed=PHONE[2:])


def test_without_a_stack_the_script_asks_for_it(capsys: pytest.CaptureFixture[str]) -> None:
    assert forget.main(["--stack", ""]) == 2
    assert "STACK=segment-msg91" in capsys.readouterr().err


def test_without_a_number_the_script_does_nothing(run: Forget, send: "Send", track: "Track", aws: "Aws") -> None:
    send(track(PHONE))
    assert run("--delete", typed="").startswith("2||")
    assert len(aws.messages()) == 1


@pytest.mark.parametrize(("phone", "shown"), [(PHONE, "••••••••••01"), ("1", "1"), ("", "")])
def test_a_number_is_masked_but_for_its_last_two_digits(phone: str, shown: str) -> None:
    assert masked(phone) == shown


def test_the_table_names_are_outputs_of_the_template() -> None:
    outputs = PATH.read_text().split("\nOutputs:\n")[1]
    assert all(f"  {name}:\n" in outputs for name in OUTPUTS)
