"""Phone numbers in events and settings. Pure.

libphonenumber is imported by the first call that needs it: it adds to a cold start, and most stacks do without.
"""

from segment_msg91.fields import phone_digits


def read_number(value: object, region: str) -> str | None:
    """Return a phone number as its digits with country code; None if it is none.

    Without a region (ISO 3166), it must carry its country code, and any 7 to 15 digits are one.
    """
    if not region:
        return phone_digits(value)
    from segment_msg91 import libphonenumber  # noqa: PLC0415 - see above

    return libphonenumber.read_number(value, region)


def region_of(digits: str) -> str | None:
    """Return the country (ISO 3166) of a number with its country code; None if it is of none, or of no known one."""
    from segment_msg91 import libphonenumber  # noqa: PLC0415 - see above

    return libphonenumber.region_of(digits)


def is_region(code: str) -> bool:
    """Whether a code is that of a country whose numbers are known, such as IN (ISO 3166)."""
    from segment_msg91 import libphonenumber  # noqa: PLC0415 - see above

    return libphonenumber.is_region(code)
