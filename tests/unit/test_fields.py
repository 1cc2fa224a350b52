import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from segment_msg91.fields import (
    MalformedJsonError,
    by_canonical_name,
    canonical,
    identifier_of,
    phone_digits,
    read_json,
    text_of,
    well_formed,
)


@pytest.mark.parametrize(
    "name", ["senderID", "senderId", "sender_id", "SenderId", "SENDER_ID", "sender-id", "Sender Id"]
)
def test_all_casings_of_a_field_share_one_canonical_name(name: str) -> None:
    assert canonical(name) == "senderid"


def test_the_name_of_a_column_is_reduced_once_for_all_rows() -> None:
    assert canonical("reportStatusDesc") is canonical("reportStatusDesc")


def test_a_long_name_is_not_kept_in_memory() -> None:
    name = "a-" * 1000
    assert canonical(name) == "a" * 1000
    assert canonical(name) is not canonical(name)


@pytest.mark.parametrize("absent", [None, "", " ", "\t\n"])
def test_a_null_or_blank_member_counts_as_absent(absent: str | None) -> None:
    assert by_canonical_name({"phone": absent}) == {}


@pytest.mark.parametrize("present", [0, False, [], {}])
def test_a_member_that_is_merely_falsy_is_present(present: object) -> None:
    assert by_canonical_name({"phone": present}) == {"phone": present}


def test_a_blank_casing_does_not_hide_a_filled_one() -> None:
    assert by_canonical_name({"senderId": "", "sender_id": "MSGIND"}) == {"senderid": "MSGIND"}


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("MSGIND", "MSGIND"),
        (918818888758, "918818888758"),
        (918818888758.0, "918818888758"),
        (0.01, "0.01"),
        (True, None),
        (None, None),
        (math.inf, None),
        (math.nan, None),
        ([], None),
        ({}, None),
    ],
)
def test_texts_and_numbers_are_text_and_nothing_else_is(value: object, text: str | None) -> None:
    assert text_of(value) == text


@pytest.mark.parametrize("absent", ["0", 0, 0.0, "", "  ", None])
def test_msg91_writes_an_absent_identifier_as_zero_or_empty(absent: object) -> None:
    assert identifier_of(absent) is None


@pytest.mark.parametrize(("value", "identifier"), [(27000, "27000"), (" Beta1 ", "Beta1"), ("00", "00")])
def test_an_identifier_is_stripped_text_whether_it_came_as_string_or_number(value: object, identifier: str) -> None:
    assert identifier_of(value) == identifier


@pytest.mark.parametrize(
    "written",
    [
        "919800000001",
        919800000001,
        919800000001.0,
        "+919800000001",
        "00919800000001",
        "+91 98000 00001",
        "+91-98000-00001",
        "(+91) 98000.00001",
        "00 91 98000 00001",
        "\u202a+91\u00a098000\u00a000001\u202c",
        " 919800000001\n",
        "91/9800000001",
        "919800000001.0",
        " +919800000001.00 ",
    ],
)
def test_a_phone_number_is_its_digits_however_it_is_written(written: object) -> None:
    assert phone_digits(written) == "919800000001"


@pytest.mark.parametrize("published", ["167554321", "918818888758", 167554321, 918818888758])
def test_the_numbers_segment_s_page_gives_as_examples_are_numbers(published: str | int) -> None:
    assert phone_digits(published) == str(published)


@pytest.mark.parametrize(
    "value",
    [
        "123456",
        "1234567890123456",
        "Phone number to send SMS",
        "919800000001 ext 2",
        "91+9800000001",
        "+",
        "",
        "９１９８００００００１",  # noqa: RUF001 - full-width digits
        "919800000001,919800000002",
        "918818888758,12",
        "+49 151 1234567 #8",
        "9198000;12",
        "919800000*12",
        9198000000.11,
        True,
        None,
        [],
    ],
)
def test_what_can_never_be_a_phone_number_is_none(value: object) -> None:
    assert phone_digits(value) is None


@pytest.mark.parametrize("count", [7, 15])
def test_a_phone_number_has_7_to_15_digits(count: int) -> None:
    assert phone_digits("9" * count) == "9" * count


@given(st.text(alphabet="0123456789+- ().\u200e", max_size=24) | st.integers(min_value=0))
def test_normalising_a_phone_number_again_changes_nothing(value: str | int) -> None:
    digits = phone_digits(value)
    assert digits is None or phone_digits(digits) == digits


@given(st.text(alphabet=st.characters(exclude_categories=())))
def test_any_text_becomes_text_that_utf_8_can_hold(text: str) -> None:
    assert well_formed(text).encode().decode() == well_formed(text)


@given(st.text())
def test_a_text_without_lone_surrogates_stays_as_it_is(text: str) -> None:
    assert well_formed(text) == text


@pytest.mark.parametrize("text", ["", "{", "{'a': 1}", "NaN", "[Infinity]", "[-Infinity]", "9" * 5000, "[" * 100_000])
def test_what_is_no_standard_json_is_malformed(text: str) -> None:
    with pytest.raises(MalformedJsonError):
        read_json(text)


@given(st.text(min_size=1).filter(lambda text: not text.isascii()))
def test_an_error_of_json_does_not_quote_the_text(text: str) -> None:
    with pytest.raises(MalformedJsonError) as caught:
        read_json(text)
    assert str(caught.value).isascii()
