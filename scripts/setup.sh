#!/bin/sh
# Makes .venv with CPython 3.13 and the locked packages: on a fresh machine, from any Python 3 with pip.
set -eu

runs_313() { "$1" -c 'import sys; sys.exit(sys.version_info[:2] != (3, 13))' >/dev/null 2>&1; }

# The folders that pyenv keeps its versions in. Its shims in the path show where it is if no variable does.
pyenv_roots() {
  for name in python3.13 python3 pyenv; do
    found=$(command -v "$name") || continue
    case $found in */shims/"$name" | */bin/pyenv) echo "${found%/*/*}" ;; esac
  done
  echo "${PYENV_ROOT:-${HOME:-}/.pyenv}"
}

candidates() {
  echo python3.13
  pyenv_roots | while IFS= read -r root; do
    for python in "$root"/versions/3.13*/bin/python3.13; do echo "$python"; done
  done
  printf '%s\n' /usr/bin/python3.13 /usr/local/bin/python3.13 /opt/homebrew/bin/python3.13 python3
}

# A pyenv shim of a version that is not selected is in the path and fails, so each candidate is run. By its path, uv takes
# the Python of another environment that is active as well; by its name, it would pass over it.
find_python() {
  found=$(candidates | while IFS= read -r python; do
    if runs_313 "$python"; then command -v "$python"; break; fi
  done)
  echo "${found:-3.13}" # uv searches further, and downloads it if allowed
}

find_uv() {
  if command -v uv >/dev/null 2>&1; then command -v uv; return; fi
  [ -x .uv/bin/uv ] || {
    python=$UV_PYTHON
    [ "$python" != 3.13 ] || python=python3
    # Debian's python3 may lack ensurepip: then pip installs uv into a folder.
    { "$python" -m venv .uv && .uv/bin/python -m pip install --quiet --disable-pip-version-check uv; } >&2 ||
      { rm -rf .uv && python3 -m pip install --quiet --disable-pip-version-check --target .uv uv >&2; }
  }
  echo .uv/bin/uv
}

UV_PYTHON=$(find_python)
# Use the system's certificates: they include a proxy's that re-signs TLS. Older versions of uv use the second name.
UV_SYSTEM_CERTS=${UV_SYSTEM_CERTS:-true}
UV_NATIVE_TLS=${UV_NATIVE_TLS:-$UV_SYSTEM_CERTS}
export UV_PYTHON UV_SYSTEM_CERTS UV_NATIVE_TLS
[ -d .venv ] || echo "Setting up .venv with CPython 3.13 and the locked packages: about a minute, the first time only." >&2
uv=$(find_uv)
if ! "$uv" sync --frozen --quiet; then
  echo "Set-up failed (see above). It needs CPython 3.13: install it, or let uv download it, and run make again." >&2
  exit 1
fi
touch .venv/.ready
