"""Opt-outs and opt-ins from events and delivery reports: stored before they are answered, and heeded from then on."""

import json
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Final

import pytest

from segment_msg91.guard_rails import ReportedOptOuts
from segment_msg91.recording import Recorder
from segment_msg91.settings import GuardRailSettings, ReportSettings
from segment_msg91.use_cases.delivery_reports import Reporter

if TYPE_CHECKING:
    from segment_msg91.store.messages import Messages
    from segment_msg91.store.queues import Queue
    from segment_msg91.store.reports import Reports
    from tests.fakes.aws import Aws
    from tests.fakes.clock import Clock
    from tests.fakes.dynamodb import UnreliableDynamoDb
    from tests.fakes.events import Track
    from tests.fakes.msg91 import FakeMsg91
    from tests.integration.conftest import Send

PHONE: Final = "919800000001"
OTHER: Final = "919800000002"
ON: Final = GuardRailSettings("RecipientsTable", max_per_hour=20, max_per_day=0)
REPORT: Final = {"requestId": "r1", "number": PHONE, "status": "2", "date": "2026-01-02 08:33:00"}


def _opted(out_or_in: str = "Out", at: str = "2026-01-02T03:00:00Z", **properties: object) -> dict[str, Any]:
    return {
        "type": "track",
        "event": f"SMS Opted {out_or_in}",
        "messageId": f"{out_or_in}-{at}-{properties}",
        "timestamp": at,
        "properties": {"phone": f"+{PHONE}"} | properties,
    }


def _identify(status: str, **traits: object) -> dict[str, Any]:
    subscription = {"key": PHONE, "type": "SMS", "status": status}
    context = {"messaging_subscriptions": [subscription]}
    return {"type": "identify", "messageId": f"identify-{status}", "context": context, "traits": traits}


def test_an_opt_out_sends_nothing_and_is_heeded_from_then_on(
    send: "Send", track: "Track", aws: "Aws", msg91: "FakeMsg91"
) -> None:
    (result,) = send(_opted(message="Goodbye", senderID="MSGIND", reason="replied STOP"), guard_rails=ON)
    assert (result.status, result.http_status) == ("skipped", 200)
    assert result.reason == "opted out of all SMS: recorded"
    assert aws.recipients() == [
        {
            "phone": PHONE,
            "version": 1,
            "all_opted_out": True,
            "all_since": "2026-01-02T03:00:00.000Z",
            "all_source": "track",
            "all_reason": "replied STOP",
        }
    ]
    assert send(track(PHONE), guard_rails=ON)[0].status == "suppressed"
    assert (msg91.calls, len(aws.messages())) == ([], 1)


@pytest.mark.parametrize(
    ("events", "status"),
    [
        ([_opted(), _opted("In", "2026-01-02T03:01:00Z")], "accepted"),
        ([_opted("In", "2026-01-02T03:01:00Z"), _opted()], "accepted"),
        ([_opted("In", "2026-01-02T02:59:00Z"), _opted()], "suppressed"),
        ([_opted(), _opted("In", "2026-01-02T02:59:00Z")], "suppressed"),
        ([_opted("In"), _opted()], "suppressed"),
        ([_opted(), _opted("In")], "suppressed"),
        ([_opted(scope="promotional")], "accepted"),
    ],
)
@pytest.mark.parametrize("in_a_batch", [True, False])
def test_the_order_of_changes_is_that_of_their_timestamps(
    events: list[dict[str, Any]], status: str, *, in_a_batch: bool, send: "Send", track: "Track"
) -> None:
    for delivery in [events] if in_a_batch else [[event] for event in events]:
        assert {result.status for result in send(*delivery, guard_rails=ON)} == {"skipped"}
    assert send(track(PHONE), guard_rails=ON)[0].status == status


def test_an_opt_out_is_heeded_by_every_event_of_its_batch(send: "Send", track: "Track", msg91: "FakeMsg91") -> None:
    results = send(track(PHONE), _opted(), track(OTHER, "message-2"), guard_rails=ON)
    assert [result.status for result in results] == ["suppressed", "skipped", "accepted"]
    assert [sms.number for sms in msg91.sent] == [OTHER]


def test_a_repeated_opt_out_changes_nothing(send: "Send", aws: "Aws") -> None:
    for _ in range(3):
        assert send(_opted(), guard_rails=ON)[0].status == "skipped"
    assert aws.recipients()[0]["version"] == 1


@pytest.mark.parametrize("operation", ["batch_get_item", "update_item"])
def test_an_opt_out_that_is_not_stored_is_delivered_again(
    operation: str, send: "Send", aws: "Aws", dynamodb: "UnreliableDynamoDb"
) -> None:
    dynamodb.refuses(operation)
    (result,) = send(_opted(), guard_rails=ON)
    assert (result.status, result.http_status, aws.recipients()) == ("retry", 503, [])
    assert send(_opted(), guard_rails=ON)[0].status == "skipped"


@pytest.mark.parametrize("status", ["SUBSCRIBED", "UNSUBSCRIBED"])
def test_an_identify_sends_nothing_before_its_subscription_is_stored(
    status: str, send: "Send", dynamodb: "UnreliableDynamoDb", msg91: "FakeMsg91", aws: "Aws"
) -> None:
    event = _identify(status, phone=PHONE, message="Welcome", senderID="MSGIND")
    dynamodb.refuses("batch_get_item")
    assert send(event, guard_rails=ON)[0].status == "retry"
    assert (msg91.calls, aws.messages()) == ([], [])
    assert send(event, guard_rails=ON)[0].status == ("accepted" if status == "SUBSCRIBED" else "suppressed")


