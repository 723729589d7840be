#!/usr/bin/env python3
"""Seeds for fuzz_der (the specification's certificates) and fuzz_quic_input (scripts)."""
import pathlib
import re
import struct

HERE = pathlib.Path(__file__).resolve().parent
VECTORS = HERE.parent / "unit/transport/vectors/tls.h"


def write(target, name, content):
    folder = HERE / "corpus" / target
    folder.mkdir(parents=True, exist_ok=True)
    (folder / name).write_bytes(content)


def certificates():
    body = re.sub(r'"\s*"', "", VECTORS.read_text())
    for i, text in enumerate(re.findall(r'"(3082[0-9a-f]+)"', body)):
        der = bytes.fromhex(text)
        write("der", f"spec{i}", der)
        write("der", f"cut{i}", der[: len(der) // 2])


def u16(n):
    return struct.pack(">H", n)


INJECT, ADDRESSED, SPOIL, CUT, REPEAT, MOVE, WAIT, DIAL, STREAM, RESET, MIGRATE = (
    bytes([i]) for i in range(11))


def wait(ms):
    return WAIT + u16(ms)


SCRIPTS = {
    "connect": wait(100) + STREAM + u16(5000) + wait(500),
    "garbage": wait(100) + INJECT + u16(40) + bytes(range(40)) + wait(10),
    "addressed": wait(100) + ADDRESSED + u16(40) + bytes(range(40)) + wait(10),
    "spoiled-initial": SPOIL + b"\0" + u16(6) + b"\x01" + wait(2000),
    "spoiled-data": wait(100) + STREAM + u16(60000) + SPOIL + b"\1" + u16(300) + b"\x80" + wait(900),
    "cut": CUT + b"\0" + u16(1100) + wait(3000),
    "repeat": REPEAT + b"\0" + wait(20) + REPEAT + b"\0" + wait(200),
    "move": wait(100) + STREAM + u16(60000) + MOVE + b"\0" + u16(777) + wait(500),
    "reset": wait(100) + STREAM + u16(60000) + STREAM + u16(9) + RESET + b"\0" + wait(500),
    "many": DIAL * 20 + wait(1000) + STREAM + u16(100) + wait(40000) + DIAL + wait(100),
    "migrate": wait(1000) + STREAM + u16(60000) + MIGRATE + b"\3\7" + wait(2000) + MIGRATE + b"\4\x08" + wait(60000),
    "version": INJECT + u16(1200) + b"\xc0\x1a\x2a\x3a\x4a\x08" + bytes(1194) + wait(100),
}

certificates()
for name, script in SCRIPTS.items():
    write("quic_input", name, script)
