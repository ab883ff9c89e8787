#!/usr/bin/env python3
"""mutate.py [options] WHAT - small changes to tcpsm.h: do the tests notice?

WHAT  N%         a sample of all mutants, chosen by --seed (10%)
      all        every mutant: hours
      diff       those of the lines that differ from --base
      section11  those of the checks of RFC 9293 section 3.10.7.4
      survivors  those that survived the last run, once more
      NAME       those of one function; NAME,NAME ... of several
--seed N     of the sample (1)
--base REV   of diff (HEAD~1, so: of the last commit and the working tree)
--jobs N     how many at once (the number of processors)
--goal P     exit status 1 below P % killed (90; 100 for section11)
--out DIR    build/mutate
--list       print the mutants and leave
--show       print each mutant as it is tried

A mutant is one change of one token or statement in the implementation half.
The test programs are built once, against a header whose functions have no
bodies, and are linked to a shared object; per mutant only that object is
compiled, by tcc. All of a mutant's tests together take 3 s at most;
they are those that reach the mutant, those that killed others in its
function first, and the first failure, crash or hang ends it. Before anything else
three canaries: the header as it is must pass, a header without bodies must
make a test program fail (else it is left out: it would not be linked to the
mutant), and one broken comparison must be noticed; else the run is refused. What does not compile is counted apart, and so is what gcc -O1
compiles to the same code as the original.

Writes OUT/report.txt: what survived, by line, and counts by operator. Exit
status: 0 the goal is met, 1 it is not, 2 wrong usage or a refused run.
"""
import argparse
import collections
import concurrent.futures
import hashlib
import json
import os
import random
import re
import shutil
import signal
import subprocess
import sys
import threading
import time

BUDGET = 3.0  # seconds of one mutant's tests together
QUICK = 0.04
HEADER = "tcpsm.h"
# What a mutant is compiled with; the second where the first one's compiler
# takes another branch of an #if.
TCC = ["tcc", "-w", "-std=c99"]
GCC = ["gcc", "-w", "-std=c99", "-O0", "-fPIC"]
DEFINES = ["-D_GNU_SOURCE", "-DTCPSM_IMPLEMENTATION", "-DTCPSM_NAMES"]

# The judgement of a segment: acceptability, RST, SYN, ACK and FIN.
SECTION11 = """
tcpsm__judge_listen tcpsm__judge_syn_sent tcpsm__judge_rst
tcpsm__acceptable tcpsm__exact_fin tcpsm__judge_unacceptable
tcpsm__judge_syn tcpsm__judge_ack tcpsm__brings_text tcpsm__judge_other
tcpsm__judge tcpsm__paws_old tcpsm__ts_valid tcpsm__reuse_ok
tcpsm__may_challenge tcpsm__challenge tcpsm__act tcpsm__take_rst
tcpsm__take_ack tcpsm__set_wnd tcpsm__seg_wnd tcpsm__fin_acked
tcpsm__take_fin
""".split()

# ---- the header, and what can be changed in it ------------------------------

TOKEN = re.compile(r"""
    (?P<skip>\s+|/\*.*?\*/|//[^\n]*)
  | (?P<text>"(?:\\.|[^"\\])*"|'(?:\\.|[^'\\])*')
  | (?P<number>(?:0[xX][0-9a-fA-F]+|\d+)[uUlL]*)
  | (?P<name>[A-Za-z_]\w*)
  | (?P<op><<=|>>=|->|\+\+|--|<<|>>|<=|>=|==|!=|&&|\|\||
       [-+*/%&|^]=|[-+*/%&|^~!<>=?:;,.(){}\[\]\#])
""", re.X | re.S)

Token = collections.namedtuple("Token", "kind text at end")
Mutant = collections.namedtuple("Mutant", "line function op at end new")

TYPES = set("""int unsigned signed char short long void const static struct
    uint8_t uint16_t uint32_t uint64_t int8_t int16_t int32_t int64_t size_t
    tcpsm_time tcpsm_ret tcpsm_conn tcpsm_in tcpsm_out tcpsm_tuple
    uintptr_t""".split())
RELATIONAL = {"==": ["!="], "!=": ["=="], "<": [">="], ">": ["<="],
              "<=": [">"], ">=": ["<"]}
BOUNDARY = {"<": ["<="], "<=": ["<"], ">": [">="], ">=": [">"]}
ARITHMETIC = {"+": ["-"], "-": ["+"], "*": ["+"], "/": ["*"], "%": ["/"],
              "<<": [">>"], ">>": ["<<"], "&": ["|"], "|": ["&"],
              "^": ["|"], "+=": ["-="], "-=": ["+="], "|=": ["&="],
              "&=": ["|="], "*=": ["+="], "/=": ["*="], "<<=": [">>="],
              ">>=": ["<<="], "^=": ["|="], "++": ["--"], "--": ["++"],
              "%=": ["/="]}
