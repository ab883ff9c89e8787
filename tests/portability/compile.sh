#!/bin/bash
# Law 1: strict C99 and C++11, freestanding, the whole warning set as
# errors, at each optimisation level (warnings depend on it), full and tiny.
cd "$(dirname "$0")/../.." && . tests/check.bash

matrix() { # NAME COMPILER FLAGS...
    local name=$1 o tiny
    shift
    if ! builds "$@"; then
        skip "$name" "$* does not build programs here (make deps)"
        return
    fi
    for tiny in "" -DTCPSM_TINY; do
        for o in -O0 -O2 -O3 -Os; do
            check "$name$tiny$o" build_impl "$tmp/o.o" "$@" $o $tiny
        done
    done
}

matrix gcc-c99 gcc -std=c99
matrix clang-c99 clang -std=c99
matrix g++-c++11 g++ -std=c++11
matrix clang++-c++11 clang++ -std=c++11

# The object only, so a compiler is enough: no library, no emulator.
objects() { # NAME COMPILER FLAGS...
    local name=$1 o
    shift
    if ! has "$1"; then
        skip "$name" "$1 is not installed (make deps)"
        return
    fi
    for o in -O2 -Os; do
        check "$name$o" build_impl "$tmp/o.o" "$@" $o
    done
}
tiny=-DTCPSM_TINY
objects i386-gcc gcc -m32 -std=c99
objects i386-gcc-tiny gcc -m32 -std=c99 $tiny
objects i386-clang clang -m32 -std=c99
objects i386-g++ g++ -m32 -std=c++11
objects s390x s390x-linux-gnu-gcc -std=c99
objects s390x-tiny s390x-linux-gnu-gcc -std=c99 $tiny
for m in m0plus m4; do
    objects cortex-$m arm-none-eabi-gcc -mcpu=cortex-$m -mthumb -std=c99
    objects cortex-$m-tiny arm-none-eabi-gcc -mcpu=cortex-$m -mthumb \
        -std=c99 $tiny
done
# 16-bit int: the tiny configuration only
objects avr-tiny avr-gcc -mmcu=atmega2560 -std=c99 $tiny

# The switches of the first screen, each alone.
for d in -DTCPSM_STATIC -DTCPSM_NAMES "-DTCPSM_RUNS=16 -DTCPSM_RANGES=8" \
    "-DTCPSM_STATIC -DTCPSM_NAMES -DTCPSM_TINY" \
    "-DTCPSM_TRACE(c,w,a,b)=(void)0 -DTCPSM_STEP()=(void)0"; do
    set -f
    check "switch$(echo "$d" | tr -d ' ' | tr '(),' '___')" \
        build_impl "$tmp/o.o" "${CC:-cc}" -std=c99 -O1 $d
    set +f
done

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
check public-half "${CC:-cc}" -std=c99 $warnings -I. -o "$tmp/public" \
    "$tmp/public.c"
same only-stddef-and-stdint "<stddef.h> <stdint.h>" \
    "$(sed '/^#endif \/\* TCPSM_H/q' tcpsm.h |
        sed -n 's/^ *# *include  *</</p' | sort -u | tr '\n' ' ' |
        sed 's/ $//')"
# A freestanding file may well have seen the C library's own prototypes.
for lang in "${CC:-cc} -x c -std=c99" "g++ -x c++ -std=c++11" \
    "clang++ -x c++ -std=c++11"; do
    if ! builds ${lang%% *}; then
        skip "freestanding-after-string.h-${lang%% *}" "not installed"
        continue
    fi
    printf '#include <string.h>\n%s\n#include "tcpsm.h"\n' \
        '#define TCPSM_IMPLEMENTATION' >"$tmp/after.c"
    check "freestanding-after-string.h-${lang%% *}" $lang $warnings \
        -ffreestanding -I. -c -o "$tmp/o.o" "$tmp/after.c"
done
finish
