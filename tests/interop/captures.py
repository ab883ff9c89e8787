#!/usr/bin/env python3
"""captures.py --record|--check FILE.pkt...: packet scripts, against Linux.

Runs a script of tests/scripts/linux in real time against the kernel of this
machine: its system calls are made, its packets `<` are written to a TUN
device in a namespace of its own, and what the kernel sends is captured.
  --record   writes the kernel's packets into the script, in place of what it
             had (comments stay where they are, the n-th packet keeps its own)
  --check    compares: the same segments, at about the same times
  --show     prints what would be recorded
Ends with a line for each file, `ok NAME` or `FAIL NAME: reason`; exit status
1 if one failed, 2 for wrong usage. Needs root.

The language is packetdrill's, as far as these scripts need it: all times are
absolute, so that a packet more or less moves nothing; there is one
connection; a line `// until 2.5` says how long to listen after the last
event.
"""
import errno
import os
import platform
import re
import signal
import socket
import struct
import sys
import threading
import time

sys.dont_write_bytecode = True  # the tree stays as it is
from captures_live import (ACK, AE, CWR, ECE, FIN, MOD, PSH, RST, SYN, URG,
                           REMOTE, LOCAL, Segment, Tun, icmp, segment,
                           sysctl)

PORT = 8080          # the one that is bound, or connected to
REMOTE_PORT = 40000  # the remote's, when it opens
REMOTE_ISS = 0xFFFFF000  # so that numbers wrap early
TS_FIRST = 100       # what scripts call the kernel's first timestamp
NEAR = 0.012         # a reply this close to an event is at the event's time
SLACK = 0.050        # what a busy machine may add, beside the tolerance
LETTERS = (("S", SYN), ("F", FIN), ("R", RST), ("P", PSH), ("U", URG),
           ("A", AE), ("E", ECE), ("W", CWR), (".", ACK))
ECN = {"noecn": 0, "ect1": 1, "ect0": 2, "ce": 3}
OPTIONS = {"mss": 2, "wscale": 3, "sackOK": 4, "sack": 5, "TS": 8}


class Wrong(Exception):
    pass


def flags_of(text):
    if text == "-":
        return 0
    return sum(bit for letter, bit in LETTERS if letter in text)


# ---- reading ---------------------------------------------------------------

TIME = r"(\d*\.?\d+)(?:\.\.\.(\d*\.?\d+))?"
PACKET = re.compile(
    r"([<>]) +(?:\[(\w+)\] +)?([SFRPUAEW.]+|-) +(\d+):(\d+)\((\d+)\)"
    r"(?: +ack +(\d+))?(?: +win +(\d+))?(?: +urg +(\d+))?(?: +<(.*)>)?$")
ICMP = re.compile(r"< +(icmp(?:v6)?) +(\w+)(?: +(\w+))?(?: +mtu +(\d+))? +"
                  r"\[(\d+):(\d+)\(\d+\)\]$")
CALL = re.compile(r"(\w+)\((.*?)\) *(?:= *(\S+)(?: +(E\w+))?(?: +\(.*\))?)?$")


class Event:
    """A line of a script that happens: kind < > icmp call command assert."""

    def __init__(self, number, line):
        m = re.match(TIME + r" +(.*)$", line)
        if not m:
            raise Wrong("line %d: %s" % (number, line))
        self.number, self.line = number, line
        self.at, self.text = float(m.group(1)), m.group(3)
        self.end = float(m.group(2)) if m.group(2) else None
        self.kind = self.text[0]
        if self.kind in "<>":
            m = PACKET.match(self.text)
            if m:
                (_, self.ecn, flags, self.seq, _, self.len, self.ack,
                 self.win, self.urg, self.options) = m.groups()
                self.flags = flags_of(flags)
            else:
                self.kind, m = "icmp", ICMP.match(self.text)
        elif self.kind == "`":
            self.kind, m = "command", re.match("`(.*)`$", self.text)
        elif self.kind == "%":
            self.kind = "assert"
            m = re.match(r"%\{ *assert (.*?) *\}%$", self.text)
        else:
            self.kind, m = "call", CALL.match(self.text)
        if not m:
            raise Wrong("line %d: %s" % (number, line))
        self.groups = m.groups()


