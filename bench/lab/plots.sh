#!/bin/bash
# plots.sh [DIR] - draws what docs/recovery.md shows, into DIR (build/lab):
# time-sequence plots with SACKs and retransmissions, windows over time,
# shares of flows, goodput over loss (if build/lab.json is there). Needs
# gnuplot (make deps) and the laboratory (make lab-build).
cd "$(dirname "$0")/../.." || exit
case ${1:-} in
--help)
    sed -n '2,5s/^# //p' "$0"
    exit
    ;;
esac
to=${1:-build/lab}
at=build/lab/data
lab=build/lab/lab
command -v gnuplot >/dev/null || {
    echo "plots: gnuplot is not installed (make deps)" >&2
    exit 3
}
mkdir -p $at "$to"

draw() { # NAME TITLE, the rest on stdin
    {
        echo "set terminal pngcairo size 760,420 font 'sans,9'"
        echo "set output '$to/$1.png'"
        echo "set title \"$2\""
        echo "set key left top"
        echo "set grid lc rgb '#dddddd'"
        echo "set style fill solid 0.3"
        cat
    } | gnuplot || exit
    echo "$to/$1.png"
}

# Van Jacobson's and Stevens's: what is sent is a dot, what is sent again a
# cross, what the network dropped a circle, the ACK a staircase, what is
# SACKed a bar.
stevens() { # NAME TITLE OPTIONS...
    local name=$1 title=$2 p=$at/$1
    shift 2
    $lab trace "$@" --prefix "$p" >"$p.text" || exit
    draw "$name" "$title" <<END
set xlabel 'seconds'
set ylabel 'segments of 1448 bytes'
plot '$p.sack' u 1:2:(0):(\$3-\$2) w vectors nohead lw 1 \
lc rgb '#9ecae1' t 'SACKed', \
'$p.ack' u 1:2 w steps lw 1.5 lc rgb '#31a354' t 'acknowledged', \
'$p.sent' u 1:2 w p pt 7 ps 0.35 lc rgb '#444444' t 'sent', \
'$p.lost' u 1:2 w p pt 6 ps 1.1 lc rgb '#d62728' t 'dropped', \
'$p.again' u 1:2 w p pt 2 ps 0.9 lc rgb '#d62728' t 'sent again'
END
}

window() { # NAME TITLE OPTIONS...
    local name=$1 title=$2 p=$at/$1
    shift 2
    $lab trace "$@" --prefix "$p" >"$p.text" || exit
    draw "$name" "$title" <<END
set xlabel 'seconds'
set ylabel 'segments of 1448 bytes'
plot '$p.window' u 1:4 w l lc rgb '#bbbbbb' t 'in flight', \
'$p.window' u 1:(\$3>0?\$3:1/0) w l lw 1.5 lc rgb '#ff7f0e' t 'ssthresh', \
'$p.window' u 1:2 w l lw 1.5 lc rgb '#1f77b4' t 'cwnd'
END
}

stevens stevens-losses "10 Mbit/s, 40 ms: 6 of 100 segments dropped" \
    --rate 10M --rtt 40 --segments 100 --drop 20,22-23,30,41,55 --seconds 0.5
stevens stevens-tail "The last 4 of 20 segments dropped: a tail loss probe" \
    --rate 10M --rtt 40 --segments 20 --drop 16-19 --seconds 0.6
stevens stevens-slow-start "Slow start into a queue of half a BDP" \
    --rate 20M --rtt 40 --queue 50000 --seconds 0.8
stevens stevens-reordering "10 % of the packets late by a quarter RTT" \
    --rate 10M --rtt 40 --queue 1000000 --trouble reorder-10 --seconds 1 \
    --from 0.3 --to 0.45
stevens stevens-loss-20 "20 % random loss" \
    --rate 10M --rtt 40 --trouble loss-20 --seconds 2
stevens stevens-blackout "2 s of silence, 20 Mbit/s, 40 ms" \
    --rate 20M --rtt 40 --queue 300000 --trouble blackout-2s --seconds 16 \
    --from 3.5 --to 7.5
window window-cubic "CUBIC, 100 Mbit/s, 50 ms, a queue of one BDP" \
    --rate 100M --rtt 50 --seconds 60 --step 20
window window-newreno "NewReno, 100 Mbit/s, 50 ms, a queue of one BDP" \
    --rate 100M --rtt 50 --seconds 60 --step 20 --cc newreno
window window-ecn "CUBIC with Accurate ECN, marks from half a BDP on" \
    --rate 50M --rtt 20 --seconds 20 --step 5 --trouble ecn

[ -s $at/fair-cubic-2 ] || $lab fair --prefix $at/fair >/dev/null || exit
for n in 2 8; do
    for mix in cubic newreno half-half; do
        plot=
        for i in $(seq $n); do
            t="u 1:$((i + 1)) w l t 'flow $i'"
            plot="$plot${plot:+, }'$at/fair-$mix-$n' $t"
        done
        draw fair-$mix-$n "$n flows ($mix), 10 Mbit/s, 20 ms" <<END
set xlabel 'seconds'
set ylabel 'Mbit/s of payload'
set yrange [0:]
set key right top
plot $plot
END
    done
done

if [ -s build/lab.json ]; then
    loss() { # CC RTT_US: loss in %, fraction
        sed -n 's/.*"rate":10000000,"rtt_us":'"$2"',"trouble":"\([^"]*\)"'"\
"',"cc":"'"$1"'".*"fraction":\([0-9.]*\).*/\1 \2/p' build/lab.json |
            sed -n 's/^loss-//p' | sort -n
    }
    plot=
    for cc in cubic newreno; do
        for rtt in 1000 20000 200000; do
            loss $cc $rtt >$at/loss-$cc-$rtt
            t="u 1:2 w lp t '$cc, $((rtt / 1000)) ms'"
            plot="$plot${plot:+, }'$at/loss-$cc-$rtt' $t"
        done
    done
    draw goodput-loss "10 Mbit/s: goodput over random loss" <<END
set xlabel 'loss, %'
set ylabel 'of what the link allows'
set logscale x
set yrange [0:1.05]
set key left bottom
plot $plot
END
fi
