#!/usr/bin/env python3
"""Parquet without a node: which engine answers, and what is said where it cannot."""
import os
import pathlib
import shutil
import sqlite3
import subprocess
import sys
import tempfile

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2] / "support"))
import grid as g
from tap import Tap

PLACES = ("/usr/local/lib/quorate", "/usr/lib/quorate", os.path.expanduser("~/.local/lib/quorate"))
LIBRARY = os.environ.get("QUORATE_DUCKDB") or next((f"{p}/libduckdb.so" for p in PLACES if os.path.exists(f"{p}/libduckdb.so")), None)


def main(tap):
    folder = pathlib.Path(tempfile.mkdtemp(prefix="qp", dir="/tmp"))
    env = {**os.environ, "XDG_RUNTIME_DIR": str(folder), "TMPDIR": str(folder), "HOME": str(folder), "QUORATE_DUCKDB": LIBRARY,
           "QUORATE_WORKER_DUCKDB": LIBRARY}

    def ask(sql, *options, **other):
        done = subprocess.run([g.QUORATE, "query", "--runtime", str(folder / "r"), "--state", str(folder / "s"), "--json", *options, sql],
                              env={**env, **other}, capture_output=True, text=True, timeout=60, check=False)
        return g.Answer(done.returncode, done.stdout, done.stderr, 0)

    try:
        subprocess.run([os.environ["QUORATE_TPCH_GENERATE"], "--scale", "0.01", "parquet", str(folder)], env=env, check=True, stdout=subprocess.DEVNULL)
        nation, region = (["--data", str(folder / f"{name}.parquet")] for name in ("nation", "region"))
        (folder / "t.csv").write_text("i,s\n1,x\n2,y\n")
        csv = ["--data", str(folder / "t.csv")]
        with sqlite3.connect(folder / "places.db") as db:
            db.execute("CREATE TABLE p(id INTEGER) STRICT")
        a = ask("SELECT r_name, count(*) FROM nation JOIN region ON n_regionkey = r_regionkey GROUP BY r_name ORDER BY r_name",
                *nation, *region)
        tap.check(a.state == "LOCAL" and [r[1] for r in a.rows] == [5] * 5, "two Parquet files in one statement", a)
        a = ask("SELECT s FROM t JOIN region ON i = r_regionkey ORDER BY s", *csv, *region)
        tap.check(a.state == "LOCAL" and a.rows == [("x",), ("y",)], "Parquet and CSV in one statement", a)
        a = ask("SELECT list(s ORDER BY s) FROM t", "--engine", "duckdb", *csv)
        tap.check(a.state == "LOCAL" and len(a.rows) == 1, "CSV is read by DuckDB where it is wanted", a)
        a = ask("SELECT typeof(i) FROM t LIMIT 1", *csv)
        tap.check(a.state == "LOCAL" and a.rows == [("integer",)], "and by SQLite where not", a)
        for words, options, other in (
                ("SQLite reads no Parquet file", ["--engine", "sqlite", *region], {}),
                ("DuckDB reads no SQLite database", [*region, "--data", str(folder / "places.db")], {}),
                ("deploy/setup --with-duckdb", region, {"QUORATE_WORKER_DUCKDB": "none"}),
                ("does not start", region, {"QUORATE_WORKER_DUCKDB": "/nowhere/libduckdb.so"}),
                ("needs one", ["--engine", "other", *csv], {})):
            a = ask("SELECT 1", *options, **other)
            tap.check(a.code in (2, 5) and words in a.err + a.out, f"said: {words}", a)
        variables = {k: v for k, v in env.items() if k != "QUORATE_WORKER_DUCKDB"}
        for text, code, words in (("[worker]\nduckdb = none\n", 5, "deploy/setup --with-duckdb"),
                                  (f"[worker]\nduckdb = {LIBRARY}\n", 0, "LOCAL"),
                                  ("[worker]\nduckbd = none\n", 2, "q.conf:2: [worker] duckbd: unknown key")):
            (folder / "q.conf").write_text(text)
            done = subprocess.run([g.QUORATE, "query", "--runtime", str(folder / "r"), "--state", str(folder / "s"), "--config",
                                   str(folder / "q.conf"), "--json", *region, "SELECT 1"],
                                  env=variables, capture_output=True, text=True, timeout=60, check=False)
            tap.check(done.returncode == code and words in done.stdout + done.stderr, f"configured without a node: {words}", done)
        (folder / "bad.parquet").write_bytes(b"PAR1" + b"x" * 100 + b"PAR1")
        a = ask("SELECT 1", "--data", str(folder / "bad.parquet"))
        tap.check(a.code == 2 and "bad.parquet: DuckDB: " in a.err + a.out and "'bad'" in a.err + a.out and "/q/" not in a.err + a.out,
                  "a Parquet file that is none: named as who gave it knows it", a)
        a = ask("SELECT * FROM read_csv('/etc/passwd')", *region)
        tap.check(a.code == 5 and "REFUSED" in a.err + a.out, "other files are refused", a)
        left = sorted(p.name for p in folder.iterdir() if p.name.startswith(("quorate-", "tmp")))
        tap.equal(left, [], "nothing is left behind")
    finally:
        shutil.rmtree(folder)


if __name__ == "__main__":
    if not LIBRARY or LIBRARY == "none":
        print("1..0 # SKIP no DuckDB library here: deploy/setup --with-duckdb")
        sys.exit(77)
    sys.exit(Tap().run([main]))
