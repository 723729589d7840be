#!/usr/bin/env python3
"""Vectors for common/crypto, made without it. Writes identity.h and merkle.h beside itself."""
import hashlib
import pathlib
import sys

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parents[2] / "support"))
import curves  # noqa: E402

BANNER = "/* Written by generate.py; do not edit. */\n\n"


def h(name, data):
    return hashlib.blake2b(data, digest_size=32, person=name.ljust(16, b"\0")).digest()


def root(level):
    if not level:
        return h(b"test.leaf", b"")
    level = [h(b"test.leaf", d) for d in level]
    while len(level) > 1:
        pairs = [h(b"test.node", level[i] + level[i + 1]) for i in range(0, len(level) - 1, 2)]
        level = pairs + (level[-1:] if len(level) % 2 else [])
    return level[0]


def leading_zeros(v):
    return len(v) * 8 - int.from_bytes(v, "big").bit_length()


def identity():
    rows = []
    for seed in (bytes(32), bytes([7] * 32), bytes(range(32)), hashlib.sha256(b"seed").digest()):
        ed = curves.public(curves.hkdf(seed, b"quorate/v1/ed25519", 32))
        x = curves.hkdf(seed, b"quorate/v1/x25519", 32)
        work = leading_zeros(hashlib.blake2b(ed, digest_size=32).digest())
        rows.append(f'        {{ "{seed.hex()}",\n          "{ed.hex()}",\n'
                    f'          "{curves.x25519(x).hex()}", {work} }},\n')
    return (BANNER + "/* seed, Ed25519 public key, X25519 public key, proof of work in bits */\n"
            "static const struct {\n        const char *seed, *ed25519, *x25519;\n"
            "        unsigned work;\n} identity_vectors[] = {\n" + "".join(rows) + "};\n")


def merkle():
    rows = []
    for n in (0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 15, 16, 17, 100):
        leaves = [h(b"test.data", bytes([i])) for i in range(n)]
        rows.append(f'        {{ {n}, "{root(leaves).hex()}" }},\n')
    return (BANNER + "/* Leaf i is H(test.data, byte i); names test.leaf and test.node. */\n"
            "static const struct {\n        size_t n;\n        const char *root;\n"
            "} merkle_vectors[] = {\n" + "".join(rows) + "};\n")


(HERE / "identity.h").write_text(identity())
(HERE / "merkle.h").write_text(merkle())
