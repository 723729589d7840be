#!/usr/bin/env python3
"""Vectors for services/gossip: messages and RPCs encoded by the protobuf specification, signatures by
tests/support/curves.py (RFC 8032), scores by the formulas of gossipsub-v1.1.md. Nothing of our code.
Writes vectors.h beside itself."""
import hashlib
import pathlib
import struct
import sys

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parents[2] / "support"))
import curves  # noqa: E402


def varint(n):
    out = b""
    while n >= 0x80:
        out, n = out + bytes([n & 0x7F | 0x80]), n >> 7
    return out + bytes([n])


def lv(field, data):
    return varint(field << 3 | 2) + varint(len(data)) + data


def num(field, n):
    return varint(field << 3) + varint(n)


# ---- Identities: libp2p key protobuf (type Ed25519 = 1), identity multihash ----


class Author:
    def __init__(self, byte):
        self.seed = bytes([byte]) * 32
        self.public = curves.public(self.seed)
        self.key = num(1, 1) + lv(2, self.public)
        self.peer = b"\x00" + varint(len(self.key)) + self.key

    def sign(self, data):
        return curves.sign(self.seed, data)


A, B = Author(1), Author(2)
PREFIX = b"libp2p-pubsub:"


def message(author, data, seqno, topic, key=None, key_signed=False, signer=None):
    head = lv(1, author.peer) + lv(2, data) + lv(3, struct.pack(">Q", seqno)) + lv(4, topic)
    tail = lv(6, key) if key else b""
    signed = PREFIX + head + (tail if key_signed else b"")
    return head + lv(5, (signer or author).sign(signed)) + tail


TOPIC, DATA, SEQ = b"quorate/test", b"forty-two bytes of data, more or less, ok.", 1790000000000000001
GOOD = message(A, DATA, SEQ, TOPIC)
cases = {
    "message_plain": GOOD,
    "message_with_key": message(A, DATA, SEQ, TOPIC, key=A.key),
    "message_key_signed": message(A, DATA, SEQ, TOPIC, key=A.key, key_signed=True),
    "message_other_key": message(A, DATA, SEQ, TOPIC, key=B.key),
    "message_forged": message(A, DATA, SEQ, TOPIC, signer=B),
    "message_resigned": message(B, DATA, SEQ, TOPIC),
    "message_unsigned": lv(1, A.peer) + lv(2, DATA) + lv(3, struct.pack(">Q", SEQ)) + lv(4, TOPIC),
    "message_no_author": lv(2, DATA) + lv(3, struct.pack(">Q", SEQ)) + lv(4, TOPIC) + lv(5, b"\1" * 64),
    "message_no_seqno": lv(1, A.peer) + lv(2, DATA) + lv(4, TOPIC) + lv(5, b"\1" * 64),
    "message_short_seqno": lv(1, A.peer) + lv(2, DATA) + lv(3, b"\1" * 4) + lv(4, TOPIC) + lv(5, b"\1" * 64),
    "message_short_signature": lv(1, A.peer) + lv(2, DATA) + lv(3, b"\1" * 8) + lv(4, TOPIC) + lv(5, b"\1" * 63),
    "message_no_topic": lv(1, A.peer) + lv(2, DATA) + lv(3, b"\1" * 8) + lv(5, b"\1" * 64),
    "message_two_data": GOOD + lv(2, b"x"),
    "message_varint_data": GOOD[:0] + num(2, 7) + lv(4, TOPIC),
    "message_cut": GOOD[:-1],
    "message_sha_author": lv(1, b"\x12\x20" + hashlib.sha256(A.key).digest()) + lv(2, DATA)
    + lv(3, b"\1" * 8) + lv(4, TOPIC) + lv(5, b"\1" * 64),
    "message_unknown_field": lv(1, A.peer) + lv(2, DATA) + lv(3, struct.pack(">Q", SEQ)) + lv(4, TOPIC)
    + lv(9, b"new") + lv(5, A.sign(PREFIX + lv(1, A.peer) + lv(2, DATA) + lv(3, struct.pack(">Q", SEQ))
                                   + lv(4, TOPIC) + lv(9, b"new"))),
    "signed_plain": PREFIX + lv(1, A.peer) + lv(2, DATA) + lv(3, struct.pack(">Q", SEQ)) + lv(4, TOPIC),
    "signed_with_key": PREFIX + lv(1, A.peer) + lv(2, DATA) + lv(3, struct.pack(">Q", SEQ)) + lv(4, TOPIC)
    + lv(6, A.key),
    "signature_plain": A.sign(PREFIX + lv(1, A.peer) + lv(2, DATA) + lv(3, struct.pack(">Q", SEQ)) + lv(4, TOPIC)),
    "message_id": hashlib.sha256(DATA).digest(),
    "author_a": A.peer,
    "author_b": B.peer,
}

