#!/bin/bash
# Law 11: a blob written in the middle of a transfer is the same bytes on
# every processor, and the transfer goes on from it on every other one.
cd "$(dirname "$0")/../.." && . tests/check.bash
src=tests/portability/blob.c
seeds="1 2 3"
names="x86-64 i386 s390x"

build() { # NAME RUNNER COMPILER FLAGS...
    local name=$1 runner=$2
    shift 2
    if ! builds "$@"; then
        skip "$name" "$* does not build programs here (make deps)"
    elif [ "$runner" != none ] && ! has "$runner"; then
        skip "$name" "$runner is not installed (make deps)"
    elif ! "$@" -std=c99 -O1 -I. -Itests/support -o "$tmp/$name" $src \
        2>"$tmp/out"; then
        fail "$name" "$(grep -m 1 error "$tmp/out")"
    else
        [ "$runner" = none ] && runner=
        echo "$runner" >"$tmp/$name.runner"
    fi
}

on() { # NAME ARGUMENT...: runs it there
    local name=$1
    shift
    $(cat "$tmp/$name.runner") "$tmp/$name" "$@" >"$tmp/got" 2>&1
}

build x86-64 none "${CC:-cc}"
build i386 none gcc -m32
build s390x qemu-s390x-static s390x-linux-gnu-gcc -static

for seed in $seeds; do
    first=
    for name in $names; do
        [ -e "$tmp/$name.runner" ] || continue
        blob=$tmp/blob.$name.$seed
        if ! on $name write $seed "$blob"; then
            fail "$name-writes-$seed" "$(tail -n 1 "$tmp/got")"
        elif [ -z "$first" ]; then
            first=$blob
            ok "$name-writes-$seed"
        elif cmp -s "$first" "$blob"; then
            ok "$name-writes-$seed-alike"
        else
            fail "$name-writes-$seed-alike" "$(cmp "$first" "$blob" 2>&1)"
        fi
    done
    # from each to each, into two sizes of rings and under two clocks
    for clock in 1000 3000000000000; do
        [ $clock = 1000 ] && ring=0 || ring=12345
        want=
        for from in $names; do
            for to in $names; do
                [ -e "$tmp/blob.$from.$seed" ] &&
                    [ -e "$tmp/$to.runner" ] || continue
                name=$from-to-$to-$seed-ring-$ring
                if ! on $to go "$tmp/blob.$from.$seed" $clock $ring; then
                    fail "$name" "$(tail -n 1 "$tmp/got")"
                else
                    [ -n "$want" ] || want=$(cat "$tmp/got")
                    same "$name" "$want" "$(cat "$tmp/got")"
                fi
            done
        done
    done
done
# Seeds differ, or the comparison says nothing.
if cmp -s "$tmp/blob.x86-64.1" "$tmp/blob.x86-64.2"; then
    fail seeds-differ "seed 1 and seed 2 give the same blob"
else
    ok seeds-differ
fi
finish
