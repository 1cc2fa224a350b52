"""Which tests are slow, which run on one engine only, and which ones pytest-xdist keeps together on one worker."""

import shutil
from collections.abc import Iterable
from typing import Final

import pytest
from xdist.scheduler import LoadScopeScheduling

from tests.engines import DYNAMODB_LOCAL, MOTO

# The tests of such a folder or file share a build, a browser, an environment or data that are slow to make.
_TOGETHER: Final = (
    "tests/browser/",
    "tests/built/",
    "tests/chaos/",
    "tests/interleavings/test_store.py",
    "tests/sandbox/test_run.py",
    "tests/verify/",
)


class GroupByFolder(LoadScopeScheduling):  # type: ignore[misc]  # xdist is not typed
    """Sends all tests of such a folder to one worker, and every other test to any.

    xdist's own groups (`--dist loadgroup`) are ignored under pytest 9: pytest-xdist issue 1386.
    """

    def _split_scope(self, nodeid: str) -> str:
        return next((folder for folder in _TOGETHER if nodeid.startswith(folder)), nodeid)


# Most start processes or a stack, try every fault, or write hundreds of messages.
_SLOW: Final = (
    "tests/aws_faults/",
    "tests/browser/",
    "tests/built/",
    "tests/chaos/",
    "tests/handlers/fuzz/",
    "tests/handlers/test_authentication_matrix.py",
    "tests/handlers/test_console_cost.py",
    "tests/handlers/test_overview_cost.py",
    "tests/handlers/test_privacy.py",
    "tests/integration/test_account_errors.py",
    "tests/integration/test_concurrency.py",
    "tests/integration/test_console_lists.py",
    "tests/integration/test_delivery_status.py",
    "tests/integration/test_forget.py",
    "tests/integration/test_reporting.py",
    "tests/integration/test_send_protocol.py",
    "tests/integration/test_sending_batches.py",
    "tests/interleavings/test_planted_bugs.py",
    "tests/interleavings/test_store.py",
    "tests/sandbox/",
    "tests/verify/",
)


# These take half of the time that the others take together.
_MEDIUM: Final = (
    "tests/handlers/test_console.py",
    "tests/handlers/test_guard_rails.py",
    "tests/handlers/test_log_level.py",
    "tests/handlers/test_overview.py",
    "tests/handlers/test_superseded_metrics.py",
    "tests/integration/test_found_at_claim.py",
    "tests/integration/test_guard_rails.py",
    "tests/integration/test_opt_outs.py",
    "tests/integration/test_reconciliation.py",
    "tests/integration/test_search.py",
    "tests/integration/test_sending_one_event.py",
    "tests/integration/test_sending_under_failures.py",
)

# Faults that leave what another one leaves: nothing written, or everything without an answer.
_FAULTS_ON_MOTO_ONLY: Final = (
    "throttled once",
    "internal error",
    "in conflict once",
    "request lost",
    "answered too late",
    "nothing read",
)


def mark_sizes(items: Iterable[pytest.Item]) -> None:
    """Mark the tests that `make check` leaves out, besides those that are marked where they are written."""
    for item in items:
        if item.nodeid.startswith(_SLOW) or _has_engine(item, DYNAMODB_LOCAL):
            item.add_marker(pytest.mark.slow)
        elif item.nodeid.startswith(_MEDIUM):
            item.add_marker(pytest.mark.medium)


def without_repeats(items: Iterable[pytest.Item]) -> tuple[list[pytest.Item], list[pytest.Item]]:
    """Divide tests into those to run and those to leave out.

    The named chaos scenarios take long and run on one engine: on DynamoDB Local if npm is there, else on moto. The
    short form with everything at once runs on both. Faults of AWS are injected in front of the engine, so DynamoDB
    Local gets one of each effect, and moto gets all.
    """
    kept: list[pytest.Item] = []
    left_out: list[pytest.Item] = []
    has_other = shutil.which("npm") is not None
    for item in items:
        is_scenario = item.nodeid.startswith("tests/chaos/") and "test_everything_at_once" not in item.nodeid
        is_repeat = has_other and is_scenario and _has_engine(item, MOTO)
        (left_out if is_repeat or _is_fault_of_one_engine(item) else kept).append(item)
    return kept, left_out


def _is_fault_of_one_engine(item: pytest.Item) -> bool:
    is_fault = item.nodeid.startswith("tests/aws_faults/") and any(
        fault in item.nodeid for fault in _FAULTS_ON_MOTO_ONLY
    )
    return is_fault and _has_engine(item, DYNAMODB_LOCAL)


def _has_engine(item: pytest.Item, engine: str) -> bool:
    # Only a test with parameters has a callspec.
    return hasattr(item, "callspec") and engine in item.callspec.params.values()
