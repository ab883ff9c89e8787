#!/bin/bash
# The goals of loss recovery and congestion control, measured over simulated
# paths by the laboratory (bench/lab): what `make lab-smoke` prints, each
# line a test.
cd "$(dirname "$0")/../.." && . tests/check.bash
lab=$tmp/lab
cc=${CC:-cc}
flags="-std=c99 -O2 -D_GNU_SOURCE -I. -Itests/support -Ibench/lab"
printf '#define TCPSM_IMPLEMENTATION\n#include "tcpsm.h"\n' >"$tmp/tcpsm.c"
check lab-builds "$cc" $flags -o "$lab" "$tmp/tcpsm.c" bench/lab/*.c -lm ||
    finish
timeout 300 "$lab" smoke --jobs 2 >"$tmp/smoke" 2>&1
rc=$?
sed 's/^/  /' "$tmp/smoke"
while read -r name rest; do
    case $rest in
    *" ok") ok "$name" ;;
    *" MISSED") fail "$name" "$(echo ${rest% MISSED})" ;;
    "goals were met" | "goals were missed") ;;
    *) fail "lab" "$name $rest" ;;
    esac
done <"$tmp/smoke"
case $rc in
0 | 1) ok lab-smoke-ran ;;
*) fail lab-smoke-ran "exit status $rc" ;;
esac
# The same header gives the same lines everywhere: nothing but seeds is
# random.
"$lab" smoke --jobs 1 --filter damage >"$tmp/once"
"$lab" smoke --jobs 2 --filter damage >"$tmp/again"
same lab-is-deterministic "$(cat "$tmp/once")" "$(cat "$tmp/again")"
finish
