#!/usr/bin/env python3
"""CSV and NDJSON datasets on SQLite hosts: imported once each, to one and the same dataset everywhere; asked again, used again.

A wrong import is a wrong answer of one host, and loses; what a kill leaves in the middle of one is nothing."""
import base64
import contextlib
import json
import os
import pathlib
import pty
import re
import shutil
import signal
import sqlite3
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2] / "support"))
import grid as g
from tap import Tap

NODES = 5
ALL = ("--engine", "sqlite", "--quorum", "3", "--replicas", "4")  # all hosts, of which three settle it
TRIPS = [(i, f"{i % 100}.{i % 10}0", None if i % 3 else f"Ann {i}") for i in range(1, 20001)]
ZONES = [(i, f"Süd {i}") for i in range(300)]


def write_files(folder):
    with open(folder / "trips.csv", "w") as f:
        f.write("id,fare,name\n")
        f.writelines(f"{i},{fare},{name or ''}\n" for i, fare, name in TRIPS)
    with open(folder / "zones.ndjson", "w") as f:
        f.writelines(json.dumps({"id": i, "zone": z}) + "\n" for i, z in ZONES)
    with open(folder / "false.csv", "w") as f:
        f.write("id,fare,name\n")
        f.writelines(f"{i},{fare},{name or ''}\n" for i, fare, name in TRIPS[:-1])
    with open(folder / "large.csv", "w") as f:
        f.write("id,text\n")
        f.writelines(f"{i},{i * 7919 % 1000003:0100d}x\n" for i in range(250000))


def imports(grid, nodes=range(1, NODES + 1)):
    return {node: grid.metrics(node)["quorate_coordinator_imports"] for node in nodes}


def works(grid, node):
    return grid.status(node) and grid.metrics(node)["quorate_coordinator_workers"] > 0


def listed(grid, node):
    code, out, _ = grid.ctl(node, "dataset", "list", "--json")
    return {d["root"]: d for d in map(json.loads, out.splitlines()) if "root" in d} if code == 0 else {}


def derived(grid, node, source=None):
    return {d["root"]: d for d in listed(grid, node).values() if d.get("derived_from", "") and source in (None, d["derived_from"])}


def folder_of(grid, node):
    return grid.state / f"node-{node}" / "coordinator" / "datasets"


def publish(grid, path, node=1):
    code, out, err = grid.ctl(node, "dataset", "publish", "--json", str(path), timeout=60)
    assert code == 0, (out, err)
    return json.loads(out.splitlines()[-1])["root"]


def check_once(tap, grid, root):
    a = grid.ask("SELECT count(*), sum(id), count(name), max(rowid) FROM t", *ALL, "--data", f"t={root}")
    tap.check(a.state == "VERIFIED" and a.rows == [(20000, 200010000, 6666, 20000)], "a CSV dataset, agreed by SQLite hosts", a)
    first = imports(grid)
    tap.check(sum(first.values()) >= 3 and max(first.values()) == 1, "each host that ran it has imported it once", first)
    a = grid.ask("SELECT id, name FROM t WHERE name IS NOT NULL ORDER BY id DESC LIMIT 2", *ALL, "--data", f"t={root}")
    tap.check(a.state == "VERIFIED" and a.rows == [(19998, "Ann 19998"), (19995, "Ann 19995")], "asked something else", a)
    a = grid.ask("SELECT sum(fare), min(fare) FROM other", *ALL, "--data", f"other={root}")
    tap.check(a.state == "VERIFIED" and a.json["class"] == "FLOAT" and abs(a.rows[0][0] - sum(float(f) for _, f, _ in TRIPS)) < 1e-6,
              "and under another name: decimals are REAL", a)
    a = grid.ask("SELECT count(*) FROM t", "--engine", "sqlite", "--prefer", "local", "--data", f"t={root}")
    tap.check(a.state == "LOCAL" and a.rows == [(20000,)], "on the asking node too", a)
    for n in range(20):  # one that lost the race was cancelled, perhaps amid its import
        if set(imports(grid).values()) == {1}:
            break
        grid.ask(f"SELECT count(*) + {n} FROM t", *ALL, "--data", f"t={root}")
    tap.equal(set(imports(grid).values()), {1}, "all five have imported it, and nobody again")


