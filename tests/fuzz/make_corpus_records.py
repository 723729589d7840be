#!/usr/bin/env python3
"""Seed corpora of fuzz_record, fuzz_record_messages and fuzz_keychange, from the vectors of the unit tests."""
import hashlib
import pathlib
import sys

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "unit" / "dht" / "vectors"))
import make_vectors as m  # noqa: E402


def put(name, inputs):
    folder = HERE / "corpus" / name
    folder.mkdir(parents=True, exist_ok=True)
    for v in inputs:
        (folder / hashlib.sha1(v).hexdigest()[:16]).write_bytes(v)


def field(number, v):
    return m.varint(number << 3 | 2) + m.sized(v)


def number(n, v):
    return m.varint(n << 3) + m.varint(v)


CASES = [(name, value, slot) for name, value, slot, _ in m.cases()]
TOMBSTONE = m.tombstone(4, CASES[5][2])
put("record", [bytes([len(n)]) + n + v for n, v, _ in CASES] + [b"\0" + TOMBSTONE, b"\x0a/topic/abc"])
CHANGES = [m.rotation(6, 7), m.revocation(8), m.rotation(6, 6), m.rotation(6, 7)[:-1], m.revocation(8) + b"\0"]
put("keychange", CHANGES + [b"quorate-revocation-1:" + v.hex().encode() for v in CHANGES] +
    [b" quorate-revocation-1:" + m.revocation(8).hex().upper().encode() + b"\r\n", b"quorate-revocation-1:0"])
STORES = [field(1, field(1, n) + field(2, v)) for n, v, _ in CASES]
put("record_messages", STORES + [
    field(2, field(1, CASES[3][0]) + field(2, CASES[3][2]) + number(3, 5)),
    field(3, b""), field(3, field(1, bytes(32)) + number(2, 1)),
    field(4, field(1, TOMBSTONE)),
    field(5, field(1, m.peer(4)) + field(2, CASES[5][2]) + field(2, bytes(32))),
    number(1, 2) + field(2, CASES[3][1]) + field(3, bytes(32)),
    field(6, b""), field(6, field(1, bytes(31) + b"\x01")),
    field(7, field(1, hashlib.sha256(CASES[0][0]).digest()[:8] + bytes(8))), field(7, field(1, bytes(15))),
    field(5, bytes(40)) + field(3, bytes(32)), field(6, field(1, CASES[0][0]) + field(2, CASES[0][1])),
    field(4, field(1, bytes(32)) + number(2, 1)) + field(4, field(1, bytes(32)) + field(3, TOMBSTONE)),
])