LOGICAL = {"&&": ["||"], "||": ["&&"]}
SEQUENCE = {"tcpsm__seq_lt": ["tcpsm__seq_le"],
            "tcpsm__seq_le": ["tcpsm__seq_lt"],
            "tcpsm__seq_max": ["tcpsm__seq_min"],
            "tcpsm__seq_min": ["tcpsm__seq_max"]}
WRAPLESS = {"tcpsm__seq_lt": "<", "tcpsm__seq_le": "<="}
# tcpsm__min is no sequence compare, but its mutant is the same kind.
OTHER_CALLS = {"tcpsm__min": "tcpsm__max", "tcpsm__max": "tcpsm__min"}
FIELDS = [("snd_una", "snd_nxt"), ("rcv_nxt", "rcv_edge"),
          ("snd_wl1", "snd_wl2"), ("seq", "ack"), ("tsval", "tsecr"),
          ("src", "dst"), ("local", "remote"),
          ("local_port", "remote_port"), ("cwnd", "ssthresh"),
          ("srtt", "rttvar"), ("next", "prev"), ("head", "tail"),
          ("snd_cap", "rcv_cap"), ("snd_len", "rcv_len"),
          ("snd_shift", "rcv_shift"), ("snd_up", "rcv_up"),
          ("snd_nxt", "rcv_nxt"), ("recover", "snd_una"),
          ("flags", "flags2"), ("prior_cwnd", "prior_ssthresh")]
SWAPPED = {}
for _a, _b in FIELDS:
    SWAPPED.setdefault(_a, _b)
    SWAPPED.setdefault(_b, _a)


class Header:
    """tcpsm.h: its text, and where the functions' bodies are."""

    def __init__(self, text):
        self.text = text
        start = text.index("#define TCPSM_IMPLEMENTED")
        self.implementation = start
        self.starts = [0]
        for m in re.finditer("\n", text):
            self.starts.append(m.end())
        # a body begins and ends with a brace in the first column
        self.bodies = []
        for m in re.finditer(r"^([A-Za-z_][^\n;{}#]*(?:\n[^\n;{}#]+)*)\n"
                             r"\{\n(.*?)^\}\n", text[start:], re.M | re.S):
            head = m.group(1)
            name = re.search(r"\b(tcpsm_\w+)\(", head)
            if name is None:
                continue
            self.bodies.append((name.group(1), head, start + m.start(1),
                                start + m.end(1) + 1, start + m.end()))
        self.fields = set(re.findall(r"(?:->|\.)(\w+)", text))
        self.params = {}
        for name, head, *_ in self.bodies:
            inside = head[head.index("(") + 1:head.rindex(")")]
            kinds = [re.sub(r"\s*\b\w+$", "", " ".join(p.split()))
                     for p in inside.split(",")]
            self.params[name] = kinds

    def line(self, at):
        lo, hi = 0, len(self.starts)
        while hi - lo > 1:
            mid = (lo + hi) // 2
            if self.starts[mid] <= at:
                lo = mid
            else:
                hi = mid
        return lo + 1

    def source(self, line):
        end = self.text.find("\n", self.starts[line - 1])
        return self.text[self.starts[line - 1]:end].strip()

    def with_bodies(self, body, but=()):
        """The header with all functions visible and other bodies, but for
        those that begin at the keys of `but`."""
        out, at = [], 0
        for _, _, _, brace, end in self.bodies:
            out.append(self.text[at:brace].rstrip("\n"))
            out.append("\n" + but[brace] if brace in but else body + "\n")
            at = end
        return visible("".join(out) + self.text[at:])


def visible(text):
    """Its private functions as symbols, so that tests can be linked."""
    return text.replace("#define TCPSM__FN static TCPSM__UNUSED",
                        "#define TCPSM__FN extern").replace(
        "#define TCPSM__APART static __attribute__((unused, noinline))",
        "#define TCPSM__APART extern").replace(
        "#define TCPSM__APART static\n", "#define TCPSM__APART extern\n")


def tokens(text, at, end):
    found = []
    while at < end:
        if text[at] == "#" and text[at - 1] == "\n":
            while True:  # a directive, with its continuation lines
                stop = text.find("\n", at)
                stop = end if stop < 0 else stop
                at = stop + 1
                if text[stop - 1] != "\\":
                    break
            continue
        m = TOKEN.match(text, at, end)
        if m is None:
            at += 1
            continue
        if m.lastgroup != "skip":
            found.append(Token(m.lastgroup, m.group(), at, m.end()))
        at = m.end()
    return found


def closing(toks, i):
    """The index of the bracket that closes the one at i."""
    pairs = {"(": ")", "[": "]", "{": "}"}
    depth, opened, closed = 0, toks[i].text, pairs[toks[i].text]
    for k in range(i, len(toks)):
        if toks[k].text == opened:
            depth += 1
        elif toks[k].text == closed:
            depth -= 1
            if depth == 0:
                return k
    return len(toks) - 1


