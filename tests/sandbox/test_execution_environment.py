import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from sandbox.execution_environment import scaling
from sandbox.lambda_runtime import FunctionError, Invoker
from sandbox.template import Function

FUNCTION = Function("SampleFunction", "tests.sandbox.sample_function", "lambda_handler", timeout=10, memory=128)
SHORT_TIMEOUT = Function(
    "ShortTimeoutFunction", "tests.sandbox.sample_function", "lambda_handler", timeout=1, memory=128
)


@pytest.fixture
def invoke(tmp_path: Path) -> Iterator[Invoker]:
    with (tmp_path / "log").open("w") as log, scaling(FUNCTION, {"OWN": "value"}, log) as invoke:
        yield invoke


def test_a_function_sees_its_own_variables_only(invoke: Invoker, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OURS", "value")

    assert [invoke({"variable": name}) for name in ("OWN", "OURS")] == ["value", None]


def test_what_a_function_prints_is_logged_and_no_answer(invoke: Invoker, tmp_path: Path) -> None:
    assert invoke({"print": "a metric"})

    assert (tmp_path / "log").read_text() == "a metric\n"


def test_a_function_stays_warm(invoke: Invoker) -> None:
    assert invoke({}) == invoke({})
    assert invoke({}) != os.getpid()


def test_a_function_that_raises_stays_warm_and_leaves_a_traceback(invoke: Invoker, tmp_path: Path) -> None:
    before = invoke({})

    with pytest.raises(FunctionError, match=r"SampleFunction raised RuntimeError\('no'\)"):
        invoke({"raise": "no"})

    assert invoke({}) == before
    assert "Traceback" in (tmp_path / "log").read_text()


def test_a_function_that_dies_is_started_again(invoke: Invoker) -> None:
    before = invoke({})

    with pytest.raises(FunctionError, match="was killed"):
        invoke({"exit": 1})

    assert invoke({}) != before


def test_a_function_that_runs_out_of_time_is_killed(tmp_path: Path) -> None:
    with (
        (tmp_path / "log").open("w") as log,
        scaling(SHORT_TIMEOUT, {}, log) as invoke,
        pytest.raises(FunctionError, match="longer than 1 s"),
    ):
        invoke({"sleep": 60})


def test_two_events_at_once_have_an_environment_each(invoke: Invoker) -> None:
    with ThreadPoolExecutor(2) as threads:
        first, second = threads.map(invoke, [{"sleep": 0.5}, {"sleep": 0.5}])

    assert first != second
