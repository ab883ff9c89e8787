#!/bin/bash
# Law 1: two translation units share a connection; two that were compiled
# with different TCPSM_ macros are told so (E_ABI) and corrupt nothing;
# with TCPSM_STATIC what is not used gives no warning.
cd "$(dirname "$0")/../.." && . tests/check.bash
src=tests/portability/two_units.c

two() { # NAME WANT-THERE COMPILER "FLAGS OF BOTH" "FLAGS OF UNIT 2"
    local name=$1 want=$2 cc=$3 lang=c
    case $cc in *++) lang=c++ ;; esac
    builds "$cc" || {
        skip "$name" "$cc is not installed (make deps)"
        return
    }
    if ! { "$cc" $4 -O0 $warnings -I. -x $lang -DUNIT=1 -c -o "$tmp/1.o" \
        $src && "$cc" $4 $5 -O0 $warnings -I. -x $lang -DUNIT=2 -c -o \
        "$tmp/2.o" $src && "$cc" -o "$tmp/two" "$tmp/1.o" "$tmp/2.o"; } \
        >"$tmp/out" 2>&1; then
        fail "$name" "$(head -n 1 "$tmp/out")"
        return
    fi
    same "$name" "$want" "$("$tmp/two")"
}

abi=$(sed -n 's/^ *TCPSM_E_ABI = \(-[0-9]*\).*/\1/p' tcpsm.h)
fine="here 0, there 0, used 0, check 0"
cc=${CC:-cc}
two shared-c99 "$fine" "$cc" -std=c99 ""
two shared-c++11 "$fine" g++ -std=c++11 ""
two shared-tiny "$fine" "$cc" "-std=c99 -DTCPSM_TINY" ""
two shared-with-names "$fine" "$cc" -std=c99 -DTCPSM_NAMES

# A unit that disagrees sees another struct, so it only calls init: the
# answer must be E_ABI. What it then does with the shared connection is
# its own fault, and not looked at.
for d in -DTCPSM_RUNS=16 -DTCPSM_RANGES=5 -DTCPSM_TINY -DTCPSM_RUNS=7 \
    "-DTCPSM_TINY -DTCPSM_RUNS=8 -DTCPSM_RANGES=4"; do
    name=disagree$(echo "$d" | tr -d ' ')
    if "$cc" -std=c99 -I. -DUNIT=1 -c -o "$tmp/1.o" $src &&
        "$cc" -std=c99 $d -I. -DUNIT=2 -c -o "$tmp/2.o" $src &&
        "$cc" -o "$tmp/two" "$tmp/1.o" "$tmp/2.o"; then
        same "$name" "there $abi" \
            "$("$tmp/two" | grep -o 'there -*[0-9]*')"
    else
        fail "$name" "does not compile"
    fi
done

for cc in gcc clang g++ clang++; do
    for o in -O0 -O2; do
        case $cc in
        *++) lang=c++ std=-std=c++11 ;;
        *) lang=c std=-std=c99 ;;
        esac
        if ! builds $cc; then
            skip "three-calls-$cc$o" "$cc is not installed (make deps)"
        elif check "three-calls-$cc$o" $cc $std $o $warnings -Wunused \
            -Wunused-macros -I. -x $lang -o "$tmp/three" \
            tests/portability/three_calls.c; then
            check "three-calls-$cc$o-runs" "$tmp/three"
        fi
    done
done
finish
