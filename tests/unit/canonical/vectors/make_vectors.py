#!/usr/bin/env python3
"""Vectors for common/canonical, written from its README.md and not from its code.
Writes vectors.h beside itself."""
import hashlib
import pathlib
import struct
import sys

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parents[2] / "support"))
import curves  # noqa: E402


def H(name, data):
    return hashlib.blake2b(data, digest_size=32, person=name.encode().ljust(16, b"\0")).digest()


def K(key, data):
    return hashlib.blake2b(data, digest_size=32, key=key).digest()


def varint(n):
    out = b""
    while n >= 0x80:
        out, n = out + bytes([n & 0x7F | 0x80]), n >> 7
    return out + bytes([n])


def sized(v):
    return varint(len(v)) + v


def u8(n):
    return bytes([n])


def u64(*ns):
    return b"".join(struct.pack(">Q", n & (1 << 64) - 1) for n in ns)


# Cells

def integer(v):
    n = 1
    while not -(1 << 8 * n - 1) <= v < 1 << 8 * n - 1:
        n += 1
    return sized(v.to_bytes(n, "big", signed=True))


def cell_integer(v):
    return b"\x10" + integer(v)


def cell_decimal(mantissa, scale):
    while scale and mantissa % 10 == 0:
        mantissa, scale = mantissa // 10, scale - 1
    return b"\x11" + varint(scale) + integer(mantissa) if scale else cell_integer(mantissa)


def cell_text(s):
    return b"\x30" + sized(s if isinstance(s, bytes) else s.encode())


def cell_real(v):
    bits = struct.pack(">d", v)
    if v != v:
        bits = bytes.fromhex("7ff8000000000000")
    elif v == 0:
        bits = bytes(8)
    return b"\x20" + bits


def cell_map(pairs):
    return b"\x52" + varint(len(pairs)) + b"".join(k + v for k, v in sorted(pairs))


NULL = b"\0"


def cell_cases():
    """Script for the C test (see test_cell.c) and the bytes it must write."""
    for v in [0, 1, -1, 127, 128, -128, -129, 255, 256, 32767, 32768, -32768, -32769, 8388607, 8388608, 2**31 - 1, -2**31, 2**31,
              2**32, 2**47, -2**55, 2**63 - 1, -2**63, 2**63, 2**64 - 1, -2**63 - 1, 10**38 - 1, -10**38 + 1, 2**127 - 1, -2**127]:
        yield f"i{v}", cell_integer(v)
    for m, s in [(0, 0), (0, 4), (1, 1), (15, 1), (150, 2), (100, 2), (-100, 1), (-105, 2), (12345, 38), (10**37, 38), (2**63, 1),
                 (-2**63, 3), (10**38 - 1, 38), (2**127 - 1, 255), (99999 * 10**20, 30), (-10**30, 30), (1, 128)]:
        yield f"d{m},{s}", cell_decimal(m, s)
    for v in [0.0, -0.0, 1.0, -1.5, 0.1, 5e-324, 1.7976931348623157e308, float("nan"), 3.4028234663852886e38]:
        yield "r" + struct.pack(">d", v).hex(), cell_real(v)
    yield "rfff8000000000001", cell_real(float("nan"))
    for s in ["", "a", "grid", "ä€𝄞", "x" * 127, "y" * 128, "z" * 300, "\0"]:
        yield "t" + s.encode().hex(), cell_text(s)
    for v in [b"", b"\xff\x00", bytes(range(200))]:
        yield "b" + v.hex(), b"\x31" + sized(v)
    for v in [0, -1, 19000, -2**31, 2**31 - 1]:
        yield f"D{v}", b"\x40" + struct.pack(">i", v)
    for letter, tag in [("T", 0x41), ("S", 0x42), ("Z", 0x43)]:
        for v in [0, -1, 86399999999, 2**63 - 1, -2**63]:
            yield f"{letter}{v}", u8(tag) + struct.pack(">q", v)
    for m, d, us in [(0, 0, 0), (1, 30, -1), (-2**31, 2**31 - 1, 2**62)]:
        yield f"V{m},{d},{us}", b"\x44" + struct.pack(">iiq", m, d, us)
    yield "u" + bytes(range(16)).hex(), b"\x45" + bytes(range(16))
    for n, v in [(0, b""), (1, b"\x80"), (8, b"\xa5"), (9, b"\xff\x80"), (130, b"\x11" * 16 + b"\xc0")]:
        yield f"B{n},{v.hex()}", b"\x46" + varint(n) + v
    yield "B5,ff", b"\x46\x05\xf8"
    yield "N", NULL
    yield "L0", b"\x50\0"
    yield "L3 i1 N t61", b"\x50\x03" + cell_integer(1) + NULL + cell_text("a")
    yield "R2 t61 i1 t62 L1 r3ff0000000000000", b"\x51\x02" + cell_text("a") + cell_integer(1) + cell_text("b") + b"\x50\x01" + cell_real(1.0)
    yield "M0 m", b"\x52\0"
    pairs = [(cell_text(k), cell_integer(v)) for k, v in [("b", 2), ("a", 1), ("aa", 3), ("", 4)]]
    yield "M4 t62 i2 t61 i1 t6161 i3 t i4 m", cell_map(pairs)
    yield "M2 i300 M1 t61 N m i-1 L1 N m", cell_map([(cell_integer(300), cell_map([(cell_text("a"), NULL)])), (cell_integer(-1), b"\x50\x01\0")])
    yield " ".join(["L1"] * 16 + ["N"]), b"\x50\x01" * 16 + NULL


