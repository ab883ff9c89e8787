#!/bin/bash
# lab.sh - the whole laboratory: build/lab.json, tables in build/lab/*.txt,
# plots in build/lab/*.png. Called by `make lab`. JOBS: processes (2).
cd "$(dirname "$0")/../.." || exit
lab=build/lab/lab
to=build/lab
mkdir -p $to/data
bad=0
part() { # NAME COMMAND...: its table, shown and kept
    local name=$1
    shift
    echo "== $name"
    "$@" >$to/"$name".txt || bad=1
    cat $to/"$name".txt
}
part grid $lab grid --jobs "${JOBS:-2}" --json $to/grid.json
part flows $lab flows --json $to/flows.json
part fair $lab fair --json $to/fair.json --prefix $to/data/fair
LAB_DEBUG=1 $lab smoke --filter pacing 2>&1 | sed '$d' >$to/pacing.txt
{
    echo '{"grid":'
    cat $to/grid.json
    echo ',"flows":'
    cat $to/flows.json
    echo ',"fair":'
    cat $to/fair.json
    echo '}'
} >build/lab.json
echo "build/lab.json"
if command -v gnuplot >/dev/null; then
    bench/lab/plots.sh $to || bad=1
else
    echo "no plots: gnuplot is not installed (make deps)"
fi
exit $bad
