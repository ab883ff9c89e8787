#!/bin/bash
# tests/wire/regressions.txt against the tests: each test that it names is
# there, each test of tests/wire/regress_*.c is in it, and no number is left
# out.
cd "$(dirname "$0")/../.." && . tests/check.bash

table=tests/wire/regressions.txt
rows() {
    grep -v -e '^#' -e '^ *$' $table
}

same ids-complete "$(for n in $(seq 26); do echo "REG-D$n"; done
    for n in A B C D E F G H I; do echo "REG-V-$n"; done
    for n in $(seq 36); do echo "REG-F$n"; done)" \
    "$(rows | sed 's/ *|.*//' | uniq)"
same three-columns "" "$(rows | awk -F' [|] ' 'NF != 3 {print $1}')"
# FILE:TEST, and where the row says ", ..." the same trace in a stack
same tests-in-the-table "$(grep -HoE '^(TEST|BOTH)\([a-zA-Z0-9_]+' \
    tests/wire/regress_*.c | sed -E 's#tests/wire/(.*):TEST\(#\1:#
    s#tests/wire/(.*):BOTH\((.*)#\1:\2 +#' | sort -u)" \
    "$(rows | awk -F' [|] ' '{print $2}' |
        sed 's/, \.\.\._in_a_stack$/ +/' | sort -u)"
finish
