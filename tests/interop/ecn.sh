#!/bin/bash
# ecn.sh - ECN (RFC 3168), Accurate ECN (RFC 9768) and TCP Fast Open (RFC
# 7413) with Linux's own TCP, in a namespace whose packet filter marks one
# ECN-capable packet in thirty. Needs root; Accurate ECN needs a kernel that
# takes net.ipv4.tcp_ecn=3.

. "$(dirname "$0")/common.bash"

bulk_ecn=build/tests/interop/ecn_bulk size=3000000
classic=2048 accurate=4096 fastopen=8192 # tcpsm_config.flags

build_ecn() {
    mkdir -p build/tests/interop
    ${CC:-cc} -std=c99 -O2 -Wall -Wextra -D_GNU_SOURCE -o $bulk_ecn \
        tests/interop/ecn_bulk.c
}

# kernel NAME: a number of /proc/net/netstat
kernel() {
    in_ns c awk -v want="$1" '{
        if (name[$1] == "") { name[$1] = $0; next }
        n = split(name[$1], k)
        for (i = 2; i <= n; i++)
            if (k[i] == want) print $i
        name[$1] = "" }' /proc/net/netstat
}

# asks MODE FLAGS: Linux by net.ipv4.tcp_ecn, tcpsm by its flags
asks() {
    in_ns c sysctl -q net.ipv4.tcp_ecn="$1" 2>"$log" || {
        why="net.ipv4.tcp_ecn=$1: $(cat "$log")"
        return 1
    }
    flags=$2
    delivered=$(kernel TCPDeliveredCE)
}

serving() {
    serve env TCPSM_TEST_FLAGS="$flags" $bulk_ecn serve "$tmp/taken"
    told=$out
    mark
}

# Marks in both directions; the device must be there for neither rule.
mark() {
    in_ns c nft -f - >"$log" 2>&1 <<'RULES'
add table ip marks
delete table ip marks
table ip marks {
    chain incoming {
        type filter hook prerouting priority mangle;
        iifname "tcpsm0" ip ecn ect0 numgen inc mod 30 0 ip ecn set ce
    }
    chain outgoing {
        type filter hook postrouting priority mangle;
        oifname "tcpsm0" ip ecn ect0 numgen inc mod 30 0 ip ecn set ce
    }
}
RULES
}

# negotiated MODE [FAST OPEN]: what the program says when it ends
negotiated() {
    stop "$server"
    server=
    said=$(grep '^ecn_bulk:' "$told")
    case "$said" in
    "ecn_bulk: ecn $1 fast_open ${2:-0} ce "*) return 0 ;;
    esac
    why="'$said', not ecn $1 fast_open ${2:-0}"
    return 1
}

# more NAME THAN: a number that the program said
more() {
    local n
    n=$(sed -n "s/.*$1 \([0-9]*\).*/\1/p" <<<"$said")
    [ "$n" -gt "$2" ] && return
    why="$1: $n ($said)"
    return 1
}

more_kernel() { # NAME THAN
    [ "$(kernel "$1")" -gt "$2" ] && return
    why="the kernel's $1 is $(kernel "$1"), and was $2"
    return 1
}

# tcpsm sends, Linux sees marks and says so, tcpsm slows down.
download() { # MODE
    serving || return
    get $four/bytes/$size -o "$tmp/got" || return
    same sum "$(sha256sum <"$tmp/got")" "$sum" || return
    negotiated "$1" && more reductions 3
}

# The other way round.
upload() { # MODE
    serving || return
    same answer "$(get -T "$tmp/file" -H Expect: $four/)" $size || return
    same sum "$(sha256sum <"$tmp/taken")" "$sum" || return
    negotiated "$1" && more ce 3 || return
    more_kernel TCPDeliveredCE "$delivered"
}

# tcpsm opens; Linux is the server.
fetch() { # MODE
    local web
    mark || return
    background c python3 -u -m http.server -d "$tmp" 8080
    web=$pid
    within 50 in_ns c bash -c ': </dev/tcp/127.0.0.1/8080' || return
    in_ns c env TCPSM_TEST_FLAGS="$flags" $bulk_ecn get 10.9.8.2 10.9.8.1 \
        8080 /file >"$tmp/got" 2>"$tmp/told"
    stop "$web" 2>/dev/null
    same sum "$(sha256sum <"$tmp/got")" "$sum" || return
    said=$(grep '^ecn_bulk:' "$tmp/told")
    case "$said" in "ecn_bulk: ecn $1 "*) ;; *)
        why="'$said', not ecn $1"
        return 1
        ;;
    esac
    more ce 3 || return
    more_kernel TCPDeliveredCE "$delivered"
}

classic_download() {
    asks 1 0 && download 1
}
classic_upload() {
    asks 1 0 && upload 1
}
classic_fetch() {
    asks 2 $classic && fetch 1
}
accurate_download() {
    asks 3 0 && download 2
}
accurate_upload() {
    asks 3 0 && upload 2
}
accurate_fetch() {
    asks 3 $accurate && fetch 2
}
# We ask for the accurate one, Linux knows the classic one only.
accurate_falls_back() {
    asks 2 $accurate && fetch 1
}
not_asked() {
    asks 0 0 && serving || return
    get $four/bytes/$size -o "$tmp/got" || return
    same sum "$(sha256sum <"$tmp/got")" "$sum" || return
    negotiated 0 && same reductions "${said##* }" 0
}

# The kernel's client asks for a cookie and uses it: its text is in the SYN
# the second time (TCPI_OPT_SYN_DATA), and the first bytes are there after
# one round trip.
fast_open() {
    asks 0 $fastopen || return
    in_ns c sysctl -q net.ipv4.tcp_fastopen=3 && serving || return
    same "what the client saw" "$(in_ns c timeout 20 python3 -c '
import socket
for i in range(3):
    s = socket.socket()
    s.sendto(b"GET / HTTP/1.0\r\n\r\n", socket.MSG_FASTOPEN,
             ("10.9.8.2", 80))
    got = b""
    while True:
        b = s.recv(4096)
        if not b:
            break
        got += b
    options = s.getsockopt(socket.IPPROTO_TCP, 11, 104)[5]
    print(int(b"tcpsm_conn" in got or b"200 OK" in got), options >> 5 & 1)
    s.close()' 2>&1 | tr '\n' ' ')" "1 0 1 1 1 1 " || return
    negotiated 0 1
}

start tun/bulk
if [ -z "$missing" ]; then
    check build_ecn || {
        echo "FAIL build: $why"
        failed=1
        finish
    }
    $bulk seq $size >"$tmp/file"
    sum=$(sha256sum <"$tmp/file")
fi
run classic_download curl nft
run classic_upload curl nft
run classic_fetch python3 nft
if [ -n "$missing" ] || in_ns c sysctl -q net.ipv4.tcp_ecn=3 2>/dev/null; then
    run accurate_download curl nft
    run accurate_upload curl nft
    run accurate_fetch python3 nft
fi # else the kernel knows no Accurate ECN, and there is nobody to talk to
run accurate_falls_back python3 nft
run not_asked curl nft
run fast_open python3
finish
