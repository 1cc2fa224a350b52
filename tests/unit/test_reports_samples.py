"""Every sample of MSG91's page about webhooks, in every form in which it may arrive."""

import json
from datetime import timedelta, timezone
from urllib.parse import quote, urlencode

import pytest

from segment_msg91.msg91.codes import DeliveryStatus
from segment_msg91.msg91.reports import DeliveryReport, read

INDIA = timezone(timedelta(hours=5, minutes=30))

# MSG91's samples word for word; its masked numbers are replaced by test numbers.
V2 = (
    '[{"senderId":"uXXXXm","requestId":"346XXXXXXXXXXXX130","report":[{"date":"2024-05-22 10:06:20","amount":"0.01",'
    '"clientid":"","INMSID":"0","CRQID":"0","ctCode":"900","number":"919800000001","credit":"1","status":"1",'
    '"desc":"DELIVERED","failedReason":""}],"userId":"27XXXX","campaignName":"Sendhttp"}]'
)
V2_AS_PRINTED = json.dumps({"data": V2}, indent=0)
V3 = """{
"date": "2024-05-22 09:58:16",
"number": "919800000001",
"senderId": "uXXXXm",
"amount": "0.01",
"requestId": "346XXXXXXXXXXXX130",
"INMSID": "0",
"CRQID": "0",
"credit": "1",
"userId": "27XXXX",
"campaignName": "Sendhttp",
"status": "1",
"desc": "DELIVERED"
}"""
V4 = '[{"data":[{"meta":"0","INMSID":"0","description":"DELIVERED","ts":1726729500}],"event":"delivered"}]'
FAILED_ON_DLT = (
    'data= [{"senderId":"TESTIN","requestId":"33666d73756c393431393033","report":[{"date":"2023-06-13 19:21:13",'
    '"number":"919800000002","clientid":"12345","CRQID":"Beta2","status":"2","desc":"FAILED", '
    '"failedReason":"Template Inactive on DLT"}],"userId":"12345","campaignName":"API"}]'
)
DOUBLED_QUOTES = (
    'data= [{"senderId":"TESTIN", "requestId": "33666c73574c303830353738", "report": [{"date": "2023-06-12 19:49:39", '
    '"number": "919800000001", "clientid":\'\'12345", "CRQID": "Beta1", "status": "1", "desc" :"DELIVERED"}], '
    '"userId": "12345", "campaignName": "API"\'}]'
)
NEW = {
    "requestId": "346130aa11bb22cc33dd4404",
    "telNum": "919800000001",
    "status": "Failed",
    "deliveryTime": "2024-05-22 10:06:20",
    "requestedAt": "2024-05-22 10:06:12",
    "senderId": "MSGIND",
    "campaignName": "API",
    "credit": 1,
    "failureReason": "Template Inactive on DLT",
    "CRQID": "Beta1",
    "UUID": "00000000-0000-4000-8000-000000000001",
    "clientId": "",
    "route": "4",
    "smsLength": 35,
    "eventName": "failed",
}


def _report(body: str) -> DeliveryReport:
    reading = read(body.encode(), INDIA)
    assert reading.problems == []
    (report,) = reading.reports
    return report


@pytest.mark.parametrize(
    "body",
    [
        pytest.param(urlencode({"data": V2}), id="urlencoded, as MSG91 sends it"),
        pytest.param("data=" + quote(V2), id="urlencoded with %20"),
        pytest.param("data=" + V2, id="bare"),
        pytest.param("\n data = " + V2 + "\n", id="bare with spaces, as the page prints it"),
        pytest.param(V2_AS_PRINTED, id="an object with a string, as the page prints it"),
        pytest.param(json.dumps({"data": json.loads(V2)}), id="an object with an array"),
        pytest.param(json.dumps(V2), id="a string with JSON in it"),
        pytest.param(V2, id="JSON"),
        pytest.param(json.dumps(json.loads(V2)[0]), id="one object"),
    ],
)
def test_the_v2_sample_is_read_in_every_form(body: str) -> None:
    report = _report(body)
    assert report.webhook_version == "v2"
    assert report.status is DeliveryStatus.DELIVERED
    assert (report.request_id, report.phone, report.code) == ("346XXXXXXXXXXXX130", "919800000001", "1")
    assert (report.crqid, report.inmsid, report.client_id, report.failure_reason) == (None, None, None, None)
    assert report.reported_at == "2024-05-22T04:36:20Z"
    assert (report.sender_id, report.msg91_user_id, report.campaign_name) == ("uXXXXm", "27XXXX", "Sendhttp")
    assert (str(report.amount), str(report.credits), report.description) == ("0.01", "1", "DELIVERED")


