#!/usr/bin/env python3
"""Seeds for fuzz_host_messages: scripts of (u8 what, u16 length, bytes)."""
import hashlib
import pathlib
import struct

out = pathlib.Path(__file__).parent / "corpus" / "host_messages"
out.mkdir(parents=True, exist_ok=True)


def varint(n):
    b = b""
    while n > 127:
        b += bytes([n & 127 | 128])
        n >>= 7
    return b + bytes([n])


def field(number, value):
    if isinstance(value, int):
        return varint(number << 3) + varint(value)
    return varint(number << 3 | 2) + varint(len(value)) + value


def frame(message):
    return varint(len(message)) + message


def step(what, argument=b""):
    return bytes([what]) + len(argument).to_bytes(2, "big") + argument


def digest(name, data):
    return hashlib.blake2b(data, digest_size=32, person=name.encode().ljust(16, b"\0")).digest()


def text(data):
    return varint(len(data)) + data


MASK = (1 << 64) - 1


def ticket(which=0):
    """A ticket of a host with seed 1: splitmix64, then xoshiro256**, two draws each after six others."""
    state, s = 1, []
    for _ in range(4):
        state = state + 0x9E3779B97F4A7C15 & MASK
        z = state
        z = (z ^ z >> 30) * 0xBF58476D1CE4E5B9 & MASK
        z = (z ^ z >> 27) * 0x94D049BB133111EB & MASK
        s.append(z ^ z >> 31)

    def rotl(x, k):
        return (x << k | x >> 64 - k) & MASK

    draws = []
    for _ in range(8 + 2 * which):
        draws.append(rotl(s[1] * 5 & MASK, 7) * 9 & MASK)
        t = s[1] << 17 & MASK
        s[2] ^= s[0]
        s[3] ^= s[1]
        s[1] ^= s[2]
        s[0] ^= s[3]
        s[2] ^= t
        s[3] = rotl(s[3], 45)
    return struct.pack("<QQ", *draws[-2:])


def peer(first):
    return bytes([0, 36, 8, 1, 18, 32, first]) + bytes(31)


SQL = b"SELECT 42"
descriptor = (b"QDSC\x01" + text(peer(0)) + bytes(16) + digest("quorate.query.1", SQL) + b"\0" + b"\1" +
              b"\1" + text(b"sqlite-test") + b"\0" + bytes(40) + text(b"\x01\x30\x0242\x10") + b"\0" + bytes(8) +
              bytes(32) + text(b"public") + b"\1")
job = digest("quorate.job.1", descriptor)
good_offer = frame(field(1, field(1, job) + field(2, b"public") + field(4, b"public") +
                         field(5, b"class") + field(6, b"sqlite-test") + field(8, 1000)))


def dispatch_with(paper):
    statement = b"quorate/1/dispatch\0" + job + text(peer(9)) + text(paper) + b"\0"
    return frame(field(4, field(1, paper) + field(2, descriptor) + field(3, SQL) +
                       field(4, statement) + field(5, bytes(64))))


good_dispatch = dispatch_with(ticket())
offer = frame(field(1, field(1, bytes(32)) + field(2, b"public") + field(4, b"public") +
                    field(5, b"class") + field(6, b"sqlite-test") + field(8, 1000)))
dispatch = frame(field(4, field(1, bytes(16)) + field(2, b"QDSC\x01" + bytes(200)) +
                       field(3, b"SELECT 42") + field(4, b"quorate/1/dispatch\0") + field(5, bytes(64))))
late = b"".join(frame(field(n, b"")) for n in (9, 13, 14, 15, 16))
asked = frame(field(17, field(1, b"SELECT 1") + field(4, b"public") + field(5, b"public") + field(6, b"sqlite-test") +
                    field(9, field(1, b"t") + field(2, b"csv") + field(3, b"\x01"))))
