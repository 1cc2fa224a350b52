"""How reports are normalised: absent values, ids, statuses, times, several in one body, and what makes two the same."""

import json
from datetime import timedelta, timezone
from typing import Any

import pytest

from segment_msg91.msg91.codes import DeliveryStatus
from segment_msg91.msg91.reports import DeliveryReport, Version, read

INDIA = timezone(timedelta(hours=5, minutes=30))
V3 = {"requestId": "346130aa11bb22cc33dd4401", "number": "919800000001", "status": "1", "desc": "DELIVERED"}
NEW = {"requestId": "346130aa11bb22cc33dd4401", "telNum": "919800000001", "status": "Delivered"}


def _reports(body: object) -> list[DeliveryReport]:
    reading = read(json.dumps(body).encode(), INDIA)
    assert reading.problems == []
    return reading.reports


def _report(body: object) -> DeliveryReport:
    (report,) = _reports(body)
    return report


def _v2(*reports: dict[str, Any], request_id: str = "346130aa11bb22cc33dd4401") -> dict[str, Any]:
    return {"senderId": "MSGIND", "requestId": request_id, "userId": "27000", "report": list(reports)}


def _v4(event: str | None = "failed", **data: object) -> list[dict[str, Any]]:
    return [{"event": event, "data": [{"meta": "Beta1", "ts": 1726729500, **data}]}]


@pytest.mark.parametrize(
    ("body", "version"),
    [
        ([_v2(V3)], "v2"),
        (_v2(V3), "v2"),
        (V3, "v3"),
        ([V3], "v3"),
        (_v4(), "v4"),
        (_v4()[0], "v4"),
        ([{"event": "delivered", "data": [{"ts": 1726729500, "description": "DELIVERED"}]}], "v4"),
        ({"event": "delivered", "data": json.dumps([{"meta": "Beta1"}])}, "v4"),
        (NEW, "new"),
        ([NEW], "new"),
        (NEW | {"event": "delivered"}, "new"),
        ({"CRQID": "Beta1", "event": "delivered"}, "new"),
        ({"requestId": "346130aa11bb22cc33dd4401", "status": "Delivered"}, "new"),
        (NEW | {"number": "919800000001"}, "new"),
    ],
)
def test_the_version_is_recognised_by_the_shape(body: object, version: Version) -> None:
    assert _report(body).webhook_version == version


@pytest.mark.parametrize(
    ("code", "status"),
    [
        ("1", DeliveryStatus.DELIVERED),
        (1, DeliveryStatus.DELIVERED),
        ("2", DeliveryStatus.FAILED),
        (9, DeliveryStatus.NDNC),
        ("16", DeliveryStatus.REJECTED),
        (25, DeliveryStatus.REJECTED),
        ("17", DeliveryStatus.BLOCKED),
        ("26", DeliveryStatus.UNKNOWN),
        (0, DeliveryStatus.UNKNOWN),
    ],
)
def test_a_numeric_status_is_a_code_and_is_kept_known_or_not(code: str | int, status: DeliveryStatus) -> None:
    report = _report({**V3, "status": code, "desc": ""})
    assert (report.status, report.code) == (status, str(code))


def test_a_text_as_status_is_the_description() -> None:
    report = _report({**NEW, "status": "Rejected By Provider"})
    assert (report.status, report.code) == (DeliveryStatus.REJECTED, None)
    assert report.description == "Rejected By Provider"


def test_a_report_with_a_description_only_has_its_status() -> None:
    report = _report({"requestId": "346130aa11bb22cc33dd4401", "number": "919800000001", "desc": "NDNC Number"})
    assert report.status is DeliveryStatus.NDNC


@pytest.mark.parametrize("name", ["event", "eventName"])
def test_an_event_name_is_the_status_of_a_webhook_new_that_has_no_other(name: str) -> None:
    report = _report({"requestId": "346130aa11bb22cc33dd4401", name: "delivered"})
    assert (report.status, report.description) == (DeliveryStatus.DELIVERED, "delivered")


def test_a_bare_code_is_no_description() -> None:
    assert (
        _report({"requestId": "346130aa11bb22cc33dd4401", "number": "919800000001", "status": "1"}).description is None
    )


def test_a_status_text_of_no_table_is_unknown_and_kept() -> None:
    report = _report({**NEW, "status": "Teleported"})
    assert (report.status, report.description) == (DeliveryStatus.UNKNOWN, "Teleported")


@pytest.mark.parametrize("absent", ["0", "", 0, None, "  "])
def test_zero_and_empty_ids_are_absent(absent: object) -> None:
    report = _report({**V3, "CRQID": absent, "INMSID": absent, "clientid": absent, "userId": absent})
    assert (report.crqid, report.inmsid, report.client_id, report.msg91_user_id) == (None, None, None, None)


def test_ids_may_be_numbers() -> None:
    report = _report({**V3, "requestId": 346130, "CRQID": 77, "INMSID": 5, "userId": 27000, "number": 919800000001})
    assert (report.request_id, report.crqid, report.inmsid) == ("346130", "77", "5")
    assert (report.msg91_user_id, report.phone) == ("27000", "919800000001")


@pytest.mark.parametrize("written", ["+91 98000 00001", "00919800000001", 919800000001, "919800000001"])
def test_the_number_is_normalised_as_that_of_the_message_was(written: object) -> None:
    assert _report({**V3, "number": written}).phone == "919800000001"


