#!/usr/bin/env python3
"""Seed corpora of fuzz_keeper (scripts of op, number, 16-bit length, bytes), fuzz_dht_state and fuzz_letter."""
import hashlib
import pathlib
import struct
import sys

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "unit" / "dht" / "vectors"))
import make_vectors as m  # noqa: E402

REPLY, FAIL, TIME, CALL, SIGN, STORE = range(6)
FIND, MAILBOX, RECEIPT, FORGET, SEND, PUBLISH, PUT, INHERIT = range(8)
ADDRESS = b"\x04\x0b\x01\x02\x03\x91\x02\x0f\xa1\xcc\x03"  # /ip4/11.1.2.3/udp/4001/quic-v1


def put(name, inputs):
    folder = HERE / "corpus" / name
    folder.mkdir(parents=True, exist_ok=True)
    for v in inputs:
        (folder / hashlib.sha1(v).hexdigest()[:16]).write_bytes(v)


def step(op, n=0, data=b""):
    return bytes([op, n]) + struct.pack(">H", len(data)) + data


def field(number, v):
    return m.varint(number << 3 | 2) + m.sized(v)


def entry(name, version=1, minute=0):
    """Of `held`: key, version, expiry."""
    return hashlib.sha256(name).digest()[:8] + struct.pack(">QI", version, minute)


def held(names, following=b""):
    return step(REPLY, 0, field(5, b"".join(sorted(entry(n) for n in names))) + (field(3, following) if following else b""))


def stores(*pairs):
    return step(REPLY, 0, b"".join(field(6, field(1, n) + field(2, v)) for n, v in pairs))


def values(*all_of_them, following=b""):
    return step(REPLY, 0, b"".join(field(2, v) for v in all_of_them) + (field(3, following) if following else b""))


def state(slot, tombstone):
    return field(4, field(1, slot) + field(3, tombstone))


CASES = [(name, value, slot) for name, value, slot, _ in m.cases()]
NAMES = [name for name, _, _ in CASES]
TOPIC, ITS, SLOT = next(c for c in CASES if c[0].startswith(b"/topic/"))
_, LETTER, ITS_SLOT = next(c for c in CASES if c[0].startswith(b"/mailbox/"))
TOMBSTONE = m.tombstone(4, ITS_SLOT)
PULL = step(TIME, 60) + step(TIME, 60)  # until it asks a neighbour for what it holds
put("keeper", [
    PULL + held(NAMES) + stores(*((n, v) for n, v, _ in CASES)) + step(TIME, 200) * 4,
    PULL + held(NAMES, following=bytes(32)) + stores(CASES[0][:2]) + held([b"/topic/none"]) + stores() + held([]) + step(TIME, 255),
    PULL + held([bytes([i]) for i in range(200)]) + (stores(*[(n, v) for n, v, _ in CASES] * 3)) * 4,
    PULL + held(NAMES) + stores(*[(b"/name/nobody", b"rubbish")] * 4) + step(TIME, 255),
    PULL + held(NAMES)[:-7] + step(FAIL, 2) + step(TIME, 255) + step(FAIL, 1),
    PULL + step(REPLY, 0, field(5, bytes(19))) + step(TIME, 30) + step(REPLY, 0, field(3, bytes(31))) + step(REPLY, 0, b"\x08\x05"),
    step(CALL, FIND, TOPIC) + values(ITS, following=SLOT) + values(ITS) + values(b"rubbish", ITS) + step(TIME, 30),
    step(CALL, FIND, TOPIC) + values(*[ITS] * 32, following=SLOT) * 30,
    step(CALL, FIND, b"/topic/") + step(CALL, FIND, b"\xff"),
    step(CALL, MAILBOX) + values(LETTER, following=ITS_SLOT) + values(LETTER) + values(b"\0" * 40) + step(TIME, 30),
    step(CALL, FORGET, ITS_SLOT) + step(SIGN, 0, TOMBSTONE) + step(REPLY, 0) * 3 + step(CALL, MAILBOX) + values(LETTER) * 6,
    step(CALL, FORGET, bytes(32)) + step(SIGN, 0, b"short"),
    b"".join(step(CALL, RECEIPT + 8 * i, ITS_SLOT) + step(REPLY, 0, state(ITS_SLOT, TOMBSTONE)) +
             step(REPLY, 0, state(bytes(32), b"")) + step(REPLY, 0, state(ITS_SLOT, b"rubbish")) for i in range(3)),
    step(CALL, SEND, LETTER) + step(REPLY, 0, b"\x08\x03") + step(REPLY, 0, b"\x08\x02") + step(FAIL, 3),
    step(CALL, PUBLISH, m.rotation(6, 4)) + step(CALL, PUBLISH, m.revocation(8)) + step(CALL, INHERIT) + step(SIGN, 0, bytes(80)),
    step(CALL, PUT + 8 * 3, b"hello") + step(SIGN, 0, ITS) + step(TIME, 255) * 8,
    b"".join(step(STORE, i, field(1, field(1, n) + field(2, v))) for i, (n, v, _) in enumerate(CASES)) + step(CALL, FIND, TOPIC) + values(ITS),
])


def remembered(who, trust, *addresses):
    return m.sized(m.peer(who)) + struct.pack(">I", trust) + m.sized(b"".join(m.sized(a) for a in addresses))


def seen(level, *hashes, salt=7):
    return b"\1" + struct.pack(">QBI", salt, level, len(hashes)) + b"".join(struct.pack(">QI", h, 30_000_000) for h in hashes)


put("dht_state", [
    b"\0" + bytes([3]) + remembered(1, 900, ADDRESS) + remembered(2, 1 << 31, ADDRESS, ADDRESS) + remembered(3, 0, ADDRESS),
    b"\0" + bytes([2]) + remembered(1, 9, ADDRESS) + remembered(1, 900, ADDRESS),
    b"\0" + bytes([1]) + remembered(1, 9), b"\0" + bytes([1]) + remembered(1, 9, b"\x04\x0b"), b"\0" + bytes([2]) + remembered(1, 9, ADDRESS),
    b"\0" + bytes([255]) + b"".join(remembered(i, i, ADDRESS) for i in range(1, 80)), b"\0\0",
    b"\0" + bytes([1]) + remembered(1, 9, *[ADDRESS] * 40),
    seen(0, 1, 2, 1 << 63), seen(2, 1, 2), seen(2, 1 << 63), seen(0, 2, 1), seen(64), seen(0, *range(1, 1025)), seen(0, *range(1, 1026)),
    seen(0, 1)[:-3], seen(63, 0, 1),
])
INSIDE = m.sized(m.peer(5)) + bytes(64) + b"hello"
put("letter", [
    b"\0" + b"\1" + bytes(32) + bytes(40), b"\0" + b"\1" + m.curves.public(m.seed(2)) + bytes(40), b"\0" + b"\2" + bytes(80), b"\0\1",
    b"\1" + INSIDE, b"\1" + INSIDE[:40], b"\1" + b"\x26" + bytes(20), b"\1", b"\1" + m.sized(m.peer(5)) + bytes(63), b"\1\xff\xff\xff\xff\xff",
    b"\2" + b"hello", b"\2", b"\2" + bytes(15872), b"\2" + bytes(15873),
    b"\3" + next(v for n, v, _ in CASES if n.startswith(b"/profile/")), b"\3" + ITS, b"\3" + LETTER,
])
