#!/usr/bin/env python3
"""Seed corpora of the targets for common/wire, from the vectors of the unit tests."""
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


IDS = [g.peer_id(k) for k in g.KEYS]
IDENTIFY = (g.field(1, g.KEYS[0]) + g.field(2, g.multiaddr(g.ADDRS[0])) + g.field(3, b"/a/1")
            + g.field(3, b"/b/2") + g.field(5, b"ipfs/0.1.0") + g.field(6, b"quorate/0")
            + g.field(8, g.ENVELOPE))
OFFER = g.field(1, g.field(1, bytes(32)) + g.field(2, b"default") + g.field(6, b"sqlite")
                + g.field(7, g.field(1, 5)) + g.field(10, bytes(32)))
DIGESTS = g.field(10, g.field(1, 0) + g.field(2, bytes(96)))

put("varint", [g.varint(n) for n in (0, 1, 127, 128, 300, 2**63 - 1)] + [b"\x81\0", b"\x80" * 10])
put("frame", [bytes([p]) + b"".join(map(g.prefixed, (b"", b"short", b"x" * 200))) for p in (0, 1, 7)]
    + [b"\0\xff\x7f", b"\0\x81\0", b"\1\x05ab"])
put("peerid", IDS + g.KEYS + [g.b58(i).encode() for i in IDS]
    + [b"b" + g.b32(b"\x01\x72" + i).encode() for i in IDS])
put("multiaddr", [g.multiaddr(a) for a in g.ADDRS] + [a.encode() for a in g.ADDRS]
    + [b"1.2.3.4:5", b"[::1]:5", b"[fe80::1%2]:5", b"h.example:4001",
       g.b58(IDS[0]).encode() + b"@h:1"])
put("envelope", [g.ENVELOPE, g.FOREIGN, g.PAYLOAD, g.ENVELOPE[:-1],
                 g.envelope(g.SEED, b"libp2p-relay-rsvp", b"\x03\x02", b"")[1]])
put("unpack", [b"\0" + IDENTIFY, b"\1" + g.PAYLOAD, b"\2" + g.KEYS[0], b"\3" + OFFER, b"\3" + DIGESTS,
               b"\4" + g.field(6, g.field(1, bytes(32)) + g.field(3, b"chunk")), b"\0" + b"\x7a\1a"])
