#!/usr/bin/env python3
"""A letter box written from services/keyring/letter.h, not from its code: plain Python for the curves
and HKDF, the package `cryptography` for ChaCha20-Poly1305. Writes letter.h beside itself."""
import pathlib
import sys

from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parents[2] / "support"))
import curves  # noqa: E402


def node(seed):
    """Ed25519 seed, peer id, X25519 scalar and public key of a node's seed (common/crypto/identity.h)."""
    ed = curves.hkdf(seed, b"quorate/v1/ed25519", 32)
    scalar = curves.hkdf(seed, b"quorate/v1/x25519", 32)
    return ed, b"\x00\x24\x08\x01\x12\x20" + curves.public(ed), scalar, curves.x25519(scalar)


def sized(v):
    return bytes([len(v)]) + v


def box(to, sender, ephemeral, text):
    _, peer, _, x = to
    ed, sender_peer, _, _ = sender
    public = curves.x25519(ephemeral)
    context = b"quorate/1/letter\0" + sized(peer) + x + public
    signature = curves.sign(ed, context + sized(sender_peer) + text)
    shared = curves.x25519(ephemeral, int.from_bytes(x, "little"))
    key = curves.hkdf(shared, context, 32)
    inside = sized(sender_peer) + signature + text
    return b"\x01" + public + ChaCha20Poly1305(key).encrypt(bytes(12), inside, context)


RECIPIENT, SENDER = node(bytes([42]) + bytes(31)), node(bytes([7]) + bytes(31))
BOX = box(RECIPIENT, SENDER, bytes(range(1, 33)), b"meet me at the usual place")
if __name__ == "__main__":
    (HERE / "letter.h").write_text(
        "/* Made by make_letter.py; do not edit. From the node of seed 7 to that of seed 42. */\n"
        f'static const char letter_vector[] = "{BOX.hex()}";\n')
