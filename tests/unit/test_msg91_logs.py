"""The client of MSG91's logs: what is sent, and each form of answer that was seen."""

import json
from datetime import UTC, date, datetime, timedelta, timezone
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Final

import httpx
import pytest

from sandbox.servers import serving, url_of
from segment_msg91.msg91.codes import DeliveryStatus
from segment_msg91.msg91.failures import Category
from segment_msg91.msg91.logs import Logs, LogsError, LogsPage, LogsQuery, page_of
from segment_msg91.msg91.reports import read_log_row

IST: Final = timezone(timedelta(hours=5, minutes=30))
DAY: Final = LogsQuery(date(2026, 1, 1), date(2026, 1, 2))
ROW: Final = {"telNum": "919800000001", "status": "Delivered", "CRQID": "c1"}


def _call(query: LogsQuery, token: str | None = None, method: str = "POST", answer: str = "[]") -> httpx.Request:
    requests: list[httpx.Request] = []

    def handle(request: httpx.Request) -> httpx.Response:
        requests.append(request)
        return httpx.Response(200, text=answer)

    Logs("https://msg91.test", method, httpx.MockTransport(handle)).page(query, token, "the-authkey")
    return requests[0]


def test_the_parameters_are_in_the_query_and_in_the_body() -> None:
    request = _call(DAY, "token-1")
    assert (request.method, request.url.path) == ("POST", "/api/v5/report/logs/p/sms")
    parameters = dict(request.url.params)
    assert json.loads(request.content) == parameters
    assert request.headers["authkey"] == "the-authkey"
    assert (parameters["startDate"], parameters["endDate"]) == ("2026-01-01", "2026-01-02")
    assert (parameters["limit"], parameters["paginationToken"]) == ("1000", "token-1")
    assert "requestId" not in parameters


def test_with_get_there_is_no_body() -> None:
    request = _call(DAY, method="GET")
    assert (request.method, request.content, request.url.params["startDate"]) == ("GET", b"", "2026-01-01")


def test_the_text_of_the_sms_is_not_requested_and_what_identifies_it_is() -> None:
    fields = set(_call(DAY).url.params["fields"].split(","))
    assert {"requestId", "telNum", "CRQID", "status", "failureReason"} <= fields
    assert "msgData" not in fields


def test_rows_of_one_request_get_its_id_where_the_column_is_missing() -> None:
    rows = [{"telNum": "1"}, {"telNum": "2", "requestId": ""}, {"telNum": "3", "requestId": "other"}]
    transport = httpx.MockTransport(lambda _: httpx.Response(200, json=rows))
    page = Logs("https://msg91.test", "POST", transport).page(LogsQuery(DAY.first, DAY.last, "r1"), None, "key")
    assert [row["requestId"] for row in page.rows] == ["r1", "r1", "other"]


@pytest.mark.parametrize(
    "answer",
    [
        [ROW],
        {"data": [ROW]},
        {"logs": [ROW]},
        {"records": [ROW]},
        {"data": {"logs": [ROW]}},
        {"type": "success", "data": [ROW | {"msgData": "text", "message": "text"}]},
        {"status": "success", "hasError": False, "error": None, "data": [ROW]},
    ],
    ids=str,
)
def test_rows_are_found_in_each_envelope_without_the_text(answer: Any) -> None:  # noqa: ANN401
    assert page_of(200, json.dumps(answer).encode()) == LogsPage([ROW])


@pytest.mark.parametrize(
    ("metadata", "token", "total"),
    [
        ({"total": 7, "paginationToken": "t"}, "t", 7),
        ({"total": "7", "paginationToken": 12}, "12", 7),
        ({"total": None, "paginationToken": None}, None, None),
        ({"total": "many", "paginationToken": ""}, None, None),
    ],
)
def test_the_metadata_leads_to_the_next_page(metadata: dict[str, Any], token: str | None, total: int | None) -> None:
    page = page_of(200, json.dumps({"data": [], "metadata": metadata}).encode())
    assert (page.token, page.total) == (token, total)


def test_metadata_beside_the_rows_is_read_as_well() -> None:
    page = page_of(200, json.dumps({"data": [], "total": 3, "paginationToken": "t"}).encode())
    assert (page.token, page.total) == ("t", 3)


@pytest.mark.parametrize(
    ("status", "body", "words"),
    [
        (401, {"status": "fail", "hasError": True, "errors": "Unauthorized", "code": "401", "apiError": "201"}, "201"),
        (401, {"status": "fail", "hasError": True, "code": "401", "apiError": "418"}, "IP address not whitelisted"),
        (404, {"type": "error", "msg": "Route Missing"}, "route missing .HTTP 404.; check the authkey"),
        (200, {"error": "Duration exceeds, allowed limit is 3"}, "out of range; check the parameter Msg91UtcOffset"),
        (200, {"hasError": True, "data": [ROW]}, "check the authkey"),
        (200, {"type": "error", "message": "No for 919800000001"}, "logs: an error .HTTP 200.; check"),
        (401, {"errors": "Unauthorized", "hasError": True}, "unauthorized .HTTP 401."),
        (200, {"data": None}, "not known here"),
        (200, {"data": ["row"]}, "not known here"),
        (200, "text", "not known here"),
        (429, {}, "HTTP 429"),
        (500, {"data": [ROW]}, "HTTP 500"),
    ],
    ids=str,
)
def test_an_error_says_what_to_do(status: int, body: Any, words: str) -> None:  # noqa: ANN401
    with pytest.raises(LogsError, match=words):
        page_of(status, json.dumps(body).encode())


