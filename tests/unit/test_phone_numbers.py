"""Numbers with a default region: which are completed, which are another country's, and which are none."""

import re
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import phonenumbers
import pytest
from hypothesis import given
from hypothesis import strategies as st

from segment_msg91.fields import phone_digits
from segment_msg91.mapping import Invalid, Sms, to_sms
from segment_msg91.phone_numbers import is_region, read_number, region_of
from segment_msg91.settings import Defaults

ROOT: Final = Path(__file__).parents[2]
NOW: Final = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
INDIA: Final = Defaults(sender_id="MSGIND", region="IN")
ONE_NUMBER: Final = [
    "98000 00012",
    "9800000012",
    9800000012,
    "09800000012",
    "0 98000-00012",
    "+91 98000 00012",
    "+91 (0) 98000 00012",
    "+91-98000-00012",
    "919800000012",
    919800000012,
    919800000012.0,
    "00919800000012",
    "0091 98000 00012",
    "\u202a+91\u00a098000\u00a000012\u202c",
]


def _examples() -> dict[str, str]:
    """Return a mobile number of each country as libphonenumber has it, in digits with country code."""
    examples = {}
    for region in sorted(phonenumbers.SUPPORTED_REGIONS):
        number = phonenumbers.example_number_for_type(region, phonenumbers.PhoneNumberType.MOBILE)
        if number:
            examples[region] = phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164)[1:]
    return examples


EXAMPLES: Final = _examples()
# Ten digits in all that can be a mobile in India: there they need their `+`.
TAKEN_FOR_INDIAN: Final = {"BN", "FJ", "FM", "MH", "MM", "MV", "SB", "VU"}


def _event(phone: object) -> dict[str, Any]:
    return {"type": "track", "messageId": "message-1", "properties": {"phone": phone, "message": "Hello"}}


@pytest.mark.parametrize("written", ONE_NUMBER)
def test_a_number_of_the_region_is_one_however_it_is_written(written: object) -> None:
    assert read_number(written, "IN") == "919800000012"


def test_all_forms_of_a_number_have_the_key_of_the_one_that_was_right_without_a_region() -> None:
    before = to_sms(_event("919800000012"), Defaults(sender_id="MSGIND"), NOW)
    assert isinstance(before, Sms)
    for written in ONE_NUMBER:
        sms = to_sms(_event(written), INDIA, NOW)
        assert isinstance(sms, Sms)
        assert (sms.crqid, sms.phone) == (before.crqid, "919800000012")


@pytest.mark.parametrize(
    ("written", "digits"),
    [
        pytest.param("9198765432", "919198765432", id="begins like the country code, and has none"),
        pytest.param("919198765432", "919198765432", id="the same with its country code"),
        pytest.param("+1 415 555 2671", "14155552671", id="the USA, with its country code"),
        pytest.param("14155552671", "14155552671", id="the USA, without a plus"),
        pytest.param("971501234567", "971501234567", id="possible in India, valid in the Emirates only"),
        pytest.param("6581234567", "6581234567", id="a fixed line in India, a mobile in Singapore"),
        pytest.param("+960 771 2345", "9607712345", id="the Maldives, whose digits could be an Indian mobile"),
        pytest.param("00960 771 2345", "9607712345", id="the same as it is dialled"),
        pytest.param("9607712345", "919607712345", id="the same without either is Indian"),
        pytest.param("+91 80 4123 4567", "918041234567", id="a fixed line that is written in full"),
        pytest.param("393331234567", "393331234567", id="Italy"),
    ],
)
def test_a_number_is_the_regions_mobile_or_else_another_countrys(written: object, digits: str) -> None:
    assert read_number(written, "IN") == digits


@pytest.mark.parametrize(
    "written",
    [
        pytest.param("4155552671", id="ten digits of the USA"),
        pytest.param("2125551234", id="others of the USA"),
        pytest.param("7185551234", id="others of the USA, that begin like an Indian mobile"),
        pytest.param("6512345678", id="a fixed line in India, none in Singapore"),
        pytest.param("080 4123 4567", id="an Indian fixed line without its country code"),
        pytest.param("1800 123 4567", id="a service number"),
        pytest.param("167554321", id="an example of Segment's page, which does not exist"),
        pytest.param("91 98000 0001", id="a digit too few"),
        pytest.param("91 98000 000122", id="a digit too many"),
        pytest.param("+91 98000 00012 0", id="a digit too many behind a plus"),
        pytest.param("+9800000012", id="a plus before a number without its country code"),
        pytest.param("9800000012 ext 2", id="an extension"),
        pytest.param("9800000ABC", id="letters, which libphonenumber alone would dial"),
        pytest.param("9800000012,9800000013", id="two numbers"),
        *("0", "00", "+", "", "112", "9" * 40, None, True, [], 9800000012.5),
    ],
)
def test_what_is_neither_is_none(written: object) -> None:
    assert read_number(written, "IN") is None


