#!/bin/bash
# tun_programs.sh - what tun-httpd and tun-get can do, one by one, against
# curl and other clients and servers of Linux's own TCP, over IPv4 and IPv6.
# Needs root.

. "$(dirname "$0")/common.bash"

httpd=build/tun-httpd get=build/tun-get
peer=tests/interop/tun_programs.py
www=$tmp/www said=$tmp/said

# client EXPECTED WHAT ARGUMENTS...: peer's client, over both families
client() {
    local a expected=$1 what=$2
    shift 2
    for a in 10.9.8.2 fd09:8::2; do
        same "$what $a" \
            "$(in_ns c python3 $peer "$what" $a "$@" 2>&1 | tail -n 40)" \
            "$expected" || return
    done
}
sequence() { # FIRST COUNT
    seq $((100000000 + $1 / 10)) 999999999 2>/dev/null |
        tail -c +$(($1 % 10 + 1)) | head -c "$2"
}
sum() { sha256sum | cut -d ' ' -f 1; }
status() { # URL OPTION...: of the answer
    get "$@" -o /dev/null -w '%{http_code}' 2>"$said"
}
stats() { # NAME: its value
    get $four/stats | awk -v n="$1" '$1 == n { print $2 }'
}
exits() { # STATUS COMMAND...
    local want=$1
    shift
    "$@" >"$said" 2>&1 </dev/null
    same "exit status of $*" $? "$want"
}

# usual: the server that most tests want
usual=
usual() {
    [ -n "$server" ] && [ "$usual" = "$server" ] && return
    serve $httpd --max-body 20000000 "$www" && usual=$server
}

usage() {
    local p o
    for p in $httpd $get build/tun/draw; do
        exits 0 $p --help || return
        check grep -q "^$(basename $p) " "$said" || return
    done
    for p in $httpd $get; do
        exits 0 $p --help || return
        for o in pcap ipv4 ipv6 mtu device address; do
            check grep -q -- "--$o" "$said" || return
        done
        exits 2 $p --bad || return
        exits 2 $p --ring 12 || return
        exits 2 $p --device '' || return
    done
    exits 2 $httpd --port 0 && exits 2 $httpd a b && exits 2 $httpd -c x &&
        exits 1 $httpd /nowhere && exits 1 $httpd --put /nowhere || return
    exits 2 $get && exits 2 $get ftp://10.9.8.1/ &&
        exits 2 $get http://example.com/ && exits 2 $get 'http://[::1/' &&
        exits 2 $get http://10.9.8.1:0/ && exits 2 $get http://10.9.8.1x/ ||
        return
    exits 2 build/tun/draw && exits 1 build/tun/draw /nowhere || return
    exits 1 in_ns c $httpd --device lo
}

# ---- the server ------------------------------------------------------------

