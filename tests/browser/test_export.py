"""Exports, in a real browser, on answers made up here."""

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.browser import answers
from tests.browser.answers import Canned, Json, Query, Refusal, Silence
from tests.browser.console_page import MESSAGES, OVERVIEW, PROGRAM

if TYPE_CHECKING:
    from tests.browser.conftest import VisitCanned

pytestmark = pytest.mark.skipif(PROGRAM is None, reason="needs chromium: `apt-get install chromium`")


def _pages(query: Query) -> Json:
    if "after" not in query:
        return {"csv": "time,event\r\n1,Größe\r\n", "rows": 1200, "after": "page-2"}
    assert query["after"] == "page-2"
    return {"csv": "2,=cmd\r\n", "rows": 34, "after": None}


def test_a_day_is_saved_as_one_file(visit_canned: "VisitCanned", canned: Canned, tmp_path: Path) -> None:
    canned.routes["export"] = _pages
    console = visit_canned(OVERVIEW)
    console.shows("#figures")
    assert console.page.locator("#day").input_value() == "2026-11-24"
    with console.page.expect_download() as download:
        console.click("#export-day button:not(.cancel)")
    assert download.value.suggested_filename == "sms-2026-11-24.csv"
    download.value.save_as(tmp_path / "rows.csv")
    assert (tmp_path / "rows.csv").read_bytes().decode("utf-8-sig") == "time,event\r\n1,Größe\r\n2,=cmd\r\n"
    assert (tmp_path / "rows.csv").read_bytes().startswith(b"\xef\xbb\xbf")
    console.sees("Saved sms-2026-11-24.csv: 1,234 rows.", "#export-day output")
    assert canned.queries("export") == [{"day": "2026-11-24"}, {"day": "2026-11-24", "after": "page-2"}]


def test_what_a_search_or_filter_finds_is_saved(visit_canned: "VisitCanned", canned: Canned) -> None:
    canned.routes["export"] = _pages
    console = visit_canned(MESSAGES)
    console.counts("#messages li", 25)
    console.hides("#export-list")
    console.looks_for("user_id", "user-1")
    with console.page.expect_download() as download:
        console.click("#export-list button:not(.cancel)")
    assert download.value.suggested_filename == "sms-search.csv"
    assert canned.queries("export")[0] == {"user_id": "user-1"}
    console.goes_to("#/messages?outcome=failed")
    console.sees("Failed", "#list-title")
    with console.page.expect_download():
        console.click("#export-list button:not(.cancel)")
    assert canned.queries("export")[-1] == {"outcome": "failed", "after": "page-2"}


def _second_page(problem: Exception) -> answers.Handler:
    def export(query: Query) -> Json:
        if "after" in query:
            raise problem
        return _pages(query)

    return export


def test_an_export_shows_its_progress_and_can_be_cancelled(visit_canned: "VisitCanned", canned: Canned) -> None:
    canned.routes["export"] = _second_page(Silence())
    console = visit_canned(OVERVIEW)
    downloads: list[str] = []
    console.page.on("download", lambda download: downloads.append(download.url))
    console.shows("#figures")
    console.hides("#export-day .cancel")
    console.click("#export-day button:not(.cancel)")
    console.sees("1,200 rows…", "#export-day output")
    console.click("#export-day .cancel")
    console.sees("Cancelled after 1,200 rows. No file was saved.", "#export-day output")
    console.hides("#export-day .cancel")
    assert downloads == []


def test_an_error_in_the_middle_of_an_export_saves_nothing_and_says_so(
    visit_canned: "VisitCanned", canned: Canned
) -> None:
    canned.routes["export"] = _second_page(Refusal(503, "The tables can't be read now; try again."))
    console = visit_canned(OVERVIEW)
    downloads: list[str] = []
    console.page.on("download", lambda download: downloads.append(download.url))
    console.shows("#figures")
    console.click("#export-day button:not(.cancel)")
    words = "Stopped by an error after 1,200 rows. No file was saved. The tables can't be read now; try again."
    console.sees(words, "#export-day output")
    assert downloads == []
    canned.routes["export"] = _pages
    with console.page.expect_download():
        console.click("#export-day button:not(.cancel)")


def test_an_export_of_nothing_saves_no_file(visit_canned: "VisitCanned", canned: Canned) -> None:
    canned.routes["export"] = lambda query: {"csv": "time\r\n", "rows": 0, "after": query.get("after")}
    console = visit_canned(OVERVIEW)
    console.shows("#figures")
    console.click("#export-day button:not(.cancel)")
    console.sees("No SMS found, so there is no file.", "#export-day output")
