"""Phone numbers as people see them until they ask for one: `91••••••••01`. Pure."""

import re
from typing import Final

# A number as people write it, within other text: 7 to 15 digits, a space, hyphen or bracket between any two. With dots
# it is an address, which whoever has to whitelist it must read.
_NUMBER: Final = re.compile(r"(?<![\d.])\+?\d(?:[ ()-]{0,2}\d){6,14}(?!\d)", re.ASCII)
_MAX_LENGTH_WITHOUT_COUNTRY: Final = 9
_HIDDEN: Final = "•"
# Enough of a number's end to know it by, whatever stands before it: a country code, a 0, nothing.
_OWN_DIGITS: Final = 7


def masked(phone: str) -> str:
    """Hide a number but for its last two digits and, of ten and more, its first two. Of what is no number, all."""
    if not (phone.isascii() and phone.isdigit()) or len(phone) < _OWN_DIGITS:
        return _HIDDEN * 3
    shown = 2 if len(phone) > _MAX_LENGTH_WITHOUT_COUNTRY else 0
    return phone[:shown] + _HIDDEN * (len(phone) - shown - 2) + phone[-2:]


def without_numbers(prose: str) -> str:
    """Mask whatever in a sentence may be a number: MSG91's errors quote them."""
    return _NUMBER.sub(lambda found: masked(_digits(found[0])), prose)


def without_own_number(identifier: str, phone: str) -> str:
    """Mask a message's own number in an identifier. Other digits are the identifier's."""
    own = _digits(phone)[-_OWN_DIGITS:]
    if len(own) < _OWN_DIGITS:
        return identifier
    pattern = r"\+?(?:\d[ .()-]{0,2})*" + r"[ .()-]{0,2}".join(own)
    return re.sub(pattern, lambda found: masked(_digits(found[0])), identifier, flags=re.ASCII)


def _digits(text: str) -> str:
    return "".join(character for character in text if character.isdigit())