# ---- One RPC with everything ----

IDS = [hashlib.sha256(bytes([i])).digest() for i in range(3)]
control = (
    lv(1, lv(1, TOPIC) + lv(2, IDS[0]) + lv(2, IDS[1]))
    + lv(2, lv(1, IDS[2]))
    + lv(3, lv(1, TOPIC))
    + lv(4, lv(1, TOPIC) + lv(2, lv(1, B.peer) + lv(2, b"record")) + lv(2, lv(1, A.peer)) + num(3, 60))
    + lv(5, lv(1, IDS[0]) + lv(1, IDS[2]))
)
cases["rpc_all"] = (
    lv(1, num(1, 1) + lv(2, TOPIC)) + lv(1, num(1, 0) + lv(2, b"quorate/old")) + lv(2, GOOD) + lv(3, control)
)

# ---- Capability records ----

CAP = b"quorate/1/capability\0"


def capability(author, sequence, network=b"default", extra=b"", signer=None, name=b"bert"):
    body = (
        lv(1, author.peer) + num(2, sequence) + lv(3, network)
        + lv(4, bytes([4, 10, 0, 0, 1, 0x91, 2, 0x0F, 0xA1, 0xCD, 3]))
        + lv(5, b"common") + num(6, 4) + num(7, 8192) + num(8, 4) + num(9, 2) + num(10, 3)
        + lv(11, b"blue") + lv(12, b"eu") + num(13, 5) + num(14, 1) + (lv(16, name) if name else b"")
        + lv(17, b"1.0") + num(18, 7) + extra
    )
    return lv(1, body) + lv(2, (signer or author).sign(CAP + body))


NOW = 1790000000000000000
good = capability(A, NOW)
cases.update({
    "capability_good": good,
    "capability_older": capability(A, NOW - 1),
    "capability_newer": capability(A, NOW + 1),
    "capability_by_other": capability(A, NOW, signer=B),
    "capability_other_network": capability(A, NOW, network=b"other"),
    "capability_early": capability(A, NOW + 601 * 10**9),
    "capability_late": capability(A, NOW - 601 * 10**9),
    "capability_sequence_zero": capability(A, 0),
    "capability_newline": capability(A, NOW, name=b"a\nb"),
    "capability_delete": capability(A, NOW, name=b"a\x7fb"),
    "capability_escape": capability(A, NOW, name=b"\x1b[2J"),
    "capability_csi": capability(A, NOW, name=b"\xc2\x9b2J"),
    "capability_utf8": capability(A, NOW, name="Zürich ✓".encode()),
    "capability_not_utf8": capability(A, NOW, name=b"\xff\xfe"),
    "capability_surrogate": capability(A, NOW, name=b"\xed\xa0\x80"),
    "capability_name_64": capability(A, NOW, name=b"n" * 64),
    "capability_name_65": capability(A, NOW, name=b"n" * 65),
    "capability_name_twice": capability(A, NOW, extra=lv(16, b"again")),
    "capability_five_groups": capability(A, NOW, extra=lv(11, b"g") * 4),
    "capability_four_groups": capability(A, NOW, extra=lv(11, b"g") * 3),
    "capability_five_addresses": capability(
        A, NOW, extra=lv(4, bytes([4, 10, 0, 0, 1, 0x91, 2, 0x0F, 0xA1])) * 4),
    "capability_bad_address": capability(A, NOW, extra=lv(4, b"\xff\xff")),
    "capability_big_cores": capability(A, NOW, extra=num(6, 1)),
    "capability_unknown_8": capability(A, NOW, extra=num(40, 1) * 8),
    "capability_unknown_9": capability(A, NOW, extra=num(40, 1) * 9),
    "capability_text_as_number": capability(A, NOW, name=None, extra=num(16, 3)),
    "capability_trailing": good + lv(3, b"x"),
    "capability_no_signature": good[: good.rindex(varint(2 << 3 | 2) + varint(64))],
    "capability_512": b"",
    "capability_513": b"",
})
pad = 512 - len(capability(A, NOW, extra=lv(40, b"o" * 130)))
cases["capability_512"] = capability(A, NOW, extra=lv(40, b"o" * (130 + pad)))
cases["capability_513"] = capability(A, NOW, extra=lv(40, b"o" * (131 + pad)))
assert len(cases["capability_512"]) == 512 and len(cases["capability_513"]) == 513
cases["capability_body"] = good[2:-66]
assert good == lv(1, good[2:-66]) + good[-66:]
cases["capability_signature"] = good[-64:]

