#!/bin/bash
# Scale, counted: an operation of a stack of 100 000 connections takes at
# most 1.5 times the instructions that it takes in a stack of one; a stack
# of 100 000 idle connections does not wake up for nothing (law 3); the
# memory of an entry of each kind is not more than scale.txt has, that of
# whole stacks not 2 % more.
# --print: the tables only.  --update: writes scale.txt anew.
cd "$(dirname "$0")/../.." && . tests/check.bash
bounds=tests/house/scale.txt
src=bench/scale.c
many=100000
cc=${CC:-cc}
flags="-std=c99 -O2 -D_GNU_SOURCE -I."

case ${1:-} in
--help)
    sed -n '2,7s/^# //p' "$0"
    exit
    ;;
esac

# --- bytes per entry
if ! $cc $flags -o "$tmp/scale" $src 2>"$tmp/out"; then
    fail scale "$(grep -m 1 error "$tmp/out")"
    finish
fi
"$tmp/scale" sizes >"$tmp/sizes" || fail sizes "does not run"
if [ "${1:-}" = --update ]; then
    {
        echo "# Bytes for each in tcpsm_stack_size on x86-64, by" \
            "tests/house/scale.sh --update."
        cat "$tmp/sizes"
    } >$bounds
fi
if [ "$(uname -m)" = x86_64 ]; then
    while read -r what bytes; do
        was=$(awk -v w="$what" '$1 == w {print $2}' $bounds 2>/dev/null)
        printf '  %-18s %10s bytes\n' "$what" "$bytes"
        if [ -z "$was" ]; then
            fail "size-$what" "is not in $bounds (--update writes it)"
        elif [ $what = timewait-alone ]; then # law 10
            at_most "size-$what" 64 "${bytes%.*}"
        elif awk -v a="$bytes" -v b="$was" -v w="$what" 'BEGIN {
            exit !(a <= (w ~ /^stack-of/ ? b * 1.02 : b))}'; then
            ok "size-$what"
        else
            fail "size-$what" "$bytes bytes, was $was"
        fi
    done <"$tmp/sizes"
else
    skip sizes "$bounds is for x86-64"
fi

# --- wake-ups, and the costliest call
if check idle-built $cc $flags -DSTEPS -o "$tmp/idle" $src; then
    for n in 1000 $many; do
        if "$tmp/idle" idle $n >"$tmp/idle.$n" 2>&1; then
            ok "idle-$n"
        else
            fail "idle-$n" "$(tail -n 1 "$tmp/idle.$n")"
        fi
        sed 's/^/  /' "$tmp/idle.$n"
    done
    # law 2: no call costs more in a larger stack
    most() {
        sed -n 's/^steps of .* //p' "$tmp/idle.$1"
    }
    few=$(most 1000)
    at_most costliest-call $((${few:-0} * 3 / 2)) "$(most $many)"
fi

# --- instructions
instructions="instructions-1-and-$many"
if ! has valgrind; then
    skip $instructions "valgrind is not installed (make deps)"
elif ! $cc $flags -DCALLGRIND -o "$tmp/count" $src 2>/dev/null; then
    skip $instructions "valgrind/callgrind.h is not there (make deps)"
else
    for n in 1 $many; do
        if ! (cd "$tmp" && valgrind -q --tool=callgrind \
            --instr-atstart=no --collect-atstart=no \
            --callgrind-out-file="$tmp/cg.$n" ./count count $n 300 \
            >log 2>&1); then
            fail "count-$n" "$(tail -n 1 "$tmp/log")"
            continue
        fi
        for dump in "$tmp/cg.$n".*; do
            sed -n 's/^desc: Trigger: Client Request: //p
                s/^\(summary\|totals\): *//p' "$dump" | sed -n '1,2p' |
                paste -s -d ' '
        done >"$tmp/counts.$n"
    done
    : >"$tmp/table"
    for op in data-in next ack-out idle-deadline segment-out ack-in \
        idle-output; do
        one=$(awk -v o=$op '$1 == o {print int($2 / 300)}' \
            "$tmp/counts.1" 2>/dev/null)
        all=$(awk -v o=$op '$1 == o {print int($2 / 300)}' \
            "$tmp/counts.$many" 2>/dev/null)
        printf '  %-14s %6s instructions, with %s connections %6s\n' $op \
            "${one:--}" $many "${all:--}"
        # A handful is no count: then nothing was measured.
        if [ -z "$one" ] || [ "$one" -lt 3 ]; then
            fail "$op" "counts '${one:-nothing}'"
        else
            at_most "$op" $((one * 3 / 2)) "$all"
        fi
    done
fi
[ "${1:-}" = --print ] && exit 0
finish
