#!/usr/bin/env python3
"""Seeds for fuzz_sql_tokens, fuzz_sql_words, fuzz_executor_frames and fuzz_sqlite_image."""
import hashlib
import os
import sqlite3
import struct

HERE = os.path.join(os.path.dirname(os.path.abspath(__file__)), "corpus")

SQL = [
    "SELECT 42",
    "SELECT a, name FROM s ORDER BY a DESC LIMIT 3; -- end",
    "WITH c AS (SELECT a FROM s) SELECT sum(a) FILTER (WHERE a > 1) FROM c GROUP BY 1 HAVING count(*) > 2",
    "SELECT s.*, CAST(l.qty AS TEXT) AS \"q\", [x], `name` FROM s JOIN l USING (id)",
    "SELECT x'00ff', 'it''s', 1.5e-3, 0x1F, ?1, :n, @v, $w /* c */",
    "SELECT (SELECT max(a) FROM s LIMIT 1) || 'x', CASE WHEN a THEN 1 ELSE 2 END FROM s UNION SELECT 1, 2 ORDER BY 1, 2",
    "SELECT row_number() OVER (PARTITION BY a ORDER BY id) FROM v WINDOW w AS (ORDER BY a)",
    "SELECT a->>'$.b' FROM s WHERE name COLLATE NOCASE = 'x' AND -a % 3 <> ~1 << 2",
    "((((", "'", "\"", "/*", "[", "1a", "SELECT 1; SELECT 2", "VALUES (1),(2)", "SELECT DISTINCT name FROM l",
]


def put(name, data):
    folder = os.path.join(HERE, name)
    os.makedirs(folder, exist_ok=True)
    with open(os.path.join(folder, hashlib.sha256(data).hexdigest()[:16]), "wb") as f:
        f.write(data)


def varint(n):
    out = b""
    while n > 127:
        out += bytes([n & 127 | 128])
        n >>= 7
    return out + bytes([n])


def field(number, payload):
    return varint(number << 3 | 2) + varint(len(payload)) + payload


def packets(*items):
    return b"\x00\x00" + b"".join(struct.pack(">H", len(i)) + i for i in items)


def spool(batches, count=None):
    body = b"".join(struct.pack(">I", len(b)) + b + bytes(32) for b in batches)
    return bytes([1, len(batches) if count is None else count]) + body


def image(sql, **pragmas):
    db = sqlite3.connect(":memory:")
    for k, v in pragmas.items():
        db.execute(f"PRAGMA {k}={v}")
    db.executescript(sql)
    return db.serialize()


for text in SQL:
    put("sql_tokens", text.encode())
    put("sql_words", text.encode())
for text in (r"SELECT E'\'' ORDER BY 1", "SELECT E'a'\n-- x\n'\\'b' ORDER BY 1", "SELECT $$it's$$, $t_1$a$$b$t_1$ ORDER BY 1",
             "SELECT /* a /* b */ ' */ 1 --x\rORDER BY 1", "SELECT a$b$ FROM t WHERE a<5.e-1ORDER BY $1", "SELECT é FROM t\u00a0ORDER BY 1"):
    put("sql_words", text.encode())

started = field(2, b"\x08\x00")
progress = field(3, b"\x08\x05\x10\x09")
committed = field(4, b"\x08\x01" + field(2, bytes(32)) + field(3, bytes(32)) + b"\x20\x01\x28\x01\x30\x03")
put("executor_frames", packets(b"\x00" + started, b"\x00" + progress, b"\x00" + committed))
put("executor_frames", packets(b"\x01" + committed[:10], b"\x00" + committed[10:]))
put("executor_frames", packets(b"\x02x"))
put("executor_frames", spool([b"\x10\x01\x2a"]))
put("executor_frames", spool([b"\x10\x01\x2a" * 10, b"\x00"]))
put("executor_frames", spool([b"\x00"], count=2))
put("executor_frames", b"\x01\x01\xff\xff\xff\xff")
# found by fuzzing: a batch that ends inside, its digest outside the limit
put("executor_frames", bytes.fromhex("0101000000030010"))

put("sqlite_image", image("CREATE TABLE t(id INTEGER PRIMARY KEY, name TEXT) STRICT; INSERT INTO t VALUES (1,'a'),(2,'b')",
                          page_size=512))
put("sqlite_image", image("CREATE TABLE u(a, b); CREATE INDEX i ON u(b); CREATE VIEW t AS SELECT * FROM u", page_size=512))
put("sqlite_image", image("CREATE TABLE t(a, b AS (a * 2), PRIMARY KEY(a)) WITHOUT ROWID", page_size=512))
put("sqlite_image", image("CREATE TABLE t(a); CREATE TRIGGER g AFTER INSERT ON t BEGIN SELECT 1; END", page_size=512))
