#!/bin/bash
# migrate.sh - build/migrate against curl: a transfer moves from one process
# to another and back while it runs, and nobody notices. Needs root.

. "$(dirname "$0")/common.bash"

migrate=build/migrate
size=67108864 part=16777216

usage() {
    check $migrate --help || return
    $migrate --bad >"$log" 2>&1
    same "exit status for a bad option" $? 2 || return
    $migrate --times many >"$log" 2>&1
    same "exit status for a bad number" $? 2 || return
    $migrate more >"$log" 2>&1
    same "exit status for an argument" $? 2
}

# moving N OPTION...: the program, in namespace c, moving N times a transfer
moving() {
    serve $migrate --times "$@" || return
    said=$out
}

# moved WHAT TIMES [BYTES]: the last transfer, as the program tells it
moved() {
    local size=${3:-$size}
    within 20 grep -q "$1 $size bytes" "$said" || {
        why="it does not say that it $1 anything: $(tail -n 3 "$said")"
        return 1
    }
    same "moves" "$(grep -c -- "->.* of $size bytes" "$said")" "$2" || return
    same "what it says" "$(grep "$1 $size bytes" "$said" |
        sed 's/.*, //')" "moved $2 times"
}

# quiet: ends the program; no reset was sent, no connection failed, and the
# device went with it. A tail loss probe may have repeated a segment where
# somebody had to wait for a processor: a few, where none is lost.
quiet() {
    stop "$server"
    same "exit status" $? 0 || return
    server=
    same "processes that report" "$(grep -c 'resets' "$said")" 2 || return
    same "troubles" "$(grep 'resets' "$said" |
        grep -vc ' [0-9] sent again, 0 resets, 0 failed')" 0 || {
        why="$why: $(grep resets "$said" | tr '\n' ' ')"
        return 1
    }
    if in_ns c ip link show tcpsm0 >"$log" 2>&1; then
        why="the device is still there"
        return 1
    fi
}

download() { # URL
    same "sum" "$(get "$1/bytes/$size" | sha256sum)" "$sum"
}
upload() { # URL
    same "answer" "$(get -T "$tmp/part" "$1/" 2>&1)" "$part bytes, 0 wrong"
}
few() { # URL: there and back, not so many
    same "sum" "$(get "$1/bytes/3000000" | sha256sum)" \
        "$(head -c 3000000 "$tmp/file" | sha256sum)" || return
    head -c 3000000 "$tmp/file" >"$tmp/few"
    same "answer" "$(get -T "$tmp/few" "$1/" 2>&1)" "3000000 bytes, 0 wrong"
}

never_moved() {
    moving 0 && download $four && moved gave 0 && quiet
}
half_way_ipv4() {
    moving 1 && download $four && moved gave 1 && quiet
}
half_way_ipv6() {
    moving 1 && download $six && moved gave 1 && quiet
}
many_times_ipv4() {
    moving 200 && download $four && moved gave 200 && quiet
}
many_times_ipv6() {
    moving 200 && download $six && moved gave 200 && quiet
}
upload_ipv4() {
    moving 1 && upload $four && moved took 1 $part && quiet
}
upload_many_times_ipv6() {
    moving 200 && upload $six && moved took 200 $part && quiet
}

# Rings of any size, larger ones and smaller ones by turns
small_rings() {
    moving 20 --ring 5000 || return
    same "sum" "$(get $four/bytes/3000000 | sha256sum)" \
        "$(head -c 3000000 "$tmp/file" | sha256sum)" || return
    quiet
}

# Several at once: whenever one is far enough, all of them move.
several() {
    local i pids=()
    moving 10 || return
    for i in 1 2 3 4 5 6; do
        if [ $((i % 2)) = 0 ]; then
            get "$four/bytes/9000000" >"$tmp/got.$i" &
        else
            get "$six/bytes/9000000" >"$tmp/got.$i" &
        fi
        pids+=($!)
    done
    for i in "${pids[@]}"; do
        wait "$i" || {
            why="curl: exit status $?"
            return 1
        }
    done
    head -c 9000000 "$tmp/file" >"$tmp/want"
    for i in 1 2 3 4 5 6; do
        check cmp "$tmp/want" "$tmp/got.$i" || return
    done
    quiet
}

