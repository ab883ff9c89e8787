"""captures_live.py: a network namespace with a TUN device whose far end is
this program, and TCP segments written and read by hand. For captures.py and
cells.py; needs root.
"""
import ctypes
import fcntl
import os
import select
import socket
import struct
import subprocess
import time

FIN, SYN, RST, PSH, ACK, URG, ECE, CWR, AE = (1 << i for i in range(9))
CLONE_NEWNET = 0x40000000
TUNSETIFF, IFF_TUN, IFF_NO_PI = 0x400454CA, 1, 0x1000
MOD = 1 << 32

LOCAL = {4: "192.168.0.1", 6: "fd3d:0a0b:17d6::1"}
REMOTE = {4: "192.0.2.1", 6: "fd3d:fa7b:d17d::1"}

# What the kernel would do of its own accord, or remember, or limit.
SYSCTLS = """
net.ipv4.tcp_no_metrics_save=1
net.ipv4.tcp_challenge_ack_limit=2147483647
net.ipv4.tcp_syncookies=0
net.ipv4.tcp_rmem=4096 540000 6291456
net.ipv4.tcp_wmem=4096 16384 4194304
net.ipv4.tcp_autocorking=0
net.ipv4.tcp_ecn=0
net.ipv6.conf.all.router_solicitations=0
net.ipv6.conf.default.router_solicitations=0
net.ipv6.conf.default.accept_dad=0
net.ipv6.conf.default.addr_gen_mode=1
"""


def sysctl(setting):
    """NAME=VALUE. Raises OSError where this kernel does not have it."""
    name, value = setting.split("=", 1)
    with open("/proc/sys/" + name.replace(".", "/"), "w") as f:
        f.write(value.strip('"'))


def ip(batch, *options):
    subprocess.run(["ip", *options, "-batch", "-"], input=batch.encode(),
                   check=True)


class Tun:
    """The only device of a namespace of our own, which goes when the
    process does. The kernel is `local`, this program is `remote`."""

    def __init__(self, mtu=1500, route=""):
        libc = ctypes.CDLL(None, use_errno=True)
        if libc.unshare(CLONE_NEWNET) != 0:
            raise OSError(ctypes.get_errno(), "unshare")
        for line in SYSCTLS.split("\n"):
            if line:
                try:
                    sysctl(line)
                except OSError as e:
                    print("# %s: %s" % (line, e))
        self.fd = os.open("/dev/net/tun", os.O_RDWR | os.O_NONBLOCK)
        fcntl.ioctl(self.fd, TUNSETIFF,
                    struct.pack("16sH", b"tun0", IFF_TUN | IFF_NO_PI))
        ip("""link set lo up
link set tun0 mtu %d up
addr add %s/16 dev tun0
addr add %s/48 dev tun0 nodad
route add default dev tun0 %s
""" % (mtu, LOCAL[4], LOCAL[6], route))
        ip("route add default dev tun0 %s\n" % route, "-6")

    def wait(self, until):
        """The next packet and when it came; None at that time."""
        while True:
            left = until - time.monotonic()
            if not select.select([self.fd], [], [], max(left, 0))[0]:
                return None
            now = time.monotonic()
            try:
                return now, os.read(self.fd, 65536)
            except BlockingIOError:
                pass

    def write(self, packet):
        os.write(self.fd, packet)


def checksum(data, total=0):
    if len(data) % 2:
        data += b"\0"
    total += sum(struct.unpack("!%dH" % (len(data) // 2), data))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return total ^ 0xFFFF


def addresses(version):
    family = socket.AF_INET if version == 4 else socket.AF_INET6
    return (socket.inet_pton(family, REMOTE[version]),
            socket.inet_pton(family, LOCAL[version]))


def datagram(version, protocol, payload, tos=0, src=None, dst=None):
    """From the remote to the kernel; the checksum's place is left to the
    caller."""
    here, there = addresses(version)
    src, dst = src or here, dst or there
    if version == 6:
        return struct.pack("!IHBB", 6 << 28 | tos << 20, len(payload),
                           protocol, 64) + src + dst + payload
    head = struct.pack("!BBHHHBBH", 0x45, tos, 20 + len(payload), 0, 0x4000,
                       64, protocol, 0) + src + dst
    return head[:10] + struct.pack("!H", checksum(head)) + head[12:] + payload


def pseudo(src, dst, protocol, length):
    return src + dst + struct.pack("!IBBBB", length, 0, 0, 0, protocol)


def segment(version, sport, dport, seq, ack, flags, window, options=b"",
            data=b"", urg=0, tos=0):
    """A TCP segment of the remote's, as a datagram."""
    options += b"\0" * (-len(options) % 4)
    offset = 5 + len(options) // 4
    tcp = struct.pack("!HHIIBBHHH", sport, dport, seq % MOD, ack % MOD,
                      offset << 4 | flags >> 8, flags & 0xFF, window, 0,
                      urg) + options + data
    src, dst = addresses(version)
    total = checksum(pseudo(src, dst, 6, len(tcp)) + tcp)
    return datagram(version, 6, tcp[:16] + struct.pack("!H", total) +
                    tcp[18:], tos)


class Segment:
    """One that the kernel sent; None of its fields is trusted but the
    lengths, so `bad` says what is wrong with it."""

    def __init__(self, packet):
        self.version = packet[0] >> 4
        if self.version == 4:
            head = (packet[0] & 15) * 4
            self.protocol, self.tos = packet[9], packet[1]
            src, dst = packet[12:16], packet[16:20]
            packet = packet[:struct.unpack("!H", packet[2:4])[0]]
        else:
            head = 40
            self.protocol = packet[6]
            self.tos = struct.unpack("!H", packet[:2])[0] >> 4 & 0xFF
            src, dst = packet[8:24], packet[24:40]
        tcp = packet[head:]
        self.tcp = self.protocol == 6
        if not self.tcp:
            return
        (self.sport, self.dport, self.seq, self.ack, offset, flags,
         self.win, _, self.urg) = struct.unpack("!HHIIBBHHH", tcp[:20])
        self.flags = (offset & 1) << 8 | flags
        self.options = tcp[20:(offset >> 4) * 4]
        self.data = tcp[(offset >> 4) * 4:]
        self.bad = ""
        if checksum(pseudo(src, dst, 6, len(tcp)) + tcp) != 0:
            self.bad = "checksum"

    def timestamps(self):
        """TSval and TSecr; None without the option."""
        o = self.options
        while o and o[0] != 0:
            if o[0] == 1:
                o = o[1:]
            elif o[0] == 8:
                return struct.unpack("!II", o[2:10])
            else:
                o = o[o[1]:]
        return None


def icmp(version, kind, code, mtu, quoted):
    """An ICMP error from the remote about a datagram of the kernel's."""
    body = struct.pack("!BBHI", kind, code, 0, mtu) + quoted
    if version == 4:
        total = checksum(body)
        protocol = 1
    else:
        src, dst = addresses(6)
        total = checksum(pseudo(src, dst, 58, len(body)) + body)
        protocol = 58
    return datagram(version, protocol,
                    body[:2] + struct.pack("!H", total) + body[4:])