def binary(toks, i):
    """Is the operator at i one with an operand on both sides? A bracket
    before * or & may close a cast, and then a type is in it."""
    if i == 0:
        return False
    b = toks[i - 1]
    if b.kind == "number" or b.text == "]":
        return True
    if b.kind == "name":
        return b.text not in TYPES and b.text not in ("return", "case")
    if b.text == ")":
        depth, k = 0, i - 1
        while k >= 0:
            depth += (toks[k].text == ")") - (toks[k].text == "(")
            if depth == 0:
                break
            k -= 1
        if k > 0 and toks[k - 1].text == "sizeof":
            return True
        inside = toks[k + 1:i - 1]
        return not (inside and all(t.text in TYPES or t.text == "*"
                                   for t in inside)) and \
            not (len(inside) == 2 and inside[0].text == "struct") and \
            not (inside and inside[-1].text == "*")
    return False


def number(text, step):
    m = re.match(r"(0[xX][0-9a-fA-F]+|\d+)([uUlL]*)$", text)
    digits = m.group(1)
    value = int(digits, 16 if digits[:2] in ("0x", "0X") else 10) + step
    if value < 0:
        return None
    return ("0x%X" % value if digits[:2] in ("0x", "0X") else "%d" % value) \
        + m.group(2)


def statements(toks):
    """(first, last) tokens of what ends with ; and is no declaration."""
    first, i = None, 1
    start = True
    while i < len(toks):
        t = toks[i].text
        if start and t in ("if", "for", "while", "switch"):
            i = closing(toks, i + 1) + 1
            continue
        if start and t in ("else", "do", "{", "}", ";"):
            i += 1
            continue
        if start and t in ("case", "default"):
            while toks[i].text != ":":
                i += 1
            i += 1
            continue
        if start:
            first, start = i, False
        if t in "([{" and t != "":
            i = closing(toks, i)
        elif t == ";":
            word = toks[first].text
            two = toks[first + 1]
            declares = word in TYPES or (
                two.kind == "name" and toks[first].kind == "name" and
                word not in ("return", "goto"))
            valued = word == "return" and first + 1 != i
            if not declares and not valued and i > first:
                yield first, i
            start = True
        i += 1


def argument_lists(toks):
    """(name, [(first, last) token of each argument]) of every call."""
    for i in range(len(toks) - 1):
        if toks[i].kind != "name" or toks[i + 1].text != "(":
            continue
        end = closing(toks, i + 1)
        depth, args, first = 0, [], i + 2
        for k in range(i + 2, end):
            depth += (toks[k].text in "([{") - (toks[k].text in ")]}")
            if toks[k].text == "," and depth == 0:
                args.append((first, k - 1))
                first = k + 1
        if end > first:
            args.append((first, end - 1))
        yield i, end, args


def mutants_of(header, name, brace, end):
    text = header.text
    toks = tokens(text, brace, end)
    line = header.line

    def one(op, at, stop, new):
        return Mutant(line(at), name, op, at, stop, new)

    declared = False  # array sizes in a declaration
    for i, t in enumerate(toks):
        s = t.text
        if t.kind == "name" and s in TYPES and \
                toks[i - 1].text in (";", "{", "}"):
            declared = True
        if s in (";", "="):
            declared = False
        if t.kind == "number":
            if declared and toks[i - 1].text == "[":
                continue
            truth = toks[i - 1].text == "return" and \
                toks[i + 1].text == ";" and s in ("0", "1")
            for step in (1, -1):
                new = number(s, step)
                if new is not None and not (truth and new == "2"):
                    yield one("constant", t.at, t.end, new)
        elif t.kind == "op":
            for new in RELATIONAL.get(s, ()):
                yield one("relational", t.at, t.end, new)
            for new in BOUNDARY.get(s, ()):
                yield one("boundary", t.at, t.end, new)
            for new in LOGICAL.get(s, ()):
                yield one("logical", t.at, t.end, new)
            if s == "!" or s == "~":
                yield one("logical", t.at, t.end, "")
            if s in ARITHMETIC and (s not in "*&-+" or binary(toks, i)):
                if declared and s == "*":
                    continue
                for new in ARITHMETIC[s]:
                    yield one("arithmetic", t.at, t.end, new)
        elif t.kind == "name":
            after = toks[i + 1].text if i + 1 < len(toks) else ""
            if after == "(":
                for new in SEQUENCE.get(s, ()):
                    yield one("sequence", t.at, t.end, new)
                if s in OTHER_CALLS:
                    yield one("boundary", t.at, t.end, OTHER_CALLS[s])
            if i and toks[i - 1].text in ("->", ".") and s in SWAPPED and \
                    SWAPPED[s] in header.fields:
                yield one("field", t.at, t.end, SWAPPED[s])
    for i, stop, args in argument_lists(toks):
        s = toks[i].text
        parts = [text[toks[a].at:toks[b].end] for a, b in args]
        if s in WRAPLESS and len(args) == 2:
            yield one("sequence", toks[i].at, toks[stop].end,
                      "((%s) %s (%s))" % (parts[0], WRAPLESS[s], parts[1]))
        kinds = header.params.get(s, [])
        if s in ("tcpsm__min", "tcpsm__max", "tcpsm__min64",
                 "tcpsm__bytes_equal") or len(kinds) != len(args):
            continue
        for k in range(len(args) - 1):
            if kinds[k] == kinds[k + 1] and parts[k] != parts[k + 1]:
                yield one("arguments", toks[args[k][0]].at,
                          toks[args[k + 1][1]].end,
                          parts[k + 1] + ", " + parts[k])
    for first, last in statements(toks):
        yield one("deletion", toks[first].at, toks[last].end, ";")