# A reader that stops: nothing moves while nothing is due, and then on it
# goes, with a window that was shut at the move.
slow_reader() {
    moving 5 || return
    same "sum" "$(get --limit-rate 20M $four/bytes/20000000 | sha256sum)" \
        "$(head -c 20000000 "$tmp/file" | sha256sum)" || return
    quiet
}

# The client gives up in the middle, after a move: that is a failure of this
# connection alone.
client_leaves() {
    moving 3 || return
    get -m 1 --limit-rate 1M $four/bytes/$size >/dev/null 2>&1
    upload $six
}

# The process to move to is gone: the other ends, with status 1.
one_dies() {
    local status
    moving 1 || return
    kill -KILL "$(pgrep -P "$server")"
    wait "$server"
    status=$? server=
    same "exit status" $status 1 || return
    if in_ns c ip link show tcpsm0 >"$log" 2>&1; then
        why="the device is still there"
        return 1
    fi
}

# Every hundredth packet is lost, either way, and it moves all the time.
lossy() {
    local status
    moving 50 || return
    in_ns c nft -f - <<'END' || return
table inet lossy {
    chain in { type filter hook prerouting priority 0
        iifname "tcpsm0" numgen random mod 100 0 drop; }
    chain out { type filter hook output priority 0
        oifname "tcpsm0" numgen random mod 100 0 drop; }
}
END
    few $four && few $six
    status=$?
    in_ns c nft delete table inet lossy
    [ $status = 0 ] || return
    stop "$server"
    server=
    same "processes without a reset or a failure" \
        "$(grep -c ' 0 resets, 0 failed' "$said")" 2
}

# As an independent dissector sees it: one connection without a flaw.
capture() {
    moving 30 || return
    background c tshark -q -i tcpsm0 -s 100 -B 64 -w "$tmp/move.pcapng"
    capturing=$pid
    within 100 grep -q "Capturing on" "$out" || {
        why="no capture: $(tail -n 1 "$out")"
        return 1
    }
    sleep 0.5
    same "sum" "$(get $four/bytes/8000000 | sha256sum)" \
        "$(head -c 8000000 "$tmp/file" | sha256sum)" || return
    same "sum" "$(get $six/bytes/8000000 | sha256sum)" \
        "$(head -c 8000000 "$tmp/file" | sha256sum)" || return
    capture_off
    same "resets" "$(tshark -r "$tmp/move.pcapng" \
        -Y 'tcp.flags.reset == 1' 2>/dev/null | wc -l)" 0 || return
    same "segments that came twice, or are missing" \
        "$(tshark -r "$tmp/move.pcapng" -Y 'tcp.analysis.retransmission ||
            tcp.analysis.lost_segment || tcp.analysis.out_of_order ||
            tcp.analysis.duplicate_ack || tcp.analysis.ack_lost_segment' \
            2>/dev/null | wc -l)" 0 || return
    same "connections" "$(tshark -r "$tmp/move.pcapng" -T fields \
        -e tcp.stream 2>/dev/null | sort -u | wc -l)" 2 || return
    quiet
}

start
if [ -z "$missing" ]; then
    build migrate || {
        echo "FAIL build: $(tail -n 3 "$log" | tr '\n' ' ')"
        failed=1
        finish
    }
    $bulk seq $size >"$tmp/file"
    head -c $part "$tmp/file" >"$tmp/part"
    sum=$(sha256sum <"$tmp/file")
fi
run usage
run never_moved curl
run half_way_ipv4 curl
run half_way_ipv6 curl
run many_times_ipv4 curl
run many_times_ipv6 curl
run upload_ipv4 curl
run upload_many_times_ipv6 curl
run small_rings curl
run several curl
run slow_reader curl
run client_leaves curl
run one_dies pgrep
run lossy curl nft
run capture curl tshark
finish
