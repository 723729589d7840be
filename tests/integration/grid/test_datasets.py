#!/usr/bin/env python3
"""Datasets for people, over real nodes: published, found in the DHT, fetched from many, named, kept, verified, asked.

Providers misbehave without any help of theirs: bytes of their files are changed on disk, or their coordinator is stopped."""
import json
import os
import pathlib
import signal
import sqlite3
import subprocess
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2] / "support"))
import grid as g
from tap import Tap

MIB = 1 << 20
FETCHER, HOLDERS = 1, (2, 3, 4, 5, 6)
CACHE = "96M"


def make_db(path, size, rows=10):
    """Table t(id, n) of a few rows, and about `size` bytes of other content."""
    db = sqlite3.connect(path)
    db.executescript("PRAGMA synchronous = OFF; CREATE TABLE t(id INTEGER PRIMARY KEY, n INTEGER); CREATE TABLE b(x BLOB);")
    db.executemany("INSERT INTO t VALUES (?, ?)", ((i, i * i) for i in range(rows)))
    for _ in range(size // MIB):
        db.execute("INSERT INTO b VALUES (?)", (os.urandom(MIB - 200),))
    db.commit()
    db.close()
    return path


def dataset(grid, node, *arguments, timeout=60):
    """(exit code, last JSON object, stderr)"""
    code, out, err = grid.ctl(node, "dataset", *arguments, "--json", timeout=timeout)
    lines = [json.loads(line) for line in out.splitlines()]
    return code, lines[-1] if lines else {}, err


def listed(grid, node):
    code, out, _ = grid.ctl(node, "dataset", "list", "--json")
    return {d["root"]: d for d in map(json.loads, out.splitlines()) if "root" in d} if code == 0 else {}


def file_of(grid, node, root, suffix="data"):
    return grid.state / f"node-{node}" / "coordinator" / "datasets" / f"{root}.{suffix}"


def spoil(path, every):
    """Changes one byte of each `every`-th chunk."""
    os.chmod(path, 0o644)
    with open(path, "r+b") as f:
        for at in range(0, path.stat().st_size, every * MIB):
            f.seek(at)
            byte = f.read(1)
            f.seek(at)
            f.write(bytes([byte[0] ^ 1]))


def served(grid, node):
    return grid.metrics(node)["data_served"]


def check_publish(tap, grid):
    path = make_db(grid.dir / "small.db", 3 * MIB)
    code, d, err = dataset(grid, 2, "publish", str(path), "--public", "--name", "sales")
    tap.check(code == 0 and len(d.get("root", "")) == 64, "publish: a root", code, d, err)
    root = d["root"]
    tap.check(d["pinned"] and d["announced"] and d["class"] == "public" and d["format"] == "sqlite" and d["name"] == "sales"
              and d["state"] == "here" and d["bytes"] > 3 * MIB - 4096, "publish: pinned, public, announced, named", d)
    again = dataset(grid, 2, "publish", str(path), "--public")[1]
    tap.equal((again["root"], again["name"]), (root, "sales"), "the same content is the same dataset, and keeps its name")
    code, out, err = grid.ctl(2, "dataset", "list")
    tap.check(code == 0 and root in out and "published" in out and "sales" in out and "of 96.0 MiB used" in out, "list, for people", out, err)
    code, out, err = grid.ctl(2, "dataset", "show", "sales")
    tap.check(code == 0 and root in out and "chunks" in out and "here, pinned, announced" in out, "show by name, for people", out, err)
    code, d, err = dataset(grid, 2, "show", root)
    tap.check(code == 0 and d["dataset"]["root"] == root and d["chunks"] == 4, "show by root, JSON", d, err)
    return root


def check_find(tap, grid, root):
    """Found by nobody but the DHT."""
    code, d, err = g.wait_until("a provider in the DHT", lambda: (x := dataset(grid, 3, "fetch", root))[0] == 0 and x, 30, 0.5)
    tap.check(d["state"] == "done" and d["fetched"] > 3 * MIB - 4096, "fetch by root: found in the DHT", d)
    tap.equal([p["peer"] for p in d["providers"] if p["chunks"]], [grid.peer(2)], "from who has it")
    tap.check(listed(grid, 3)[root]["pinned"] is False, "what is fetched may be dropped again", listed(grid, 3))
    name = f"sales@{grid.peer(2)}"
    code, d, err = g.wait_until("the name in the DHT", lambda: (x := dataset(grid, 4, "fetch", name, "--pin"))[0] == 0 and x, 30, 0.5)
    tap.equal(d["root"], root, "fetch by NAME@PEER")
    tap.check(listed(grid, 4)[root]["pinned"] and listed(grid, 4)[root]["announced"], "pinned and public: announced", listed(grid, 4))
    code, out, err = grid.ctl(4, "dataset", "fetch", root)
    tap.check(code == 0 and "here already" in out, "fetched twice: here already", out, err)


def check_queries(tap, grid, root):
    other = make_db(grid.dir / "other.db", 0, rows=4)
    second = dataset(grid, 3, "publish", str(other), "--public", "--name", "other")[1]["root"]
    name = f"other@{grid.peer(3)}"
    g.wait_until("the second name", lambda: dataset(grid, 5, "fetch", name)[0] == 0, 30, 0.5)
    sql = "SELECT (SELECT sum(n) FROM a.t), (SELECT count(*) FROM b.t)"
    answer = grid.ask(sql, "--data", f"a={root}", "--data", f"b={name}", node=5)
    tap.check(answer.state == "VERIFIED" and answer.rows == [(285, 4)], "two datasets, one by root and one by name: VERIFIED", answer)
    tap.equal({i["name"]: i["root"] for i in answer.json.get("inputs", [])}, {"a": root, "b": second}, "the answer says which roots")
    code, out, err = grid.ctl(5, "query", "--prefer", "remote", "--meta", "--data", f"t={root}", "SELECT count(*) FROM t.t")
    tap.check(code == 0 and f"data t: {root}" in err, "so does --meta", out, err)
    answer = grid.ask("SELECT count(*) FROM t.t", "--data", "t=other@me", node=3)
    tap.check(answer.state == "VERIFIED" and answer.rows == [(4,)], "NAME@me", answer)
    code, out, err = grid.ctl(3, "query", "--data", "t=nothing@me", "SELECT 1")
    tap.check(code == 5 and "no dataset is called that here" in err, "a name that is none", code, err)


def check_missing(tap, grid):
    """A root that nobody has; and one that its only provider has lost since."""
    answer = grid.ask("SELECT 1", "--data", "t=" + "ab" * 32, node=1)
    tap.check(answer.code == 5 and answer.error.startswith("DATA_UNAVAILABLE") and "ab" * 32 in answer.json.get("message", answer.error),
              "a root that nobody has", answer)
    path = make_db(grid.dir / "lost.db", MIB)
    root = dataset(grid, 6, "publish", str(path), "--public")[1]["root"]
    g.wait_until("it is announced", lambda: dataset(grid, 5, "fetch", root)[0] == 0, 30, 0.5)
    spoil(file_of(grid, 6, root), 1)
    spoil(file_of(grid, 5, root), 1)
    answer = grid.ask("SELECT 1", "--data", f"t={root}", node=1)
    text = answer.json.get("message", answer.error)
    tap.check(answer.code == 5 and "DATA_UNAVAILABLE" in answer.error and f"…{grid.peer(6)[-8:]} sent a wrong chunk" in text,
              "a query on a root that cannot be had says who was asked, and what he did", answer)
    code, _, err = dataset(grid, 1, "fetch", root)
    tap.check(code == 5 and f"…{grid.peer(6)[-8:]} sent a wrong chunk" in err, "so does fetch", code, err)
    for node in (5, 6):
        code, d, err = dataset(grid, node, "verify", root)
        tap.check(code == 5 and "2 of 2 chunks are wrong" in err, f"node {node}: verify finds it", code, d, err)
        tap.equal(listed(grid, node)[root]["state"], "partial", f"node {node}: and no longer uses it")


def test_datasets(tap):
    config = {0: f"\n[coordinator]\ncache-size = {CACHE}\n"}
    with g.Grid(6, config) as grid:
        root = check_publish(tap, grid)
        check_find(tap, grid, root)
        check_queries(tap, grid, root)
        check_missing(tap, grid)


if __name__ == "__main__":
    sys.exit(Tap().run([test_datasets]))
