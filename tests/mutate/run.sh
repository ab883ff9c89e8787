#!/bin/bash
# tests/mutate/run.sh [options] - `make mutate`: small changes to tcpsm.h; do
# the tests notice? See tests/mutate/mutate.py --help; from the environment:
# MUTATE (10%, diff, section11, survivors, all, names of functions), BASE,
# SEED, JOBS.

set -u
cd "$(dirname "$0")/../.." || exit 2
if ! command -v python3 >/dev/null; then
    echo "mutate: python3 is not here; make deps installs it" >&2
    exit 2
fi
args=()
[ -z "${SEED:-}" ] || args+=(--seed "$SEED")
[ -z "${BASE:-}" ] || args+=(--base "$BASE")
[ -z "${JOBS:-}" ] || args+=(--jobs "$JOBS")
[ -z "${MUTATE:-}" ] || args+=("$MUTATE")
exec python3 tests/mutate/mutate.py "${args[@]}" "$@"
