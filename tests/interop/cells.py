#!/usr/bin/env python3
"""cells.py [OPTION]... CELLS: cells of the matrix, sent to the Linux kernel.

CELLS is what `build/tests/model/cells --kernel` writes: a cell a line, a
state, a segment that arrives in it, and what the reference (RFC 9293 section
3.10) expects. Each gets a connection of its own: a socket of this machine's
kernel is brought into the state by segments through a TUN device, the
cell's segment is sent, and what the kernel does is compared. A difference
must be explained by a row of the table; an explanation that explains
nothing is reported.

  --table FILE  the explanations; tests/interop/cells.txt
  -v            every cell and what the kernel did
Exit status 1 if a difference has no row or a row no difference, 2 for wrong
usage. Needs root.
"""
import errno
import fcntl
import fnmatch
import os
import platform
import re
import select
import socket
import struct
import sys
import time

sys.dont_write_bytecode = True  # the tree stays as it is
from captures_live import (ACK, FIN, MOD, PSH, RST, SYN, URG, LOCAL, REMOTE,
                           Segment, Tun, segment, sysctl)

BATCH = 40      # cells at a time: each batch is over before a SYN repeats
SETUP = 1.5     # seconds, at most, until all of a batch stand ready
OBSERVE = 0.25  # long enough for a delayed ACK, shorter than an RTO here
WINDOW = 5000   # what the peer offers while a state is set up
ANY = 0x12345678
SIOCOUTQ, SIOCATMARK = 0x5411, 0x8905
FLAGS = {"F": FIN, "S": SYN, "R": RST, "P": PSH, "A": ACK, "U": URG}
STATES = dict(enumerate(
    "ESTABLISHED SYN-SENT SYN-RECEIVED FIN-WAIT-1 FIN-WAIT-2 TIME-WAIT "
    "CLOSED CLOSE-WAIT LAST-ACK LISTEN CLOSING".split(), 1))


class Trouble(Exception):
    pass


def letters(flags):
    return "".join(c for c in "FSRPAU" if flags & FLAGS[c]) or "."


