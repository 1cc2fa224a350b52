from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from segment_msg91.times import instant, parse_instant, parse_offset, parse_reported, second

INDIA = timezone(timedelta(hours=5, minutes=30))
MOMENT = datetime(2024, 5, 22, 4, 36, 20, 123456, tzinfo=UTC)


def test_an_instant_of_ours_is_utc_with_milliseconds_and_z() -> None:
    assert instant(MOMENT.astimezone(INDIA)) == "2024-05-22T04:36:20.123Z"


def test_an_instant_of_msg91_is_utc_with_seconds_and_z() -> None:
    assert second(MOMENT.astimezone(INDIA)) == "2024-05-22T04:36:20Z"


@given(st.datetimes(timezones=st.just(UTC)), st.datetimes(timezones=st.just(UTC)))
def test_the_order_of_instants_as_text_is_their_order_in_time(one: datetime, other: datetime) -> None:
    earlier, later = sorted((one, other))
    assert instant(earlier) <= instant(later)


@pytest.mark.parametrize(
    "text", ["2026-01-02T03:04:05.678Z", "2026-01-02 03:04:05.678", "2026-01-02T08:34:05.678+05:30"]
)
def test_iso_8601_is_read_into_utc(text: str) -> None:
    assert parse_instant(text) == datetime(2026, 1, 2, 3, 4, 5, 678000, tzinfo=UTC)


@given(st.text() | st.from_regex(r"\A\d{1,4}-\d{1,2}-\d{1,2}[T ]\d\d:\d\d(:\d\d)?([+-]\d\d:\d\d)?\Z"))
def test_no_text_makes_reading_an_instant_fail(text: str) -> None:
    moment = parse_instant(text)
    assert moment is None or moment.tzinfo is UTC


@pytest.mark.parametrize(
    ("value", "utc"),
    [
        pytest.param("2024-05-22 10:06:20", "2024-05-22T04:36:20Z", id="without a zone: MSG91's"),
        pytest.param(" 2024-05-22 10:06:20\n", "2024-05-22T04:36:20Z", id="spaces around it"),
        pytest.param(" 1726729500 ", "2024-09-19T07:05:00Z", id="spaces around an epoch"),
        pytest.param("2024-05-22 02:00:00", "2024-05-21T20:30:00Z", id="the day before"),
        pytest.param("2024-05-22T10:06:20+00:00", "2024-05-22T10:06:20Z", id="its own offset"),
        pytest.param("2024-05-22T10:06:20Z", "2024-05-22T10:06:20Z", id="UTC"),
        pytest.param(1726729500, "2024-09-19T07:05:00Z", id="epoch"),
        pytest.param("1726729500", "2024-09-19T07:05:00Z", id="epoch as text"),
        pytest.param(1726729500.0, "2024-09-19T07:05:00Z", id="epoch as float"),
        pytest.param(1726729500123, "2024-09-19T07:05:00Z", id="milliseconds"),
    ],
)
def test_a_reported_time_is_read_into_utc(value: object, utc: str) -> None:
    moment = parse_reported(value, INDIA)
    assert moment is not None
    assert second(moment) == utc


@pytest.mark.parametrize(
    "value",
    ["0000-00-00 00:00:00", "0", 0, "", None, True, "yesterday", "9" * 400, 10**18, "1970-01-01", "22-05-2024 10:06"],
)
def test_what_is_no_time_of_this_century_is_none(value: object) -> None:
    assert parse_reported(value, INDIA) is None


@given(st.text() | st.integers(-(10**400), 10**400) | st.floats() | st.none() | st.booleans())
def test_nothing_makes_reading_a_reported_time_fail(value: object) -> None:
    moment = parse_reported(value, INDIA)
    assert moment is None or 2000 <= moment.year <= 2100


@pytest.mark.parametrize(
    ("text", "minutes"), [("+05:30", 330), ("-05:30", -330), ("+00:00", 0), ("+14:00", 840), ("-00:45", -45)]
)
def test_an_offset_is_read(text: str, minutes: int) -> None:
    assert parse_offset(text).utcoffset(None) == timedelta(minutes=minutes)


@pytest.mark.parametrize(
    "text",
    ["", "05:30", "+5:30", "+05:3", "+05:300", "+05:60", "+24:00", "IST", "+05.30", "+\u0660\u0665:\u0663\u0660"],
)
def test_what_is_no_offset_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="offset"):
        parse_offset(text)