class Script:
    """The lines, and which of them are events."""

    def __init__(self, path):
        with open(path) as f:
            self.lines = f.read().split("\n")[:-1]
        self.name = os.path.basename(path)[:-4]
        self.version, self.until, self.tolerance = 4, 0.0, 4000
        self.linux = None
        self.events = []
        for number, line in enumerate(self.lines, 1):
            bare = re.sub(r"//.*", "", line).strip()
            m = re.match(r"// until (\S+)", line)
            if m:
                self.until = float(m.group(1))
            m = re.match(r"// Captured from Linux (\d+\.\d+)", line)
            if m:
                self.linux = m.group(1)
            if bare.startswith("--ip_version=ipv6"):
                self.version = 6
            elif bare.startswith("--tolerance_usecs="):
                self.tolerance = int(bare.split("=")[1])
            elif bare and not bare.startswith("--"):
                self.events.append(Event(number, bare))
        last = max(e.end or e.at for e in self.events)
        self.until = max(self.until, last + 0.02)
        self.ecn = any("tcp_ecn=" in e.text or e.kind in "<>" and e.ecn
                       for e in self.events)


# ---- system calls ----------------------------------------------------------

def split(text):
    """Arguments, by the commas that no bracket encloses."""
    out, depth, last = [], 0, 0
    for i, c in enumerate(text):
        depth += (c in "([{") - (c in ")]}")
        if c == "," and depth == 0:
            out.append(text[last:i].strip())
            last = i + 1
    return out + [text[last:].strip()]


errno_names = {name: code for code, name in errno.errorcode.items()}


def number(text):
    """A constant, or several joined by |."""
    names = {"TCP_USER_TIMEOUT": 18, "O_RDWR": os.O_RDWR,
             "O_NONBLOCK": os.O_NONBLOCK, "F_SETFL": 4, "F_GETFL": 3,
             "TCP_NOTSENT_LOWAT": 25, "IPPROTO_TCP": 6}
    value = 0
    for part in text.strip("[]").split("|"):
        part = part.strip()
        if part in errno_names:
            value |= errno_names[part]
        elif re.match(r"-?(0x)?[0-9a-fA-F]+$", part):
            value |= int(part, 0)
        else:
            value |= names[part] if part in names else getattr(socket, part)
    return value


