#!/usr/bin/env python3
"""Figures of datasets: four nodes on loopback, one fetches what one, then three others have.
usage: bench_datasets.py BUILD [MIB]      512 of them unless said otherwise
One JSON object on stdout: bytes of the dataset over the time from the call to the synced file. Nothing is left running."""
import json
import os
import pathlib
import sqlite3
import sys

BUILD = pathlib.Path(sys.argv[1]).resolve()
os.environ["QUORATE_CTL"] = str(BUILD / "services/ctl/quorate")
sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "support"))
import grid as g  # noqa: E402

ROUNDS = 3


def make_db(path, mib):
    db = sqlite3.connect(path)
    db.executescript("PRAGMA synchronous = OFF; PRAGMA journal_mode = OFF; CREATE TABLE b(x BLOB);")
    for _ in range(mib):
        db.execute("INSERT INTO b VALUES (?)", (os.urandom((1 << 20) - 128),))
    db.commit()
    db.close()


def dataset(grid, node, *arguments):
    code, out, err = grid.ctl(node, "dataset", *arguments, "--json", timeout=280)
    if code:
        raise RuntimeError(f"dataset {' '.join(arguments)}: {err}")
    return json.loads(out.splitlines()[-1])


def fetch(grid, root, *holders):
    """MB/s of the best of some rounds: what it can, not what others leave of the machine."""
    best = 0
    for _ in range(ROUNDS):
        done = dataset(grid, 1, "fetch", root, *(x for node in holders for x in ("--from", grid.peer(node))))
        shares = [p["chunks"] for p in done["providers"]]
        rate = done["fetched"] / 1e6 / (done["elapsed_ms"] / 1e3)
        print(f"# from {len(holders)}: {rate:.0f} MB/s, chunks {shares}", file=sys.stderr)
        best = max(best, rate)
        dataset(grid, 1, "rm", root)
    return best


def main():
    mib = int(sys.argv[2]) if len(sys.argv) > 2 else 512
    with g.Grid(4) as grid:
        path = grid.dir / "b.db"
        make_db(path, mib)
        root = dataset(grid, 2, "publish", str(path))["root"]
        path.unlink()
        ret = {"dataset_fetch_mb_s_1": fetch(grid, root, 2)}
        for node in (3, 4):
            dataset(grid, node, "fetch", root, "--from", grid.peer(2))
        ret["dataset_fetch_mb_s_3"] = fetch(grid, root, 2, 3, 4)
    print(json.dumps({k: round(v, 1) for k, v in ret.items()}))


if __name__ == "__main__":
    main()