def check_same(tap, grid, root):
    found = {node: derived(grid, node, root) for node in range(1, NODES + 1)}
    roots = {r for d in found.values() for r in d}
    tap.check(len(roots) == 1 and all(len(d) == 1 for d in found.values()), "five hosts arrived at the same derived root", found)
    made = next(iter(roots))
    d = found[2][made]
    tap.check(d["derived_here"] and d["derived_by"] == "sqlite-file/1" and d["format"] == "sqlite" and not d["pinned"]
              and not d["announced"], "it says what it was made of and how, and may be evicted", d)
    data = {(folder_of(grid, node) / f"{made}.data").read_bytes() for node in range(1, NODES + 1)}
    tap.equal(len(data), 1, "byte for byte")
    code, out, err = grid.ctl(2, "dataset", "show", made)
    tap.check(code == 0 and f"from {root}" in out and "made here" in out, "`dataset show` tells it", out, err)
    code, out, err = grid.ctl(2, "dataset", "list")
    tap.check(code == 0 and " import" in out, "`dataset list` as well", out, err)
    code, out, err = grid.ctl(1, "dataset", "verify", made)
    tap.equal(code, 0, "it is a dataset like others: its chunks are verified")
    return made


def check_remove(tap, grid, root, made):
    code, out, err = grid.ctl(1, "dataset", "rm", made)
    tap.check(code == 0 and made not in listed(grid, 1) and root in listed(grid, 1), "`rm` of an import leaves the dataset", out, err)
    a = grid.ask("SELECT count(*) FROM t", "--engine", "sqlite", "--prefer", "local", "--data", f"t={root}")
    tap.check(a.rows == [(20000,)] and imports(grid, [1]) == {1: 2} and made in listed(grid, 1), "which is imported anew, the same", a)
    code, out, err = grid.ctl(3, "dataset", "rm", root)
    tap.check(code == 0 and not {root, made} & set(listed(grid, 3)), "`rm` of a dataset takes its import along", out, err)


def check_explain(tap, grid, root):
    code, out, err = grid.ctl(1, "explain", "--engine", "sqlite", "--data", f"t={root}", "SELECT count(*) FROM t")
    tap.check(code == 0 and "import      t: a SQLite host makes a SQLite file" in out, "explain says so", out, err)
    code, out, err = grid.ctl(1, "explain", "--json", "--engine", "sqlite", "--data", f"t={root}", "SELECT count(*) FROM t")
    tap.check(code == 0 and json.loads(out)["imports"] == ["t"], "and in JSON", out, err)


def check_join(tap, grid, files, root):
    """Two imports of one job, one of them new; the descriptor names what was asked of."""
    before = imports(grid)
    a = grid.ask("SELECT count(*), max(zone) FROM t JOIN zones USING (id)", *ALL, "--data", f"t={root}", "--data", str(files / "zones.ndjson"))
    tap.check(a.state == "VERIFIED" and a.rows == [(299, "Süd 99")], "CSV and NDJSON joined", a)
    tap.check(all(n - before[node] <= 2 for node, n in imports(grid).items()), "two imports at most", before, imports(grid))
    receipt = pathlib.Path(a.json["receipt"]).read_bytes()
    made = {r for node in range(1, NODES + 1) for r in derived(grid, node)}
    tap.check(bytes.fromhex(root) in receipt and made and not any(bytes.fromhex(r) in receipt for r in made),
              "the receipt names the dataset, and none that was derived", a)


