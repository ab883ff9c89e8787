#!/bin/bash
# The demo under several seeds and files, and every one of its scenes found
# again in the capture by tshark, which knows nothing of tcpsm.h.

cd "$(dirname "$0")/../.." && . tests/check.bash

demo=build/loopback/demo
file=tcpsm.h
seeds="1 2 3 5 8 13 2026"

run() { # LOG CAPTURE ARGS...
    local log=$1 cap=$2
    shift 2
    env -u SEED "$demo" --pcap "$cap" "$@" >"$log" 2>&1 </dev/null
}

digest() {
    sha256sum <"$1" | cut -d' ' -f1
}

# The last line, and nothing else, says ok, with the digest of the file
verdict() { # NAME LOG FILE
    same "$1" "demo: ok sha256=$(digest "$3") bytes=$(($(wc -c <"$3")))" \
        "$(tail -n 1 "$2")"
}

check build make -s $demo || finish

# ---- without tshark ----------------------------------------------------

check help $demo --help
$demo --nonsense >/dev/null 2>&1
same wrong_usage_is_2 2 $?
$demo --file /nonexistent --pcap "$tmp/x" >"$tmp/out" 2>&1
same missing_file_is_1 "1 demo: FAILED: /nonexistent cannot be opened" \
    "$? $(cat "$tmp/out")"
$demo --pcap /nonexistent/x >/dev/null 2>&1
same capture_cannot_be_written_is_1 1 $?

for seed in $seeds; do
    run "$tmp/$seed.log" "$tmp/$seed.pcapng" --seed "$seed"
    same "seed${seed}_exit" 0 $?
    verdict "seed${seed}_ok_line" "$tmp/$seed.log" $file
done

run "$tmp/again.log" "$tmp/again.pcapng" --seed 2
sed "s,$tmp/again,$tmp/2,g" "$tmp/again.log" >"$tmp/again.txt"
check same_seed_same_picture cmp "$tmp/2.log" "$tmp/again.txt"
check same_seed_same_capture cmp "$tmp/2.pcapng" "$tmp/again.pcapng"
if cmp -s "$tmp/1.pcapng" "$tmp/2.pcapng"; then
    fail other_seed_other_network "seeds 1 and 2 gave the same capture"
else
    ok other_seed_other_network
fi
SEED=2 $demo --pcap "$tmp/env.pcapng" >/dev/null 2>&1
check seed_from_environment cmp "$tmp/env.pcapng" "$tmp/2.pcapng"

if grep -q "$(printf '[\033\r]')" "$tmp/1.log"; then
    fail plain_when_no_terminal "escape codes in a file"
else
    ok plain_when_no_terminal
fi
run "$tmp/ascii.log" "$tmp/a.pcapng" --ascii
if LC_ALL=C grep -q '[^ -~]' "$tmp/ascii.log"; then
    fail ascii_is_ascii "$(LC_ALL=C grep -m 1 '[^ -~]' "$tmp/ascii.log")"
else
    ok ascii_is_ascii
fi
if awk 'length > 80 && !/^demo: ok/ { print; bad = 1 } END { exit bad }' "$tmp/ascii.log" \
    >"$tmp/wide"; then
    ok fits_80_columns
else
    fail fits_80_columns "$(head -n 1 "$tmp/wide")"
fi
if has script; then
    TERM=xterm script -qec "$demo --fast --pcap $tmp/t.pcapng" /dev/null \
        >"$tmp/terminal" 2>&1 </dev/null
    check bar_on_a_terminal grep -q "$(printf '\r')   .*100 %" \
        "$tmp/terminal"
    check colours_on_a_terminal grep -q "$(printf '\033\\[36m')" \
        "$tmp/terminal"
    NO_COLOR=1 TERM=xterm script -qec "$demo --fast --pcap $tmp/t.pcapng" \
        /dev/null >"$tmp/terminal" 2>&1 </dev/null
    if grep -q "$(printf '\033\\[[0-9]*m')" "$tmp/terminal"; then
        fail no_color_is_heard "colours in spite of NO_COLOR"
    else
        ok no_color_is_heard
    fi
else
    skip bar_on_a_terminal "script is not installed"
fi

