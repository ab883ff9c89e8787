# Worst stack below each public call, from gcc's -fcallgraph-info=su.
# Prints `bytes call path`, one line for each function with outside linkage,
# and `ERROR what` for recursion or a frame without a bound.
#
# A call through a pointer is a congestion controller (tcpsm_cc): it counts
# as the deepest function here whose address is taken, that is, one that is
# local to the file and that nobody calls by name. A function that is not
# here (memcpy, the compiler's helpers) counts as 48 bytes.

function field(line, key,    s) {
    if (!match(line, key ": \"[^\"]*\"")) return ""
    s = substr(line, RSTART, RLENGTH)
    sub(/^[^"]*"/, "", s)
    sub(/"$/, "", s)
    return s
}

/^node:/ {
    t = field($0, "title")
    l = field($0, "label")
    if (match(l, /[0-9]+ bytes \([^)]*\)/)) {
        d = substr(l, RSTART, RLENGTH)
        frame[t] = d + 0
        if (d ~ /dynamic/ && d !~ /bounded/)
            print "ERROR unbounded frame in " t
    }
}

/^edge:/ {
    a = field($0, "sourcename")
    b = field($0, "targetname")
    if (!((a, b) in seen)) {
        seen[a, b] = 1
        callees[a] = callees[a] " " b
        if (b != "__indirect_call") called[b] = 1
    }
}

function depth(f,    n, i, list, d, worst) {
    if (f == "__indirect_call") {
        worst = 0
        for (i in frame)
            if (i ~ /:/ && !(i in called) && state[i] != 1) {
                d = depth(i)
                if (d > worst) worst = d
            }
        via[f] = ""
        return worst
    }
    if (!(f in frame)) return 48
    if (state[f] == 2) return total[f]
    if (state[f] == 1) {
        print "ERROR recursion through " f
        return 0
    }
    state[f] = 1
    worst = 0
    via[f] = ""
    n = split(callees[f], list, " ")
    for (i = 1; i <= n; i++) {
        d = depth(list[i])
        if (d > worst) {
            worst = d
            via[f] = list[i]
        }
    }
    state[f] = 2
    total[f] = frame[f] + worst
    return total[f]
}

END {
    for (f in frame)
        if (f !~ /:/) {
            d = depth(f)
            path = ""
            for (g = via[f]; g != ""; g = via[g]) {
                h = g
                sub(/^.*:/, "", h)
                path = path " > " h
            }
            print d, f path
        }
}
