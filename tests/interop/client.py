#!/usr/bin/env python3
"""client.py WHAT ADDRESS [...]: TCP clients that curl cannot be made to be.

Each prints what it saw and exits 0, or fails with a message.
"""
import hashlib
import socket
import struct
import sys
import threading
import time

GET = b"GET / HTTP/1.0\r\n\r\n"


def connect(address, receive_buffer=0):
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    s = socket.socket(family)
    if receive_buffer:
        s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
    s.settimeout(30)
    s.connect((address, 80))
    return s


def everything(s):
    data = bytearray()
    while True:
        part = s.recv(1 << 16)
        if not part:
            return bytes(data)
        data += part


def body(data):
    return data.split(b"\r\n\r\n", 1)[1]


def abort(s):
    s.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER,
                 struct.pack("ii", 1, 0))
    s.close()


def half_close(address):
    """Asks, closes its half, and still gets the answer."""
    s = connect(address)
    s.sendall(GET)
    s.shutdown(socket.SHUT_WR)
    sys.stdout.write(body(everything(s)).decode())


def half_close_bytes(address, count):
    """The same with an answer that outlasts the FIN by far."""
    s = connect(address)
    s.sendall(b"GET /bytes/%s HTTP/1.0\r\n\r\n" % count.encode())
    s.shutdown(socket.SHUT_WR)
    print(hashlib.sha256(body(everything(s))).hexdigest())


def asks_nothing(address):
    """Connects and closes its half: the server must close as well."""
    s = connect(address)
    s.shutdown(socket.SHUT_WR)
    assert everything(s) == b"", "an answer to nothing"


def reset_in_head(address):
    s = connect(address)
    s.sendall(b"GET / HTTP/1.1\r\nHost:")
    time.sleep(0.1)
    abort(s)


def reset_in_body(address):
    s = connect(address)
    s.sendall(b"PUT / HTTP/1.1\r\nContent-Length: 1000000\r\n\r\n")
    s.sendall(bytes(500000))
    abort(s)


def reset_by_server(address, seconds):
    """Waits in the middle of a request; the server goes away."""
    s = connect(address)
    s.sendall(b"GET")
    print("connected", flush=True)
    s.settimeout(float(seconds))
    try:
        s.recv(1)
    except ConnectionResetError:
        print("reset")


def idle(address, seconds):
    """Half a request, a pause, the rest."""
    s = connect(address)
    s.sendall(GET[:9])
    print("connected", flush=True)
    time.sleep(float(seconds))
    s.sendall(GET[9:])
    sys.stdout.write(body(everything(s)).decode())


def dribble(address):
    """One byte a segment."""
    s = connect(address)
    s.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    for i in range(len(GET)):
        s.sendall(GET[i:i + 1])
    sys.stdout.write(body(everything(s)).decode())


def long_head(address, count):
    """A head of about that many bytes."""
    s = connect(address)
    s.sendall(b"GET / HTTP/1.0\r\nX: " + b"x" * int(count) + b"\r\n\r\n")
    sys.stdout.write(body(everything(s)).decode())


def stalled(address, count, seconds):
    """Reads nothing for a while: the window closes, and opens again."""
    s = connect(address, receive_buffer=4096)
    s.sendall(b"GET /bytes/%s HTTP/1.0\r\n\r\n" % count.encode())
    time.sleep(float(seconds))
    print(hashlib.sha256(body(everything(s))).hexdigest())


def urgent(address):
    """An urgent byte in the middle of the head: it stays in the stream."""
    s = connect(address)
    s.sendall(b"GET / HTTP/1.0\r\nX: ")
    s.send(b"!", socket.MSG_OOB)
    s.sendall(b"\r\n\r\n")
    sys.stdout.write(body(everything(s)).decode())


def stalled_echo(address, count, seconds):
    """Sends on while it reads nothing: both windows close, then open."""
    data = bytes(i * 7 & 255 for i in range(int(count)))
    s = connect(address, receive_buffer=4096)
    t = threading.Thread(target=s.sendall, args=(
        b"PUT / HTTP/1.1\r\nContent-Length: %d\r\n\r\n" % len(data) + data,))
    t.start()
    time.sleep(float(seconds))
    back = body(everything(s))
    t.join()
    print("same" if back == data else "different")


