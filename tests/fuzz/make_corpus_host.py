#!/usr/bin/env python3
"""Seeds for fuzz_host_messages: scripts of (u8 what, u16 length, bytes)."""
import pathlib

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


offer = frame(field(1, field(1, bytes(32)) + field(2, b"public") + field(4, b"public") +
                    field(5, b"class") + field(6, b"sqlite-test") + field(8, 1000)))
dispatch = frame(field(4, field(1, bytes(16)) + field(2, b"QDSC\x01" + bytes(200)) +
                       field(3, b"SELECT 42") + field(4, b"quorate/1/dispatch\0") + field(5, bytes(64))))
late = b"".join(frame(field(n, b"")) for n in (9, 13, 14, 15, 16))
seeds = {
    "offer": step(1, offer),
    "offer_refused": step(1, frame(field(1, field(1, bytes(31))))),
    "offer_twice": step(1, offer) + step(1, offer),
    "offer_expired": step(1, offer) + step(5, bytes(5)) + step(1, dispatch),
    "dispatch": step(1, offer) + step(1, dispatch),
    "late": step(1, late),
    "describe": step(1, frame(field(17, field(1, b"SELECT 1")))),
    "cut": step(1, offer[:9]) + step(1, offer[9:]),
    "closed": step(1, offer) + step(3) + step(0) + step(1, offer) + step(4),
    "garbage": step(1, b"\xff" * 20),
    "report": step(1, offer) + step(7, field(4, field(1, 1) + field(2, bytes(32)) + field(3, bytes(32)))),
}
for name, data in seeds.items():
    (out / name).write_bytes(data)
