#!/usr/bin/env python3
"""Seed corpora of the targets for common/daemon."""
import hashlib
import pathlib

HERE = pathlib.Path(__file__).resolve().parent


def put(name, inputs):
    folder = HERE / "corpus" / name
    folder.mkdir(parents=True, exist_ok=True)
    for v in inputs:
        (folder / hashlib.sha1(v).hexdigest()[:16]).write_bytes(v)


def varint(n):
    out = b""
    while n > 127:
        out += bytes([n & 127 | 128])
        n >>= 7
    return out + bytes([n])


def number(field, n):
    return varint(field << 3) + varint(n)


def fixed(field, n):
    return varint(field << 3 | 1) + n.to_bytes(8, "little")


def text(field, v):
    return varint(field << 3 | 2) + varint(len(v)) + v


def packet(header, body=b""):
    return len(header).to_bytes(2, "big") + header + body


put("packet", [
    packet(number(1, 1), fixed(1, 77) + text(2, b"dht") + fixed(3, 5) + number(4, 1)),
    packet(number(1, 2) + number(2, 9) + text(3, b"Say") + fixed(4, 1 << 60) + fixed(5, 3), b"x"),
    packet(number(1, 3) + number(2, 9) + text(6, number(1, 1003) + text(2, b"no such method"))),
    packet(number(1, 13) + number(2, 4) + number(7, 12)),
    packet(b"\xff" * 40), packet(number(99, 1) * 200), b"\xff\xff", b"",
])
put("config", [
    b"\1[dht]\ncount = 5\nsize = 1M\npause = 250ms\non = yes\nname = a b\nmode = fast\n",
    b"\0count = 7\npeer = a\npeer = b\n",
    b"\1; comment\n[gossip]\nx = 1\n[dht]\npeer =\n",
    b"\1[dht\ncount : 5 ; c\n", b"\0\xef\xbb\xbfcount=1\n", b"\0 count = 1\n", b"\0=\n", b"\1[]\n",
])