def refused_cells():
    yield "SHORT", b""
    yield "SHORT", b"\x10"
    yield "SHORT", b"\x10\x02\x01"
    yield "SHORT", b"\x20" + bytes(7)
    yield "SHORT", b"\x30\x05abcd"
    yield "SHORT", b"\x30\x80"
    yield "SHORT", b"\x45" + bytes(15)
    yield "SHORT", b"\x50\x02\0"
    yield "SHORT", b"\x52\x01" + cell_text("a")
    yield "SHORT", b"\x50" + varint(2**60) + bytes(64)
    yield "TYPE", b"\x01"
    yield "TYPE", b"\xff"
    yield "TYPE", b"\x53\0"
    yield "TYPE", b"\x52\x01\0\0"
    yield "LENGTH", b"\x30\x81\x00a"
    yield "LENGTH", b"\x31\x80\x00"
    yield "LENGTH", b"\x31" + b"\xff" * 9 + b"\x01"
    yield "INTEGER", b"\x10\x00"
    yield "INTEGER", b"\x10\x02\x00\x7f"
    yield "INTEGER", b"\x10\x02\xff\x80"
    yield "INTEGER", b"\x10\x21" + b"\x01" * 33
    yield "DECIMAL", b"\x11\x00\x01\x01"
    yield "DECIMAL", b"\x11\x01\x01\x00"
    yield "DECIMAL", b"\x11\x02\x01\x0a"
    yield "DECIMAL", b"\x11\x02\x01\xf6"
    yield "DECIMAL", b"\x11\x80\x02\x01\x01"
    yield "DECIMAL", b"\x11\x03" + integer(-(10**37))
    yield "INTEGER", b"\x11\x03\x02\x00\x01"
    yield "REAL", b"\x20" + bytes.fromhex("8000000000000000")
    yield "REAL", b"\x20" + bytes.fromhex("7ff0000000000000")
    yield "REAL", b"\x20" + bytes.fromhex("fff0000000000000")
    yield "REAL", b"\x20" + bytes.fromhex("7ff8000000000001")
    yield "REAL", b"\x20" + bytes.fromhex("fff8000000000000")
    for bad in [b"\xff", b"\xc0\x80", b"\xed\xa0\x80", b"\xf5\x80\x80\x80", b"a\x80", b"\xe2\x82"]:
        yield "UTF8", cell_text(bad)
    yield "BIT", b"\x46\x01\xc0"
    yield "BIT", b"\x46\x09\x00\x40"
    yield "MAP_ORDER", b"\x52\x02" + cell_text("b") + NULL + cell_text("a") + NULL
    yield "MAP_ORDER", b"\x52\x02" + cell_text("a") + NULL + cell_text("a") + NULL
    yield "NAME", b"\x51\x01" + cell_integer(1) + NULL
    yield "DEPTH", b"\x50\x01" * 17 + NULL
    yield "DEPTH", b"\x50\x01" * 16 + b"\x50\x00"


