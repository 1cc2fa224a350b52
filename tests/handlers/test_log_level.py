"""LogLevel filters only the functions' own lines, not the metrics that Lambda must let through."""

import os
import subprocess
import sys
from typing import Final

import pytest

from sandbox.template import PATH

FUNCTIONS: Final = ("segment_ingest", "delivery_reports", "reconciliation", "delivery_events", "console")
PROGRAM: Final = """
import logging
from functions.{function} import app
print([name for name in ("DEBUG", "INFO", "WARNING", "ERROR") if app.logger.isEnabledFor(getattr(logging, name))][0])
"""


@pytest.mark.parametrize(
    ("function", "log_level", "of_lambda", "least"),
    [
        # Lambda's own level, which lets metrics through, overrides Powertools' variable unless a function prevents it.
        *((function, "ERROR", "INFO", "ERROR") for function in FUNCTIONS),
        ("segment_ingest", "WARN", "INFO", "WARNING"),
        ("segment_ingest", "DEBUG", "DEBUG", "DEBUG"),
    ],
)
def test_a_function_logs_from_its_log_level_on(function: str, log_level: str, of_lambda: str, least: str) -> None:
    # As the template gives the two levels to Lambda.
    variables = {"AWS_LAMBDA_LOG_LEVEL": of_lambda, "POWERTOOLS_LOG_LEVEL": log_level}
    ran = subprocess.run(  # noqa: S603 - our own program, in a process of its own, as Lambda imports a function once
        [sys.executable, "-W", "error", "-c", PROGRAM.format(function=function)],
        env=os.environ | variables | {"PYTHONPATH": f"{PATH.parent}:{PATH.parent / 'layers/shared'}"},
        capture_output=True,
        text=True,
        check=True,
    )
    assert ran.stdout.strip() == least