# Each state of RFC 9293 that this story visits stands in its margin.
states() { # NAME COLUMN STATE...
    local name=$1 column=$2 s
    shift 2
    for s in "$@"; do
        if ! awk -F'|' -v c="$column" -v s="$s" \
            'NF == 3 && index($c, " " s " ") { found = 1 }
             END { exit !found }' "$tmp/ascii.log"; then
            fail "$name" "$s is not in the picture"
            return
        fi
    done
    ok "$name"
}
states states_of_the_client 1 SYN-SENT ESTABLISHED FIN-WAIT-1 FIN-WAIT-2 \
    TIME-WAIT CLOSED
states states_of_the_server 3 LISTEN SYN-RECEIVED ESTABLISHED CLOSE-WAIT \
    LAST-ACK CLOSED

seq 1 450000 >"$tmp/large" # about 3 MB
head -c 1 $file >"$tmp/one"
: >"$tmp/empty"
for f in large one empty; do
    run "$tmp/$f.log" "$tmp/$f.pcapng" --seed 4 --file "$tmp/$f"
    same "file_${f}_exit" 0 $?
    verdict "file_${f}_ok_line" "$tmp/$f.log" "$tmp/$f"
done

# ---- with tshark -------------------------------------------------------

if ! has tshark; then
    for s in $seeds large; do
        skip "scenes_in_the_capture_$s" "tshark is not installed (make deps)"
    done
    finish
fi

fields="frame.number ip.src tcp.flags tcp.seq_raw tcp.ack_raw tcp.len
    tcp.urgent_pointer tcp.checksum.status ip.checksum.status
    tcp.analysis.retransmission tcp.analysis.out_of_order
    tcp.analysis.duplicate_ack tcp.options.sack_le frame.comment
    _ws.malformed tcp.stream"

dissect() { # CAPTURE
    local f args=()
    for f in $fields; do
        args+=(-e "$f")
    done
    tshark -r "$1" -o tcp.check_checksum:TRUE -o ip.check_checksum:TRUE \
        -T fields -E separator=/t -E occurrence=f "${args[@]}" 2>/dev/null
}

