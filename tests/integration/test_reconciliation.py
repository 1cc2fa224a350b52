"""Reconciliation: what is overdue, what MSG91's logs say of it, and what is concluded."""

# ruff: noqa: PLR0913, PLR0917 - a test names each part that it uses

import json
from collections import Counter
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Final

import httpx
import pytest

from segment_msg91.use_cases import reconciliation
from tests.fakes.msg91_logs import UNASKED

if TYPE_CHECKING:
    from segment_msg91.use_cases.delivery_reports import Reporter
    from segment_msg91.use_cases.segment_ingest import Result
    from tests.fakes.aws import Aws, Item
    from tests.fakes.clock import Clock
    from tests.fakes.dynamodb import UnreliableDynamoDb
    from tests.fakes.events import Track
    from tests.fakes.msg91 import FakeMsg91
    from tests.fakes.msg91_logs import FakeLogs
    from tests.integration.conftest import Reconcile, Send

PHONE: Final = "919800000001"
OTHER: Final = "919800000002"


@pytest.fixture
def sent(send: "Send", track: "Track") -> "Result":
    """An event whose SMS was accepted."""
    return send(track(PHONE))[0]


@pytest.fixture
def doubtful(send: "Send", track: "Track", msg91: "FakeMsg91") -> "Result":
    """An event whose SMS was sent or not: MSG91's answer was lost."""
    msg91.breaks_off(httpx.ReadTimeout("no answer"))
    return send(track(PHONE))[0]


def _only(aws: "Aws") -> "Item":
    (message,) = aws.messages()
    return message


def _end(aws: "Aws") -> tuple[object, ...]:
    return tuple(_only(aws).get(name) for name in ("send_state", "delivery_status", "failure_category"))


def _report(reporter: "Reporter", result: "Result", status: str = "1", date: str = "2026-01-02 08:35:00") -> None:
    report = {"requestId": result.request_id, "CRQID": result.crqid, "number": PHONE, "status": status, "date": date}
    reporter.receive(json.dumps(report).encode(), "application/json")


# What is overdue


@pytest.mark.usefixtures("sent")
def test_a_message_is_not_looked_up_before_it_is_overdue(
    reconcile: "Reconcile", clock: "Clock", logs: "FakeLogs"
) -> None:
    clock.advance(minutes=59)
    assert (reconcile().as_json()["overdue"], logs.requests) == (0, [])


def test_a_message_with_a_final_report_is_not_overdue(
    sent: "Result", reporter: "Reporter", reconcile: "Reconcile", clock: "Clock", aws: "Aws"
) -> None:
    _report(reporter, sent)
    clock.advance(hours=2)
    assert (reconcile().overdue, "awaiting_report" in _only(aws)) == (0, False)


@pytest.mark.parametrize("status", ["Pending", "77"])
def test_a_message_whose_report_is_not_final_is_overdue(
    status: str, sent: "Result", reporter: "Reporter", reconcile: "Reconcile", clock: "Clock"
) -> None:
    _report(reporter, sent, status)
    clock.advance(hours=2)
    assert reconcile().overdue == 1


@pytest.mark.parametrize("code", ["202", "301", "001"])
def test_a_message_that_msg91_refuses_is_never_overdue(
    code: str, send: "Send", track: "Track", msg91: "FakeMsg91", reconcile: "Reconcile", clock: "Clock", aws: "Aws"
) -> None:
    msg91.refuses(code)
    send(track(PHONE))
    clock.advance(hours=47)
    assert (reconcile().overdue, "awaiting_report" in _only(aws)) == (0, False)


def test_an_invalid_event_is_never_overdue(
    send: "Send", track: "Track", reconcile: "Reconcile", clock: "Clock", aws: "Aws"
) -> None:
    send(track(PHONE, senderID="not a sender id"))
    clock.advance(hours=47)
    assert (reconcile().overdue, "awaiting_report" in _only(aws)) == (0, False)


def test_a_message_that_is_sent_at_the_second_attempt_is_overdue_from_then_on(
    send: "Send", track: "Track", msg91: "FakeMsg91", reconcile: "Reconcile", clock: "Clock"
) -> None:
    msg91.refuses("301")
    send(track(PHONE))
    clock.advance(hours=3)
    send(track(PHONE))
    assert reconcile().overdue == 0
    clock.advance(minutes=61)
    assert reconcile().overdue == 1


def test_a_scheduled_message_is_overdue_after_its_time(
    send: "Send", track: "Track", reconcile: "Reconcile", clock: "Clock"
) -> None:
    send(track(PHONE, afterminutes=600))
    clock.advance(hours=10, minutes=59)
    assert reconcile().overdue == 0
    clock.advance(minutes=2)
    assert reconcile().overdue == 1