pages() {
    local u
    usual || return
    for u in $four "$six"; do
        same index "$(get "$u/")" "the index" || return
        same file "$(get "$u/a%20file.txt")" "a file" || return
        same "listing of sub" "$(get "$u/sub/")" "$(printf 'deep/\nx.css')" ||
            return
        same query "$(get "$u/sub/x.css?y=z")" "css" || return
        same redirect "$(get -L "$u/sub" -w '%{url_effective}')" \
            "$(printf 'deep/\nx.css\n%s/sub/' "$u")" || return
        same missing "$(status "$u/missing")" 404 || return
        same type "$(get "$u/sub/x.css" -o /dev/null -w '%{content_type}')" \
            text/css || return
        same big "$(get "$u/big" | sum)" "$(sum <"$www/big")" || return
    done
    same "HEAD" "$(get -I $four/big | tr -d '\r' |
        sed -n 's/^Content-Length: //p')" 3000000
}
escapes() {
    local p
    usual || return
    for p in /../secret /sub/../../secret /%2e%2e/secret /..%2fsecret \
        /sub/..%2f..%2fsecret //../secret /link /linkdir/secret \
        /./../secret "/$tmp/secret"; do
        same "$p" "$(status "$four$p" --path-as-is)" 404 || return
    done
    same "a link within" "$(get $four/inner)" "a file" || return
    same "dots within" "$(get $four/sub/../index.html --path-as-is)" \
        "the index"
}
ranges() {
    local u=$four/bytes/1000 f
    usual || return
    same first "$(get -r 0-9 $u)" 100000000 || return
    same "from to" "$(get -r 15-24 $u | sum)" "$(sequence 15 10 | sum)" ||
        return
    same last "$(get -r -7 $u | sum)" "$(sequence 993 7 | sum)" || return
    same "to the end" "$(get -r 990- $u | sum)" "$(sequence 990 10 | sum)" ||
        return
    same beyond "$(get -r 990-5000 $u | sum)" "$(sequence 990 10 | sum)" ||
        return
    same "more than all" "$(status -r -5000 $u)" 206 || return
    same "not satisfiable" "$(get -r 1000- -i $u | tr -d '\r' |
        sed -n 's/^HTTP.1.1 //p; s/^Content-Range: //p' | tr '\n' ' ')" \
        "416 Range Not Satisfiable bytes */1000 " || return
    same "none of none" "$(status -r 0- $four/bytes/0)" 416 || return
    same several "$(status -r 0-1,3-4 $u)" 200 || return
    same backwards "$(status -H 'Range: bytes=5-3' $u)" 200 || return
    same units "$(status -H 'Range: lines=1-2' $u)" 200 || return
    same conditional "$(status -r 0-1 -H 'If-Range: "x"' $u)" 200 || return
    same field "$(get -r 3-4 -o /dev/null -D - $u | tr -d '\r' |
        grep Content-Range)" "Content-Range: bytes 3-4/1000" || return
    f=$tmp/resumed
    head -c 1234567 "$www/big" >"$f"
    check get -C - -o "$f" "$six/big" && check cmp "$f" "$www/big"
}
generated() {
    local s
    usual || return
    for s in 0 1 10 11 65536 1000003; do
        same "$s bytes" "$(get $four/bytes/$s | sum)" \
            "$(sequence 0 $s | sum)" || return
    done
    same 3k "$(get $four/bytes/3k | wc -c)" 3072 || return
    same 2M "$(get "$six/bytes/2M" | sum)" "$(sequence 0 2097152 | sum)" ||
        return
    same 1G "$(get -r 1073741800- $four/bytes/1G | sum)" \
        "$(sequence 1073741800 24 | sum)" || return
    for s in 9G 9000000001 -1 1x k 1kk 99999999999999999999; do
        same "/bytes/$s" "$(status $four/bytes/$s)" 404 || return
    done
    same "the very end" "$(get -r -10 $four/bytes/9000000000)" 999999999
}
reused() { # one connection for all
    usual || return
    same connections "$(get -w '%{num_connects}\n' -o /dev/null \
        $four/bytes/1 -o /dev/null $four/missing -o /dev/null $four/stats \
        -o /dev/null -T "$www/big" | tr '\n' ' ')" "1 0 0 " || return
    same "uploads" "$(get -w '%{num_connects}\n' -o /dev/null -o /dev/null \
        -T "$www/big" $four/ -T "$www/index.html" $four/ | tr '\n' ' ')" \
        "1 0 "
}
kept_alive() { usual && client "kept and closed" keep_alive; }
pipelined() { usual && client "in order" pipeline 300; }
half_closed() { usual && client whole half_close; }
echoes() {
    usual || return
    same echo "$(get -T "$www/big" "$six/echo" | sum)" \
        "$(sum <"$www/big")" || return
    same "chunked echo" "$(get -T - $four/echo <"$www/big" | sum)" \
        "$(sum <"$www/big")" || return
    same "nothing, echoed" "$(get -T /dev/null $four/echo)" "" || return
    client streams echo_streams && client same echo_stalled 3000000
}
uploads() {
    local n
    usual || return
    same nowhere "$(get -T "$www/big" $four/x)" 3000000 || return
    same post "$(get -d 12345 $four/x)" 5 || return
    same chunked "$(get -T - "$six/x" <"$www/big")" 3000000 || return
    if [ -e "$www/x" ]; then
        why="an upload to nowhere made a file"
        return 1
    fi
}
expected() { usual && client "100 (200, b'3\\n') 413" expect; }
malformed() {
    usual && client "no-host 400 close
two-hosts 400 close
http-0.9 400 close
http-2 400 close
blank-in-name 400 close
folded 400 close
no-colon 400 close
nul 400 close
bare-cr 400 close
bad-escape 400
escaped-nul 400
no-path 400
two-lengths 400 close
length-and-chunked 400 close
bad-length 400 close
huge-length 400 close
bad-chunk 400 close
long-chunk 400 close
unended-chunk 400 close
long-trailer 400 close
gzip 501 close
method 405
get-echo 405
get-body 400 close
no-length 411
too-much 413 close
long-head 431 close
not-there 404
empty-line 200
bare-lf 200
absolute 200" errors && client 413 too_much_chunked
}
many() {
    local before
    usual || return
    before=$(stats accepted)
    client answered many 500 || return
    same "connections accepted" $(($(stats accepted) - before - 1)) 1000 ||
        return
    within 50 same clients "$(stats clients)" 1
}
counts() {
    local before after
    usual || return
    same type "$(get $four/stats | grep -vcE '^[a-zA-Z_]+ [0-9]+$')" 0 ||
        return
    before=$(stats body_bytes_out)
    get $four/bytes/1234 >"$log"
    after=$(stats body_bytes_out)
    same "bytes" $((after - before)) 1234 || return
    same "memory" "$(($(stats stack_bytes) > 4096 * 524288))" 1 || return
    same "a connection" "$(($(stats connection_bytes) <= 512))" 1 || return
    same "a client of ours" "$(($(stats client_bytes) <= 192))" 1 || return
    same "failures" "$(stats device_refused)" 0
}
pinged() { usual && client echoed ping; }

