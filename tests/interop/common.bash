# common.bash - sourced by the interop scripts: reporting, namespaces,
# processes. Everything that is made here is gone when the script ends.

set -u
cd "$(dirname "$0")/../.." || exit 1
me=${0##*/}
passed=0 failed=0 skipped=0
outs=0 made_namespaces=()
tmp=$(mktemp -d "${TMPDIR:-/tmp}/tcpsm-interop.XXXXXX") || exit 1
log=$tmp/log

cleanup() {
    local n p
    trap - EXIT
    [ -n "${KEEP:-}" ] && cp -r "$tmp" "$KEEP"
    for p in $(jobs -p); do kill "$p" 2>/dev/null; done
    wait
    for n in "${made_namespaces[@]}"; do ip netns del "$n" 2>/dev/null; done
    rm -rf "$tmp"
}
trap cleanup EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

# check COMMAND...: sets why and fails if it does
check() {
    "$@" >"$log" 2>&1 && return 0
    why="failed: $* ($me:${BASH_LINENO[0]})$(tail -n 3 "$log" |
        sed 's/^/; /' | tr -d '\n')"
    return 1
}

# same WHAT IS EXPECTED: as check, for two texts
same() {
    [ "$2" = "$3" ] && return 0
    why="$1 is '$2', not '$3' ($me:${BASH_LINENO[0]})"
    return 1
}

# status_is STATUS EXPECTED [FILE]: of what wrote FILE ($log)
status_is() {
    same "exit status ($(tail -n 1 "${3:-$log}"))" "$1" "$2"
}

# run TEST TOOL...: the function of that name, if the tools are there
run() {
    local name=$1 tool
    shift
    case "$name" in *"${filter:-}"*) ;; *) return ;; esac
    if [ -n "$missing" ]; then
        echo "SKIP $name: $missing"
        skipped=$((skipped + 1))
        return
    fi
    for tool in "$@"; do
        if ! command -v "$tool" >/dev/null; then
            echo "SKIP $name: no $tool"
            skipped=$((skipped + 1))
            return
        fi
    done
    why="returned non-zero"
    if "$name"; then
        echo "ok $name"
        passed=$((passed + 1))
    else
        echo "FAIL $name: ${why//$'\n'/; }"
        failed=$((failed + 1))
    fi
}

finish() {
    echo "$passed passed, $failed failed, $skipped skipped"
    [ $failed = 0 ]
    exit
}

# Why nothing here can run; empty if it can.
why_not() {
    if [ "$(id -u)" != 0 ]; then
        echo "needs root"
    elif [ ! -c /dev/net/tun ]; then
        echo "no /dev/net/tun"
    elif ! command -v ip >/dev/null; then
        echo "no ip (iproute2)"
    elif ! ip netns add "tcpsm-probe-$$" 2>/dev/null; then
        echo "no network namespaces"
    else
        ip netns del "tcpsm-probe-$$"
    fi
}

# ns NAME: what the namespace is called outside of this script
ns() {
    echo "tcpsm-$1-$$"
}
# namespace NAME: made, with loopback up
namespace() {
    local n
    n=$(ns "$1")
    ip netns add "$n" || return
    made_namespaces+=("$n")
    ip -n "$n" link set lo up
    # No packets of the kernel's own accord, no memory of earlier tests.
    ip netns exec "$n" sysctl -q net.ipv6.conf.all.router_solicitations=0 \
        net.ipv6.conf.default.router_solicitations=0 \
        net.ipv4.tcp_no_metrics_save=1
}
in_ns() {
    local n
    n=$(ns "$1")
    shift
    ip netns exec "$n" "$@"
}

# background NAME COMMAND...: in that namespace; its number is in $pid, the
# file of what it prints in $out
background() {
    local n
    n=$(ns "$1")
    shift
    outs=$((outs + 1))
    out=$tmp/out.$outs
    ip netns exec "$n" "$@" >"$out" 2>&1 &
    pid=$!
}

# within TENTHS COMMAND...: until it succeeds
within() {
    local i=$1
    shift
    while ! "$@" >/dev/null 2>&1; do
        i=$((i - 1))
        [ $i -gt 0 ] || return 1
        sleep 0.1
    done
}