seeds = {
    "offer": step(1, offer),
    "offer_refused": step(1, frame(field(1, field(1, bytes(31))))),
    "offer_twice": step(1, offer) + step(1, offer),
    "offer_expired": step(1, offer) + step(5, bytes(5)) + step(1, dispatch),
    "dispatch": step(1, offer) + step(1, dispatch),
    "late": step(1, late),
    "describe": step(1, frame(field(17, field(1, b"SELECT 1")))),
    "describe_public": step(1, asked) + step(7, field(1, field(1, b"EXACT") + field(3, b"SELECT 1") + field(7, b"sqlite-test"))),
    "describe_failed": step(1, asked) + step(7, field(5, field(1, field(1, 8) + field(2, b"code=PARSE")))),
    "describe_silent": step(1, asked) + step(7, field(3, field(1, 5))) + step(5, bytes(200)),
    "describe_closed": step(1, asked) + step(3),
    "cut": step(1, offer[:9]) + step(1, offer[9:]),
    "closed": step(1, offer) + step(3) + step(0) + step(1, offer) + step(4),
    "garbage": step(1, b"\xff" * 20),
    "report": step(1, offer) + step(7, field(4, field(1, 1) + field(2, bytes(32)) + field(3, bytes(32)))),
}
committed = field(4, field(1, 1) + field(2, bytes(32)) + field(3, bytes(32)) + field(4, 1) + field(5, 1) +
                  field(6, 3) + field(8, b"sqlite-test"))
running = step(1, good_offer) + step(1, good_dispatch) + step(7, field(2, b""))
rows = frame(field(9, field(1, 0) + field(2, 1)))
batch = field(7, field(1, 0) + field(3, 3) + field(4, b"\x10\x01\x2a"))
seeds.update({
    "running": running + step(7, field(3, field(1, 5))),
    "cancelled": running + step(1, frame(field(15, b""))),
    "failed": running + step(7, field(5, field(1, field(1, 8) + field(2, b"code=PARSE")))),
    "committed": running + step(7, committed) + step(1, rows) + step(7, field(6, field(2, bytes(32)))) +
                 step(7, batch) + step(7, field(8, field(1, 1))) + step(1, frame(field(14, b""))),
    "taken_over": running + step(7, committed) + step(3) + step(0) + step(1, good_offer) + step(1, dispatch_with(ticket(1))),
    "dropped": running + step(7, committed) + step(5, bytes(40)),
})
rooted = frame(field(1, field(1, job) + field(2, b"public") + field(4, b"public") + field(5, b"class") +
                     field(6, b"sqlite-test") + field(8, 1000) + field(9, 5000) + field(10, bytes(32)) +
                     field(10, b"\1" * 32)))


def verdict(evidence, host=peer(9)):
    statement = (b"quorate/1/verdict\0" + job + text(host) + b"\1\1\1\3\2" + text(b"peer:x") + b"\0" +
                 b"\1" + evidence + bytes(32))
    return frame(field(16, field(1, statement) + field(2, bytes(64))))




def keyed(data):
    return hashlib.blake2b(data, digest_size=32, key=digest("quorate.salt.1", descriptor)).digest()


# The statement that the host signs for `committed`, and its digest.
ours = digest("quorate.stmt.1", b"quorate/1/commit\0" + job + text(peer(9)) + b"\0" + text(b"sqlite-test") +
              keyed(bytes(32)) + keyed(bytes(32) + struct.pack(">QQQ", 1, 1, 3)))
seeds.update({
    "looks_up": step(1, rooted) + step(1, good_dispatch),
    "verdict_alone": step(1, verdict(bytes(32))) + step(4),
    "verdict_of_another": step(1, verdict(bytes(32), peer(8))),
    "verdict_with_commit": running + step(7, committed) + step(1, verdict(ours)) + step(1, verdict(ours)),
    "verdict_later": running + step(7, committed) + step(3) + step(0) + step(1, verdict(ours)) + step(4),
})
for name, data in seeds.items():
    (out / name).write_bytes(data)
