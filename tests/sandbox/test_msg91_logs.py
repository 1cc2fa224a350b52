"""The simulator's logs API: the facts of msg91.md, and the faults that a reader must survive."""

import json
from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import httpx
import pytest

from sandbox.msg91_simulator import numbers
from sandbox.msg91_simulator.answers import Answer
from sandbox.msg91_simulator.calls import FLOW_PATH, SMS_PATH, Sms
from sandbox.msg91_simulator.ledger import SentSms
from sandbox.msg91_simulator.log_rows import NOT_BY_DEFAULT, Reported, row
from sandbox.msg91_simulator.logs import FAULTS, LOGS_PATH, Fault, Logs, LogsCall, Settings
from sandbox.msg91_simulator.numbers import PREFIX, Outcome
from sandbox.msg91_simulator.server import running_simulator
from sandbox.msg91_simulator.simulator import Simulator

AUTHKEY: Final = "test-authkey"
NOW: Final = datetime(2026, 3, 10, 6, 0, tzinfo=UTC)
"""11:30 in India."""
MINUTE: Final = timedelta(minutes=1)
TODAY: Final = {"startDate": "2026-03-10", "endDate": "2026-03-10"}


def sent(number: str = f"{PREFIX}01", at: datetime = NOW - 10 * MINUTE, request_id: str = "r1", **sms: str) -> SentSms:
    fields = {"api": SMS_PATH, "text": "Hello", "sender": "MSGIND", "crqid": "C1", "echoed_crqid": "C1", **sms}
    return SentSms(request_id, Sms(number=number, **fields), at)


def reported(outcome: Outcome, at: datetime = NOW - MINUTE, due: datetime | None = None) -> Reported:
    return Reported(outcome, at, due or at)


@pytest.fixture
def logs() -> Logs:
    return Logs(AUTHKEY)


def ask(logs: Logs, now: datetime = NOW, authkey: str | None = AUTHKEY, /, **parameters: str) -> Answer:
    return logs.answer(LogsCall("", "POST", TODAY | parameters), authkey, now)


def body(answer: Answer) -> Any:  # noqa: ANN401  # any JSON
    return json.loads(answer.body)


def numbers_of(answer: Answer) -> list[str]:
    return [columns["telNum"] for columns in body(answer)["data"]]


def pages(logs: Logs, **parameters: str) -> Iterator[dict[str, Any]]:
    """Yield every page of a query."""
    token: str | None = ""
    while token is not None:
        page = body(ask(logs, **parameters, paginationToken=token))
        yield page
        token = page["metadata"]["paginationToken"]


def enter_many(logs: Logs, count: int) -> list[str]:
    names = [f"{PREFIX}{number:02}" for number in range(count)]
    for name in names:
        logs.enter(sent(name), [])
    return names


def test_a_row_has_the_times_of_india_and_the_outcome_in_words_and_code() -> None:
    columns = row(sent(echoed_crqid="C2"), [reported(numbers.DLT_FAILED, NOW - MINUTE)], NOW)

    assert columns == {
        "requestId": "r1",
        "telNum": f"{PREFIX}01",
        "status": "Failed",
        "statusCode": "2",
        "failureReason": "Template Inactive on DLT",
        "reportStatusDesc": "FAILED",
        "CRQID": "C2",
        "UUID": columns["UUID"],
        "requestDate": "2026-03-10 11:20:00",
        "sentDateTime": "2026-03-10 11:20:00",
        "deliveryDate": "2026-03-10",
        "deliveryTime": "11:29:00",
        "senderId": "MSGIND",
        "flowID": "",
        "campaignName": "Sendhttp",
        "credit": "1",
        "telecomCircle": "KARNATAKA",
        "msgData": "Hello",
    }


def test_a_row_of_a_flow_has_its_id() -> None:
    columns = row(sent(api=FLOW_PATH, text='60b07c {"VAR1": "a"}'), [], NOW)

    assert (columns["flowID"], columns["campaignName"]) == ("60b07c", "API")