def constants(header):
    """Macros that are a plain decimal number: limits and times."""
    for m in re.finditer(r"^#define (TCPSM__\w+) +(\d+[uUlL]*)\b(?! *[(<])",
                         header.text[header.implementation:], re.M):
        for step in (1, -1):
            new = number(m.group(2), step)
            if new is not None:
                at = header.implementation + m.start(2)
                yield Mutant(header.line(at), m.group(1), "constant", at,
                             header.implementation + m.end(2), new)


def enumerate_all(header):
    found = []
    for name, _, _, brace, end in header.bodies:
        found += mutants_of(header, name, brace, end)
    found += constants(header)
    return sorted(set(found), key=lambda m: (m.at, m.op, m.new))


# ---- test programs ----------------------------------------------------------


def sh(args, **more):
    return subprocess.run(args, stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, text=True, **more)


class Program:
    """A test program, and what running it against an object says."""

    def __init__(self, name, path, args=()):
        self.name, self.path, self.args = name, path, list(args)
        self.seconds = 0.0  # of processor time
        self.calls = set()  # marks in the header that it reaches

    def run(self, where, limit=None):
        """None if all is well, or why not. Stops at the first failure."""
        limit = limit or int(self.seconds * 4 + 1.999)
        env = dict(os.environ, LD_LIBRARY_PATH=where)
        p = subprocess.Popen(
            ["sh", "-c", 'ulimit -t %d -v 4000000; exec "$0" "$@"' % limit,
             os.path.abspath(self.path)] + self.args,
            stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
            stdin=subprocess.DEVNULL, env=env)

        def kill():  # not p.kill, which would wait for it
            try:
                os.kill(p.pid, signal.SIGKILL)
            except ProcessLookupError:
                pass
        timer = threading.Timer(limit * 20 + 20, kill)
        timer.start()
        said, last = None, b""
        try:
            for out in p.stdout:
                last = out
                if out.startswith(b"FAIL"):
                    said = out.decode("utf-8", "replace").strip()
                    kill()
                    break
            p.stdout.close()
            _, status, used = os.wait4(p.pid, 0)
            code = p.returncode = os.waitstatus_to_exitcode(status)
            self.spent = used.ru_utime + used.ru_stime
        finally:
            timer.cancel()
        if said:
            return said[:160]
        if code != 0:
            hang = code in (-24, -9, 152, 137)
            return "hangs" if hang else "ends with status %d" % code
        return None if b" passed, 0 failed" in last else "no closing line"


def build_programs(header, out, jobs):
    """All test programs, against declarations only; again only when they or
    the declarations have changed."""
    decl = out + "/declarations"
    os.makedirs(decl, exist_ok=True)
    os.makedirs(out + "/tests", exist_ok=True)
    bodyless = header.with_bodies(";")
    if not os.path.exists(decl + "/" + HEADER) or \
            open(decl + "/" + HEADER).read() != bodyless:
        with open(decl + "/" + HEADER, "w") as f:
            f.write(bodyless)
    stub = out + "/stub"
    os.makedirs(stub, exist_ok=True)
    compile_object(header.with_bodies("\n{\n    __builtin_trap();\n}"),
                   stub, GCC)

    support = []
    for d in ("tests/support", "tests/unit", "tests/wire", "tests/model",
              "tests/scripts"):
        if os.path.isdir(d):
            support += [d + "/" + f for f in os.listdir(d)
                        if f.endswith(".h")]
    newest = max(os.path.getmtime(f)
                 for f in support + [decl + "/" + HEADER])
    # gcc 12 drops the last store of a nested loop in tests/unit/bytes.c
    flags = ["-std=c99", "-O1", "-fno-tree-dse", "-w", "-D_GNU_SOURCE",
             "-I" + decl, "-Itests/support"]
    link = ["-L" + stub, "-ltcpsm", "-lm"]
    programs, work = [], []

    def add(name, sources, args=()):
        path = out + "/tests/" + name.replace("/", "-")
        programs.append(Program(name, path, args))
        stamp = max([newest] + [os.path.getmtime(s) for s in sources])
        if not os.path.exists(path) or os.path.getmtime(path) < stamp:
            work.append((name, path, sources))

    for d in ("unit", "wire"):
        for f in sorted(os.listdir("tests/" + d)):
            path = "tests/%s/%s" % (d, f)
            if not f.endswith(".c"):
                continue
            with open(path) as source:
                text = source.read()
            # other configurations, and those that count a loop's turns
            if re.search(r"^# *define TCPSM_(TINY|STEP|TRACE)", text, re.M):
                continue
            # these test the harness, with doubles of the library
            if re.search(r"^(tcpsm_ret|TCPSM_DEF \w+) tcpsm_\w+\(", text,
                         re.M) and "TCPSM_IMPLEMENTATION" not in text:
                continue
            add("%s/%s" % (d, f[:-2]), [path])
    if os.path.isdir("tests/model"):
        reference = "tests/model/reference.c"
        for f in sorted(os.listdir("tests/model")):
            if f.endswith(".c") and f != "reference.c":
                add("model/" + f[:-2], ["tests/model/" + f] + [
                    reference] * os.path.exists(reference))
    if os.path.exists("tests/scripts/pkt_main.c"):
        sources = sorted("tests/scripts/" + f
                         for f in os.listdir("tests/scripts")
                         if f.endswith(".c"))
        for d in sorted(os.listdir("tests/scripts")):
            path = "tests/scripts/" + d
            if d == "wrong" or not os.path.isdir(path):
                continue
            args = ["--profile", "linux"] if d == "linux" else []
            programs.append(Program("scripts/" + d, out + "/tests/pkt",
                                    args + [path]))
        stamp = max([newest] + [os.path.getmtime(s) for s in sources])
        path = out + "/tests/pkt"
        if not os.path.exists(path) or os.path.getmtime(path) < stamp:
            work.append(("scripts/pkt", path, sources))

    def build(job):
        name, path, sources = job
        r = sh(["gcc"] + flags + ["-o", path] + sources + link)
        if r.returncode != 0:
            if os.path.exists(path):
                os.remove(path)
            return "%s does not build: %s" % (name,
                                              r.stdout.split("\n")[0])
        return None

    with concurrent.futures.ThreadPoolExecutor(jobs) as pool:
        for i, trouble in enumerate(pool.map(build, work), 1):
            progress("building test programs %d/%d" % (i, len(work)))
            if trouble:
                say("left out: " + trouble)
    return [p for p in programs if os.path.exists(p.path)]