def test_an_identify_without_an_sms_says_what_was_stored(send: "Send", aws: "Aws") -> None:
    (result,) = send(_identify("DID_NOT_SUBSCRIBE"), guard_rails=ON)
    assert (result.status, result.reason) == ("skipped", "opted out of promotional SMS: recorded")
    assert aws.recipients()[0]["promotional_source"] == "identify"


def test_an_opt_out_with_a_message_id_that_no_message_can_have_is_invalid(send: "Send", aws: "Aws") -> None:
    (result,) = send(_opted(phone="12") | {"messageId": "x" * 3000}, guard_rails=ON, console_enabled=True)
    assert (result.status, result.http_status, aws.messages()) == ("invalid", 400, [])


@pytest.mark.parametrize(
    ("event", "reason"),
    [
        (_opted(phone="12345"), "properties.phone: no phone number"),
        (_opted(scope="most"), "properties.scope: must be all or promotional"),
        (_identify("GONE"), "context.messaging_subscriptions: a status"),
    ],
)
def test_an_opt_out_that_cannot_be_read_is_invalid_and_on_record(
    event: dict[str, Any], reason: str, send: "Send", aws: "Aws"
) -> None:
    (result,) = send(event, guard_rails=ON)
    assert (result.status, result.http_status) == ("invalid", 400)
    assert (result.reason or "").startswith(reason)
    (message,) = aws.messages()
    assert (message["send_state"], message["error"]) == ("invalid", result.reason)


def test_without_guard_rails_an_opt_out_is_an_event_like_any_other(send: "Send", aws: "Aws") -> None:
    assert send(_opted())[0].reason == "properties.message: missing, and no templateId or variables"
    assert send(_opted(message="Goodbye", senderID="MSGIND"))[0].status == "accepted"
    assert aws.recipients() == []


@pytest.fixture
def opting_out(
    messages: "Messages",
    reports: "Reports",
    redrive: "Queue",
    quarantine: "Queue",
    dynamodb: "UnreliableDynamoDb",
    clock: "Clock",
) -> Reporter:
    """A reporter with OptOutOnBlocked."""
    opt_outs = ReportedOptOuts(dynamodb.client, "RecipientsTable", timedelta(days=400))
    zone = ReportSettings.load().msg91_zone
    recorder = Recorder(messages, reports, opt_outs)
    return Reporter(recorder, redrive=redrive, quarantine=quarantine, zone=zone, clock=clock)


def _receive(reporter: Reporter, **members: object) -> int:
    return reporter.receive(json.dumps(REPORT | members).encode(), "application/json").http_status


@pytest.mark.parametrize(
    ("members", "opts_out"),
    [
        ({"status": "17", "desc": "Blocked number"}, True),
        ({"status": "2", "desc": "Absent subscriber"}, False),
        ({"status": "9", "desc": "NDNC number"}, False),
        ({"status": "1", "desc": "DELIVERED"}, False),
    ],
)
def test_a_report_of_a_blocked_number_opts_it_out(
    members: dict[str, str],
    *,
    opts_out: bool,
    opting_out: Reporter,
    aws: "Aws",
) -> None:
    assert _receive(opting_out, **members) == 200
    assert [item["phone"] for item in aws.recipients()] == ([PHONE] if opts_out else [])


def test_an_opt_out_by_a_report_is_of_the_reports_time(
    opting_out: Reporter, aws: "Aws", send: "Send", track: "Track"
) -> None:
    _receive(opting_out, status="17", desc="Blocked number")
    (item,) = aws.recipients()
    assert (item["all_since"], item["all_source"]) == ("2026-01-02T03:03:00.000Z", "delivery_report")
    assert send(track(PHONE), guard_rails=ON)[0].status == "suppressed"
    send(_opted("In", "2026-01-02T03:03:01Z"), guard_rails=ON)
    assert send(track(PHONE, "message-2"), guard_rails=ON)[0].status == "accepted"
    _receive(opting_out, status="17", desc="Blocked number")
    assert send(track(PHONE, "message-3"), guard_rails=ON)[0].status == "accepted"


def test_a_report_whose_opt_out_is_not_stored_waits_in_the_queue(
    opting_out: Reporter, aws: "Aws", dynamodb: "UnreliableDynamoDb"
) -> None:
    dynamodb.refuses("batch_get_item")
    assert _receive(opting_out, status="17", desc="Blocked number") == 202
    assert (aws.recipients(), aws.reports()) == ([], [])
    (event,) = aws.queued("ReportsRedriveQueue")
    opting_out.redrive(event["Records"][0])
    assert (len(aws.recipients()), len(aws.reports())) == (1, 1)


def test_a_report_without_a_number_opts_out_its_messages_number(
    opting_out: Reporter, send: "Send", track: "Track", aws: "Aws"
) -> None:
    (result,) = send(track(PHONE))
    row = {"meta": result.crqid, "description": "Blocked number", "ts": 1767322800}
    opting_out.receive(json.dumps([{"data": [row], "event": "blocked"}]).encode(), "application/json")
    assert [item["phone"] for item in aws.recipients()] == [PHONE]
