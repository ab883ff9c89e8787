#!/bin/bash
# tests/run.sh PROGRAM... - runs test programs and scripts, and adds up.
#
# Each prints lines `ok NAME`, `FAIL NAME: why`, `SKIP NAME: why` and ends
# with `N passed, N failed, N skipped`; so does this. A program that is
# missing, dies, hangs, or whose closing line does not agree with the lines
# above it counts as one failure. Unit tests run first, then wire tests, then
# scripts, JOBS at a time; then interop one by one, which share the kernel's
# network. Logs: build/log/. Per stage, seconds and counts:
# build/log/stages.tsv. When all is run, tests/house/conformance.sh among it,
# the logs are held against the rows of docs/conformance.md at the end.
# JOBS: how many at once (2). FILTER: only programs whose path has it.
# V=1: show every line. LIMIT: seconds that a program may take (600).

set -u
if [ "${1:-}" = --help ] || [ $# = 0 ]; then
    sed -n '2,16s/^# \{0,1\}//p' "$0"
    exit $(($# == 0 ? 2 : 0))
fi
jobs=${JOBS:-2} filter=${FILTER:-} verbose=${V:-} limit=${LIMIT:-600}
log=build/log
mkdir -p $log
[ -n "$filter" ] || rm -f $log/*.log $log/*.log.rc
: >$log/stages.tsv
if [ -s $log/start ]; then # when make began to build
    printf 'build\t%d\t0\t0\t0\n' $(($(date +%s) - $(cat $log/start))) \
        >$log/stages.tsv
    rm -f $log/start
fi
: >$log/skipped
: >$log/failed

path() { # build/tests/unit/seq -> unit/seq
    local p=${1#build/}
    p=${p#tests/}
    echo "${p%.sh}"
}

run_one() {
    local name out rc t=$SECONDS
    name=$(path "$1")
    out=$log/${name//\//-}.log
    if [ -x "$1" ]; then
        timeout -k 10 "$limit" "$1" >"$out" 2>&1 </dev/null
        rc=$?
    else
        echo "FAIL $name: it was not built" >"$out"
        rc=127
    fi
    echo $rc $((SECONDS - t)) >"$out.rc"
}

count() { # lines of a log that begin with $1
    grep -c "^$1 " "$2"
}

report() { # one program's log; adds to p f s
    local name out rc t p1 f1 s1 last why=
    name=$(path "$1")
    out=$log/${name//\//-}.log
    read -r rc t <"$out.rc"
    p1=$(count ok "$out") f1=$(count FAIL "$out") s1=$(count SKIP "$out")
    last=$(tail -n 1 "$out")
    if [ "$rc" = 124 ] || [ "$rc" = 137 ]; then
        why="it took more than $limit s"
    elif [ "$f1" = 0 ] && [ "$rc" != 0 ]; then
        why="exit status $rc without a FAIL line"
    elif [ "$f1" = 0 ] && [ "$last" != "$p1 passed, 0 failed, $s1 skipped" ]
    then
        why="the closing line is wrong: $last"
    elif [ "$f1" != 0 ] && [ "$rc" = 0 ]; then
        why="FAIL lines, but exit status 0"
    fi
    if [ -n "$why" ]; then
        echo "FAIL $name: $why" >>"$out"
        f1=$((f1 + 1))
    fi
    printf '%-28s %4d passed, %d failed, %d skipped %5d s\n' \
        "$name" "$p1" "$f1" "$s1" "$t"
    if [ -n "$verbose" ]; then
        sed 's/^/    /' "$out"
    elif [ "$f1" != 0 ]; then
        grep -v '^ok ' "$out" | tail -n 60 | sed 's/^/    /'
    fi
    sed -n "s|^SKIP |$name: |p" "$out" >>$log/skipped
    sed -n "s|^FAIL |$name: |p" "$out" >>$log/failed
    p=$((p + p1)) f=$((f + f1)) s=$((s + s1))
}

group() { # name, how many at once, programs...
    local g=$1 n=$2 t0=$SECONDS t
    local p=0 f=0 s=0
    shift 2
    [ $# = 0 ] && return
    for t in "$@"; do
        while [ "$(jobs -rp | wc -l)" -ge "$n" ]; do wait -n; done
        run_one "$t" &
    done
    wait
    for t in "$@"; do report "$t"; done
    printf '%s\t%d\t%d\t%d\t%d\n' "$g" $((SECONDS - t0)) $p $f $s \
        >>$log/stages.tsv
    P=$((P + p)) F=$((F + f)) S=$((S + s))
}

rows() { # a requirement is met if the tests that show it have passed
    local t=$SECONDS out=$log/house-conformance-ran.log
    local p=0 f=0 s=0
    tests/house/conformance.sh --ran $log >$log/rows 2>&1
    echo $? $((SECONDS - t)) >"$out.rc"
    mv $log/rows "$out"
    report house/conformance-ran
    printf 'rows\t%d\t%d\t%d\t%d\n' $((SECONDS - t)) $p $f $s \
        >>$log/stages.tsv
    P=$((P + p)) F=$((F + f)) S=$((S + s))
}

P=0 F=0 S=0 all=
unit=() wire=() scripts=() interop=()
for t in "$@"; do
    n=$(path "$t")
    case "$n" in *"$filter"*) ;; *) continue ;; esac
    [ "$n" = house/conformance ] && [ -z "$filter" ] && all=1
    case "$n" in
    unit/*) unit+=("$t") ;;
    wire/*) wire+=("$t") ;;
    interop/*) interop+=("$t") ;;
    *) scripts+=("$t") ;;
    esac
done
group unit "$jobs" "${unit[@]}"
group wire "$jobs" "${wire[@]}"
group scripts "$jobs" "${scripts[@]}"
group interop 1 "${interop[@]}"
[ -z "$all" ] || rows

if [ -s $log/skipped ]; then
    echo
    echo "Skipped:"
    sed 's/^/  /' $log/skipped
fi
if [ -s $log/failed ]; then
    echo
    echo "Failed (logs in $log):"
    sed 's/^/  /' $log/failed
fi
echo
if [ $((P + F + S)) = 0 ]; then
    echo "FAIL: nothing ran"
    F=1
fi
echo "$P passed, $F failed, $S skipped"
[ $F = 0 ]
