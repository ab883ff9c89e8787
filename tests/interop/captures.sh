#!/bin/bash
# captures.sh - the packet scripts of tests/scripts/linux are what the Linux
# kernel does: a third of them runs against this machine's kernel again,
# through a TUN device in a namespace of its own. Needs root. A kernel of
# another series than the one that was captured may differ: a SKIP.
#
#   --all             every script
#   --record NAME...  captures anew: writes the kernel's segments into
#                     tests/scripts/linux/NAME.pkt, whose system calls,
#                     inbound packets and comments stay

. "$(dirname "$0")/common.bash"

dir=tests/scripts/linux
captures=tests/interop/captures.py

names() { # every Nth script
    ls $dir/*.pkt | awk -v n="$1" '(NR - 1) % n == 0'
}

# tell: the lines of captures.py, counted
tell() {
    cat "$tmp/told"
    passed=$((passed + $(grep -c '^ok ' "$tmp/told")))
    failed=$((failed + $(grep -c '^FAIL ' "$tmp/told")))
    skipped=$((skipped + $(grep -c '^SKIP ' "$tmp/told")))
}

# A script with one number changed is noticed.
differences_are_noticed() {
    mkdir -p "$tmp/wrong"
    sed '/ > /s/ack 1001 /ack 1000 /' $dir/passive_open.pkt \
        >"$tmp/wrong/ack.pkt"
    sed '/ > .*P/d' $dir/nagle.pkt >"$tmp/wrong/missing.pkt"
    sed 's/\(read.* = \)1000/\1999/' $dir/passive_open.pkt \
        >"$tmp/wrong/call.pkt"
    sed '$s/.*/&\n0.300 > F. 1:1(0) ack 1001 win 0/' $dir/passive_open.pkt \
        >"$tmp/wrong/surplus.pkt"
    python3 $captures --check "$tmp"/wrong/*.pkt >"$log"
    same "those that passed" "$(grep -v '^\(FAIL\|SKIP\) ' "$log")" "" &&
        same "those that did not" "$(wc -l <"$log")" 4
}

every=3
case "${1:-}" in
--all) every=1 ;;
--record)
    shift
    if [ $# = 0 ] || [ -n "$missing" ]; then
        echo "$me: ${missing:---record NAME...}" >&2
        exit 2
    fi
    set -- "${@/#/$dir/}"
    exec python3 $captures --record "${@/%/.pkt}"
    ;;
--*)
    if [ "$1" != --filter ]; then
        echo "$me: no option $1; see --help" >&2
        exit 2
    fi
    every=1
    ;;
esac

scripts=$(names $every | grep -F "${filter:-}")
if [ -z "$missing" ] && ! command -v python3 >/dev/null; then
    missing="no python3"
fi
if [ -n "$missing" ]; then
    for s in $scripts; do
        s=${s##*/}
        echo "SKIP ${s%.pkt}: $missing"
        skipped=$((skipped + 1))
    done
elif [ -n "$scripts" ]; then
    python3 $captures --check $scripts >"$tmp/told" 2>&1
    tell
fi
run differences_are_noticed python3
finish