def compile_object(text, where, compiler):
    """where/libtcpsm.so of a header's text; False when it does not."""
    with open(where + "/" + HEADER, "w") as f:
        f.write(text)
    with open(where + "/lib.c", "w") as f:
        f.write('#include "%s"\n' % HEADER)
    r = sh(compiler + DEFINES + ["-shared", "-o", where + "/libtcpsm.so",
                                 where + "/lib.c"])
    return r.returncode == 0


# ---- the run ----------------------------------------------------------------

tty = sys.stdout.isatty()
speak = threading.Lock()


def progress(text):
    with speak:
        if tty:
            print("\r\033[K" + text, end="", flush=True)


def say(text):
    with speak:
        print(("\r\033[K" if tty else "") + text, flush=True)


def read(path):
    with open(path, "rb") as f:
        return f.read()


class Run:
    def __init__(self, header, out, programs):
        self.header, self.out, self.programs = header, out, programs
        self.kills = collections.defaultdict(collections.Counter)
        self.all = collections.Counter()
        self.lock = threading.Lock()
        self.free = []
        self.base = {}
        try:
            with open(out + "/kills.json") as f:
                for fn, c in json.load(f).items():
                    self.kills[fn].update(c)
                    self.all.update(c)
        except (OSError, ValueError):
            pass

    def order(self, m):
        """The tests that reach this mutant, as many as fit the budget;
        those that kill much in little time first, above all those that
        killed in this function."""
        function, best = m.function, None
        for i, (start, end, _) in enumerate(self.header.marks):
            if start <= m.at < end and (
                    best is None or end - start <= best[0]):
                best = end - start, i
        with self.lock:
            here, everywhere = self.kills[function], self.all

            def worth(p):
                n = 200 * here[p.name] + everywhere[p.name] + 0.5
                return -n / (p.seconds + 0.01)
            able = [p for p in self.programs
                    if best is None or best[1] in p.calls]
            # all that cost next to nothing, then the likeliest
            able.sort(key=lambda p: (p.seconds > QUICK, worth(p)))
            chosen, total = [], 0.0
            for p in able:
                if total + p.seconds <= BUDGET:
                    chosen.append(p)
                    total += p.seconds
            return sorted(chosen, key=worth)

    def directory(self):
        with self.lock:
            if self.free:
                return self.free.pop()
            self.n = getattr(self, "n", 0) + 1
            d = "%s/w%d" % (self.out, self.n)
        os.makedirs(d, exist_ok=True)
        return d

    def original(self, kind, compiler):
        """The original's object by this compiler, for comparisons."""
        with self.lock:
            if kind not in self.base:
                d = self.out + "/base-" + kind
                os.makedirs(d, exist_ok=True)
                compile_object(visible(self.header.text), d, compiler)
                self.base[kind] = read(d + "/libtcpsm.so")
            return self.base[kind]

    def equivalent(self, m, d):
        """Does gcc -O1 make the same of the function with this change?"""
        def code(function):
            with open(d + "/" + HEADER, "w") as f:
                f.write(function)
            return subprocess.run(
                ["gcc", "-w", "-std=c99", "-O1", "-S", "-o", "-"] + DEFINES +
                [d + "/lib.c"], stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL).stdout

        for name, _, _, brace, end in self.header.bodies:
            if brace <= m.at < end:
                text = self.header.text
                mutated = text[brace:m.at] + m.new + text[m.end:end]
                return code(self.header.with_bodies(";", {
                    brace: mutated})) == code(self.header.with_bodies(
                        ";", {brace: text[brace:end]}))
        return False

    def trial(self, m):
        """(verdict, what killed it) of one mutant."""
        plain = self.header.text[:m.at] + m.new + self.header.text[m.end:]
        d = self.directory()
        try:
            text = visible(plain)
            if not compile_object(text, d, TCC):
                return "uncompiled", ""
            if read(d + "/libtcpsm.so") == self.original("tcc", TCC):
                if not compile_object(text, d, GCC):
                    return "uncompiled", ""
                if read(d + "/libtcpsm.so") == self.original("gcc", GCC):
                    return "equivalent", ""
            for p in self.order(m):
                why = p.run(d)
                if why:
                    with self.lock:
                        self.kills[m.function][p.name] += 1
                        self.all[p.name] += 1
                    return "killed", "%s: %s" % (p.name, why)
            if self.equivalent(m, d):
                return "equivalent", ""
            return "survived", ""
        finally:
            with self.lock:
                self.free.append(d)


