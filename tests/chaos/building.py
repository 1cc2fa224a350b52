"""The build that is attacked: what `sam build` makes of the sources as they are now."""

import subprocess
from pathlib import Path

from sandbox.template import PATH

_CACHE = PATH.parent / ".cache" / "chaos"


def build() -> Path:
    """Build the functions and the layer, and return where. What has not changed since the last time is kept."""
    directory = _CACHE / "build"
    command = ["sam", "build", "--cached", "--cache-dir", str(_CACHE / "sam"), "--build-dir", str(directory)]
    built = subprocess.run(command, cwd=PATH.parent, capture_output=True, text=True, check=False)  # noqa: S603 - ours
    if built.returncode:
        raise RuntimeError(built.stderr)
    return directory
