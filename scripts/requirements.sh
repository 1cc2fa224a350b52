#!/bin/sh
# Prints what the layer ships, from the lock; with `upgrade`, after locking the newest. SAM builds with pip, which reads
# no uv.lock.
set -eu
uv=$(command -v uv || echo .uv/bin/uv)
[ "${1:-}" != upgrade ] || "$uv" lock --quiet --upgrade
"$uv" export --quiet --locked --no-dev --no-emit-project --no-hashes --no-annotate --no-header
