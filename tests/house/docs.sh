#!/bin/bash
# Every code block of README.md and docs/guide.md is compiled and run.
#   ```c NAME      is appended to the file NAME; each NAME.c becomes a
#                  program, built strictly, that must exit with 0
#   ```text        is what the program above it prints, in full
#   ```sh          is run, line by line, in a copy of the tree; but lines
#                  with `make deps` are what .ci/run must run literally
# Any other fence is an error. The numbers in README.md, between the two
# `numbers` marks, are those on record, which other tests hold to what they
# measure; --numbers writes them there.
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
    for of in "x86-64 full" "cortex-m4 full" "cortex-m4 tiny" \
        "cortex-m0plus tiny"; do
        echo "| code, \`-Os\`, $of | $(size_of $of 7) bytes |" \
            "\`make size\` |"
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
    echo
    echo "The goal for the tiny \`tcpsm_conn\` is 192 bytes. It is missed: by" \
        "$(($(size_of x86-64 tiny 4) - 192)) bytes on x86-64 and" \
        "$(($(size_of cortex-m4 tiny 4) - 192)) on a Cortex-M4; the tests" \
        "hold it to what it is."
}

if [ "${1:-}" = --numbers ]; then
    numbers >"$tmp/numbers"
    sed -i "/<!-- numbers -->/,/<!-- end of numbers -->/{
        /<!-- numbers -->/r $tmp/numbers
        /<!-- /!d
    }" README.md
    exit
fi
same README-numbers "$(numbers)" "$(sed -n \
    '/<!-- numbers -->/,/<!-- end of numbers -->/p' README.md |
    grep -v '<!--')"

split() { # FILE DIR: the blocks, as DIR/NAME, DIR/NAME.text, DIR/commands
    awk -v dir="$2" -v file="$1" '
        /^```/ && !inside {
            inside = 1
            if ($1 == "```c" && $2 != "") { to = dir "/" $2; last = $2 }
            else if ($1 == "```text") to = dir "/" last ".text"
            else if ($1 == "```sh") to = dir "/commands"
            else { to = "/dev/null"; print file ":" FNR ": " $0 }
            next
        }
        /^```/ { inside = 0; close(to); next }
        inside { print >>to }' "$1"
}

for doc in README.md docs/guide.md; do
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
        check $name-compiles "$cc" -std=c99 -O0 $warnings -I. \
            -I"$tmp/$base" -o "$f.run" "$f" || continue
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