def test_while_reconciliation_is_off_a_message_is_in_no_index(send: "Send", track: "Track", aws: "Aws") -> None:
    send(track(PHONE), reconciliation_enabled=False)
    assert "awaiting_report" not in _only(aws)


def test_a_claim_whose_lease_has_not_ended_is_not_overdue(
    send: "Send", track: "Track", dynamodb: "UnreliableDynamoDb", reconcile: "Reconcile", clock: "Clock"
) -> None:
    dynamodb.passes("update_item").refuses("update_item").refuses("update_item").refuses("update_item")
    send(track(PHONE))
    clock.advance(seconds=39)
    assert reconcile(overdue_minutes=0, elsewhere=True).overdue == 0
    clock.advance(seconds=2)
    assert reconcile(overdue_minutes=0, elsewhere=True).overdue == 1


# What the logs say


@pytest.mark.parametrize(
    ("words", "status", "category"),
    [
        ({"status": "Delivered"}, "delivered", None),
        ({"status": "Failed", "failureReason": "Absent Subscriber"}, "failed", "unreachable"),
        ({"status": "NDNC"}, "ndnc", "dnd"),
        ({"status": "Blocked number"}, "blocked", "blocked"),
        ({"status": "Opt-out"}, "blocked", "opt_out"),
        ({"status": "Auto failed", "failureReason": "Invalid SMS Timing"}, "failed", "timing"),
        ({"status": "Never seen", "statusCode": 9}, "ndnc", "dnd"),
    ],
)
def test_a_message_ends_as_the_logs_say(
    words: dict[str, Any],
    status: str,
    category: str | None,
    sent: "Result",
    reconcile: "Reconcile",
    logs: "FakeLogs",
    clock: "Clock",
    aws: "Aws",
) -> None:
    logs.has(PHONE, **({"requestId": sent.request_id, "CRQID": sent.crqid} | words))
    clock.advance(hours=2)
    outcome = reconcile()
    assert outcome.as_json() == {
        "overdue": 1, "found": 1, "settled": 0, "unreported": 0, "not_sent": 0, "remaining": 0
    }  # fmt: skip
    assert _end(aws) == ("accepted", status, category)
    assert (outcome.silent, "awaiting_report" in _only(aws)) == (1, False)


def test_a_row_is_recorded_as_a_report_without_the_text(
    sent: "Result", reconcile: "Reconcile", logs: "FakeLogs", clock: "Clock", aws: "Aws"
) -> None:
    logs.has(PHONE, requestId=sent.request_id, CRQID=sent.crqid)
    clock.advance(hours=2)
    reconcile()
    (row,) = aws.reports()
    assert (row["webhook_version"], row["matched"], row["report_group"]) == ("logs", sent.crqid, sent.request_id)
    assert row["reported_at"] == "2026-01-02T03:04:08Z"
    assert UNASKED not in json.dumps(row, default=str)
    assert all("msgData" not in query["fields"] for query in logs.queries())


def test_a_row_is_matched_by_request_id_and_number_without_a_crqid(
    sent: "Result", reconcile: "Reconcile", logs: "FakeLogs", clock: "Clock", aws: "Aws"
) -> None:
    logs.has(PHONE, requestId=sent.request_id, CRQID="0")
    clock.advance(hours=2)
    reconcile()
    assert _end(aws) == ("accepted", "delivered", None)


@pytest.mark.parametrize(
    "columns", [{"requestId": "another"}, {"requestId": "another", "CRQID": "another"}, {}], ids=str
)
@pytest.mark.usefixtures("doubtful")
def test_a_row_is_never_matched_by_its_number_alone(
    columns: dict[str, Any], reconcile: "Reconcile", logs: "FakeLogs", clock: "Clock", aws: "Aws"
) -> None:
    logs.has(PHONE, **columns)
    clock.advance(hours=2)
    assert (reconcile().found, _end(aws)) == (0, ("unknown", None, None))


def test_a_row_with_the_crqid_and_another_number_is_of_another_message(
    sent: "Result", reconcile: "Reconcile", logs: "FakeLogs", clock: "Clock", aws: "Aws"
) -> None:
    logs.has(OTHER, requestId=sent.request_id, CRQID=sent.crqid)
    clock.advance(hours=2)
    assert (reconcile().found, _end(aws)) == (0, ("accepted", None, None))


