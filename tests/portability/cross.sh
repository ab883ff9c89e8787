#!/bin/bash
# Law 1 elsewhere: the same strict builds and looks at the object, for
# other processors. An object needs a compiler only, no library.
cd "$(dirname "$0")/../.." && . tests/check.bash
. tests/portability/object.bash

target() { # LIST BINUTILS-PREFIX CONFIGS COMPILER FLAGS...
    local list=$1 prefix=$2 config configs=$3 o
    shift 3
    if ! has "$1"; then
        skip "$list-$1" "$1 is not installed (make deps)"
        return
    fi
    for config in $configs; do
        for o in $([ $config = tiny ] || echo -O2) -Os; do
            object "$list-$1-$config$o" "$list" "$prefix" "$@" $o \
                $([ "$config" = tiny ] && echo -DTCPSM_TINY)
        done
    done
}

target i386 "" "full tiny" gcc -m32 -std=c99
target i386 "" full clang -m32 -std=c99
target i386 "" full g++ -m32 -std=c++11
target s390x s390x-linux-gnu- "full tiny" s390x-linux-gnu-gcc -std=c99
for m in m0plus m4; do
    target cortex-$m arm-none-eabi- "full tiny" \
        arm-none-eabi-gcc -mcpu=cortex-$m -mthumb -std=c99
done
# 16-bit int, 2-byte pointers: the tiny configuration only
target avr avr- tiny avr-gcc -mmcu=atmega2560 -std=c99

# No list may grow a 64-bit division: neither for a segment nor elsewhere.
same no-64-bit-division "" "$(grep -lE \
    '^(__u?(div|mod|divmod)[dt]i[34]|__aeabi_u?ldivmod)' $lists/*.txt |
    tr '\n' ' ')"
# And the look would see one.
cat >"$tmp/canary.c" <<'END'
unsigned long long tcpsm_init_(unsigned long long a, unsigned long long b);
unsigned long long tcpsm_init_(unsigned long long a, unsigned long long b)
{
    static unsigned long long last;
    return last += a / b;
}
END
if has arm-none-eabi-gcc; then
    arm-none-eabi-gcc -mthumb -mcpu=cortex-m4 -O2 -c -o "$tmp/o.o" \
        "$tmp/canary.c"
    same canary "FAIL x-outside FAIL x-writable" \
        "$(inspect x cortex-m4 arm-none-eabi- | grep -o '^FAIL [^:]*' |
            tr '\n' ' ' | sed 's/ $//')"
else
    skip canary "arm-none-eabi-gcc is not installed (make deps)"
fi
finish
