#!/bin/bash
# attack.sh - is the runner of packet scripts lenient? See attack.py.
cd "$(dirname "$0")/../.." || exit 2
. tests/check.bash
need attack python3

if [ ! -x build/pkt ]; then
    fail attack "there is no build/pkt (make pkt)"
    finish
fi
python3 tests/scripts/attack.py build/pkt "$tmp/scripts" \
    tests/scripts/runner/wire-*.pkt