@pytest.mark.parametrize("status", ["Delivered", "Pending"])
def test_a_message_in_doubt_that_the_logs_show_becomes_accepted_with_its_request_id(
    status: str, doubtful: "Result", reconcile: "Reconcile", logs: "FakeLogs", clock: "Clock", aws: "Aws"
) -> None:
    logs.has(PHONE, status, requestId="r-1", CRQID=doubtful.crqid)
    clock.advance(hours=2)
    outcome = reconcile()
    message = _only(aws)
    assert (outcome.settled, outcome.found, outcome.remaining) == (1, 1, int(status == "Pending"))
    assert (message["send_state"], message["request_id"], message["delivery_status"]) == (
        "accepted",
        "r-1",
        status.lower(),
    )
    assert "error" not in message


def test_equal_texts_of_one_call_are_matched_although_they_share_a_crqid(
    send: "Send",
    track: "Track",
    msg91: "FakeMsg91",
    reconcile: "Reconcile",
    logs: "FakeLogs",
    clock: "Clock",
    aws: "Aws",
) -> None:
    msg91.breaks_off(httpx.ReadTimeout("no answer"))
    first, _ = send(track(PHONE), track(OTHER, "message-2"))
    logs.has(PHONE, requestId="r-1", CRQID=first.crqid)
    logs.has(OTHER, "Failed", requestId="r-1", CRQID=first.crqid)
    clock.advance(hours=2)
    assert (reconcile().settled, {row["phone"]: row["delivery_status"] for row in aws.messages()}) == (
        2,
        {PHONE: "delivered", OTHER: "failed"},
    )


def test_another_text_of_the_same_batch_is_not_taken_for_an_equal_one(
    send: "Send",
    track: "Track",
    msg91: "FakeMsg91",
    reconcile: "Reconcile",
    logs: "FakeLogs",
    clock: "Clock",
    aws: "Aws",
) -> None:
    for _ in range(2):
        msg91.breaks_off(httpx.ReadTimeout("no answer"))
    equal = track(PHONE), track(OTHER, "message-2")
    first, second, other = send(*equal, track(OTHER, "message-3", message="Another text"))
    logs.has(OTHER, requestId="r-1", CRQID=first.crqid)
    clock.advance(hours=2)
    assert reconcile().settled == 1
    states = {str(message["crqid"]): message["send_state"] for message in aws.messages()}
    assert states == {first.crqid: "unknown", second.crqid: "accepted", other.crqid: "unknown"}


def test_a_pending_row_is_recorded_once(
    sent: "Result", reconcile: "Reconcile", logs: "FakeLogs", clock: "Clock", aws: "Aws", dynamodb: "UnreliableDynamoDb"
) -> None:
    logs.has(PHONE, "Pending", requestId=sent.request_id)
    clock.advance(hours=2)
    reconcile()
    dynamodb.calls.clear()
    clock.advance(minutes=30)
    assert reconcile().remaining == 1
    assert not {"update_item", "put_item"} & set(dynamodb.calls)
    assert len(aws.reports()) == 1


def test_a_report_of_a_higher_rank_that_comes_meanwhile_is_not_replaced(
    sent: "Result", reporter: "Reporter", reconcile: "Reconcile", logs: "FakeLogs", clock: "Clock", aws: "Aws"
) -> None:
    logs.has(PHONE, "Pending", requestId=sent.request_id, CRQID=sent.crqid)
    logs.before_answer = lambda: _report(reporter, sent)
    clock.advance(hours=47)
    reconcile()
    assert _end(aws) == ("accepted", "delivered", None)


# By request id and by day


@pytest.mark.parametrize("has_total", [True, False])
def test_few_requests_are_looked_up_by_their_ids_if_the_day_has_more_pages(
    has_total: bool,  # noqa: FBT001
    sent: "Result",
    reconcile: "Reconcile",
    logs: "FakeLogs",
    clock: "Clock",
    aws: "Aws",
) -> None:
    logs.per_page, logs.has_total = 1, has_total
    for number in range(5):
        logs.has(OTHER, requestId=f"r-{number}")
    logs.has(PHONE, "Failed", requestId=sent.request_id)
    clock.advance(hours=2)
    assert (reconcile().found, _end(aws)) == (1, ("accepted", "failed", "other"))
    asked = [(query.get("requestId"), query["startDate"], query["endDate"]) for query in logs.queries()]
    assert asked == [(None, "2026-01-02", "2026-01-02"), (sent.request_id, "2026-01-02", "2026-01-02")]


@pytest.mark.usefixtures("sent")
def test_a_request_that_is_not_in_its_own_rows_ends_unreported(
    reconcile: "Reconcile", logs: "FakeLogs", clock: "Clock", aws: "Aws"
) -> None:
    logs.per_page = 1
    for number in range(5):
        logs.has(OTHER, requestId=f"r-{number}")
    clock.advance(hours=47)
    assert (reconcile().unreported, _end(aws)) == (1, ("accepted", "unreported", "dropped"))