# ---- Scores: "G" grafted, "P" pruned, "F" first delivery, "D" near-first, "I" invalid, "t" a decay
# interval of one second ----

W = dict(w=1.0, w1=0.01, c1=300.0, q=1.0, w2=0.5, d2=0.9772, c2=20.0, d3=0.9772, c3=100.0, act=60.0,
         w3b=0.0, d3b=0.9772, w4=-100.0, d4=0.99885, w3=0.0, th3=0.0, zero=0.01)


def score(events, **over):
    p = dict(W, **over)
    t = since = 0.0
    mesh = active = False
    first = near = fail = bad = 0.0

    def deficit():
        return (p["th3"] - near) ** 2 if active and near < p["th3"] else 0.0

    for e in events:
        if e == "G":
            mesh, active, since = True, False, t
        elif e == "P":
            fail += deficit()
            mesh = active = False
        elif e == "F":
            first = min(first + 1, p["c2"])
            near = min(near + 1, p["c3"]) if mesh else near
        elif e == "D":
            near = min(near + 1, p["c3"]) if mesh else near
        elif e == "I":
            bad += 1
        elif e == "t":
            t += 1.0
            first, near, fail, bad = (
                v * d if v * d >= p["zero"] else 0.0
                for v, d in ((first, p["d2"]), (near, p["d3"]), (fail, p["d3b"]), (bad, p["d4"])))
            if mesh and t - since >= p["act"]:
                active = True
    p1 = min((t - since) / p["q"], p["c1"]) if mesh else 0.0
    return p["w"] * (p["w1"] * p1 + p["w2"] * first + p["w3"] * deficit() + p["w3b"] * fail
                     + p["w4"] * bad * bad)


P3 = dict(w3=-1.0, th3=10.0, w3b=-1.0)
scores = [
    ("", {}), ("G", {}), ("Gttttt", {}), ("G" + "t" * 299, {}), ("G" + "t" * 301, {}),
    ("F", {}), ("F" * 19, {}), ("F" * 21, {}), ("F" + "t" * 30, {}), ("FFF" + "t" * 200, {}),
    ("I", {}), ("II", {}), ("III", {}), ("I" + "t" * 600, {}), ("I" + "t" * 5000, {}),
    ("G" + "t" * 60 + "FFI", {}), ("GttP", {}), ("GtFtDtFt", {}),
    ("G" + "t" * 59, P3), ("G" + "t" * 60, P3), ("G" + "t" * 61, P3), ("G" + "t" * 55 + "D" * 5 + "t" * 5, P3),
    ("G" + "D" * 200 + "t" * 70, P3), ("G" + "t" * 60 + "P", P3), ("G" + "t" * 60 + "P" + "t" * 30, P3),
    ("G" + "t" * 60 + "PG", P3), ("G" + "t" * 30 + "P", P3), ("DDD" + "G" + "t" * 60, P3),
]


def main():
    with open(HERE / "vectors.h", "w") as out:
        out.write("#pragma once\n\n/* Made by make_vectors.py. */\n\n")
        for name, data in cases.items():
            lines = [data[i:i + 36].hex() for i in range(0, len(data), 36)]
            text = "\n".join('        "%s"' % x for x in lines) or '        ""'
            out.write("#define HEX_%s \\\n%s\n" % (name.upper(), text.replace("\n", " \\\n")))
        out.write("\nstatic const struct {\n        const char *events;\n        bool with_deficit;\n"
                  "        double want;\n} score_vectors[] = {\n")
        for events, over in scores:
            pieces = [events[i:i + 70] for i in range(0, len(events), 70)] or [""]
            text = "\n          ".join('"%s"' % x for x in pieces)
            out.write("        { %s, %s, %.17g },\n" % (text, "true" if over else "false", score(events, **over)))
        out.write("};\n")


if __name__ == "__main__":
    main()
