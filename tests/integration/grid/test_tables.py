#!/usr/bin/env python3
"""CSV and NDJSON files as data: asked of a grid, of one node, and without any; and files that are bad."""
import contextlib
import os
import pathlib
import re
import shutil
import sqlite3
import subprocess
import sys
import tempfile

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2] / "support"))
import grid as g
from tap import Tap

TRIPS = "id,name,fare,day\n" + "".join(f"{i},{'' if i % 7 else 'Ann'},{i % 100}.{i % 10}0,2024-02-{i % 29 + 1:02}\n"
                                       for i in range(1, 5001))
ZONES = '{"id":1,"zone":"Nord"}\n{"id":7,"zone":"S\\u00fcd","open":true}\n'
JOIN = "SELECT t.id, name, zone, place FROM trips t JOIN t_2_zones z USING (id) LEFT JOIN p USING (id) ORDER BY t.id"
JOINED = [(1, None, "Nord", "here"), (7, "Ann", "Süd", None)]
NO_REST = ("--quorum", "3", "--replicas", "3")  # all who can answer


class Files:
    def __enter__(self):
        self.dir = pathlib.Path(tempfile.mkdtemp(prefix="qt", dir="/tmp"))
        for name, text in {"trips.csv": TRIPS, "2 zones.jsonl": ZONES, "ragged.csv": "a,b\n1,2\n3\n", "nested.ndjson": '{"a":[1]}\n',
                           "empty.csv": "", "one.json": "[1]", "text.txt": "no table", "x.parquet": "PAR1....PAR1"}.items():
            (self.dir / name).write_text(text)
        with open(self.dir / "large.csv", "w") as f:
            f.write("id,text\n")
            f.writelines(f"{i},{os.urandom(40).hex()}\n" for i in range(120000))
        with contextlib.closing(sqlite3.connect(self.dir / "places.db")) as db:
            db.executescript("CREATE TABLE p(id INTEGER, place TEXT) STRICT; INSERT INTO p VALUES (1, 'here');")
        return self

    def __exit__(self, *_):
        shutil.rmtree(self.dir)

    def data(self, *names):
        return [word for name in names for word in ("--data", (name.split("=")[0] + "=" if "=" in name else "") +
                                                    str(self.dir / name.split("=")[-1]))]


BAD = (
    ("ragged.csv", "ragged.csv: row 3, byte 8: fewer fields than in the first row; "),
    ("nested.ndjson", "nested.ndjson: row 1, column 1 'a', byte 5: a nested object or array; flatten"),
    ("empty.csv", "empty.csv: empty; give"),
    ("one.json", "one.json: one JSON document is no table; give"),
    ("text.txt", "text.txt: not a SQLite database; give"),
)


def check_bad(tap, ask, files, where):
    for name, want in BAD:
        a = ask("SELECT 1", *files.data(name))
        tap.check(a.code == 2 and want in a.err + a.out, f"{where}, {name}: exit 2, the place and what to do", a)
    a = ask("SELECT 1", *files.data("trips.csv", "TRIPS=trips.csv"))
    tap.check(a.code == 2 and "two inputs are called 'TRIPS'; give" in a.err + a.out, f"{where}: two of one name", a)


def check_grid(tap, grid, files):
    a = grid.ask("SELECT count(*), sum(id), max(day), count(name) FROM trips", *NO_REST, *files.data("trips.csv"))
    tap.check(a.state == "VERIFIED" and a.rows == [(5000, 12502500, "2024-02-29", 714)], "three hosts agree on a CSV", a)
    tap.check(len([h for h in a.hosts if h["counted"]]) == 3, "all three were counted", a)
    a = grid.ask(JOIN, *files.data("trips.csv", "2 zones.jsonl", "places.db"))
    tap.check(a.state == "VERIFIED" and a.rows == JOINED, "CSV, NDJSON and SQLite in one statement", a)
    a = grid.ask("SELECT sum(fare) FROM money", *files.data("money=trips.csv"))
    tap.check(a.state == "VERIFIED" and a.json.get("class") == "FLOAT" and abs(a.rows[0][0] - 249750) < 1e-6,
              "a sum of decimals is FLOAT, compared among equal builds", a)
    a = grid.ask("SELECT nothing FROM trips", *files.data("trips.csv"))
    tap.check(a.error == "SQL_ERROR", "a column that is not there", a)


