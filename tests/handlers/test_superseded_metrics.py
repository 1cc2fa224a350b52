"""What is counted of messages: each has one end and one failure category, however many reports say so."""

from collections import Counter
from collections.abc import Callable
from typing import TYPE_CHECKING, Final

import httpx
import pytest

from functions.segment_ingest import app as segment_ingest
from segment_msg91.store.aws import to_item

if TYPE_CHECKING:
    from tests.fakes.aws import Aws
    from tests.fakes.events import Track
    from tests.fakes.msg91 import FakeMsg91
    from tests.fakes.msg91_logs import FakeLogs
    from tests.handlers.conftest import Endpoint, Invoke, Output

PHONE: Final = "919800000001"
LATER: Final = "2099-01-02 08:35:00"
LONG_AGO: Final = "2020-01-01T00:00:00.000Z"

type Send = Callable[[], str]


@pytest.fixture
def send(ingest: "Endpoint", track: "Track") -> Send:
    """Deliver the event; return its message's key."""
    return lambda: str(ingest(track(PHONE)).body["results"][0]["crqid"])


@pytest.fixture
def says(report: "Endpoint") -> Callable[..., None]:
    """Report a status of the message."""

    def say(crqid: str, status: str, date: str = LATER, **more: str) -> None:
        report({"requestId": "r1", "number": PHONE, "CRQID": crqid, "status": status, "date": date} | more)

    return say


def _superseded(output: "Output") -> dict[str, int]:
    return _by(output, "DeliveryStatusSuperseded", "status") | _by(output, "FailureCategorySuperseded", "category")


def _by(output: "Output", name: str, dimension: str) -> dict[str, int]:
    sums: Counter[str] = Counter()
    for emf in output.metrics(name):
        sums[emf[dimension]] += sum(emf[name])
    return dict(sums)


def _sum(output: "Output", name: str) -> float:
    return sum(sum(emf[name]) for emf in output.metrics(name))


def _ages(aws: "Aws", crqid: str, **attributes: str) -> None:
    """Make a message too old for MSG91's logs."""
    times = dict.fromkeys(("created_at", "settled_at", "lease_until"), LONG_AGO)
    aws.dynamodb.put_item(TableName="MessagesTable", Item=to_item(aws.message(crqid) | times | attributes))


def test_the_ordinary_way_of_a_message_supersedes_nothing(
    send: Send, says: Callable[..., None], output: "Output"
) -> None:
    crqid = send()
    says(crqid, "Submitted", "2099-01-02 08:34:00")
    says(crqid, "1")
    says(crqid, "1")
    assert _superseded(output) == {}


def test_a_report_that_replaces_an_end_supersedes_it_and_its_category(
    send: Send, says: Callable[..., None], output: "Output"
) -> None:
    crqid = send()
    says(crqid, "2", desc="ABSENT-SUB")
    says(crqid, "1")
    assert _superseded(output) == {"failed": 1, "unreachable": 1}


def test_a_report_that_another_outranks_is_superseded_at_once(
    send: Send, says: Callable[..., None], output: "Output"
) -> None:
    crqid = send()
    says(crqid, "1")
    says(crqid, "2", desc="ABSENT-SUB")
    assert _superseded(output) == {"failed": 1, "unreachable": 1}


@pytest.mark.parametrize("dates", [("2099-01-02 08:35:00", "2099-01-02 08:36:00"), ("2099-01-02 08:36:00", LATER)])
def test_two_reports_of_the_same_end_are_one_message(
    dates: tuple[str, str], send: Send, says: Callable[..., None], output: "Output"
) -> None:
    crqid = send()
    for date in dates:
        says(crqid, "1", date)
    assert (_by(output, "DeliveryStatus", "status"), _superseded(output)) == ({"delivered": 2}, {"delivered": 1})


