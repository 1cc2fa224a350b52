"""Encodings and parts, against the published alphabet and an oracle that fills parts one character at a time."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from segment_msg91.encoding import encoding_of

# GSM 03.38 by code point, independent of the module's own table.
_BASIC = {0x40, 0xA3, 0x24, 0xA5, 0xE8, 0xE9, 0xF9, 0xEC, 0xF2, 0xC7, 0x0A, 0xD8, 0xF8, 0x0D, 0xC5, 0xE5}
_BASIC |= {0x394, 0x5F, 0x3A6, 0x393, 0x39B, 0x3A9, 0x3A0, 0x3A8, 0x3A3, 0x398, 0x39E, 0xC6, 0xE6, 0xDF, 0xC9}
_BASIC |= set(range(0x20, 0x5B)) | set(range(0x61, 0x7B))
_BASIC |= {0xA4, 0xA1, 0xC4, 0xD6, 0xD1, 0xDC, 0xA7, 0xBF, 0xE4, 0xF6, 0xF1, 0xFC, 0xE0}
_EXTENSION = {0x0C, 0x5E, 0x7B, 0x7D, 0x5C, 0x5B, 0x7E, 0x5D, 0x7C, 0x20AC}

gsm_texts = st.text(st.sampled_from([chr(code) for code in sorted(_BASIC | _EXTENSION)]), max_size=700)
any_texts = st.text(max_size=300) | st.text(st.sampled_from("a€न😀"), max_size=300)


def _parts(text: str, *, is_gsm: bool) -> int:
    """Fill parts character by character, as a phone would."""
    single, capacity = (160, 153) if is_gsm else (70, 67)
    widths = [(1 + (ord(c) in _EXTENSION)) if is_gsm else len(c.encode("utf-16-le")) // 2 for c in text]
    if sum(widths) <= single:
        return 1
    parts = [0]
    for width in widths:
        if parts[-1] + width > capacity:
            parts.append(0)
        parts[-1] += width
    return len(parts)


@pytest.mark.parametrize("character", [chr(code) for code in sorted(_BASIC | _EXTENSION)])
def test_a_character_of_gsm_03_38_needs_no_unicode(character: str) -> None:
    assert encoding_of(character).name == "GSM-7"


@pytest.mark.parametrize("character", ["ç", "á", "`", "’", "–", "₹", "\t", "न", "😀", "\u00a0"])  # noqa: RUF001
def test_a_character_outside_gsm_03_38_needs_unicode(character: str) -> None:
    assert encoding_of(f"plain {character}").name == "UCS-2"


@given(st.characters())
def test_the_alphabet_is_gsm_03_38_and_no_more(character: str) -> None:
    assert (encoding_of(character).name == "GSM-7") == (ord(character) in _BASIC | _EXTENSION)


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("", 1),
        ("a" * 160, 1),
        ("a" * 161, 2),
        ("a" * 306, 2),
        ("a" * 307, 3),
        ("€" * 80, 1),
        ("€" * 81, 2),
        ("a" * 152 + "€" * 5, 2),
        # 306 septets, but the escape at the end of the first part may not be cut off from its character
        ("a" * 152 + "€" + "a" * 152, 3),
    ],
)
def test_gsm_7_holds_160_septets_or_153_in_each_of_several_parts(text: str, parts: int) -> None:
    assert encoding_of(text).parts == parts


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("न" * 70, 1),
        ("न" * 71, 2),
        ("न" * 134, 2),
        ("न" * 135, 3),
        ("😀" * 35, 1),
        ("😀" * 36, 2),
        ("\U00010000" * 36, 2),
        # 134 units, but a surrogate pair may not be split
        ("न" * 66 + "😀" + "न" * 66, 3),
    ],
)
def test_ucs_2_holds_70_units_or_67_in_each_of_several_parts(text: str, parts: int) -> None:
    assert encoding_of(text).parts == parts


def test_unicode_that_the_event_asks_for_is_counted_as_such() -> None:
    assert encoding_of("a" * 71, unicode=True).parts == 2


@given(gsm_texts)
def test_the_parts_of_a_gsm_text_are_what_a_phone_would_fill(text: str) -> None:
    assert encoding_of(text).parts == _parts(text, is_gsm=True)


@given(any_texts)
def test_the_parts_of_a_unicode_text_are_what_a_phone_would_fill(text: str) -> None:
    assert encoding_of(text, unicode=True).parts == _parts(text, is_gsm=False)