# Tiny rings: each request wraps around them somewhere, a head may hardly
# be longer, and answers do not fit.
split_anywhere() {
    local step
    serve $httpd --ring 512 --conns 50 "$www" || return
    for step in 1 7 64 511 5000; do
        client "all there" split $step 20 || return
    done
    client "in order" pipeline 50 &&
        same echo "$(head -c 30000 "$www/big" | get -T - $four/echo | sum)" \
            "$(head -c 30000 "$www/big" | sum)" &&
        same listing "$(get $four/sub/ | head -n 1)" deep/ &&
        same "long head" "$(status $four/ -A "$(head -c 600 /dev/zero |
            tr '\0' a)")" 431
}

put_to_files() {
    mkdir -p "$tmp/put/sub"
    ln -sf ../secret "$tmp/put/link"
    serve $httpd --put "$tmp/put" --log || return
    same created "$(get -T "$www/big" -w '%{http_code}' "$six/new")" \
        "$(printf '3000000\n201')" || return
    check cmp "$tmp/put/new" "$www/big" || return
    same chunked "$(get -T - $four/sub/new <"$www/big")" 3000000 || return
    check cmp "$tmp/put/sub/new" "$www/big" || return
    same shorter "$(get -T "$www/index.html" $four/new)" 10 || return
    check cmp "$tmp/put/new" "$www/index.html" || return
    same "no such directory" "$(status -T "$www/big" $four/no/new)" 409 ||
        return
    same "a directory" "$(status -T "$www/big" $four/sub/ \
        --request-target /sub)" 409 || return
    same "a link out" "$(status -T "$www/big" $four/link)" 409 || return
    same "a path out" "$(status -T "$www/big" $four/ --path-as-is \
        --request-target /../secret)" 409 || return
    same secret "$(cat "$tmp/secret")" "a secret" || return
    same post "$(get -d abc $four/new)" 3 || return
    check cmp "$tmp/put/new" "$www/index.html" || return
    check grep -q "10.9.8.1 [0-9]* PUT /sub/new" "$out"
}
one_at_a_time() {
    serve $httpd --clients 1 && client "waits 200" waits
}
idle_ends() { serve $httpd --idle 1 && client closed idles 1; }

