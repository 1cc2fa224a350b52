"""What DynamoDB can be in the tests; `engine` is a fixture's name."""

import os
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Final

import pytest

from sandbox.dynamodb_local.installation import NotAvailableError
from sandbox.dynamodb_local.server import running_dynamodb_local

MOTO: Final = "moto"
DYNAMODB_LOCAL: Final = "dynamodb-local"
ENGINES: Final = (MOTO, DYNAMODB_LOCAL)
_MISSING: Final = "no DynamoDB Local"


@contextmanager
def needed_dynamodb_local() -> Iterator[str]:
    """Yield the URL of DynamoDB Local. Without it, skip the test that needs it; with CI set, fail it."""
    with ExitStack() as running:
        try:
            url = running.enter_context(running_dynamodb_local())
        except NotAvailableError as error:
            (pytest.fail if os.environ.get("CI") else pytest.skip)(f"{_MISSING}: {error}")
        yield url


def reported_once(report: pytest.TestReport) -> pytest.TestReport:
    """Return a report in which DynamoDB Local, if missing, is missing at one place: pytest joins such reports."""
    if report.skipped and isinstance(report.longrepr, tuple) and _MISSING in report.longrepr[2]:
        report.longrepr = ("tests", None, report.longrepr[2])  # type: ignore[assignment]  # pytest takes no line as well
    return report
