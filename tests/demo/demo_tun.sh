#!/bin/bash
# `make demo-tun`: what it draws is what TCP does, and nothing stays behind.
# Needs root, but for the part that says so.
cd "$(dirname "$0")/../.." && . tests/check.bash

# Without root it says what to do. By standard input, for nobody may not
# enter every directory that root may.
as_nobody=
[ "$(id -u)" != 0 ] || as_nobody="setpriv --reuid=65534 --clear-groups"
$as_nobody bash -s <examples/tun/demo.sh >"$tmp/plain" 2>&1
same without-root-exit-status 3 $?
check without-root-says-what-to-do grep -q 'sudo make demo-tun' "$tmp/plain"

name=demo-tun
if [ "$(id -u)" != 0 ]; then
    skip $name "needs root"
    finish
fi
need $name ip curl python3
if [ ! -c /dev/net/tun ]; then
    skip $name "no /dev/net/tun"
    finish
fi
if ! ip netns add "tcpsm-probe-$$" 2>/dev/null; then
    skip $name "no network namespaces"
    finish
fi
ip netns del "tcpsm-probe-$$"

make -s build/tun-httpd build/tun/draw >"$tmp/make" 2>&1 || {
    tail -n 5 "$tmp/make"
    fail $name "does not build"
    finish
}
before=$(ip netns list | grep -c tcpsm-demo)
FILE=$tmp/demo.pcapng timeout 60 examples/tun/demo.sh >"$tmp/demo" 2>&1
same exit-status 0 $?
[ $failed = 0 ] || sed 's/^/  | /' "$tmp/demo"
same no-namespace-left "$before" "$(ip netns list | grep -c tcpsm-demo)"

# scene N, without the times
scene() {
    awk -v n="$1" '/^[0-9]  / { on = $1 == n } on' "$tmp/demo" |
        sed 's/^ *[0-9.]* *//; s/[|<>-]\{2,\}/ /g; s/|/ /g; s/  */ /g'
}
# in_order SCENE PATTERN...: these lines come one after the other
in_order() {
    local n=$1 at=0 p found
    shift
    scene "$n" >"$tmp/scene"
    for p in "$@"; do
        found=$(awk -v at=$at -v p="$p" 'NR > at && $0 ~ p { print NR; exit }' \
            "$tmp/scene")
        if [ -z "$found" ]; then
            cat "$tmp/scene"
            echo "no line after $at matches: $p"
            return 1
        fi
        at=$found
    done
}

handshake=("^SYN-SENT SYN seq=0 mss=14[46]0 LISTEN"
    "^ESTABLISHED SYN.ACK seq=0 mss=14[46]0 ack=1 SYN-RECEIVED"
    "^ ?ACK 1 ESTABLISHED")
check get-is-drawn in_order 1 "${handshake[@]}" \
    "GET /hello.txt len=" "HTTP/1.1 200 OK len=" \
    "^FIN-WAIT-1 FIN seq=[0-9]+ ack=[0-9]+ CLOSE-WAIT" \
    "^TIME-WAIT FIN seq=[0-9]+ ack=[0-9]+ LAST-ACK" \
    "^ ?ACK [0-9]+ CLOSED"
check ipv6-is-drawn in_order 2 "client fd09:8::1 fd09:8::2 server" \
    "${handshake[@]}" "GET /bytes/100k len=" "HTTP/1.1 200 OK" \
    "seq=1429 len=1428" "segments not drawn" "FIN-WAIT-1 FIN" \
    "TIME-WAIT FIN"
check half-close-is-drawn in_order 3 "${handshake[@]}" \
    "^FIN-WAIT-1 FIN GET /bytes/20k len=27 ack=1 CLOSE-WAIT" \
    "^FIN-WAIT-2" "^ ?seq=[0-9]+ len=1448" \
    "^TIME-WAIT FIN seq=[0-9]+ len=[0-9]+ ack=[0-9]+ LAST-ACK" \
    "^ ?ACK [0-9]+ CLOSED"
check what-was-counted grep -q '^  accepted 3$' "$tmp/demo"
same at-most-80-columns "" "$(awk 'length($0) > 80' "$tmp/demo")"

check draw-help build/tun/draw --help
build/tun/draw "$tmp/demo.pcapng" 4 >"$tmp/out" 2>&1
same no-fourth-connection 1 $?
# Damaged captures end it, not crash it.
for n in 3 30 100 500 2000; do
    head -c $n "$tmp/demo.pcapng" >"$tmp/cut"
    build/tun/draw "$tmp/cut" >"$tmp/out" 2>&1
    echo $?
done | sort -u | tr '\n' ' ' >"$tmp/statuses"
same cut-captures "0 1 " "$(cat "$tmp/statuses")"
if has tshark; then
    same tshark-agrees 3 "$(tshark -r "$tmp/demo.pcapng" -Y \
        'tcp.flags.syn == 1 and tcp.flags.ack == 0' 2>/dev/null | wc -l)"
else
    skip tshark-agrees "no tshark (make deps)"
fi
finish
