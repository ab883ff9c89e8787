#!/usr/bin/env python3
"""report.py [--apart] OBJECT PROFILE OUT - what of tcpsm.h the tests reach.

Writes OUT/summary.json (lines, branches, MC/DC: covered, total, percent),
OUT/uncovered.txt (line, kind, source text) and OUT/html/index.html from
llvm-cov-19. Exit status 1 when a goal is missed: 100 % of lines, 98 % of
branches, 90 % of MC/DC conditions. --apart: another configuration, without
goals: only summary and list, named tiny-*.
"""
import json
import os
import re
import subprocess
import sys

GOALS = {"lines": 100.0, "branches": 98.0, "mcdc": 90.0}


def cov(command, obj, profile, *more):
    run = ["llvm-cov-19", command, *more, "-instr-profile", profile, obj]
    return subprocess.run(run, check=True, stdout=subprocess.PIPE,
                          text=True).stdout


def functions(source):
    """The name of the function that each line is in: its opening brace is
    in the first column, and its name is on a line above that ends there."""
    name, at = "", {}
    for n, text in enumerate(source, 1):
        m = re.match(r"[A-Za-z_].*?\b(tcpsm_\w+)\(", text)
        if m and not text.startswith("#"):
            name = m.group(1)
        at[n] = name
    return at


def uncovered(obj, profile, data, source):
    """How many lines have code, and (line, kind, what) of everything that
    no test reached."""
    found, lines = [], 0
    for f in cov("export", obj, profile, "-format=lcov").splitlines():
        m = re.match(r"DA:(\d+),(\d+)$", f)
        # an #if after a return has the count 0 and is no code
        if m and not source[int(m.group(1)) - 1].startswith("#"):
            lines += 1
            if m.group(2) == "0":
                n = int(m.group(1))
                found.append((n, "line", source[n - 1].strip()))

    ends = {}
    for f in data["functions"]:
        for b in f["branches"]:
            ends[b[0], b[1]] = (b[2], b[3])

    def text(line, col):
        end = ends.get((line, col))
        if end is None:
            return source[line - 1].strip()
        if end[0] == line:
            return source[line - 1][col - 1:end[1] - 1]
        parts = [source[line - 1][col - 1:]]
        parts += source[line:end[0] - 1] + [source[end[0] - 1][:end[1] - 1]]
        return " ".join(p.strip() for p in parts)

    conditions = {}
    shown = cov("show", obj, profile, "-show-branches=count", "-show-mcdc",
                "-use-color=false")
    for s in shown.splitlines():
        m = re.search(r"Branch \((\d+):(\d+)\): \[True: (\S+), "
                      r"False: (\S+)\]", s)
        if m:
            at = int(m.group(1)), int(m.group(2))
            for count, way in ((m.group(3), "true"), (m.group(4), "false")):
                if count == "0":
                    found.append((at[0], "branch",
                                  "never %s: %s" % (way, text(*at))))
        m = re.search(r"Condition C(\d+) --> \((\d+):(\d+)\)", s)
        if m:
            conditions[int(m.group(1))] = int(m.group(2)), int(m.group(3))
        m = re.search(r"C(\d+)-Pair: not covered", s)
        if m:
            at = conditions[int(m.group(1))]
            found.append((at[0], "mcdc", "never decides: " + text(*at)))
    return lines, sorted(set(found))


def main(args):
    apart = args[:1] == ["--apart"]
    if apart:
        args = args[1:]
    if len(args) != 3:
        print(__doc__.strip(), file=sys.stderr)
        return 0 if args == ["--help"] else 2
    obj, profile, out = args
    prefix = out + ("/tiny-" if apart else "/")
    exported = json.loads(cov("export", obj, profile))["data"][0]
    files = [f for f in exported["files"]
             if os.path.basename(f["filename"]) == "tcpsm.h"]
    if len(files) != 1:
        print("coverage: the object has no tcpsm.h", file=sys.stderr)
        return 1
    totals = files[0]["summary"]
    with open(files[0]["filename"]) as f:
        source = f.read().splitlines()

    lines, missed = uncovered(obj, profile, exported, source)
    totals["lines"] = {"count": lines, "covered": lines - sum(
        1 for m in missed if m[1] == "line")}
    where = functions(source)
    with open(prefix + "uncovered.txt", "w") as f:
        for line, kind, what in missed:
            f.write("%5d %-6s %s [%s]\n" % (line, kind, what, where[line]))

    summary, low = {}, []
    for kind, goal in GOALS.items():
        n, of = totals[kind]["covered"], totals[kind]["count"]
        percent = 100.0 * n / of if of else 0.0
        summary[kind] = {"covered": n, "total": of,
                         "percent": int(percent * 100) / 100}
        if not apart:
            summary[kind]["goal"] = goal
            if percent < goal:
                low.append(kind)
        print("%-9s %5d of %5d  %6.2f %%%s" % (
            kind, n, of, int(percent * 100) / 100,
            "" if apart else "  (goal %g %%)%s" % (
                goal, "  MISSED" if percent < goal else "")))
    with open(prefix + "summary.json", "w") as f:
        json.dump(summary, f, indent=2)
        f.write("\n")
    if apart:
        return 0
    subprocess.run(["llvm-cov-19", "show", "-format=html",
                    "-show-branches=count", "-show-mcdc",
                    "-output-dir", out + "/html",
                    "-instr-profile", profile, obj], check=True)
    return 1 if low else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