def check_wrong(tap, grid, files, root, made):
    """A host whose import is of other rows: its node is made to believe that it is the right one."""
    other = publish(grid, files / "false.csv")
    a = grid.ask("SELECT count(*) FROM t", *ALL, "--data", f"t={other}")
    tap.check(a.state == "VERIFIED" and a.rows == [(19999,)], "a dataset with a row less", a)
    false = next(iter(derived(grid, 4, other)))
    grid.kill(4, "coordinator")
    note = folder_of(grid, 4) / f"{root}.import"
    note.write_bytes(note.read_bytes().replace(bytes.fromhex(made), bytes.fromhex(false)))
    grid.wait_joined(4)
    g.wait_until("node 4 works", lambda: works(grid, 4))
    seen = False
    end = time.monotonic() + 60
    while not seen and time.monotonic() < end:
        a = grid.ask("SELECT count(*) FROM t", "--engine", "sqlite", "--quorum", "2", "--replicas", "4", "--data", f"t={root}")
        right = a.state == "VERIFIED" and a.rows == [(20000,)]
        seen = any(h["peer"] == grid.peer(4) and h["verdict"] not in ("", "correct", "cancelled") for h in a.hosts)
        if not right:
            break
    tap.check(right and seen, "a wrong import is a dissent: what is verified is right", a)


PARQUET = "SELECT count(*), sum(l_orderkey), min(l_shipdate), max(l_comment), count(DISTINCT l_shipmode) FROM l"


# DuckDB's COPY (SELECT 1::BIGINT AS a FROM range(3000000)) TO … (COMPRESSION zstd, ROW_GROUP_SIZE 4000000): 27 MB as a SQLite file
SWELLS = (
    "UEFSMRUEFRAVIkwVAhUAAAAotS/9IAhBAAABAAAAAAAAABUAFR4VMCwVgJvuAhUEFQYVBgAAKLUv/SAPeQAABQAAAICb7gIBAYCb7gIAFUAcHAAAHBwAABwc"
    "AAAAAAAACAAAAAIAAAACAAACAAAAAAQAAAAIQAAAAAABAAAVAhksNQAYDWR1Y2tkYl9zY2hlbWEVAgAVBCUCGAFhJSQAFoCb7gIZHBkcJgAcFQQZFQQZGAFh"
    "FQwWgJvuAhZwFpQBJkQmCBwYCAEAAAAAAAAAGAgBAAAAAAAAABYAFgIYCAEAAAAAAAAAGAgBAAAAAAAAABERACacARVeAAAWcBaAm+4CJggWlAEAKChEdWNr"
    "REIgdmVyc2lvbiB2MS41LjYgKGJ1aWxkIDA2OWNjOWY5YjUpGRwcAAAAuwAAAFBBUjE="
)


def check_other_build(tap, grid, root):
    """As after an upgrade of DuckDB: what its other build read is not gone on with."""
    note = folder_of(grid, 2) / f"{root}.import"
    content = note.read_bytes()
    for change, again in ((content, 0), (content[:-1] + b"~", 1)):
        note.unlink()
        note.write_bytes(change)
        grid.kill(2, "coordinator")
        g.wait_until("node 2 works", lambda: works(grid, 2) and any(e.startswith("duckdb/") for e in grid.status(2)["engines"]))
        a = grid.ask(PARQUET, "--engine", "sqlite", "--prefer", "local", "--data", f"l={root}", node=2)
        tap.check(a.state == "LOCAL" and imports(grid, [2]) == {2: again}, f"an import of {'another' if again else 'this'} build of DuckDB: imported again {again}x",
                  a, imports(grid, [2]))
    tap.equal(note.read_bytes(), content, "and noted as this build's")


