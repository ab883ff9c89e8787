#!/bin/bash
# Laws 1 and 11: the same calls give the same bytes on every processor,
# compiler and optimisation level, blobs included.
cd "$(dirname "$0")/../.." && . tests/check.bash
src=tests/portability/trace.c
seeds="1 2 3"

run() { # NAME CONFIG RUNNER COMPILER FLAGS...
    local name=$1 config=$2 runner=$3 seed
    shift 3
    if ! builds "$@"; then
        skip "$name" "$* does not build programs here (make deps)"
        return
    fi
    if [ "$runner" != none ] && ! has "$runner"; then
        skip "$name" "$runner is not installed (make deps)"
        return
    fi
    [ "$runner" = none ] && runner=
    if ! "$@" $config -I. -o "$tmp/trace" $src 2>"$tmp/out"; then
        fail "$name" "$(grep -m 1 error "$tmp/out")"
        return
    fi
    for seed in $seeds; do
        if ! $runner "$tmp/trace" $seed >"$tmp/got"; then
            fail "$name-seed-$seed" "$(tail -n 1 "$tmp/got")"
        elif [ ! -e "$tmp/want$config$seed" ]; then
            cp "$tmp/got" "$tmp/want$config$seed"
            same "$name-seed-$seed-moved" 1 \
                "$(grep -c '^[0-9]* blob' "$tmp/got")"
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

configs=("" -DTCPSM_TINY)
if ! has clang && ! has g++; then # then `make test` is to stay short
    skip tiny "one configuration is enough before make deps"
    configs=("")
fi
for config in "${configs[@]}"; do
    run "cc-O2$config" "$config" none "${CC:-cc}" -std=c99 -O2
    run "cc-O0-unsigned-char$config" "$config" none "${CC:-cc}" -std=c99 \
        -O0 -funsigned-char
    run "clang-O2$config" "$config" none clang -std=c99 -O2
    run "i386$config" "$config" none gcc -m32 -std=c99 -O2
    run "s390x$config" "$config" qemu-s390x-static s390x-linux-gnu-gcc \
        -static -std=c99 -O2
done
if has clang || has g++; then
    run cc-O3 "" none "${CC:-cc}" -std=c99 -O3
else # `make test` before make deps is to stay short
    skip cc-O3 "two levels are enough before make deps"
fi
# Seeds differ, or the comparison says nothing.
if cmp -s "$tmp/want1" "$tmp/want2"; then
    fail seeds-differ "seed 1 and seed 2 give the same trace"
else
    ok seeds-differ
fi
finish
