#!/bin/bash
# Every code block of README.md, docs/guide.md and docs/recovery.md is
# compiled and run.
#   ```c NAME      is appended to the file NAME; each NAME.c becomes a
#                  program, built strictly, that must exit with 0. If there
#                  is tests/house/guide_NAME.c, that is the program, and
#                  includes NAME.c: see there
#   ```diff NAME.c WHAT   changes lines of it (- and +); what then comes out
#                  must fail in tests/house/guide_NAME.c
#   ```text        is what the program above it prints, in full
#   ```sh          is run, line by line, in a copy of the tree; but lines
#                  with `make deps` are what .ci/run must run literally
# Any other fence is an error. The numbers in README.md, between the two
# `numbers` marks, are those on record, which other tests hold to what they
# measure; --numbers writes them there, and what docs/guide.md says that
# sizes.c prints. Counts of scale.sh are taken anew then.
cd "$(dirname "$0")/../.." && . tests/check.bash
cc=${CC:-cc}

numbers() {
    local n of
    size_of() { # TARGET CONFIG COLUMN
        awk -v t="$1" -v c="$2" -v k="$3" \
            '$1 == t && $2 == c {print $k}' tests/house/size.txt
    }
    echo '| what | measured | by |'
    echo '|---|---|---|'
    for of in "x86-64 full" "cortex-m4 full" "cortex-m4 tiny"; do
        echo "| \`sizeof(tcpsm_conn)\`, $of | $(size_of $of 4) bytes |" \
            "\`make size\` |"
    done
    for of in "x86-64 full" "cortex-m4 full" "x86-64 one" "cortex-m4 one" \
        "cortex-m4 tiny" "cortex-m0plus tiny"; do
        n=$(size_of $of 7)
        of=${of/ one/, layer 1 alone}
        of=${of/ tiny/ tiny, layer 1 alone}
        echo "| code, \`-Os\`, $of | $n bytes | \`make size\` |"
    done
    n=$(sed -n 's/^cortex-m4-Os \([0-9]*\) .*/\1/p' tests/house/stack.txt)
    echo "| deepest stack of any call, Cortex-M4 \`-Os\` | $n bytes |" \
        "\`tests/house/stack.sh --print\` |"
    for of in "data_send:send a 1460-byte segment" \
        "data_receive:receive a 1460-byte segment" \
        "ack_send:send a pure ACK" "ack_receive:receive a pure ACK" \
        "rr:64 bytes there and 64 back, both ends"; do
        n=$(sed -n "s/.*\"${of%%:*}\": \([0-9]*\).*/\1/p" \
            bench/instructions.json)
        echo "| ${of#*:}, x86-64 \`-O2\` | $n instructions |" \
            "\`make bench-instructions\` |"
    done
    each() { # FILE WHAT COLUMN
        awk -v w="$2" -v k="$3" '$1 == w {print $k + 0}' \
            "tests/house/$1.txt"
    }
    for of in "connection:each connection of a stack, without its rings" \
        "syn-entry:each half-open one" "timewait:each in TIME-WAIT" \
        "stack-of-100000:a stack for 100 000 without rings, in all"; do
        echo "| ${of#*:} | $(each scale "${of%%:*}" 2) bytes |" \
            "\`tests/house/scale.sh --print\` |"
    done
    for of in "data-in:segment with 100 bytes in" "ack-in:ACK in" \
        "segment-out:segment with 100 bytes out" \
        "idle-deadline:the deadline" "next:next, with news"; do
        n=$(each scale_counts "${of%%:*}" 2)
        echo "| ${of#*:}: alone / among 100 000 | $n /" \
            "$(each scale_counts "${of%%:*}" 3) instructions |" \
            "\`tests/house/scale.sh --print\` |"
    done
    echo
    echo "Of the last five the tests demand that the second be at most 1.5" \
        "times the first."
    echo
    echo "The goal for the tiny \`tcpsm_conn\` is 192 bytes. It is missed: by" \
        "$(($(size_of x86-64 tiny 4) - 192)) bytes on x86-64 and" \
        "$(($(size_of cortex-m4 tiny 4) - 192)) on a Cortex-M4; the tests" \
        "hold it to what it is."
}

