#!/bin/bash
# gigabyte.sh - a gibibyte each way between tun-httpd and curl while 10 000
# other connections idle. Needs root, and a gibibyte in $TMPDIR, twice.
#
# With super-segments (--gso), for speed; many.sh does without.

. "$(dirname "$0")/common.bash"

idler=build/tests/support/idle
idle=10000

ten_thousand() {
    background c $idler $idle 80 10.9.8.2 fd09:8::2
    idle_pid=$pid idle_out=$out
    within 300 grep -q open "$idle_out" || {
        why="not open: $(tail -n 1 "$idle_out")"
        return 1
    }
    same "what idle says" "$(tail -n 1 "$idle_out")" "idle: $idle open" ||
        return
    settles connections $((idle + 1)) || return
    same "rings in use" "$(stat rings)" $((idle + 1))
}

# No packet comes, so there is no wake-up.
no_wake_up() {
    local before
    sleep 1 # curl's last ACK may be due
    before=$(grep '^voluntary' /proc/$server/status)
    sleep 2
    same "what it did" "$(grep '^voluntary' /proc/$server/status)" "$before"
}

download() {
    arrived "$tmp/gib" < <(get $four/bytes/1G)
}

upload() {
    same answer "$(get -T "$tmp/gib" $six/gib)" $gib || return
    arrived "$tmp/gib" <"$tmp/put/gib"
}

there_and_back() {
    arrived "$tmp/gib" < <(get -T "$tmp/gib" $four/echo)
}

each_answers() {
    kill -USR1 "$idle_pid"
    wait "$idle_pid"
    status_is $? 0 "$idle_out" || return
    same "what idle says" "$(tail -n 1 "$idle_out")" \
        "idle: $idle answered" || return
    settles connections 1
}

start tun-httpd tun/bulk tests/support/idle
if [ -z "$missing" ]; then
    mkdir "$tmp/put"
    $bulk seq $gib >"$tmp/gib"
    serve $httpd --gso --conns $((idle + 100)) --idle 600 \
        --put "$tmp/put" || {
        echo "FAIL start: $why"
        failed=1
        finish
    }
fi
run ten_thousand curl
run no_wake_up
run download curl
run upload curl
run there_and_back curl
run each_answers curl
finish