def test_a_report_without_a_message_is_superseded_until_a_repeat_finds_the_message(
    ingest: "Endpoint", track: "Track", says: Callable[..., None], aws: "Aws", output: "Output"
) -> None:
    crqid = ingest(track(PHONE)).body["results"][0]["crqid"]
    message = aws.message(crqid)
    aws.dynamodb.delete_item(TableName="MessagesTable", Key={"crqid": {"S": crqid}})
    says(crqid, "2", desc="ABSENT-SUB")
    assert _superseded(output) == {"failed": 1, "unreachable": 1}
    aws.dynamodb.put_item(TableName="MessagesTable", Item=to_item(message))
    says(crqid, "2", desc="ABSENT-SUB")
    says(crqid, "2", desc="ABSENT-SUB")
    assert _superseded(output) == {"failed": 0, "unreachable": 0}
    assert _by(output, "DeliveryStatus", "status") == {"failed": 1}


def test_a_report_that_was_applied_and_not_recorded_is_counted_on_its_repeat_as_the_messages(
    send: Send, says: Callable[..., None], aws: "Aws", output: "Output"
) -> None:
    crqid = send()
    says(crqid, "1")
    for item in aws.reports():
        keys = {name: item[name] for name in ("report_group", "report_id")}
        aws.dynamodb.delete_item(TableName="ReportsTable", Key=to_item(keys))
    says(crqid, "1")
    assert (_by(output, "DeliveryStatus", "status"), _superseded(output)) == ({"delivered": 2}, {})


@pytest.mark.usefixtures("logs")
def test_a_report_after_a_conclusion_supersedes_it(
    send: Send, says: Callable[..., None], reconcile: "Invoke", output: "Output"
) -> None:
    crqid = send()
    assert reconcile({})["unreported"] == 1
    assert _by(output, "FailureCategory", "category") == {"dropped": 1}
    says(crqid, "1")
    assert _superseded(output) == {"unreported": 1, "dropped": 1}


@pytest.mark.usefixtures("logs")
def test_a_report_of_a_message_that_was_too_old_for_the_logs_supersedes_that(
    send: Send, says: Callable[..., None], reconcile: "Invoke", aws: "Aws", output: "Output"
) -> None:
    crqid = send()
    _ages(aws, crqid)
    reconcile({})
    assert _sum(output, "ReconciliationMissed") == 1
    says(crqid, "1")
    assert _superseded(output) == {"missed": 1}


def test_a_report_about_a_message_that_msg91_refused_supersedes_the_refusal(
    send: Send, says: Callable[..., None], msg91: "FakeMsg91", output: "Output"
) -> None:
    msg91.refuses("202")
    crqid = send()
    says(crqid, "Submitted")
    assert _superseded(output) == {"invalid_number": 1}
    says(crqid, "2", desc="ABSENT-SUB")
    assert _superseded(output) == {"invalid_number": 1, "refused": 1}


def test_a_message_that_is_held_twice_and_then_sent_has_no_category_left(
    send: Send, msg91: "FakeMsg91", output: "Output"
) -> None:
    for _ in range(2):
        msg91.refuses("301")
        send()
    assert _by(output, "FailureCategory", "category") == {"balance": 2}
    assert _superseded(output) == {"balance": 1}
    send()
    assert _superseded(output) == {"balance": 2}


def test_what_is_held_in_a_batch_twice_is_one_message(
    ingest: "Endpoint", track: "Track", msg91: "FakeMsg91", output: "Output"
) -> None:
    batch = [track(PHONE), track(PHONE), track("919800000002", "m2"), track("919800000003", "m3")]
    for number in range(1, 4):
        msg91.refuses_number(f"91980000000{number}", "301")
    ingest(batch)
    ingest(batch)
    net = _by(output, "FailureCategory", "category")["balance"] - _superseded(output)["balance"]
    assert net == 3