# stop PID: its exit status. Not by SIGINT, which what bash starts in the
# background may ignore.
stop() {
    kill "$1" 2>/dev/null
    wait "$1"
}

# build PROGRAM...: build/PROGRAM from the tree
build() {
    local p
    for p in "$@"; do
        make -s "build/$p" >"$log" 2>&1 || return
    done
}
build_relay() {
    mkdir -p build/tests/support
    [ build/tests/support/relay -nt tests/support/relay.c ] &&
        [ build/tests/support/relay -nt tests/support/netsim.h ] && return
    ${CC:-cc} -std=c99 -O2 -Wall -Wextra -D_GNU_SOURCE -Itests/support \
        -o build/tests/support/relay tests/support/relay.c
}

# ---- what the scripts share about the programs under test -----------------

hello=build/tun/hello bulk=build/tun/bulk relay=build/tests/support/relay
client=tests/interop/client.py
four=http://10.9.8.2 six='http://[fd09:8::2]'
page="Hello from one tcpsm_conn."
gib=1073741824

get() { # URL [curl's options]
    in_ns c curl -g -sS -m 60 --no-keepalive "$@"
}

# serve PROGRAM...: in namespace c, alone; the device is there when it is
server=
serve() {
    [ -n "$server" ] && stop "$server"
    background c "$@"
    server=$pid
    within 50 grep -q 'is up' "$out" || {
        why="no device ($me:${BASH_LINENO[0]}): $(tail -n 1 "$out")"
        return 1
    }
}

# capture_on NAMESPACE FILE: of tcpsm0; capture_off ends it
capture_on() {
    background "$1" tshark -q -i tcpsm0 -w "$2"
    capturing=$pid
    within 100 grep -q "Capturing on" "$out" || {
        why="no capture: $(tail -n 1 "$out")"
        return 1
    }
    sleep 0.5 # it says so before it does
}
capture_off() {
    sleep 1 # the kernel hands packets over in blocks
    stop "$capturing"
    return 0
}

# echo_file URL: $tmp/file goes there and comes back. Through loss the last
# connection may not be over yet; then hello, which has but one, refuses.
echo_file() {
    same "what came back" \
        "$(get -T "$tmp/file" -H Expect: --retry 9 --retry-delay 1 \
            --retry-connrefused "$1/" | sha256sum)" \
        "$(sha256sum <"$tmp/file")"
}

# python_client EXPECTED WHAT ARGUMENTS...: over both families
python_client() {
    local a expected=$1 what=$2
    shift 2
    for a in 10.9.8.2 fd09:8::2; do
        same "$what $a" "$(in_ns c python3 $client "$what" $a "$@" 2>&1)" \
            "$expected" || return
    done
}

# ---- the programs for many connections -------------------------------------

httpd=build/tun-httpd getter=build/tun-get
many=tests/interop/many.py

# stat NAME...: those numbers of the server, one a line. The connection that
# asks counts itself. It closes first, so none is left in TIME-WAIT.
stat() {
    get $four/stats >"$tmp/stats" || return
    local n
    for n in "$@"; do
        awk -v n="$n" '$1 == n { v = $2; f = 1 } END { print f ? v : "none" }' \
            "$tmp/stats"
    done
}

stat_is() { # NAME VALUE
    [ "$(stat "$1")" = "$2" ]
}

# settles NAME VALUE: within five seconds
settles() {
    within 50 stat_is "$@" && return
    why="$1 is $(stat "$1"), not $2 ($me:${BASH_LINENO[0]})"
    return 1
}

# arrived FILE: that is what comes on standard input. Faster than a hash of
# each, and the same.
arrived() {
    cmp - "$1" >"$log" 2>&1 && return
    why="other bytes came: $(cat "$log") ($me:${BASH_LINENO[0]})"
    return 1
}

# python EXPECTED WHAT ADDRESS ARGUMENTS...: many.py, in namespace c
python() {
    local expected=$1
    shift
    same "what many.py $* saw" "$(in_ns c timeout 60 python3 $many "$@" 2>&1 |
        tail -n 1)" "$expected"
}

