#!/usr/bin/env python3
"""Seeds for fuzz_data: manifests, requests and answers of /quorate/data/1.
usage: make_corpus_data.py   (writes corpus/data/ beside this file)"""
import pathlib


def varint(n):
    out = bytearray()
    while n >= 0x80:
        out.append(n & 0x7F | 0x80)
        n >>= 7
    return bytes(out + bytes([n]))


def field(number, payload):
    return varint(number << 3 | 2) + varint(len(payload)) + payload


def number(tag, value):
    return varint(tag << 3) + varint(value)


DERIVED = b"\x02" + bytes(32) + b"\x0dsqlite-file/1"


def manifest(length, options=b""):
    prefixed = b"\x06sqlite" + varint(len(options)) + options + b"\x00"
    return b"\x01" + prefixed + length.to_bytes(8, "big") + (1 << 20).to_bytes(4, "big") + bytes(48)


def frame(message):
    return varint(len(message)) + message


ROOT = field(1, bytes(32))
SEEDS = {
    "manifest": b"\x00" + manifest(5 << 20),
    "manifest-long": b"\x00" + manifest(1 << 62),
    "manifest-derived": b"\x00" + manifest(8192, DERIVED),
    "request-manifest": b"\x01" + field(1, ROOT),
    "request-leaves": b"\x01" + field(3, ROOT + number(3, 16)),
    "request-chunk": b"\x01" + field(5, ROOT + number(2, 9)),
    "answer-manifest": b"\x02" + frame(field(2, ROOT + field(2, manifest(7)))),
    "answer-empty-manifest": b"\x02" + frame(field(2, ROOT)),
    "answer-missing": b"\x02" + frame(field(7, ROOT + number(3, 1))),
    "stranger-manifest": b"\x03" + frame(field(2, ROOT + field(2, manifest(7)))),
    "answer-chunk": b"\x02" + frame(field(6, ROOT + field(3, b"x" * 100))),
}


def main():
    folder = pathlib.Path(__file__).parent / "corpus" / "data"
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in SEEDS.items():
        (folder / name).write_bytes(content)


if __name__ == "__main__":
    main()