def test_what_the_open_circuit_holds_is_no_message(
    ingest: "Endpoint", track: "Track", msg91: "FakeMsg91", aws: "Aws", output: "Output"
) -> None:
    for number in range(1, 9):
        msg91.refuses("301")
        ingest(track(f"9198000000{number:02}", f"m{number}"))
    stored = sum("failure_category" in message for message in aws.messages())
    assert _sum(output, "SmsHeld") == 8
    assert _by(output, "FailureCategory", "category")["balance"] - _superseded(output)["balance"] == stored == 5


def test_a_message_that_is_sent_again_after_all_supersedes_its_conclusion(
    ingest: "Endpoint",
    track: "Track",
    msg91: "FakeMsg91",
    aws: "Aws",
    output: "Output",
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("RESEND_UNKNOWN_AFTER_MINUTES", "1")
    segment_ingest.wiring.cache_clear()
    msg91.breaks_off(httpx.ReadTimeout("silent"))
    crqid = ingest(track(PHONE)).body["results"][0]["crqid"]
    end = {"delivery_status": "unreported", "failure_category": "unconfirmed", "delivery_order": "-1#"}
    _ages(aws, crqid, concluded_at=LONG_AGO, **end)
    assert ingest(track(PHONE)).body["results"][0]["status"] == "accepted"
    assert _superseded(output) == {"unreported": 1, "unconfirmed": 1}


@pytest.fixture
def in_doubt(send: Send, msg91: "FakeMsg91") -> str:
    """A message whose answer was lost."""
    msg91.breaks_off(httpx.ReadTimeout("silent"))
    return send()


def test_a_message_in_doubt_is_accepted_once_by_its_first_report(
    in_doubt: str, says: Callable[..., None], output: "Output"
) -> None:
    says(in_doubt, "Submitted")
    says(in_doubt, "2")
    says(in_doubt, "1")
    assert _sum(output, "SmsAccepted") == 1


def test_a_message_in_doubt_is_accepted_once_by_msg91s_logs(
    in_doubt: str, says: Callable[..., None], reconcile: "Invoke", logs: "FakeLogs", output: "Output"
) -> None:
    logs.has(PHONE, CRQID=in_doubt)
    assert reconcile({})["settled"] == 1
    says(in_doubt, "1")
    assert _sum(output, "SmsAccepted") == 1


def test_a_message_in_doubt_is_accepted_once_by_a_report_and_the_logs(
    in_doubt: str, says: Callable[..., None], reconcile: "Invoke", logs: "FakeLogs", output: "Output"
) -> None:
    says(in_doubt, "Submitted", "2020-01-02 08:35:00")
    logs.has(PHONE, CRQID=in_doubt)
    assert reconcile({})["settled"] == 1
    assert _sum(output, "SmsAccepted") == 1


def test_a_report_that_overtakes_the_answer_to_its_send_leaves_counting_to_the_sender(
    ingest: "Endpoint", track: "Track", says: Callable[..., None], msg91: "FakeMsg91", aws: "Aws", output: "Output"
) -> None:
    def overtake() -> None:
        (message,) = aws.messages()
        says(str(message["crqid"]), "1")

    msg91.during_call = overtake
    ingest(track(PHONE))
    assert _sum(output, "SmsAccepted") == 1


def test_a_report_of_a_message_whose_sender_was_stopped_counts_it_as_accepted(
    ingest: "Endpoint", track: "Track", says: Callable[..., None], aws: "Aws", output: "Output"
) -> None:
    crqid = ingest(track(PHONE)).body["results"][0]["crqid"]
    _ages(aws, crqid, send_state="sending")
    says(crqid, "1")
    assert _sum(output, "SmsAccepted") == 2


def test_a_message_in_doubt_whose_only_report_has_no_end_is_known_as_accepted_when_it_is_concluded(
    in_doubt: str, says: Callable[..., None], reconcile: "Invoke", aws: "Aws", output: "Output"
) -> None:
    says(in_doubt, "Submitted")
    assert reconcile({})["unreported"] == 1
    assert aws.message(in_doubt)["send_state"] == "accepted"
    says(in_doubt, "1")
    assert _sum(output, "SmsAccepted") == 1
