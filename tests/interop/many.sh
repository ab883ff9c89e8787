#!/bin/bash
# many.sh - tun-httpd and tun-get, on tcpsm_stack, against curl, ab, wrk,
# nginx and Linux's TCP: many connections at a time, both families, peers
# that reset, refuse, and wait. Needs root.

. "$(dirname "$0")/common.bash"

hundred=104857600

# serving [OPTION...]: a fresh tun-httpd in namespace c
serving() {
    serve $httpd --idle 600 --put "$tmp/put" "$@"
}

usage() {
    local p
    for p in $httpd $getter; do
        check $p --help || return
        $p --bad >"$log" 2>&1
        same "$p's exit status for a bad option" $? 2 || return
    done
    in_ns c $httpd --device lo >"$log" 2>&1
    same "exit status for a device that is not TUN" $? 1
}

# ---- curl -------------------------------------------------------------------

download() { # URL
    arrived "$tmp/hundred" < <(get "$1/bytes/100M")
}
download_ipv4() { download $four; }
download_ipv6() { download $six; }

upload() { # URL
    rm -f "$tmp/put/up"
    same answer "$(get -T "$tmp/hundred" "$1/up")" $hundred || return
    arrived "$tmp/hundred" <"$tmp/put/up"
}
upload_ipv4() { upload $four; }
upload_ipv6() { upload $six; }

half_closed_upload() { # 100 MB; the answer comes after the FIN
    local a
    for a in 10.9.8.2 fd09:8::2; do
        rm -f "$tmp/put/half"
        python "$hundred timestamps sack scale" upload $a "$tmp/hundred" \
            half || return
        arrived "$tmp/hundred" <"$tmp/put/half" || return
    done
}
half_closed_echo() { # much of what comes back does so after the FIN
    python "$hundred_sum" echo_half_closed 10.9.8.2 "$tmp/hundred" &&
        python "$hundred_sum" echo_half_closed fd09:8::2 "$tmp/hundred"
}

# ---- many at a time ---------------------------------------------------------

ab_says() { # URL
    in_ns c ab -q -s 30 -n 4000 -c 200 "$1" >"$tmp/ab" 2>&1 || {
        why="ab: $(tail -n 1 "$tmp/ab")"
        return 1
    }
    same "ab's account" "$(grep -E '^(Complete|Failed|Write|Non-2xx)|^HTML' \
        "$tmp/ab" | tr -s ' \n' ' ')" \
        "Complete requests: 4000 Failed requests: 0 HTML transferred: \
40000000 bytes "
}
concurrent_200() {
    ab_says $four/bytes/10000 && ab_says "$six/bytes/10000" || return
    settles connections 1
}

# An error of a socket or a status other than 2xx adds a line.
wrk_says() { # URL with its port: wrk asks /etc/services otherwise
    local n
    in_ns c wrk -t 1 -c 100 -d 2 "$1" >"$tmp/wrk" 2>&1 || {
        why="wrk: $(tail -n 1 "$tmp/wrk")"
        return 1
    }
    same "wrk's errors" "$(grep -E 'Socket errors|Non-2xx' "$tmp/wrk")" "" ||
        return
    n=$(awk '/requests in/ { print $1 }' "$tmp/wrk")
    check test "${n:-0}" -ge 1000
}
wrk_keeps_alive() {
    wrk_says $four:80/bytes/1000 && wrk_says $six:80/bytes/1000 || return
    settles connections 1
}

# ---- the other way round ----------------------------------------------------

