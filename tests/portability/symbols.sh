#!/bin/bash
# Law 1: what the object asks of the outside is in symbols/TARGET.txt, one
# name a line; nothing in it is writable. Compiled as users compile it.
cd "$(dirname "$0")/../.." && . tests/check.bash
lists=tests/portability/symbols

target() { # LIST PREFIX COMPILER FLAGS...
    local list=$1 nm=$2nm o config name
    shift 2
    if ! has "$1" || ! has "$nm"; then
        skip "$list" "$1 is not installed (make deps)"
        return
    fi
    for config in "" -DTCPSM_TINY; do
        [ "$list$config" = avr ] && continue # tiny is all that avr must do
        for o in -O0 -O2 -O3 -Os; do
            name=$list-${1##*-}$config$o
            if ! build_impl "$tmp/o.o" "$@" -std=c99 $o $config \
                >"$tmp/out" 2>&1; then
                fail "$name" "$(head -n 1 "$tmp/out")"
                continue
            fi
            $nm -u "$tmp/o.o" | awk '{print $NF}' | sort -u >"$tmp/undef"
            sed 's/ *#.*//; /^$/d' $lists/$list.txt | sort -u >"$tmp/allowed"
            same "$name-outside" "" \
                "$(comm -23 "$tmp/undef" "$tmp/allowed" | tr '\n' ' ')"
            same "$name-writable" "" \
                "$($nm "$tmp/o.o" | awk '$2 ~ /^[bBdDCsSgG]$/ {print $3}' |
                    tr '\n' ' ')"
            # A mutable object without a symbol would still need a section.
            same "$name-sections" "" "$(${nm%nm}size -A "$tmp/o.o" |
                awk '$1 ~ /^\.(data|bss|tdata|tbss)/ && $1 !~ /rel\.ro/ &&
                    $2 > 0 {print $1}' | tr '\n' ' ')"
            # The canary: a list that misses a name, and a test that has
            # to see it.
            if ! grep -q . "$tmp/undef" && [ "$o" = -O0 ]; then
                fail "$name-canary" "no undefined symbols: nm is not looking"
            fi
        done
    done
}

target x86-64 "" gcc
target x86-64 "" clang
target i386 "" gcc -m32
target i386 "" clang -m32
target s390x s390x-linux-gnu- s390x-linux-gnu-gcc
target cortex-m0plus arm-none-eabi- arm-none-eabi-gcc -mcpu=cortex-m0plus \
    -mthumb
target cortex-m4 arm-none-eabi- arm-none-eabi-gcc -mcpu=cortex-m4 -mthumb
target avr avr- avr-gcc -mmcu=atmega2560

# No list may grow a 64-bit division: those are for cold code, if at all.
same no-64-bit-division "" "$(grep -lE \
    '^(__u?(div|mod|divmod)[dt]i[34]|__aeabi_u?ldivmod)' $lists/*.txt |
    tr '\n' ' ')"
finish
