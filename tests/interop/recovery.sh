#!/bin/bash
# recovery.sh - tcpsm and Linux through 2 % loss in each direction. Needs
# root. bench/lab_kernel.py measures the same, and more, with many runs.

. "$(dirname "$0")/common.bash"

size=5000000
path=(rate=50000000 delay=5000 queue_ms=50 loss=20000 seed=11)
declare -A took # in milliseconds, by who sends

timed() { # WHO COMMAND...
    local who=$1 t=${EPOCHREALTIME/./}
    shift
    "$@" || return
    took[$who]=$(((${EPOCHREALTIME/./} - t) / 1000))
}

fetch() { # URL
    get --retry 9 --retry-delay 1 --retry-connrefused -o "$tmp/got" "$1"
}

same_file() { # FILE
    same sum "$(sha256sum <"$1")" "$sum"
}

linux_retransmits() {
    in_ns c awk '/^Tcp:/ && $13 + 0 > 0 { n = $13 } END { print n + 0 }' \
        /proc/net/snmp
}

tcpsm_to_linux() {
    through_relay $bulk --ring 1048576 serve "$tmp/taken" -- "${path[@]}" ||
        return
    timed tcpsm fetch $four/bytes/$size || return
    same_file "$tmp/got" || return
    # The last ACK of the close may be lost, so the log may come later.
    within 100 grep -q ' gave ' "$tmp"/out.* || return
    check grep -Eq "gave $size bytes.* [1-9][0-9]* retransmitted" \
        "$tmp"/out.*
}

linux_to_tcpsm() {
    local before
    through_relay $bulk --ring 1048576 serve "$tmp/taken" -- "${path[@]}" ||
        return
    before=$(linux_retransmits)
    same answer "$(get -T "$tmp/file" -H Expect: $four/)" $size || return
    same_file "$tmp/taken" || return
    [ "$(linux_retransmits)" -gt "$before" ] || {
        why="no retransmission: was there any loss?"
        return 1
    }
}

linux_to_linux() {
    through_relay python3 -u -c '
import functools, http.server, socket, sys
class Files(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *a): pass
s = http.server.HTTPServer(("", 80), functools.partial(
    Files, directory=sys.argv[1]))
# One CUBIC against another, whatever the default is here.
s.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_CONGESTION, b"cubic")
print("python is up")
s.serve_forever()' "$tmp" -- "${path[@]}" || {
        why="no server: $(tail -n 1 "$out")"
        return 1
    }
    timed linux fetch http://10.9.7.2/file || return
    same_file "$tmp/got"
}

# Generously: each is one short sample. Which packets are lost is the same
# for both, but not what this means to them.
not_far_behind() {
    [ -n "${took[tcpsm]:-}" ] && [ -n "${took[linux]:-}" ] || {
        why="not both were measured"
        return 1
    }
    echo "# tcpsm ${took[tcpsm]} ms, Linux ${took[linux]} ms:" \
        "$((100 * took[linux] / took[tcpsm])) % of its goodput"
    [ $((2 * took[linux])) -gt "${took[tcpsm]}" ] || {
        why="tcpsm took ${took[tcpsm]} ms, Linux ${took[linux]} ms"
        return 1
    }
}

start tun/bulk
if [ -z "$missing" ]; then
    $bulk seq $size >"$tmp/file"
    sum=$(sha256sum <"$tmp/file")
fi
run tcpsm_to_linux curl
run linux_to_tcpsm curl
run linux_to_linux curl python3
run not_far_behind curl python3
finish
