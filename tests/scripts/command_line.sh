#!/bin/bash
# command_line.sh - what build/pkt does with its arguments, and what it says.
cd "$(dirname "$0")/../.." && . tests/check.bash
pkt=$PWD/build/pkt
[ -x "$pkt" ] || { fail pkt "build/pkt was not built (make pkt)"; finish; }

mkdir -p "$tmp/d/sub" "$tmp/d/wrong" "$tmp/empty"
cd "$tmp" || exit 1
body='0 socket(..., SOCK_STREAM, IPPROTO_TCP) = 3
+0 bind(3, ..., ...) = 0
+0 listen(3, 1) = 0
+0 < S 0:0(0) win 1000 <mss 1000>
+0 > S. 0:0(0) ack 1 <mss MSS>
'
script() { # FILE TEXT
    printf '%s\n' "$2" >"$1"
}
script d/good.pkt "${body//MSS/1460}"
script d/sub/first.pkt "${body//MSS/1460}"
script d/bad.pkt "${body//MSS/1461}"
script d/later.pkt "${body//MSS/1460}+0 < udp (5)"
script d/wrong/right.pkt "// expect: 1461
${body//MSS/1461}"
script d/notes.txt 'not a script'
script passes.pkt "// expect: 1461
${body//MSS/1460}"
script other.pkt "// expect: something else
${body//MSS/1461}"
script symbol.pkt "$body"
script option.pkt "--mtu=1400
${body//MSS/1360}"
script stack.pkt "// needs: full, stack
${body//MSS/1460}"
script linux.pkt "// profile: linux 6.18
+0 > . 1:1(0) ack 1"
script nobody.pkt "// profile: nobody
"
script syntax.pkt '0 close(3) = 0
+0 > X 1:1(0)'

says() { # NAME STATUS TEXT COMMAND...: the whole output
    local name=$1 status=$2 text=$3 out
    shift 3
    out=$("$@" 2>&1)
    same "$name" "$status $text" "$? $out"
}
ends() { # NAME STATUS TEXT COMMAND...: the last line
    local name=$1 status=$2 text=$3 out rc
    shift 3
    out=$("$@" 2>&1)
    rc=$?
    same "$name" "$status $text" "$rc $(tail -n 1 <<<"$out")"
}
try='Try pkt --help.'

says a_file 0 'ok d/good.pkt
1 passed, 0 failed, 0 skipped' "$pkt" d/good.pkt
says a_directory 1 'FAIL d/bad.pkt: line 5: outbound segment: option: '\
'script mss 1461 live mss 1460 (live: S. 0:0(0) ack 1 win 65535 <mss 1460>)
ok d/good.pkt
SKIP d/later.pkt: line 6: udp
ok d/sub/first.pkt
2 passed, 1 failed, 1 skipped' "$pkt" d
ends two_arguments 0 '2 passed, 0 failed, 0 skipped' \
    "$pkt" d/good.pkt d/sub/
ends skips_are_no_failures 0 '0 passed, 0 failed, 1 skipped' \
    "$pkt" d/later.pkt
says skips_by_construct 0 'SKIP d/later.pkt: line 6: udp
SKIP d/later.pkt: line 6: udp
     2 skipped: udp
0 passed, 0 failed, 2 skipped' "$pkt" --list-skips d/later.pkt d/later.pkt
says syntax 1 'FAIL syntax.pkt: line 2: syntax: no TCP flag is called '\
"'X', at \"X 1:1(0)\"
0 passed, 1 failed, 0 skipped" "$pkt" syntax.pkt
says wrong 0 'ok d/wrong/right.pkt
1 passed, 0 failed, 0 skipped' "$pkt" --wrong d/wrong
ends wrong_but_passes 1 '0 passed, 1 failed, 0 skipped' \
    "$pkt" --wrong passes.pkt
ends wrong_in_another_way 1 '0 passed, 1 failed, 0 skipped' \
    "$pkt" --wrong other.pkt
says wrong_without_a_reason 1 'FAIL d/good.pkt: no line "// expect: TEXT"
0 passed, 1 failed, 0 skipped' "$pkt" --wrong d/good.pkt
says undefined 0 'SKIP symbol.pkt: line 5: undefined symbol MSS
0 passed, 0 failed, 1 skipped' "$pkt" symbol.pkt
ends defined 0 '1 passed, 0 failed, 0 skipped' "$pkt" -D MSS=1460 symbol.pkt
ends defined_close 0 '1 passed, 0 failed, 0 skipped' \
    "$pkt" symbol.pkt -DMSS=1460
ends defined_wrong 1 '0 passed, 1 failed, 0 skipped' \
    "$pkt" --define MSS=1461 symbol.pkt
ends option_of_a_script 0 '1 passed, 0 failed, 0 skipped' "$pkt" option.pkt
ends option_is_stronger 1 '0 passed, 1 failed, 0 skipped' \
    "$pkt" --mtu=1500 option.pkt
ends not_strict 0 '2 passed, 0 failed, 0 skipped' \
    "$pkt" --strict -mss option.pkt d/bad.pkt
ends strict_in_one_word 0 '1 passed, 0 failed, 0 skipped' \
    "$pkt" --strict=none d/bad.pkt
ends ipv6 1 '0 passed, 1 failed, 0 skipped' \
    "$pkt" --ip_version=ipv6 d/good.pkt
ends layer_1 0 '1 passed, 0 failed, 0 skipped' "$pkt" --layer=1 d/good.pkt
ends needs_the_stack 0 '0 passed, 0 failed, 0 skipped' \
    "$pkt" --layer=1 stack.pkt
ends has_the_stack 0 '1 passed, 0 failed, 0 skipped' "$pkt" stack.pkt
ends dry_run 0 '1 passed, 0 failed, 0 skipped' "$pkt" --dry_run d/bad.pkt
ends profile_of_a_script 1 '0 passed, 1 failed, 0 skipped' "$pkt" linux.pkt
says no_such_profile 1 'FAIL nobody.pkt: line 1: no profile is called "nobody"
0 passed, 1 failed, 0 skipped' "$pkt" nobody.pkt
ends an_empty_directory 0 '0 passed, 0 failed, 0 skipped' "$pkt" empty
says verbose 0 'd/good.pkt
    0.000000    1  call  socket(..., SOCK_STREAM, IPPROTO_TCP) = 3
    0.000000    2  call  bind(3, ..., ...) = 0
    0.000000    3  call  listen(3, 1) = 0
    0.000000    4  in    < S 0:0(0) win 1000 <mss 1000>
    0.000000       sent  S. 0:0(0) ack 1 win 65535 <mss 1460>
    0.000000    5  out   > S. 0:0(0) ack 1 <mss 1460>
ok d/good.pkt
1 passed, 0 failed, 0 skipped' "$pkt" -v d/good.pkt

ends help 0 'Exit status: 0 nothing failed, 1 something did, 2 wrong usage.' \
    "$pkt" --help
says no_script 2 "pkt: no script is given
$try" "$pkt"
says no_such_file 2 "pkt: none.pkt: No such file or directory
$try" "$pkt" none.pkt
says no_such_option 2 "pkt: no option -x
$try" "$pkt" -x d
says no_such_long_option 2 "pkt: no option --frobnicate
$try" "$pkt" --frobnicate=1 d
says bad_value 2 "pkt: --mtu cannot be \"1\"
$try" "$pkt" --mtu=1 d
says bad_profile 2 "pkt: no profile is called \"windows\"
$try" "$pkt" --profile windows d
says bad_strict 2 "pkt: \"most\" is no list of strict fields
$try" "$pkt" --strict most d
says bad_define 2 "pkt: -D needs NAME=VALUE, not \"MSS\"
$try" "$pkt" -D MSS d
says value_missing 2 "pkt: --profile needs a value
$try" "$pkt" --profile
finish