def test_a_row_is_the_same_each_time_so_that_a_repeat_can_be_recognised() -> None:
    first, second = sent(request_id="r1"), sent(request_id="r2")

    assert row(first, [], NOW) == row(first, [], NOW)
    assert row(first, [], NOW)["UUID"] != row(second, [], NOW)["UUID"]


@pytest.mark.parametrize(
    ("outcome", "status", "code"),
    [
        (numbers.DELIVERED, "Delivered", "1"),
        (numbers.DLT_FAILED, "Failed", "2"),
        (numbers.NDNC, "NDNC", "9"),
        (numbers.REJECTED, "Rejected", "16"),
        (numbers.BLOCKED, "Blocked number", "17"),
        (numbers.OPT_OUT, "Opt-out", ""),
        (numbers.AUTO_FAILED, "Auto failed", ""),
        (numbers.PENDING_BEFORE, "Pending", ""),
    ],
)
def test_an_outcome_is_a_status_text_and_its_code_if_it_has_one(outcome: Outcome, status: str, code: str) -> None:
    columns = row(sent(), [reported(outcome)], NOW)

    assert (columns["status"], columns["statusCode"]) == (status, code)


@pytest.mark.parametrize(
    ("reports", "status"),
    [
        ([], "Pending"),
        ([reported(numbers.DELIVERED, due=NOW + MINUTE)], "Pending"),
        ([reported(numbers.PENDING_BEFORE), reported(numbers.DELIVERED, due=NOW + MINUTE)], "Pending"),
        ([reported(numbers.FAILED_BEFORE, NOW - 2 * MINUTE), reported(numbers.DELIVERED)], "Delivered"),
        ([reported(numbers.DELIVERED), reported(numbers.FAILED_BEFORE, NOW - 2 * MINUTE, NOW)], "Delivered"),
    ],
    ids=["none", "none due", "pending", "failed then delivered", "out of order"],
)
def test_of_the_reports_that_are_due_the_last_by_its_date_decides(reports: Sequence[Reported], status: str) -> None:
    columns = row(sent(), reports, NOW)

    assert columns["status"] == status
    assert bool(columns["deliveryDate"]) == bool(columns["deliveryTime"]) == (status != "Pending")


def test_the_columns_by_default_lack_the_identity_and_have_the_text(logs: Logs) -> None:
    logs.enter(sent(), [])

    (columns,) = body(ask(logs))["data"]
    assert not columns.keys() & NOT_BY_DEFAULT
    assert columns["msgData"] == "Hello"


def test_fields_choose_the_columns(logs: Logs) -> None:
    logs.enter(sent(), [])

    (columns,) = body(ask(logs, fields="requestId, CRQID,noSuchColumn"))["data"]
    assert columns == {"requestId": "r1", "CRQID": "C1"}


def test_a_query_by_request_id_has_its_rows_only_and_lacks_two_columns(logs: Logs) -> None:
    logs.enter(sent(request_id="r1"), [])
    logs.enter(sent(f"{PREFIX}02", request_id="r2"), [])

    (columns,) = body(ask(logs, requestId="r2", fields="requestId,failureReason,telNum"))["data"]
    assert columns == {"telNum": f"{PREFIX}02"}
    logs.settings = Settings(lacking=frozenset())
    (columns,) = body(ask(logs, requestId="r2", fields="requestId,telNum"))["data"]
    assert columns == {"requestId": "r2", "telNum": f"{PREFIX}02"}


def test_days_are_those_of_india_and_both_included(logs: Logs) -> None:
    last_second_of_the_9th = datetime(2026, 3, 9, 18, 29, 59, tzinfo=UTC)
    logs.enter(sent("919800000001", last_second_of_the_9th), [])
    logs.enter(sent("919800000002", last_second_of_the_9th + timedelta(seconds=1)), [])

    assert numbers_of(ask(logs)) == ["919800000002"]
    assert numbers_of(ask(logs, startDate="2026-03-09", endDate="2026-03-09")) == ["919800000001"]
    assert numbers_of(ask(logs, startDate="2026-03-09")) == ["919800000001", "919800000002"]


