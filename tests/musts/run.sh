#!/bin/bash
# tests/musts/run.sh [--list] [--sample N [--seed S]] [ID...]
#
# Breaks RFC 9293's MUSTs and SHOULDs, what we promise of a stack (MANY), and
# switches mechanisms off (LOSS ...), one at a time, and demands that a test
# notices. tests/musts/ID.edit is a small change to tcpsm.h that violates one
# of them and names a test (`fails: wire/FILE.c TEST`). The edit is applied to
# a copy of the header, the test is built with that copy, without sanitizers,
# and must FAIL; with an unchanged copy, built in the same way, it must be ok.
# Three canaries are always run: a header that does not compile must not
# build, an edit that breaks everything must be noticed (else it was not the
# copy that was built), and one that changes nothing must not.
#
# --list      the edits and what they do
# --sample N  N of them, chosen by S (the hash of HEAD): others with every
#             commit. Also SAMPLE=N in the environment; SAMPLE=ci is 24.
# --why       also what each test said: is it what the edit is about?
# ID          MUST-19 (with MUST-19b ...) or MUST-19b
# CC, JOBS: the compiler, and how many at once. Prints `ok ID`, `FAIL ID:
# why` and the closing line of every test program here.

set -u
export LC_ALL=C
cd "$(dirname "$0")/../.." || exit 2
shopt -s nullglob

cc=${CC:-cc} jobs=${JOBS:-$(nproc 2>/dev/null || echo 2)}
list= why= seed= ids=()
sample=${SAMPLE:-}
[ "$sample" = ci ] && sample=24
while [ $# -gt 0 ]; do
    case $1 in
    --list) list=1 ;;
    --why) why=1 ;;
    --sample) sample=${2:?} && shift ;;
    --seed) seed=${2:?} && shift ;;
    --help | -h)
        sed -n '2,20s/^# \{0,1\}//p' "$0"
        exit 0
        ;;
    -*)
        echo "run.sh: no such option: $1 (--help)" >&2
        exit 2
        ;;
    *) ids+=("$1") ;;
    esac
    shift
done

flags="-std=c99 -O0 -w -D_GNU_SOURCE"

in_order() { # MUST-2, MUST-10, SHLD-1
    sort -t - -k 1,1 -k 2n -k 2
}