def test_many_requests_are_read_by_the_day(
    send: "Send", track: "Track", reconcile: "Reconcile", logs: "FakeLogs", clock: "Clock"
) -> None:
    for number in range(11):
        (result,) = send(track(PHONE, f"message-{number}"))
        logs.has(PHONE, requestId=result.request_id)
    logs.per_page = 5
    clock.advance(hours=2)
    outcome = reconcile()
    assert (outcome.found, outcome.remaining, [query.get("requestId") for query in logs.queries()]) == (
        11,
        0,
        [None] * 3,
    )


def test_a_message_near_midnight_in_india_is_looked_up_on_both_days(
    send: "Send", track: "Track", msg91: "FakeMsg91", reconcile: "Reconcile", logs: "FakeLogs", clock: "Clock"
) -> None:
    clock.advance(hours=15, minutes=25)  # 23:59 in India
    msg91.breaks_off(httpx.ReadTimeout("no answer"))
    send(track(PHONE))
    clock.advance(hours=2)
    reconcile()
    assert [(query["startDate"], query["endDate"]) for query in logs.queries()] == [
        ("2026-01-02", "2026-01-02"),
        ("2026-01-03", "2026-01-03"),
    ]


@pytest.mark.usefixtures("doubtful")
def test_a_query_that_msg91_may_still_remember_is_not_repeated(
    reconcile: "Reconcile", logs: "FakeLogs", clock: "Clock"
) -> None:
    clock.advance(hours=2)
    reconcile()
    clock.advance(minutes=5)
    reconcile()
    days = [(query["startDate"], query["endDate"]) for query in logs.queries()]
    assert days == [("2026-01-02", "2026-01-02"), ("2026-01-01", "2026-01-02")]


def test_however_often_the_logs_are_read_no_query_repeats_within_minutes(
    send: "Send",
    track: "Track",
    msg91: "FakeMsg91",
    reconcile: "Reconcile",
    logs: "FakeLogs",
    clock: "Clock",
    aws: "Aws",
) -> None:
    logs.remembers_for = timedelta(minutes=10)
    for number in range(1, 6):
        msg91.breaks_off(httpx.ReadTimeout("no answer"))
        (result,) = send(track(f"91980000000{number}", f"message-{number}"))
        reconcile(overdue_minutes=0)
        clock.advance(minutes=1)
        logs.has(f"91980000000{number}", requestId=f"r-{number}", CRQID=result.crqid)
        assert reconcile(overdue_minutes=0).settled == 1
    assert {message["delivery_status"] for message in aws.messages()} == {"delivered"}


# Conclusions


@pytest.mark.usefixtures("sent")
def test_an_accepted_message_in_no_log_ends_unreported_and_not_before_its_time(
    reconcile: "Reconcile", clock: "Clock", aws: "Aws"
) -> None:
    clock.advance(hours=45, minutes=59)
    assert (reconcile().unreported, _end(aws)) == (0, ("accepted", None, None))
    clock.advance(minutes=2)
    outcome = reconcile()
    assert (outcome.unreported, outcome.remaining) == (1, 0)
    assert _end(aws) == ("accepted", "unreported", "dropped")
    message = _only(aws)
    assert message["delivery_description"] == "MSG91 accepted it, but its logs do not know it"
    assert (message["concluded_at"], "awaiting_report" in message) == ("2026-01-04T01:05:05.000Z", False)
    assert reconcile().overdue == 0


def test_a_message_that_msg91_dropped_as_a_duplicate_ends_with_this_reason(
    send: "Send", track: "Track", msg91: "FakeMsg91", reconcile: "Reconcile", clock: "Clock", aws: "Aws"
) -> None:
    msg91.refuses("311")
    send(track(PHONE))
    clock.advance(hours=2)
    assert reconcile().missing == 0
    clock.advance(hours=45)
    assert (reconcile().unreported, _end(aws)) == (1, ("accepted", "unreported", "duplicate"))


def test_a_message_that_is_still_pending_in_the_logs_ends_unreported_with_this_reason(
    sent: "Result", reconcile: "Reconcile", logs: "FakeLogs", clock: "Clock", aws: "Aws"
) -> None:
    logs.has(PHONE, "Pending", requestId=sent.request_id)
    clock.advance(hours=2)
    reconcile()
    clock.advance(hours=45)
    assert reconcile().unreported == 1
    assert _end(aws) == ("accepted", "unreported", "unconfirmed")
    assert _only(aws)["delivery_description"] == "still pending in its logs"