@pytest.mark.parametrize("content", [b"", b"<html>Please log in</html>", b'{"data": [', b"\xff"])
def test_an_answer_that_is_no_json_is_an_error(content: bytes) -> None:
    with pytest.raises(LogsError, match="no JSON; check the parameter Msg91BaseUrl"):
        page_of(200, content)


def test_only_a_window_error_leaves_other_queries_possible() -> None:
    for body, concerns_every_query in (({"error": "Duration exceeds, allowed limit is 3"}, False), ({}, True)):
        with pytest.raises(LogsError) as raised:
            page_of(200, json.dumps(body).encode())
        assert raised.value.concerns_every_query is concerns_every_query


def test_an_authkey_that_no_header_can_carry_is_an_error() -> None:
    logs = Logs("https://msg91.test", "POST", httpx.MockTransport(lambda _: httpx.Response(200, json=[])))
    with pytest.raises(LogsError, match="msg91_authkey"):
        logs.page(DAY, None, "schl\u00fcssel\u2014")


def test_each_request_has_its_own_connection_because_a_freeze_may_end_an_idle_one() -> None:
    connections: set[int] = set()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            connections.add(self.client_address[1])
            self.send_response(200)
            self.send_header("Content-Length", "2")
            self.end_headers()
            self.wfile.write(b"[]")

        def log_message(self, *_: object) -> None:
            """Do not log."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    with serving(server):
        logs = Logs(url_of(server), "GET")
        for _ in range(3):
            logs.page(DAY, None, "key")
    assert len(connections) == 3


# Rows


@pytest.mark.parametrize(
    ("columns", "reported_at"),
    [
        ({"deliveryDate": "2026-01-02", "deliveryTime": "10:06:20"}, "2026-01-02T04:36:20Z"),
        ({"deliveryDate": {"value": "2026-01-02"}, "deliveryTime": {"value": "10:06:20"}}, "2026-01-02T04:36:20Z"),
        ({"deliveryDate": "2026-01-02 00:00:00", "deliveryTime": "10:06:20"}, "2026-01-02T04:36:20Z"),
        ({"deliveryTime": "2026-01-02 10:06:20"}, "2026-01-02T04:36:20Z"),
        ({"deliveryDate": "2026-01-02", "deliveryTime": "2026-01-02 10:06:20"}, "2026-01-02T04:36:20Z"),
        ({"deliveryDate": "2026-01-02"}, "2026-01-01T18:30:00Z"),
        ({"sentDateTime": "2026-01-02 10:06:20", "requestDate": "2026-01-02 10:06:00"}, "2026-01-02T04:36:20Z"),
        ({"requestDate": {"value": "2026-01-02T10:06:20"}, "deliveryTime": None}, "2026-01-02T04:36:20Z"),
        ({"deliveryDate": "-", "deliveryTime": "never"}, None),
        ({}, None),
    ],
    ids=str,
)
def test_the_time_of_a_row(columns: dict[str, Any], reported_at: str | None) -> None:
    assert read_log_row(ROW | columns, IST).report.reported_at == reported_at


def test_when_msg91_was_asked_to_send_is_the_time_of_the_send() -> None:
    row = read_log_row(ROW | {"sentDateTime": "2026-01-02 10:06:20", "deliveryTime": "2026-01-02 11:00:00"}, IST)
    assert row.sent_at == datetime(2026, 1, 2, 4, 36, 20, tzinfo=UTC)


@pytest.mark.parametrize(
    ("columns", "status", "category"),
    [
        ({"status": "Delivered"}, DeliveryStatus.DELIVERED, None),
        ({"status": "Pending"}, DeliveryStatus.PENDING, None),
        ({"status": "Submitted"}, DeliveryStatus.PENDING, None),
        ({"status": "Failed", "failureReason": "Absent Subscriber"}, DeliveryStatus.FAILED, Category.UNREACHABLE),
        ({"status": "Auto failed"}, DeliveryStatus.FAILED, Category.OTHER),
        ({"status": "NDNC"}, DeliveryStatus.NDNC, Category.DND),
        ({"status": "Blocked number"}, DeliveryStatus.BLOCKED, Category.BLOCKED),
        ({"status": "Opt-out"}, DeliveryStatus.BLOCKED, Category.OPT_OUT),
        ({"status": "Failed", "statusCode": 1}, DeliveryStatus.FAILED, Category.OTHER),
        ({"status": "New word", "statusCode": 2}, DeliveryStatus.FAILED, Category.OTHER),
        ({"status": "New word"}, DeliveryStatus.UNKNOWN, None),
        ({"status": None}, DeliveryStatus.UNKNOWN, None),
    ],
    ids=str,
)
def test_the_status_of_a_row(columns: dict[str, Any], status: DeliveryStatus, category: Category | None) -> None:
    report = read_log_row(ROW | columns, IST).report
    assert (report.status, report.failure_category, report.webhook_version) == (status, category, "logs")


def test_the_identity_of_a_row_and_its_other_columns() -> None:
    columns = {"requestId": 17, "CRQID": "0", "senderId": "MSGIND", "campaignName": "API", "credit": "1"}
    report = read_log_row(ROW | columns | {"reportStatusDesc": "DELIVRD"}, IST).report
    assert (report.phone, report.request_id, report.crqid) == ("919800000001", "17", None)
    assert (report.sender_id, report.campaign_name, report.description) == ("MSGIND", "API", "DELIVRD")
    assert report.credits == 1