# sum_of COUNT: that of /bytes/COUNT
sum_of() {
    $bulk seq "$1" | sha256sum | cut -d ' ' -f 1
}

# complaints NAME FILE: what tshark has against a capture that is worse than
# a chat must be in tests/interop/complaints.txt under that name, and not
# more often than it says there.
#
# The preferences: checksums are verified (off by default, because of
# offloading, which a TUN device without --gso has not); HTTP is not looked
# into, where bodies might be taken for something else. Linux writes a
# computed TCP checksum of 0 as 0xffff, one segment in 65 000: what it sent
# so is not ours to answer for.
complaints() {
    local linux='tcp.checksum == 0xffff &&
        (ip.src == 10.9.8.1 || ipv6.src == fd09:8::1)'
    tshark -r "$2" -o tcp.check_checksum:TRUE -o ip.check_checksum:TRUE \
        --disable-protocol http -q -z io,phs -z "expert,note,!($linux)" \
        >"$tmp/expert" 2>&1 || {
        why="tshark: $(tail -n 1 "$tmp/expert") ($me:${BASH_LINENO[0]})"
        return 1
    }
    check grep -q '^ *tcp  *frames:' "$tmp/expert" || return
    # Numbers in a text would make many of one.
    grep -E '^ +[0-9]+ ' "$tmp/expert" |
        sed -E 's/^ +([0-9]+) +[^ ]+ +[^ ]+ +/\1 /; s/ \[[^]]*\]//g
            s, \(#[0-9]+\),,' |
        awk '{ n = $1; sub(/^[0-9]+ /, ""); c[$0] += n }
            END { for (k in c) print c[k] "\t" k }' |
        sort -rn >"$tmp/complaints"
    same "what tshark has against $1" "$(awk -F '\t' -v name="$1" '
        NR == FNR {
            if ($1 == name || $1 == "all")
                most[$3] = $2
            next
        }
        $1 > most[$2] + 0 { print $1 " " $2 "; " }
        ' tests/interop/complaints.txt "$tmp/complaints" | tr -d '\n')" ""
}

# Two namespaces with netsim between them: c - relay - s, where the program
# is.
through_relay() { # COMMAND OF THE SERVER -- WHAT=NUMBER...
    local program=()
    while [ "$1" != -- ]; do program+=("$1") && shift; done
    shift
    [ -n "$server" ] && stop "$server"
    [ -n "${relayed:-}" ] && stop "$relayed"
    background s "${program[@]}"
    server=$pid
    within 50 grep -q 'is up' "$out" || return
    background c $relay "$@" r0 r1
    relayed=$pid
    within 50 grep -q ready "$out" || return
    ip -n "$(ns c)" link set r1 netns "$(ns s)" || return
    ip -n "$(ns c)" addr add 10.9.7.1/24 dev r0
    ip -n "$(ns s)" addr add 10.9.7.2/24 dev r1
    ip -n "$(ns c)" addr add fd09:7::1/64 dev r0
    ip -n "$(ns s)" addr add fd09:7::2/64 dev r1
    ip -n "$(ns c)" link set r0 up
    ip -n "$(ns s)" link set r1 up
    ip -n "$(ns c)" route add 10.9.8.0/24 via 10.9.7.2
    ip -n "$(ns c)" route add fd09:8::/64 via fd09:7::2
    in_ns s sysctl -q net.ipv4.ip_forward=1 net.ipv6.conf.all.forwarding=1
}

# start [PROGRAM...]: builds, makes namespaces c and s, or fails all
start() {
    [ -n "$missing" ] && return
    [ $# = 0 ] && set -- tun/hello tun/bulk
    build "$@" && build_relay || {
        echo "FAIL build: $(tail -n 3 "$log" | tr '\n' ' ')"
        failed=1
        finish
    }
    namespace c
    namespace s
}

case "${1:-}" in
--help)
    sed -n '2,/^$/s/^# \{0,1\}//p' "$0"
    echo "Usage: $me [--filter SUBSTRING]"
    exit 0
    ;;
--filter) filter=${2:-} ;;
esac
missing=$(why_not)