@pytest.mark.usefixtures("doubtful")
def test_a_message_in_doubt_is_not_sent_if_the_logs_have_its_neighbours(
    reconcile: "Reconcile", logs: "FakeLogs", clock: "Clock", aws: "Aws"
) -> None:
    logs.has(OTHER, requestId="another", sent_at=clock() + timedelta(minutes=20))
    clock.advance(hours=45)
    assert (reconcile().not_sent, _end(aws)[1]) == (0, None)
    clock.advance(hours=2)
    outcome = reconcile()
    assert (outcome.not_sent, outcome.unreported, outcome.remaining) == (1, 0, 0)
    assert _end(aws) == ("unknown", "not_sent", "not_sent")


@pytest.mark.usefixtures("doubtful")
def test_a_message_in_doubt_without_neighbours_in_the_logs_ends_unreported(
    reconcile: "Reconcile", logs: "FakeLogs", clock: "Clock", aws: "Aws"
) -> None:
    logs.has(OTHER, requestId="another", sent_at=clock() + timedelta(hours=5))
    clock.advance(hours=47)
    assert (reconcile().unreported, _end(aws)) == (1, ("unknown", "unreported", "unconfirmed"))


@pytest.mark.usefixtures("doubtful")
def test_a_message_in_doubt_is_unclear_if_a_row_without_a_crqid_may_be_its_own(
    reconcile: "Reconcile", logs: "FakeLogs", clock: "Clock", aws: "Aws"
) -> None:
    logs.has(PHONE, requestId="another", CRQID="0")
    clock.advance(hours=47)
    assert (reconcile().unreported, _end(aws)[1]) == (1, "unreported")
    assert "may be this one" in _only(aws)["delivery_description"]


@pytest.mark.usefixtures("doubtful")
def test_without_the_column_crqid_nothing_is_concluded_of_a_message_in_doubt(
    reconcile: "Reconcile", logs: "FakeLogs", clock: "Clock", aws: "Aws"
) -> None:
    logs.without_columns = frozenset({"CRQID"})
    logs.has(OTHER, requestId="another")
    clock.advance(hours=47)
    assert (reconcile().remaining, _end(aws)[1]) == (1, None)


@pytest.mark.parametrize(
    ("status", "body"),
    [
        (401, '{"status":"fail","hasError":true,"errors":"Unauthorized","code":"401","apiError":"201"}'),
        (401, '{"status":"fail","hasError":true,"errors":"Unauthorized","code":"401","apiError":"418"}'),
        (404, '{"type":"error","msg":"Route Missing"}'),
        (200, '{"error":"Duration exceeds, allowed limit is 3"}'),
        (200, '{"hasError":true,"errors":["no"],"data":[]}'),
        (200, '{"type":"error","message":"no"}'),
        (200, "<html><body>Please log in</body></html>"),
        (200, ""),
        (200, "{}"),
        (200, '{"data":[1]}'),
        (200, '{"data":[],"metadata":{"paginationToken":{"page":2}}}'),
        (502, "<html><body>Bad Gateway</body></html>"),
        (500, '{"data":[]}'),
    ],
)
@pytest.mark.parametrize("makes_doubt", [False, True], ids=["accepted", "in doubt"])
def test_nothing_is_concluded_after_a_pull_that_failed(
    makes_doubt: bool,  # noqa: FBT001
    status: int,
    body: str,
    request: pytest.FixtureRequest,
    reconcile: "Reconcile",
    logs: "FakeLogs",
    clock: "Clock",
    aws: "Aws",
) -> None:
    request.getfixturevalue("doubtful" if makes_doubt else "sent")
    logs.has(OTHER)
    logs.answers(body, status)
    clock.advance(hours=47)
    outcome = reconcile()
    assert (outcome.remaining, _end(aws)[1], len(outcome.problems)) == (1, None, 1)
    clock.advance(minutes=30)
    assert reconcile().remaining == 0


@pytest.mark.usefixtures("sent")
def test_a_connection_that_breaks_concludes_nothing(
    reconcile: "Reconcile", logs: "FakeLogs", clock: "Clock", aws: "Aws"
) -> None:
    logs.breaks_off(httpx.ReadTimeout("no answer"))
    clock.advance(hours=47)
    assert (reconcile().problems, _end(aws)[1]) == (["MSG91's logs gave no answer (ReadTimeout)"], None)


@pytest.mark.usefixtures("sent")
def test_without_an_authkey_msg91_is_not_asked(reconcile: "Reconcile", logs: "FakeLogs", clock: "Clock") -> None:
    clock.advance(hours=47)
    assert ("msg91_authkey" in reconcile(authkey="").problems[0], logs.requests) == (True, [])