named() { # ids, or all: edits in the order of their numbers
    local id e
    if [ ${#ids[@]} = 0 ]; then
        for e in tests/musts/*-*.edit; do
            e=${e##*/}
            echo "${e%.edit}"
        done | in_order
        return
    fi
    for id in "${ids[@]}"; do
        for e in "tests/musts/$id".edit "tests/musts/$id"[a-z].edit; do
            [ -f "$e" ] || continue
            e=${e##*/}
            echo "${e%.edit}"
        done
    done
}

what() { # ID: what the edit does
    sed -n '1s/^[^:]*: //p' "tests/musts/$1.edit"
}

test_of() { # ID: "wire/FILE.c TEST"
    sed -n 's/^fails: //p' "tests/musts/$1.edit" | head -n 1
}

mapfile -t edits < <(named)
if [ ${#edits[@]} = 0 ]; then
    echo "run.sh: no such edit" >&2
    exit 2
fi
if [ -n "$list" ]; then
    for id in "${edits[@]}"; do
        printf '%-9s %s (%s)\n' "$id" "$(what "$id")" "$(test_of "$id")"
    done
    exit 0
fi
if [ -n "$sample" ] && [ "$sample" -lt ${#edits[@]} ]; then
    # N in a row, from where the last commit's sample may have ended
    [ -n "$seed" ] || seed=$(git rev-parse HEAD 2>/dev/null || echo 0)
    at=$((16#$(printf '%s' "$seed" | cksum | awk '{printf "%x", $1}')))
    picked=()
    for ((i = 0; i < sample; i++)); do
        # a stride, so that a sample is not all about one thing
        picked+=("${edits[$(((at + i * 37) % ${#edits[@]}))]}")
    done
    mapfile -t edits < <(printf '%s\n' "${picked[@]}" | sort -u |
        in_order)
    echo "a sample by the seed $seed: ${edits[*]}"
fi

# Several of these may run at once, and tcpsm.h may change meanwhile.
mkdir -p build
build=$(mktemp -d build/musts.XXXXXX) || exit 2
trap 'rm -rf "$build"' EXIT
trap 'exit 1' INT TERM
mkdir -p $build/log $build/base $build/broken
cp tcpsm.h $build/base/tcpsm.h

# ---- building -----------------------------------------------------------

# library DIR: the implementation of DIR/tcpsm.h
library() {
    # a file of its own beside that header: "" looks there first
    echo '#include "tcpsm.h"' >"$1/lib.c"
    $cc $flags -DTCPSM_IMPLEMENTATION -DTCPSM_NAMES -c -o "$1/lib.o" \
        "$1/lib.c"
}

own() { # does this test program bring its own implementation?
    grep -q '^# *define TCPSM_IMPLEMENTATION' "tests/$1"
}

object() { # wire/FILE.c DIR: its object, built with DIR/tcpsm.h
    $cc $flags -I"$2" -Itests/support -c -o "$2/${1//\//-}.o" "tests/$1"
}

public() {
    sed '/^#endif \/\* TCPSM_H/q' "$1"
}

# program wire/FILE.c DIR: builds DIR/FILE.t. The object of a test that
# links the library is the same for all edits that leave the public half.
program() {
    local o=$build/base/${1//\//-}.o
    if own "$1"; then
        object "$1" "$2" && $cc -o "$2/t" "$2/${1//\//-}.o" -lm
        return
    fi
    if [ "$2" != $build/base ] &&
        ! cmp -s <(public "$2/tcpsm.h") <(public $build/base/tcpsm.h); then
        object "$1" "$2" || return
        o=$2/${1//\//-}.o
    fi
    library "$2" && $cc -o "$2/t" "$o" "$2/lib.o" -lm
}

# verdict PROGRAM TEST: ok, FAIL or nothing
verdict() {
    timeout -k 5 30 "$1" --filter "$2" 2>/dev/null </dev/null |
        sed -n -e "s/^ok $2\$/ok/p" -e "s/^FAIL $2: /FAIL /p"
}

# ---- one edit -----------------------------------------------------------

try() { # ID; the line goes to $build/log/ID
    local id=$1 dir=$build/$1 file name got
    read -r file name < <(test_of "$id")
    rm -rf "$dir"
    mkdir -p "$dir"
    if [ -z "${name:-}" ] || [ ! -f "tests/$file" ]; then
        echo "FAIL $id: no test is named, or there is none"
    elif ! grep -qx "ok $name" "$build/base/${file//\//-}.out"; then
        echo "FAIL $id: $file $name is not ok without the edit"
    elif ! $build/apply "tests/musts/$id.edit" <$build/base/tcpsm.h \
        >"$dir/tcpsm.h" 2>"$dir/err"; then
        echo "FAIL $id: the edit does not apply: $(head -n 1 "$dir/err")"
    elif ! program "$file" "$dir" >"$dir/err" 2>&1; then
        echo "FAIL $id: does not build: $(head -n 1 "$dir/err")"
    else
        got=$(verdict "$dir/t" "$name")
        case $got in
        FAIL*)
            echo "ok $id"
            [ -z "$why" ] || echo "   $(what "$id"): ${got#FAIL }"
            ;;
        ok) echo "FAIL $id: $name does not notice: $(what "$id")" ;;
        *) echo "FAIL $id: $name gives no verdict (a crash?)" ;;
        esac
    fi >$build/log/"$id"
    rm -rf "$dir"
}

# ---- all of them --------------------------------------------------------

$cc -std=c99 -O1 -w -o $build/apply tests/musts/apply.c || exit 2
{
    echo '#error the copy was built'
    cat tcpsm.h
} >$build/broken/tcpsm.h

# the programs without any edit, each once
for id in canary null "${edits[@]}"; do test_of "$id"; done >$build/tests
files=$(cut -d ' ' -f 1 $build/tests | sort -u)
base() { # wire/FILE.c
    local t=$build/base/${1//\//-} name
    if own "$1"; then
        object "$1" $build/base && $cc -o "$t.t" "$t.o" -lm
    else
        object "$1" $build/base && $cc -o "$t.t" "$t.o" $build/base/lib.o -lm
    fi
    while read -r name; do # only the tests that are named: some take long
        timeout -k 5 30 "$t.t" --filter "$name" 2>/dev/null </dev/null
    done < <(sed -n "s|^$1 ||p" $build/tests | sort -u) >"$t.out"
}
library $build/base || exit 2
for f in $files; do
    while [ "$(jobs -rp | wc -l)" -ge "$jobs" ]; do wait -n; done
    [ -f "tests/$f" ] && base "$f" &
done
wait

read -r file _ < <(test_of canary)
if library $build/broken 2>/dev/null ||
    object "$file" $build/broken 2>/dev/null; then
    echo 'FAIL canary-does-not-compile: another header was built' \
        >$build/log/broken
else
    echo 'ok canary-does-not-compile' >$build/log/broken
fi
for id in canary null "${edits[@]}"; do
    while [ "$(jobs -rp | wc -l)" -ge "$jobs" ]; do wait -n; done
    try "$id" &
done
wait
if grep -q 'does not notice' $build/log/null; then
    echo 'ok canary-changes-nothing' >$build/log/null
else
    sed -i 's/^/FAIL canary-changes-nothing: /' $build/log/null
fi
for id in broken null canary "${edits[@]}"; do cat $build/log/"$id"; done \
    >$build/all
cat $build/all
passed=$(grep -c '^ok ' $build/all)
failed=$(grep -c '^FAIL ' $build/all)
echo "$passed passed, $failed failed, 0 skipped"
[ "$failed" = 0 ]