split() { # FILE DIR: the blocks, as DIR/NAME, DIR/NAME.text, DIR/commands
    awk -v dir="$2" -v file="$1" '
        /^```/ && !inside {
            inside = 1
            if ($1 == "```c" && $2 != "") { to = dir "/" $2; last = $2 }
            else if ($1 == "```diff" && $3 != "") {
                to = dir "/" substr($2, 1, length($2) - 2) "-" $3 ".diff"
                last = substr($2, 1, length($2) - 2) "-" $3 ".c"
            }
            else if ($1 == "```text") to = dir "/" last ".text"
            else if ($1 == "```sh") to = dir "/commands"
            else { to = "/dev/null"; print file ":" FNR ": " $0 }
            next
        }
        /^```/ { inside = 0; close(to); next }
        inside { print >>to }' "$1"
}

# A program that the guide only has one side of, and its mistakes. The sizes
# of rings are tests/house/guide_server.c's arguments.
both_sides() { # FILE.c
    local f=$1 name wrong other=tests/house/guide_$(basename "$1") san=
    name=guide-$(basename "$f" .c)
    builds "$cc" -fsanitize=address,undefined &&
        san="-fsanitize=address,undefined -fno-sanitize-recover=all"
    side() { # FILE.c FLAGS...
        local from=$1
        shift
        "$cc" -std=c99 -O0 $warnings "$@" -I. -I"${from%/*}" \
            -DSERVER="\"$from\"" -o "$from.run" "$other"
    }
    check "$name-compiles" side "$f" $san &&
        check "$name-serves-with-every-ring" "$f.run" 2 150 &&
        check "$name-serves-with-large-rings" "$f.run" 4090 4096
    "$cc" -std=c99 -O1 -w -o "$tmp/apply" tests/musts/apply.c
    for wrong in "${f%.c}"-*.diff; do
        {
            echo '<<<<' && sed -n 's/^[- ]//p' "$wrong"
            echo '====' && sed -n 's/^[+ ]//p' "$wrong"
            echo '>>>>'
        } >"$tmp/edit"
        wrong=${wrong%.diff}
        name=guide-$(basename "$wrong")
        check "$name-applies" "$tmp/apply" "$tmp/edit" <"$f" || continue
        cp "$tmp/out" "$wrong.c"
        check "$name-compiles" side "$wrong.c" \
            -Wno-misleading-indentation || continue
        # in smaller ones nothing wraps
        check "$name-fails" "$wrong.c.run" 6 100 must-fail
        "$wrong.c.run" 64 64 must-fail >"$wrong.out"
        same "$name-prints" "$(cat "$wrong.c.text")" "$(cat "$wrong.out")"
        rm "$wrong.c"
    done
}

if [ "${1:-}" = --numbers ]; then
    if has valgrind; then # else the counts stay as they are
        tests/house/scale.sh --print |
            awk '/instructions, with/ {print $1, $2, $NF}' >"$tmp/counts"
        {
            echo "# Instructions of a stack of one connection, and of" \
                "100 000: docs.sh --numbers."
            cat "$tmp/counts"
        } >tests/house/scale_counts.txt
    fi
    numbers >"$tmp/numbers"
    sed -i "/<!-- numbers -->/,/<!-- end of numbers -->/{
        /<!-- numbers -->/r $tmp/numbers
        /<!-- /!d
    }" README.md
    mkdir "$tmp/guide"
    split docs/guide.md "$tmp/guide"
    $cc -std=c99 -O0 -w -I. -I"$tmp/guide" -DTCPSM_IMPLEMENTATION \
        -o "$tmp/sizes" "$tmp/guide/sizes.c" || exit
    { echo '```text' && "$tmp/sizes" && echo '```'; } >"$tmp/table"
    sed -i "/<!-- sizes -->/,/<!-- end of sizes -->/{
        /<!-- sizes -->/r $tmp/table
        /<!-- /!d
    }" docs/guide.md
    exit
fi
same README-numbers "$(numbers)" "$(sed -n \
    '/<!-- numbers -->/,/<!-- end of numbers -->/p' README.md |
    grep -v '<!--')"

printf '#define TCPSM_IMPLEMENTATION\n#define TCPSM_NAMES\n%s\n' \
    '#include "tcpsm.h"' >"$tmp/lib.c"
"$cc" -std=c99 -O0 -w -I. -c -o "$tmp/lib.o" "$tmp/lib.c"
for doc in README.md docs/guide.md docs/recovery.md; do
    base=$(basename $doc .md)
    if [ ! -e $doc ]; then
        fail $base "there is no $doc"
        continue
    fi
    mkdir "$tmp/$base"
    same $base-fences "" "$(split $doc "$tmp/$base")"
    n=0
    for f in "$tmp/$base"/*.c; do
        [ -e "$f" ] || continue
        n=$((n + 1))
        name=$base-$(basename "$f" .c)
        if [ -e "tests/house/guide_${f##*/}" ]; then
            both_sides "$f"
            continue
        fi
        lib=$tmp/lib.o
        ! grep -q '^#define TCPSM_IMPLEMENTATION' "$f" || lib=
        check $name-compiles "$cc" -std=c99 -O0 $warnings -I. \
            -I"$tmp/$base" -o "$f.run" "$f" $lib || continue
        if (cd "$tmp" && timeout 20 "$f.run" >"$f.out" 2>&1); then
            ok $name-runs
        else
            fail $name-runs "exit status $?: $(tail -n 3 "$f.out")"
        fi
        [ -e "$f.text" ] && same $name-prints "$(cat "$f.text")" \
            "$(cat "$f.out")"
    done
    [ $n -gt 0 ] || fail $base-programs "no program found in $doc"
    [ -e "$tmp/$base/commands" ] || continue
    copy=$tmp/copy-$base
    mkdir "$copy"
    (git ls-files 2>/dev/null || find . -type f -not -path './build/*') |
        grep -v '^build/' | xargs cp --parents -t "$copy"
    while IFS= read -r line; do
        line=${line%%#*}
        [ -n "${line// /}" ] || continue
        case $line in
        *"make deps"*)
            check "$base: $line" grep -qF -- "$(echo $line)" .ci/run
            ;;
        *) check "$base: $line" bash -c "cd '$copy' && $line" ;;
        esac
    done <"$tmp/$base/commands"
done
finish
