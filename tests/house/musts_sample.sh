#!/bin/bash
# A few of tests/musts: which ones, the hash of the commit decides, so that
# every one has its turn. SAMPLE= says how many. All: make test-musts.
cd "$(dirname "$0")/../.." || exit 2
n=8
command -v clang >/dev/null || n=3 # before make deps: a minute for all
JOBS=${JOBS:-2} exec tests/musts/run.sh --sample "${SAMPLE:-$n}"