def check_parquet(tap, grid, files):
    """DuckDB's library reads it, SQLite answers; node 5 has no such library and is not asked."""
    if not any(e.startswith("duckdb/") for e in grid.status(1)["engines"]):
        tap.skip("Parquet on SQLite hosts", "no DuckDB library here: deploy/setup --with-duckdb")
        return
    subprocess.run([os.environ["QUORATE_TPCH_GENERATE"], "--scale", "0.01", "parquet", str(files)], check=True, stdout=subprocess.DEVNULL,
                   env={**os.environ, "QUORATE_DUCKDB": grid_library()})
    root = publish(grid, files / "lineitem.parquet")
    before = imports(grid)
    three = ("--quorum", "3", "--replicas", "3", "--data", f"l={root}")
    want = grid.ask(PARQUET, "--engine", "duckdb", *three)
    a = grid.ask(PARQUET, "--engine", "sqlite", *three)
    tap.check(a.state == want.state == "VERIFIED" and a.rows == want.rows and a.rows[0][0] > 50000
              and all(e.startswith("sqlite/") for e in a.json["engines"]), "a Parquet dataset, agreed by SQLite hosts", a, want)
    tap.equal({n: c - before[n] for n, c in imports(grid).items()}, {1: 0, 2: 1, 3: 1, 4: 1, 5: 0}, "each of the three imported it, once")
    tap.check(grid.peer(5) not in str(a.json["hosts"]), "who cannot import it was not asked", a)
    a = grid.ask(PARQUET, "--engine", "sqlite", "--comparison", "portable", *three)
    tap.check(a.code == 2 and "a Parquet file" in str(a) and "no host" not in str(a), "engines may differ about it: that is said of --comparison portable", a)
    money = "SELECT sum(l_quantity), max(l_extendedprice) FROM l"
    a, want = grid.ask(money, "--engine", "sqlite", *three), grid.ask(money, "--engine", "duckdb", *three)
    tap.check(a.state == "VERIFIED" and a.json["class"] == "FLOAT" and [float(v) for v in a.rows[0]] == [float(v) for v in want.rows[0]],
              "money is REAL in SQLite, and of class FLOAT", a, want)
    tap.equal({n: c - before[n] for n, c in imports(grid).items()}, {1: 0, 2: 1, 3: 1, 4: 1, 5: 0}, "and nobody imported it again")
    tap.equal(len({r for node in (2, 3, 4) for r in derived(grid, node, root)}), 1, "three hosts arrived at the same derived root")
    check_other_build(tap, grid, root)
    grid.ctl(5, "dataset", "fetch", root, "--from", grid.peer(1), timeout=60)
    a = grid.ask(PARQUET, "--engine", "sqlite", "--prefer", "local", "--data", f"l={root}", node=5)
    tap.check(a.error == "REFUSED" and "DuckDB" in str(a), "a node without the library says what is missing", a)
    (files / "swells.parquet").write_bytes(base64.b64decode(SWELLS))
    root = publish(grid, files / "swells.parquet")
    before = imports(grid)
    three = ("--quorum", "3", "--replicas", "3", "--data", f"t={root}")
    a = grid.ask("SELECT count(*) FROM t", "--engine", "duckdb", *three)
    tap.check(a.state == "VERIFIED" and int(a.rows[0][0]) == 3000000, "a few bytes that stand for millions of rows: DuckDB counts them", a)
    code, out, err = grid.ctl(1, "explain", "--data", f"t={root}", "SELECT count(*) FROM t")
    tap.check(code == 0 and "portable    no: a Parquet file" in out, "nobody is told that both engines would take it", out, err)
    a = grid.ask("SELECT count(*) FROM t", "--engine", "sqlite", *three)
    tap.check(a.error in ("LIMIT", "TOO_FEW_HOSTS") and "import" in str(a), "no host makes a large file of them", a)
    tap.equal([derived(grid, node, root) for node in (2, 3, 4)], [{}, {}, {}], "and none keeps one")
    tap.equal(imports(grid), before, "nor counts one")


# DuckDB's COPY (SELECT i AS id, CASE WHEN i = 3 THEN 'nan'::DOUBLE ELSE i + 0.5 END AS fare FROM range(1, 6) t(i)) TO …
HAS_NAN = (
    "UEFSMRUAFVwVUCwVChUAFQYVBgAALhwCAAAACgEBAAkBAQ4BAQADAQVIAAAABAAAAAAAAAAFAAAAAAAAABUAFVwVTCwVChUAFQYVBgAALhgCAAAACgEABQEE"
    "+D8FBwgABEAJCAT4fwkIJBJAAAAAAAAAFkAVAhk8NQAYDWR1Y2tkYl9zY2hlbWEVBAAVBCUCGAJpZCUkABUKJQIYBGZhcmUAFgoZHBksJgAcFQQZFQAZGAJp"
    "ZBUCFgoWfhZyJgg8GAgFAAAAAAAAABgIAQAAAAAAAAAWACgIBQAAAAAAAAAYCAEAAAAAAAAAEREAAAAmABwVChkVABkYBGZhcmUVAhYKFn4WbiZ6PDYAAAAA"
    "FvwBFgomCBbgAQAoKER1Y2tEQiB2ZXJzaW9uIHYxLjUuNiAoYnVpbGQgMDY5Y2M5ZjliNSkZLBwAABwAAADYAAAAUEFSMQ=="
)


