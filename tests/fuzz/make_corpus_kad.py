#!/usr/bin/env python3
"""Seed corpus of fuzz_kad: scripts of op, number, 16-bit length, bytes."""
import hashlib
import pathlib
import struct
import sys

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "unit" / "wire" / "vectors"))
import generate as g  # noqa: E402

REQUEST, ANSWER, FAIL, TIME, CALL, IDENTIFY, GONE, DENY, RECORD = range(9)


def step(op, n, data=b""):
    return bytes([op, n]) + struct.pack(">H", len(data)) + data


def varint_field(number, value):
    return bytes([number << 3, value])


def message(kind, key=b"", *rest):
    return varint_field(1, kind) + (g.field(2, key) if key else b"") + b"".join(rest)


def peer(n, addrs=1):
    ident = b"\x00\x24\x08\x01\x12\x20" + bytes([n]) + bytes(31)
    return g.field(1, ident) + b"".join(g.field(2, g.multiaddr(g.ADDRS[0])) for _ in range(addrs)) + varint_field(3, 1)


RECORD_OF = g.field(3, g.field(1, b"/t/a") + g.field(2, b"valu"))
CLOSER = b"".join(g.field(8, peer(i)) for i in range(20, 40))
TARGET = bytes([0xc2, 0x3e, 32]) + bytes(range(32))
every_kind = b"".join(step(REQUEST, 9, message(kind, b"/t/a", RECORD_OF)) for kind in range(7))
lookup = step(CALL, 1, b"key") + b"".join(
    step(ANSWER, n, message(4, b"", CLOSER)) for n in range(1, 12)) + step(TIME, 40) + step(TIME, 255)
scripts = [
    every_kind,
    step(REQUEST, 1, message(4, b"k", TARGET)) + step(REQUEST, 2, message(5)),
    lookup,
    lookup.replace(b"key", b"kez") + step(FAIL, 3) + step(TIME, 255) * 9,
    step(CALL, 0, b"/t/a") + b"".join(step(ANSWER, n, message(1, b"/t/a", RECORD_OF, CLOSER)) for n in range(1, 9)),
    step(CALL, 2, b"/t/a") + step(ANSWER, 3, message(3, b"", g.field(9, peer(50)), CLOSER)) + step(DENY, 21) + step(TIME, 200),
    b"".join(step(IDENTIFY, n) for n in range(1, 60)) + b"".join(step(GONE, n) for n in range(1, 60)),
    step(REQUEST, 1, message(4, b"k", CLOSER + g.field(8, peer(99)))),
    step(REQUEST, 1, message(4, b"k", g.field(8, peer(1, 33)))),
    step(REQUEST, 1, g.field(8, g.field(8, g.field(8, b"")))),
    step(RECORD, 1, b"anything") + step(REQUEST, 1, message(0, b"/t/a", RECORD_OF)) * 40,
    step(ANSWER, 1, b"\xff" * 40) + step(TIME, 255) * 30,
]
folder = HERE / "corpus" / "kad"
folder.mkdir(parents=True, exist_ok=True)
for script in scripts:
    (folder / hashlib.sha1(script).hexdigest()[:16]).write_bytes(script)
