"""scripts/setup.sh finds an installed CPython 3.13, and makes uv trust what the system trusts."""

import subprocess
from pathlib import Path
from typing import Final

import pytest

SCRIPT: Final = (Path(__file__).parent.parent / "scripts/setup.sh").read_text(encoding="utf-8")
FUNCTIONS: Final = SCRIPT.split("\nUV_PYTHON=")[0]
WORKS: Final = "#!/bin/sh\nexit 0\n"
FAILS: Final = "#!/bin/sh\necho 'pyenv: python3.13: command not found' >&2\nexit 127\n"
FOUND: Final = "versions/3.13.0/bin/python3.13"


def _put(path: Path, script: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(script)
    path.chmod(0o700)
    return path


def _python(tools: Path, *folders: Path, **variables: str) -> str:
    """Return what find_python finds with these folders before the system's tools in the path, and no other variable."""
    path = ":".join(map(str, (*folders, tools)))
    # The other folders that it searches may have a CPython 3.13 on this machine.
    script = "\n".join(line for line in FUNCTIONS.splitlines() if "printf '%s" not in line) + "\nfind_python\n"
    ran = subprocess.run(  # noqa: S603 - our own script
        ["/bin/sh", "-c", script], env={"PATH": path} | variables, capture_output=True, text=True, check=True
    )
    return ran.stdout.strip()


@pytest.fixture
def tools(tmp_path: Path) -> Path:
    """A folder without any Python."""
    folder = tmp_path / "tools"
    folder.mkdir()
    return folder


@pytest.mark.parametrize("name", ["python3.13", "python3"])
def test_a_pyenv_version_is_found_through_a_shim_that_fails(tmp_path: Path, tools: Path, name: str) -> None:
    pyenv = tmp_path / "with a space" / ".pyenv"
    _put(pyenv / "shims" / name, FAILS)
    found = _put(pyenv / FOUND, WORKS)
    assert _python(tools, pyenv / "shims") == str(found)


def test_a_pyenv_version_is_found_beside_pyenv_itself(tmp_path: Path, tools: Path) -> None:
    pyenv = tmp_path / "pyenv"
    _put(pyenv / "bin/pyenv", WORKS)
    found = _put(pyenv / FOUND, WORKS)
    assert _python(tools, pyenv / "bin") == str(found)


@pytest.mark.parametrize(("variable", "folder"), [("PYENV_ROOT", ""), ("HOME", ".pyenv")])
def test_a_pyenv_version_is_found_where_a_variable_says(
    tmp_path: Path, tools: Path, variable: str, folder: str
) -> None:
    found = _put(tmp_path / "root" / folder / FOUND, WORKS)
    assert _python(tools, **{variable: str(tmp_path / "root")}) == str(found)


def test_the_python_in_the_path_comes_first(tmp_path: Path, tools: Path) -> None:
    first = _put(tmp_path / "bin/python3.13", WORKS)
    _put(tmp_path / ".pyenv" / FOUND, WORKS)
    assert _python(tools, tmp_path / "bin", HOME=str(tmp_path)) == str(first)


def test_a_version_that_fails_is_passed_over(tmp_path: Path, tools: Path) -> None:
    _put(tmp_path / ".pyenv/versions/3.13.0/bin/python3.13", FAILS)
    works = _put(tmp_path / ".pyenv/versions/3.13.1/bin/python3.13", WORKS)
    assert _python(tools, HOME=str(tmp_path)) == str(works)


def test_without_any_uv_looks_itself(tools: Path) -> None:
    assert _python(tools) == "3.13"


UV: Final = """#!/bin/sh
echo "$UV_SYSTEM_CERTS $UV_NATIVE_TLS" > "$SEEN"
mkdir -p .venv
"""


@pytest.mark.parametrize(("given", "seen"), [({}, "true true"), ({"UV_SYSTEM_CERTS": "false"}, "false false")])
def test_uv_trusts_the_systems_certificates_unless_a_variable_forbids_it(
    tmp_path: Path, given: dict[str, str], seen: str
) -> None:
    _put(tmp_path / "bin/uv", UV)
    note = tmp_path / "seen"
    subprocess.run(  # noqa: S603 - our own script
        ["/bin/sh", "-c", SCRIPT],
        env={"PATH": f"{tmp_path / 'bin'}:/usr/bin:/bin", "SEEN": str(note)} | given,
        cwd=tmp_path,
        check=True,
    )
    assert note.read_text().strip() == seen
    assert (tmp_path / ".venv/.ready").exists()