class Cell:
    """A connection and what is known of it, all as the kernel sees it:
    rcv is what it receives, snd what it sends."""

    def __init__(self, line, number):
        self.line = line
        self.want = dict(f.split("=", 1) for f in line.split())
        self.version = int(self.want["family"])
        self.state, self.variant = self.want["state"], self.want["variant"]
        self.port, self.remote_port = 10000 + number, 30000 + number
        self.irs = (0xFFFFFF00 + 977 * number) % MOD  # some wrap early
        self.rcv_nxt, self.edge = (self.irs + 1) % MOD, None
        self.iss = self.snd_una = self.snd_nxt = None
        self.socket = self.listener = None
        self.inbox = []
        self.failed = None

    def short(self):
        w = self.want
        return "%s%s%s gets %s SEQ %s ACK %s of %s bytes over IPv%d: %s, %s" \
            % (self.state, "/" * (self.variant != "none"),
               self.variant * (self.variant != "none"), w["flags"], w["seq"],
               w["ack"], w["len"], self.version, w["next"], w["reply"])

    # -- the wire

    def send(self, seq, ack, flags, data=b"", window=WINDOW, urg=0):
        self.tun.write(segment(self.version, self.remote_port, self.port,
                               seq, ack, flags, window, b"", data, urg))
        if flags & ACK:
            self.snd_una = ack % MOD

    def received(self, s):
        if s.bad:
            self.failed = "the kernel sent a bad " + s.bad
        if s.flags & SYN:
            if self.iss is None:
                self.iss = self.snd_una = s.seq
            self.snd_nxt = (s.seq + 1) % MOD
        elif not s.flags & RST:
            end = (s.seq + len(s.data) + bool(s.flags & FIN)) % MOD
            if self.snd_nxt is not None and (end - self.snd_nxt) % MOD < \
                    1 << 31:
                self.snd_nxt = end
        if s.flags & ACK and not s.flags & RST:
            self.rcv_nxt = s.ack
            self.edge = (s.ack + s.win) % MOD
        self.inbox.append(s)

    # -- bringing it there: a generator that yields while it waits

    def until(self, flags, mask=SYN | ACK | FIN | RST):
        while True:
            while self.inbox:
                s = self.inbox.pop(0)
                if s.flags & mask == flags:
                    return s
            yield

    def family(self):
        return socket.AF_INET if self.version == 4 else socket.AF_INET6

    def listen(self):
        s = socket.socket(self.family(), socket.SOCK_STREAM)
        s.bind((LOCAL[self.version], self.port))
        s.setsockopt(socket.SOL_SOCKET, socket.SO_OOBINLINE, 1)
        s.listen(5)
        s.setblocking(False)
        self.listener = s

    def connect(self):
        s = socket.socket(self.family(), socket.SOCK_STREAM)
        s.bind((LOCAL[self.version], self.port))
        s.setblocking(False)
        s.setsockopt(socket.SOL_SOCKET, socket.SO_OOBINLINE, 1)
        s.setsockopt(6, socket.TCP_NODELAY, 1)
        self.socket = s
        try:
            s.connect((REMOTE[self.version], self.remote_port))
        except BlockingIOError:
            pass

    def setup(self):
        if self.state == "CLOSED":
            return
        if self.state == "LISTEN":
            self.listen()
            return
        if (self.state, self.variant) == ("SYN-RECEIVED", "passive"):
            self.listen()
            self.send(self.irs, 0, SYN)
            yield from self.until(SYN | ACK)
            return
        self.connect()
        yield from self.until(SYN)
        if self.state == "SYN-SENT":
            return
        if self.state == "SYN-RECEIVED":
            self.send(self.irs, 0, SYN)
            yield from self.until(SYN | ACK)
            return
        self.send(self.irs, self.iss + 1, SYN | ACK)
        yield from self.until(ACK)
        yield from self.from_established()

    def write(self):
        self.socket.send(bytes(100))
        yield from self.until(ACK)

    def finish(self):
        self.socket.shutdown(socket.SHUT_WR)
        yield from self.until(FIN | ACK)

    def peer_finishes(self):
        self.send(self.rcv_nxt, self.snd_una, FIN | ACK)
        yield from self.until(ACK)

    def from_established(self):
        if self.state == "ESTABLISHED":
            if self.variant == "flight":
                yield from self.write()
            elif self.variant == "gap":
                self.send(self.rcv_nxt + 10, self.snd_nxt, ACK, bytes(20))
                yield from self.until(ACK)
            return
        if self.state in ("CLOSE-WAIT", "LAST-ACK"):
            yield from self.peer_finishes()
            if self.variant == "flight":
                yield from self.write()
            if self.state == "LAST-ACK":
                yield from self.finish()
            return
        if self.variant == "flight":
            yield from self.write()
        yield from self.finish()
        if self.state == "CLOSING":
            yield from self.peer_finishes()
        elif self.state != "FIN-WAIT-1":
            self.send(self.rcv_nxt, self.snd_nxt, ACK)
            if self.state == "TIME-WAIT":
                yield from self.peer_finishes()

    # -- the segment

    def number(self, word):
        """RCV.NXT+11 and its like, as they stood before the segment."""
        names = dict(self.before)
        # of a SYN,ACK that came since, or should have
        names.setdefault("ISS", self.iss or 0)
        total = 0
        for part in re.findall(r"[+-]?[A-Z.]+|[+-]?\d+", word):
            sign = -1 if part[0] == "-" else 1
            part = part.lstrip("+-")
            total += sign * (int(part) if part.isdigit() else names[part])
        return total % MOD

    def freeze(self):
        mine = {"RCV.NXT": self.rcv_nxt, "RCV.EDGE": self.edge,
                "IRS": self.irs, "SND.UNA": self.snd_una,
                "SND.NXT": self.snd_nxt, "ISS": self.iss, "ANY": ANY}
        self.before = {k: v for k, v in mine.items() if v is not None}
        if self.snd_una is not None:
            self.before["SND.MIN"] = (self.snd_una - WINDOW) % MOD
        self.outq = self.queued()
        self.inbox = []

    def strike(self):
        w = self.want
        flags = sum(FLAGS[c] for c in w["flags"] if c != ".")
        seq, ack = self.number(w["seq"]), self.number(w["ack"])
        length = int(w["len"])
        self.before["SEG.SEQ"], self.before["SEG.ACK"] = seq, ack
        self.before["SEG.LEN"] = length + bool(flags & SYN) + \
            bool(flags & FIN)
        self.sent_ack = ack if flags & ACK else None
        self.tun.write(segment(
            self.version, self.remote_port, self.port, seq, ack, flags,
            int(w["wnd"]), b"", bytes(length), int(w["up"])))

    # -- what became of it

    def queued(self):
        """What the kernel has not seen acknowledged, its FIN included."""
        if self.socket is None:
            return None
        raw = fcntl.ioctl(self.socket, SIOCOUTQ, b"\0" * 4)
        return struct.unpack("i", raw)[0]

    @staticmethod
    def error(code):
        return {errno.ECONNRESET: "reset", errno.EPIPE: "reset",
                errno.ECONNREFUSED: "refused"}.get(
                    code, errno.errorcode.get(code, str(code)))

    def outcome(self, states):
        got = {"next": states.get((self.version, self.port,
                                   self.remote_port))}
        if got["next"] is None:
            got["next"] = "LISTEN" if self.listener else "CLOSED"
        replies = []
        for s in self.inbox:
            replies.append("%s:%d:%s" % (
                letters(s.flags & ~PSH), s.seq,
                s.ack if s.flags & ACK else "-"))
        got["reply"] = replies
        acks = [s.ack for s in self.inbox
                if s.flags & ACK and not s.flags & (RST | SYN)]
        before = self.before.get("RCV.NXT")
        got["rcv_nxt"] = (acks[-1] - before) % MOD if acks else 0
        user, data = set(), 0
        if self.listener:
            try:
                self.socket, _ = self.listener.accept()
                self.socket.setblocking(False)
            except BlockingIOError:
                pass
        if self.socket is not None and got["next"] not in (
                "SYN-SENT", "SYN-RECEIVED"):
            if self.state in ("LISTEN", "SYN-SENT", "SYN-RECEIVED"):
                user.add("connected")
            if select.select([], [], [self.socket], 0)[2]:
                user.add("urgent")
            try:
                while True:
                    part = self.socket.recv(65536)
                    if not part:
                        user.add("eof")
                        break
                    data += len(part)
            except BlockingIOError:
                pass
            except OSError as e:
                user.add(self.error(e.errno))
            code = self.socket.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
            if code:  # in CLOSE-WAIT a read does not tell
                user.add(self.error(code))
            if user & {"reset", "refused"}:
                user -= {"connected", "eof"}
            if self.state in ("CLOSE-WAIT", "CLOSING", "LAST-ACK",
                              "TIME-WAIT"):
                user.discard("eof")  # it was told before
        got["deliver"], got["user"] = data, user
        got["snd_una"] = None
        after = self.queued()
        if self.outq is not None and after is not None and \
                got["next"] not in ("CLOSED", "TIME-WAIT", "SYN-SENT") and \
                self.state not in ("SYN-SENT", "SYN-RECEIVED"):
            got["snd_una"] = self.outq - after
        return got

    def differences(self, got):
        """{aspect: what the kernel did}, empty if it did as expected."""
        w, out = self.want, {}
        if got["next"] != w["next"]:
            out["next"] = got["next"]
        expected = []
        if w["reply"] != "none":
            for reply in w["reply"].split(","):
                flags, seq, ack = reply.split(":")
                flags = "".join(c for c in "FSRPAU" if c in flags)
                expected.append("%s:%d:%s" % (
                    flags, self.number(seq),
                    "-" if ack == "-" else self.number(ack)))
        replies = got["reply"]
        if w["may"] == "extra" and len(replies) == 1 and not expected and \
                replies[0].startswith("A:"):
            replies = []
        if replies != expected:
            out["reply"] = ",".join(self.words(r) for r in got["reply"]) or \
                "none"
        moved = self.want["rcv_nxt"]
        if got["next"] == w["next"] and got["reply"] and \
                got["next"] not in ("CLOSED", "LISTEN") and \
                "RCV.NXT" in self.before and \
                self.state not in ("SYN-SENT", "LISTEN", "CLOSED") and \
                got["rcv_nxt"] != int(moved):
            out["rcv_nxt"] = "%+d" % got["rcv_nxt"]
        if got["snd_una"] is not None and \
                got["snd_una"] != int(w["snd_una"]):
            out["snd_una"] = "%+d" % got["snd_una"]
        if got["deliver"] != int(w["deliver"]):
            out["deliver"] = str(got["deliver"])
        user = set() if w["user"] == "none" else set(w["user"].split("+"))
        if got["user"] != user:
            out["user"] = "+".join(sorted(got["user"])) or "none"
        return out

    def words(self, reply):
        """A reply as the cells have it."""
        flags, seq, ack = reply.split(":")

        def name(value, names):
            if value == "-":
                return value
            for n in names:
                if n in self.before:
                    d = (int(value) - self.before[n] + (1 << 31)) % MOD - \
                        (1 << 31)
                    if abs(d) <= 2000:
                        return n + ("%+d" % d)
            return value
        if flags == "R" and int(seq) == self.before["SEG.ACK"]:
            return "R:SEG.ACK:" + ack
        return ":".join((flags, name(seq, ("SND.NXT", "ISS")),
                         name(ack, ("RCV.NXT", "SEG.SEQ", "IRS"))))


