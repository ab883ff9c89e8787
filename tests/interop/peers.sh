#!/bin/bash
# peers.sh - examples/tun against Linux's TCP in other roles and moods: as a
# server, refusing, resetting, opening and closing at the same moment, with
# options turned off, behind a narrower link. Needs root.

. "$(dirname "$0")/common.bash"

peer=tests/interop/server.py

# listening WHAT ADDRESS PORT ARGUMENTS...: server.py in namespace c
listening() {
    background c python3 $peer "$@"
    within 50 grep -q ready "$out" || {
        why="no server: $(cat "$out")"
        return 1
    }
}

# opener COMMAND...: bulk in namespace c, with its own device and a time
# limit; what it prints goes to $tmp/printed. The kernel's addresses exist
# only with the device, so a server must bind to any or to those later.
opener() {
    in_ns c timeout 30 $bulk "$@" >"$tmp/printed" 2>"$log"
}

get_from() { # LOCAL REMOTE
    listening bytes_of :: 8080 "$tmp/file" || return
    opener get "$1" "$2" 8080 /
    status_is $? 0 || return
    same sum "$(sha256sum <"$tmp/printed")" "$(sha256sum <"$tmp/file")" ||
        return
    stop "$pid"
    return 0
}
active_ipv4() { get_from 10.9.8.2 10.9.8.1; }
active_ipv6() { get_from fd09:8::2 fd09:8::1; }

refused() {
    opener get 10.9.8.2 10.9.8.1 8081 /
    status_is $? 3 || return
    opener get fd09:8::2 fd09:8::1 8081 /
    status_is $? 3
}
unreachable() { # port unreachable by ICMP: hard, and before ESTABLISHED
    local status
    in_ns c nft -f - <<'NFT' || return
table inet t {
    chain c {
        type filter hook input priority 0
        tcp dport 8082 reject with icmpx type port-unreachable
    }
}
NFT
    opener get 10.9.8.2 10.9.8.1 8082 /
    status_is $? 6
    status=$?
    if [ $status = 0 ]; then
        opener get fd09:8::2 fd09:8::1 8082 /
        status_is $? 6
        status=$?
    fi
    in_ns c nft delete table inet t
    return $status
}
reset() { # what came before the reset is still delivered
    listening resets :: 8083 || return
    opener get 10.9.8.2 10.9.8.1 8083 /
    status_is $? 4 || return
    same body "$(cat "$tmp/printed")" abc || return
    stop "$pid"
    return 0
}
simultaneous_close() {
    listening closes :: 8084 || return
    opener cross 10.9.8.2 10.9.8.1 8084
    status_is $? 0 || return
    same states "$(tr '\n' ' ' <"$tmp/printed")" \
        "FIN-WAIT-1 CLOSING TIME-WAIT " || return
    same "kernel's state" "$(in_ns c ss -Htan 'sport = :8084' |
        awk '$1 != "LISTEN" { print $1 }')" TIME-WAIT || return
    stop "$pid"
    return 0
}
simultaneous_open() {
    background c timeout 30 $bulk meet 10.9.8.2 10.9.8.1 8085
    local bulk_pid=$pid bulk_out=$out
    within 50 grep -q 'is up' "$out" || return
    listening meet 10.9.8.1 8085 10.9.8.2 || return
    wait "$bulk_pid"
    same "exit status" $? 0 || return
    wait "$pid"
    same "kernel's exit status" $? 0 || return
    same "first states" "$(grep -m 2 -e '^[A-Z]' "$bulk_out" | tr '\n' ' ')" \
        "SYN-SENT SYN-RECEIVED " || return
    check grep -qx hello "$bulk_out" || return
    check grep -qx met "$out"
}

