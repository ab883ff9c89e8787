#!/bin/bash
# bench/instructions.sh - instructions per operation, counted by callgrind,
# against bench/instructions.json. More than 2 % worse fails.
#   --print    the counts, nothing compared
#   --update   writes them to instructions.json
# Exit status: 0 as good, 1 worse, 77 cannot be measured here (and why).
set -u
cd "$(dirname "$0")/.." || exit 1
json=bench/instructions.json
flags="-std=c99 -O2 -fno-tree-loop-distribute-patterns"
steps="data_send data_receive ack_send ack_receive rr"
turns=1000

cannot() {
    echo "bench-instructions: NOT RUN: $1"
    exit 77
}
case ${1:-} in
--help)
    sed -n '2,6s/^# //p' "$0"
    exit
    ;;
esac
command -v gcc >/dev/null || cannot "gcc is not installed"
command -v valgrind >/dev/null || cannot "valgrind is not installed"
compiler="gcc $(gcc -dumpfullversion) $(gcc -dumpmachine)"
known=$(sed -n 's/.*"compiler": "\([^"]*\)".*/\1/p' $json 2>/dev/null)
if [ $# = 0 ] && [ "$compiler" != "$known" ]; then
    cannot "the counts are for $known, here is $compiler"
fi

mkdir -p build/bench
gcc $flags -I. -o build/bench/instructions bench/instructions.c || exit 1
build/bench/instructions $turns || exit 1

counts=
for s in $steps; do
    out=build/bench/callgrind.$s
    rm -f $out
    valgrind -q --tool=callgrind --toggle-collect=step_$s \
        --callgrind-out-file=$out build/bench/instructions $turns \
        >build/bench/log 2>&1 || {
        cat build/bench/log
        exit 1
    }
    n=$(sed -n 's/^\(summary\|totals\): *\([0-9]*\).*/\2/p' $out | tail -n 1)
    n=$(((n + turns / 2) / turns))
    if [ "$n" -lt 50 ]; then
        echo "bench-instructions: $s counts $n: the steps were inlined away"
        exit 1
    fi
    counts="$counts $s=$n"
done

if [ "${1:-}" = --update ]; then
    {
        echo '{'
        echo '  "what": "instructions per operation, see instructions.c",'
        echo "  \"compiler\": \"$compiler\","
        echo "  \"flags\": \"$flags\","
        echo '  "instructions": {'
        for c in $counts; do
            echo "    \"${c%=*}\": ${c#*=},"
        done | sed '$s/,$//'
        echo '  }'
        echo '}'
    } >$json
fi

worse=0
printf '%-16s %8s %8s\n' operation now was
for c in $counts; do
    was=$(sed -n "s/.*\"${c%=*}\": \([0-9]*\).*/\1/p" $json 2>/dev/null)
    note=
    if [ -z "$was" ]; then
        note="not in $json"
        worse=1
    elif [ $((${c#*=} * 100)) -gt $((was * 102)) ]; then
        note="more than 2 % worse"
        worse=1
    elif [ $((${c#*=} * 100)) -lt $((was * 98)) ]; then
        note="better: bench/instructions.sh --update keeps it"
    fi
    printf '%-16s %8d %8s %s\n' "${c%=*}" "${c#*=}" "${was:--}" "$note"
done
[ "${1:-}" = --print ] || [ $worse = 0 ]
