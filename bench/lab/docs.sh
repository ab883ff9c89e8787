#!/bin/bash
# docs.sh - writes what the laboratory found into docs/recovery.md, between
# its marks `<!-- lab NAME -->` and `<!-- end -->`, and the plots into
# docs/img. After `make lab` and `make lab-smoke`.
cd "$(dirname "$0")/../.." || exit
doc=docs/recovery.md
from=build/lab
[ "${1:-}" != --help ] || { sed -n '2,4s/^# //p' "$0" && exit; }

block() { # NAME: what belongs there
    case $1 in
    smoke) cat $from/smoke.txt ;;
    grid-*) # grid-CC-RTT-NUMBER
        local cc rtt what
        IFS=- read -r _ cc rtt what <<<"$1"
        awk -v h="$cc, RTT $rtt ms: $what" '
            index($0, h) == 1 {on = 1}
            on && $0 == "" {exit}
            on {print}' $from/grid.txt
        ;;
    flows-*) # flows-MBIT-RTT
        local rate rtt
        IFS=- read -r _ rate rtt <<<"$1"
        awk -v h="$rate Mbit/s, RTT $rtt ms:" '
            index($0, h) == 1 {on = 1}
            on && $0 == "" {exit}
            on {print}' $from/flows.txt
        ;;
    fair) sed '1{/^$/d}' $from/fair.txt ;;
    pacing) cat $from/pacing.txt ;;
    esac
}

while IFS= read -r line; do
    case $line in
    "<!-- lab "*)
        name=${line#<!-- lab }
        name=${name% -->}
        echo "$line"
        skip=1
        if [ "$name" = kernel ]; then # make lab-kernel writes markdown
            if [ -s build/lab_kernel.md ]; then
                cat build/lab_kernel.md
            else
                skip= # what is there stays
            fi
        else
            echo '```text'
            block "$name"
            echo '```'
        fi
        ;;
    "<!-- end -->")
        echo "$line"
        skip=
        ;;
    *) [ -n "${skip:-}" ] || printf '%s\n' "$line" ;;
    esac
done <$doc | sed 's/[ ]*$//' >$from/recovery.md && cp $from/recovery.md $doc
mkdir -p docs/img
for png in $(grep -o 'img/[a-z0-9-]*\.png' $doc | sort -u); do
    cp "$from/${png#img/}" docs/img/
done
