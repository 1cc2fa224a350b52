"""How many SMS a text is: GSM-7 or UCS-2, and its parts (3GPP TS 23.038 and 23.040)."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

# GSM 03.38: the basic alphabet, and the extension that is reached by an escape and so costs two septets.
_BASIC = frozenset(
    "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?"
    "¡ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§¿abcdefghijklmnopqrstuvwxyzäöñüà"
)
_EXTENSION = frozenset("\f^{}\\[~]|€")
_GSM_SINGLE, _GSM_PART = 160, 153
_UCS_SINGLE, _UCS_PART = 70, 67
_ASTRAL = 0x10000


@dataclass(frozen=True, slots=True)
class Encoding:
    """The alphabet that a text needs, and the number of SMS it is billed as."""

    name: Literal["GSM-7", "UCS-2"]
    parts: int


def encoding_of(text: str, *, unicode: bool = False) -> Encoding:
    """Choose GSM-7 if the text allows it and `unicode` does not forbid it, and count the parts."""
    if unicode or any(character not in _BASIC and character not in _EXTENSION for character in text):
        return Encoding("UCS-2", _parts((2 if ord(c) >= _ASTRAL else 1 for c in text), _UCS_SINGLE, _UCS_PART))
    return Encoding("GSM-7", _parts((2 if c in _EXTENSION else 1 for c in text), _GSM_SINGLE, _GSM_PART))


def _parts(widths: Iterable[int], single: int, part: int) -> int:
    """Count parts of `part` units, none of which splits a character of two units (an escape, a surrogate pair)."""
    total, parts, room = 0, 1, part
    for width in widths:
        total += width
        if width > room:
            parts, room = parts + 1, part
        room -= width
    return 1 if total <= single else parts
