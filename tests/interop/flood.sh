#!/bin/bash
# flood.sh - tun-httpd under floods of SYNs, resets, ACKs and random segments
# from addresses that do not answer. Linux's TCP connects by cookie meanwhile,
# through a network that loses a packet in a thousand. Needs root.

. "$(dirname "$0")/common.bash"

flood=build/tests/support/flood idler=build/tests/support/idle
hundred=104857600
entries=64 # of the SYN table

# c, the clients - relay - s, where the server is. The flood begins in s,
# from which nothing leads to where it says that it comes from.
arena() {
    through_relay $httpd --idle 600 --put "$tmp/put" --syn-entries $entries \
        -- loss=1000 || return
    ip -n "$(ns s)" route add blackhole 198.18.0.0/15
    ip -n "$(ns s)" route add blackhole 2001:2::/48
}

# What a flood must not change. The heap is that of the process: what the
# stack has, it has from the beginning.
snapshot() {
    stat connections rings clients orphans unaccepted | tr '\n' ' '
    awk '/^VmData/ { print $2 }' /proc/$server/status
}

# by_cookie COMMAND...: during which one connection more than the one that
# asks is made by cookie. Once in a thousand times an entry is free.
by_cookie() {
    local before i
    for i in 1 2 3; do
        before=$(stat cookies_good)
        "$@" || return
        [ $(($(stat cookies_good) - before)) -ge 2 ] && return
    done
    why="no cookie came back ($me:${BASH_LINENO[0]})"
    return 1
}

# A download that lasts until established_is_intact.
long_download() { # ADDRESS
    rm -f "$tmp/end"
    background c python3 $many long_download "$1" $hundred "$tmp/end"
    long=$pid long_out=$out
    within 50 grep -q begun "$out"
}
established_is_intact() {
    touch "$tmp/end"
    [ -n "$long" ] && wait "$long"
    long=
    same sum "$(tail -n 1 "$long_out")" "$hundred_sum"
}

# sacks in|out COMMAND...: during which SACK blocks go that way
sacks() {
    local n status way=$1
    shift
    in_ns c nft -f - <<'NFT' || return
table inet sacks {
    chain in {
        type filter hook input priority 0
        tcp sport 80 tcp option sack exists counter
    }
    chain out {
        type filter hook output priority 0
        tcp dport 80 tcp option sack exists counter
    }
}
NFT
    "$@"
    status=$?
    n=$(in_ns c nft list chain inet sacks "$way" |
        sed -n 's/.*packets \([0-9]*\).*/\1/p')
    in_ns c nft delete table inet sacks
    [ $status = 0 ] || return
    check test "$n" -gt 0
}

# ---- SYNs -------------------------------------------------------------------

flooder=
syn_flood() { # until it is stopped
    [ -n "$flooder" ] && return
    before=$(snapshot)
    long_download 10.9.8.2 || return
    background s $flood --rate 5000 syn 10.9.8.2 80
    flooder=$pid
    settles half_open $entries || return
    check test "$(stat cookies_sent)" -gt 0
}

download_by_cookie() {
    syn_flood || return
    sacks out by_cookie python "$hundred_sum timestamps sack scale 1448" \
        download 10.9.8.2 $hundred || return
    by_cookie python "$hundred_sum timestamps sack scale 1428" \
        download fd09:8::2 $hundred || return
    same "half-open ones" "$(stat half_open)" $entries
}

upload_by_cookie() {
    syn_flood || return
    sacks in by_cookie python "$hundred timestamps sack scale" \
        upload 10.9.8.2 "$tmp/hundred" up || return
    arrived "$tmp/hundred" <"$tmp/put/up"
}

# The cookie itself has no room for them.
without_timestamps() {
    local status
    syn_flood || return
    in_ns c sysctl -q net.ipv4.tcp_timestamps=0
    by_cookie python "$million_sum 1460" download 10.9.8.2 1000000
    status=$?
    in_ns c sysctl -q net.ipv4.tcp_timestamps=1
    return $status
}

many_by_cookie() {
    local given
    syn_flood || return
    given=$(stat cookies_good)
    background c $idler 100 80 10.9.8.2 fd09:8::2
    within 100 grep -q '100 open' "$out" || {
        why="not all are open: $(cat "$out")"
        return 1
    }
    check test $(($(stat cookies_good) - given)) -ge 95 || return
    kill -USR1 "$pid"
    wait "$pid"
    status_is $? 0 "$out"
}

established_meanwhile() { # what began before the flood
    syn_flood && established_is_intact
}

# The table is as full as before, and nothing else is left of it all.
nothing_allocated() {
    syn_flood && established_is_intact || return
    settles connections 1 || return
    same "half-open ones" "$(stat half_open)" $entries || return
    kill "$flooder"
    wait "$flooder"
    same "connections, rings, clients, orphans, unaccepted ones, heap" \
        "$(snapshot)" "$before"
}

# ---- everything else --------------------------------------------------------

# Of 50 connections that idle, and a download, the floods know one. It gets
# so many resets that some are in its window of 2^18.
blind_floods() {
    local idle_pid idle_out port kind resets challenges n
    background c $idler 50 80 10.9.8.2 fd09:8::2
    idle_pid=$pid idle_out=$out
    within 100 grep -q '50 open' "$out" || return
    port=$(in_ns c ss -Htn dst 10.9.8.2 | awk '{ sub(/.*:/, "", $4); print $4 }' |
        head -n 1)
    long_download fd09:8::2 || return
    before=$(snapshot)
    resets=$(stat resets) challenges=$(stat challenges)
    for kind in rst ack random; do
        [ $kind = rst ] && n=120000 || n=5000
        in_ns s $flood --rate 10000 --count 5000 $kind 10.9.8.2 80 \
            >"$log" || return
        in_ns s $flood --rate 10000 --count 5000 $kind fd09:8::2 80 \
            >"$log" || return
        in_ns s $flood --rate 60000 --count $n --from 10.9.7.1 \
            --port "$port" $kind 10.9.8.2 80 >"$log" || return
    done
    same "connections, rings, clients, orphans, unaccepted ones, heap" \
        "$(snapshot)" "$before" || return
    # 20 000 of these segments deserved one; there are about 200 a second.
    resets=$(($(stat resets) - resets))
    check test $resets -gt 0 || return
    check test $resets -lt 4000 || return
    check test "$(stat resets_held_back)" -gt 0 || return
    check test "$(stat challenges)" -gt "$challenges" || return
    kill -USR1 "$idle_pid"
    wait "$idle_pid"
    status_is $? 0 "$idle_out" || return
    established_is_intact
}

start tun-httpd tun/bulk tests/support/flood tests/support/idle
if [ -z "$missing" ]; then
    mkdir "$tmp/put"
    $bulk seq $hundred >"$tmp/hundred"
    hundred_sum=$(sum_of $hundred)
    million_sum=$(sum_of 1000000)
    arena || {
        echo "FAIL start: $why"
        failed=1
        finish
    }
fi
run syn_flood curl python3
run download_by_cookie python3 curl nft
run upload_by_cookie python3 curl nft
run without_timestamps python3 curl
run many_by_cookie curl
run established_meanwhile python3
run nothing_allocated curl
run blind_floods curl ss python3
finish