def known(grid, node):
    return grid.metrics(node)["quorate_coordinator_imports_known"]


def check_data_fault(tap, grid, files):
    """A value that SQLite cannot keep: an answer of all hosts, with its place, and found once."""
    if not any(e.startswith("duckdb/") for e in grid.status(1)["engines"]):
        tap.skip("a value that SQLite cannot keep", "no DuckDB library here: deploy/setup --with-duckdb")
        return
    (files / "nan.parquet").write_bytes(base64.b64decode(HAS_NAN))
    root = publish(grid, files / "nan.parquet")
    three = ("--engine", "sqlite", "--quorum", "3", "--replicas", "3", "--data", f"fares={root}")
    place = "dataset 'fares': row 3, column 2 'fare': NaN, which SQLite takes for NULL"
    for again in (0, 1):
        a = grid.ask(f"SELECT count(*) + {again} FROM fares", *three)
        tap.check(a.code == 5 and a.error == "SQL_ERROR" and "ENCODING" in str(a) and place in str(a) and "says: " in str(a),
                  "a value that SQLite cannot keep is an error of the data, with dataset, row, column and value", a)
        tap.check(len([h for h in a.hosts if h["verdict"] == "correct"]) == 3, "on which three hosts agree", a)
        tap.equal({n: known(grid, n) for n in (2, 3, 4)}, {n: again for n in (2, 3, 4)},
                  "found again by nobody" if again else "found by each")
    a = grid.ask("SELECT count(*) FROM theirs", "--engine", "sqlite", "--quorum", "3", "--replicas", "3", "--data", f"theirs={root}")
    tap.check(a.error == "SQL_ERROR" and place.replace("fares", "theirs") in str(a) and "fares" not in str(a), "who has another name for it reads that", a)
    a = grid.ask("SELECT count(*) FROM other", "--engine", "sqlite", "--prefer", "local", "--data", f"other={root}")
    tap.check(a.error == "SQL_ERROR" and place.replace("fares", "other") in str(a) and "says" not in str(a), "on the asking node, under another name", a)
    a = grid.ask("SELECT count(*), sum(id) FROM fares", "--engine", "duckdb", "--quorum", "3", "--replicas", "3", "--data", f"fares={root}")
    tap.check(a.state == "VERIFIED" and [int(v) for v in a.rows[0]] == [5, 15], "DuckDB, which is named there, answers", a)
    with contextlib.closing(sqlite3.connect(files / "own.db")) as db:
        db.execute("CREATE TABLE own (a INTEGER) STRICT")
    a = grid.ask("SELECT (SELECT count(*) FROM fares), (SELECT count(*) FROM own)", "--data", f"fares={root}", "--data",
                 publish(grid, files / "own.db"))
    tap.check(a.code == 2 and "--engine sqlite" in str(a), "what no engine reads as it is names the one that would import", a)


def check_spoilt(tap, grid, files):
    """What is wrong with a file is remembered for all that ask, under the name that each of them has for it."""
    if not any(e.startswith("duckdb/") for e in grid.status(1)["engines"]):
        tap.skip("a file that DuckDB cannot read", "no DuckDB library here: deploy/setup --with-duckdb")
        return
    spoilt = bytearray(base64.b64decode(HAS_NAN))
    spoilt[37] = 0x15  # in its first page; the columns stand at its end
    (files / "spoilt.parquet").write_bytes(spoilt)
    root = publish(grid, files / "spoilt.parquet")
    before = known(grid, 1)
    for again, name in enumerate(("mine", "theirs", "ours")):
        a = grid.ask(f"SELECT sum(id), sum(fare) FROM {name}", "--engine", "sqlite", "--prefer", "local", "--data", f"{name}={root}")
        tap.check(a.error == "REFUSED" and f'read file "{name}"' in a.json["message"] and a.json["position"] == -1,
                  f"a file that cannot be read, asked as {name}", a)
        tap.equal(known(grid, 1), before + again, "found again by nobody" if again else "found")


