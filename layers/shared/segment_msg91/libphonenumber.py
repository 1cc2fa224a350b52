"""Phone numbers as libphonenumber reads them. Pure. Only `phone_numbers` imports this module, and only if it must."""

from typing import Final

from phonenumbers import (
    NumberParseException,
    PhoneMetadata,
    PhoneNumber,
    PhoneNumberType,
    country_code_for_region,
    is_valid_number,
    national_significant_number,
    number_type,
    parse,
    region_code_for_number,
)

from segment_msg91.fields import PHONE_DIGITS, bare_number, without_international_prefix

# In North America, a number does not show which it is.
_CAN_BE_MOBILE: Final = (PhoneNumberType.MOBILE, PhoneNumberType.FIXED_LINE_OR_MOBILE)
_ISO_3166_LETTERS: Final = 2


def is_region(code: str) -> bool:
    """Whether a code is that of a country whose numbers are known, such as IN (ISO 3166). Loads what is known of it."""
    return len(code) == _ISO_3166_LETTERS and PhoneMetadata.metadata_for_region(code) is not None


def region_of(digits: str) -> str | None:
    """Return the country of a number with its country code; None for a number of none, such as a satellite's."""
    number = _parsed(f"+{digits}", None)
    region = region_code_for_number(number) if number else None
    return region if region and is_region(region) else None


def read_number(value: object, region: str) -> str | None:
    """Return the digits of a phone number with its country code; None if it is no number.

    Without `+` or `00`, it is completed with the country code of `region` if it can be a mobile number there. Fixed
    lines are not completed: many numbers of ten digits from elsewhere could be one in India. Everything else must be a
    valid number of some country, country code included.
    """
    bare = bare_number(value)
    if bare is None:
        return None
    digits = without_international_prefix(bare)
    national = _mobile(digits, region) if digits == bare else None
    completed = national or _valid(digits) or ""
    return completed if len(completed) in PHONE_DIGITS else None


def _mobile(digits: str, region: str) -> str | None:
    number = _parsed(digits, region)
    if number is None or number.country_code != country_code_for_region(region):
        return None
    return _digits(number) if number_type(number) in _CAN_BE_MOBILE else None


def _valid(digits: str) -> str | None:
    number = _parsed(f"+{digits}", None)
    return _digits(number) if number and is_valid_number(number) else None


def _parsed(text: str, region: str | None) -> PhoneNumber | None:
    try:
        return parse(text, region)
    except NumberParseException:
        return None


def _digits(number: PhoneNumber) -> str:
    return f"{number.country_code}{national_significant_number(number)}"
