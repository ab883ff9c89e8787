#!/bin/bash
# tests/coverage/run.sh - what of tcpsm.h the tests reach: `make coverage`.
#
# Debian's clang-19, source-based coverage with MC/DC (`make deps` installs
# it), over the unit and wire tests, the tests of the model and the packet
# scripts; no fuzzing, no peers, no processes. Writes under build/coverage:
#   summary.json      lines, branches, MC/DC: covered, total, percent
#   uncovered.txt     line, kind, source text, function
#   html/index.html   the header with its counts
#   tiny-*            the same of the smallest configuration, without goals
# Exit status: 0 when the goals are met and no test failed, 1 when not, 2
# wrong usage. A test runs again only when it or the header has changed.
# JOBS: how many at once.

set -u
export LC_ALL=C
cd "$(dirname "$0")/../.." || exit 2
case "${1:-}" in
'') ;;
--help | -h)
    sed -n '2,15s/^# \{0,1\}//p' "$0"
    exit 0
    ;;
*)
    echo "run.sh: no such option: $1 (--help)" >&2
    exit 2
    ;;
esac

for tool in clang-19 llvm-profdata-19 llvm-cov-19 python3; do
    if ! command -v $tool >/dev/null; then
        echo "coverage: $tool is not here; make deps installs it" >&2
        exit 1
    fi
done

out=build/coverage
rules="make --no-print-directory -f tests/coverage/rules.mk"
mkdir -p $out/header
cmp -s tcpsm.h $out/header/tcpsm.h || cp tcpsm.h $out/header/tcpsm.h
jobs=${JOBS:-$(nproc 2>/dev/null || echo 2)}
start=$SECONDS
$rules -s -k -j"$jobs" all
built=$?

# A profile of a test that is no longer there must not count.
profiles() { $rules list | sed -n "s/^$1 //p"; }
failed=0
for p in $(profiles full) $(profiles tiny); do
    log=${p%.profraw}.log rc=${p%.profraw}.rc
    [ -f "$rc" ] && [ "$(cat "$rc")" != 0 ] || continue
    echo "coverage: ${p#$out/run/} did not pass:"
    grep -v '^ok ' "$log" | tail -n 20
    failed=1
done

exist() {
    local p
    for p in $(profiles "$1"); do
        [ -s "$p" ] && echo "$p"
    done
}
report() { # full|tiny, options: the header's counters of all its programs
    local which=$1
    shift
    mapfile -t runs < <(exist "$which")
    [ ${#runs[@]} != 0 ] || return 1
    llvm-profdata-19 merge -o $out/$which.profdata "${runs[@]}" || return
    python3 tests/coverage/report.py "$@" $out/$which.o \
        $out/$which.profdata $out
}
echo
echo 'The smallest configuration (TCPSM_TINY):'
report tiny --apart
echo
echo 'tcpsm.h:'
report full
goals=$?
echo
echo "$out/uncovered.txt, $out/html/index.html; $((SECONDS - start)) s"
[ $built = 0 ] || echo 'coverage: not everything was built and run'
[ $built = 0 ] && [ $failed = 0 ] && [ $goals = 0 ]