def kept_alive(address):
    """The kernel's keepalive probes are answered, for longer than they
    would go unanswered."""
    s = connect(address)
    s.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    s.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, 1)
    s.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPINTVL, 1)
    s.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPCNT, 1)
    time.sleep(4)
    s.sendall(GET)
    sys.stdout.write(body(everything(s)).decode())


def negotiated(address):
    """Which options Linux thinks are in use (struct tcp_info)."""
    s = connect(address)
    info = s.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 104)
    words = []
    for bit, name in ((1, "timestamps"), (2, "sack"), (4, "scale")):
        if info[5] & bit:
            words.append(name)
    print(" ".join(words))
    s.close()


def checksum(data):
    if len(data) % 2:
        data += b"\0"
    total = sum(struct.unpack("!%dH" % (len(data) // 2), data))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF


def syn(address, port):
    """A SYN for that port, as a bare IP packet."""
    six = ":" in address
    family = socket.AF_INET6 if six else socket.AF_INET
    ends = (socket.inet_pton(family, "fd09:8::1" if six else "10.9.8.1") +
            socket.inet_pton(family, address))
    tcp = struct.pack("!HHIIBBHHH", 50000, port, 1000, 0, 0x50, 2, 1000, 0, 0)
    sum_ = checksum(ends + struct.pack("!II", len(tcp), 6) + tcp)
    tcp = tcp[:16] + struct.pack("!H", sum_) + tcp[18:]
    if six:
        return struct.pack("!IHBB", 6 << 28, len(tcp), 6, 64) + ends + tcp
    ip = struct.pack("!BBHHHBBH", 0x45, 0, 40, 0, 0x4000, 64, 6, 0) + ends
    return ip[:10] + struct.pack("!H", checksum(ip)) + ip[12:] + tcp


def patch(packet, *changes):
    """Bytes at offsets; an IPv4 header's checksum is put right again."""
    p = bytearray(packet)
    for offset, value in changes:
        p[offset] = value
    if p[0] >> 4 == 4:
        head = (p[0] & 15) * 4
        p[10:12] = b"\0\0"
        p[10:12] = struct.pack("!H", checksum(bytes(p[:head])))
    return bytes(p)


def reset_from(link):
    """The port that the next packet towards the kernel resets."""
    while True:
        packet, whence = link.recvfrom(2048)
        if whence[2] != socket.PACKET_OUTGOING:
            tcp = packet[40 if packet[0] >> 4 == 6 else 20:]
            assert len(tcp) == 20 and tcp[13] & 4, "not a reset"
            return struct.unpack("!H", tcp[:2])[0]


def malformed(address):
    """Packets that deserve no answer, and the same ones sound, which do:
    they are for a closed port. Prints those for which that is not so."""
    link = socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM)
    protocol = 0x86DD if ":" in address else 0x0800
    link.bind(("tcpsm0", protocol))
    link.settimeout(2)
    good = syn(address, 81)
    other = syn(address, 82)
    cases = {"one byte": good[:1], "cut": good[:-1], "no TCP": good[:20],
             "version": b"\x55" + good[1:]}
    if ":" in address:
        cases.update({
            "half a header": good[:30],
            "too long": patch(good, (5, 21)),
            "extension header": patch(good, (6, 0)),
            "fragment header": patch(good, (6, 44)),
            "UDP": patch(good, (6, 17))})
    else:
        cases.update({
            "IHL 4": patch(good, (0, 0x44)),
            "IHL past the end": patch(good, (0, 0x4F)),
            "too long": patch(good, (3, 41)),
            "too short": patch(good, (3, 19)),
            "checksum": good[:10] + b"\x12\x34" + good[12:],
            "first fragment": patch(good, (6, 0x20)),
            "later fragment": patch(good, (7, 3)),
            "UDP": patch(good, (9, 17))})
    for name, packet in cases.items():
        # What is answered first is the sound one behind it, for port 82.
        link.sendto(packet, ("tcpsm0", protocol))
        link.sendto(other, ("tcpsm0", protocol))
        if reset_from(link) != 82:
            print(name)
            reset_from(link)
    # Padding behind the packet, as Ethernet has it, is not payload.
    link.sendto(good + bytes(6), ("tcpsm0", protocol))
    assert reset_from(link) == 81


if __name__ == "__main__":
    if len(sys.argv) < 3 or sys.argv[1] == "--help":
        print(__doc__)
        sys.exit(0 if sys.argv[1:] == ["--help"] else 2)
    globals()[sys.argv[1]](*sys.argv[2:])
