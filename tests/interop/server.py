#!/usr/bin/env python3
"""server.py WHAT ADDRESS PORT [...]: TCP peers for an active open.

Prints `ready` once it listens (meet: before it connects).
"""
import socket
import struct
import sys


def family(address):
    return socket.AF_INET6 if ":" in address else socket.AF_INET


def listen(address, port):
    s = socket.socket(family(address))
    s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    s.bind((address, int(port)))
    s.listen()
    print("ready", flush=True)
    return s


def read_head(c):
    head = b""
    while b"\r\n\r\n" not in head:
        part = c.recv(4096)
        if not part:
            break
        head += part
    return head.decode()


def bytes_of(address, port, path):
    """HTTP: for each request the whole of a file, then a close."""
    s = listen(address, port)
    while True:
        c, _ = s.accept()
        read_head(c)
        c.sendall(b"HTTP/1.0 200 OK\r\n\r\n")
        with open(path, "rb") as f:
            c.sendfile(f)
        c.close()


def closes(address, port):
    """Accepts, and closes at once."""
    s = listen(address, port)
    while True:
        s.accept()[0].close()


def resets(address, port):
    """Takes the request, sends a little, and aborts."""
    s = listen(address, port)
    while True:
        c, _ = s.accept()
        read_head(c)
        c.sendall(b"HTTP/1.0 200 OK\r\n\r\nabc")
        c.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER,
                     struct.pack("ii", 1, 0))
        c.close()


def meet(address, port, peer):
    """Connects from PORT to the peer's same port; both may do that."""
    s = socket.socket(family(address))
    s.bind((address, int(port)))
    s.settimeout(20)
    print("ready", flush=True)
    s.connect((peer, int(port)))
    s.sendall(b"hello\n")
    s.shutdown(socket.SHUT_WR)
    while True:
        part = s.recv(100)
        if not part:
            break
        print(part.decode(), end="", flush=True)


if __name__ == "__main__":
    if len(sys.argv) < 4:
        print(__doc__)
        sys.exit(0 if sys.argv[1:] == ["--help"] else 2)
    globals()[sys.argv[1]](*sys.argv[2:])
