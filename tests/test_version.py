"""One version everywhere: the package, the template, the lock, the sample of an event, and the changelog."""

import re
import tomllib
from datetime import date
from pathlib import Path
from typing import Final

from sandbox.template import load_document
from segment_msg91 import VERSION

ROOT: Final = Path(__file__).parent.parent
RELEASES: Final = re.findall(r"^## \[([0-9.]+)\] - (\S+)$", (ROOT / "CHANGELOG.md").read_text(), re.MULTILINE)


def test_the_package_and_the_template_have_the_version() -> None:
    assert tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"] == VERSION
    assert load_document()["Metadata"]["AWS::ServerlessRepo::Application"]["SemanticVersion"] == VERSION


def test_the_lock_has_the_version() -> None:
    packages = tomllib.loads((ROOT / "uv.lock").read_text())["package"]
    assert [package["version"] for package in packages if package["name"] == "segment-msg91"] == [VERSION]


def test_the_sample_of_a_delivery_event_has_the_version() -> None:
    text = (ROOT / "docs/delivery-events.md").read_text()
    assert re.findall(r'"segment-msg91", "version": "([^"]+)"', text) == [VERSION]


def test_the_newest_release_of_the_changelog_is_the_version() -> None:
    assert RELEASES[0][0] == VERSION


def test_releases_are_dated_newest_first() -> None:
    days = [date.fromisoformat(day) for _, day in RELEASES]
    assert days == sorted(days, reverse=True)