def refuse(why):
    say("mutate: refused: " + why)
    return 2


def marks_of(header):
    """Where a mark can be put: (span of text, where the mark goes). Spans
    are expression statements, returns, and the conditions of if, while and
    switch; what is in none of them belongs to its function."""
    found = []
    for _, _, _, brace, end in header.bodies:
        toks = tokens(header.text, brace, end)
        found.append((brace, end, None))
        for first, last in statements(toks):
            if toks[first].text not in ("return", "break", "continue",
                                        "goto") and \
                    not toks[first].text.isupper() and (
                        toks[first].kind == "name" or
                        toks[first + 1].text == "void"):
                found.append((toks[first].at, toks[last].end,
                              toks[first].at))
        for i, t in enumerate(toks):
            if t.text in ("if", "while", "switch"):
                k = closing(toks, i + 1)
                found.append((t.at, toks[k].end, toks[i + 1].end))
            elif t.text == "return" and toks[i + 1].text != ";":
                k = i
                while toks[k].text != ";":
                    k += 1
                found.append((t.at, toks[k].end, t.end))
    return found


def watched(header):
    """The header, in which every function and statement leaves its number
    when it is reached; MUTATE_CALLS is the file for them."""
    puts = {}
    for n, (start, _, at) in enumerate(header.marks):
        if at is None:
            puts[start + 1] = "\n    mutate_called[%d] = 1;" % n
        else:
            puts[at] = " mutate_called[%d] = 1, " % n
    out, last = [], 0
    for at in sorted(puts):
        out.append(header.text[last:at] + puts[at])
        last = at
    text = visible("".join(out) + header.text[last:])
    return """#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>
static unsigned char mutate_called[%d];
__attribute__((destructor)) static void mutate_tell(void)
{
    const char *to = getenv("MUTATE_CALLS");
    int fd = to ? open(to, O_WRONLY | O_CREAT | O_TRUNC, 0600) : -1;
    if (fd >= 0 && write(fd, mutate_called, sizeof mutate_called) < 0)
        abort();
}
""" % len(header.marks) + text


def measure(header, programs, out, jobs):
    """Which pass and can fail, how long each takes in processor time, and
    which marks it reaches."""
    good = []
    calls = out + "/calls"
    os.makedirs(calls, exist_ok=True)
    header.marks = marks_of(header)
    if not compile_object(watched(header), calls, GCC):
        return None

    cache = {}
    try:
        with open(out + "/measured.json") as f:
            cache = json.load(f)
    except (OSError, ValueError):
        pass
    version = hashlib.sha256(header.text.encode()).hexdigest()

    def one(p):
        stamp = [version, os.path.getmtime(p.path)]
        old = cache.get(p.name)
        if old and old[0] == stamp and "scripts" not in p.name:
            _, p.seconds, p.calls, why = old
            p.calls = set(p.calls)
            return why
        to = calls + "/" + p.name.replace("/", "-")
        env = dict(os.environ, LD_LIBRARY_PATH=calls,
                   MUTATE_CALLS=os.path.abspath(to))
        subprocess.run([os.path.abspath(p.path)] + p.args, env=env,
                       stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                       stderr=subprocess.DEVNULL)
        if os.path.exists(to):
            p.calls = {i for i, hit in enumerate(read(to)) if hit}
        why = p.run(out + "/null", limit=120)
        p.seconds = p.spent
        if why:
            why = "fails as it is: " + why
        elif p.run(out + "/stub") is None:
            why = "passes with functions that do nothing"
        elif p.seconds > BUDGET:
            why = "takes %.1f s" % p.seconds
        cache[p.name] = stamp, p.seconds, sorted(p.calls), why
        return why

    with concurrent.futures.ThreadPoolExecutor(jobs) as pool:
        for i, (p, why) in enumerate(zip(programs,
                                         pool.map(one, programs)), 1):
            progress("measuring test programs %d/%d" % (i, len(programs)))
            if why:
                say("left out: %s %s" % (p.name, why))
            else:
                good.append(p)
    with open(out + "/measured.json", "w") as f:
        json.dump(cache, f)
    good.sort(key=lambda p: p.seconds)
    return good


