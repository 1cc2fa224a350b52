"""The tables of msg91.md, case by case."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from segment_msg91.msg91.codes import (
    API_ERRORS,
    CONCLUSIONS,
    FINAL,
    RANK,
    REPORT_CODES,
    REPORT_TEXTS,
    DeliveryStatus,
    ErrorClass,
    error_class,
    report_status,
)

DELIVERED, FAILED, NDNC = DeliveryStatus.DELIVERED, DeliveryStatus.FAILED, DeliveryStatus.NDNC
REJECTED, BLOCKED = DeliveryStatus.REJECTED, DeliveryStatus.BLOCKED
PENDING, UNKNOWN = DeliveryStatus.PENDING, DeliveryStatus.UNKNOWN

EVENT, ACCOUNT, TRANSIENT = ErrorClass.EVENT, ErrorClass.ACCOUNT, ErrorClass.TRANSIENT
CLASSES = {
    EVENT: ["101", "102", "103", "202", "203", "205", "211", "307", "308", "309", "310"],
    ACCOUNT: [
        "104",
        "105",
        "106",
        "107",
        "201",
        "204",
        "207",
        "208",
        "209",
        "210",
        "301",
        "302",
        "303",
        "418",
        "505",
        "506",
    ],
    TRANSIENT: ["001", "002", "306", "601"],
    ErrorClass.DUPLICATE: ["311"],
    ErrorClass.TEMPLATE: ["400"],
}


@pytest.mark.parametrize(
    ("code", "status"),
    [("1", DELIVERED), ("2", FAILED), ("9", NDNC), ("16", REJECTED), ("25", REJECTED), ("17", BLOCKED)],
)
def test_a_report_code_means_what_msg91_s_page_says(code: str, status: DeliveryStatus) -> None:
    assert report_status(code) is status


@pytest.mark.parametrize(
    ("text", "status"),
    [
        ("Delivered", DELIVERED),
        ("DELIVERED", DELIVERED),
        ("Failed", FAILED),
        ("Auto Failed", FAILED),
        ("Bounced", FAILED),
        ("Undelivered", FAILED),
        ("NDNC", NDNC),
        ("NDNC Number", NDNC),
        ("Rejected", REJECTED),
        ("Rejected By Provider", REJECTED),
        ("Rejected by Kannel or Provider", REJECTED),
        ("Blocked Number", BLOCKED),
        ("Blocked number", BLOCKED),
        ("Number under blocked circle", BLOCKED),
        ("Pending", PENDING),
        ("Report Pending", PENDING),
        ("Submitted", PENDING),
        ("Sent", PENDING),
    ],
)
def test_a_report_text_means_what_was_seen_in_the_wild(text: str, status: DeliveryStatus) -> None:
    assert report_status(None, text) is status


@pytest.mark.parametrize("text", ["  auto   FAILED ", "AUTO_FAILED", "auto failed\n"])
def test_spaces_and_casing_of_a_report_text_do_not_matter(text: str) -> None:
    assert report_status(None, text) is FAILED


def test_the_numeric_code_comes_before_the_text() -> None:
    assert report_status("2", "DELIVERED") is FAILED


def test_the_text_decides_if_the_code_is_unknown() -> None:
    assert report_status("26", "Rejected by Provider") is REJECTED


def test_a_status_that_is_a_text_itself_comes_before_the_description() -> None:
    assert report_status("Failed", "DELIVERED") is FAILED


@given(st.text().filter(lambda code: code not in REPORT_CODES), st.sampled_from(["", "Not in any table", "Deliver"]))
def test_anything_else_is_unknown(code: str, text: str) -> None:
    assert report_status(f"?{code}", text, None) is UNKNOWN


@pytest.mark.parametrize(("stronger", "weaker"), [(PENDING, UNKNOWN), (DELIVERED, FAILED), (DELIVERED, PENDING)])
def test_a_status_that_knows_more_outranks_one_that_knows_less(
    stronger: DeliveryStatus, weaker: DeliveryStatus
) -> None:
    assert RANK[stronger] > RANK[weaker]


def test_only_time_decides_between_the_ways_to_fail() -> None:
    assert len({RANK[status] for status in (FAILED, NDNC, REJECTED, BLOCKED)}) == 1


def test_every_final_status_outranks_pending() -> None:
    assert {DELIVERED, FAILED, NDNC, REJECTED, BLOCKED} == FINAL
    assert all(RANK[status] > RANK[PENDING] for status in FINAL)


def test_every_report_outranks_a_conclusion() -> None:
    reported = set(DeliveryStatus) - CONCLUSIONS
    assert min(RANK[status] for status in reported) > max(RANK[status] for status in CONCLUSIONS)
    assert not CONCLUSIONS & FINAL
    assert not CONCLUSIONS & set(REPORT_TEXTS.values())


@pytest.mark.parametrize(("code", "expected"), [(code, name) for name, codes in CLASSES.items() for code in codes])
def test_an_error_code_has_the_class_of_msg91_md(code: str, expected: ErrorClass) -> None:
    assert error_class(code, "") is expected


def test_no_error_code_is_classed_that_msg91_md_does_not_name() -> None:
    assert set(API_ERRORS) == {code for codes in CLASSES.values() for code in codes}


@pytest.mark.parametrize("code", ["999", "", "ABC"])
def test_an_unknown_error_code_is_final_for_the_event(code: str) -> None:
    assert error_class(code, "Invalid authkey") is EVENT


@pytest.mark.parametrize("message", ["Missing Authentication Key", "Invalid authkey", "IP not whitelisted"])
def test_without_a_code_the_words_show_the_account_s_errors(message: str) -> None:
    assert error_class(None, message) is ACCOUNT


@pytest.mark.parametrize("code", [None, "999"])
@pytest.mark.parametrize(
    "message",
    ["Template ID Missing", "Invalid Template", "The provided flow ID or template ID is invalid", "Flow id is invalid"],
)
def test_a_template_error_is_known_by_its_words(code: str | None, message: str) -> None:
    assert error_class(code, message) is ErrorClass.TEMPLATE


@pytest.mark.parametrize("message", ["flow id missing", "Invalid request", ""])
def test_without_a_code_other_words_are_the_event_s(message: str) -> None:
    assert error_class(None, message) is EVENT
