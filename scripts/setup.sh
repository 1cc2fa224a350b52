#!/bin/sh
# Makes .venv with CPython 3.13 and the locked packages: on a fresh machine, from any Python 3 with pip.
set -eu

runs_313() { "$1" -c 'import sys; sys.exit(sys.version_info[:2] != (3, 13))' >/dev/null 2>&1; }

find_uv() {
  if command -v uv >/dev/null 2>&1; then command -v uv; return; fi
  [ -x .uv/bin/uv ] || {
    # Debian's python3 may come without ensurepip: then pip itself installs beside it.
    { python3 -m venv .uv && .uv/bin/python -m pip install --quiet --disable-pip-version-check uv; } >&2 ||
      { rm -rf .uv && python3 -m pip install --quiet --disable-pip-version-check --target .uv uv >&2; }
  }
  echo .uv/bin/uv
}

# A pyenv shim of a version that is not selected stands in the path and fails, so each candidate is run.
find_python() {
  for candidate in python3.13 "${PYENV_ROOT:-$HOME/.pyenv}"/versions/3.13*/bin/python3.13 \
    /usr/bin/python3.13 /usr/local/bin/python3.13 /opt/homebrew/bin/python3.13 python3; do
    if runs_313 "$candidate"; then echo "$candidate"; return; fi
  done
  echo 3.13 # uv looks further, and downloads one where it may
}

uv=$(find_uv)
export UV_PYTHON="$(find_python)"
if ! "$uv" sync --frozen --quiet; then
  echo "Set-up failed (see above). It needs CPython 3.13: install it, or let uv download it, and run make again." >&2
  exit 1
fi
touch .venv/.ready