stopping() {
    local client status
    serve $httpd || return
    background c python3 $peer stopped 10.9.8.2
    client=$out
    within 50 grep -q ready "$client" || {
        why="the client is not ready: $(cat "$client")"
        return 1
    }
    kill -INT "$server"
    wait "$server"
    status=$? server=
    wait "$pid"
    same "what the client saw" "$(tail -n 1 "$client")" orderly || return
    same "exit status" $status 0 || return
    check grep -q '^body_bytes_out 2097152$' "$tmp/out.$((outs - 1))" ||
        return
    if in_ns c ip link show tcpsm0 >"$log" 2>&1; then
        why="the device is still there"
        return 1
    fi
}

# What the server recorded is what tshark makes sense of.
captured() {
    local f=$tmp/server.pcapng
    serve $httpd --pcap "$f" "$www" || return
    same v4 "$(get $four/big | sum)" "$(sum <"$www/big")" &&
        same v6 "$(get "$six/big" | sum)" "$(sum <"$www/big")" || return
    stop "$server"
    server=
    tshark -r "$f" -o tcp.check_checksum:TRUE -o ip.check_checksum:TRUE \
        -q -z expert,warn >"$tmp/expert" 2>&1
    # Linux writes a checksum of 0 as 0xffff, as for UDP; we do not.
    same "expert complaints" "$(grep -E '^ +[0-9]+ ' "$tmp/expert" |
        grep -v 'connection finish\|0xffff instead of 0x0000' |
        tr -s ' \n' ' ')" "" || return
    same "checksums of ours" "$(tshark -r "$f" -Y 'tcp.checksum == 0xffff and
        (ip.src == 10.9.8.2 or ipv6.src == fd09:8::2)' 2>/dev/null)" "" ||
        return
    same "requests" "$(tshark -r "$f" -Y http.request -T fields \
        -e http.request.uri 2>/dev/null | tr '\n' ' ')" "/big /big " || return
    same "answers" "$(tshark -r "$f" -Y http.response -T fields \
        -e http.content_length 2>/dev/null | tr '\n' ' ')" \
        "3000000 3000000 " || return
    same "in order of time" "$(tshark -r "$f" -Y \
        'frame.time_delta < 0 or frame.time_delta > 5' 2>/dev/null | wc -l)" \
        0 || return
    same "today" "$(tshark -r "$f" -c 1 -T fields -e frame.time_epoch |
        awk -v now="$(date +%s)" '{ print ($1 > now - 60 && $1 <= now) }')" 1
}

# A device that has no room for two packets in three: nothing is lost.
device_full() {
    cat >"$tmp/full.c" <<'C'
#include <dlfcn.h>
#include <errno.h>
#include <sys/uio.h>
ssize_t writev(int fd, const struct iovec *v, int n)
{
    static ssize_t (*real)(int, const struct iovec *, int);
    static unsigned turn;
    if (++turn % 3 != 0) {
        errno = EAGAIN;
        return -1;
    }
    if (!real)
        *(void **)&real = dlsym(RTLD_NEXT, "writev");
    return real(fd, v, n);
}
C
    ${CC:-cc} -D_GNU_SOURCE -shared -fPIC -o "$tmp/full.so" "$tmp/full.c" \
        -ldl >"$log" 2>&1 || {
        why="no shared library: $(tail -n 1 "$log")"
        return 1
    }
    serve env LD_PRELOAD="$tmp/full.so" $httpd "$www" || return
    same down "$(get $four/bytes/5M | sum)" "$(sequence 0 5242880 | sum)" ||
        return
    same up "$(get -T "$www/big" "$six/echo" | sum)" "$(sum <"$www/big")" ||
        return
    same "full, often" "$(($(stats device_full) > 1000))" 1 || return
    same "few retransmissions" "$(($(stats retransmits) < 50))" 1
}

# Two addresses of ours and a foreign one; then any.
addresses() {
    serve $httpd -4 10.9.8.9/24 -6 none -a 10.9.8.77 -a 10.9.8.78 \
        -m 1280 -P 8080 || return
    same first "$(status http://10.9.8.77:8080/)" 200 || return
    same second "$(status http://10.9.8.78:8080/)" 200 || return
    same neither "$(status http://10.9.8.79:8080/ -m 0.3)" 000 || return
    same "the MTU" "$(in_ns c cat /sys/class/net/tcpsm0/mtu)" 1280 || return
    serve $httpd --any --device web0 || return
    same any "$(status http://10.9.8.79/ -m 5)" 200 || return
    same any "$(status 'http://[fd09:8::1234]/' -m 5)" 200 || return
    check in_ns c ip link show web0
}

