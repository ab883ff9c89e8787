# object.bash - sourced: compile the implementation strictly, then look at
# what the object asks of the outside and what in it can be written.

lists=tests/portability/symbols

inspect() { # NAME LIST BINUTILS-PREFIX: looks at $tmp/o.o
    local name=$1 list=$lists/$2.txt
    "$3nm" "$tmp/o.o" >"$tmp/symbols"
    awk '$(NF - 1) == "U" {print $NF}' "$tmp/symbols" | sort -u >"$tmp/undef"
    sed 's/ *#.*//; /^$/d' $list | sort -u >"$tmp/allowed"
    same "$name-outside" "" \
        "$(comm -23 "$tmp/undef" "$tmp/allowed" | tr '\n' ' ')"
    # writable: by symbol, and by section for what has no symbol
    same "$name-writable" "" "$({
        awk '$2 ~ /^[bBdDCsSgG]$/ {print $3}' "$tmp/symbols"
        "$3size" -A "$tmp/o.o" | awk '$1 ~ /^\.(data|bss|tdata|tbss)/ &&
            $1 !~ /rel\.ro/ && $2 > 0 {print $1}'
    } | tr '\n' ' ')"
    # A look that sees nothing at all is no look: every build has init.
    same "$name-seen" 1 "$(grep -c ' T tcpsm_init_$' "$tmp/symbols")"
}

object() { # NAME LIST BINUTILS-PREFIX COMPILER FLAGS...
    local name=$1 list=$2 prefix=$3
    shift 3
    if build_impl "$tmp/o.o" "$@" >"$tmp/out" 2>&1; then
        ok "$name"
        inspect "$name" "$list" "$prefix"
    else
        grep -E 'error|warning' "$tmp/out" | head -n 5 | sed 's/^/  | /'
        fail "$name" "does not compile: $(grep -m 1 -E 'error|warning' \
            "$tmp/out")"
    fi
}