def states():
    """Of every connection, by family and ports, from /proc."""
    out = {}
    for version, file in ((4, "tcp"), (6, "tcp6")):
        with open("/proc/net/" + file) as f:
            for line in f.readlines()[1:]:
                words = line.split()
                local = int(words[1].split(":")[1], 16)
                remote = int(words[2].split(":")[1], 16)
                out[version, local, remote] = STATES.get(
                    int(words[3], 16), "SYN-RECEIVED")
    return out


def pump(tun, cells, until, done=lambda: False):
    """Hands what the kernel sends to its cell, until then."""
    while not done():
        got = tun.wait(until)
        if got is None:
            return
        s = Segment(got[1])
        if s.tcp and s.sport in cells:
            cells[s.sport].received(s)


def bring(tun, cells):
    """Everything into its state."""
    by_port = {c.port: c for c in cells}
    steps = {}
    for c in cells:
        c.tun = tun
        steps[c] = c.setup()

    def advance():
        for c in list(steps):
            try:
                next(steps[c])
            except StopIteration:
                del steps[c]
            except OSError as e:
                c.failed = str(e)
                del steps[c]
        return not steps

    until = time.monotonic() + SETUP
    while not advance() and time.monotonic() < until:
        pump(tun, by_port, time.monotonic() + 0.005)
    pump(tun, by_port, time.monotonic() + 0.05)
    for c in steps:
        c.failed = "the setup waits for a segment in vain"
    found = states()
    for c in cells:
        state = found.get((c.version, c.port, c.remote_port),
                          "LISTEN" if c.listener else "CLOSED")
        if state != c.state and not c.failed:
            c.failed = "it is in %s" % state
        if not c.failed:
            c.freeze()


