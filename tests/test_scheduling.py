"""What tests share ends with their last one: a stack that lives on takes other tests' messages from moto's queues."""

from pathlib import Path
from typing import Final

import pytest

TESTS: Final = Path(__file__).parent
WITH_PACKAGE_FIXTURES: Final = [
    path.parent for path in sorted(TESTS.rglob("conftest.py")) if 'scope="package"' in path.read_text()
]


@pytest.mark.parametrize("folder", WITH_PACKAGE_FIXTURES, ids=lambda folder: folder.name)
def test_a_folder_with_a_fixture_for_the_package_is_a_package(folder: Path) -> None:
    assert (folder / "__init__.py").exists()


def test_such_folders_are_found() -> None:
    assert WITH_PACKAGE_FIXTURES
