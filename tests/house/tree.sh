#!/bin/bash
# The header is laid out as its first screen says; the tree is in order.
cd "$(dirname "$0")/../.." && . tests/check.bash

contents=$(sed -n '/^   CONTENTS/,/^   CONVENTIONS/p' tcpsm.h)
marks=$(echo "$contents" | grep -o '>>[a-z0-9]*' | tr '\n' ' ')
# Every mark in the table of contents heads one section, in that order.
same marks-in-order "$marks" "$(sed '/CONTENTS/,/CONVENTIONS/d' tcpsm.h |
    sed -n 's|^/\* -* \(>>[a-z0-9]*\)[ :].*|\1|p' | tr '\n' ' ')"
at_most public-half-1500-lines 1500 \
    "$(grep -n '^#endif /\* TCPSM_H \*/' tcpsm.h | cut -d : -f 1)"
same first-line 1 \
    "$(head -n 1 tcpsm.h | grep -c 'tcpsm.h - v[0-9.]* .*0BSD')"
same version-macros "$(sed -n '1s/.*- v\([0-9.]*\) .*/\1/p' tcpsm.h)" \
    "$(sed -n 's/^#define TCPSM_VERSION_[MP][A-Z]* \([0-9]*\)$/\1/p' \
        tcpsm.h | paste -s -d .)"
same licence-at-the-end 1 "$(tail -n 25 tcpsm.h |
    grep -c 'THE SOFTWARE IS PROVIDED "AS IS"')"

sources=$(git ls-files 2>/dev/null |
    grep -E '\.(c|h|sh|bash|awk|md)$|^Makefile$|^\.ci/run$')
[ -n "$sources" ] || sources=$(find . -name '*.[ch]' -not -path './build/*')
same lines-at-most-80 "" "$(awk 'length($0) > 80 \
    {print FILENAME ":" FNR}' $(echo "$sources" | grep -E '\.[ch]$') |
    head -n 5 | tr '\n' ' ')"
same no-trailing-space "" "$(grep -nE '[ 	]+$' $sources |
    cut -d : -f 1,2 | head -n 5 | tr '\n' ' ')"
same no-tabs-in-c "" "$(grep -l '	' $(echo "$sources" |
    grep -E '\.[ch]$') | tr '\n' ' ')"
# Only loads and stores touch packet memory: casts of bytes to wider types
# belong nowhere, but for the tables that were lent as words.
same no-wide-casts "" "$(grep -nE '\((const )?uint(16|32|64)_t \*\)' \
    tcpsm.h | grep -vE 'tables|r.meta =|tcpsm__at\(' | cut -d : -f 1 | head -n 5 | tr '\n' ' ')"

if has clang-format; then
    for f in $(echo "$sources" | grep -E '\.[ch]$'); do
        clang-format -style=file "$f" | cmp -s - "$f" || echo "$f"
    done >"$tmp/unformatted"
    same formatted "" "$(tr '\n' ' ' <"$tmp/unformatted")"
else
    skip formatted "clang-format is not installed (make deps)"
fi
finish
