#!/usr/bin/env python3
"""One table, two readers: whatever our reader of CSV and NDJSON describes, DuckDB's reads as the same values.

Files are those of worker/tables/test_random.py, most of them damaged in a byte or two: either they are refused
at publishing, or both engines see the same.
usage: test_tables.py JUDGE [SEED [COUNT]]    exit 77: no DuckDB library here"""
import datetime
import decimal
import pathlib
import random
import struct
import subprocess
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "tables"))
import test_random as tables  # noqa: E402

NOISE = b'",;\t\n\r \x000a-.:{}[]\\\'\xef'
EPOCH = datetime.datetime(1970, 1, 1)


def damage(rng, data):
    data = bytearray(data)
    for _ in range(rng.choice([0, 1, 1, 2])):
        i, c = rng.randrange(len(data)), rng.choice(NOISE)
        how = rng.randrange(3)
        if how == 0:
            data[i] = c
        elif how == 1:
            data.insert(i, c)
        elif len(data) > 1:
            del data[i]
    return bytes(data)


def varint(data, at):
    n = shift = 0
    while True:
        n |= (data[at] & 127) << shift
        shift, at = shift + 7, at + 1
        if data[at - 1] < 128:
            return n, at


def number(data, at):
    n, at = varint(data, at)
    return int.from_bytes(data[at:at + n], "big", signed=True), at + n


def cells(data):
    """(tag, value) of each canonical cell, common/canonical/README.md."""
    at = 0
    while at < len(data):
        tag, at = data[at], at + 1
        if tag == 0x00:
            yield tag, None
        elif tag == 0x10:
            v, at = number(data, at)
            yield tag, v
        elif tag == 0x11:
            scale, at = varint(data, at)
            v, at = number(data, at)
            yield tag, decimal.Decimal(v).scaleb(-scale)
        elif tag == 0x20:
            yield tag, data[at:at + 8].hex()
            at += 8
        elif tag == 0x30:
            n, at = varint(data, at)
            yield tag, data[at:at + n].hex()
            at += n
        elif tag in (0x40, 0x42):
            size = 4 if tag == 0x40 else 8
            yield tag, int.from_bytes(data[at:at + size], "big", signed=True)
            at += size
        else:
            raise ValueError(f"tag {tag:02x}")


def real(hexadecimal):
    """-0 and 0 are one in canonical form."""
    return struct.pack(">d", struct.unpack(">d", bytes.fromhex(hexadecimal))[0] + 0.0).hex()


def same(ours, cell):
    """A value of ours, "TTk…" with the type of its column in front, and a cell of DuckDB's."""
    column, kind, text = int(ours[:2], 16), ours[2], ours[3:]
    tag, v = cell
    if kind == "N" or tag == 0:
        return kind == "N" and tag == 0
    if column == 0x10:
        return kind == "I" and tag == 0x10 and int(text) == v
    if column == 0x11:
        return kind == "R" and tag in (0x10, 0x11) and real(text) == struct.pack(">d", float(v) + 0.0).hex()
    if column == 0x20:
        return kind == "R" and tag == 0x20 and real(text) == v
    if column == 0x30:
        return kind == "T" and tag == 0x30 and text == v
    then = datetime.datetime.fromisoformat(bytes.fromhex(text).decode().replace(" ", "T").ljust(26, "0")
                                           if "." in bytes.fromhex(text).decode() else bytes.fromhex(text).decode())
    since = then - EPOCH
    return tag == column and v == (since.days if column == 0x40 else since // datetime.timedelta(microseconds=1))


class Judge:
    def __init__(self, path):
        self.process = subprocess.Popen([path], stdin=subprocess.PIPE, stdout=subprocess.PIPE)

    def __call__(self, kind, data):
        try:
            self.process.stdin.write(kind[:1].encode() + struct.pack(">I", len(data)) + data)
            self.process.stdin.flush()
        except BrokenPipeError:
            pass
        lines = []
        while not lines or lines[-1] != "end":
            line = self.process.stdout.readline().decode()
            if not line:
                sys.exit(77 if self.process.wait() == 77 else f"the judge ended amid {data!r}")
            if not line.startswith("#"):
                lines.append(line[:-1])
        return lines[:-1]


def is_right(lines):
    if lines == ["fault"]:
        return True
    try:
        theirs = list(cells(bytes.fromhex(lines[0])))
    except ValueError:
        return False
    ours = [value for line in lines[1:] for value in line.split(" ")[1:]]
    return len(ours) == len(theirs) and all(map(same, ours, theirs))


def main():
    judge = Judge(sys.argv[1])
    rng = random.Random(int(sys.argv[2]) if len(sys.argv) > 2 else 1)
    count = int(sys.argv[3]) if len(sys.argv) > 3 else 400
    failed = 0
    for make, kind in ((tables.make_csv, "csv"), (tables.make_ndjson, "ndjson")):
        refused = 0
        for _ in range(count):
            data = damage(rng, make(rng, lambda _, d: d)[0])
            lines = judge(kind, data)
            refused += lines == ["fault"]
            if not is_right(lines):
                failed += 1
                print(f"{kind} {data!r}\n  DuckDB and we: {lines}")
        print(f"{kind}: {count} files, {refused} refused, {failed} read otherwise")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
