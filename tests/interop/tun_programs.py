#!/usr/bin/env python3
"""tun_programs.py WHAT ADDRESS [...]: what curl cannot be made to do.

Clients for tun-httpd at port 80; each prints what it saw and exits 0, or
fails with a message. `serve ADDRESS PORT` is a server for tun-get.
"""
import hashlib
import itertools
import socket
import struct
import sys
import threading
import time

HOST = b"Host: x\r\n"


def sequence(n, first=0):
    """n bytes of `seq 100000000 999999999`, from that one on"""
    lines = itertools.count(100000000 + first // 10)
    need = n + first % 10
    text = b"".join(b"%d\n" % next(lines) for _ in range((need + 9) // 10))
    return text[first % 10:first % 10 + n]


def connect(address, receive_buffer=0):
    s = socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET)
    if receive_buffer:
        s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
    s.settimeout(20)
    s.connect((address, 80))
    s.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return s


def everything(s):
    data = bytearray()
    while True:
        part = s.recv(1 << 16)
        if not part:
            return bytes(data)
        data += part


class Answers:
    """Reads answers one by one from a connection."""

    def __init__(self, s):
        self.s, self.data = s, b""

    def more(self):
        part = self.s.recv(1 << 16)
        assert part, "closed in the middle"
        self.data += part

    def line(self):
        while b"\r\n" not in self.data:
            self.more()
        line, self.data = self.data.split(b"\r\n", 1)
        return line

    def take(self, n):
        while len(self.data) < n:
            self.more()
        part, self.data = self.data[:n], self.data[n:]
        return part

    def next(self, head_only=False):
        """status, fields, body"""
        status = int(self.line().split()[1])
        fields = {}
        while (line := self.line()) != b"":
            name, value = line.split(b":", 1)
            fields[name.lower()] = value.strip()
        if status == 100 or head_only:
            return status, fields, b""
        if b"transfer-encoding" not in fields:
            n = int(fields[b"content-length"])
            return status, fields, self.take(n)
        body = b""
        while (n := int(self.line(), 16)) > 0:
            body += self.take(n)
            assert self.line() == b""
        assert self.line() == b""
        return status, fields, body


def status_of(address, request):
    """The status that a request gets; closes, or stays open, after it."""
    s = connect(address)
    s.sendall(request)
    status, fields, _ = Answers(s).next()
    closing = fields.get(b"connection") == b"close"
    if closing:
        assert s.recv(1) == b"", "the connection stays open"
    s.close()
    return "%d%s" % (status, " close" if closing else "")


def errors(address):
    """What malformed or unwanted requests get."""
    def say(what, request):
        print(what, status_of(address, request))

    say("no-host", b"GET / HTTP/1.1\r\n\r\n")
    say("two-hosts", b"GET / HTTP/1.1\r\n" + HOST + HOST + b"\r\n")
    say("http-0.9", b"GET /\r\n\r\n")
    say("http-2", b"GET / HTTP/2.0\r\n" + HOST + b"\r\n")
    say("blank-in-name", b"GET / HTTP/1.1\r\nHost : x\r\n\r\n")
    say("folded", b"GET / HTTP/1.1\r\n" + HOST + b" y\r\n\r\n")
    say("no-colon", b"GET / HTTP/1.1\r\n" + HOST + b"nothing\r\n\r\n")
    say("nul", b"GET /\0 HTTP/1.1\r\n" + HOST + b"\r\n")
    say("bare-cr", b"GET / HTTP/1.1\r\n" + HOST + b"A: b\rc\r\n\r\n")
    say("bad-escape", b"GET /%zz HTTP/1.1\r\n" + HOST + b"\r\n")
    say("escaped-nul", b"GET /%00 HTTP/1.1\r\n" + HOST + b"\r\n")
    say("no-path", b"GET x HTTP/1.1\r\n" + HOST + b"\r\n")
    say("two-lengths", b"PUT /x HTTP/1.1\r\n" + HOST +
        b"Content-Length: 1\r\nContent-Length: 2\r\n\r\n")
    say("length-and-chunked", b"PUT /x HTTP/1.1\r\n" + HOST +
        b"Content-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n")
    say("bad-length", b"PUT /x HTTP/1.1\r\n" + HOST +
        b"Content-Length: +1\r\n\r\n")
    say("huge-length", b"PUT /x HTTP/1.1\r\n" + HOST +
        b"Content-Length: 99999999999999999999\r\n\r\n")
    say("bad-chunk", b"PUT /x HTTP/1.1\r\n" + HOST +
        b"Transfer-Encoding: chunked\r\n\r\nxyz\r\n")
    say("long-chunk", b"PUT /x HTTP/1.1\r\n" + HOST +
        b"Transfer-Encoding: chunked\r\n\r\n" + b"1" * 16 + b"\r\n")
    say("unended-chunk", b"PUT /x HTTP/1.1\r\n" + HOST +
        b"Transfer-Encoding: chunked\r\n\r\n2\r\nabc\r\n")
    say("long-trailer", b"PUT /x HTTP/1.1\r\n" + HOST +
        b"Transfer-Encoding: chunked\r\n\r\n0\r\nA: " + b"a" * 5000)
    say("gzip", b"PUT /x HTTP/1.1\r\n" + HOST +
        b"Transfer-Encoding: gzip, chunked\r\n\r\n")
    say("method", b"BREW / HTTP/1.1\r\n" + HOST + b"\r\n")
    say("get-echo", b"GET /echo HTTP/1.1\r\n" + HOST + b"\r\n")
    say("get-body", b"GET / HTTP/1.1\r\n" + HOST +
        b"Content-Length: 3\r\n\r\nabc")
    say("no-length", b"PUT /x HTTP/1.1\r\n" + HOST + b"\r\n")
    say("too-much", b"PUT /x HTTP/1.1\r\n" + HOST +
        b"Content-Length: 20000001\r\n\r\n")
    say("long-head", b"GET / HTTP/1.1\r\n" + HOST + b"A: " + b"a" * 9000 +
        b"\r\n\r\n")
    say("not-there", b"GET /nothing HTTP/1.1\r\n" + HOST + b"\r\n")
    say("empty-line", b"\r\nGET / HTTP/1.1\r\n" + HOST + b"\r\n")
    say("bare-lf", b"GET / HTTP/1.1\nHost: x\n\n")
    say("absolute", b"GET http://y/bytes/1 HTTP/1.1\r\n" + HOST + b"\r\n")


def too_much_chunked(address):
    """More than --max-body, without having said so before: the answer comes
    although we go on sending."""
    s = connect(address)
    s.sendall(b"PUT /x HTTP/1.1\r\n" + HOST +
              b"Transfer-Encoding: chunked\r\n\r\n")
    chunk = b"100000\r\n" + bytes(1 << 20) + b"\r\n"
    for _ in range(25):
        s.sendall(chunk)
    print(Answers(s).next()[0])


def pipeline(address, count):
    """Requests of all kinds in one go; the answers come in their order."""
    requests, wanted = b"", []
    for i in range(int(count)):
        kind, body = i % 5, sequence(i * 37 % 4000)
        if kind == 0:
            requests += b"GET /bytes/%d HTTP/1.1\r\n" % len(body)
        elif kind == 1:
            requests += b"HEAD /bytes/%d HTTP/1.1\r\n" % len(body)
        elif kind == 2:
            requests += b"PUT /echo HTTP/1.1\r\nContent-Length: %d\r\n" % (
                len(body))
        elif kind == 3:
            requests += (b"POST /echo HTTP/1.1\r\n"
                         b"Transfer-Encoding: chunked\r\n")
        else:
            requests += b"GET /nothing HTTP/1.1\r\n"
        requests += HOST + b"\r\n"
        if kind == 2:
            requests += body
        if kind == 3:
            half = len(body) // 2
            for part in (body[:half], body[half:]):
                if part:
                    requests += b"%x;a=b\r\n%s\r\n" % (len(part), part)
            requests += b"0\r\nTrailer: t\r\n\r\n"
        wanted.append((404 if kind == 4 else 200, kind == 1, body))
    s = connect(address)
    threading.Thread(target=s.sendall, args=(requests,)).start()
    answers = Answers(s)
    for i, (status, head_only, body) in enumerate(wanted):
        got = answers.next(head_only)
        assert got[0] == status, "answer %d: %d" % (i, got[0])
        if head_only:
            assert int(got[1][b"content-length"]) == len(body)
        elif status == 200:
            assert got[2] == body, "answer %d is another body" % i
    print("in order")


def split(address, step, count):
    """The same requests over and over, in segments of that many bytes: the
    cuts, and the ring's end, fall on every byte in time."""
    body = b"0123456789abcdef"
    one = (b"PUT /echo HTTP/1.1\r\n" + HOST +
           b"Transfer-Encoding: chunked\r\n\r\n" +
           b"0a\r\n%s\r\n6\r\n%s\r\n0\r\nA: b\r\n\r\n" %
           (body[:10], body[10:]) +
           b"GET /bytes/7 HTTP/1.1\r\n" + HOST + b"\r\n")
    s = connect(address)
    answers = Answers(s)
    data = one * int(count)
    step = int(step)

    def send():
        for i in range(0, len(data), step):
            s.sendall(data[i:i + step])

    threading.Thread(target=send).start()
    for _ in range(int(count)):
        assert answers.next()[2] == body
        assert answers.next()[2] == b"1000000"
    print("all there")


def half_close(address):
    """Asks, closes its half, and still gets whole answers."""
    s = connect(address)
    s.sendall(b"GET /bytes/3M HTTP/1.1\r\n" + HOST + b"\r\n"
              b"PUT /echo HTTP/1.1\r\nContent-Length: 4\r\n" + HOST +
              b"\r\nabcd")
    s.shutdown(socket.SHUT_WR)
    answers = Answers(s)
    assert answers.next()[2] == sequence(3 << 20)
    assert answers.next()[2] == b"abcd"
    assert answers.data == b"" and s.recv(1) == b""
    s = connect(address)  # nothing asked: nothing said
    s.shutdown(socket.SHUT_WR)
    assert everything(s) == b""
    s = connect(address)  # half a request
    s.sendall(b"GET / HT")
    s.shutdown(socket.SHUT_WR)
    assert everything(s).startswith(b"HTTP/1.1 400 ")
    s = connect(address)  # half a body
    s.sendall(b"PUT /x HTTP/1.1\r\nContent-Length: 4\r\n" + HOST + b"\r\nab")
    s.shutdown(socket.SHUT_WR)
    assert everything(s).startswith(b"HTTP/1.1 400 ")
    print("whole")


def echo_streams(address):
    """What is echoed comes back before the body is over."""
    for chunked in (False, True):
        s = connect(address)
        s.sendall(b"PUT /echo HTTP/1.1\r\n" + HOST +
                  (b"Transfer-Encoding: chunked\r\n\r\n" if chunked else
                   b"Content-Length: 300\r\n\r\n"))
        answers = Answers(s)
        while answers.line() != b"":
            pass
        for i in range(3):
            part = bytes([65 + i]) * 100
            s.sendall(b"64\r\n" + part + b"\r\n" if chunked else part)
            if chunked:
                assert answers.line() == b"64"
            assert answers.take(100) == part
            if chunked:
                assert answers.line() == b""
        if chunked:
            s.sendall(b"0\r\n\r\n")
            assert answers.take(5) == b"0\r\n\r\n"
    s = connect(address)  # far more framing than body
    s.sendall(b"PUT /x HTTP/1.1\r\n" + HOST +
              b"Transfer-Encoding: chunked\r\n\r\n" +
              b"1\r\na\r\n" * 3000 + b"0\r\n\r\n")
    assert Answers(s).next()[2] == b"3000\n"
    print("streams")


def echo_stalled(address, count):
    """Sends on while it reads nothing: both windows close, and open."""
    data = sequence(int(count))
    s = connect(address, receive_buffer=4096)
    t = threading.Thread(target=s.sendall, args=(
        b"PUT /echo HTTP/1.1\r\n" + HOST +
        b"Content-Length: %d\r\n\r\n" % len(data) + data,))
    t.start()
    time.sleep(0.5)
    assert Answers(s).next()[2] == data
    t.join()
    print("same")


def expect(address):
    """100 Continue comes before the body is sent; not with an error."""
    s = connect(address)
    head = b"PUT /x HTTP/1.1\r\n" + HOST + b"Expect: 100-continue\r\n"
    s.sendall(head + b"Content-Length: 3\r\n\r\n")
    answers = Answers(s)
    print(answers.next()[0], end=" ")
    s.sendall(b"abc")
    print(answers.next()[::2], end=" ")
    s.sendall(head + b"Content-Length: 20000001\r\n\r\n")
    print(answers.next()[0])


def keep_alive(address):
    """HTTP/1.0 as well, if asked; else the server closes."""
    s = connect(address)
    answers = Answers(s)
    for _ in range(3):
        s.sendall(b"GET /bytes/5 HTTP/1.0\r\nConnection: Keep-Alive\r\n\r\n")
        status, fields, body = answers.next()
        assert body == b"10000" and fields[b"connection"] == b"keep-alive"
    s.sendall(b"GET /bytes/5 HTTP/1.1\r\n" + HOST +
              b"Connection: foo, close\r\n\r\n")
    assert answers.next()[2] == b"10000" and s.recv(1) == b""
    s = connect(address)
    s.sendall(b"GET /bytes/5 HTTP/1.0\r\n\r\n")
    assert everything(s).endswith(b"\r\n\r\n10000")
    print("kept and closed")


def many(address, count):
    """That many connections at once, each used at the end."""
    all_ = [connect(address) for _ in range(int(count))]
    for s in all_:
        s.sendall(b"GET /bytes/9 HTTP/1.1\r\n" + HOST + b"\r\n")
    for s in all_:
        assert Answers(s).next()[2] == b"100000000"
    for s in all_:
        s.close()
    print("answered")


def waits(address):
    """One client at a time: the second is served when the first has gone."""
    first, second = connect(address), connect(address)
    ask = b"GET /bytes/1 HTTP/1.1\r\n" + HOST + b"\r\n"
    first.sendall(ask)
    assert Answers(first).next()[2] == b"1"
    second.sendall(ask)
    second.settimeout(0.3)
    try:
        second.recv(1)
        print("served", end=" ")
    except socket.timeout:
        print("waits", end=" ")
    first.close()
    second.settimeout(10)
    print(Answers(second).next()[0])


def idles(address, seconds):
    """How the server ends a connection that does nothing."""
    s = connect(address)
    began = time.monotonic()
    s.settimeout(float(seconds) + 10)
    data = s.recv(1)
    assert data == b"" and time.monotonic() - began >= float(seconds) - 0.1
    print("closed")


def stopped(address):
    """SIGINT to the server: an idle connection is closed at once, a running
    download is finished."""
    idle = connect(address)
    busy = connect(address, receive_buffer=4096)
    busy.sendall(b"GET /bytes/2M HTTP/1.1\r\n" + HOST + b"\r\n")
    assert busy.recv(1) == b"H"
    print("ready", flush=True)
    assert idle.recv(1) == b"", "not closed"
    rest = b"H" + everything(busy)
    assert rest.split(b"\r\n\r\n", 1)[1] == sequence(2 << 20), "cut short"
    print("orderly")


def ping(address):
    """ICMP echo: what is sent comes back."""
    six = ":" in address
    s = socket.socket(socket.AF_INET6 if six else socket.AF_INET,
                      socket.SOCK_RAW,
                      socket.IPPROTO_ICMPV6 if six else socket.IPPROTO_ICMP)
    s.settimeout(5)
    text = bytes(range(100))
    message = struct.pack("!BBHHH", 128 if six else 8, 0, 0, 7, 1) + text
    if not six:  # for IPv6 the kernel does it
        total = sum(struct.unpack("!%dH" % (len(message) // 2), message))
        total = (total & 0xFFFF) + (total >> 16)
        total = (total & 0xFFFF) + (total >> 16)
        message = message[:2] + struct.pack("!H", ~total & 0xFFFF) + message[4:]
    s.sendto(message, (address, 0))
    while True:
        packet = s.recv(2048)
        packet = packet if six else packet[20:]
        if packet[0] == (129 if six else 0):
            break
    assert packet[4:] == message[4:]
    print("echoed")


def serve(address, port):
    """A server for tun-get: what it does depends on the path."""
    listener = socket.socket(
        socket.AF_INET6 if ":" in address else socket.AF_INET)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.bind((address, int(port)))
    listener.listen(100)
    print("listens", flush=True)
    while True:
        s, _ = listener.accept()
        threading.Thread(target=answer, args=(s,), daemon=True).start()


def answer(s):
    s.settimeout(30)
    head = b""
    while b"\r\n\r\n" not in head:
        part = s.recv(65536)
        if not part:
            return
        head += part
    head, body = head.split(b"\r\n\r\n", 1)
    method, path, _ = head.split(b"\r\n")[0].split(b" ")
    fields = dict(line.lower().split(b": ", 1)
                  for line in head.split(b"\r\n")[1:])
    ok = b"HTTP/1.1 200 OK\r\n"
    data = sequence(300000)
    if method == b"PUT":
        while len(body) < int(fields[b"content-length"]):
            body += s.recv(65536)
        text = hashlib.sha256(body).hexdigest().encode()
        s.sendall(ok + b"Content-Length: 64\r\n\r\n" + text)
    elif path == b"/length":
        s.sendall(b"HTTP/1.1 100 Continue\r\n\r\n" + ok +
                  b"Content-Length: %d\r\n\r\n" % len(data) + data)
    elif path == b"/eof":
        s.sendall(ok + b"\r\n" + data)
    elif path == b"/chunked":
        s.sendall(ok + b"Transfer-Encoding: chunked\r\n\r\n")
        for i in range(0, len(data), 777):
            part = data[i:i + 777]
            s.sendall(b"%X\r\n%s\r\n" % (len(part), part))
        s.sendall(b"0\r\n\r\n")
    elif path == b"/range":
        first, last = map(int, fields[b"range"][6:].split(b"-"))
        s.sendall(b"HTTP/1.1 206 Partial Content\r\nContent-Length: %d"
                  b"\r\n\r\n" % (last - first + 1) + data[first:last + 1])
    elif path == b"/cut":
        s.sendall(ok + b"Content-Length: 1000\r\n\r\n" + data[:500])
    elif path == b"/reset":
        s.sendall(ok + b"Content-Length: 1000\r\n\r\n" + data[:500])
        time.sleep(0.1)
        s.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER,
                     struct.pack("ii", 1, 0))
    elif path == b"/hang":
        s.sendall(ok + b"Content-Length: 1000\r\n\r\n" + data[:500])
        time.sleep(20)
    elif path == b"/garbage":
        s.sendall(b"220 smtp.example.com\r\n\r\n")
    else:
        s.sendall(b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n")
    s.close()


if __name__ == "__main__":
    if len(sys.argv) < 3 or sys.argv[1] == "--help":
        print(__doc__)
        sys.exit(0 if sys.argv[1:] == ["--help"] else 2)
    globals()[sys.argv[1]](*sys.argv[2:])