def test_every_form_of_a_v2_report_has_the_same_digest() -> None:
    bodies = [urlencode({"data": V2}), "data=" + V2, V2_AS_PRINTED, V2]
    assert len({_report(body).digest for body in bodies}) == 1


def test_the_v3_sample_is_read() -> None:
    report = _report(V3)
    assert report.webhook_version == "v3"
    assert report.status is DeliveryStatus.DELIVERED
    assert (report.request_id, report.phone, report.code) == ("346XXXXXXXXXXXX130", "919800000001", "1")
    assert (report.crqid, report.inmsid) == (None, None)
    assert report.reported_at == "2024-05-22T04:28:16Z"
    assert (report.sender_id, report.msg91_user_id, report.campaign_name) == ("uXXXXm", "27XXXX", "Sendhttp")
    assert (str(report.amount), str(report.credits), report.description) == ("0.01", "1", "DELIVERED")


def test_the_v4_sample_is_read() -> None:
    report = _report(V4)
    assert report.webhook_version == "v4"
    assert report.status is DeliveryStatus.DELIVERED
    assert (report.request_id, report.phone, report.meta, report.inmsid) == (None, None, None, None)
    assert report.reported_at == "2024-09-19T07:05:00Z"
    assert (report.description, report.failure_reason) == ("DELIVERED", None)


def test_the_webhook_new_sample_is_read() -> None:
    report = _report(json.dumps(NEW))
    assert report.webhook_version == "new"
    assert report.status is DeliveryStatus.FAILED
    assert (report.request_id, report.phone, report.crqid) == ("346130aa11bb22cc33dd4404", "919800000001", "Beta1")
    assert report.reported_at == "2024-05-22T04:36:20Z"
    assert (report.description, report.failure_reason) == ("Failed", "Template Inactive on DLT")
    assert (report.sender_id, report.campaign_name, report.client_id) == ("MSGIND", "API", None)
    assert (report.code, str(report.credits)) == (None, "1")


def test_the_sample_with_a_failure_reason_is_read() -> None:
    report = _report(FAILED_ON_DLT)
    assert report.status is DeliveryStatus.FAILED
    assert (report.code, report.failure_reason) == ("2", "Template Inactive on DLT")
    assert (report.crqid, report.client_id) == ("Beta2", "12345")
    assert report.reported_at == "2023-06-13T13:51:13Z"


@pytest.mark.parametrize("body", [DOUBLED_QUOTES, "data=" + quote(DOUBLED_QUOTES.removeprefix("data= "))])
def test_the_sample_with_doubled_quotes_is_a_problem_and_no_exception(body: str) -> None:
    reading = read(body.encode(), INDIA)
    assert reading.reports == []
    assert len(reading.problems) == 1


def test_masked_numbers_as_the_page_prints_them_are_kept() -> None:
    assert _report(V3.replace("919800000001", "9195XXXX6558")).phone == "9195XXXX6558"


def test_an_older_sample_with_fewer_fields_is_read() -> None:
    body = (
        '[{"senderId":"abcdef","requestId":"3365646fXXXXXXXXXX","report":[{"date":"2023-05-04 15:31:58",'
        '"number":"919800000001","status":"1","desc":"DELIVERED"}],"userId":"12345","campaignName":"API"}]'
    )
    report = _report(urlencode({"data": body}))
    assert (report.status, report.request_id) == (DeliveryStatus.DELIVERED, "3365646fXXXXXXXXXX")
    assert (report.amount, report.credits) == (None, None)