def check_explain(tap, grid, files):
    code, out, err = grid.ctl(1, "explain", *files.data("trips.csv"), "SELECT sum(fare) FROM trips")
    tap.check(code == 0 and "FLOAT" in out, "explain knows the columns from the manifest", out, err)


def check_many(tap, grid, files):
    """Descriptions take their turn for a slot like the jobs beside them: none is lost."""
    running = [grid.begin(f"SELECT sum(id) + {i} FROM trips", "--prefer", "local", *files.data("trips.csv")) for i in range(12)]
    answers = [q.wait() for q in running]
    wrong = [str(a) for i, a in enumerate(answers) if a.state != "LOCAL" or a.rows != [(12502500 + i,)]]
    tap.equal(wrong, [], "twelve at once on one node")


def check_memory(tap, grid, files):
    """An import is no job's memory."""
    a = grid.ask("SELECT count(*) FROM large", "--prefer", "local", "--max-memory", "6M", *files.data("large.csv"))
    tap.check(a.state == "LOCAL" and a.rows == [(120000,)], "a table larger than the job's memory", a)
    a = grid.ask("SELECT count(*) FROM large", *NO_REST, *files.data("large.csv"))
    tap.check(a.state == "VERIFIED" and a.rows == [(120000,)], "and with the usual one", a)


def check_parquet(tap, grid, files):
    """With DuckDB's library here or without: the file is named."""
    a = grid.ask("SELECT 1", *files.data("x.parquet"))
    tap.check(a.code == 2 and re.search("x.parquet: .*(DuckDB|not be read as parquet)", a.err + a.out), "no Parquet: said", a)


def check_shell(tap, grid, files):
    words = f".open {files.dir}/trips.csv\n.open {files.dir}/2 zones.jsonl\n.open z={files.dir}/places.db\n.tables\n" \
            "SELECT count(*) AS n, max(zone) AS zone FROM trips JOIN t_2_zones USING (id);\n"
    done = subprocess.run([g.QUORATE, "shell", *grid.place(1), "--quiet"], input=words, capture_output=True, text=True, timeout=60,
                          env=grid.env, check=False)
    tap.equal(done.stdout.split(), ["trips", "t_2_zones", "z.p", "n,zone", "2,Süd"], "the shell opens tables, lists and asks them")


def check_private(tap, files):
    env = {**os.environ, "XDG_RUNTIME_DIR": str(files.dir), "TMPDIR": str(files.dir), "HOME": str(files.dir)}
    where = ["--runtime", str(files.dir / "r"), "--state", str(files.dir / "s")]

    def ask(sql, *options):
        done = subprocess.run([g.QUORATE, "query", *where, "--json", *options, sql], env=env, capture_output=True, text=True,
                              timeout=60, check=False)
        return g.Answer(done.returncode, done.stdout, done.stderr, 0)

    a = ask(JOIN, *files.data("trips.csv", "2 zones.jsonl", "places.db"))
    tap.check(a.state == "LOCAL" and a.rows == JOINED, "without a node: CSV, NDJSON and SQLite in one statement", a)
    a = ask("SELECT 1", *files.data("x.parquet"))
    tap.check(a.code in (2, 5) and "DuckDB" in a.err + a.out, "without a node: no Parquet", a)
    a = ask("SELECT 1", "--timeout", "1ms", *files.data("large.csv"))
    tap.check(a.code == 2 and "raise --timeout" in a.err + a.out, "without a node: no time to read the file", a)
    check_bad(tap, ask, files, "without a node")
    left = sorted(p.name for p in files.dir.iterdir() if p.name.startswith(("quorate-", "tmp")))
    tap.equal(left, [], "nothing is left behind")


def main(tap):
    with Files() as files:
        check_private(tap, files)
        with g.Grid(4) as grid:
            check_grid(tap, grid, files)
            check_explain(tap, grid, files)
            check_bad(tap, grid.ask, files, "with a node")
            check_many(tap, grid, files)
            check_memory(tap, grid, files)
            check_shell(tap, grid, files)
            check_parquet(tap, grid, files)
            tap.equal(grid.stop(), 0, "the grid stops in order")


if __name__ == "__main__":
    sys.exit(Tap().run([main]))