@pytest.mark.parametrize("reported", ["delivered", "failed"])
def test_a_report_that_comes_after_all_wins_without_a_conflict(
    reported: str, sent: "Result", reporter: "Reporter", reconcile: "Reconcile", clock: "Clock", aws: "Aws"
) -> None:
    clock.advance(hours=47)
    reconcile()
    _report(reporter, sent, {"delivered": "1", "failed": "2"}[reported], "2026-01-02 08:40:00")
    message = _only(aws)
    assert message["delivery_status"] == reported
    assert not {"concluded_at", "delivery_conflict", "awaiting_report"} & set(message)


def test_a_report_without_an_end_replaces_a_conclusion_and_the_message_waits_again(
    sent: "Result", reporter: "Reporter", reconcile: "Reconcile", clock: "Clock", aws: "Aws"
) -> None:
    clock.advance(hours=47)
    reconcile()
    _report(reporter, sent, "Pending")
    assert (_end(aws)[1], "awaiting_report" in _only(aws)) == ("pending", True)
    assert (reconcile(elsewhere=True).unreported, _end(aws)[1]) == (1, "unreported")


@pytest.mark.usefixtures("sent")
def test_a_message_that_is_too_old_for_the_logs_leaves_the_index_without_a_conclusion(
    reconcile: "Reconcile", clock: "Clock", aws: "Aws"
) -> None:
    clock.advance(hours=72)
    outcome = reconcile()
    assert (outcome.missed, outcome.unreported, outcome.remaining, _end(aws)[1]) == (1, 0, 0, None)
    assert reconcile().overdue == 0


@pytest.mark.parametrize("resend_after", [None, timedelta(minutes=30)])
@pytest.mark.usefixtures("doubtful")
def test_a_conclusion_changes_nothing_in_what_is_sent(
    resend_after: timedelta | None,
    send: "Send",
    track: "Track",
    msg91: "FakeMsg91",
    reconcile: "Reconcile",
    logs: "FakeLogs",
    clock: "Clock",
    aws: "Aws",
) -> None:
    logs.has(OTHER)
    clock.advance(hours=47)
    assert reconcile().not_sent == 1
    (result,) = send(track(PHONE), resend_unknown_after=resend_after)
    assert (result.status, len(msg91.sent)) == (("accepted", 1) if resend_after else ("unknown", 0))
    if resend_after:
        assert not {"delivery_status", "concluded_at", "delivery_order"} & set(_only(aws))
        assert "awaiting_report" in _only(aws)


@pytest.mark.usefixtures("sent")
def test_messages_that_msg91_accepted_recently_and_does_not_know_are_counted(
    reconcile: "Reconcile", clock: "Clock"
) -> None:
    clock.advance(hours=2)
    assert reconcile().missing == 1
    clock.advance(hours=5)
    assert reconcile().missing == 0


def test_a_row_of_a_message_that_has_ended_is_not_another_messages(
    send: "Send",
    track: "Track",
    msg91: "FakeMsg91",
    reporter: "Reporter",
    reconcile: "Reconcile",
    logs: "FakeLogs",
    clock: "Clock",
    aws: "Aws",
) -> None:
    msg91.answers('{"type":"success","message":"r-first"}', sends=True)
    msg91.breaks_off(httpx.ReadTimeout("no answer"))
    both = send(track(PHONE), track(PHONE, "message-2"))
    (ended,) = [one for one in both if one.status == "accepted"]
    (doubtful,) = [one for one in both if one.status == "unknown"]
    _report(reporter, ended)
    logs.has(PHONE, requestId="r-first", CRQID=ended.crqid)
    logs.has(PHONE, requestId="r-first", CRQID="of another recipient")
    send(track(OTHER, "message-3"))
    logs.has(PHONE, requestId="r-first", CRQID=next(iter(set(_keys(aws)) - {one.crqid for one in both})))
    clock.advance(hours=2)
    reconcile()
    message = aws.message(str(doubtful.crqid))
    assert (message["send_state"], message.get("delivery_status"), message.get("request_id")) == ("unknown", None, None)


def _keys(aws: "Aws") -> list[str]:
    return [str(message["crqid"]) for message in aws.messages()]


# Bounds, interruptions and failures


