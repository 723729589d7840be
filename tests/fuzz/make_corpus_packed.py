#!/usr/bin/env python3
"""Seeds for fuzz_packed: frames made by hand (RFC 8878), right and wrong ones.
usage: make_corpus_packed.py   (writes corpus/packed/ beside this file)"""
import pathlib

MAGIC = bytes.fromhex("28b52ffd")
RAW, RLE = 0, 1


def block(kind, content, size, last=True):
    return (size << 3 | kind << 1 | last).to_bytes(3, "little") + content


def frame(says, *blocks):
    """One segment, a content size of 8 bytes."""
    return MAGIC + b"\xe0" + says.to_bytes(8, "little") + b"".join(blocks)


def seed(codec, length, most, data):
    return bytes([codec]) + length.to_bytes(3, "big") + most.to_bytes(3, "big") + data


TEXT = b"canonical bytes " * 40
GOOD = frame(len(TEXT), block(RAW, TEXT, len(TEXT)))
SEEDS = {
    "plain": seed(0, 640, 1 << 20, TEXT),
    "plain-longer": seed(0, 641, 1 << 20, TEXT),
    "raw": seed(1, 640, 1 << 20, GOOD),
    "rle": seed(1, 100000, 1 << 20, frame(100000, block(RLE, b"q", 100000))),
    "two-blocks": seed(1, 200, 1 << 20, frame(200, block(RLE, b"a", 100, False), block(RLE, b"b", 100))),
    "over-the-most": seed(1, 640, 639, GOOD),
    "declares-less": seed(1, 639, 1 << 20, GOOD),
    "yields-more": seed(1, 640, 1 << 20, frame(640, block(RLE, b"q", 100000))),
    "yields-less": seed(1, 640, 1 << 20, frame(640, block(RLE, b"q", 639))),
    "says-a-terabyte": seed(1, 640, 1 << 20, frame(1 << 40, block(RLE, b"q", 100000))),
    "trailing": seed(1, 640, 1 << 20, GOOD + b"more"),
    "twice": seed(1, 640, 1 << 20, GOOD + GOOD),
    "cut-short": seed(1, 640, 1 << 20, GOOD[:-1]),
    "skippable": seed(1, 4, 1 << 20, bytes.fromhex("502a4d1804000000") + b"skip"),
    "other-codec": seed(2, 640, 1 << 20, TEXT),
}


def main():
    folder = pathlib.Path(__file__).parent / "corpus" / "packed"
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in SEEDS.items():
        (folder / name).write_bytes(content)


if __name__ == "__main__":
    main()