@pytest.mark.parametrize(
    ("start", "end", "is_allowed"),
    [
        ("2026-03-08", "2026-03-10", True),
        ("2026-03-10", "2026-03-12", True),
        ("2026-03-07", "2026-03-07", False),
        ("2026-03-07", "2026-03-10", False),
        ("2026-03-10", "2026-03-13", False),
    ],
)
def test_three_days_can_be_asked_for_and_none_before(logs: Logs, start: str, end: str, is_allowed: bool) -> None:  # noqa: FBT001  # a parameter of pytest's
    answer = ask(logs, startDate=start, endDate=end)

    assert answer.status == 200
    assert ("data" in body(answer)) == is_allowed
    assert is_allowed or body(answer)["error"] == "Duration exceeds, allowed limit is 3"


@pytest.mark.parametrize("start", ["", "10-03-2026", "yesterday"])
def test_dates_must_be_dates(logs: Logs, start: str) -> None:
    assert body(ask(logs, startDate=start))["type"] == "error"


def test_pages_follow_each_other_by_token_and_state_the_total(logs: Logs) -> None:
    names = enter_many(logs, 5)

    found = list(pages(logs, limit="2"))

    assert [[columns["telNum"] for columns in page["data"]] for page in found] == [names[:2], names[2:4], names[4:]]
    assert {page["metadata"]["total"] for page in found} == {5}


def test_what_is_sent_between_two_pages_is_in_none_of_them(logs: Logs) -> None:
    enter_many(logs, 3)
    following = pages(logs, limit="2")
    next(following)

    logs.enter(sent(f"{PREFIX}99"), [])

    assert [len(page["data"]) for page in following] == [1]


@pytest.mark.parametrize("limit", ["", "0", "many", "5000"])
def test_a_page_has_a_thousand_rows_at_most(logs: Logs, limit: str) -> None:
    for number in range(1001):
        logs.enter(sent(f"91980000{number:04}"), [])

    assert [len(page["data"]) for page in pages(logs, limit=limit)] == [1000, 1]


def test_a_token_that_was_not_given_is_an_error(logs: Logs) -> None:
    assert body(ask(logs, paginationToken="1"))["hasError"] is True


def test_rows_lag_sends(logs: Logs) -> None:
    logs.settings = Settings(lag=60)
    logs.enter(sent(at=NOW), [])

    assert numbers_of(ask(logs, NOW + timedelta(seconds=59))) == []
    assert numbers_of(ask(logs, NOW + timedelta(seconds=60))) != []


def test_an_answer_is_cached_for_its_filter_only(logs: Logs) -> None:
    logs.settings = Settings(cache=120)
    assert numbers_of(ask(logs)) == []
    logs.enter(sent(), [])

    assert numbers_of(ask(logs, NOW + MINUTE)) == []
    assert numbers_of(ask(logs, NOW + MINUTE, startDate="2026-03-09")) == [f"{PREFIX}01"]
    assert numbers_of(ask(logs, NOW + 2 * MINUTE)) == [f"{PREFIX}01"]


def test_dates_may_be_objects(logs: Logs) -> None:
    logs.settings = Settings(dates_as_objects=True)
    logs.enter(sent(), [reported(numbers.DELIVERED)])

    (columns,) = body(ask(logs))["data"]
    assert columns["requestDate"] == {"value": "2026-03-10 11:20:00"}
    assert columns["deliveryDate"] == {"value": "2026-03-10"}


@pytest.mark.parametrize("authkey", ["wrong", "", None])
def test_another_authkey_is_unauthorized_in_json_that_is_labelled_as_html(logs: Logs, authkey: str | None) -> None:
    answer = ask(logs, NOW, authkey)

    assert (answer.status, answer.content_type, body(answer)["apiError"]) == (401, "text/html", "201")


def test_a_fault_meets_so_many_calls(logs: Logs) -> None:
    logs.faults.add("418", times=2)

    assert [ask(logs).status for _ in range(3)] == [401, 401, 200]


