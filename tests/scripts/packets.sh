#!/bin/bash
# packets.sh - the packet scripts of this directory through build/pkt: ours
# under our profile, on a stack and on one connection; with the smallest
# configuration; from a remote ISN near 2^32; what the kernel did, under the
# profile of Linux; and those that are wrong, which must fail as they say.
cd "$(dirname "$0")/../.." || exit 2

P=0 F=0 S=0
for f in build/pkt build/pkt-tiny; do
    [ -x $f ] && continue
    echo "FAIL $f: it was not built (make pkt)"
    F=1
done

# name each line by its kind, so that none is there twice
run() { # KIND COMMAND...
    local kind=$1 out rc p _ f s
    shift
    out=$("$@" 2>&1)
    rc=$?
    sed '$d' <<<"$out" |
        sed -E "s#^(ok|FAIL|SKIP) (tests/scripts/)?#\1 $kind#"
    read -r p _ f _ s _ <<<"$(tail -n 1 <<<"$out")"
    case $rc:$p$f$s in
    [01]:*[!0-9]* | [01]: | [!01]:*)
        echo "FAIL ${kind}run: exit status $rc: $(tail -n 3 <<<"$out")"
        F=$((F + 1))
        return
        ;;
    esac
    P=$((P + p)) F=$((F + f)) S=$((S + s))
}

shopt -s nullglob
ours=(tests/scripts/rfc*/ tests/scripts/runner/)
[ -d tests/scripts/runner ] || ours=(tests/scripts/rfc*/)
if [ $F = 0 ]; then
    run "" build/pkt "${ours[@]}"
    run one/ build/pkt --layer=1 "${ours[@]}"
    run wrap/ build/pkt --remote_isn=4294967290 "${ours[@]}"
    run tiny/ build/pkt-tiny "${ours[@]}"
    run "" build/pkt --profile linux tests/scripts/linux
    run "" build/pkt --wrong tests/scripts/wrong
fi
echo "$P passed, $F failed, $S skipped"
[ $F = 0 ]
