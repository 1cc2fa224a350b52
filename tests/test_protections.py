"""`make protections` takes lines away and runs a test without each; here, that every line and test is still there."""

import pytest

from scripts.protections import PROTECTIONS, ROOT, Protection


@pytest.mark.parametrize("protection", PROTECTIONS, ids=lambda protection: protection.promise)
def test_a_protection_names_one_line_and_one_test(protection: Protection) -> None:
    assert (ROOT / protection.file).read_text().count(protection.line) == 1
    file, _, name = protection.test.partition("::")
    assert f"def {name}(" in (ROOT / file).read_text()
