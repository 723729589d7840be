#!/usr/bin/env python3
"""Figures of a whole grid: four nodes on loopback, one asks, three answer; a single node at rest.
usage: bench_grid.py BUILD [PART…]      parts: latency stream set dataset idle (all)
One JSON object on stdout. Nothing is left running."""
import json
import os
import pathlib
import random
import sqlite3
import subprocess
import sys
import tempfile
import threading
import time

BUILD = pathlib.Path(sys.argv[1]).resolve()
os.environ["QUORATE_CTL"] = str(BUILD / "services/ctl/quorate")
sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "support"))
import grid as g  # noqa: E402

ASK = BUILD / "tests/bench/ask"
HOSTS = (2, 3, 4)
SET_ROWS = 1 << 20
STREAM_ROWS = 12_500_000  # of 80 canonical bytes: 1 GB
DATASET_BYTES = 256 << 20
IDLE_WAIT = 60
# The caps on one peer are for strangers; the four clients here are one peer.
CONFIG = "offers-per-second = 100000\noffers-at-once = 100000\nbids-per-peer = 64\n"


def ask(grid, *arguments):
    done = subprocess.run([ASK, grid.runtime / "node-1", *map(str, arguments)],
                          capture_output=True, text=True, timeout=280, check=False)
    if done.returncode:
        raise RuntimeError(f"ask {' '.join(map(str, arguments))}: {done.stderr.strip()}\n{grid.tail()}")
    return json.loads(done.stdout.splitlines()[-1])


def make_rows(path, rows):
    """t(id, note): every row is 80 canonical bytes (tag, length and 4 bytes; tag, length, 72)."""
    db = sqlite3.connect(path)
    db.executescript("PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF; PRAGMA page_size = 8192;"
                     "CREATE TABLE t (id INTEGER PRIMARY KEY, note TEXT NOT NULL) STRICT;")
    first = 1 << 24  # the least whose two's complement has four bytes
    seed = random.Random(80)
    words = ["%072x" % seed.getrandbits(288) for _ in range(4096)]
    db.executemany("INSERT INTO t VALUES (?, ?)",
                   ((first + i, words[i & 4095]) for i in range(rows)))
    db.commit()
    db.close()


def make_blob(path, size):
    db = sqlite3.connect(path)
    db.executescript("PRAGMA synchronous = OFF; CREATE TABLE b (x BLOB);")
    with open("/dev/urandom", "rb") as f:
        for _ in range(size >> 20):
            db.execute("INSERT INTO b VALUES (?)", (f.read((1 << 20) - 128),))
    db.commit()
    db.close()


def memory(pid, field, source="smaps_rollup"):
    try:
        with open(f"/proc/{pid}/{source}") as f:
            return next((int(line.split()[1]) for line in f if line.startswith(field)), 0) / 1024
    except OSError:
        return 0


class Peaks:
    """Largest PSS of each service of some nodes while a `with` block runs."""

    def __init__(self, grid, nodes, services):
        self.pids = {(n, s): grid.pid(n, s) for n in nodes for s in services}
        self.peak = dict.fromkeys(self.pids, 0.0)
        self.series = {k: [] for k in self.pids}
        self.done = threading.Event()
        self.thread = threading.Thread(target=self._watch)

    def _watch(self):
        while not self.done.wait(0.1):
            for key, pid in self.pids.items():
                self.series[key].append(memory(pid, "Pss:"))

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.done.set()
        self.thread.join()

    def of(self, service):
        return max(max(v, default=0) for (_, s), v in self.series.items() if s == service)

    def note(self):
        for (node, service), v in self.series.items():
            eighths = [max(v[i * len(v) // 8:(i + 1) * len(v) // 8], default=0) for i in range(8)]
            print(f"# node {node} {service}: " + " ".join(f"{x:.0f}" for x in eighths), file=sys.stderr)


def latency(grid, ret):
    ret.update(ask(grid, "latency", 300))
    ret.update(ask(grid, "latency", 100, 4))


def stream(grid, ret):
    path = grid.dir / "rows.db"
    make_rows(path, STREAM_ROWS)
    sql = "SELECT id, note FROM t ORDER BY id"
    ask(grid, "rows", f"{sql} LIMIT 1", path)  # the dataset is fetched now, not while we measure
    with Peaks(grid, range(1, 5), ("coordinator", "transport")) as peaks:
        rows = ask(grid, "rows", sql, path)
    peaks.note()
    ret.update(rows_mb_s=rows["rows_mb_s"], rows_total_mb_s=rows["rows_total_mb_s"],
               rows_first_s=rows["first_row_s"],
               stream_peak_coordinator_mib=peaks.of("coordinator"),
               stream_peak_transport_mib=peaks.of("transport"))
    path.unlink()


def sets(grid, ret):
    path = grid.dir / "set.db"
    make_rows(path, SET_ROWS)
    with Peaks(grid, range(1, 5), ("coordinator", "transport")) as peaks:
        rows = ask(grid, "rows", "SELECT id, note FROM t", path)
    peaks.note()
    ret.update(set_rows_mb_s=rows["rows_total_mb_s"], set_peak_coordinator_mib=peaks.of("coordinator"))
    path.unlink()


def dataset(grid, ret):
    """The first of two answers has the fetch in it, by three hosts at once; both have the upload."""
    path = grid.dir / "fetch.db"
    make_blob(path, DATASET_BYTES)
    spent = []
    for _ in range(2):
        answer = grid.ask("SELECT count(*) FROM b", data=path, timeout=200)
        if answer.state != "VERIFIED":
            raise RuntimeError(str(answer))
        spent.append(answer.seconds)
    path.unlink()
    print(f"# dataset: {spent[0]:.2f} s, then {spent[1]:.2f} s", file=sys.stderr)
    ret["dataset_mb_s"] = DATASET_BYTES / 1e6 / max(spent[0] - spent[1], 1e-3)


def idle(ret):
    folder = tempfile.TemporaryDirectory()
    pathlib.Path(folder.name).chmod(0o755)  # services have uids of their own
    # A free port and a network of its own: there may be another node on this machine.
    pathlib.Path(folder.name, "quorate.conf").write_text("[network]\nname = bench\n[transport]\nlisten = /ip4/0.0.0.0/udp/0/quic-v1\n")
    with folder, g.Grid(1, run_options=["--workers", "1", "--config", folder.name], ready=False) as grid:
        time.sleep(IDLE_WAIT)
        pids = list(g.descendants(grid.process.pid)) + [grid.process.pid]
        parts = {}
        for pid in pids:
            name = g.command_name(pid)
            parts[name] = parts.get(name, 0) + memory(pid, "Pss:")
        print("# idle: " + " ".join(f"{k} {v:.1f}" for k, v in parts.items()), file=sys.stderr)
        ret["idle_pss_mib"] = sum(parts.values())


def main():
    wanted = sys.argv[2:] or ["latency", "stream", "set", "dataset", "idle"]
    tempfile.tempdir = "/tmp"
    ret = {}
    parts = {"latency": latency, "stream": stream, "set": sets, "dataset": dataset}
    if any(p in parts for p in wanted):
        with g.Grid(4, config={0: CONFIG}) as grid:
            for name, part in parts.items():
                if name in wanted:
                    part(grid, ret)
    if "idle" in wanted:
        idle(ret)
    print(json.dumps({k: round(v, 3) for k, v in ret.items()}))


if __name__ == "__main__":
    main()