# Trains of segments both ways: far fewer packets than segments.
super_segments() {
    local u
    serve $httpd --gso "$www" || return
    for u in $four "$six"; do
        same down "$(get "$u/bytes/20M" | sum)" \
            "$(sequence 0 20971520 | sum)" || return
        same up "$(get "$u/bytes/20M" | get -T - "$u/x")" 20971520 || return
        same echo "$(get -T "$www/big" "$u/echo" | sum)" \
            "$(sum <"$www/big")" || return
    done
    get $four/stats >"$tmp/stats"
    # bytes per packet, acknowledgments included
    same "trains both ways" "$(awk '{ v[$1] = $2 }
        END { print (v["bytes_out"] > 6000 * v["packets_out"]),
            (v["bytes_in"] > 6000 * v["packets_in"]) }' "$tmp/stats")" "1 1"
}

# ---- the client ------------------------------------------------------------

# fetch STATUS OPTION... URL: what it got, or why not; what it says in $said
fetch() {
    local want=$1 got
    shift
    in_ns c $get -q "$@" 2>"$said"
    got=$?
    [ $got = "$want" ] || echo "exit status $got, not $want: $(cat "$said")"
}
# peers: servers at the kernel's end, which wait for the device
peering=
peers() {
    [ -n "$server" ] && stop "$server"
    server=
    [ -n "$peering" ] && return
    in_ns c sysctl -q net.ipv4.ip_nonlocal_bind=1 \
        net.ipv6.ip_nonlocal_bind=1
    background c python3 $peer serve 10.9.8.1 8000
    within 100 grep -q listens "$out" || return
    background c python3 $peer serve fd09:8::1 8000
    within 100 grep -q listens "$out" || return
    peering=1
}
here4=http://10.9.8.1:8000 here6='http://[fd09:8::1]:8000'

