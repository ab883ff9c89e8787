#!/bin/bash
# Instructions of an ACK, by callgrind: with a new SACK block on a full
# scoreboard at most 4 times an ordinary one, the most hostile at most 20
# times (law 2). tests/unit/recovery_cost.c makes the ACKs.
cd "$(dirname "$0")/../.." && . tests/check.bash

need recovery-cost gcc valgrind
if ! gcc -std=c99 -O2 -g1 -w -D_GNU_SOURCE -I. -Itests/support \
    -o "$tmp/cost" tests/unit/recovery_cost.c 2>"$tmp/err"; then
    fail recovery-cost "does not build: $(head -n 1 "$tmp/err")"
    finish
fi

count() { # KIND: the mean of its ACKs
    RECOVERY_COST=1 valgrind -q --tool=callgrind --toggle-collect=measured \
        --callgrind-out-file="$tmp/$1.out" "$tmp/cost" \
        --filter "count_$1" >"$tmp/$1.log" 2>&1 || return
    awk -v calls="$(sed -n 's/^calls //p' "$tmp/$1.log")" \
        '/^(summary|totals):/ { n = $2 }
        END { if (calls > 0) printf "%d\n", n / calls + 0.5 }' "$tmp/$1.out"
}

for table in inline 64_runs; do
    ordinary=$(count ordinary_$table)
    block=$(count one_block_$table)
    hostile=$(count hostile_$table)
    echo "  instructions, $table: ordinary ${ordinary:-?}," \
        "one new block ${block:-?}, hostile ${hostile:-?}"
    if [ "${ordinary:-0}" -lt 50 ]; then
        fail "counted-$table" "$(tail -n 1 "$tmp/ordinary_$table.log")"
        continue
    fi
    at_most one-block-$table $((4 * ordinary)) "$block"
    at_most hostile-$table $((20 * ordinary)) "$hostile"
done
finish
