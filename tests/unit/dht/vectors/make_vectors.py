#!/usr/bin/env python3
"""Vectors for records and letters, written from services/dht/README.md and the headers, not from
the code. Writes vectors.h beside itself; fuzzing takes its seeds from here."""
import hashlib
import pathlib
import struct
import sys

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parents[2] / "support"))
import curves  # noqa: E402

ALPHABET = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz"
ENDPOINT, PROFILE, TOPIC, NAME, TOMBSTONE = 1, 2, 3, 4, 5
DAY2 = 48 * 3600
CREATED = 1_800_000_000_000_000
HOUR = CREATED // 3_600_000_000


def varint(n):
    out = b""
    while n >= 0x80:
        out, n = out + bytes([n & 0x7F | 0x80]), n >> 7
    return out + bytes([n])


def sized(v):
    return varint(len(v)) + v


def seed(n):
    return bytes([n]) * 32


def peer(n):
    return b"\x00\x24\x08\x01\x12\x20" + curves.public(seed(n))


def base58(v):
    n, out = int.from_bytes(v, "big"), ""
    while n:
        n, digit = divmod(n, 58)
        out = ALPHABET[digit] + out
    return "1" * (len(v) - len(v.lstrip(b"\0"))) + out


def statement(kind, label, publisher, payload, sequence=1, created=CREATED, ttl=DAY2, network=b"default"):
    return (b"quorate/1/record\0" + bytes([kind]) + sized(network) + sized(label) + sized(peer(publisher)) +
            struct.pack(">QQI", sequence, created, ttl) + sized(payload))


def record(kind, label, publisher, payload, **more):
    s = statement(kind, label, publisher, payload, **more)
    return s + curves.sign(seed(publisher), s)


def name(ns, who=None, label=None):
    rest = ([base58(peer(who)).encode()] if who is not None else []) + ([label] if label is not None else [])
    return b"/" + b"/".join([ns.encode()] + rest)


def H(data):
    return hashlib.blake2b(data, digest_size=32, person=b"quorate.mail.1".ljust(16, b"\0")).digest()


def letter(to, sealed, bits=12, hour=HOUR):
    nonce = 0
    while True:
        work = H(peer(to) + struct.pack(">IQ", hour, nonce) + H(sealed))
        if int.from_bytes(work, "big") >> (256 - bits) == 0:
            return b"\x01" + sized(peer(to)) + struct.pack(">IQ", hour, nonce) + sealed
        nonce += 1


ADDRESSES = sized(bytes.fromhex("04010203049102115ccd03")) + sized(bytes.fromhex("2920010db800000000000000000000000191020fa1cd03"))
PROFILE_1 = bytes(range(32)) + sized("Zoë".encode())


def cases():
    """name, value, slot (kad kinds: zero), expires"""
    end = CREATED + DAY2 * 1_000_000
    zero = bytes(32)
    yield name("endpoint", 1), record(ENDPOINT, b"", 1, ADDRESSES, sequence=7), zero, end
    yield name("profile", 1), record(PROFILE, b"", 1, PROFILE_1), zero, end
    yield name("name", 2, b"sales/2026"), record(NAME, b"sales/2026", 2, bytes(range(32)), sequence=2**64 - 1), zero, end
    yield (name("topic", None, "šach".encode()), record(TOPIC, "šach".encode(), 3, b"here", ttl=3600),
           hashlib.sha256(peer(3)).digest(), CREATED + 3600 * 1_000_000)
    yield name("topic", None, b"empty"), record(TOPIC, b"empty", 3, b"", ttl=1), hashlib.sha256(peer(3)).digest(), CREATED + 1_000_000
    sealed = b"sealed box" * 7
    value = letter(4, sealed)
    yield name("mailbox", 4), value, H(value), (HOUR + 48) * 3_600_000_000
    key = b"\x08\x01\x12\x20" + curves.public(seed(5))
    yield b"/pk/" + peer(5), key, zero, CREATED + DAY2 * 1_000_000
    yield name("rotation", 6), rotation(6, 7), zero, CREATED + DAY2 * 1_000_000
    yield name("revocation", 8), revocation(8), zero, CREATED + DAY2 * 1_000_000


def rotation(old, new, created=CREATED):
    """common/canonical/keychange.h"""
    s = b"quorate/1/rotation\0" + sized(peer(old)) + sized(peer(new)) + struct.pack(">Q", created)
    return s + curves.sign(seed(old), s) + curves.sign(seed(new), s)


def revocation(who, created=CREATED - 10**12):
    s = b"quorate/1/revocation\0" + sized(peer(who)) + struct.pack(">Q", created)
    return s + curves.sign(seed(who), s)


def tombstone(who, *slots, **more):
    return record(TOMBSTONE, b"", who, b"".join(slots), **more)


def c_bytes(v):
    return f'"{v.hex()}"'


def main():
    lines = ["/* Made by make_vectors.py; do not edit. Times: received at %d. */" % CREATED, "",
             "struct record_vector {", "        const char *name, *value, *slot;", "        int64_t expires_us;", "};", "",
             "static const struct record_vector record_vectors[] = {"]
    for n, value, slot, expires in cases():
        lines.append(f"        {{ {c_bytes(n)},\n          {c_bytes(value)},\n          {c_bytes(slot)}, INT64_C({expires}) }},")
    lines += ["};", "", f"static const char tombstone_vector[] = {c_bytes(tombstone(4, bytes(32), bytes([9]) * 32))};", ""]
    (HERE / "vectors.h").write_text("\n".join(lines))


if __name__ == "__main__":
    main()