def test_a_sample_concludes_nothing_from_what_another_sample_has_read(
    send: "Send",
    track: "Track",
    reconcile: "Reconcile",
    logs: "FakeLogs",
    clock: "Clock",
    aws: "Aws",
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(reconciliation, "MAX_MESSAGES", 6)
    monkeypatch.setattr(reconciliation, "MAX_PAGES", 2)
    logs.per_page = 3
    for number in range(10, 22):
        (result,) = send(track(f"9198000000{number}", f"message-{number}"))
        logs.has(f"9198000000{number}", requestId=result.request_id, CRQID=result.crqid)
    clock.advance(hours=47)
    for _ in range(6):
        assert reconcile().unreported == 0
        clock.advance(minutes=30)
    assert {message.get("delivery_status") for message in aws.messages()} <= {"delivered", None}


def test_a_row_without_a_crqid_is_remembered_by_the_next_run(
    doubtful: "Result",
    reconcile: "Reconcile",
    logs: "FakeLogs",
    clock: "Clock",
    aws: "Aws",
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(reconciliation, "MAX_PAGES", 2)
    logs.per_page = 1
    logs.has(PHONE, requestId="r-1")
    for number in range(3):
        logs.has(OTHER, requestId="r-2", CRQID=f"c-{number}")
    clock.advance(hours=47)
    assert [reconcile().unreported for _ in range(2)] == [0, 1]
    assert aws.message(str(doubtful.crqid))["delivery_description"] == reconciliation.UNCLEAR.reason


def test_however_slow_the_logs_are_every_day_is_read_and_concluded(
    send: "Send",
    track: "Track",
    msg91: "FakeMsg91",
    reconcile: "Reconcile",
    logs: "FakeLogs",
    clock: "Clock",
    aws: "Aws",
) -> None:
    logs.per_page = 1
    for message_id in ("of-one-day", "of-the-next-day"):
        msg91.breaks_off(httpx.ReadTimeout("no answer"))
        send(track(PHONE, message_id))
        for number in range(30):
            logs.has(OTHER, requestId="r-2", CRQID=f"c-{number}")
        clock.advance(hours=15, minutes=36)
    clock.advance(hours=30, minutes=36)
    logs.before_answer = lambda: clock.advance(seconds=10)
    for _ in range(3):
        reconcile()
        clock.advance(minutes=30)
    assert [message.get("delivery_status") for message in aws.messages()] == ["not_sent"] * 2


def test_a_day_that_is_not_read_to_its_end_is_continued_by_the_next_run(
    send: "Send",
    track: "Track",
    msg91: "FakeMsg91",
    reconcile: "Reconcile",
    logs: "FakeLogs",
    clock: "Clock",
    aws: "Aws",
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(reconciliation, "MAX_PAGES", 2)
    logs.per_page = 1
    for number in range(1, 6):
        msg91.breaks_off(httpx.ReadTimeout("no answer"))
        (result,) = send(track(f"91980000000{number}", f"message-{number}"))
        if number != 3:
            logs.has(f"91980000000{number}", requestId=f"r-{number}", CRQID=result.crqid)
    clock.advance(hours=47)
    found = []
    for _ in range(3):
        outcome = reconcile()
        found.append((outcome.found, outcome.not_sent, outcome.remaining))
        clock.advance(minutes=30)
    assert found == [(2, 0, 3), (2, 1, 0), (0, 0, 0)]
    assert [query.get("paginationToken") for query in logs.queries()] == [None, "1", "2", "3"]
    assert all(row["report_group"] != "reconciliation" for row in aws.reports())


@pytest.mark.usefixtures("doubtful")
@pytest.mark.parametrize("has_total", [True, False])
def test_logs_that_never_end_are_read_in_bounded_calls(
    has_total: bool,  # noqa: FBT001
    reconcile: "Reconcile",
    logs: "FakeLogs",
    clock: "Clock",
    aws: "Aws",
) -> None:
    rows = [{"telNum": OTHER, "CRQID": f"c{number}", "status": "Sent"} for number in range(10)]
    for number in range(200):
        metadata = {"paginationToken": f"token-{number}"} | ({"total": 10**9} if has_total else {})
        page = [row | {"requestId": f"r-{number}"} for row in rows]
        logs.answers(json.dumps({"data": page, "metadata": metadata}))
    clock.advance(hours=47)
    outcome = reconcile()
    assert (outcome.remaining, _end(aws)[1], len(logs.requests)) == (1, None, reconciliation.MAX_PAGES)


@pytest.mark.usefixtures("doubtful")
def test_an_empty_page_with_a_token_is_the_last_one(reconcile: "Reconcile", logs: "FakeLogs", clock: "Clock") -> None:
    logs.answers('{"data":[],"metadata":{"paginationToken":"again"}}')
    clock.advance(hours=47)
    assert (reconcile().unreported, len(logs.requests)) == (1, 1)


@pytest.mark.usefixtures("doubtful")
@pytest.mark.parametrize("rows", [[], [{"telNum": OTHER, "CRQID": "c"}]], ids=["none", "one"])
@pytest.mark.parametrize("token", [{}, {"paginationToken": "again"}], ids=["no token", "a token"])
def test_fewer_rows_than_their_total_conclude_nothing(
    rows: list[dict[str, str]],
    token: dict[str, str],
    reconcile: "Reconcile",
    logs: "FakeLogs",
    clock: "Clock",
    aws: "Aws",
) -> None:
    for _ in range(2):
        logs.answers(json.dumps({"data": rows, "metadata": {"total": 2} | token}))
    clock.advance(hours=47)
    (problem,) = reconcile().problems
    assert (problem.removeprefix("MSG91's logs "), _end(aws)[1]) in (
        ("lack rows of their own total", None),
        ("repeat a page", None),
    )


@pytest.mark.usefixtures("doubtful")
def test_rows_that_are_added_to_the_total_meanwhile_are_not_awaited(
    reconcile: "Reconcile", logs: "FakeLogs", clock: "Clock"
) -> None:
    row = {"telNum": OTHER, "CRQID": "c"}
    logs.answers(json.dumps({"data": [row] * 2, "metadata": {"total": 3, "paginationToken": "next"}}))
    logs.answers(json.dumps({"data": [row], "metadata": {"total": 4}}))
    clock.advance(hours=47)
    assert reconcile().unreported == 1


@pytest.mark.usefixtures("doubtful")
@pytest.mark.parametrize("rows", [1, 1000])
def test_a_page_that_repeats_concludes_nothing(
    rows: int, reconcile: "Reconcile", logs: "FakeLogs", clock: "Clock", aws: "Aws"
) -> None:
    page = json.dumps({"data": [{"telNum": OTHER, "CRQID": "c"}] * rows, "metadata": {"paginationToken": "again"}})
    logs.answers(page)
    logs.answers(page)
    clock.advance(hours=47)
    assert (reconcile().problems, _end(aws)[1]) == (["MSG91's logs repeat a page"], None)


@pytest.mark.usefixtures("sent")
def test_a_run_without_time_left_changes_nothing(
    reconcile: "Reconcile", logs: "FakeLogs", clock: "Clock", aws: "Aws"
) -> None:
    clock.advance(hours=47)
    assert (reconcile(seconds=0).remaining, _end(aws)[1], logs.requests) == (1, None, [])


@pytest.mark.parametrize("operation", ["query", "batch_get_item", "get_item", "update_item"])
@pytest.mark.usefixtures("doubtful")
def test_a_run_without_dynamodb_changes_nothing_and_the_next_one_ends_the_message(
    operation: str,
    dynamodb: "UnreliableDynamoDb",
    reconcile: "Reconcile",
    clock: "Clock",
    aws: "Aws",
) -> None:
    clock.advance(hours=47)
    dynamodb.refuses(operation)
    reconcile()
    assert _end(aws)[1] is None
    clock.advance(minutes=30)
    assert (reconcile().unreported, _end(aws)[1]) == (1, "unreported")


def test_a_row_that_could_not_be_written_concludes_nothing(
    sent: "Result", dynamodb: "UnreliableDynamoDb", reconcile: "Reconcile", logs: "FakeLogs", clock: "Clock", aws: "Aws"
) -> None:
    logs.has(PHONE, requestId=sent.request_id)
    clock.advance(hours=47)
    dynamodb.refuses("update_item")
    assert (reconcile().remaining, _end(aws)[1]) == (1, None)


def test_two_runs_at_once_have_the_result_of_one(
    send: "Send",
    track: "Track",
    msg91: "FakeMsg91",
    reconcile: "Reconcile",
    logs: "FakeLogs",
    clock: "Clock",
    aws: "Aws",
) -> None:
    (accepted,) = send(track(PHONE))
    msg91.breaks_off(httpx.ReadTimeout("no answer"))
    (lost,) = send(track(OTHER, "message-2"))
    msg91.breaks_off(httpx.ReadTimeout("no answer"))
    send(track("919800000003", "message-3"))
    logs.has(PHONE, requestId=accepted.request_id)
    logs.has(OTHER, requestId="r-1", CRQID=lost.crqid)
    clock.advance(hours=47)
    inner = []

    def run_inside() -> None:
        logs.before_answer = None
        inner.append(reconcile(elsewhere=True))

    logs.before_answer = run_inside
    outer = reconcile()
    assert Counter(str(row["delivery_status"]) for row in aws.messages()) == {"delivered": 2, "not_sent": 1}
    assert (outer.settled + inner[0].settled, outer.not_sent + inner[0].not_sent) == (1, 1)
    assert outer.silent + inner[0].silent == 2
    assert len(aws.reports()) == 2