class Calls:
    def __init__(self, script):
        self.version, self.fds = script.version, {}
        self.family = socket.AF_INET if self.version == 4 else \
            socket.AF_INET6

    def address(self, remote):
        return ((REMOTE if remote else LOCAL)[self.version], PORT)

    def do(self, name, a):
        """What the call returns, and what it wrote to its argument."""
        if name == "socket":
            s = socket.socket(self.family, socket.SOCK_STREAM)
            s.setsockopt(6, socket.TCP_CONGESTION, b"cubic")
            fd = 3 + len(self.fds)
            self.fds[fd] = s
            return fd, None
        s = self.fds[int(a[0])]
        if name == "setsockopt":
            if a[3].startswith("{"):
                value = struct.pack("ii", *map(int, re.findall(
                    r"=(\d+)", a[3])))
            else:
                value = number(a[3])
            s.setsockopt(number(a[1]), number(a[2]), value)
            return 0, None
        if name == "getsockopt":
            return 0, s.getsockopt(number(a[1]), number(a[2]))
        if name == "bind":
            s.bind(self.address(False))
        elif name == "listen":
            s.listen(number(a[1]))
        elif name == "accept":
            new, _ = s.accept()
            fd = 3 + len(self.fds)
            self.fds[fd] = new
            return fd, None
        elif name == "connect":
            s.connect(self.address(True))
        elif name == "fcntl":
            if number(a[1]) == 4:
                s.setblocking(not number(a[2]) & os.O_NONBLOCK)
            else:
                return os.O_RDWR | (0 if s.getblocking() else
                                    os.O_NONBLOCK), None
        elif name in ("write", "send"):
            return s.send(bytes(number(a[2])),
                          number(a[3]) if name == "send" else 0), None
        elif name in ("read", "recv"):
            return len(s.recv(number(a[2]), number(a[3])
                              if name == "recv" else 0)), None
        elif name == "shutdown":
            s.shutdown(number(a[1]))
        elif name == "close":
            s.close()
        else:
            raise Wrong("no call " + name)
        return 0, None

    def run(self, event):
        """Makes the call and compares; the reason if it differs."""
        name, args, want, error = event.groups
        args = split(args)
        got_error = None
        try:
            got, value = self.do(name, args)
        except OSError as e:
            got, value, got_error = -1, None, errno.errorcode[e.errno]
        text = "line %d: %s" % (event.number, event.text)
        if want not in (None, "...") and got != number(want) or \
                got_error != error:
            return "%s: returned %d %s" % (text, got, got_error or "")
        if value is not None and value != number(args[3]):
            return "%s: wrote %d" % (text, value)
        return None

    def info(self, event):
        """A %{ assert }% block, over the last socket that connected."""
        s = next(s for s in reversed(list(self.fds.values()))
                 if s.fileno() >= 0)
        raw = s.getsockopt(6, socket.TCP_INFO, 232)
        bytes_ = ("state ca_state retransmits probes backoff options "
                  "wscale flags").split()
        words = ("rto ato snd_mss rcv_mss unacked sacked lost retrans fackets "
                 "last_data_sent last_ack_sent last_data_recv last_ack_recv "
                 "pmtu rcv_ssthresh rtt rttvar snd_ssthresh snd_cwnd advmss "
                 "reordering rcv_rtt rcv_space total_retrans").split()
        values = dict(zip(bytes_, raw[:8]))
        values.update(zip(words, struct.unpack("24I", raw[8:104])))
        names = {"tcpi_" + k: v for k, v in values.items()}
        states = ("ESTABLISHED SYN_SENT SYN_RECV FIN_WAIT1 FIN_WAIT2 "
                  "TIME_WAIT CLOSE CLOSE_WAIT LAST_ACK LISTEN CLOSING")
        for i, state in enumerate(states.split(), 1):
            names["TCP_" + state] = i
        for i, state in enumerate("Open Disorder CWR Recovery Loss".split()):
            names["TCP_CA_" + state] = i
        if eval(event.groups[0], {"__builtins__": {}}, names):
            return None
        used = re.findall(r"tcpi_\w+", event.groups[0])
        return "line %d: %s: %s" % (event.number, event.text, ", ".join(
            "%s is %d" % (k, names[k]) for k in used))


# ---- packets ---------------------------------------------------------------

