#!/usr/bin/env python3
"""Seeds for fuzz_mdns: DNS messages built from RFC 1035 alone. Prints nothing; writes corpus/mdns."""
import pathlib
import struct

OUT = pathlib.Path(__file__).parent / "corpus" / "mdns"
PEER = "12D3KooWBtg3aaRMjxwedh83aGiUkwSxDwUZkzuJcfaqUmo7R3pq"
SERVICE = ["_p2p", "_udp", "local"]
PTR, TXT, SRV, A = 12, 16, 33, 1


def name(labels, pointer=None):
    out = b"".join(bytes([len(x)]) + x.encode() for x in labels)
    return out + (b"\0" if pointer is None else struct.pack(">H", 0xC000 | pointer))


def record(owner, kind, data, ttl=120, cls=1):
    return owner + struct.pack(">HHIH", kind, cls, ttl, len(data)) + data


def message(flags=0x8400, questions=(), answers=(), extra=()):
    head = struct.pack(">HHHHHH", 0, flags, len(questions), len(answers), 0, len(extra))
    return head + b"".join(questions) + b"".join(answers) + b"".join(extra)


def txt(*strings):
    return b"".join(bytes([len(s)]) + s.encode() for s in strings)


def question(labels):
    return name(labels) + struct.pack(">HH", PTR, 1)


ADDRESS = f"dnsaddr=/ip4/192.168.1.2/udp/4001/quic-v1/p2p/{PEER}"
SIX = f"dnsaddr=/ip6/fd00::2/udp/4001/quic-v1/p2p/{PEER}"
ME = ["abcdefghijklmnopqrstuvwxyz0123456789", *SERVICE]
SEEDS = {
    "query": message(0, [question(SERVICE)]),
    "query_unicast": message(0, [name(SERVICE) + struct.pack(">HH", PTR, 0x8001)]),
    "query_other": message(0, [question(["_ipp", "_tcp", "local"])]),
    "answer_additional": message(answers=[record(name(SERVICE), PTR, name(ME))],
                                 extra=[record(name(ME), TXT, txt(ADDRESS, SIX))]),
    "answer_in_answers": message(answers=[record(name(SERVICE), PTR, name(ME[:1], 12)),
                                          record(name(ME), TXT, txt(ADDRESS), cls=0x8001)]),
    "answer_like_zeroconf": message(
        answers=[record(name(SERVICE), PTR, name(ME))],
        extra=[record(name(ME), SRV, struct.pack(">HHH", 0, 0, 4001) + name(["host", "local"])),
               record(name(ME), TXT, txt(ADDRESS)),
               record(name(["host", "local"]), A, bytes([192, 168, 1, 2]))]),
    "compressed_owner": message(answers=[record(name(SERVICE), PTR, name(["x"], 12)),
                                         record(name([], 12 + 17 + 10), TXT, txt(ADDRESS))]),
    "pointer_loop": message(answers=[record(struct.pack(">H", 0xC00C), PTR, b"")]),
    "long_name": message(answers=[record(name(["a" * 63] * 4), PTR, name(["b" * 63] * 3))]),
    "empty_txt": message(answers=[record(name(ME), TXT, b"\0")]),
    "many_addresses": message(answers=[record(name(ME), TXT, txt(*[ADDRESS] * 20))]),
    "error_answer": message(flags=0x8403),
    "other_peer_twice": message(answers=[record(name(ME), TXT, txt(
        ADDRESS, ADDRESS.replace(PEER, "12D3KooWBtg3aaRMjxwedh83aGiUkwSxDwUZkzuJcfaqUmo7R3pr")))]),
}

OUT.mkdir(parents=True, exist_ok=True)
for title, data in SEEDS.items():
    (OUT / title).write_bytes(data)