# Schema

def schema(*columns):
    return varint(len(columns)) + b"".join(cell_text(n) + t for n, t in columns)


INTEGER, TEXT, ANY = b"\x10", b"\x30", b"\xff"
SAMPLE = schema(("n", INTEGER), ("name", TEXT))


def schema_cases():
    yield "", schema()
    yield "n INTEGER; name TEXT", SAMPLE
    yield "a ANY; d DECIMAL(18,3); l LIST(LIST(REAL)); m MAP(TEXT, BLOB); s STRUCT(x DATE, y LIST(ANY)); z UUID", schema(
        ("a", ANY), ("d", b"\x11\x12\x03"), ("l", b"\x50\x50\x20"), ("m", b"\x52\x30\x31"),
        ("s", b"\x51\x02" + cell_text("x") + b"\x40" + cell_text("y") + b"\x50\xff"), ("z", b"\x45"))
    yield " STRUCT", schema(("", b"\x51\x00"))
    yield "d " + "LIST(" * 16 + "BIT" + ")" * 16, schema(("d", b"\x50" * 16 + b"\x46"))


def refused_schemas():
    yield "FORMAT", b""
    yield "FORMAT", SAMPLE[:-1]
    yield "FORMAT", SAMPLE + b"\0"
    yield "FORMAT", b"\x80\x00"
    yield "TYPE", schema(("n", b"\0"))
    yield "TYPE", schema(("n", b"\x12"))
    yield "TYPE", schema(("n", b"\x11\x00\x00"))
    yield "TYPE", schema(("n", b"\x11\x05\x06"))
    yield "NAME", schema((b"\xff", INTEGER))
    yield "NAME", schema(("x" * 256, INTEGER))
    yield "NAME", b"\x01" + b"\x31\x01n" + INTEGER
    yield "COLUMNS", varint(1001) + (cell_text("n") + INTEGER) * 1001
    yield "COLUMNS", schema(("n", b"\x51" + varint(8192) + (cell_text("") + INTEGER) * 8192))[:2000]
    yield "DEPTH", schema(("d", b"\x50" * 17 + b"\x46"))


# Batches and answers

def rows(n, pad):
    """The test writes the same: a number and a text whose length varies."""
    return [cell_integer(i * 7919 - 5000) + cell_text(bytes([97 + i % 26]) * (i * i * 317 % pad)) for i in range(n)]


def batches(row_list):
    out, size, count = [b""], 0, 0
    for row in row_list:
        if count and (count == 4096 or size + len(row) > 1 << 20):
            out, size, count = out + [b""], 0, 0
        out[-1] += row
        size, count = size + len(row), count + 1
    return out if row_list else []


def merkle(digests):
    level = [H("quorate.leaf.1", d) for d in digests]
    if not level:
        return H("quorate.leaf.1", b"")
    while len(level) > 1:
        pairs = [H("quorate.node.1", level[i] + level[i + 1]) for i in range(0, len(level) - 1, 2)]
        level = pairs + level[len(pairs) * 2:]
    return level[0]


def answer(form, schema_bytes, n_rows, body):
    return H("quorate.answer.1", b"\x01" + u8(form) + H("quorate.schema.1", schema_bytes) + u64(n_rows) + body)


