#!/usr/bin/env python3
"""Is the runner of packet scripts lenient? Changes right scripts in one place
each, in every way that makes them wrong, and runs them all: each must fail,
for the reason that the change stands for.

usage: attack.py PKT DIRECTORY SCRIPT ...
  PKT        the runner
  DIRECTORY  for the changed scripts; emptied
Prints the lines of tests/support/test.h, one test for each kind of change."""

import collections
import os
import re
import shutil
import subprocess
import sys

OUT = re.compile(r'^(\s*[+\d.*~]+)\s+((?:sock\(\d\) )?)> '
                 r'((?:\[[^]]*\] )?)(\S+) (.*)$')
CALL = re.compile(r'^(\s*[+\d.]+\s+(?:read|write|getsockopt|bind|listen)'
                  r'\(.*) = (\d+)$')
SEQ = re.compile(r'(\d+):(\d+)\((\d+)\)')
ACK = re.compile(r'ack (\d+)')
OPTIONS = re.compile(r'<(.*)>')

# What the failure must be called, by the kind of change.
WHY = {
    'flag': 'flags|syntax',
    'seq': 'seq|flags|missing segment',  # the next one may be as the right
    'length': 'length|flags|missing segment|too late',
    'ack': 'ack|missing segment',        # one would have been
    'win': 'win',
    'option': 'option',
    'value': r'option|TS\.ecr|TS\.val',
    'ecn': 'ecn',
    'late': 'too early',        # the script is late, so tcpsm is early
    'early': 'too late',
    'deleted': 'surplus segment|too early|too late|seq|flags|ack|assert|'
               'would block|returned',
    'twice': 'missing segment|too late|surplus segment|flags|seq|length',
    'added': 'missing segment',
    'result': 'result|value|errno|returned',
}


def changes_out(line, m):
    """(kind, line) for one outbound segment."""
    when, sock, ecn, flags, rest = m.groups()

    def made(when=when, ecn=ecn, flags=flags, rest=rest):
        return f'{when} {sock}> {ecn}{flags} {rest}'

    def swapped(pattern, text):
        return rest.replace(pattern.group(0), text, 1)

    for f in 'FP.UEWS':
        if f in flags:
            new = flags.replace(f, '') or '-'
        elif '.' in flags and f != '.':
            new = flags.replace('.', '') + f + '.'
        else:
            new = flags + f
        yield 'flag', made(flags=new)
    seq = SEQ.search(rest)
    a, e, n = map(int, seq.groups())
    yield 'seq', made(rest=swapped(seq, f'{a + 1}:{e + 1}({n})'))
    yield 'length', made(rest=swapped(seq, f'{a}:{e + 1}({n + 1})'))
    if n > 1:
        yield 'length', made(rest=swapped(seq, f'{a}:{e - 1}({n - 1})'))
    ack = ACK.search(rest)
    if ack:
        for d in 1, -1:
            k = (int(ack.group(1)) + d) % 2**32
            yield 'ack', made(rest=swapped(ack, f'ack {k}'))
        if ' win ' not in rest:
            yield 'win', made(rest=swapped(ack, f'{ack.group(0)} win 77'))
    options = OPTIONS.search(rest)
    if options and options.group(1) != '...':
        o = options.group(1).split(',')
        for k in range(len(o)):
            left = ','.join(o[:k] + o[k + 1:])
            yield 'option', made(rest=swapped(options,
                                              f'<{left}>' if left else ''))
            new = re.sub(r'(\d+)(?!.*\d)',
                         lambda x: str((int(x.group(1)) + 1) % 2**32), o[k])
            if new != o[k] and not o[k].startswith('FO'):
                text = ','.join(o[:k] + [new] + o[k + 1:])
                yield 'value', made(rest=swapped(options, f'<{text}>'))
    elif not options:
        yield 'option', made(rest=rest + ' <nop,nop,sackOK>')
    for mark in '[ect0] ', '[ect1] ', '[ce] ', '[noecn] ':
        if mark != ecn and (ecn or mark != '[noecn] '):
            yield 'ecn', made(ecn=mark)
    if '*' not in when and '~' not in when:
        plus = '+' if '+' in when else ''
        t = float(when.strip().lstrip('+'))
        yield 'late', made(when=f'{plus}{t + .02:.3f}')
        if t >= .02:
            yield 'early', made(when=f'{plus}{t - .02:.3f}')
        if plus and t == 0:  # of others a timer's next one may take the place
            yield 'deleted', '// ' + line
    now = made(when='+0')
    yield 'twice', line + '\n' + now
    yield 'added', line + '\n+0 > . 77:77(0) ack 1'


def changes(line):
    m = OUT.match(line)
    if m:
        yield from changes_out(line, m)
    m = CALL.match(line)
    if m:
        yield 'result', f'{m.group(1)} = {int(m.group(2)) + 1}'
        yield 'result', f'{m.group(1)} = -1 EBADF'


def main():
    if len(sys.argv) < 4:
        print(__doc__, file=sys.stderr)
        return 2
    pkt, where, scripts = sys.argv[1], sys.argv[2], sys.argv[3:]
    shutil.rmtree(where, ignore_errors=True)
    os.makedirs(where)
    made = {}
    for path in scripts:
        with open(path) as f:
            lines = f.read().split('\n')
        for i, line in enumerate(lines):
            for kind, new in changes(line):
                name = f'{len(made):05d}.pkt'
                made[name] = kind, f'{path}:{i + 1}: {new}'
                with open(os.path.join(where, name), 'w') as f:
                    f.write('\n'.join(lines[:i] + [new] + lines[i + 1:]))
    run = subprocess.run([pkt, where], capture_output=True, text=True)
    tried, wrong, seen = collections.Counter(), {}, set()
    for line in run.stdout.split('\n'):
        m = re.match(r'(ok|FAIL|SKIP) (\S+?)(?:: (?:line \d+: )?(.*))?$',
                     line)
        name = os.path.basename(m.group(2)) if m else None
        if name not in made:
            continue
        kind, what = made[name]
        seen.add(name)
        tried[kind] += 1
        why = (m.group(3) or '').replace('outbound segment: ', '')
        if m.group(1) != 'FAIL':
            wrong.setdefault(kind, f'{what}: {m.group(1)}')
        elif not re.match(WHY[kind], why):
            wrong.setdefault(kind, f'{what}: {why}')
    if len(seen) != len(made):
        wrong['run'] = (f'{len(made) - len(seen)} scripts were not run: '
                        f'exit {run.returncode} {run.stderr[-200:]}')
    for kind in WHY:
        if not tried[kind]:
            wrong.setdefault(kind, 'nothing was changed so')
        if kind not in wrong:
            print(f'ok {kind} ({tried[kind]} scripts)')
    for kind, why in wrong.items():
        print(f'FAIL {kind}: {why}')
    print(f'{len(WHY) - len(wrong)} passed, {len(wrong)} failed, 0 skipped')
    return 1 if wrong else 0


if __name__ == '__main__':
    sys.exit(main())
