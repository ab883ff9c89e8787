#!/usr/bin/env python3
"""many.py WHAT ADDRESS [...]: clients of tun-httpd that curl cannot be.

Each prints what it saw and exits 0, or fails with a message.
"""
import hashlib
import os
import select
import socket
import struct
import sys
import threading
import time

HEAD = b"%s /%s HTTP/1.1\r\nHost: many\r\nConnection: close\r\n"


def new(address):
    s = socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET)
    s.settimeout(30)
    return s


def connect(address, port=80):
    s = new(address)
    s.connect((address, port))
    return s


def get(path):
    return HEAD % (b"GET", path.encode()) + b"\r\n"


def read_hashed(s, pause=lambda: None):
    """The SHA-256 of an answer's body, up to the server's FIN."""
    head = b""
    while b"\r\n\r\n" not in head:
        part = s.recv(1 << 16)
        assert part, "no head, but " + repr(head)
        head += part
    head, rest = head.split(b"\r\n\r\n", 1)
    assert b" 20" in head.split(b"\r\n")[0], head
    sum_ = hashlib.sha256(rest)
    while True:
        part = s.recv(1 << 17)
        if not part:
            return sum_.hexdigest()
        sum_.update(part)
        pause()


def options(s):
    """Which ones Linux has in use (struct tcp_info)."""
    bits = s.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 104)[5]
    return [name for bit, name in
            ((1, "timestamps"), (2, "sack"), (4, "scale")) if bits & bit]


def download(address, count):
    """The sum of that many bytes, what was negotiated for them, and the
    size of the segments that they came in (tcpi_rcv_mss), which is small
    for a server that forgot the scale of our window."""
    s = connect(address)
    s.sendall(get("bytes/" + count))
    sum_ = read_hashed(s)
    info = s.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 104)
    print(sum_, *options(s), struct.unpack_from("I", info, 20)[0])


def long_download(address, count, name):
    """A slow one, of some ten megabytes a second, that does not end before
    there is a file of that name."""
    s = connect(address)
    s.sendall(get("bytes/" + count))
    print("begun", flush=True)
    left = [int(count)]

    def pause():
        left[0] -= 1 << 17
        while not os.path.exists(name):
            time.sleep(0.01)
            if left[0] > 1 << 20:
                break
    print(read_hashed(s, pause))


def upload(address, name, path):
    """The answer and what was negotiated. The client closes its half before
    it reads."""
    s = connect(address)
    with open(name, "rb") as f:
        data = f.read()
    s.sendall(HEAD % (b"PUT", path.encode()) +
              b"Content-Length: %d\r\n\r\n" % len(data))
    s.sendall(data)
    words = options(s)
    s.shutdown(socket.SHUT_WR)
    answer = b""
    while True:
        part = s.recv(1 << 16)
        if not part:
            break
        answer += part
    print(answer.split(b"\r\n\r\n", 1)[1].decode().strip(), *words)


def echo_half_closed(address, name):
    """The sum of what comes back after, and while, the client's half is
    closed."""
    s = connect(address)
    with open(name, "rb") as f:
        data = f.read()

    def send():
        s.sendall(HEAD % (b"PUT", b"echo") +
                  b"Content-Length: %d\r\n\r\n" % len(data))
        s.sendall(data)
        s.shutdown(socket.SHUT_WR)
    t = threading.Thread(target=send)
    t.start()
    print(read_hashed(s))
    t.join()


def reset_in_download(address, count):
    """So many downloads at once, all reset in the middle."""
    clients = [connect(address) for _ in range(int(count))]
    for s in clients:
        s.sendall(get("bytes/1G"))
    for s in clients:
        got = 0
        while got < 100000:
            got += len(s.recv(65536))
    for s in clients:
        s.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER,
                     struct.pack("ii", 1, 0))
        s.close()


def established(s, seconds):
    """Whether it is within that time; it must not fail."""
    ready = select.select([], [s], [], seconds)[1]
    error = s.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
    assert error == 0, "error %d" % error
    return bool(ready)


def full_backlog(address, backlog):
    """The server serves one client, and so many may wait for that."""
    first = connect(address)
    first.sendall(b"GET ")
    time.sleep(0.2)  # until it is the one that is served
    waiting = [connect(address) for _ in range(int(backlog))]
    for s in waiting:
        s.sendall(get("bytes/10"))
    late = [new(address) for _ in range(2)]
    for s in late:
        s.setblocking(False)
        s.connect_ex((address, 80))
    assert not any(established(s, 0.8) for s in late), "room for one more"
    first.settimeout(30)
    first.sendall(get("bytes/10")[4:])
    sums = [read_hashed(first)]
    first.close()
    for s in waiting:
        sums.append(read_hashed(s))
        s.close()
    for s in late:
        assert established(s, 30), "never let in"
        s.setblocking(True)
        s.settimeout(30)
        s.sendall(get("bytes/10"))
        sums.append(read_hashed(s))
        s.close()
    assert len(set(sums)) == 1, sums
    print("all", len(sums))


if __name__ == "__main__":
    if len(sys.argv) < 3 or sys.argv[1] == "--help":
        print(__doc__)
        sys.exit(0 if sys.argv[1:] == ["--help"] else 2)
    globals()[sys.argv[1]](*sys.argv[2:])
