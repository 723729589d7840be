#!/usr/bin/env python3
"""Seed corpus of fuzz_keyring: CertificateVerify contents, a TBSCertificate, requests, seed files."""
import hashlib
import pathlib
import sys

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "unit" / "wire" / "vectors"))
from generate import IDS, field, multiaddr, ADDRS  # noqa: E402


def der(tag, content):
    n = len(content)
    size = bytes([n]) if n < 128 else bytes([0x81, n]) if n < 256 else b"\x82" + n.to_bytes(2, "big")
    return bytes([tag]) + size + content


SPKI = bytes.fromhex("302a300506032b6570032100") + bytes(32)
TIME = der(0x17, b"240101000000Z")
TBS = der(0x30, der(0xA0, b"\x02\x01\x02") + b"\x02\x01\x01" + der(0x30, bytes.fromhex("06032b6570"))
          + der(0x30, b"") + der(0x30, TIME + TIME) + der(0x30, b"") + SPKI)
VERIFY = [b" " * 64 + b"TLS 1.3, " + side + b" CertificateVerify\0" + bytes(n)
          for side in (b"server", b"client") for n in (32, 48, 33)]
ID = list(IDS.values())[0]
inputs = VERIFY + [
    TBS, TBS[:-1], ID, SPKI,
    field(1, SPKI) + field(2, VERIFY[0]),
    field(1, 7) + field(2, multiaddr(ADDRS[0])),
    field(1, bytes(32)) + field(2, ID) + field(3, 1) + field(4, 1) + field(5, 1) + field(6, 3)
    + field(7, 2) + field(9, field(1, b"subnet") + field(2, b"1.2.3.0/24")) + field(10, bytes(32)),
    b"quorate seed 1\np" + bytes(32), b"quorate seed 1\ns" + b"\1\1\0\0\0\1\0\0\0\x08" + bytes(88),
]
folder = HERE / "corpus" / "keyring"
folder.mkdir(parents=True, exist_ok=True)
for v in inputs:
    (folder / hashlib.sha1(v).hexdigest()[:16]).write_bytes(v)