class Result:
    def __init__(self, form, row_list, schema_bytes=SAMPLE):
        self.form, self.error, self.position = form, 0, 0
        self.batches = batches(row_list)
        self.digests = [H("quorate.batch.1", b) for b in self.batches]
        self.root = merkle(self.digests)
        self.rows, self.bytes = len(row_list), sum(map(len, row_list))
        self.set = H("quorate.set.1", b"".join(sorted(H("quorate.row.1", r) for r in row_list)))
        self.answer = answer(form, schema_bytes, self.rows, self.set if form == 1 else self.root)

    def plain(self):
        return u8(self.form) + struct.pack(">HI", self.error, self.position) + self.answer + self.root + u64(len(self.batches), self.rows, self.bytes)

    def tags(self, salt):
        return K(salt, self.answer), K(salt, self.root + u64(len(self.batches), self.rows, self.bytes))


def error_answer(code, position):
    return answer(3, SAMPLE, 0, H("quorate.error.1", struct.pack(">HI", code, position)))


# Descriptor, statements, receipt

def peer(public):
    key = b"\x08\x01\x12\x20" + public
    return b"\0" + varint(len(key)) + key


REQUESTER = bytes([7]) * 32
SQL = "SELECT n, name FROM \"päckages\" ORDER BY 1, 2".encode()
CLASS = "sqlite-3.40.1-amd64"


def descriptor(ordered):
    return (b"QDSC\x01" + sized(peer(curves.public(REQUESTER))) + bytes(range(16)) + H("quorate.query.1", SQL) +
            b"\x02" + cell_integer(-42) + cell_text("p") + u8(2) +
            b"\x02" + sized(CLASS.encode()) + sized(b"sqlite-3.46.1-amd64") +
            b"\x01" + sized(b"main") + H("quorate.dset.1", b"manifest") +
            u64(1000000, 1 << 30, 256 << 20, 10000, 60000) + sized(SAMPLE) + u8(ordered) +
            u64(1700000000123456) + bytes(range(100, 132)) + sized(b"public") + u8(1))


def statement(kind, job, host, *fields):
    return b"quorate/1/" + kind + b"\0" + job + sized(peer(curves.public(host))) + b"".join(fields)


def dispatch(job, host, ticket, run=0):
    return statement(b"dispatch", job, host, sized(ticket), u8(run))


def commit(job, host, result, salt, run=0):
    return statement(b"commit", job, host, u8(run), sized(CLASS.encode()), *result.tags(salt))


def verdict(job, host, group, evidence, verdict_code=1, state=1):
    facts = [("subnet", group, 1), ("build", "debian-12", 0)]
    return statement(b"verdict", job, host, bytes([verdict_code, state, 1, 3, 2]), sized(group.encode()),
                     varint(len(facts)), *[sized(n.encode()) + sized(v.encode()) + u8(m) for n, v, m in facts],
                     varint(len(evidence)), *evidence, u64(1700000001000000, 1500, 30000, 41000))


def signed(seed, v):
    return sized(v) + curves.sign(seed, v)


def receipt():
    d = descriptor(1)
    job, salt = H("quorate.job.1", d), H("quorate.salt.1", d)
    good, bad = Result(2, rows(300, 40)), Result(2, rows(299, 40))
    seeds = [bytes([i]) * 32 for i in (21, 22, 23)]
    commits = [commit(job, s, r, salt) for s, r in zip(seeds, (good, good, bad))]
    evidence = [H("quorate.stmt.1", c) for c in commits[:2]]
    out = b"QRCP\x01" + sized(d) + sized(SQL) + curves.public(REQUESTER) + b"\x03"
    for i, (seed, result) in enumerate(zip(seeds, (good, good, bad))):
        honest = result is good
        out += curves.public(seed) + u8(honest)
        out += signed(REQUESTER, dispatch(job, seed, bytes([i]) * 16)) + signed(seed, commits[i])
        group = f"192.0.{min(i, 1)}.0/24"  # the third is the voter that the second speaks for
        out += signed(REQUESTER, verdict(job, seed, group, evidence, 1 if honest else 10))
        out += result.plain()
    out += H("quorate.rcpt.1", out)
    qrows = b"QROW\x01" + sized(SAMPLE) + b"".join(struct.pack(">I", len(b)) + b for b in good.batches)
    return out, qrows + bytes(4) + u64(len(good.batches), good.bytes)


