#!/usr/bin/env python3
"""TPC-H verified by three DuckDB hosts, beside DuckDB's library alone in one process.
usage: bench_tpch.py BUILD [SCALE]       scale 1 unless said otherwise
One JSON object on stdout. Both warm, one thread each, the same Parquet; of two rounds the better one. The processor's time is that
of the whole machine, so that it has to be quiet. Without DuckDB's library: an empty object."""
import json
import os
import pathlib
import subprocess
import sys
import tempfile
import time

BUILD = pathlib.Path(sys.argv[1]).resolve()
os.environ["QUORATE_CTL"] = str(BUILD / "services/ctl/quorate")
sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "support"))
import grid as g  # noqa: E402
import tpch  # noqa: E402

LIBRARY, GENERATE = BUILD / "tests/bench/tpch_library", BUILD / "tests/bench/tpch_generate"
NO_LIBRARY, ROUNDS = 77, 2


def busy_seconds():
    """Of all processors, by this machine's own account: user, nice, system, interrupts."""
    user, nice, system, _, _, irq, softirq = map(int, open("/proc/stat").readline().split()[1:8])
    return (user + nice + system + irq + softirq) / os.sysconf("SC_CLK_TCK")


def publish(grid, path):
    code, out, err = grid.ctl(1, "dataset", "publish", str(path), "--public", "--json", timeout=280)
    if code:
        raise RuntimeError(f"publish {path}: {err}")
    return json.loads(out.splitlines()[-1])["root"]


def verified(grid, options, sql):
    answer = grid.ask(sql, *options, timeout=280)
    if answer.state != "VERIFIED":
        raise RuntimeError(f"{sql[:60]}: {answer}")
    return answer.json["elapsed_ms"] / 1e3


def by_the_grid(grid, options, statements):
    """(seconds, seconds of all processors) of all of them, of the better round."""
    rounds = []
    for _ in range(ROUNDS + 1):  # the first one warms
        busy = busy_seconds()
        rounds.append((sum(verified(grid, options, sql) for sql in statements), busy_seconds() - busy))
        print(f"# grid: {rounds[-1][0]:.2f} s, processors {rounds[-1][1]:.2f} s", file=sys.stderr)
    return min(rounds[1:])


def by_the_library(directory, statements, processes=1):
    """Of the better round: the wall clock's seconds of the slowest process, the processors' of all."""
    rounds = []
    for _ in range(ROUNDS):
        running = [subprocess.Popen([LIBRARY, "--time", str(directory), *statements], stdout=subprocess.PIPE, text=True) for _ in range(processes)]
        said = [json.loads(p.communicate()[0]) for p in running]
        rounds.append({"wall": max(r["wall"] for r in said), "cpu": sum(r["cpu"] for r in said)})
        print(f"# library, {processes} at once: {rounds[-1]}", file=sys.stderr)
    return min(rounds, key=lambda r: r["wall"])


def measure(grid, directory):
    statements = [sql for *_, sql in tpch.questions("duckdb")]
    roots = {t: publish(grid, directory / f"{t}.parquet") for t in tpch.TABLES}
    options = [x for t, root in roots.items() for x in ("--data", f"{t}={root}")] + ["--max-memory", "512M"]
    wall, cpu = by_the_grid(grid, options, statements)
    alone = by_the_library(directory, statements)
    three = by_the_library(directory, statements, 3)
    return {"tpch_sf1_ratio": wall / alone["wall"], "tpch_sf1_cpu_ratio": cpu / alone["cpu"], "tpch_sf1_cores": cpu / wall,
            "tpch_sf1_three_ratio": three["wall"] / alone["wall"], "tpch_sf1_three_cpu_ratio": three["cpu"] / alone["cpu"]}


def main():
    scale = sys.argv[2] if len(sys.argv) > 2 else "1"
    if subprocess.run([LIBRARY], capture_output=True).returncode == NO_LIBRARY:
        print("{}")
        return
    with tempfile.TemporaryDirectory(prefix="tpch", dir="/var/tmp") as name, \
            g.Grid(4, config={0: "\n[worker]\nmemory = 1G\n"}) as grid:
        directory = pathlib.Path(name)
        began = time.monotonic()
        subprocess.run([GENERATE, "--scale", scale, "parquet", name], check=True)
        print(f"# generated in {time.monotonic() - began:.0f} s", file=sys.stderr)
        print(json.dumps({k: round(v, 3) for k, v in measure(grid, directory).items()}))


main()
