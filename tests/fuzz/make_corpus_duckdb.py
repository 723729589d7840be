#!/usr/bin/env python3
"""Seeds for fuzz_duckdb_tree: trees of statements as the library named by QUORATE_DUCKDB
writes them, and some that it never would."""
import ctypes
import hashlib
import os

FOLDER = os.path.join(os.path.dirname(os.path.abspath(__file__)), "corpus", "duckdb_tree")
TABLES = ("CREATE TABLE t(id BIGINT, a BIGINT, b BIGINT, c VARCHAR, d DECIMAL(10,2), f DATE, g TIMESTAMP, r DOUBLE,"
          " ls BIGINT[], iv INTERVAL); CREATE TABLE u(a BIGINT, k VARCHAR)")
SQL = [
    "SELECT a, sum(d * (1 - d)), avg(r) FROM t WHERE c LIKE 'x%' GROUP BY a HAVING count(*) > 2",
    "SELECT DISTINCT ON (a) a, b FROM t ORDER BY a, b DESC NULLS FIRST LIMIT 3 OFFSET 1",
    "WITH RECURSIVE c(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM c WHERE n < 10) SELECT n FROM c ORDER BY n",
    "SELECT t.a, u.k FROM t LEFT JOIN u ON t.a = u.a AND u.k > 'b' WHERE EXISTS (SELECT 1 FROM u v WHERE v.a = t.b)",
    "SELECT id, row_number() OVER (PARTITION BY a ORDER BY b), lag(c) OVER (ORDER BY id), sum(a) OVER (ORDER BY b "
    "ROWS BETWEEN 1 PRECEDING AND CURRENT ROW EXCLUDE CURRENT ROW) FROM t QUALIFY rank() OVER (ORDER BY a) < 3",
    "SELECT string_agg(c, ',' ORDER BY c), arg_max(c, a), list(a ORDER BY a), first(b ORDER BY a) FROM t",
    "SELECT now(), current_date, f + INTERVAL '3' MONTH, extract(year FROM f), g::DATE, c::INTEGER FROM t",
    "SELECT CASE WHEN a IN (1, 2) THEN {'x': a} ELSE NULL END, [a, b], ls[1], list_transform(ls, lambda x: x + 1) FROM t",
    "SELECT id, x FROM t, unnest(t.ls) AS s(x) UNION ALL SELECT 1, 2 EXCEPT SELECT 3, 4",
    "SELECT a FROM (SELECT a, c FROM t ORDER BY c LIMIT 3), range(3), (VALUES (1), (2)) AS v(z) USING SAMPLE 3",
    "SELECT a, (SELECT k FROM u WHERE u.a = t.a ORDER BY k LIMIT 1) FROM t POSITIONAL JOIN u",
    "SELECT c COLLATE NOCASE, #1, COLUMNS('a|b'), TRY(a), grouping(a), r / 3 FROM t GROUP BY ALL",
    "SELECT 340282366920938463463374607431768211455, 12345678901234567890.5, 1e300, 'it''s', x'00ff'::BLOB",
    "SELECT iv, max(iv) FROM t GROUP BY iv INTERSECT SELECT iv, iv FROM t",
]
OTHERS = [
    b"", b"{}", b"[]", b"{\"statements\":[{}]}", b"{\"plans\":[{\"type\":\"LOGICAL_GET\",\"name\":\"seq_scan\"}]}",
    b"{\"plans\":[{\"type\":\"LOGICAL_PROJECTION\",\"expressions\":[{\"expression_class\":\"BOUND_REF\",\"index\":99999}]}]}",
    b"{\"query_location\":18446744073709551615,\"class\":\"FUNCTION\",\"function_name\":\"first\"}",
    b"{\"plans\":[" + b"{\"type\":\"LOGICAL_LIMIT\",\"children\":[" * 200 + b"]}" * 200 + b"]}",
    b"[" * 5000,
]


class Engine:
    def __init__(self):
        self.lib = ctypes.CDLL(os.environ["QUORATE_DUCKDB"])
        self.lib.duckdb_value_varchar.restype = ctypes.c_void_p
        self.lib.duckdb_value_varchar.argtypes = [ctypes.c_void_p, ctypes.c_uint64, ctypes.c_uint64]
        db, self.connection = ctypes.c_void_p(), ctypes.c_void_p()
        assert self.lib.duckdb_open(None, ctypes.byref(db)) == 0
        assert self.lib.duckdb_connect(db, ctypes.byref(self.connection)) == 0

    def text(self, sql):
        result = ctypes.create_string_buffer(64)
        assert self.lib.duckdb_query(self.connection, sql.encode(), result) == 0, sql
        p = self.lib.duckdb_value_varchar(result, 0, 0)
        return ctypes.string_at(p) if p else b""


def put(data):
    os.makedirs(FOLDER, exist_ok=True)
    with open(os.path.join(FOLDER, hashlib.sha256(data).hexdigest()[:16]), "wb") as f:
        f.write(data)


engine = Engine()
engine.text(TABLES)
for statement in SQL:
    quoted = statement.replace("'", "''")
    tree = engine.text(f"SELECT json_serialize_sql('{quoted}', skip_null := true, skip_empty := true)")
    plan = engine.text(f"SELECT json_serialize_plan('{quoted}', skip_null := true, skip_empty := true)")
    put(tree[:-1] + b"," + plan[1:])  # one object that is both
for other in OTHERS:
    put(other)