@pytest.mark.parametrize(
    ("region", "written", "digits"),
    [
        ("US", "415 555 2671", "14155552671"),
        ("US", "98000 00012", None),
        ("CA", "415 555 2671", "14155552671"),
        ("GB", "07400 123456", "447400123456"),
        ("SG", "8123 4567", "6581234567"),
        ("IT", "333 123 4567", "393331234567"),
        ("NU", "888 4012", "6838884012"),
    ],
)
def test_another_region_completes_its_own_numbers(region: str, written: str, digits: str | None) -> None:
    assert read_number(written, region) == digits


@pytest.mark.parametrize("region", EXAMPLES)
@pytest.mark.parametrize("prefix", ["+", "00"])
def test_a_number_of_any_country_that_was_right_before_stays_as_it_was(region: str, prefix: str) -> None:
    written = prefix + EXAMPLES[region]
    assert read_number(written, "IN") == phone_digits(written) == EXAMPLES[region]


@pytest.mark.parametrize("region", EXAMPLES)
def test_without_a_plus_too_unless_it_can_be_a_mobile_of_the_region(region: str) -> None:
    assert (read_number(EXAMPLES[region], "IN") == EXAMPLES[region]) == (region not in TAKEN_FOR_INDIAN)


@given(st.text(alphabet="0123456789+- ().", max_size=18) | st.integers(min_value=0, max_value=10**16))
def test_a_number_that_was_read_is_read_again_as_itself(value: str | int) -> None:
    digits = read_number(value, "IN")
    assert digits is None or (re.fullmatch(r"[1-9][0-9]{6,14}", digits) and read_number(f"+{digits}", "IN") == digits)


@pytest.mark.parametrize("written", ["4155552671", "+447700900123"])
def test_the_reason_says_what_was_tried(written: str) -> None:
    invalid = to_sms(_event(written), INDIA, NOW)
    assert isinstance(invalid, Invalid)
    assert "nor, with a + in front, a valid number of any country" in invalid.reason


def test_the_reason_names_the_region_and_the_field_and_not_the_number() -> None:
    event = _event("4155552671")
    event["properties"]["senderID"] = "MSGIND"
    invalid = to_sms(event, INDIA, NOW)
    assert isinstance(invalid, Invalid)
    assert invalid.reason.startswith("properties.phone: neither a mobile number of IN (DefaultRegion) nor")
    assert (invalid.phone, "4155" in invalid.reason) == ("4155552671", False)


@pytest.mark.parametrize("phone", ["12345", "a number", {}, "98000 00012 or so"])
def test_what_has_not_the_form_of_a_number_has_the_reason_that_it_had(phone: object) -> None:
    event = _event(phone)
    event["properties"]["senderID"] = "MSGIND"
    with_region, without = (to_sms(event, defaults, NOW) for defaults in (INDIA, Defaults()))
    assert isinstance(with_region, Invalid)
    assert with_region == without


@pytest.mark.parametrize(("code", "expected"), [("IN", True), ("US", True), ("UK", False), ("001", False), ("", False)])
def test_a_region_is_a_country_whose_numbers_are_known(code: str, *, expected: bool) -> None:
    assert is_region(code) is expected


@pytest.mark.parametrize(
    ("digits", "region"),
    [
        ("919800000012", "IN"),
        ("14155552671", "US"),
        ("14165550123", "CA"),
        ("77012345678", "KZ"),
        ("79112345678", "RU"),
        ("870773111632", None),  # Inmarsat's
        ("167554321", None),
        ("9" * 15, None),
        ("9812345", "IR"),  # none that exists, but its country code is known
        ("0", None),
    ],
)
def test_a_number_has_a_country_or_none(digits: str, region: str | None) -> None:
    assert region_of(digits) == region


@pytest.mark.parametrize(
    ("environment", "imported"),
    [
        ({}, False),
        ({"DEFAULT_REGION": "", "ALLOWED_COUNTRIES": "", "ONLY_TO_NUMBERS": ""}, False),
        ({"ONLY_TO_NUMBERS": "919800000012"}, False),
        ({"DEFAULT_REGION": "IN"}, True),
        ({"ALLOWED_COUNTRIES": "IN"}, True),
    ],
    ids=str,
)
def test_libphonenumber_is_imported_only_if_a_setting_needs_it(environment: dict[str, str], *, imported: bool) -> None:
    script = """if True:
        import sys
        from datetime import UTC, datetime
        import functions.console.app, functions.delivery_events.app, functions.delivery_reports.app
        import functions.segment_ingest.app
        from segment_msg91 import mapping
        from segment_msg91.settings import IngestSettings
        from segment_msg91.suppression import checked
        settings = IngestSettings.load()
        event = {"type": "track", "messageId": "1", "properties": {"phone": "+91 98000 00012", "templateId": "t"}}
        sms = checked(mapping.to_sms(event, settings.defaults, datetime.now(UTC)), settings.number_rules)
        print(sms.phone, "phonenumbers" in sys.modules)"""
    complete = {
        "PYTHONPATH": f"{ROOT}:{ROOT / 'layers/shared'}",
        "SECRET_ID": "secret",
        "MESSAGES_TABLE": "messages",
        **environment,
    }
    process = subprocess.run(  # noqa: S603  # our own
        [sys.executable, "-c", script], env=complete, capture_output=True, text=True, check=True
    )
    assert process.stdout.split() == ["919800000012", str(imported)]