def changed_lines(base):
    r = sh(["git", "diff", "-U0", base, "--", HEADER])
    if r.returncode != 0:
        return None
    lines = set()
    for m in re.finditer(r"^@@ -\S+ \+(\d+)(?:,(\d+))? @@", r.stdout, re.M):
        n = int(m.group(2) or 1)
        lines.update(range(int(m.group(1)), int(m.group(1)) + n))
    return lines


def choose(what, everything, args):
    if what == "all":
        return everything
    m = re.match(r"(\d+(?:\.\d+)?)%$", what)
    if m:
        n = round(len(everything) * float(m.group(1)) / 100)
        return sorted(random.Random(args.seed).sample(
            everything, max(1, min(n, len(everything)))),
            key=lambda m: m.at)
    if what == "diff":
        lines = changed_lines(args.base)
        if lines is None:
            return None
        return [m for m in everything if m.line in lines]
    if what == "survivors":
        with open(args.out + "/survivors.json") as f:
            old = set(json.load(f))
        return [m for m in everything if args.names[m] in old]
    names = SECTION11 if what == "section11" else what.split(",")
    return [m for m in everything if m.function in names]


def change(header, m):
    return "`%s` -> `%s`" % (" ".join(header.text[m.at:m.end].split()),
                             " ".join(m.new.split()))


def name_all(header, everything):
    """A name for each mutant that stays when lines move, as docs/testing.md
    has it: - `function`: `old` -> `new` in `source`, 2nd: reason"""
    seen, names = collections.Counter(), {}
    for m in everything:
        source = re.sub(r"\s*/\*.*", "", header.source(m.line))
        name = "`%s`: %s in `%s`" % (m.function, change(header, m), source)
        seen[name] += 1
        n = seen[name]
        names[m] = name if n == 1 else "%s, %d%s" % (
            name, n, {2: "nd", 3: "rd"}.get(n, "th"))
    return names


def argued():
    """The names of the mutants that docs/testing.md calls equivalent."""
    try:
        with open("docs/testing.md") as f:
            text = f.read()
    except OSError:
        return set()
    return {" ".join(m.group(1).split()) for m in re.finditer(
        r"^- (`tcpsm__?\w+`: `[^`]*` -> `[^`]*` in `[^`]*`"
        r"(?:, \d+(?:nd|rd|th))?):", text.replace("\n  ", " "), re.M | re.I)}


def write_report(path, what, names, results, programs, total, seconds):
    count = collections.Counter(v for _, v, _ in results)
    decided = count["killed"] + count["survived"]
    rate = 100.0 * count["killed"] / decided if decided else 100.0
    ops = collections.defaultdict(collections.Counter)
    for m, v, _ in results:
        ops[m.op][v] += 1
    with open(path, "w") as f:
        f.write("%s: %d mutants, %d killed, %d survived: %.1f %% killed\n"
                "(%d equivalent: the same code by gcc -O1; %d argued to be in "
                "docs/testing.md; %d do not compile; %d s)\n\n" % (
                    what, len(results), count["killed"], count["survived"],
                    rate, count["equivalent"], count["argued"],
                    count["uncompiled"], seconds))
        f.write("%-11s %7s %9s %11s %7s %11s %6s\n" % (
            "operator", "killed", "survived", "equivalent", "argued",
            "uncompiled", "rate"))
        for op in sorted(ops):
            c = ops[op]
            n = c["killed"] + c["survived"]
            f.write("%-11s %7d %9d %11d %7d %11d %6s\n" % (
                op, c["killed"], c["survived"], c["equivalent"], c["argued"],
                c["uncompiled"],
                "%.1f" % (100.0 * c["killed"] / n) if n else "-"))
        f.write("\nSurvivors:\n")
        for m, v, _ in results:
            if v == "survived":
                f.write("%s:%d: %s\n- %s: \n" % (
                    HEADER, m.line, m.op, names[m]))
        f.write("\nTests (%.1f s together, %.1f s of them for a mutant at "
                "most):\n" % (total, BUDGET))
        killers = collections.Counter(w.split(":")[0] for _, v, w in results
                                      if v == "killed")
        for p in sorted(programs, key=lambda p: -killers[p.name]):
            f.write("%6d killed  %5.2f s  %s\n" % (killers[p.name],
                                                   p.seconds, p.name))
    return rate, count


