#!/bin/bash
# make prove: CBMC on every tests/proof/*.c, with bounds, pointer, overflow
# and conversion checks. Each harness proves one total step for every input.
#
# CBMC is not in Debian 12; --install (root, network) puts the one of Debian
# 13 into build/cbmc, about 560 MB, without touching the system. When it is
# not there this prints NOT RUN and why, and the exit status is 77.
# A harness lists in comments: `CANARY: sed-expression on tcpsm.h`, a
# seeded error that the proof must find, or it proves nothing; and
# `UNWIND: n` and `UNWINDSET: loop:n` where it has loops.
set -u
cd "$(dirname "$0")/../.." || exit 1
root=${CBMC_ROOT:-build/cbmc}

not_run() {
    echo "prove: NOT RUN: $1"
    exit 77
}

install() {
    local mirror
    command -v debootstrap >/dev/null ||
        apt-get -q -y --no-install-recommends -o DPkg::Lock::Timeout=300 \
            install debootstrap || exit 1
    mirror=$(cat /etc/apt/sources.list /etc/apt/sources.list.d/* 2>/dev/null |
        grep -v '^ *#' | grep -o 'https\{0,1\}://[^ ]*/debian/*\( \|$\)' |
        head -n 1 | tr -d ' ')
    echo "prove: fetching CBMC into $root (about 560 MB on disk)"
    mkdir -p "$root"
    # without a mirror in the configuration, debootstrap has its own
    debootstrap --variant=minbase trixie "$root" ${mirror:+"$mirror"} \
        >build/cbmc.log 2>&1 &&
        chroot "$root" apt-get -q -y --no-install-recommends install cbmc \
            gcc libc6-dev >>build/cbmc.log 2>&1 || {
        tail -n 5 build/cbmc.log
        exit 1
    }
    rm -rf "$root"/var/cache/apt/archives/*.deb
}

case ${1:-} in
--help)
    sed -n '2,12s/^# \{0,1\}//p' "$0"
    exit
    ;;
--install) [ -x "$root/usr/bin/cbmc" ] || install ;;
esac

if [ -x "$root/usr/bin/cbmc" ]; then
    mkdir -p build/proof
    # its preprocessor is the system's own gcc: the headers are plain C
    cbmc() {
        timeout 300 "$root/usr/lib64/ld-linux-x86-64.so.2" --library-path \
            "$root/usr/lib/x86_64-linux-gnu:$root/usr/lib" \
            "$root/usr/bin/cbmc" "$@"
    }
elif ! command -v cbmc >/dev/null; then
    not_run "no CBMC; tests/proof/run.sh --install fetches it (root)"
fi
command -v gcc >/dev/null || not_run "CBMC needs gcc to preprocess"

prove() { # HARNESS HEADER-DIR OPTIONS... -> exit status of cbmc
    local unwind set
    set=$(sed -n 's/.*UNWINDSET: \([^ ]*\).*/--unwindset \1/p' "$1")
    unwind=$(sed -n 's/.*UNWIND: \([0-9]*\).*/\1/p' "$1")
    # shellcheck disable=SC2086
    cbmc --c99 --bounds-check --pointer-check --pointer-overflow-check \
        --signed-overflow-check --conversion-check --undefined-shift-check \
        --div-by-zero-check --unwind ${unwind:-1} $set \
        --unwinding-assertions -I "$2" ${3:-} --drop-unused-functions \
        --slice-formula "$1" >build/proof/log 2>&1
}

passed=0 failed=0
for h in tests/proof/*.c; do
    name=$(basename "$h" .c)
    mkdir -p build/proof/canary
    t=$SECONDS
    if prove "$h" . && grep -q 'VERIFICATION SUCCESSFUL' build/proof/log; then
        echo "ok $name ($(grep -o '[0-9]* of [0-9]* failed' \
            build/proof/log | tail -n 1), $((SECONDS - t)) s)"
        passed=$((passed + 1))
    else
        grep -E 'FAILURE|error|file .* line' build/proof/log | head -n 10
        tail -n 3 build/proof/log
        echo "FAIL $name: not proved"
        failed=$((failed + 1))
        continue
    fi
    n=0
    sed -n 's/.*CANARY: //p' "$h" | sed 's| \*/$||' >build/proof/canaries
    while IFS= read -r edit; do
        n=$((n + 1))
        sed "$edit" tcpsm.h >build/proof/canary/tcpsm.h
        if cmp -s tcpsm.h build/proof/canary/tcpsm.h; then
            echo "FAIL $name-canary-$n: the edit changes nothing: $edit"
            failed=$((failed + 1))
        elif prove "$h" build/proof/canary "--stop-on-fail -DCANARY"; then
            echo "FAIL $name-canary-$n: a seeded error was proved right"
            failed=$((failed + 1))
        elif grep -q 'VERIFICATION FAILED' build/proof/log; then
            echo "ok $name-canary-$n"
            passed=$((passed + 1))
        else
            tail -n 3 build/proof/log
            echo "FAIL $name-canary-$n: neither proved nor refuted"
            failed=$((failed + 1))
        fi
    done <build/proof/canaries
    [ $n -gt 0 ] || {
        echo "FAIL $name-canary: the harness has none"
        failed=$((failed + 1))
    }
done
echo "$passed passed, $failed failed, 0 skipped"
[ $failed = 0 ]