@pytest.mark.parametrize("identity", [{"requestId": "346130aa"}, {"CRQID": "Beta1"}, {"number": "919800000001"}])
def test_an_identity_and_a_status_are_enough(identity: dict[str, str]) -> None:
    assert _report({**identity, "status": "1"}).status is DeliveryStatus.DELIVERED


@pytest.mark.parametrize(
    ("amount", "expected"),
    [("0.01", "0.01"), (0.01, "0.01"), (1, "1"), ("-1", "-1"), ("free", None), ("1e9", None), ("", None), ([], None)],
)
def test_amounts_and_credits_are_exact_numbers_or_absent(amount: object, expected: str | None) -> None:
    report = _report({**V3, "amount": amount, "credit": amount})
    assert [None if n is None else str(n) for n in (report.amount, report.credits)] == [expected, expected]


@pytest.mark.parametrize("date", ["0000-00-00 00:00:00", "", None, "soon"])
def test_a_report_without_a_readable_date_is_still_a_report(date: object) -> None:
    assert _report({**V3, "date": date}).reported_at is None


def test_texts_and_ids_are_kept_without_surrounding_space() -> None:
    report = _report({**V3, "desc": " DELIVERED ", "requestId": " 346130 ", "amount": " 1 "})
    assert (report.description, report.request_id, str(report.amount)) == ("DELIVERED", "346130", "1")


@pytest.mark.parametrize(("value", "read_as"), [('"Delivered"', "Delivered"), ('["Delivered"]', "Delivered")])
def test_stringified_json_in_a_value_of_webhook_new_is_unpacked(value: str, read_as: str) -> None:
    report = _report({**NEW, "status": value, "requestId": '"346130"', "telNum": "[919800000001]"})
    assert (report.description, report.request_id, report.phone) == (read_as, "346130", "919800000001")


def test_a_text_that_only_looks_like_stringified_json_stays() -> None:
    assert _report({**NEW, "failureReason": '"quoted" reason'}).failure_reason == '"quoted" reason'


def test_several_requests_with_several_numbers_come_in_one_body() -> None:
    body = [
        _v2({"number": "919800000001", "status": "1"}, {"number": "919800000002", "status": "2"}),
        _v2({"number": "919800000003", "status": "9"}, request_id="346130aa11bb22cc33dd4402"),
    ]
    assert [(r.request_id, r.phone, r.status) for r in _reports(body)] == [
        ("346130aa11bb22cc33dd4401", "919800000001", DeliveryStatus.DELIVERED),
        ("346130aa11bb22cc33dd4401", "919800000002", DeliveryStatus.FAILED),
        ("346130aa11bb22cc33dd4402", "919800000003", DeliveryStatus.NDNC),
    ]


@pytest.mark.parametrize("bad", [None, 1, {}, {"number": "919800000002"}, {"status": "1"}, [], "x"])
def test_an_unreadable_record_does_not_cost_the_others(bad: object) -> None:
    body = {"requestId": "", "report": [bad, V3]}
    reading = read(json.dumps(body).encode(), INDIA)
    assert [report.phone for report in reading.reports] == ["919800000001"]
    assert len(reading.problems) == 1


@pytest.mark.parametrize("good", [_v2(V3), V3, _v4()[0]])
@pytest.mark.parametrize("bad", [None, 1, "x", []])
def test_an_unreadable_element_does_not_cost_the_others(good: dict[str, Any], bad: object) -> None:
    reading = read(json.dumps([bad, good]).encode(), INDIA)
    assert (len(reading.reports), len(reading.problems)) == (1, 1)


def test_unknown_fields_are_kept_in_the_raw_report_with_those_of_its_envelope() -> None:
    report = _report(_v2({**V3, "novelty": [1, {"a": None}], "note": "नमस्ते"}))
    assert json.loads(report.raw) == {
        **V3,
        "senderId": "MSGIND",
        "userId": "27000",
        "novelty": [1, {"a": None}],
        "note": "नमस्ते",
    }


def test_the_order_of_members_does_not_change_the_digest() -> None:
    assert _report(V3).digest == _report(dict(reversed(V3.items()))).digest


@pytest.mark.parametrize("change", [{"status": "2"}, {"desc": "Delivered"}, {"date": "2024-05-22 10:06:20"}])
def test_any_other_content_has_another_digest(change: dict[str, str]) -> None:
    assert _report(V3).digest != _report(V3 | change).digest


def test_the_same_report_in_another_company_has_the_same_digest() -> None:
    alone, together = _reports(_v2(V3)), _reports([_v2({**V3, "number": "919800000002"}, V3)])
    assert alone[0].digest == together[1].digest


def test_v2_s_clevertap_code_gives_the_reason_if_its_texts_do_not() -> None:
    assert _report(_v2(V3 | {"status": "2", "desc": "FAILED", "ctCode": "909"})).failure_category == "dlt_consent"


def test_v4_s_code_gives_the_reason() -> None:
    assert _report(_v4(code=912)).failure_category == "unreachable"


@pytest.mark.parametrize("body", [_v2(V3 | {"ctCode": "909"}), _v4("delivered", code=912)], ids=["v2", "v4"])
def test_a_report_of_no_failure_has_no_category(body: object) -> None:
    assert _report(body).failure_category is None
