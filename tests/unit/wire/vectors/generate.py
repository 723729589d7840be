#!/usr/bin/env python3
"""Vectors for common/wire, made without it. Writes wire.h beside itself."""
import base64
import hashlib
import pathlib
import socket
import sys

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parents[2] / "support"))
import curves  # noqa: E402

B58 = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz"


def b58(v):
    n, out = int.from_bytes(v, "big"), ""
    while n:
        n, d = divmod(n, 58)
        out = B58[d] + out
    return "1" * (len(v) - len(v.lstrip(b"\0"))) + out


def b32(v):
    return base64.b32encode(v).decode().lower().rstrip("=")


def varint(n):
    out = b""
    while n >= 0x80:
        out, n = out + bytes([n & 0x7F | 0x80]), n >> 7
    return out + bytes([n])


def field(number, value):
    if isinstance(value, int):
        return varint(number << 3) + varint(value)
    return varint(number << 3 | 2) + varint(len(value)) + value


def public_key(kind, data):
    return field(1, kind) + field(2, data)


def peer_id(key):
    if len(key) <= 42:
        return b"\0" + varint(len(key)) + key
    return b"\x12\x20" + hashlib.sha256(key).digest()


ME = curves.public(bytes([7] * 32))
KEYS = [public_key(1, ME), public_key(1, curves.public(bytes(32))),
        public_key(1, curves.public(bytes(range(32)))),
        public_key(2, b"\x02" + bytes(range(32))),   # secp256k1, compressed point
        public_key(0, bytes(range(256)) + bytes(38)),  # RSA, DER not looked into
        public_key(3, bytes(range(91)))]              # ECDSA
assert b58(peer_id(KEYS[0])) == "12D3KooWRawPbxPtP1eZaJpumGnyWX2DcUyd3RQnydr3eAto4Az7"

CODES = {"ip4": 4, "tcp": 6, "ip6": 41, "ip6zone": 42, "dns": 53, "dns4": 54, "dns6": 55,
         "dnsaddr": 56, "udp": 273, "p2p-circuit": 290, "p2p": 421, "quic-v1": 461,
         "webtransport": 465, "certhash": 466}
IDS = {b58(peer_id(k)): peer_id(k) for k in KEYS}


def value(name, text):
    if name == "ip4":
        return socket.inet_pton(socket.AF_INET, text)
    if name == "ip6":
        return socket.inet_pton(socket.AF_INET6, text)
    if name in ("udp", "tcp"):
        return int(text).to_bytes(2, "big")
    if name == "p2p":
        raw = IDS[text]
    elif name == "certhash":
        raw = base64.urlsafe_b64decode(text[1:] + "=" * (-len(text[1:]) % 4))
    else:
        raw = text.encode()
    return varint(len(raw)) + raw


def multiaddr(text):
    words, out = text.split("/")[1:], b""
    while words:
        name = words.pop(0)
        out += varint(CODES[name])
        if name not in ("p2p-circuit", "quic-v1", "webtransport"):
            out += value(name, words.pop(0))
    return out


A, B = list(IDS)[:2]
HASH = "u" + base64.urlsafe_b64encode(b"\x12\x20" + bytes(range(32))).decode().rstrip("=")
ADDRS = ["/ip4/127.0.0.1/udp/4001/quic-v1", "/ip4/0.0.0.0/tcp/65535",
         "/ip6/2001:db8::1/udp/1/quic-v1", "/ip6zone/eth0/ip6/fe80::1/udp/4001/quic-v1",
         f"/ip4/1.2.3.4/udp/4001/quic-v1/p2p/{A}", f"/p2p/{list(IDS)[4]}",
         f"/ip4/1.2.3.4/udp/4001/quic-v1/p2p/{A}/p2p-circuit/p2p/{B}",
         "/dns4/bootstrap.example.org/udp/443/quic-v1", "/dns6/a/udp/2/quic-v1", "/dns/x-y_z.q/tcp/1",
         "/dnsaddr/bootstrap.example.org",
         f"/ip4/1.2.3.4/udp/4001/quic-v1/webtransport/certhash/{HASH}"]
assert multiaddr(ADDRS[0]).hex() == "047f00000191020fa1cd03"


def prefixed(v):
    return varint(len(v)) + v


def envelope(seed, domain, kind, payload):
    signed = prefixed(domain) + prefixed(kind) + prefixed(payload)
    sig = curves.sign(seed, signed)
    return signed, field(1, public_key(1, curves.public(seed))) + field(2, kind) + field(
        3, payload) + field(5, sig)


def record(seed, seq, addrs):
    out = field(1, peer_id(public_key(1, curves.public(seed)))) + field(2, seq)
    for a in addrs:
        out += field(3, field(1, multiaddr(a)))
    return out


def c_string(v):
    text = v if isinstance(v, str) else v.hex()
    return "\n                ".join(f'"{text[i:i + 76]}"' for i in range(0, len(text), 76))


SEED = bytes([7] * 32)
PAYLOAD = record(SEED, 42, [ADDRS[0], ADDRS[2]])
SIGNED, ENVELOPE = envelope(SEED, b"libp2p-peer-record", b"\x03\x01", PAYLOAD)
FOREIGN = envelope(bytes(32), b"libp2p-peer-record", b"\x03\x01", PAYLOAD)[1]

out = "/* Written by generate.py; do not edit. */\n\n"
out += ("/* serialised PublicKey, binary peer id, base58, CIDv1 in base32 */\n"
        "static const struct {\n        const char *key, *id, *base58, *base32;\n} id_vectors[] = {\n")
for k in KEYS:
    i = peer_id(k)
    cells = ",\n          ".join(c_string(v) for v in (k, i, b58(i), "b" + b32(b"\x01\x72" + i)))
    out += f"        {{ {cells} }},\n"
out += "};\n\n/* text and binary form */\nstatic const struct {\n        const char *text, *binary;\n"
out += "} addr_vectors[] = {\n"
for a in ADDRS:
    out += f"        {{ {c_string(a)},\n          {c_string(multiaddr(a))} }},\n"
out += "};\n\n/* seed 07 x 32, seq 42, addresses 0 and 2 of the table above */\n"
for name, v in (("payload", PAYLOAD), ("signed", SIGNED), ("whole", ENVELOPE)):
    out += f"static const char record_{name}[] =\n                {c_string(v)};\n"
out += "/* the same record in an envelope signed by another key (seed 00 x 32) */\n"
out += f"static const char record_foreign[] =\n                {c_string(FOREIGN)};\n"
(HERE / "wire.h").write_text(out)
