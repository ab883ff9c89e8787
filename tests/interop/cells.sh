#!/bin/bash
# cells.sh - 200 cells of the matrix of tests/model, the same at each run,
# sent to this machine's kernel too: where Linux does not do what RFC 9293
# says, tests/interop/cells.txt has the clause. Needs root.

. "$(dirname "$0")/common.bash"

program=build/tests/model/cells
cells=tests/interop/cells.py
seed=9293

sampled() {
    $program --sample 200 --seed $seed --kernel >"$tmp/cells" &&
        same "cells" "$(grep -c '^cell=' "$tmp/cells")" 200 || return
    same "states" "$(grep -o ' state=[A-Z12-]*' "$tmp/cells" | sort -u |
        wc -l)" 11
}

# The kernel's answers, cell by cell; the lines of cells.py are ours.
kernel_agrees_or_has_a_clause() {
    python3 $cells "$tmp/cells" >"$tmp/told" 2>&1
    local status=$?
    sed -n '/^FAIL/!s/^ok/#/; /^#/p' "$tmp/told"
    same "what has no clause" "$(grep '^FAIL' "$tmp/told")" "" &&
        same "exit status ($(tail -n 1 "$tmp/told"))" $status 0
}

# Expectations turned around are noticed, and so is a row for nothing.
differences_are_noticed() {
    grep 'state=ESTABLISHED' "$tmp/cells" | head -n 12 |
        sed 's/ next=ESTABLISHED/ next=CLOSED/
            t
            s/ next=[^ ]*/ next=ESTABLISHED/' >"$tmp/wrong"
    echo "state=NONE -> next=NONE : nothing" >"$tmp/rows"
    python3 $cells --table "$tmp/rows" "$tmp/wrong" >"$tmp/told" 2>&1
    same "exit status" $? 1 &&
        same "FAIL lines" "$(grep -c '^FAIL cell_' "$tmp/told")" \
            "$(wc -l <"$tmp/wrong")" &&
        check grep -q '^FAIL rows:1: it explains no cell' "$tmp/told"
}

if [ -z "$missing" ]; then
    check build tests/model/cells || {
        echo "FAIL build: $why"
        failed=1
        finish
    }
fi
run sampled python3
run kernel_agrees_or_has_a_clause python3
run differences_are_noticed python3
finish
