#!/bin/bash
# Laws 1 and 11 for layer 2: it compiles strictly, with each switch of the
# first screen, by gcc and clang as C99 and C++11, and for other processors
# down to 16-bit ints; and the same calls give the same datagrams,
# deadlines and events on each processor.
cd "$(dirname "$0")/../.." && . tests/check.bash
. tests/portability/object.bash
src=tests/portability/stack.c

# The full and the tiny configuration, at each level, are in native.sh and
# cross.sh; here are those without layer 2 and without symbols.
layer_2() { # NAME LIST BINUTILS-PREFIX CONFIGS COMPILER FLAGS...
    local name=$1 list=$2 prefix=$3 configs=$4 config d
    shift 4
    if ! has "$1"; then
        skip "$name" "$1 is not installed (make deps)"
        return
    fi
    for config in $configs; do
        d=$(echo "$config" | tr + ' ' |
            sed 's/[^ ][^ ]*/-DTCPSM_&/g; s/-DTCPSM_FULL//')
        case $config in
        *STATIC*) # nothing is used then, and nothing may warn
            if check "$name-$config" build_impl "$tmp/o.o" "$@" $d; then
                same "$name-$config-no-symbols" "" "$("${prefix}nm" \
                    "$tmp/o.o" | awk '$(NF - 1) ~ /[TDBR]/ {print $NF}' |
                    grep tcpsm | tr '\n' ' ')"
            fi
            ;;
        *)
            object "$name-$config" "$list" "$prefix" "$@" $d
            same "$name-$config-has" "$(case $config in
            *NO_STACK*) echo 0 ;;
            *) echo 3 ;;
            esac)" "$(grep -cE \
                ' T (tcpsm_stack_input|tcpsm_ip_input|tcpsm_ip_build)$' \
                "$tmp/symbols")"
            ;;
        esac
    done
}

native=$(uname -m | tr _ -)
if [ -e $lists/$native.txt ]; then
    all="NO_STACK TINY+NO_STACK STATIC STATIC+NO_STACK STATIC+TINY"
    layer_2 gcc-c99 "$native" "" "FULL $all" gcc -O0 -std=c99
    layer_2 clang-c99 "$native" "" "FULL NO_STACK STATIC" clang -O0 -std=c99
    layer_2 g++-c++11 "$native" "" "FULL NO_STACK STATIC" g++ -O0 -std=c++11
    layer_2 clang++-c++11 "$native" "" "FULL $all" clang++ -O0 -std=c++11
else
    skip native "no list of symbols for $native"
fi
layer_2 i386 i386 "" "NO_STACK STATIC" gcc -m32 -O1 -std=c99
layer_2 s390x s390x s390x-linux-gnu- "NO_STACK STATIC" \
    s390x-linux-gnu-gcc -O1 -std=c99
for m in m0plus m4; do
    layer_2 cortex-$m cortex-$m arm-none-eabi- "NO_STACK STATIC" \
        arm-none-eabi-gcc -O1 -mcpu=cortex-$m -mthumb -std=c99
done
layer_2 avr avr avr- "TINY TINY+NO_STACK STATIC+TINY" \
    avr-gcc -Os -mmcu=atmega2560 -std=c99

# 16-bit ints: no length of a datagram may wrap. The compiler computes what
# becomes of each of these; what is left calls wrong().
cat >"$tmp/wrap.c" <<'END'
#define TCPSM_STATIC
#define TCPSM_TINY
#define TCPSM_IMPLEMENTATION
#include "tcpsm.h"
void wrong(void);
void probe(void);
void probe(void)
{
    static const uint8_t d[48] = {0x60, 0, 0, 0, 0xff, 0xf0, 6};
    static const uint8_t e[48] = {0x60, 0, 0, 0, 0, 8, CANARY};
    tcpsm_in in;
    if (tcpsm_ip_parse(d, 48, &in) != TCPSM_E_ARG)
        wrong();
    if (tcpsm_ip_parse(e, 48, &in) != 6 || in.len != 8)
        wrong();
}
END
for canary in 6 17; do
    name=avr-long-payload
    [ $canary = 17 ] && name=$name-canary
    if ! has avr-gcc; then
        skip $name "avr-gcc is not installed (make deps)"
    elif avr-gcc -mmcu=atmega2560 -w -std=c99 -O3 -finline-limit=100000 \
        -DCANARY=$canary -I. -c -o "$tmp/o.o" "$tmp/wrap.c"; then
        same $name "$([ $canary = 17 ] && echo wrong)" \
            "$(avr-nm "$tmp/o.o" | sed -n 's/.* U \(wrong\)$/\1/p')"
    else
        fail $name "does not compile"
    fi
