#!/bin/bash
# Compiling the implementation at gcc -O2: 2 s is the goal, missed since
# there are two layers. Processor time of the compiler, the least of up to
# three, and the limit is three times what a quiet machine takes, because
# this one may not be ours alone. --print: the number only.
cd "$(dirname "$0")/../.." && . tests/check.bash
need compile-time gcc
printf '#define TCPSM_IMPLEMENTATION\n#include "tcpsm.h"\n' >"$tmp/impl.c"
TIMEFORMAT=%U
best=
for i in 1 2 3; do
    t=$({ time gcc -std=c99 -O2 -I. -c -o "$tmp/impl.o" "$tmp/impl.c"; } 2>&1)
    t=$((10#${t/./})) # milliseconds: bash prints three places
    [ -z "$best" ] || [ "$t" -lt "$best" ] && best=$t
    [ "$best" -gt 2000 ] || break
done
if [ "${1:-}" = --print ]; then
    echo "gcc -O2: $best ms"
    exit
fi
echo "  $best ms (the goal is 2000)"
at_most gcc-O2-under-9000-ms 9000 "$best"
finish
