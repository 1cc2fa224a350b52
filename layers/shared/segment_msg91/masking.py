"""Masked phone numbers: `91••••••••01`. Pure."""

import re
from typing import Final

# A number as people write it, within other text: 7 to 15 digits, a space, hyphen or bracket between any two. An IP
# address stays, because the person who has to whitelist it must be able to read it.
_NUMBER: Final = re.compile(r"(?<!\d)\+?(?:(?<!\d\.)\d(?:[ ()-]{0,2}\d){6,14}|\d{7,15})(?!\d)", re.ASCII)
# Digits that may be a number's, of any count. One pattern for all numbers: to compile one for each takes milliseconds.
_DIGIT_RUN: Final = re.compile(r"\+?\d(?:[ .()-]{0,2}\d)*", re.ASCII)
_MAX_LENGTH_WITHOUT_COUNTRY: Final = 9
_HIDDEN: Final = "•"
# This many digits at the end identify a number, with a country code, a 0 or nothing before them.
_OWN_DIGIT_RUN: Final = 7


def masked(phone: str) -> str:
    """Hide a number except its last two digits and, if it has ten or more, its first two. Hide other texts wholly."""
    if not (phone.isascii() and phone.isdigit()) or len(phone) < _OWN_DIGIT_RUN:
        return _HIDDEN * 3
    shown = 2 if len(phone) > _MAX_LENGTH_WITHOUT_COUNTRY else 0
    return phone[:shown] + _HIDDEN * (len(phone) - shown - 2) + phone[-2:]


def without_numbers(prose: str) -> str:
    """Mask everything in a sentence that may be a number: MSG91's errors quote numbers."""
    return _NUMBER.sub(lambda found: masked(_digits(found[0])), prose)


def without_own_number(identifier: str, phone: str) -> str:
    """Mask a message's own number in an identifier. Other digits are the identifier's."""
    own = _digits(phone)[-_OWN_DIGIT_RUN:]
    if len(own) < _OWN_DIGIT_RUN:
        return identifier
    return _DIGIT_RUN.sub(lambda found: _masked_until(own, found[0]), identifier)


def _masked_until(own: str, text: str) -> str:
    """Mask a text of digits and separators from its beginning to the end of a number, if it has it."""
    before, found, _ = _digits(text).rpartition(own)
    if not found:
        return text
    number = before + own
    ends = [position for position, character in enumerate(text, start=1) if character.isdigit()]
    return masked(number) + text[ends[len(number) - 1] :]


def _digits(text: str) -> str:
    return "".join(character for character in text if character.isdigit())