# nginx in namespace c, under $tmp/www, on port 8080
start_nginx() {
    mkdir -p "$tmp/www/in"
    ln -f "$tmp/hundred" "$tmp/www/hundred"
    cat >"$tmp/nginx.conf" <<CONF
daemon off;
user root;
worker_processes 1;
pid $tmp/nginx.pid;
error_log stderr;
events { worker_connections 512; }
http {
    access_log off;
    client_body_temp_path $tmp/nginx.1;
    proxy_temp_path $tmp/nginx.2;
    fastcgi_temp_path $tmp/nginx.3;
    uwsgi_temp_path $tmp/nginx.4;
    scgi_temp_path $tmp/nginx.5;
    client_max_body_size 0;
    server {
        listen 8080;
        listen [::]:8080;
        root $tmp/www;
        location /in/ { dav_methods PUT; }
    }
}
CONF
    background c nginx -e stderr -c "$tmp/nginx.conf"
    nginx=$pid
    within 50 get -o /dev/null http://127.0.0.1:8080/hundred -r 0-9 || {
        why="no nginx: $(tail -n 1 "$out")"
        return 1
    }
}
nginx_is_up() {
    [ -n "${nginx:-}" ] || start_nginx
}

# With a device and addresses of its own, beside tun-httpd's.
getting() {
    in_ns c timeout 60 $getter --quiet --device tcpsm1 --ipv4 10.9.7.1/24 \
        --ipv6 fd09:7::1/64 "$@" 2>"$log"
}

