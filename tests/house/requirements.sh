#!/bin/bash
# tests/musts/requirements.txt against the header, the tests and the edits:
# what applies is cited in tcpsm.h and in its test and has an edit under
# which that test must fail; what does not apply is cited nowhere. The others
# are no numbers of RFC 9293 but layer 2's promises (MANY) and mechanisms
# (LOSS ...): nothing to cite in the header, else the same.
cd "$(dirname "$0")/../.." && . tests/check.bash
shopt -s nullglob

table=tests/musts/requirements.txt
cited() { # ID FILE
    grep -qE "RFC9293-$1([^0-9]|\$)" "$2"
}

rows() {
    grep -v -e '^#' -e '^ *$' $table
}

# every id once, in order: MUST-1 to -69, SHLD-1 to -31, and all of ours
same complete "$(for n in $(seq 69); do echo "MUST-$n"; done
    for n in $(seq 31); do echo "SHLD-$n"; done
    for p in $(rows | sed 's/-.*//' | uniq | grep -vx -e MUST -e SHLD); do
        for n in $(seq "$(rows | grep -c "^$p-")"); do echo "$p-$n"; done
    done)" \
    "$(rows | awk '{print $1}')"

bad_header= bad_test= bad_no= bad_edit= bad_row=
while read -r id applies where rest; do
    case $id:$applies in
    MUST-*:yes | SHLD-*:yes)
        file=tests/${where%%:*} name=${where#*:}
        cited "$id" tcpsm.h || bad_header+=" $id"
        [ -f "$file" ] && cited "$id" "$file" &&
            grep -q "^TEST($name)" "$file" || bad_test+=" $id"
        [ -f "tests/musts/$id.edit" ] || bad_edit+=" $id"
        for e in "tests/musts/$id".edit "tests/musts/$id"[a-z].edit; do
            f=$(sed -n 's/^fails: \([^ ]*\) .*/\1/p' "$e")
            [ -f "tests/$f" ] && cited "$id" "tests/$f" || bad_edit+=" $e"
        done
        ;;
    *:yes)
        file=tests/${where%%:*} name=${where#*:}
        [ -f "$file" ] && grep -q "^TEST($name)" "$file" || bad_test+=" $id"
        [ -f "tests/musts/$id.edit" ] || bad_edit+=" $id"
        for e in "tests/musts/$id".edit "tests/musts/$id"[a-z].edit; do
            read -r f t < <(sed -n 's/^fails: //p' "$e")
            [ -f "tests/$f" ] && grep -q "^TEST($t)" "tests/$f" ||
                bad_edit+=" $e"
        done
        ;;
    *:note) cited "$id" tcpsm.h || bad_header+=" $id" ;;
    *:no)
        cited "$id" tcpsm.h && bad_no+=" $id"
        grep -qrE "RFC9293-$id([^0-9]|\$)" tests/unit tests/wire &&
            bad_no+=" $id(tests)"
        ;;
    *) bad_row+=" $id" ;;
    esac
    [ -n "$where" ] || bad_row+=" $id"
done < <(rows)

same rows-well-formed "" "$bad_row"
same cited-in-the-header "" "$bad_header"
same cited-in-its-test "" "$bad_test"
same not-cited-where-not-applicable "" "$bad_no"
same each-has-an-edit "" "$bad_edit"

# Nothing cites an id that does not exist.
same no-unknown-ids "" "$(grep -ohE 'RFC9293-(MUST|SHLD)-[0-9]+' tcpsm.h \
    tests/unit/*.c tests/wire/*.[ch] | sort -u | sed 's/^RFC9293-//' |
    grep -vxFf <(rows | awk '{print $1}') | tr '\n' ' ')"
# An edit is one of a MUST's, and has a requirement to break.
same edits-have-rows "" "$(for e in tests/musts/*.edit; do
    id=${e##*/}
    id=${id%.edit}
    rows | grep -qE "^${id%[a-z]} +yes" || echo "$id"
done | grep -v -x -e canary -e null | tr '\n' ' ')"
# Which of them tests/musts/run.sh tries is left to chance; that they still
# find their text is not.
if builds "${CC:-cc}"; then
    "${CC:-cc}" -std=c99 -O1 -w -o "$tmp/apply" tests/musts/apply.c
    same edits-apply "" "$(for e in tests/musts/*.edit; do
        "$tmp/apply" "$e" <tcpsm.h >/dev/null 2>&1 || echo "${e##*/}"
    done | tr '\n' ' ')"
else
    skip edits-apply "no C compiler"
fi
finish