class Wire:
    """Script space and live space of the one connection."""

    def __init__(self, script, tun):
        self.script, self.tun = script, tun
        self.local_iss = self.local_port = self.remote_port = None
        self.ts_base = self.ts_first = None
        self.sent = []  # (time, Segment, packet), as captured

    def options(self, text):
        out = b""
        for part in split(text or ""):
            words = part.split()
            if not words:
                continue
            kind = OPTIONS.get(words[0])
            if words[0] == "nop":
                out += b"\1"
            elif words[0] == "eol":
                out += b"\0"
            elif words[0] == "mss":
                out += struct.pack("!BBH", kind, 4, int(words[1]))
            elif words[0] == "wscale":
                out += struct.pack("!BBB", kind, 3, int(words[1]))
            elif words[0] == "sackOK":
                out += struct.pack("!BB", kind, 2)
            elif words[0] == "sack":
                edges = [int(n) + (self.local_iss or 0)
                         for w in words[1:] for n in w.split(":")]
                out += struct.pack("!BB%dI" % len(edges), kind,
                                   2 + 4 * len(edges),
                                   *[e % MOD for e in edges])
            elif words[0] == "TS":
                ecr = int(words[4])
                if self.ts_base is not None and ecr:
                    ecr += self.ts_base
                out += struct.pack("!BBII", kind, 10, int(words[2]),
                                   ecr % MOD)
            else:
                raise Wrong("no option " + words[0])
        return out

    def send(self, e):
        if self.local_port is None:  # a passive open
            self.local_port, self.remote_port = PORT, REMOTE_PORT
        seq = int(e.seq) + REMOTE_ISS
        ack = int(e.ack) + (self.local_iss or 0) if e.ack else 0
        self.tun.write(segment(
            self.script.version, self.remote_port, self.local_port, seq, ack,
            e.flags, int(e.win or 0), self.options(e.options),
            bytes(int(e.len)), int(e.urg or 0), ECN[e.ecn or "noecn"]))

    def send_icmp(self, e):
        _, kind, code, mtu, start, _ = e.groups
        version = self.script.version
        seq = (int(start) + self.local_iss) % MOD
        quoted = next(p for _, s, p in reversed(self.sent) if s.seq == seq)
        codes = {"frag_needed": 4, "host_unreachable": 1,
                 "port_unreachable": 3, "net_unreachable": 0}
        if version == 6:
            numbers = {"packet_too_big": (2, 0), "unreachable": (1, 4)}[kind]
        else:
            numbers = (3, codes[code])
        self.tun.write(icmp(version, numbers[0], numbers[1], int(mtu or 0),
                            quoted[:48 if version == 6 else 28]))

    def received(self, now, packet):
        s = Segment(packet)
        if not s.tcp or s.version != self.script.version:
            return
        if s.bad:
            raise Wrong("the kernel sent a segment with a bad " + s.bad)
        if self.local_port is None:
            self.local_port, self.remote_port = s.sport, s.dport
        if s.flags & SYN:
            self.local_iss = s.seq
        stamp = s.timestamps()
        if self.ts_base is None and stamp:
            self.ts_base = stamp[0] - TS_FIRST
        self.sent.append((now, s, packet))

    def option_text(self, s, at):
        out, o = [], s.options
        while o:
            kind = o[0]
            if kind == 1:
                out.append("nop")
                o = o[1:]
                continue
            if kind == 0:
                out.append("eol")
                break
            body = o[2:o[1]]
            o = o[o[1]:]
            if kind == 2:
                out.append("mss %d" % struct.unpack("!H", body))
            elif kind == 3:
                out.append("wscale %d" % body[0])
            elif kind == 4:
                out.append("sackOK")
            elif kind == 5:
                edges = struct.unpack("!%dI" % (len(body) // 4), body)
                edges = [(e - REMOTE_ISS) % MOD for e in edges]
                out.append("sack " + " ".join(
                    "%d:%d" % pair for pair in zip(edges[::2], edges[1::2])))
            elif kind == 8:
                value, ecr = struct.unpack("!II", body)
                if self.ts_first is None:
                    self.ts_first = at
                # A clock of 1 ms that started anywhere: the time of the line
                # is what it should show.
                value = (value - self.ts_base) % MOD
                shown = TS_FIRST + round((at - self.ts_first) * 1000)
                if abs(value - shown) > 1000 * (NEAR + SLACK):
                    raise Wrong("timestamp %d at %.3f" % (value, at))
                out.append("TS val %d ecr %d" % (shown, ecr))
            elif kind in (172, 174):
                names = "e0b ceb e1b" if kind == 172 else "e1b ceb e0b"
                counts = [int.from_bytes(body[i:i + 3], "big")
                          for i in range(0, len(body), 3)]
                out.append("ECN " + " ".join(
                    "%s %d" % pair for pair in zip(names.split(), counts)))
            else:
                out.append("0x%02x%s" % (kind, body.hex()))
        return ",".join(out)

    def text(self, s, at):
        """As a script has it."""
        letters = "".join(c for c, bit in LETTERS if s.flags & bit) or "-"
        rst_of_stranger = s.flags & RST and self.local_iss is None
        base = 0 if rst_of_stranger else self.local_iss or 0
        seq = (s.seq - base) % MOD
        out = "> "
        if self.script.ecn:
            out += "[%s] " % [k for k, v in ECN.items() if v == s.tos & 3][0]
        out += "%s %d:%d(%d)" % (letters, seq, seq + len(s.data),
                                 len(s.data))
        if s.flags & ACK:
            out += " ack %d" % ((s.ack - REMOTE_ISS) % MOD)
        out += " win %d" % s.win
        if s.flags & URG:
            out += " urg %d" % s.urg
        if s.options:
            out += " <%s>" % self.option_text(s, at)
        return out


# ---- a run -----------------------------------------------------------------

def run(script):
    """Plays the script. What the kernel sent: (time, text), times as a
    script has them. Raises Wrong when a call does not do what it says."""
    def stuck(*_):
        raise Wrong("the call at %.3f does not return" % e.at)

    signal.signal(signal.SIGALRM, stuck)
    tun = Tun()
    wire, calls = Wire(script, tun), Calls(script)
    threads, failures = [], []
    start = time.monotonic() + 0.02
    near = []  # (real time, script time) of what was done

    def listen(until):
        while True:
            got = tun.wait(until)
            if got is None:
                return
            wire.received(*got)

    def blocking(event):
        why = calls.run(event)
        end = time.monotonic() - start
        near.append((end, event.end))
        if not why and abs(end - event.end) > script.tolerance / 1e6 + SLACK:
            why = "line %d: %s: ended at %.3f" % (event.number, event.text,
                                                  end)
        if why:
            failures.append(why)

    for e in script.events:
        if e.kind == ">":
            continue
        if e.kind == "command":
            sysctl(re.sub(r"^sysctl (-q )?(-w )?", "", e.groups[0]))
            continue
        listen(start + e.at)
        near.append((time.monotonic() - start, e.at))
        why = None
        if e.kind == "<":
            wire.send(e)
        elif e.kind == "icmp":
            wire.send_icmp(e)
        elif e.kind == "assert":
            why = calls.info(e)
        elif e.end is not None:
            t = threading.Thread(target=blocking, args=(e,), daemon=True)
            t.start()
            threads.append(t)
        else:
            signal.setitimer(signal.ITIMER_REAL, 2)
            why = calls.run(e)
            signal.setitimer(signal.ITIMER_REAL, 0)
        if why:
            failures.append(why)
        listen(time.monotonic() + 0.0005)
    listen(start + script.until)
    for t in threads:
        t.join(0.01)
        if t.is_alive():
            failures.append("a call never returned")
    out = []
    for at, s, _ in wire.sent:
        at -= start
        close = [(at - real, nominal) for real, nominal in near
                 if 0 <= at - real <= NEAR]
        shown = min(close)[1] if close else round(at, 3)
        if out:
            shown = max(shown, out[-1][0])
        out.append((shown, wire.text(s, shown)))
    return out, failures


def recorded(script, sent):
    """The script's lines, with these segments instead of its own."""
    own = {e.number for e in script.events if e.kind == ">"}
    moving = {e.number: e for e in script.events if e.kind != ">"}
    # Comments right above a packet of the kernel's go with it.
    lines, comments, held = [], [], []
    for number, line in enumerate(script.lines, 1):
        if number in own:
            tail = re.search(r" +//.*", line)
            comments.append((held, tail.group(0) if tail else ""))
            held = []
        elif line.strip().startswith("//") or not line.strip():
            held.append(line)
        else:
            lines.append((moving.get(number), held + [line]))
            held = []
    out, queue, n = [], list(sent), 0

    def emit(before):
        nonlocal n
        while queue and (before is None or queue[0][0] < before):
            at, text = queue.pop(0)
            above, tail = comments[n] if n < len(comments) else ([], "")
            out.extend(above)
            out.append("%.3f %s%s" % (at, text, tail))
            n += 1

    for event, text in lines:
        if event is not None:
            emit(event.at)
        out.extend(text)
    emit(None)
    for above, _ in comments[n:]:
        out.extend(above)
    return out + held


def plain(text):
    """Without what depends on the machine's memory: the window, unless it
    is 0."""
    return re.sub(r" win [1-9]\d*", "", text)


def without_times(text):
    return re.sub(r"TS val \d+", "TS val", plain(text))


def compare(script, sent):
    want = [(e.at, e.text, e.number) for e in script.events
            if e.kind == ">"]
    for i in range(max(len(want), len(sent))):
        if i >= len(sent):
            return "line %d: never sent: %s" % (want[i][2], want[i][1])
        if i >= len(want):
            return "not in the script: %.3f %s" % sent[i]
        at, text, line = want[i]
        if without_times(text) != without_times(sent[i][1]):
            return "line %d: %s; sent: %s" % (line, text, sent[i][1])
        if abs(at - sent[i][0]) > script.tolerance / 1e6 + SLACK:
            return "line %d: at %.3f, sent at %.3f" % (line, at, sent[i][0])
    return None


def one(path, mode):
    """In a process of its own: a namespace is a process's."""
    script = Script(path)
    sent, failures = run(script)
    why = failures[0] if failures else None
    if mode == "check":
        return why or compare(script, sent)
    lines = recorded(script, sent)
    if mode == "show":
        print("\n".join(lines))
    elif not why:
        with open(path, "w") as f:
            f.write("\n".join(lines) + "\n")
    return why


def child(path, mode):
    """The pid and a pipe that brings its reason, empty if there is none."""
    read, write = os.pipe()
    sys.stdout.flush()
    pid = os.fork()
    if pid == 0:
        os.close(read)
        try:
            why = one(path, mode) or ""
        except Exception as e:
            why = "%s: %s" % (type(e).__name__, e)
        sys.stdout.flush()
        os.write(write, why.encode())
        os._exit(0 if not why else 1)
    os.close(write)
    return pid, read


def ended(pid, read):
    with os.fdopen(read) as f:
        why = f.read()
    status = os.waitpid(pid, 0)[1]
    return why or ("it died: status %d" % status if status else None)


def series():
    return ".".join(platform.release().split(".")[:2])


def main():
    args = sys.argv[1:]
    if args == ["--help"]:
        print(__doc__)
        return 0
    modes = {"--record": "record", "--check": "check", "--show": "show"}
    if len(args) < 2 or args[0] not in modes:
        print(__doc__, file=sys.stderr)
        return 2
    mode, paths = modes[args[0]], args[1:]
    try:  # our own delays are not the kernel's
        os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(10))
    except OSError:
        pass
    failed = 0
    waiting, running, tries = list(paths), [], dict.fromkeys(paths, 3)
    while waiting or running:
        while waiting and len(running) < 8:
            path = waiting.pop(0)
            running.append((path, child(path, mode)))
            time.sleep(0.03)  # namespaces are made one after the other
        path, process = running.pop(0)
        why = ended(*process)
        name = os.path.basename(path)[:-4]
        tries[path] -= 1
        if why and mode == "check" and tries[path]:
            waiting.append(path)  # a busy machine, perhaps
        elif not why:
            print("ok " + name)
        elif mode == "check" and Script(path).linux not in (None, series()):
            print("SKIP %s: Linux %s was captured, this is %s: %s" % (
                name, Script(path).linux, series(), why))
        else:
            print("FAIL %s: %s" % (name, why))
            failed = 1
        sys.stdout.flush()
    return failed


if __name__ == "__main__":
    sys.exit(main())