# The file

def c_string(v):
    text = v.hex() if isinstance(v, (bytes, bytearray)) else v.replace("\\", "\\\\").replace('"', '\\"')
    parts = [text[i:i + 96] for i in range(0, len(text), 96)] or [""]
    return "\n          ".join(f'"{p}"' for p in parts)


def c_value(v):
    return str(v) + "u" if isinstance(v, int) else c_string(v)


def table(out, name, fields, cases):
    out.append(f"static const struct {{\n        {fields}\n}} {name}[] = {{")
    for case in cases:
        out.append("        { " + ",\n          ".join(map(c_value, case)) + " },")
    out.append("};\n")


def answer_cases():
    for form in (1, 2):
        for n, pad in [(0, 1), (1, 1), (2, 40), (4096, 40), (4097, 40), (9000, 40), (3000, 2000), (40000, 7)]:
            r = Result(form, rows(n, pad))
            yield form, n, pad, len(r.batches), r.bytes, r.root, r.answer
    r = Result(2, rows(20, 2000000))  # rows up to more than a batch
    yield 2, 20, 2000000, len(r.batches), r.bytes, r.root, r.answer


def main():
    out = ["/* Written by make_vectors.py; do not edit. */\n"]
    table(out, "cell_vectors", "const char *script, *bytes;", cell_cases())
    table(out, "refused_cells", "const char *why, *bytes;", refused_cells())
    table(out, "schema_vectors", "const char *text, *bytes, *digest;", ((t, s, H("quorate.schema.1", s)) for t, s in schema_cases()))
    table(out, "refused_schemas", "const char *why, *bytes;", refused_schemas())
    table(out, "answer_vectors", "unsigned form, rows, pad, batches, bytes;\n        const char *root, *answer;", answer_cases())
    table(out, "error_vectors", "unsigned code, position;\n        const char *answer;", ((c, p, error_answer(c, p)) for c, p in [(1, 0), (1, 17), (3, 4000000000), (6, 0), (9, 0)]))
    d = descriptor(1)
    job, salt = H("quorate.job.1", d), H("quorate.salt.1", d)
    host, result = bytes([21]) * 32, Result(2, rows(300, 40))
    table(out, "descriptor_vector", "const char *sql, *bytes, *query, *job, *salt;", [(SQL, d, H("quorate.query.1", SQL), job, salt)])
    c = commit(job, host, result, salt)
    cases = [("dispatch", REQUESTER, dispatch(job, host, b"ticket of sixteen"[:16])), ("commit", host, c),
             ("verdict", REQUESTER, verdict(job, host, "192.0.2.0/24", [H("quorate.stmt.1", c)]))]
    table(out, "statement_vectors", "const char *kind, *key, *bytes, *signature, *digest;",
          ((k, curves.public(s), v, curves.sign(s, v), H("quorate.stmt.1", v)) for k, s, v in cases))
    table(out, "tag_vector", "const char *answer_tag, *result_tag;", [result.tags(salt)])
    bad = commit(job, host, Result(2, rows(299, 40)), salt)
    again = commit(job, host, Result(2, rows(299, 40)), salt, 1)
    table(out, "fault_vectors", "const char *bytes, *signature;", [(v, curves.sign(host, v)) for v in (c, bad, again)])
    file, qrows = receipt()
    table(out, "receipt_vector", "const char *file, *rows;", [(file, qrows)])
    (HERE / "vectors.h").write_text("\n".join(out))


if __name__ == "__main__":
    main()
