#!/usr/bin/env python3
"""A DNS server on a free port of the loopback address, for tests. Arguments: records as
"NAME TYPE VALUE"; NAME "*" of type SILENT names what is never answered. Says its port."""
import ipaddress
import socket
import struct
import sys

TYPES = {"A": 1, "TXT": 16, "AAAA": 28}


def encode(name):
    return b"".join(bytes([len(x)]) + x.encode() for x in name.rstrip(".").split(".")) + b"\0"


def rdata(kind, value):
    if kind == "TXT":
        raw = value.encode()
        return b"".join(bytes([len(raw[i:i + 255])]) + raw[i:i + 255] for i in range(0, len(raw), 255))
    return ipaddress.ip_address(value).packed


def question(packet):
    at, labels = 12, []
    while packet[at]:
        labels.append(packet[at + 1:at + 1 + packet[at]].decode())
        at += 1 + packet[at]
    return ".".join(labels), struct.unpack(">H", packet[at + 1:at + 3])[0], packet[12:at + 5]


def answer(packet, records):
    name, kind, asked = question(packet)
    if (name.lower(), "SILENT") in {(n, t) for n, t, _ in records}:
        return None
    found = [(t, v) for n, t, v in records if n == name.lower() and TYPES.get(t) == kind]
    known = any(n == name.lower() for n, _, _ in records)
    flags = 0x8180 | (0 if known else 3)
    out = packet[:2] + struct.pack(">HHHHH", flags, 1, len(found), 0, 0) + asked
    for t, v in found:
        data = rdata(t, v)
        out += b"\xc0\x0c" + struct.pack(">HHIH", TYPES[t], 1, 1, len(data)) + data
    return out


def main():
    records = [tuple(r.split(" ", 2)) for r in sys.argv[1:]]
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
        s.bind(("127.0.0.1", 0))
        print(s.getsockname()[1], flush=True)
        while True:
            packet, client = s.recvfrom(4096)
            reply = answer(packet, records)
            if reply:
                s.sendto(reply, client)


main()