def strike(tun, cells):
    """The cells' segments, and what the kernel does."""
    by_port = {c.port: c for c in cells}
    for c in cells:
        if not c.failed:
            c.strike()
    pump(tun, by_port, time.monotonic() + OBSERVE)
    found = states()
    for c in cells:
        if not c.failed:
            c.got = c.outcome(found)
            c.differs = c.differences(c.got)
        for s in (c.socket, c.listener):
            if s is not None:
                # no FIN-WAIT of an earlier batch disturbs the next
                s.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER,
                             struct.pack("ii", 1, 0))
                s.close()
    pump(tun, {}, time.monotonic() + 0.02)


# ---- the table of explanations ---------------------------------------------

class Row:
    """`CONDITIONS -> DIFFERENCES : CLAUSE`. Conditions and differences are
    NAME=PATTERN[|PATTERN], shell patterns; a difference that is not named
    is not explained."""

    def __init__(self, number, line):
        self.number, self.used = number, 0
        left, _, self.why = line.partition(" : ")
        conditions, _, differs = left.partition("->")
        self.conditions = self.fields(conditions)
        self.differs = self.fields(differs)
        if not self.why.strip() or not self.differs:
            raise Trouble("%d: not a row: %s" % (number, line))

    @staticmethod
    def fields(text):
        return dict(f.split("=", 1) for f in text.split())

    @staticmethod
    def matches(pattern, value):
        return any(fnmatch.fnmatchcase(value, p) for p in pattern.split("|"))

    def explains(self, cell):
        return all(self.matches(p, cell.want.get(k, ""))
                   for k, p in self.conditions.items()) and \
            set(cell.differs) == set(self.differs) and \
            all(self.matches(p, cell.differs[k])
                for k, p in self.differs.items())