def main():
    par = argparse.ArgumentParser(usage=argparse.SUPPRESS, add_help=False)
    par.add_argument("what", nargs="?", default="10%")
    par.add_argument("--seed", type=int, default=1)
    par.add_argument("--base", default="HEAD~1")
    par.add_argument("--jobs", type=int, default=os.cpu_count() or 2)
    par.add_argument("--goal", type=float)
    par.add_argument("--out", default="build/mutate")
    par.add_argument("--list", action="store_true")
    par.add_argument("--show", action="store_true")
    par.add_argument("--help", "-h", action="store_true")
    args = par.parse_args()
    if args.help:
        print(__doc__.strip())
        return 0
    os.chdir(os.path.dirname(os.path.abspath(__file__)) + "/../..")
    os.makedirs(args.out, exist_ok=True)
    out = args.out
    start = time.time()
    with open(HEADER) as f:
        header = args.header = Header(f.read())
    everything = enumerate_all(header)
    names = args.names = name_all(header, everything)
    known = argued()
    try:
        mutants = choose(args.what, everything, args)
    except OSError:
        mutants = None
    if not mutants:
        print("mutate: no mutants of %s (--help)" % args.what,
              file=sys.stderr)
        # a change that touches no code has none
        return 0 if mutants == [] and args.what == "diff" else 2
    if args.list:
        for m in mutants:
            print("%d: %s: %s: %s [%s]" % (
                m.line, m.op, change(header, m), header.source(m.line),
                m.function))
        print("%d of %d mutants" % (len(mutants), len(everything)))
        return 0

    for tool in ("tcc", "gcc"):
        if shutil.which(tool) is None:
            print("mutate: %s is not here; make deps installs it" % tool,
                  file=sys.stderr)
            return 2

    # the canaries
    programs = build_programs(header, out, args.jobs)
    null = out + "/null"
    os.makedirs(null, exist_ok=True)
    if not compile_object(visible(header.text), null, TCC):
        return refuse("the header does not compile with tcc")
    built = len(programs)
    programs = measure(header, programs, out, args.jobs)
    if not programs or 2 * len(programs) < built:
        return refuse("most tests do not pass the header as it is")
    total = sum(p.seconds for p in programs)
    say("%d test programs, %.1f s; for one mutant %.1f s at most" % (
        len(programs), total, BUDGET))
    run = Run(header, out, programs)
    compare = header.text.index("return ((a - b) & 0x80000000u) != 0;")
    fatal = Mutant(header.line(compare), "canary", "canary", compare,
                   compare, "return 0;")
    verdict, why = run.trial(fatal)
    if verdict != "killed":
        return refuse("a sequence compare that is always false was %s" %
                      verdict)
    say("canary killed (%s)" % why)
    verdict, why = run.trial(Mutant(1, "canary", "canary", compare, compare,
                                    "(void)0;"))
    if verdict == "killed":
        return refuse("a change that changes nothing was killed: " + why)

    say("%s: %d of %d mutants" % (args.what, len(mutants), len(everything)))
    results, count = [None] * len(mutants), collections.Counter()
    # spread, so that no function's tests are learnt by all at once
    turns = list(range(len(mutants)))
    random.Random(2).shuffle(turns)

    def work(i):
        if names[mutants[i]] in known:
            return i, "argued", ""
        verdict, why = run.trial(mutants[i])
        return i, verdict, why

    def save():
        """What is known by now; the order is shuffled, so that a run that
        is broken off is a smaller sample."""
        known = [r for r in results if r is not None]
        with open(out + "/survivors.json", "w") as f:
            json.dump([names[m] for m, v, _ in known if v == "survived"], f,
                      indent=1)
        with open(out + "/kills.json", "w") as f:
            json.dump(run.kills, f)
        what = args.what if len(known) == len(results) else \
            "%s, the first %d" % (args.what, len(known))
        return write_report(out + "/report.txt", what, names, known,
                            programs, total, time.time() - start)

    begun, done = time.time(), 0
    with concurrent.futures.ThreadPoolExecutor(args.jobs) as pool:
        for job in concurrent.futures.as_completed(
                [pool.submit(work, i) for i in turns]):
            i, verdict, why = job.result()
            m = mutants[i]
            results[i] = (m, verdict, why)
            count[verdict] += 1
            done += 1
            if args.show or verdict == "survived":
                say("%-10s %d: %s: %s: %s%s" % (
                    verdict, m.line, m.op, change(header, m),
                    header.source(m.line), " (%s)" % why if why else ""))
            text = "%d/%d, %d killed, %d survived, %d s" % (
                done, len(mutants), count["killed"], count["survived"],
                time.time() - begun)
            if tty:
                progress(text)
            elif done % 100 == 0:
                say(text)
            if done % 20 == 0:
                save()
    rate, count = save()
    say("%s: %d mutants, %d killed, %d survived: %.1f %% killed (%d "
        "equivalent, %d argued to be, %d do not compile)" % (
            args.what, len(mutants), count["killed"], count["survived"],
            rate, count["equivalent"], count["argued"],
            count["uncompiled"]))
    say("%s/report.txt; %d s" % (out, time.time() - start))
    goal = args.goal
    if goal is None:
        goal = 100.0 if args.what == "section11" else 90.0
    return 0 if rate >= goal else 1


if __name__ == "__main__":
    sys.exit(main())
