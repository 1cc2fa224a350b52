"""The build under test: `sam build` of the current sources."""

import subprocess
from pathlib import Path

from sandbox.template import PATH

_CACHE = PATH.parent / ".cache" / "chaos"


def build() -> Path:
    """Build the functions and the layer, and return the folder. `sam` rebuilds only what has changed."""
    directory = _CACHE / "build"
    command = ["sam", "build", "--cached", "--cache-dir", str(_CACHE / "sam"), "--build-dir", str(directory)]
    built = subprocess.run(command, cwd=PATH.parent, capture_output=True, text=True, check=False)  # noqa: S603 - ours
    if built.returncode:
        raise RuntimeError(built.stderr)
    return directory
