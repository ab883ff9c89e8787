#!/bin/bash
# demo.sh - tun-httpd in a network namespace of its own, three clients of
# Linux's own TCP against it, and what happened between them, drawn from the
# capture that the server wrote. Called by `make demo-tun`; needs root.
# Exit status: 0 drawn, 1 something failed, 3 cannot run here.

set -u
case "${1:-}" in
--help)
    sed -n '2,5s/^# \{0,1\}//p' "$0"
    exit 0
    ;;
esac

cannot() {
    echo "demo-tun cannot run here: $1" >&2
    echo "What it needs: $2" >&2
    exit 3
}
[ "$(id -u)" = 0 ] || cannot "this is not root" \
    "root, to make a network namespace and a TUN device (sudo make demo-tun);
\`make demo\` needs nothing"
cd "$(dirname "$0")/../.." || exit 1
for t in ip curl python3; do
    command -v $t >/dev/null || cannot "there is no $t" "make deps"
done
[ -c /dev/net/tun ] || cannot "there is no /dev/net/tun" "modprobe tun"

name=tcpsm-demo-$$
tmp=$(mktemp -d "${TMPDIR:-/tmp}/tcpsm-demo.XXXXXX") || exit 1
server=
cleanup() {
    trap - EXIT
    [ -n "$server" ] && kill "$server" 2>/dev/null && wait "$server"
    ip netns del $name 2>/dev/null
    rm -rf "$tmp"
}
trap cleanup EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

failed() {
    echo "demo-tun: $1" >&2
    [ -s "$tmp/log" ] && tail -n 5 "$tmp/log" >&2
    exit 1
}
inside() {
    ip netns exec $name "$@"
}

ip netns add $name 2>"$tmp/log" ||
    cannot "no network namespace: $(cat "$tmp/log")" "root, with the right"
ip -n $name link set lo up
# Nothing but what the clients do shall be in the picture.
inside sysctl -q net.ipv6.conf.default.router_solicitations=0 2>/dev/null

mkdir "$tmp/www"
echo "Hello from tcpsm." >"$tmp/www/hello.txt"
echo "+ ip netns exec $name build/tun-httpd --pcap demo-tun.pcapng www"
ip netns exec $name build/tun-httpd --pcap "$tmp/pcap" "$tmp/www" \
    2>"$tmp/log" &
server=$!
for _ in $(seq 50); do
    grep -q 'is up' "$tmp/log" && break
    sleep 0.1
done
grep -q 'is up' "$tmp/log" || failed "the server does not start"

echo "+ curl http://10.9.8.2/hello.txt"
inside curl -sS -m 5 http://10.9.8.2/hello.txt || failed "curl failed"

echo "+ curl -g 'http://[fd09:8::2]/bytes/100k' | sha256sum"
got=$(inside curl -g -sS -m 5 'http://[fd09:8::2]/bytes/100k' | sha256sum)
echo "$got"
[ "$got" = "$(seq 100000000 999999999 2>/dev/null | head -c 102400 |
    sha256sum)" ] || failed "that is not what was to come"

echo "+ a client that sends its request, closes its half, and reads on"
inside python3 - <<'END' || failed "the half-closed client failed"
import socket
s = socket.create_connection(("10.9.8.2", 80), 5)
s.send(b"GET /bytes/20k HTTP/1.0\r\n\r\n", socket.MSG_MORE)
s.shutdown(socket.SHUT_WR)
answer = b""
while part := s.recv(65536):
    answer += part
body = answer.split(b"\r\n\r\n", 1)[1]
print(len(body), "bytes")
assert len(body) == 20480, "the answer is cut short"
END

kill -INT $server
wait $server || failed "the server failed"
server=
echo
echo "Times are milliseconds; SEQ and ACK count from each side's ISN."
build/tun/draw "$tmp/pcap" 1 "1  curl gets a file" \
    "Three handshakes, a request, its answer; curl closes first (active close):
its TIME-WAIT. Four waves in three segments: ACK and FIN ride together." &&
    build/tun/draw "$tmp/pcap" 2 "2  100 KiB over IPv6" \
        "The window opens as the acknowledgments come in." &&
    build/tun/draw "$tmp/pcap" 3 "3  A client that closes its half first" \
        "FIN says that no more will be sent, not that no more is wanted: the
server goes on in CLOSE-WAIT until all is said." ||
    failed "the capture is not as it should be"
echo
echo "What the server counted:"
grep -E '^(requests|body_bytes_out|accepted|retransmits|stack_bytes) ' \
    "$tmp/log" | sed 's/^/  /'
if [ -n "${FILE:-}" ]; then
    cp "$tmp/pcap" "$FILE" && echo "The capture: $FILE"
fi
