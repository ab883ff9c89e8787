#!/bin/bash
# hello.sh - examples/tun against Linux's own TCP: curl and other clients in
# a network namespace with a TUN device, over IPv4 and IPv6. Needs root.

. "$(dirname "$0")/common.bash"

usage() {
    check $hello --help || return
    $hello --bad >"$log" 2>&1
    same "exit status for a bad option" $? 2 || return
    $hello --mtu 67 >"$log" 2>&1
    same "exit status for MTU 67" $? 2 || return
    $bulk nonsense >"$log" 2>&1
    same "exit status for a bad command" $? 2 || return
    in_ns c $hello --device t1 --ipv4 10.0.0.1 >"$log" 2>&1
    same "exit status for an address without a prefix" $? 2 || return
    in_ns c $hello --device lo >"$log" 2>&1
    same "exit status for a device that is not TUN" $? 1 || return
    same "bulk seq" "$($bulk seq 10000000 | sha256sum)" \
        "$(seq 100000000 199999999 | head -c 10000000 | sha256sum)"
}

get_ipv4() {
    same answer "$(get $four/ 2>&1)" "$page"
}
get_ipv6() {
    same answer "$(get $six/ 2>&1)" "$page"
}
any_address() {
    same answer "$(get http://10.9.8.77/ 2>&1)" "$page" || return
    same answer "$(get 'http://[fd09:8::1234]/' 2>&1)" "$page"
}
several_in_a_row() {
    local i
    for i in 1 2 3 4 5 6 7 8 9 10; do
        same "answer $i" "$(get $four/ 2>&1)" "$page" || return
        same "answer $i" "$(get $six/ 2>&1)" "$page" || return
    done
}
same_ports_again() { # RFC 6191: the SYN hits what was our TIME-WAIT
    local i
    for i in 1 2 3 4 5; do
        same "answer $i" "$(get --local-port 40000 $four/ 2>&1)" "$page" ||
            return
    done
}

refused() { # URL: curl's exit status 7, and why
    get "$1" -v >"$tmp/curl" 2>&1
    same "curl's exit status" $? 7 || return
    check grep -q "Connection refused" "$tmp/curl"
}
closed_port() {
    refused $four:81/ || return
    refused $six:81/ || return
    same "the next answer" "$(get $four/ 2>&1)" "$page"
}

half_close() { python_client "$page" half_close; }
asks_nothing() { python_client "" asks_nothing && get_ipv4; }
dribble() { python_client "$page" dribble; }
urgent() { python_client "$page" urgent; }
kept_alive() { python_client "$page" kept_alive; }
negotiated() { python_client "timestamps sack scale" negotiated; }
stalled_echo() { python_client same stalled_echo 3000000 1; }
reset_in_head() { python_client "" reset_in_head && get_ipv4; }
reset_in_body() { python_client "" reset_in_body && get_ipv6; }

malformed() { python_client "" malformed && get_ipv4; }

# Nothing at all happens on an idle connection: no packet, no wake-up.
idle() {
    local before after
    background c python3 $client idle 10.9.8.2 3
    within 50 grep -q connected "$out" || {
        why="the client does not connect: $(cat "$out")"
        return 1
    }
    sleep 0.5 # a delayed ACK may still be due
    before=$(activity)
    sleep 2
    after=$(activity)
    wait "$pid"
    same "activity" "$after" "$before" || return
    same answer "$(tail -n 1 "$out")" "$page"
}
activity() {
    grep voluntary_ctxt /proc/$server/status | tr -d '\n'
    ip -n "$(ns c)" -s link show dev tcpsm0 | tail -n 4 | tr -s ' \n' ' '
}

small_ring() { # the request wraps many times over
    python_client "$page" long_head 1500
}

echo_small() {
    seq 1 20000 >"$tmp/file"
    echo_file $four && echo_file $six
}
echo_small_ring() { echo_small; }
echo_nothing() {
    : >"$tmp/file"
    echo_file $four
}
echo_gib() {
    same "what came back" "$(get -T "$tmp/gib" -H Expect: $four/ |
        sha256sum)" "$gib_sum"
}

# Under a capture, with a device of that MTU: nothing is longer.
mtu() { # MTU ADDRESS...
    local mtu=$1 a longest
    shift
    serve $hello --mtu "$mtu" || return
    capture_on c "$tmp/mtu.pcapng" || return
    seq 1 100000 >"$tmp/file"
    for a in "$@"; do echo_file "$a" || return; done
    capture_off
    longest=$(tshark -r "$tmp/mtu.pcapng" -T fields -e ip.len \
        -e ipv6.plen -Y tcp 2>/dev/null |
        awk '{ if ($1 < 1 && $2 + 40 > m) m = $2 + 40
               if ($1 > m) m = $1 } END { print m }' FS='\t')
    same "the longest packet" "$longest" "$mtu"
}
mtu_128() { mtu 128 $four; } # Linux has no MSS below 48
mtu_576() { mtu 576 $four; }
mtu_1280() { mtu 1280 $four $six; }
mtu_9000() { mtu 9000 $four $six; }

