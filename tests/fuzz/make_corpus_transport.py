#!/usr/bin/env python3
"""Seed corpora of the targets for services/transport."""
import hashlib
import pathlib
import sys

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "unit" / "wire" / "vectors"))
import generate as g  # noqa: E402


def put(name, inputs):
    folder = HERE / "corpus" / name
    folder.mkdir(parents=True, exist_ok=True)
    for v in inputs:
        (folder / hashlib.sha1(v).hexdigest()[:16]).write_bytes(v)


def line(text):
    return g.prefixed(text + b"\n")


HELLO = line(b"/multistream/1.0.0")
PING, ID, NA = line(b"/ipfs/ping/1.0.0"), line(b"/ipfs/id/1.0.0"), line(b"na")
put("select", [bytes([mode, piece]) + flight for mode, piece, flight in (
    (0, 0, HELLO + PING + b"x" * 32), (0, 3, HELLO + ID + PING), (0, 0, HELLO + line(b"ls")),
    (0, 0, HELLO + b"\x81\x08"), (0, 0, PING), (0, 0, HELLO + line(b"/abc") * 20),
    (1, 0, HELLO + ID + b"rest"), (1, 1, HELLO + NA), (2, 0, HELLO + NA + PING),
    (2, 5, HELLO + NA + NA + NA), (2, 0, HELLO + b"\x02na"))])

KEY = b"\x08\x01\x12\x20\x01" + bytes(31)
PLAIN = (g.field(1, KEY) + g.field(2, g.multiaddr(g.ADDRS[0])) + g.field(3, b"/a/1")
         + g.field(3, b"/b/2") + g.field(4, g.multiaddr(g.ADDRS[0])) + g.field(6, b"quorate/0"))
put("identify", list(map(g.prefixed, (
    PLAIN, PLAIN + g.field(8, g.ENVELOPE), g.field(1, g.KEYS[0]), b"".join(
        g.field(3, b"/p/%d" % i) for i in range(80)))))
    + [g.prefixed(PLAIN) * 11, b"\xff\xff\x7f"])

DATA, FIN, RESET, STOP, ROOM = range(5)
WANT = bytes(7) + b"\x09"
put("handlers", [
    bytes([0, 255, DATA, 32]) + bytes(32) + bytes([FIN, 0]),
    bytes([0, 0, DATA, 200]) + bytes(200) + bytes([ROOM, 9, FIN, 0]),
    bytes([0, 0]) + (bytes([DATA, 255]) + bytes(255)) * 20,
    bytes([1, 255, DATA, 8]) + WANT + bytes([FIN, 0, ROOM, 255]),
    bytes([1, 255, DATA, 3]) + WANT[:3] + bytes([FIN, 0]),
    bytes([1, 255, DATA, 8]) + WANT + bytes([STOP, 0, FIN, 0]),
    bytes([2, 255, DATA, 32]) + bytes(32), bytes([2, 0, RESET, 0]),
    bytes([3, 255, ROOM, 255, ROOM, 255, DATA, 50]) + bytes(50), bytes([3, 1, STOP, 0]),
])


def dns(kind, *records):
    """One answer to b.test with these records, compressed as servers do."""
    head = bytes([1, 2, 0x81, 0x80, 0, 1, 0, len(records), 0, 0, 0, 0])
    asked = b"\1b\4test\0" + bytes([0, kind, 0, 1])
    return head + asked + b"".join(
        b"\xc0\x0c" + bytes([0, t, 0, 1, 0, 0, 0, 9, len(v) >> 8, len(v) & 255]) + v
        for t, v in records)


def text(*strings):
    return b"".join(bytes([len(s)]) + s for s in strings)


TARGET = b"dnsaddr=/ip4/1.2.3.4/udp/4001/quic-v1"
put("dns", [
    dns(1, (1, bytes([127, 0, 0, 1])), (1, bytes([1, 2, 3, 4])), (1, bytes(3))),
    dns(28, (28, bytes(15) + b"\1"), (28, bytes(10) + b"\xff\xff" + bytes(4)), (28, bytes(4))),
    dns(16, (16, text(TARGET)), (16, text(b"dnsaddr=", TARGET[8:])), (16, text(b"v=spf1"))),
    dns(16, (16, text(TARGET)[:-1]), (16, b""), (16, b"\xff"), (16, text(*[b"x" * 255] * 6))),
    dns(16, (5, b"\xc0\x0c"), (16, text(b"dnsaddr=/dnsaddr/a.test"))), dns(1)[:11], dns(1)[:20],
    dns(1, (1, bytes([127, 0, 0, 1])))[:-2], dns(16, (16, text(TARGET)))[:-9], b"",
    dns(1, *[(1, bytes([1, 2, 3, i])) for i in range(40)]),
])
