#!/bin/sh
# Prints the layer's requirements from the lock; with `upgrade`, locks the newest versions first. SAM builds with pip,
# which does not read uv.lock.
set -eu
uv=$(command -v uv || echo .uv/bin/uv)
[ "${1:-}" != upgrade ] || "$uv" lock --quiet --upgrade
"$uv" export --quiet --locked --no-dev --no-emit-project --no-hashes --no-annotate --no-header
