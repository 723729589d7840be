#!/usr/bin/env python3
"""What zstd on rows and chunks gives and costs: three nodes on loopback, as it is and held to 100 Mbit/s.
usage: bench_packing.py BUILD [MIB]      32 MiB of rows unless said otherwise
One JSON object on stdout. In a network of its own (tests/support/world), so that the bytes on the loopback are its
own; the slow link needs root and `tc`, and is left out without. Nothing is left running."""
import json
import os
import pathlib
import random
import shutil
import sqlite3
import subprocess
import sys
import tempfile

BUILD = pathlib.Path(sys.argv[1]).resolve()
WORLD = BUILD / "tests/support/world"
if os.environ.get("QUORATE_BENCH_WORLD") != "1":
    os.execve(WORLD, [str(WORLD), sys.executable, __file__, *sys.argv[1:]], {**os.environ, "QUORATE_BENCH_WORLD": "1"})
os.environ["QUORATE_CTL"] = str(BUILD / "services/ctl/quorate")
sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "support"))
import grid as g  # noqa: E402

ASK = BUILD / "tests/bench/ask"
MIB = int(sys.argv[2]) if len(sys.argv) > 2 else 32
MODES = ("never", "auto", "always")
ROUNDS = 2
SLOW = "100mbit"
SQL = "SELECT id, customer, status, price, day, note FROM orders ORDER BY id"
WORDS = "the of quick careful deposits requests pending final ironic accounts furiously even packages sleep above".split()
TICK = os.sysconf("SC_CLK_TCK")


def make_rows(path):
    """A table as people have them: numbers that grow, a few states, days, text of words; about 80 bytes a row."""
    db = sqlite3.connect(path)
    db.executescript("PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF; CREATE TABLE orders (id INTEGER PRIMARY KEY,"
                     "customer INTEGER NOT NULL, status TEXT NOT NULL, price INTEGER NOT NULL, day TEXT NOT NULL,"
                     "note TEXT NOT NULL) STRICT;")
    r = random.Random(80)
    notes = [" ".join(r.choices(WORDS, k=6)) for _ in range(20000)]
    db.executemany("INSERT INTO orders VALUES (?, ?, ?, ?, ?, ?)",
                   ((i, r.randrange(150000), r.choice("OFP"), r.randrange(10 ** 7),
                     f"199{r.randrange(8)}-{r.randrange(1, 13):02}-{r.randrange(1, 29):02}", r.choice(notes))
                    for i in range(MIB * (1 << 20) // 80)))
    db.commit()
    db.close()


def wire():
    with open("/proc/net/dev") as f:
        return next(int(line.split(":")[1].split()[0]) for line in f if line.strip().startswith("lo:"))


def cpu(grid):
    """Seconds of all processes of the grid, those they waited for too."""
    total = 0
    for pid in [grid.process.pid, *g.descendants(grid.process.pid)]:
        try:
            with open(f"/proc/{pid}/stat") as f:
                total += sum(int(x) for x in f.read().rsplit(")", 1)[1].split()[11:15])
        except OSError:
            pass
    return total / TICK


def measure(grid, act):
    """act() answers bytes and seconds. MB/s, bytes for each on the wire, processor nanoseconds for each."""
    spent, bytes_before = cpu(grid), wire()
    done, seconds = act()
    return done / 1e6 / seconds, done / (wire() - bytes_before), (cpu(grid) - spent) * 1e9 / done


def fetch(grid, root):
    code, out, err = grid.ctl(1, "dataset", "fetch", root, "--from", grid.peer(2), "--json", timeout=280)
    if code:
        raise RuntimeError(err)
    done = json.loads(out.splitlines()[-1])
    grid.ctl(1, "dataset", "rm", root)
    return done["fetched"], done["elapsed_ms"] / 1e3


def rows(grid, path):
    done = subprocess.run([ASK, grid.runtime / "node-1", "rows", SQL, path],
                          capture_output=True, text=True, timeout=280, check=False)
    if done.returncode:
        raise RuntimeError(f"{done.stderr.strip()}\n{grid.tail()}")
    d = json.loads(done.stdout.splitlines()[-1])
    return d["bytes"], d["total_s"] - d["first_row_s"]


def best(grid, what, act):
    got = sorted(measure(grid, act) for _ in range(ROUNDS))
    print(f"# {what}: " + ", ".join(f"{m:.0f} MB/s, {r:.2f} per byte sent, {c:.1f} ns" for m, r, c in got), file=sys.stderr)
    return got[-1]


def hold_back():
    return os.geteuid() == 0 and shutil.which("tc") and subprocess.run(
        ["tc", "qdisc", "add", "dev", "lo", "root", "tbf", "rate", SLOW, "burst", "256kb", "latency", "50ms"],
        stderr=subprocess.DEVNULL, check=False).returncode == 0


def let_go():
    subprocess.run(["tc", "qdisc", "del", "dev", "lo", "root"], stderr=subprocess.DEVNULL, check=False)


def one_mode(mode, path, ret):
    with g.Grid(3, config={0: f"[query]\nreplicas = 2\n[host]\nzstd = {mode}\n"}) as grid:
        code, out, err = grid.ctl(2, "dataset", "publish", str(path), "--json", timeout=280)
        if code:
            raise RuntimeError(err)
        root = json.loads(out.splitlines()[-1])["root"]
        rows(grid, path)  # the hosts have the data from now on
        acts = {"chunks": lambda: fetch(grid, root), "rows": lambda: rows(grid, path)}
        for link in ("", "slow_"):
            if link and not hold_back():
                print("# no link could be held back (root, tc): left out", file=sys.stderr)
                break
            for name, act in acts.items():
                rate, ratio, spent = best(grid, f"{link}{name} {mode}", act)
                ret[f"{link}{name}_zstd_{mode}_mb_s"] = rate
                ret[f"{link}{name}_zstd_{mode}_ratio"] = ratio
                ret[f"{link}{name}_zstd_{mode}_cpu_ns_b"] = spent
        let_go()


def main():
    ret = {}
    tempfile.tempdir = "/tmp"
    with tempfile.TemporaryDirectory() as folder:
        path = pathlib.Path(folder) / "orders.db"
        make_rows(path)
        for mode in MODES:
            one_mode(mode, path, ret)
    print(json.dumps({k: round(v, 2) for k, v in ret.items()}))


if __name__ == "__main__":
    main()