@pytest.mark.parametrize("name", [name for name, fault in FAULTS.items() if isinstance(fault, Answer)])
def test_a_fault_that_is_an_answer_is_given_as_it_is(logs: Logs, name: str) -> None:
    logs.enter(sent(), [])
    logs.faults.add(name)

    assert ask(logs) == FAULTS[name]


@pytest.mark.parametrize(("name", "member"), [("list", None), ("logs", "logs"), ("records", "records")])
def test_rows_may_come_in_another_envelope(logs: Logs, name: str, member: str | None) -> None:
    logs.enter(sent(), [])
    logs.faults.add(name)

    content = body(ask(logs))
    rows = content[member] if member else content
    assert [columns["telNum"] for columns in rows] == [f"{PREFIX}01"]


def test_an_empty_page_says_by_its_total_that_rows_are_missing(logs: Logs) -> None:
    logs.enter(sent(), [])
    logs.faults.add("empty-page")

    page = body(ask(logs))
    assert (page["data"], page["metadata"]["total"]) == ([], 1)


def test_an_endless_token_repeats_the_last_page(logs: Logs) -> None:
    names = enter_many(logs, 3)
    logs.faults.add("endless-token", times=4)

    first, second, third, fourth = (page for page, _ in zip(pages(logs, limit="2"), range(4), strict=False))

    assert [columns["telNum"] for page in (first, second) for columns in page["data"]] == names
    assert second == third == fourth
    assert "total" not in first["metadata"]


def test_an_interceptor_sees_each_call_and_may_inject_a_fault(logs: Logs) -> None:
    calls: list[LogsCall] = []

    def inject(call: LogsCall) -> Fault | None:
        calls.append(call)
        return (lambda page: page.total) if call.parameters.get("limit") == "7" else None

    logs.interceptor = inject
    logs.enter(sent(), [])

    assert body(ask(logs, limit="7")) == 1
    assert numbers_of(ask(logs)) == [f"{PREFIX}01"]
    assert logs.calls() == calls == [LogsCall("", "POST", {**TODAY, **more}) for more in ({"limit": "7"}, {})]


class Msg91:
    """A client of the simulator over HTTP."""

    def __init__(self, simulator: Simulator, url: str) -> None:
        self.simulator = simulator
        self.url = url
        simulator.logs.settings = replace(simulator.logs.settings, lag=0)

    def send(self, suffix: str) -> httpx.Response:
        sms = {"message": "Hello", "to": [PREFIX + suffix], "CRQID": f"C{suffix}"}
        content = {"sender": "MSGIND", "route": "4", "country": "0", "sms": [sms]}
        return httpx.post(self.url + SMS_PATH, json=content, headers={"authkey": AUTHKEY})

    def rows(self, in_seconds: float = 0, **parameters: str) -> list[dict[str, Any]]:
        now = datetime.now(UTC) + timedelta(seconds=in_seconds)
        answer = self.simulator.logs.answer(LogsCall("", "POST", self.days() | parameters), AUTHKEY, now)
        found: list[dict[str, Any]] = json.loads(answer.body)["data"]
        return found

    @staticmethod
    def days() -> dict[str, str]:
        """Today in India, and yesterday in case that midnight passes."""
        today = datetime.now(UTC) + timedelta(hours=5, minutes=30)
        return {"startDate": f"{today - timedelta(days=1):%Y-%m-%d}", "endDate": f"{today:%Y-%m-%d}"}


@pytest.fixture
def msg91() -> Iterator[Msg91]:
    with running_simulator(AUTHKEY) as (simulator, url):
        yield Msg91(simulator, url)