# Reads those fields; prints `ok SCENE`, or `FAIL SCENE why`. Sequence
# numbers are taken modulo 2^32 from the ISN.
scenes() {
    awk -F'\t' '
    function bit(flags, b) { return int(flags / b) % 2 }
    function rel(side, n) { n -= isn[side]; return n < 0 ? n + 4294967296 : n }
    function result(name, good, why) {
        print (good ? "ok " : "FAIL ") name (good ? "" : " " why)
    }
    BEGIN { for (i = 0; i < 16; i++) hex[substr("0123456789abcdef", i + 1, 1)] = i }
    {
        flags = 0
        for (i = 3; i <= length($3); i++) flags = flags * 16 + hex[substr($3, i, 1)]
        fin = bit(flags, 1); syn = bit(flags, 2); rst = bit(flags, 4)
        ack = bit(flags, 16); urg = bit(flags, 32)
        me = $2 == "10.0.0.1" ? "c" : "s"; you = me == "c" ? "s" : "c"
        lost = index($14, "LOST") > 0
        if (syn && !(me in isn)) isn[me] = $4
        seq = rel(me, $4); num = ack ? rel(you, $5) : 0
        if ($16 != 0) other_stream++
        len = $6

        shape[NR] = (syn ? "S" : "") (fin ? "F" : "") (rst ? "R" : "") (ack ? "A" : "")
        who[NR] = me; s[NR] = seq; a[NR] = num; l[NR] = len
        if (rst) resets++
        if ($8 != 1) bad_tcp++
        if ($9 != 1) bad_ip++
        if ($15 != "") malformed++

        # an old SYN, and what follows it
        if (syn && !ack && NR > 3 && seq == 0) old_syn = NR

        if ($10 != "" && len > 0 && me == "c" && !fin) again++
        if ($11 != "") ooo++
        if ($12 != "" && me == "s") dupack++
        if ($13 != "" && me == "s" && $13 < num) dsack++ # relative already
        if (me == "c" && len > 0) {
            key = seq ":" len
            if (lost) hole[key] = NR
            else {
                if (key in seen) twice++
                seen[key] = NR
                delete hole[key]
                # it arrives below what has arrived, and for the first time
                if (seq < top && !(key in had)) late++
                had[key] = 1
            }
            if (lost) had[key] = 1
            if (seq + len > top) top = seq + len
        }
        if (urg) { urgents++; urgent = $7; urgent_len = len }

        # waves
        if (fin && me == "c" && !c_fin) { c_fin = NR; c_fin_end = seq + len + 1 }
        if (c_fin && me == "s" && !fin && !len && num == c_fin_end && !wave2) wave2 = NR
        if (c_fin && !s_fin && me == "s" && len > 0 && !fin) answered = NR
        if (answered && me == "c" && num > s[answered]) read_on = NR
        if (fin && me == "s") { s_fins++; s_fin_at[s_fins] = NR; if (!s_fin) { s_fin = NR; s_fin_end = seq + len + 1 } }
        if (s_fin && me == "c" && num == s_fin_end) { last++; last_at[last] = NR; last_lost[last] = lost }
    }
    END {
        result("handshake", shape[1] == "S" && who[1] == "c" && s[1] == 0 && \
            shape[2] == "SA" && who[2] == "s" && s[2] == 0 && a[2] == 1 && \
            shape[3] == "A" && who[3] == "c" && s[3] == 1 && a[3] == 1,
            shape[1] " " shape[2] " " shape[3])
        result("old_syn_is_challenged", old_syn && shape[old_syn + 1] == "A" && \
            who[old_syn + 1] == "s" && s[old_syn + 1] == 1 && \
            a[old_syn + 1] == 1 && l[old_syn + 1] == 0, "frame " old_syn)
        result("no_resets", resets == 0, resets)
        result("tshark_sees_retransmissions", again > 0, "none")
        n = 0; for (key in hole) n++
        result("every_loss_was_sent_again", n == 0, n " were not")
        result("tshark_sees_out_of_order", ooo > 0, "none")
        result("late_segments", late > 0, "none")
        result("copies", twice > 0, "none")
        result("duplicate_acks", dupack >= 3, dupack + 0)
        result("copies_are_reported_by_dsack", dsack > 0, "none")
        result("urgent_pointer", urgents == 1 && urgent == 16 && urgent_len == 16, urgents " " urgent " " urgent_len)
        result("half_close_waves_one_and_two", c_fin && wave2 > c_fin && wave2 < s_fin, c_fin " " wave2 " " s_fin)
        result("data_after_the_first_fin", answered > c_fin && answered < s_fin && read_on > answered, c_fin " " answered " " read_on)
        result("fin_is_sent_again", s_fins >= 2 && s[s_fin_at[1]] + l[s_fin_at[1]] == s[s_fin_at[s_fins]] + l[s_fin_at[s_fins]], s_fins " fins")
        result("last_ack_lost_and_repeated", last >= 2 && last_lost[1] && !last_lost[last] && \
            s_fin_at[1] < last_at[1] && last_at[1] < s_fin_at[2] && s_fin_at[2] < last_at[2], last " last acks")
        result("ends_with_the_last_ack", last_at[last] == NR, last_at[last] " of " NR)
        result("checksums_tcp", bad_tcp == 0 && NR > 10, bad_tcp + 0)
        result("checksums_ip", bad_ip == 0 && NR > 10, bad_ip + 0)
        result("one_stream", other_stream == 0, other_stream + 0)
        result("nothing_malformed", malformed == 0, malformed + 0)
    }'
}

for s in $seeds large; do
    dissect "$tmp/$s.pcapng" >"$tmp/$s.tsv"
    while read -r what name why; do
        if [ "$what" = ok ]; then
            ok "${s}_$name"
        else
            fail "${s}_$name" "$why"
        fi
    done < <(scenes <"$tmp/$s.tsv")
done

# The capture holds the file itself: tshark puts the stream together.
tshark -r "$tmp/1.pcapng" -q -z follow,tcp,raw,0 2>/dev/null |
    sed -n '/^[0-9a-f][0-9a-f]*$/p' | perl -ne 'chomp; print pack("H*", $_)' |
    head -c "$(($(wc -c <$file)))" >"$tmp/followed"
check the_file_is_in_the_capture cmp "$tmp/followed" $file

finish
