#!/bin/bash
# No call uses more than 1 kB of stack on a Cortex-M4; no recursion, no
# frame of unknown size; and no more than 5 % above what stack.txt has.
# --print: every call, deepest first. --update: writes stack.txt anew.
cd "$(dirname "$0")/../.." && . tests/check.bash
need stack arm-none-eabi-gcc
limit=1024
record=tests/house/stack.txt
compiler=arm-none-eabi-gcc-$(arm-none-eabi-gcc -dumpfullversion)
: >"$tmp/worst"
printf '#define TCPSM_IMPLEMENTATION\n#include "tcpsm.h"\n' >"$tmp/impl.c"

walk() { # FLAGS... -> sorted lines of stack.awk
    rm -f "$tmp/impl.ci"
    arm-none-eabi-gcc -mthumb -std=c99 -ffreestanding -I. "$@" \
        -fcallgraph-info=su -c -o "$tmp/impl.o" "$tmp/impl.c" &&
        awk -f tests/house/stack.awk "$tmp/impl.ci" | sort -rn
}

if [ "${1:-}" = --print ]; then
    walk -mcpu=cortex-m4 -Os
    exit
fi
for config in "" -DTCPSM_TINY; do
    for how in "-mcpu=cortex-m4 -Os" "-mcpu=cortex-m4 -O2" \
        "-mcpu=cortex-m0plus -Os"; do
        name=$(echo "${how#-mcpu=}$config" | tr -d ' ')
        if ! walk $how $config >"$tmp/walk"; then
            fail "$name" "does not compile"
            continue
        fi
        same "$name-bounded" "" "$(grep ERROR "$tmp/walk" | head -n 3)"
        at_most "$name-worst" $limit "$(head -n 1 "$tmp/walk" |
            cut -d ' ' -f 1)"
        echo "$name $(head -n 1 "$tmp/walk")" >>"$tmp/worst"
        # tcpsm_input has callees; a walk that does not see them is broken
        same "$name-sees-calls" 1 \
            "$(grep -c '^[0-9]* tcpsm_input > tcpsm__' "$tmp/walk")"
    done
done

if [ "${1:-}" = --update ]; then
    [ "$failed" = 0 ] || finish
    {
        echo "# bytes of stack, deepest call: tests/house/stack.sh --update"
        echo "compiler $compiler"
        cat "$tmp/worst"
    } >$record
    cat $record
    exit
fi
if ! grep -q "^compiler $compiler$" $record; then
    skip as-recorded "$record is not for $compiler"
else
    while read -r name bytes _; do
        was=$(awk -v n="$name" '$1 == n {print $2}' $record)
        at_most "$name-as-recorded" $((was + was / 20)) "$bytes"
    done <"$tmp/worst"
fi

# The walk itself: a chain, an indirect call, recursion.
cat >"$tmp/impl.c" <<'END'
void sink(volatile char *);
__attribute__((noinline)) static void leaf(void)
{
    volatile char a[200];
    sink(a);
}
__attribute__((noinline)) static void taken(void)
{
    volatile char a[400];
    sink(a);
}
void (*volatile pointer)(void);
void direct(void) { volatile char a[100]; sink(a); leaf(); sink(a); }
void indirect(void) { pointer = taken; pointer(); pointer(); }
int again(int n)
{
    volatile char a[8];
    sink(a);
    return n ? again(n - 1) + a[0] : 0;
}
END
walk -mcpu=cortex-m4 -O1 -fno-optimize-sibling-calls >"$tmp/walk"
at_least() { [ -n "$2" ] && [ "$1" -le "$2" ]; }
check walk-adds at_least 348 \
    "$(sed -n 's/^\([0-9]*\) direct.*/\1/p' "$tmp/walk")"
check walk-follows-pointers at_least 448 \
    "$(sed -n 's/^\([0-9]*\) indirect.*/\1/p' "$tmp/walk")"
check walk-sees-recursion grep -q 'ERROR recursion through again' "$tmp/walk"
finish