done

# Two units, the other with tables of another size: E_ABI, and no stack.
cat >"$tmp/abi.c" <<'END'
#if UNIT == 1
#define TCPSM_IMPLEMENTATION
#endif
#include "tcpsm.h"
#include <stdio.h>
int elsewhere(void);
#if UNIT == 1
int main(void)
{
    return elsewhere();
}
#else
int elsewhere(void)
{
    static unsigned char mem[1 << 17];
    tcpsm_stack_config cfg = TCPSM_ZERO;
    tcpsm_stack *st = NULL;
    cfg.conns = 2;
    cfg.conn.key[0] = 1;
    printf("%d", (int)tcpsm_stack_init(&st, mem, sizeof mem, &cfg, 1));
    return 0;
}
#endif
END
cc=${CC:-cc}
abi() { # NAME WANT FLAGS...
    local name=$1 want=$2
    shift 2
    if "$cc" -std=c99 $warnings -I. -DUNIT=1 -c -o "$tmp/1.o" "$tmp/abi.c" \
        2>"$tmp/out" && "$cc" -std=c99 $warnings "$@" -I. -DUNIT=2 -c \
        -o "$tmp/2.o" "$tmp/abi.c" 2>"$tmp/out" &&
        "$cc" -o "$tmp/abi" "$tmp/1.o" "$tmp/2.o"; then
        same "$name" "$want" "$("$tmp/abi")"
    else
        fail "$name" "does not compile: $(head -n 1 "$tmp/out")"
    fi
}
abi shared 0
abi disagree-runs -16 -DTCPSM_RUNS=16
abi disagree-tiny -16 -DTCPSM_TINY

# --- the trace
seeds="1 2"
run() { # NAME CONFIG RUNNER COMPILER FLAGS...
    local name=$1 config=$2 runner=$3 seed
    shift 3
    if ! builds "$@"; then
        skip "$name" "$* does not build programs here (make deps)"
        return
    elif [ "$runner" != none ] && ! has "$runner"; then
        skip "$name" "$runner is not installed (make deps)"
        return
    fi
    [ "$runner" = none ] && runner=
    if ! "$@" $config -I. -o "$tmp/stack" $src 2>"$tmp/out"; then
        fail "$name" "$(grep -m 1 error "$tmp/out")"
        return
    fi
    for seed in $seeds; do
        [ "$config$seed" = -DTCPSM_TINY2 ] && continue
        if ! $runner "$tmp/stack" $seed >"$tmp/got" 2>&1; then
            fail "$name-seed-$seed" "$(grep -m 1 wrong "$tmp/got"
                tail -n 1 "$tmp/got")"
        elif [ ! -e "$tmp/want$config$seed" ]; then
            cp "$tmp/got" "$tmp/want$config$seed"
            ok "$name-seed-$seed"
        elif cmp -s "$tmp/want$config$seed" "$tmp/got"; then
            ok "$name-seed-$seed"
        else
            fail "$name-seed-$seed" "differs first in line $(cmp \
                "$tmp/want$config$seed" "$tmp/got" | sed 's/.*line //'): $(
                diff "$tmp/want$config$seed" "$tmp/got" | sed -n '2p' |
                    cut -c 1-60)"
        fi
    done
}
for config in "" -DTCPSM_TINY; do
    run "cc-O1$config" "$config" none "$cc" -std=c99 -O1
    run "s390x$config" "$config" qemu-s390x-static s390x-linux-gnu-gcc \
        -static -std=c99 -O1
done
run clang-unsigned-char "" none clang -std=c99 -O1 -funsigned-char
run i386 "" none gcc -m32 -std=c99 -O1
if [ -e "$tmp/want1" ]; then
    if cmp -s "$tmp/want1" "$tmp/want2"; then
        fail seeds-differ "seed 1 and seed 2 give the same trace"
    else
        ok seeds-differ
    fi
fi
finish