# A run without trouble, as an independent dissector sees it: sequence
# numbers, checksums, options, and nothing worth a note but the tail loss
# probes of a machine that is busy.
capture() {
    serve $hello || return
    capture_on c "$tmp/run.pcapng" || return
    seq 1 10000 >"$tmp/file"
    get_ipv4 && get_ipv6 && echo_file $four && echo_file $six || return
    capture_off
    tshark -r "$tmp/run.pcapng" -o tcp.check_checksum:TRUE \
        -o ip.check_checksum:TRUE -q -z expert,note >"$tmp/expert" 2>&1
    same "connections that ended in order" \
        "$(tshark -r "$tmp/run.pcapng" -Y 'tcp.flags.fin == 1' 2>/dev/null |
            wc -l)" 8 || return
    same "resets" "$(tshark -r "$tmp/run.pcapng" \
        -Y 'tcp.flags.reset == 1' 2>/dev/null | wc -l)" 0 || return
    same "expert complaints" \
        "$(grep -E '^ +[0-9]+ ' "$tmp/expert" |
            grep -v 'This frame .* the connection closing' |
            grep -vE '^ +[1-4] .*(D-SACK|retransmission|Duplicate ACK)' |
            tr -s ' \n' ' ')" ""
}

interrupted() { # SIGINT: the peer is told, the status is 0, no device left
    local status
    serve $hello || return
    background c python3 $client reset_by_server 10.9.8.2 10
    within 50 grep -q connected "$out" || return
    sleep 0.2
    kill -INT "$server"
    wait "$server"
    status=$? server=
    wait "$pid"
    same "exit status" $status 0 || return
    same "the client saw" "$(tail -n 1 "$out")" reset || return
    if in_ns c ip link show tcpsm0 >"$log" 2>&1; then
        why="the device is still there"
        return 1
    fi
}

download_gib() {
    same "sum" "$(get $1/bytes/$gib | sha256sum)" "$gib_sum"
}
download_ipv4() { download_gib $four; }
download_ipv6() { download_gib $six; }
upload_gib() { # URL
    same answer "$(get -T "$tmp/gib" "$1/" 2>&1)" $gib || return
    same sum "$(sha256sum <"$tmp/taken")" "$gib_sum"
}
upload_ipv4() { upload_gib $four; }
upload_ipv6() { upload_gib $six; }
parallel() { # one connection, three clients: the others wait for their turn
    local i pids=()
    for i in 1 2 3; do
        get $four/bytes/1000000 | sha256sum >"$tmp/sum.$i" &
        pids+=($!)
    done
    wait "${pids[@]}"
    for i in 1 2 3; do
        same "sum $i" "$(cat "$tmp/sum.$i")" "$million_sum" || return
    done
}
half_close_download() {
    python_client "${million_sum%% *}" half_close_bytes 1000000
}
stalled_reader() {
    python_client "${million_sum%% *}" stalled 1000000 2
}
not_http() {
    same status "$(get -o "$log" -w '%{http_code}' -X DELETE $four/)" 501 ||
        return
    same status "$(echo x | get -o "$log" -w '%{http_code}' -T - $four/)" 411
}

trouble() { # BYTES -- WHAT=NUMBER...: through which the bytes must come back
    local n=$1
    shift
    through_relay $hello "$@" || return
    $bulk seq "$n" >"$tmp/file"
    echo_file $four && echo_file $six
}
loss() { trouble 3000000 -- loss=10000 delay=1000; }
heavy_loss() { trouble 100000 -- loss=100000 delay=1000 seed=7; }
reordering() { trouble 3000000 -- reorder=50000 held=3000 delay=1000; }
duplication() { trouble 3000000 -- dup=100000 delay=1000; }
corruption() { trouble 3000000 -- corrupt=5000 delay=1000; }
everything_at_once() {
    trouble 3000000 -- loss=5000 reorder=20000 dup=20000 corrupt=2000 \
        delay=2000 seed=3
}
bottleneck() { # drop-tail behind a slow link: congestion control at work
    trouble 3000000 -- rate=50000000 delay=5000 queue=40
}

start
if [ -z "$missing" ]; then
    $bulk seq $gib >"$tmp/gib"
    gib_sum=$(sha256sum <"$tmp/gib")
    million_sum=$($bulk seq 1000000 | sha256sum)
    serve $hello || {
        echo "FAIL start: $why"
        failed=1
        finish
    }
fi
run usage seq
run get_ipv4 curl
run get_ipv6 curl
run any_address curl
run several_in_a_row curl
run same_ports_again curl
run closed_port curl
run half_close python3
run asks_nothing python3 curl
run dribble python3
run urgent python3
run negotiated python3
run kept_alive python3
run stalled_echo python3
run idle python3
run reset_in_head python3 curl
run reset_in_body python3 curl
run malformed python3 curl
run echo_small curl
run echo_nothing curl
run echo_gib curl

[ -z "$missing" ] && serve $hello --ring 256
run small_ring python3
run echo_small_ring curl
run mtu_128 curl tshark
run mtu_576 curl tshark
run mtu_1280 curl tshark
run mtu_9000 curl tshark
run capture curl tshark
run interrupted python3

[ -z "$missing" ] && serve $bulk serve "$tmp/taken"
run download_ipv4 curl
run download_ipv6 curl
run upload_ipv4 curl
run upload_ipv6 curl
run parallel curl
run half_close_download python3
run stalled_reader python3
run not_http curl

run loss curl
run heavy_loss curl
run reordering curl
run duplication curl
run corruption curl
run everything_at_once curl
run bottleneck curl
finish