def check_limits(tap, grid, files):
    """An import takes what the run that waits for it may take, and no more."""
    def ask(source, *options):
        return grid.ask("SELECT count(*) FROM t", "--engine", "sqlite", "--prefer", "local", "--data", f"t={source}", *options)

    before = imports(grid, [1])[1]
    (files / "short.csv").write_text("id,text\n" + "".join(f"{i},{i:099d}x\n" for i in range(20000)))  # a few ms
    root = publish(grid, files / "short.csv")
    a = ask(root, "--max-cpu", "1ms")
    tap.check(a.error == "LIMIT" and "--max-cpu" in str(a) and imports(grid, [1])[1] == before, "an import above the job's own processor time ends", a)
    a = ask(root)
    tap.check(a.state == "LOCAL" and a.rows == [(20000,)] and imports(grid, [1])[1] == before + 1, "with more it is made: a limit is no fault of the data", a)
    (files / "wide.csv").write_text("id,text\n" + "".join(f"{i},{'x' * 1000000}\n" for i in range(8)))
    a = ask(publish(grid, files / "wide.csv"), "--max-memory", "1M")
    tap.check(a.state == "LOCAL" and a.rows == [(8,)] and imports(grid, [1])[1] == before + 2, "rows of 1 MB are imported with the smallest memory a job may have", a)
    a = grid.ask("SELECT 1", "--prefer", "remote", "--max-memory", "100G")
    tap.check(a.error == "LIMIT" and "--max-memory is more than a job is given here; lower it to 512M or less" in str(a), "more than hosts give: how much that is", a)
    if (files / "lineitem.parquet").exists():
        for where in ("local", "remote"):
            a = grid.ask(PARQUET, "--prefer", where, "--max-memory", "1M", "--data", f"l={publish(grid, files / 'lineitem.parquet')}")
            # A host without DuckDB has another reason, and then they are too few.
            tap.check(a.error in ("LIMIT", "TOO_FEW_HOSTS") and "raise --max-memory" in a.json["error"] + a.json["message"] and
                      "or ask with --engine sqlite: hosts import the data first" in str(a),
                      f"DuckDB is short of memory, {where}: it is said that SQLite may do with less", a)
        a = ask(publish(grid, files / "lineitem.parquet"), "--max-memory", "4M")
        tap.check(a.error == "LIMIT" and "--max-memory" in str(a) and imports(grid, [1])[1] == before + 2, "one of DuckDB gets no more than the job has", a)


def check_progress(tap, grid, files):
    """Long work is seen by who waits for it at a terminal, here and on hosts."""
    with open(files / "slow.csv", "w") as f:
        f.write("id,text\n")
        f.writelines(f"{i},{i * 7907 % 1000003:0100d}y\n" for i in range(600000))
    root = publish(grid, files / "slow.csv")
    for where, wanted in (("local", rb"\r\x1b\[Kimporting  0 rows  [0-9.]+ MiB"), ("remote", rb"\([^)]*\d importing[^)]*\)  0 rows  [0-9.]+ MiB")):
        terminal, theirs = pty.openpty()
        query = subprocess.Popen([g.QUORATE, "query", *grid.place(1), "--engine", "sqlite", "--prefer", where, "--data", f"t={root}",
                                  "SELECT count(*) FROM t"], stdout=subprocess.PIPE, stderr=theirs, stdin=subprocess.DEVNULL, env=grid.env)
        os.close(theirs)
        said = b""
        with contextlib.suppress(OSError):  # the other side is closed
            while part := os.read(terminal, 4096):
                said += part
        out, _ = query.communicate(timeout=60)
        os.close(terminal)
        tap.check(b"600000" in out and re.search(wanted, said), f"an import is seen at a terminal, {where}", out, said[-2000:])
    return root


