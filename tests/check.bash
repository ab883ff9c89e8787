# tests/check.bash - for test scripts: the lines of tests/support/test.h.
#
#   cd "$(dirname "$0")/../.." && . tests/check.bash
#   need NAME TOOL...      SKIPs the whole script when a tool is missing
#   ok NAME                fail NAME WHY                skip NAME WHY
#   check NAME COMMAND...  ok if it succeeds, else FAIL with its last line
#   same NAME WANT GOT     ok if the strings are equal
#   finish                 the closing line and the exit status
#
# $tmp is a directory that disappears when the script ends.

set -u
export LC_ALL=C
passed=0 failed=0 skipped=0
here=${0##*/}
tmp=$(mktemp -d "${TMPDIR:-/tmp}/tcpsm.XXXXXX") || exit 1
trap 'rm -rf "$tmp"' EXIT

ok() {
    echo "ok $1"
    passed=$((passed + 1))
}

fail() {
    echo "FAIL $1: $2 ($here:${BASH_LINENO[$((${3:-0}))]})"
    failed=$((failed + 1))
}

skip() {
    echo "SKIP $1: $2"
    skipped=$((skipped + 1))
}

has() {
    command -v "$1" >/dev/null 2>&1
}

check() {
    local name=$1
    shift
    if "$@" >"$tmp/out" 2>&1; then
        ok "$name"
    else
        sed 's/^/  | /' "$tmp/out" | tail -n 20
        fail "$name" "failed: $*" 1
        return 1
    fi
}

same() {
    if [ "$2" = "$3" ]; then
        ok "$1"
    else
        fail "$1" "wanted '$2', got '$3'" 1
    fi
}

at_most() { # NAME LIMIT VALUE
    if [ -n "$3" ] && [ "$3" -le "$2" ]; then
        ok "$1"
    else
        fail "$1" "${3:-nothing} is more than $2" 1
    fi
}

finish() {
    echo "$passed passed, $failed failed, $skipped skipped"
    [ "$failed" = 0 ]
    exit
}

need() {
    local name=$1 t
    shift
    for t in "$@"; do
        if ! has "$t"; then
            skip "$name" "$t is not installed (make deps)"
            finish
        fi
    done
}

# Does this compiler exist, and make programs with these flags?
builds() {
    local lang=c
    case $1 in *++) lang=c++ ;; esac
    has "$1" && echo 'int main(void) { return 0; }' |
        "$@" -x $lang -o "$tmp/builds" - 2>/dev/null
}

warnings="-Wall -Wextra -Wpedantic -pedantic-errors -Wconversion -Wshadow
    -Wundef -Werror"
cast_align() { # the form of the option that this compiler has
    if "$1" -Werror -Wcast-align=strict -E -x c /dev/null >/dev/null 2>&1
    then
        echo -Wcast-align=strict
    else
        echo -Wcast-align
    fi
}

# The implementation as an object file: build_impl OUT COMPILER FLAGS...
build_impl() {
    local out=$1 lang=c less=
    shift
    case $1 in
    *++) lang=c++ ;;
    # size_t has 16 bits there: every memcpy(.., uint32_t) would warn
    avr-gcc) less="-Wno-conversion -Wno-sign-conversion" ;;
    esac
    printf '#define TCPSM_IMPLEMENTATION\n#include "tcpsm.h"\n' |
        "$@" $warnings $(cast_align "$1") $less -ffreestanding -I. -x $lang \
            -c -o "$out" -
}