def table(path):
    rows, series = [], None
    with open(path) as f:
        for number, line in enumerate(f, 1):
            m = re.match(r"# Linux (\d+\.\d+)", line)
            if m:
                series = m.group(1)
            line = line.strip()
            if line and line[0] != "#":
                rows.append(Row(number, line))
    return rows, series


def main():
    args, path, verbose = sys.argv[1:], "tests/interop/cells.txt", False
    if args == ["--help"]:
        print(__doc__)
        return 0
    while args and args[0].startswith("-"):
        if args[0] == "-v":
            verbose = True
        elif args[0] == "--table" and len(args) > 1:
            path = args.pop(1)
        else:
            break
        args.pop(0)
    if len(args) != 1 or args[0].startswith("-"):
        print(__doc__, file=sys.stderr)
        return 2
    rows, series = table(path)
    with open(args[0]) as f:
        cells = [Cell(line.strip(), n) for n, line in enumerate(
            line for line in f if line.strip() and line[0] != "#")]
    try:  # our own delays are not the kernel's
        os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(10))
    except OSError:
        pass
    # Retransmissions are far away, whatever the round trip was.
    tun = Tun(route="rto_min 5s")
    # A window that needs no scale: Linux accepts what is within its own,
    # which may be larger than what an unscaled one can say.
    for setting in ("net.ipv4.tcp_rmem=4096 60000 60000",
                    "net.ipv4.tcp_invalid_ratelimit=0",
                    "net.ipv4.tcp_max_syn_backlog=4096",
                    "net.ipv4.icmp_ratelimit=0"):
        sysctl(setting)
    for i in range(0, len(cells), BATCH):
        batch = cells[i:i + BATCH]
        bring(tun, batch)
        strike(tun, batch)
    equal = explained = failed = 0
    same_kernel = series in (None, ".".join(
        platform.release().split(".")[:2]))
    for c in cells:
        name = "cell_%s" % c.want["cell"]
        if c.failed:
            print("FAIL %s: %s: %s" % (name, c.failed, c.line))
            failed += 1
        elif not c.differs:
            equal += 1
            if verbose:
                print("equal: %s" % c.line)
        else:
            did = " ".join("%s=%s" % d for d in c.differs.items())
            row = next((r for r in rows if r.explains(c)), None)
            if row is None:
                print("FAIL %s: no row of %s explains %s of %s" % (
                    name, path, did, c.line))
                failed += 1
                continue
            row.used += 1
            explained += 1
            print("# %s: %s; Linux: %s: %s" % (name, c.short(), did, row.why))
    print("ok %d cells: %d equal, %d differ with a clause" % (
        len(cells), equal, explained) if not failed else
        "# %d cells: %d equal, %d differ with a clause, %d without" % (
        len(cells), equal, explained, failed))
    for r in rows:
        if r.used:
            print("ok %s:%d explains %d: %s" % (os.path.basename(path),
                                                r.number, r.used, r.why))
        elif same_kernel:
            print("FAIL %s:%d: it explains no cell" % (
                os.path.basename(path), r.number))
            failed += 1
    return 1 if failed else 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except Trouble as e:
        print("FAIL cells: %s" % e)
        sys.exit(1)