def check_left(tap, grid, root):
    """Who waits for an import with the most memory goes, and the next one, too: it begins again once, and not for each."""
    grid.ctl(1, "dataset", "rm", *derived(grid, 1, root))
    before, again = imports(grid, [1])[1], grid.metrics(1)["quorate_coordinator_imports_again"]
    queries, jobs = [], []
    for memory in ("96M", "80M", "64M"):
        if len(jobs) == 2:  # as many as run at a time
            grid.ctl(1, "job", "cancel", jobs[0])
        queries.append(grid.begin("SELECT count(*) FROM t", "--engine", "sqlite", "--prefer", "local", "--data", f"t={root}", "--max-memory", memory))
        jobs.append(g.wait_until("it runs", lambda: [j["job"] for j in grid.jobs(1) or [] if j["state"] == "running" and j["job"] not in jobs], every=0.01)[0])
    grid.ctl(1, "job", "cancel", jobs[1])
    a, b, c = (q.wait() for q in queries)
    tap.check(a.error == b.error == "CANCELLED" and c.state == "LOCAL" and c.rows == [(600000,)] and imports(grid, [1])[1] == before + 1,
              "one that waits with less is answered all the same", a, b, c)
    tap.equal(grid.metrics(1)["quorate_coordinator_imports_again"] - again, 1, "by an import that begins again once")


def grid_library():
    places = ("/usr/local/lib/quorate", "/usr/lib/quorate", os.path.expanduser("~/.local/lib/quorate"))
    return os.environ.get("QUORATE_DUCKDB") or next((f"{p}/libduckdb.so" for p in places if os.path.exists(f"{p}/libduckdb.so")), "")


def begin_import(grid, node, source):
    return grid.begin("SELECT count(*), sum(length(text)) FROM large", "--engine", "sqlite", "--prefer", "local",
                      "--data", f"large={source}", node=node)


def check_kill(tap, grid, files):
    """The coordinator is killed while the file is written, then the executor while it reads."""
    folder, source, root = folder_of(grid, 5), publish(grid, files / "large.csv", 5), None
    for who in ("coordinator", "executor"):
        before = set(folder.glob("*.import"))
        query = begin_import(grid, 5, source)
        if who == "coordinator":
            g.wait_until("an import is written", lambda: any(folder.glob("upload-*.tmp")), every=0.002)
            grid.kill(5, "coordinator")
        else:
            end = time.monotonic() + 1.5  # those that import, and their zygote
            while time.monotonic() < end:
                for pid in grid.executors(5):
                    with contextlib.suppress(OSError):
                        os.kill(pid, signal.SIGKILL)
                time.sleep(0.1)
        a = query.wait()
        tap.note(f"{who} killed: {a}"[:300])
        tap.check(set(folder.glob("*.import")) == before or a.state == "LOCAL", f"{who} killed: no import is noted", a)
        g.wait_until("node 5 works", lambda: works(grid, 5))
        a = begin_import(grid, 5, source).wait()
        tap.check(a.state == "LOCAL" and a.rows == [(250000, 25250000)], f"{who} killed: asked again, it is imported and answered", a)
        tap.equal([p.name for p in folder.glob("*.tmp")], [], f"{who} killed: nothing is left behind")
        made = [d for d in derived(grid, 5).values() if d["bytes"] > 20 << 20]
        tap.check(len(made) == 1 and root in (None, made[0]["root"]), f"{who} killed: one import, the same", made)
        root = made[0]["root"]
        grid.ctl(5, "dataset", "rm", root)


def main(tap):
    files = pathlib.Path(tempfile.mkdtemp(prefix="qi", dir="/tmp"))
    try:
        write_files(files)
        with g.Grid(NODES, config={5: "\n[worker]\nduckdb = none\n"}) as grid:
            root = publish(grid, files / "trips.csv")
            check_explain(tap, grid, root)
            check_once(tap, grid, root)
            made = check_same(tap, grid, root)
            check_remove(tap, grid, root, made)
            check_join(tap, grid, files, root)
            check_parquet(tap, grid, files)
            check_data_fault(tap, grid, files)
            check_spoilt(tap, grid, files)
            check_limits(tap, grid, files)
            check_wrong(tap, grid, files, root, made)
            check_kill(tap, grid, files)
            check_left(tap, grid, check_progress(tap, grid, files))
            tap.equal(grid.stop(), 0, "the grid stops in order")
    finally:
        shutil.rmtree(files)


if __name__ == "__main__":
    sys.exit(Tap().run([main]))
