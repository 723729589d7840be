#!/usr/bin/env python3
"""Chunks and rows as zstd frames between real nodes: what is on the wire is less, what comes out is the same; a node that
does not pack is understood; who sends frames that are not what they say is named, and others are asked."""
import json
import pathlib
import sqlite3
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2] / "support"))
import grid as g
from tap import Tap

ROWS = 60000
SQL = "SELECT id, state, note FROM orders ORDER BY id"
PACKS, PLAIN, LIES = 2, 3, 4


def truth():
    return [(i, "FILLED" if i % 3 else "OPEN", f"order number {i % 977} of a customer who ordered before") for i in range(ROWS)]


def make_db(path):
    db = sqlite3.connect(path)
    db.execute("CREATE TABLE orders (id INTEGER PRIMARY KEY, state TEXT NOT NULL, note TEXT NOT NULL) STRICT")
    db.executemany("INSERT INTO orders VALUES (?, ?, ?)", truth())
    db.commit()
    db.close()
    return path


def on_the_wire():
    """Bytes on the loopback of this test's own world."""
    with open("/proc/net/dev") as f:
        return next(int(line.split(":")[1].split()[0]) for line in f if line.strip().startswith("lo:"))


def dataset(grid, node, *arguments):
    code, out, err = grid.ctl(node, "dataset", *arguments, "--json", timeout=60)
    lines = [json.loads(line) for line in out.splitlines()]
    return code, lines[-1] if lines else {}, err


def check_chunks(tap, grid, root, length):
    for node, is_packed in ((PACKS, True), (PLAIN, False)):
        before = on_the_wire()
        code, d, err = dataset(grid, 1, "fetch", root, "--from", grid.peer(node))
        moved = on_the_wire() - before
        tap.check(code == 0 and d.get("state") == "done", f"fetched from node {node}", d, err)
        tap.check((moved < length * 2 // 3) == is_packed, f"{'packed' if is_packed else 'as it is'}: {moved} bytes for {length}")
        code, d, err = dataset(grid, 1, "verify", root)
        tap.check(code == 0 and d["good"], "what came is right", d, err)
        dataset(grid, 1, "rm", root)


def check_liar(tap, grid, root):
    code, d, err = dataset(grid, 1, "fetch", root, "--from", grid.peer(LIES))
    tap.check(code == 5 and "sent a chunk that does not unpack to what it is" in json.dumps(d, ensure_ascii=False) + err and
              grid.peer(LIES)[-8:] in json.dumps(d, ensure_ascii=False) + err, "who sends wrong frames is named", code, d, err)
    code, d, err = dataset(grid, 1, "fetch", root, "--from", grid.peer(LIES), "--from", grid.peer(PLAIN))
    gave = {p["peer"]: (p["verdict"], p["chunks"]) for p in d.get("providers", [])}
    tap.check(code == 0 and d.get("state") == "done", "beside it another one gives all", d, err)
    tap.check(gave[grid.peer(LIES)][1] == 0 and gave[grid.peer(PLAIN)][0] == "ok", "nothing of it was kept, and the other is not blamed", gave)
    code, d, err = dataset(grid, 1, "verify", root)
    tap.check(code == 0 and d["good"], "what came is right", d, err)


def test_chunks(tap):
    config = {PACKS: "[host]\nzstd = always\n", PLAIN: "[host]\nzstd = never\n"}
    if g.has_faults():
        config[LIES] = "[host]\nzstd = always\n[faults]\nmode = wrong_pack\n"
    with g.Grid(LIES, config) as grid:
        path = make_db(grid.dir / "orders.db")
        length = path.stat().st_size
        root = dataset(grid, PACKS, "publish", str(path))[1]["root"]
        for node in (PLAIN, LIES):
            code, _, err = dataset(grid, node, "fetch", root, "--from", grid.peer(PACKS))
            tap.check(code == 0, f"node {node} has it", err)
        check_chunks(tap, grid, root, length)
        if g.has_faults():
            check_liar(tap, grid, root)
        else:
            tap.skip("who sends wrong frames is named", "this build has no fault injection")


def test_rows(tap):
    moved = {}
    for mode in ("never", "always"):
        with g.Grid(3, {0: f"[query]\nreplicas = 2\n[host]\nzstd = {mode}\n"}) as grid:
            path = make_db(grid.dir / "orders.db")
            grid.ask("SELECT count(*) FROM orders", "--prefer", "remote", data=path)  # the hosts have it from now on
            before = on_the_wire()
            answer = grid.ask(SQL, "--prefer", "remote", data=path)
            moved[mode] = on_the_wire() - before
            tap.equal(answer.state, "VERIFIED", f"zstd = {mode}: verified")
            tap.check(answer.rows == truth(), f"zstd = {mode}: the right rows", str(answer))
    tap.check(moved["always"] < moved["never"] // 2, "frames are less than half of the rows", moved)


if __name__ == "__main__":
    sys.exit(Tap().run([test_chunks, test_rows]))
