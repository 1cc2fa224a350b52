"""The builds that are compared: this project by `sam build`, and the import baseline with the same layer."""

import compileall
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path
from py_compile import PycInvalidationMode
from typing import Final

from sandbox.template import PATH

CACHE: Final = PATH.parent / ".cache" / "bench"
IMPORT_BASELINE: Final = Path(__file__).resolve().parent / "import_baseline"
POWERTOOLS_REFERENCE: Final = Path(__file__).resolve().parent / "powertools_reference"
LAYER: Final = "SharedLayer"


@dataclass(frozen=True, slots=True)
class Builds:
    plain: Path
    """From `sam build`: without bytecode, which Lambda can't write, because code and layers are read-only."""
    compiled: Path
    """From `make build`: with bytecode."""
    plain_import_baseline: Path
    compiled_import_baseline: Path


def build() -> Builds:
    shutil.rmtree(CACHE, ignore_errors=True)
    plain = CACHE / "plain"
    command = ["sam", "build", "--no-cached", "--build-dir", str(plain)]
    built = subprocess.run(command, cwd=PATH.parent, capture_output=True, text=True, check=False)  # noqa: S603 - ours
    if built.returncode:
        raise RuntimeError(built.stderr)
    baseline = CACHE / "plain_import_baseline"
    shutil.copytree(IMPORT_BASELINE, baseline)
    shutil.copytree(plain / LAYER, baseline / LAYER)
    return Builds(plain, _compiled(plain), baseline, _compiled(baseline))


def _compiled(plain: Path) -> Path:
    compiled = plain.with_name(plain.name.replace("plain", "compiled"))
    shutil.copytree(plain, compiled)
    compileall.compile_dir(compiled, quiet=1, invalidation_mode=PycInvalidationMode.UNCHECKED_HASH)
    return compiled


def sizes(layer: Path) -> dict[str, int]:
    """Return the bytes of each package in the layer, with its metadata."""
    found: dict[str, int] = {}
    for path in (layer / "python").rglob("*"):
        if path.is_file() and "__pycache__" not in path.parts:
            top = path.relative_to(layer / "python").parts[0].split("-")[0].removesuffix(".py")
            found[top] = found.get(top, 0) + path.stat().st_size
    return found
