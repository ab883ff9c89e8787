#!/bin/bash
# make bench-instructions, as a test: no operation more than 2 % worse.
cd "$(dirname "$0")/../.." && . tests/check.bash
bench/instructions.sh >"$tmp/out" 2>&1
rc=$?
sed 's/^/  /' "$tmp/out"
case $rc in
0) ok instructions-not-worse ;;
77) skip instructions-not-worse "$(sed 's/.*NOT RUN: //' "$tmp/out")" ;;
*) fail instructions-not-worse "$(grep worse "$tmp/out" | head -n 1)" ;;
esac
finish
