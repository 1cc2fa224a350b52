"""A body that is not a report gives a problem to quarantine: never an exception, never nothing."""

import json
from datetime import timedelta, timezone
from urllib.parse import quote, urlencode

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from segment_msg91.msg91.reports import read

INDIA = timezone(timedelta(hours=5, minutes=30))
V2 = json.dumps([{"requestId": "346130", "report": [{"number": "919800000001", "status": "1", "desc": "é"}]}])


@pytest.mark.parametrize(
    "body",
    [
        pytest.param("", id="empty"),
        pytest.param("null", id="null"),
        pytest.param("1", id="a number"),
        pytest.param('"text"', id="a text"),
        pytest.param("[]", id="an empty array"),
        pytest.param("{}", id="an empty object"),
        pytest.param("[[], 1]", id="an array without objects"),
        pytest.param('[{"requestId":"346130","report":[]}]', id="v2 without a report"),
        pytest.param('[{"event":"delivered","data":[]}]', id="v4 without data"),
        pytest.param('{"number":"919800000001"}', id="no status"),
        pytest.param('{"status":"1","desc":"DELIVERED"}', id="no identity"),
        pytest.param('{"status":"1","requestId":"0","CRQID":"","number":"0"}', id="an identity of zeros"),
        pytest.param('[{"data":[{"meta":"Beta1"}]}]', id="v4 without an event"),
        pytest.param('{"data":"no JSON"}', id="data that is no JSON"),
        pytest.param("data=", id="an empty form"),
        pytest.param("data", id="a form without a value"),
        pytest.param("a=1&b=2", id="another form"),
        pytest.param("<xml/>", id="XML"),
        pytest.param('{"number":"919800000001","status":NaN}', id="NaN"),
        pytest.param("[" * 100_000, id="nested too deeply"),
        pytest.param('{"requestId":"346130","status":"1","pad":"' + "x" * 32_000 + '"}', id="a report too large"),
        pytest.param('{"requestId":"' + "3" * 300 + '","status":"1"}', id="a request id too long for a key"),
    ],
)
def test_a_body_without_a_readable_report_is_a_problem(body: str) -> None:
    reading = read(body.encode(), INDIA)
    assert reading.reports == []
    assert len(reading.problems) == 1


def test_a_body_that_is_not_utf_8_is_a_problem() -> None:
    assert read(b"\xff", INDIA).problems == ["not UTF-8"]


@pytest.mark.parametrize("body", [V2, urlencode({"data": V2}), "data=" + V2, json.dumps({"data": V2})])
def test_a_body_cut_off_at_any_byte_is_a_problem(body: str) -> None:
    whole = body.encode()
    for length in range(len(whole)):
        reading = read(whole[:length], INDIA)
        assert reading.problems
        assert reading.reports == []


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(st.characters(exclude_categories=())),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)
NAMES = """requestId number telNum status desc description date deliveryTime ts CRQID INMSID meta code event eventName
amount credit failureReason report data"""
names = st.sampled_from(NAMES.split())
values = json_values | st.sampled_from(["1", "Delivered", "919800000001", "346130", 1, 1726729500, '"1"', "[", '["1"]'])
records = st.dictionaries(names, values, max_size=8)
shapes = (
    records
    | st.lists(records | json_values, max_size=3)
    | st.builds(lambda inner: [{"report": inner}], st.lists(records | json_values, max_size=3))
    | st.builds(lambda inner: [{"event": "failed", "data": inner}], st.lists(records | json_values, max_size=3))
)


@given(st.binary() | st.binary().map(lambda rest: b"data=" + rest))
@example(b'{"data":' * 50_000)
@example(b"data=%ff")
@example(b'"' + rb"\"" * 1000)
@example(b"9" * 5000)
def test_arbitrary_bytes_are_a_problem_and_nothing_else(body: bytes) -> None:
    reading = read(body, INDIA)
    assert reading.reports == []
    assert reading.problems


@given(shapes, st.sampled_from(["{}", "data={}", "urlencoded"]))
def test_arbitrary_json_is_reports_or_problems_and_always_one_of_them(content: object, form: str) -> None:
    text = json.dumps(content)
    reading = read((f"data={quote(text)}" if form == "urlencoded" else form.format(text)).encode(), INDIA)
    assert reading.reports or reading.problems
    for report in reading.reports:
        assert report.request_id or report.crqid or report.phone or report.webhook_version == "v4"
        assert report.raw.encode()


@given(st.lists(st.fixed_dictionaries({"number": st.integers(10**6, 10**15 - 1), "status": st.integers(0, 99)})))
def test_no_report_of_a_body_gets_lost(entries: list[dict[str, int]]) -> None:
    body = [{"requestId": "346130", "report": entries[:2]}, {"requestId": "346131", "report": entries[2:]}]
    reading = read(urlencode({"data": json.dumps(body)}).encode(), INDIA)
    assert [(r.phone, r.code) for r in reading.reports] == [(str(e["number"]), str(e["status"])) for e in entries]
