#!/bin/bash
# The harness and the runner notice what they must: a failure, a crash, a
# hang, a program that says less than it ran.
cd "$(dirname "$0")/../.." && . tests/check.bash
root=$PWD

cat >"$tmp/three.c" <<'END'
#include "test.h"
TEST(passes)
{
    CHECK(1);
    CHECK_EQ(1u, 1);
    CHECK_LT(TCPSM__SMALL, 2u);
}
TEST(fails)
{
    CONTEXT("seed %d", 7);
    CHECK_EQ(0xFFFFFFFFu, -1);
}
TEST(skips)
{
    SKIP("no %s here", "moon");
}
TEST(memory_differs)
{
    CHECK_MEM("abc", "abd", 3);
}
TEST(crashes)
{
    if (getenv("CRASH"))
        abort();
}
END
if check harness-compiles "${CC:-cc}" -std=c99 $warnings -DTCPSM__SMALL=1u \
    -Itests/support -o "$tmp/three" "$tmp/three.c"; then
    "$tmp/three" >"$tmp/three.out"
    same harness-exit 1 $?
    same harness-lines "ok passes
FAIL fails: 0xFFFFFFFFu == -1: 4294967295 (0xffffffff) and -1\
 (0xffffffffffffffff) (three.c:11); seed 7
SKIP skips: no moon here
FAIL memory_differs: \"abc\" and \"abd\" differ at byte 2: 63 and 64\
 (three.c:19)
ok crashes
2 passed, 2 failed, 1 skipped" "$(cat "$tmp/three.out")"
    same harness-names-the-crash "FAIL crashes: aborted, see above" \
        "$(CRASH=1 "$tmp/three" 2>/dev/null | tail -n 1)"
    same harness-filter "1 passed, 0 failed, 0 skipped" \
        "$("$tmp/three" --filter asses | tail -n 1)"
    same harness-list 5 "$("$tmp/three" --list | wc -l)"
fi

run() { # NAME BODY WANT: a script with that body gives that closing line
    rm -rf "$tmp/run"
    mkdir -p "$tmp/run/tests/unit"
    printf '#!/bin/sh\n%s\n' "$2" >"$tmp/run/tests/unit/x.sh"
    chmod +x "$tmp/run/tests/unit/x.sh"
    got=$(cd "$tmp/run" && FILTER= V= LIMIT=1 "$root/tests/run.sh" \
        tests/unit/x.sh 2>&1 && echo fine)
    same "runner-$1" "$3" "$(echo "$got" | tail -n $(echo "$3" | wc -l))"
}
run adds 'echo ok a; echo "SKIP b: c"; echo 1 passed, 0 failed, 1 skipped' \
    "1 passed, 0 failed, 1 skipped
fine"
run lists-skips 'echo "SKIP b: c"; echo 0 passed, 0 failed, 1 skipped' \
    "Skipped:
  unit/x: b: c

0 passed, 0 failed, 1 skipped
fine"
run failure 'echo "FAIL a: b"; echo 0 passed, 1 failed, 0 skipped; exit 1' \
    "0 passed, 1 failed, 0 skipped"
run crash 'echo ok a; kill -ABRT $$' "1 passed, 1 failed, 0 skipped"
run hang 'echo ok a; exec sleep 9' "1 passed, 1 failed, 0 skipped"
run says-less 'echo ok a; echo 2 passed, 0 failed, 0 skipped' \
    "1 passed, 1 failed, 0 skipped"
run says-nothing ':' "0 passed, 1 failed, 0 skipped"
run hides 'echo "FAIL a: b"; echo 0 passed, 1 failed, 0 skipped; exit 0' \
    "0 passed, 2 failed, 0 skipped"
mkdir -p "$tmp/run/build/tests/unit"
same runner-missing "0 passed, 1 failed, 0 skipped" "$(cd "$tmp/run" &&
    FILTER= V= "$root/tests/run.sh" build/tests/unit/nothing | tail -n 1)"
finish