from_nginx() { # HOST
    nginx_is_up || return
    getting -o "$tmp/got" "http://$1:8080/hundred"
    status_is $? 0 || return
    arrived "$tmp/hundred" <"$tmp/got"
}
from_nginx_ipv4() { from_nginx 10.9.7.1; }
from_nginx_ipv6() { from_nginx '[fd09:7::1]'; }
from_nginx_in_parallel() {
    local i urls=()
    nginx_is_up || return
    for i in 1 2 3 4 5 6 7 8; do
        urls+=(-o "$tmp/got.$i" http://10.9.7.1:8080/hundred)
    done
    getting --parallel 8 --range 0-999999 "${urls[@]}"
    status_is $? 0 || return
    for i in 1 2 3 4 5 6 7 8; do
        arrived "$tmp/million" <"$tmp/got.$i" || return
    done
}
to_nginx() {
    local a
    nginx_is_up || return
    for a in 10.9.7.1 '[fd09:7::1]'; do
        rm -f "$tmp/www/in/up"
        getting --put "$tmp/hundred" "http://$a:8080/in/up" >"$tmp/said"
        status_is $? 0 || return
        arrived "$tmp/hundred" <"$tmp/www/in/up" || return
    done
}

get_refused() { # tun-get asks at a closed port of the kernel's
    local a
    for a in 10.9.7.1 '[fd09:7::1]'; do
        getting -o /dev/null "http://$a:8081/"
        status_is $? 3 || return
    done
}

# ---- peers that go away, are refused, must wait -----------------------------

closed_port() { # the kernel asks at a closed port of ours
    local a
    for a in $four $six; do
        get -m 2 -v "$a:81/" >"$tmp/curl" 2>&1
        same "curl's exit status" $? 7 || return
        check grep -q "Connection refused" "$tmp/curl" || return
    done
}

reset_in_download() {
    local before
    before=$(stat failed)
    python "" reset_in_download 10.9.8.2 10 || return
    python "" reset_in_download fd09:8::2 10 || return
    settles connections 1 || return
    same "rings in use" "$(stat rings)" 1 || return
    same "connections that failed" "$(($(stat failed) - before))" 20 ||
        return
    same "half-open ones, orphans, unaccepted ones" \
        "$(stat half_open orphans unaccepted | tr '\n' ' ')" "0 0 0 "
}

# One is served, three wait, and to those who come then nobody answers,
# not even by a reset: their SYNs come again.
full_backlog() {
    local a
    serving --clients 1 --backlog 3 || return
    for a in 10.9.8.2 fd09:8::2; do
        python "all 6" full_backlog $a 3 || return
    done
    settles connections 1 || return
    check test "$(stat syns_dropped)" -ge 4 || return
    same resets "$(stat resets)" 0
}

# ---- what tshark thinks of it -----------------------------------------------

# captured NAME COMMAND [OPTION...]: with a fresh server that records what it
# does
captured() {
    local name=$1 command=$2
    shift 2
    serving --pcap "$tmp/$name.pcapng" "$@" || return
    large_windows && patient yes || return
    $command || return
    stop "$server"
    same "the server's exit status" $? 0 || return
    server=
    complaints "$name" "$tmp/$name.pcapng"
}

# A full window is no error, but tshark has something against it: so both
# sides get large ones.
large_windows() {
    in_ns c sysctl -q net.ipv4.tcp_rmem="4096 8388608 16777216"
}
# And Linux sends again what is not acknowledged in 2 ms (a tail loss probe)
# or 200 ms, which a process that shares its processor with others does not
# always manage. Without the second before Linux 6.11.
patient() { # yes|no
    local probes=3 us=200000
    [ "$1" = yes ] && probes=0 us=2000000
    in_ns c sysctl -q net.ipv4.tcp_early_retrans=$probes
    in_ns c sysctl -q net.ipv4.tcp_rto_min_us=$us 2>"$log"
    return 0
}

one_of_each() {
    local a
    for a in $four $six; do
        arrived "$tmp/million" < <(get $a/bytes/1000000) || return
        same answer "$(get -T "$tmp/million" $a/up)" 1000000 || return
        arrived "$tmp/million" < <(get -T "$tmp/million" $a/echo) || return
    done
    for a in 10.9.8.2 fd09:8::2; do
        python "$million_sum" echo_half_closed $a "$tmp/million" || return
    done
}
ab_small() {
    in_ns c ab -q -s 30 -n 400 -c 200 $four/bytes/1000 >"$tmp/ab" 2>&1
    same "ab's account" "$(grep -E '^(Complete|Failed|Non-2xx)' "$tmp/ab" |
        tr -s ' \n' ' ')" "Complete requests: 400 Failed requests: 0 "
}
resets_small() { python "" reset_in_download 10.9.8.2 20; }
tshark_plain() { captured plain one_of_each --ring 4194304; }
tshark_concurrent() { captured concurrent ab_small; }
tshark_resets() { captured resets resets_small; }
tshark_closed() { captured closed closed_port; }
tshark_get() {
    nginx_is_up && large_windows && patient yes || return
    getting --ring 4194304 --pcap "$tmp/get.pcapng" --range 0-999999 \
        -o "$tmp/got.4" http://10.9.7.1:8080/hundred \
        -o "$tmp/got.6" 'http://[fd09:7::1]:8080/hundred'
    status_is $? 0 || return
    arrived "$tmp/million" <"$tmp/got.4" || return
    arrived "$tmp/million" <"$tmp/got.6" || return
    complaints get "$tmp/get.pcapng"
}
# Through a network that loses, reorders and copies.
tshark_trouble() {
    through_relay $httpd --ring 4194304 --pcap "$tmp/trouble.pcapng" -- \
        loss=5000 reorder=5000 dup=5000 delay=1000 seed=5 || return
    large_windows && patient no || return
    one_of_each || return
    stop "$server"
    server=
    complaints trouble "$tmp/trouble.pcapng"
}

# ---- all of them ------------------------------------------------------------

start tun-httpd tun-get tun/bulk
if [ -z "$missing" ]; then
    mkdir "$tmp/put"
    $bulk seq $hundred >"$tmp/hundred"
    $bulk seq 1000000 >"$tmp/million"
    hundred_sum=$(sum_of $hundred)
    million_sum=$(sum_of 1000000)
    serving || {
        echo "FAIL start: $why"
        failed=1
        finish
    }
fi
run usage
run download_ipv4 curl
run download_ipv6 curl
run upload_ipv4 curl
run upload_ipv6 curl
run half_closed_upload python3
run half_closed_echo python3
run concurrent_200 ab curl
run wrk_keeps_alive wrk curl
run from_nginx_ipv4 nginx curl
run from_nginx_ipv6 nginx curl
run from_nginx_in_parallel nginx curl
run to_nginx nginx curl
run get_refused
run closed_port curl
run reset_in_download python3 curl
run full_backlog python3 curl
run tshark_plain tshark curl python3
run tshark_concurrent tshark ab
run tshark_resets tshark python3
run tshark_closed tshark curl
run tshark_get tshark nginx curl
run tshark_trouble tshark curl python3
finish
