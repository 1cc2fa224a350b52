"""`make protections` removes safeguards and runs a test without each. Here: every line and test still exists."""

import pytest

from scripts.protections import ROOT, SAFEGUARDS, Safeguard


@pytest.mark.parametrize("safeguard", SAFEGUARDS, ids=lambda safeguard: safeguard.promise)
def test_a_safeguard_names_one_line_and_one_test(safeguard: Safeguard) -> None:
    assert (ROOT / safeguard.file).read_text().count(safeguard.line) == 1
    file, _, name = safeguard.test.partition("::")
    assert f"def {name}(" in (ROOT / file).read_text()
