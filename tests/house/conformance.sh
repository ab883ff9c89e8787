#!/bin/bash
# docs/conformance.md: one row for each requirement, and whether it is so.
# The tables in it are made from tests/house/conformance.tsv, tcpsm.h and the
# tests; without arguments this checks that
#   the document is what they make of it,
#   each row has an answer, and one that is not `yes` a reason,
#   each `yes` has a place in tcpsm.h that is there, and a test,
#   each test that a row names exists,
#   every labelled requirement of RFC 9293 has its row.
# --update     writes the tables of the document anew
# --ran DIR    by the logs in DIR (build/log): a row is ok if all its tests
#              passed, skipped if one of them was, else it has failed
# --unscripted rows that no packet script cites
# A line of the table, tabs between: id, strength, section, requirement,
# answer (yes, no or host, and why), place, tests. The place: `-` where
# tcpsm.h cites the id; @FUNCTION; or text that one line alone has. Tests:
# FILE:NAME below tests/. A packet script is one of a row's tests, and need
# not be named, if it is in tests/scripts/rfc*/ and cites the id.
cd "$(dirname "$0")/../.." || exit 2
tsv=tests/house/conformance.tsv doc=docs/conformance.md
case "${1:-}" in
--help) sed -n '2,19s/^# \{0,1\}//p' "$0" && exit ;;
"" | --update | --ran | --unscripted) ;;
*) echo "conformance.sh: $1? See --help." >&2 && exit 2 ;;
esac

table() { # MODE FILE...: the last files of conformance.awk
    local mode=$1
    shift
    LC_ALL=C awk -v mode="$mode" -f tests/house/conformance.awk tcpsm.h \
        $(find tests/scripts -path '*/rfc*/*.pkt' 2>/dev/null | LC_ALL=C sort) \
        $(find tests -name '*.c' -o -name '*.sh' | LC_ALL=C sort) "$@"
}

case "${1:-}" in
--update)
    table doc $tsv $doc >$doc.new && mv $doc.new $doc || { rm -f $doc.new
        exit 1; }
    exit
    ;;
--ran)
    [ -d "${2:-}" ] || { echo "conformance.sh: --ran which logs?" >&2
        exit 2; }
    table ran "$2"/*.log $tsv
    exit
    ;;
--unscripted)
    table bare $tsv
    exit
    ;;
esac

. tests/check.bash
table check $tsv >"$tmp/wrong"
none() { # NAME: nothing was found to be wrong there
    same "$1" "" "$(sed -n "s/^$1	//p" "$tmp/wrong" | tr '\n' ' ')"
}
none rows-well-formed
none answers
none reasons
none anchors
none each-has-a-test
none tests-exist
ids() {
    cut -f 1 $tsv | sed -n "s/^RFC9293-\($1\)-\([0-9]*\)$/\2/p" | sort -n |
        tr '\n' ' '
}
same every-MUST "$(seq 69 | tr '\n' ' ')" "$(ids MUST)"
same every-SHOULD "$(seq 31 | tr '\n' ' ')" "$(ids SHLD)"
same every-MAY "$(seq 18 | tr '\n' ' ')" "$(ids MAY)"
same every-REC "1 " "$(ids REC)"
# The other table of them, by the edits that must be noticed, says the same.
same agrees-with-the-edits "" "$(awk -F '[\t ]+' '
    FNR == NR && /^RFC9293-(MUST|SHLD)-/ {
        split($0, f, "\t")
        sub(/^RFC9293-/, "", f[1])
        answer[f[1]] = f[5]
        tests[f[1]] = f[7] " "
    }
    FNR == NR || !/^(MUST|SHLD)-/ {next}
    $2 == "yes" && (answer[$1] !~ /^yes/ || !index(tests[$1], $3 " ")) ||
        $2 != "yes" && answer[$1] ~ /^yes/ {print $1}
    ' $tsv tests/musts/requirements.txt | tr '\n' ' ')"
table doc $tsv $doc >"$tmp/doc" 2>"$tmp/lost"
same every-row-is-in-a-table "" "$(cat "$tmp/lost")"
if cmp -s "$tmp/doc" $doc; then
    ok up-to-date
else
    diff $doc "$tmp/doc" | sed -n '1,4s/^/  | /p'
    fail up-to-date "run tests/house/conformance.sh --update"
fi

# Whether --ran would notice: logs in which all has passed, and what becomes
# of one row.
passed_logs() {
    rm -rf "$tmp/log" && mkdir "$tmp/log"
    cut -f 7 $tsv | grep -v '^#' | tr ' ' '\n' | grep : | sort -u |
        awk -F '[.:]' -v dir="$tmp/log/" '{
            log_ = $1
            gsub("/", "-", log_)
            print "ok " $NF >>(dir log_ ".log")
        }'
    find tests/scripts -path '*/rfc*/*.pkt' 2>/dev/null |
        sed 's|tests/scripts/|ok |' >"$tmp/log/scripts-all.log"
}
becomes() { # ID: its line, and how many rows failed
    table ran "$tmp"/log/*.log $tsv |
        awk -v id="$1" '$2 == id || $2 == id ":" {print $1}
            /^FAIL/ {n++} END {print n + 0}' | tr '\n' ' '
}
t=$tmp/log/wire-musts.log
passed_logs
same ran-passes "ok 0 " "$(becomes RFC9293-MUST-10)"
sed -i '/^ok simultaneous_open$/d' "$t"
same ran-notices-what-did-not-run "FAIL 1 " "$(becomes RFC9293-MUST-10)"
echo "SKIP simultaneous_open: no moon" >>"$t"
same ran-notices-a-skip "SKIP 0 " "$(becomes RFC9293-MUST-10)"
echo "FAIL simultaneous_open: why (x.c:1)" >>"$t"
same ran-notices-a-failure "FAIL 1 " "$(becomes RFC9293-MUST-10)"
echo "SKIP unit/ip: no tool" >"$tmp/log/unit-ip.log"
same ran-notices-a-skipped-program "SKIP 1 " "$(becomes RFC9293-MUST-50)"
finish
