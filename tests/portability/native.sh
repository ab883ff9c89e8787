#!/bin/bash
# Law 1 here: strict C99 and C++11, freestanding, gcc and clang, the whole
# warning set as errors at each optimisation level (warnings depend on it),
# full and tiny; every outside symbol is on the list, nothing is writable.
cd "$(dirname "$0")/../.." && . tests/check.bash
. tests/portability/object.bash

list=$(uname -m | tr _ -)
# With one compiler and nothing else `make test` is to stay short.
lean=
has clang || has g++ || lean="one level is enough before make deps"
# Every level for everything would take minutes: what is the same source in
# another language, or with less in it, is seen at the levels that differ.
levels() { # COMPILER [-DTCPSM_TINY]
    case $1${2:-} in
    *++-D*) echo -O2 ;;
    *++) echo -O0 -O2 ;;
    *-D*) echo -O2 -Os ;;
    *) echo -O0 -O2 -O3 -Os ;;
    esac
}
matrix() { # NAME COMPILER FLAGS...
    local name=$1 o config
    shift
    if ! builds "$@"; then
        skip "$name" "$1 is not installed (make deps)"
        return
    fi
    for config in "" -DTCPSM_TINY; do
        for o in $(levels "$1" $config); do
            if [ -n "$lean" ] && [ $o != -O2 ]; then
                skip "$name$config$o" "$lean"
                continue
            fi
            object "$name$config$o" "$list" "" "$@" $o $config
        done
    done
}
if [ -e $lists/$list.txt ]; then
    matrix gcc-c99 gcc -std=c99
    matrix clang-c99 clang -std=c99
    matrix g++-c++11 g++ -std=c++11
    matrix clang++-c++11 clang++ -std=c++11
else
    skip native "no list of symbols for $list"
fi

# The switches of the first screen, each alone.
cc=${CC:-cc}
for d in -DTCPSM_STATIC -DTCPSM_NAMES "-DTCPSM_RUNS=16 -DTCPSM_RANGES=8" \
    "-DTCPSM_STATIC -DTCPSM_NAMES -DTCPSM_TINY"; do
    check "switch$(echo "$d" | tr -d ' ')" \
        build_impl "$tmp/o.o" "$cc" -std=c99 -O0 $d
done
cat >"$tmp/hooks.c" <<'END'
#include <stdio.h>
static unsigned long turns;
#define TCPSM_STEP() ((void)turns++)
#define TCPSM_TRACE(conn, what, a, b)                                       \
    printf("%p %d %lu %lu\n", (const void *)(conn), (int)(what),            \
           (unsigned long)(a), (unsigned long)(b))
#define TCPSM_IMPLEMENTATION
#include "tcpsm.h"
int main(void)
{
    return turns != 0;
}
END
check hooks "$cc" -std=c99 $warnings -I. -o "$tmp/hooks" "$tmp/hooks.c"

# The public half alone, twice, before and after the libc's own headers.
cat >"$tmp/public.c" <<'END'
#include "tcpsm.h"
#include <string.h>
#include <stdio.h>
#include <stdlib.h>
#include "tcpsm.h"
int main(void)
{
    return sizeof(tcpsm_conn) > 1000;
}
END
check public-half "$cc" -std=c99 $warnings -I. -o "$tmp/public" \
    "$tmp/public.c"
same only-stddef-and-stdint "<stddef.h> <stdint.h>" \
    "$(sed '/^#endif \/\* TCPSM_H/q' tcpsm.h |
        sed -n 's/^ *# *include  *</</p' | sort -u | tr '\n' ' ' |
        sed 's/ $//')"
# A freestanding file may well have seen the C library's own prototypes.
for lang in "$cc -x c -std=c99" "g++ -x c++ -std=c++11" \
    "clang++ -x c++ -std=c++11"; do
    if ! builds ${lang%% *}; then
        skip "freestanding-after-string.h-${lang%% *}" \
            "${lang%% *} is not installed (make deps)"
        continue
    fi
    printf '#include <string.h>\n%s\n#include "tcpsm.h"\n' \
        '#define TCPSM_IMPLEMENTATION' >"$tmp/after.c"
    check "freestanding-after-string.h-${lang%% *}" $lang $warnings \
        -ffreestanding -I. -c -o "$tmp/o.o" "$tmp/after.c"
done
finish
