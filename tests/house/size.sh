#!/bin/bash
# sizeof(tcpsm_conn) and the code, per target: full is everything, one is
# layer 1 alone (TCPSM_NO_STACK), tiny that with TCPSM_TINY. Fails when the
# struct grows above its budget, or the code above size.txt.
# --print: the table only (and the exit status); this is `make size`.
# --update: writes size.txt anew, after a change that was meant.
cd "$(dirname "$0")/../.." && . tests/check.bash
bounds=tests/house/size.txt
rows=$tmp/rows

cat >"$tmp/size.c" <<'END'
#define TCPSM_IMPLEMENTATION
#include "tcpsm.h"
END
cat >"$tmp/struct.c" <<'END'
#include "tcpsm.h"
char size_of_conn[sizeof(tcpsm_conn)];
char size_of_runs[TCPSM_RUNS];
char size_of_ranges[TCPSM_RANGES];
END

of() { # a symbol's size, decimal
    printf '%d' "0x$("$1" -S "$tmp/struct.o" |
        awk -v n="$2" '$4 == n {print $2}')" 2>/dev/null
}

row() { # TARGET CONFIG BINUTILS-PREFIX COMPILER FLAGS...
    local target=$1 config=$2 prefix=$3 flags= sizes
    shift 3
    if ! has "$1"; then
        skip "$target-$config" "$1 is not installed (make deps)"
        return
    fi
    case $config in # one: layer 1 alone; tiny: that, at its smallest
    one) flags=-DTCPSM_NO_STACK ;;
    tiny) flags="-DTCPSM_NO_STACK -DTCPSM_TINY" ;;
    esac
    if ! "$@" -std=c99 -Os -ffreestanding -fno-common $flags -I. -c \
        -o "$tmp/size.o" "$tmp/size.c" || ! "$@" -std=c99 -fno-common \
        $flags -I. -c -o "$tmp/struct.o" "$tmp/struct.c"; then
        fail "$target-$config" "does not compile"
        return
    fi
    sizes=$("${prefix}size" "$tmp/size.o" | tail -n 1 |
        awk '{print $1, $2, $3}')
    echo "$target $config $1-$("$1" -dumpfullversion -dumpversion) $(of "${prefix}nm" size_of_conn)" \
        "$(of "${prefix}nm" size_of_runs)" \
        "$(of "${prefix}nm" size_of_ranges) $sizes" >>"$rows"
}

: >"$rows"
for config in full one tiny; do
    row x86-64 $config "" gcc
    row cortex-m4 $config arm-none-eabi- arm-none-eabi-gcc -mthumb \
        -mcpu=cortex-m4
    row cortex-m0plus $config arm-none-eabi- arm-none-eabi-gcc -mthumb \
        -mcpu=cortex-m0plus
done
row avr tiny avr- avr-gcc -mmcu=atmega2560

table() {
    echo "target config compiler tcpsm_conn runs ranges text data bss"
    cat "$rows"
}
aligned() {
    awk '{printf "%-13s %-6s %-24s %10s %4s %6s %6s %4s %3s\n",
        $1, $2, $3, $4, $5, $6, $7, $8, $9}'
}

if [ "${1:-}" = --update ]; then
    [ "$failed$skipped" = 00 ] || finish
    {
        echo "# What -Os gave, by tests/house/size.sh --update." \
            "text may grow by 2 % before a test fails."
        table
    } | { IFS= read -r first; echo "$first"; aligned; } >$bounds
    cat $bounds
    exit
fi
if [ "${1:-}" = --print ]; then
    table | aligned
    exec 3>&1 >"$tmp/quiet"
fi

while read -r target config compiler conn runs ranges text data bss; do
    name=$target-$config
    case $target-$config in
    x86-64-full)
        at_most $name-struct 512 "$conn"
        same $name-tables "8 runs, 4 ranges" "$runs runs, $ranges ranges"
        ;;
    *-tiny) # may not grow beyond what it was
        at_most $name-struct "$(awk -v t="$target" \
            '$1 == t && $2 == "tiny" {print $4}' $bounds)" "$conn"
        ;;
    *) at_most $name-struct 512 "$conn" ;;
    esac
    same $name-data "0 data, 0 bss" "$data data, $bss bss"
    read -r was by <<<"$(awk -v t="$target" -v c="$config" \
        '$1 == t && $2 == c {print $7, $3}' $bounds 2>/dev/null)"
    if [ -z "$was" ]; then
        fail $name-text "is not in $bounds (--update writes it)"
    elif [ "$by" != "$compiler" ]; then
        skip $name-text "$bounds has the code of $by, here is $compiler"
    else
        at_most $name-text $((was + was / 50)) "$text"
    fi
done <"$rows"
if [ "${1:-}" = --print ]; then
    exec >&3
    grep '^FAIL' "$tmp/quiet"
    [ "$failed" = 0 ]
    exit
fi
finish