# setting NAME=VALUE...: of the kernel, while hello passes the usual things
setting() {
    local s old status=0
    for s in "$@"; do
        old="${old:-} ${s%=*}=$(in_ns c sysctl -n "${s%=*}")"
        in_ns c sysctl -q "$s" || return
    done
    seq 1 200000 >"$tmp/file"
    echo_file $four && echo_file $six || status=1
    # shellcheck disable=SC2086
    in_ns c sysctl -q $old
    return $status
}
no_timestamps() {
    setting net.ipv4.tcp_timestamps=0 &&
        setting_shows "sack scale" net.ipv4.tcp_timestamps
}
no_sack() {
    setting net.ipv4.tcp_sack=0 &&
        setting_shows "timestamps scale" net.ipv4.tcp_sack
}
no_scale() {
    setting net.ipv4.tcp_window_scaling=0 &&
        setting_shows "timestamps sack" net.ipv4.tcp_window_scaling
}
no_options() {
    setting net.ipv4.tcp_timestamps=0 net.ipv4.tcp_sack=0 \
        net.ipv4.tcp_window_scaling=0
}
# setting_shows WORDS SYSCTL: Linux agrees on what was negotiated
setting_shows() {
    local status
    in_ns c sysctl -q "$2=0"
    python_client "$1" negotiated
    status=$?
    in_ns c sysctl -q "$2=1"
    return $status
}
ecn_asked_for() { # ECE and CWR on the SYN: classic ECN is declined
    setting net.ipv4.tcp_ecn=1
}
data_on_syn() { # TCP Fast Open without a cookie: data that we need not take
    local old
    old=$(in_ns c sysctl -n net.ipv4.tcp_fastopen)
    in_ns c sysctl -q net.ipv4.tcp_fastopen=5
    same answer "$(get --tcp-fastopen $four/ 2>&1)" "$page" &&
        same answer "$(get --tcp-fastopen $six/ 2>&1)" "$page"
    local status=$?
    in_ns c sysctl -q net.ipv4.tcp_fastopen="$old"
    return $status
}

# Path MTU discovery: hello's device takes 1500 bytes, the link between s
# and c, of which c's end knows nothing, only 1300. Segments are resent in
# the smaller size, and from then on none is longer.
path_mtu() {
    [ -n "$server" ] && stop "$server"
    background s $bulk serve
    server=$pid
    within 50 grep -q 'is up' "$out" || return
    ip -n "$(ns s)" link add v1 mtu 1300 type veth \
        peer name v0 netns "$(ns c)" || return
    ip -n "$(ns c)" addr add 10.9.6.1/24 dev v0
    ip -n "$(ns s)" addr add 10.9.6.2/24 dev v1
    ip -n "$(ns c)" addr add fd09:6::1/64 dev v0 nodad
    ip -n "$(ns s)" addr add fd09:6::2/64 dev v1 nodad
    ip -n "$(ns c)" link set v0 up mtu 1500
    ip -n "$(ns s)" link set v1 up
    ip -n "$(ns c)" route add 10.9.8.0/24 via 10.9.6.2
    ip -n "$(ns c)" route add fd09:8::/64 via fd09:6::2
    in_ns s sysctl -q net.ipv4.ip_forward=1 net.ipv6.conf.all.forwarding=1
    capture_on s "$tmp/mtu.pcapng" || return
    same sum "$(get $four/bytes/1000000 | sha256sum)" "$million_sum" ||
        return
    same sum "$(get $six/bytes/1000000 | sha256sum)" "$million_sum" ||
        return
    capture_off
    tshark -r "$tmp/mtu.pcapng" -T fields -e frame.number -e icmp.mtu \
        -e icmpv6.mtu -e ip.src -e ip.len -e ipv6.src -e ipv6.plen \
        2>/dev/null >"$tmp/packets"
    # The addresses are lists where ICMP quotes: those lines are not ours.
    same "what ICMP said and the longest packet after it" \
        "$(awk -F '\t' '
            $2 != "" { mtu4 = $2; m4 = 0 }
            $3 != "" { mtu6 = $3; m6 = 0 }
            $4 == "10.9.8.2" && $5 > m4 { m4 = $5 }
            $6 == "fd09:8::2" && $7 + 40 > m6 { m6 = $7 + 40 }
            END { print mtu4, m4, mtu6, m6 }' "$tmp/packets")" \
        "1300 1300 1300 1300"
}

start
[ -z "$missing" ] && $bulk seq 20000000 >"$tmp/file"
run active_ipv4 python3
run active_ipv6 python3
run refused
run unreachable nft
run reset python3
run simultaneous_close python3 ss
run simultaneous_open python3

[ -z "$missing" ] && {
    million_sum=$($bulk seq 1000000 | sha256sum)
    serve $hello || {
        echo "FAIL start: $why"
        failed=1
        finish
    }
}
run no_timestamps curl python3
run no_sack curl python3
run no_scale curl python3
run no_options curl
run ecn_asked_for curl
run data_on_syn curl
run path_mtu curl tshark
finish
