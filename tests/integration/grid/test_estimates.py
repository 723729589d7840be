#!/usr/bin/env python3
"""What queries are expected to take: told before and after, learned from own runs, kept over a crash; and what is too much for one
engine is asked of the other."""
import json
import pathlib
import signal
import sqlite3
import sys
import tempfile

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2] / "support"))
import grid as g
from tap import Tap

ROWS, CSV_ROWS, WIDE_ROWS = 5000, 4321, 160000


def database(path, rows):
    with sqlite3.connect(path) as db:
        db.execute("CREATE TABLE t(id INTEGER PRIMARY KEY, k INTEGER, v TEXT) STRICT")
        db.executemany("INSERT INTO t VALUES(?, ?, ?)", ((i, i % 10, f"text {i}") for i in range(1, rows + 1)))
    db.close()


def explain(sql, *options):
    code, out, err = grid.ctl(1, "explain", "--json", *options, sql)
    return json.loads(out) if code == 0 else {"estimate": None, "message": err}


def publish(path):
    return json.loads(grid.ctl(1, "dataset", "publish", str(path), "--public", "--json")[1].splitlines()[-1])["root"]


def learns(tap):
    data = ["--data", publish(folder / "a.db")]
    sql = "SELECT k, count(*) AS n FROM t WHERE id > 17 GROUP BY k ORDER BY k"
    before = explain(sql, *data)["estimate"]
    tap.check(before and before["source"] == "plan" and "runs" not in before, "nothing was run: explain has what the plan says", before)
    text = grid.ctl(1, "explain", *data, sql)[1]
    tap.check("\nestimate " in text and "by the plan alone" in text, "for people, too", text)
    a = grid.ask(sql, *data)
    tap.equal((a.state, len(a.rows)), ("VERIFIED", 10), "it is asked")
    estimate, actual = a.json["estimate"], a.json["actual"]
    tap.check(estimate == before, "the end has the estimate from before", a.json)
    tap.check(actual["rows"] == 10 and actual["bytes"] == a.json["bytes"] and actual["cpu_ms"] > 0 and actual["memory"] > 0,
              "and what it took", actual)
    b = grid.ask(sql, *data)
    estimate = b.json["estimate"]
    tap.equal((estimate["source"], estimate["rows"]), ("statement", 10), "the same question is known by its run")
    tap.check(abs(estimate["cpu_ms"] - actual["cpu_ms"]) <= 0.05 * actual["cpu_ms"] + 0.1, "its processor time, too", [estimate, actual])
    tap.equal(explain(sql.replace("17", "1999"), *data)["estimate"]["source"], "data", "with another constant it is alike")
    grown = ["--data", publish(folder / "b.db")]
    after = explain(sql, *grown)["estimate"]
    tap.equal(after["source"], "shape", "over other data it has the same shape")
    tap.check(after["cpu_ms"] > estimate["cpu_ms"], "four times the data are expected to take longer", [estimate, after])
    tap.equal(explain("SELECT v FROM t WHERE id = 1", *data)["estimate"]["source"], "class", "of another question the class is known")


def survives(tap):
    data = ["--data", publish(folder / "a.db")]
    sql = "SELECT k, count(*) AS n FROM t WHERE id > 17 GROUP BY k ORDER BY k"
    before = explain(sql, *data)["estimate"]
    grid.signal(1, "coordinator", signal.SIGKILL)
    g.wait_until("a new coordinator", lambda: grid.ctl(1, "explain", "--json", "SELECT 1")[0] == 0, 20)
    after = explain(sql, *data)["estimate"]
    tap.check(after and after["source"] == "statement" and after["rows"] == before["rows"] and
              abs(after["cpu_ms"] - before["cpu_ms"]) < 0.02 * before["cpu_ms"] + 0.1, "after kill -9 it is as it was", [before, after])


def counts_rows(tap):
    csv = folder / "c.csv"
    csv.write_text("id,v\n" + "".join(f"{i},{i % 7}\n" for i in range(CSV_ROWS)))
    data = ["--data", f"c={publish(csv)}"]
    for engine in sorted(e.split("/")[0] for e in grid.status(1)["engines"]):
        rows = explain("SELECT id, v FROM c", *data, "--engine", engine)["estimate"]["rows"]
        tap.check(CSV_ROWS <= rows <= CSV_ROWS + 1, f"{engine} knows the rows that were counted at publishing", rows)


def falls_over(tap):
    """DuckDB's reader of JSON takes 32 MiB at once; SQLite reads row by row, and keeps of these only the numbers."""
    if not any(e.startswith("duckdb/") for e in grid.status(1)["engines"]):
        tap.skip("what needs two engines", "no DuckDB library here: deploy/setup --with-duckdb")
        return
    wide = folder / "wide.ndjson"
    wide.write_text("".join(f'{{"{"k" * 100}": {i % 10}}}\n' for i in range(WIDE_ROWS)))
    sql = f"SELECT count(*) AS n FROM wide WHERE {'k' * 100} = 3"
    data = ["--data", f"wide={publish(wide)}"]
    tap.equal(explain(sql, *data)["engine"].split("/")[0], "duckdb", "so much text is better read by DuckDB")
    data += ["--max-memory", "24M"]
    for where in (["--verify", "quorum"], ["--prefer", "local"]):
        a = grid.ask(sql, *data, *where, timeout=120)
        tap.equal((a.state, a.rows), ("LOCAL" if "local" in where else "VERIFIED", [(WIDE_ROWS // 10,)]), f"{' '.join(where)}: answered")
        tap.check(a.json["fell_over"].startswith("duckdb: LIMIT which=memory") and "alike" in a.json["fell_over"], "and says why not by DuckDB", a)
        tap.equal({e.split("/")[0] for e in a.json["engines"]}, {"sqlite"}, "but by SQLite")
        first = [j for j in grid.jobs(1) if j["problem"].startswith("duckdb: LIMIT")]
        tap.check(first and all(j["state"] == "LIMIT" for j in first), "the list of jobs has both", first)
        tap.check(any(j["job"] == a.json["job"] and j["state"] == a.state for j in grid.jobs(1)), "the end names the one that answered", a)
    a = grid.ask(sql, *data, "--engine", "duckdb", timeout=120)
    tap.check(a.error == "LIMIT" and a.json["fell_over"] == "", "an engine that was asked for is not exchanged", a)


with tempfile.TemporaryDirectory(prefix="estimates") as name, g.Grid(4) as grid:
    folder = pathlib.Path(name)
    database(folder / "a.db", ROWS)
    database(folder / "b.db", 4 * ROWS)
    tap = Tap()
    code = tap.run([learns, survives, counts_rows, falls_over])
sys.exit(code)
