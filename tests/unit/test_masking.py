import pytest

from segment_msg91.masking import masked, without_numbers, without_own_number


@pytest.mark.parametrize(
    ("phone", "shown"),
    [
        ("919800000001", "91••••••••01"),
        ("9800000001", "98••••••01"),
        ("980000001", "•••••••01"),
        ("9800001", "•••••01"),
        ("12", "•••"),
        ("call me on 98000", "•••"),
        ("", "•••"),
    ],
)
def test_a_number_shows_how_it_begins_and_ends_and_no_more(phone: str, shown: str) -> None:
    assert masked(phone) == shown


@pytest.mark.parametrize(
    ("prose", "shown"),
    [
        ("Invalid number 919800000001", "Invalid number 91••••••••01"),
        ("to +91 98000-00001, please", "to 91••••••••01, please"),
        ("919800000001,919800000002", "91••••••••01,91••••••••02"),
        ("(980) 000 0001 is wrong", "(98••••••01 is wrong"),
        ("mobile:919800000001.", "mobile:91••••••••01."),
        ("Mobile No.919800000001 is invalid", "Mobile No.91••••••••01 is invalid"),
        ("agent.919800000001", "agent.91••••••••01"),
        ("1.919800000001 is wrong", "1.91••••••••01 is wrong"),
        ("1.91 98000 00001", "1.91 98••••••01"),
    ],
)
def test_a_sentence_shows_no_number(prose: str, shown: str) -> None:
    assert without_numbers(prose) == shown


@pytest.mark.parametrize(
    "prose",
    [
        "Template 1107161234567890123 is inactive on DLT",  # a DLT id has 19 digits
        "203.0.113.10 is not whitelisted",
        "203.0.113.10 443 is no port",
        "203.0.113.7 (2026) 12",
        "code 418",
        "",
    ],
)
def test_a_sentence_keeps_what_is_no_number(prose: str) -> None:
    assert without_numbers(prose) == prose


@pytest.mark.parametrize(
    ("identifier", "shown"),
    [
        ("919800000001", "91••••••••01"),
        ("+91 98000 00001", "91••••••••01"),
        ("user-919800000001@example.org", "user-91••••••••01@example.org"),
        ("9800000001", "98••••••01"),
        ("09800000001", "09•••••••01"),
        ("ajs-next-1732364683-919800000001", "ajs-next-17••••••••••••••••••01"),
    ],
)
def test_an_identifier_shows_not_its_own_number(identifier: str, shown: str) -> None:
    assert without_own_number(identifier, "919800000001") == shown


@pytest.mark.parametrize("identifier", ["user-1001", "919800000002", "7f3c2a10-0000-4000-8000-123456789012", ""])
def test_an_identifier_keeps_other_digits(identifier: str) -> None:
    assert without_own_number(identifier, "919800000001") == identifier


@pytest.mark.parametrize("phone", ["", "12", "no number"])
def test_without_a_number_there_is_nothing_to_mask(phone: str) -> None:
    assert without_own_number("user-12", phone) == "user-12"
