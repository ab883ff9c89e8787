#!/bin/bash
# slirp.sh - a tcpsm_stack as the guest of libslirp, whose TCP is one of
# BSD's line: streams both ways, closes, resets, loss. Needs no root.

cd "$(dirname "$0")/../.." && . tests/check.bash

cc=${CC:-cc}
need slirp "${cc%% *}"
if ! printf '#include <slirp/libslirp.h>\nint main(void) {
    return slirp_version_string() == 0; }\n' |
    $cc -x c -o "$tmp/have" - -lslirp 2>/dev/null; then
    skip slirp "libslirp-dev is not installed (make deps)"
    finish
fi
flags="-fsanitize=address,undefined -fno-sanitize-recover=all"
builds $cc $flags || flags=
if ! $cc -std=c99 -O0 -g1 $warnings $(cast_align "$cc") -D_GNU_SOURCE \
    -DSLIRP $flags -I. -Itests/support -o "$tmp/slirp" \
    tests/interop/slirp.c -lslirp >"$tmp/out" 2>&1; then
    tail -n 20 "$tmp/out"
    fail slirp "does not compile"
    finish
fi
"$tmp/slirp" "$@"