gets() {
    local want h p
    peers || return
    want=$(sequence 0 300000 | sum)
    for h in $here4 "$here6"; do
        for p in length eof chunked; do
            same "$h/$p" "$(fetch 0 "$h/$p" | sum)" "$want" || return
        done
    done
    same file "$(fetch 0 -o "$tmp/f1" $here4/length)" "" || return
    same "in the file" "$(sum <"$tmp/f1")" "$want" || return
    same range "$(fetch 0 --range 15-24 $here4/range | sum)" \
        "$(sequence 15 10 | sum)" || return
    same "tiny rings" "$(fetch 0 --ring 512 -m 576 $here4/chunked | sum)" \
        "$want"
}
puts() {
    local h
    peers || return
    for h in $here4 "$here6"; do
        same upload "$(fetch 0 -T "$www/big" "$h/x")" "$(sum <"$www/big")" ||
            return
    done
}
in_parallel() {
    local want i
    peers || return
    rm -f "$tmp"/f?
    same parallel "$(fetch 0 -n 3 -o "$tmp/f1" -o "$tmp/f2" -o "$tmp/f3" \
        -o "$tmp/f4" -o "$tmp/f5" $here4/length "$here6/eof" $here4/chunked \
        $here4/eof "$here6/length")" "" || return
    want=$(sequence 0 300000 | sum)
    for i in 1 2 3 4 5; do
        same "file $i" "$(sum <"$tmp/f$i")" "$want" || return
    done
}
get_exits() {
    peers || return
    same refused "$(fetch 3 http://10.9.8.1:81/)" "" || return
    check grep -q refused "$said" || return
    same reset "$(fetch 4 $here4/reset | wc -c)" 500 || return
    same timeout "$(fetch 5 -t 1 $here4/hang | wc -c)" 500 || return
    same "no answer" "$(fetch 5 -t 1 http://10.9.8.99/)" "" || return
    in_ns c nft -f - <<'NFT' || return
table inet t {
    chain c {
        type filter hook input priority 0
        tcp dport 82 reject with icmpx type port-unreachable
    }
}
NFT
    same unreachable "$(fetch 6 http://10.9.8.1:82/)" "" &&
        same unreachable "$(fetch 6 'http://[fd09:8::1]:82/')" "" || return
    in_ns c nft delete table inet t
    same cut "$(fetch 18 "$here6/cut" | wc -c)" 500 || return
    same missing "$(fetch 22 $here4/missing)" "" || return
    check grep -q "HTTP 404" "$said" || return
    same "not HTTP" "$(fetch 1 $here4/garbage)" "" || return
    same "no family" "$(fetch 1 -6 none "$here6/length")" "" || return
    same "the first failure" "$(fetch 3 -n 2 -o /dev/null -o /dev/null \
        http://10.9.8.1:81/ $here4/length)" ""
}
get_stopped() {
    peers || return
    background c $get -v $here4/hang
    within 50 grep -q 100000 "$out" || return
    kill -INT $pid
    wait $pid
    same "exit status" $? 130 || return
    check grep -aq '^bytes_in 5[0-9][0-9]$' "$out"
}
shows() { # a bar, a line, statistics
    peers || return
    in_ns c $get --progress -v -o /dev/null $here4/length 2>"$tmp/shown"
    same "exit status" $? 0 || return
    check grep -aq '\[########################################\] 100 %' \
        "$tmp/shown" || return
    check grep -aq '^tun-get: 300000 bytes in .* s, .* Mbit/s' \
        "$tmp/shown" && check grep -aq '^bytes_in 3000[0-9][0-9]$' \
        "$tmp/shown" || return
    in_ns c $get -o /dev/null $here4/length 2>"$tmp/shown" || return
    same "without a terminal" "$(grep -ac '\[' "$tmp/shown")" 0
}
get_captured() {
    local f=$tmp/client.pcapng
    peers || return
    same got "$(fetch 0 --pcap "$f" $here4/length | wc -c)" 300000 || return
    tshark -r "$f" -o tcp.check_checksum:TRUE -q -z expert,warn \
        >"$tmp/expert" 2>&1
    same "expert complaints" "$(grep -E '^ +[0-9]+ ' "$tmp/expert" |
        grep -v 'connection finish\|0xffff instead of 0x0000' |
        tr -s ' \n' ' ')" "" || return
    same "the last FIN is acknowledged" "$(tshark -r "$f" -Y \
        'tcp.flags.fin == 1' 2>/dev/null | wc -l)" 2
}
get_super() {
    peers || return
    same down "$(fetch 0 --gso "$here6/length" | sum)" \
        "$(sequence 0 300000 | sum)" || return
    same up "$(fetch 0 --gso -T "$www/big" $here4/x)" "$(sum <"$www/big")"
}

# ---------------------------------------------------------------------------

if [ -z "$missing" ]; then
    build tun-httpd tun-get tun/draw || {
        echo "FAIL build: $(tail -n 3 "$log" | tr '\n' ' ')"
        failed=1
        finish
    }
    namespace c
    mkdir -p "$www/sub/deep" "$www/linkdir"
    echo "the index" >"$www/index.html"
    echo "a file" >"$www/a file.txt"
    echo css >"$www/sub/x.css"
    echo "a secret" >"$tmp/secret"
    ln -s ../secret "$www/link"
    rmdir "$www/linkdir"
    ln -s .. "$www/linkdir"
    ln -s "a file.txt" "$www/inner"
    sequence 5 3000000 >"$www/big"
fi
run usage ip
run pages curl
run escapes curl
run ranges curl
run generated curl
run reused curl
run kept_alive python3
run pipelined python3
run half_closed python3
run echoes curl python3
run uploads curl
run expected python3
run malformed python3
run many curl python3
run counts curl
run pinged python3
run split_anywhere curl python3
run put_to_files curl
run one_at_a_time python3
run idle_ends python3
run stopping python3
run captured curl tshark
run device_full curl "${CC:-cc}"
run addresses curl
run super_segments curl
run gets python3
run puts python3
run in_parallel python3
run get_exits python3 nft
run get_stopped python3
run shows python3
run get_captured python3 tshark
run get_super python3
finish