def test_parameters_may_be_in_the_query_or_in_the_body_by_post_or_get(msg91: Msg91) -> None:
    msg91.send("01")
    url, headers, days = msg91.url + LOGS_PATH, {"authkey": AUTHKEY}, msg91.days()

    answers = [
        httpx.get(url, params=days, headers=headers),
        httpx.post(url, params=days, headers=headers),
        httpx.post(url, params=days, json={}, headers=headers),
        httpx.post(url, json=days, headers=headers),
        httpx.post(url, params=days, json=days, headers=headers),
    ]

    assert [answer.json()["metadata"]["total"] for answer in answers] == [1] * 5
    assert [call.method for call in msg91.simulator.logs.calls()] == ["GET", *["POST"] * 4]


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_another_path_of_the_reports_has_no_route(msg91: Msg91, method: str) -> None:
    answer = httpx.request(method, f"{msg91.url}/api/v5/report/logs/p/email")

    assert (answer.status_code, answer.json()) == (404, {"type": "error", "msg": "Route Missing"})


def test_faults_of_the_logs_are_set_over_http_and_are_not_those_of_sending(msg91: Msg91) -> None:
    httpx.post(f"{msg91.url}/faults", json={"logs": "503", "times": 2}).raise_for_status()

    assert msg91.send("01").status_code == 200
    url, headers = msg91.url + LOGS_PATH, {"authkey": AUTHKEY}
    assert httpx.get(url, params=msg91.days(), headers=headers).status_code == 503
    httpx.delete(f"{msg91.url}/faults")
    assert httpx.get(url, params=msg91.days(), headers=headers).status_code == 200


def test_an_unknown_fault_of_the_logs_is_refused_with_the_known_ones(msg91: Msg91) -> None:
    answer = httpx.post(f"{msg91.url}/faults", json={"logs": "301"})

    assert answer.status_code == 400
    assert "endless-token" in answer.json()["message"]


@pytest.mark.parametrize(
    ("suffix", "status"),
    [
        ("01", "Delivered"),
        ("12", "Delivered"),
        ("13", "Pending"),
        ("14", "Delivered"),
        ("15", "Pending"),
        ("16", "Opt-out"),
        ("46", "Delivered"),
        ("47", "Pending"),
        ("48", "Delivered"),
    ],
)
def test_the_logs_say_what_a_magic_number_does(msg91: Msg91, suffix: str, status: str) -> None:
    msg91.send(suffix)

    (found,) = msg91.rows(in_seconds=60, fields="requestId,telNum,CRQID,status")
    (entry,) = msg91.simulator.ledger.entries()
    assert found == {
        "requestId": entry.request_id,
        "telNum": PREFIX + suffix,
        "CRQID": f"C{suffix}",
        "status": status,
    }


def test_an_accepted_sms_that_is_dropped_has_a_request_id_and_is_in_no_log(msg91: Msg91) -> None:
    answer = msg91.send("20").json()

    (dropped,) = msg91.simulator.ledger.dropped()
    assert answer == {"type": "success", "message": dropped.request_id}
    assert (dropped.sms.number, dropped.sms.crqid) == (f"{PREFIX}20", "C20")
    assert msg91.simulator.ledger.entries() == []
    assert msg91.rows() == []
    assert httpx.get(f"{msg91.url}/ledger").json() == []


def test_who_asks_again_after_a_dropped_one_has_asked_twice(msg91: Msg91) -> None:
    msg91.send("20")
    msg91.send("20")

    assert msg91.simulator.ledger.asked() == {(f"{PREFIX}20", "Hello"): 2}


def test_an_error_is_no_request_to_send(msg91: Msg91) -> None:
    assert msg91.send("21").json()["type"] == "error"
    assert not msg91.simulator.ledger.asked()
    assert not msg91.simulator.ledger.dropped()


def test_the_logs_have_an_overdue_report_from_when_it_is_asked_for(msg91: Msg91) -> None:
    msg91.send("15")
    assert [columns["status"] for columns in msg91.rows(in_seconds=60)] == ["Pending"]

    answers = [httpx.post(f"{msg91.url}/overdue-reports").json()["message"] for _ in range(2)]

    assert answers == ["1 reports on their way", "0 reports on their way"]
    assert [columns["status"] for columns in msg91.rows(in_seconds=60)] == ["Delivered"]
