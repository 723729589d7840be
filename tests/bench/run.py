#!/usr/bin/env python3
"""Runs the benchmarks of a build and merges their figures.
usage: run.py BUILD [--only NAME] [--json] [--rounds N]
Each program prints one JSON object as its last line; medians over the rounds. The last line here is
one object of all. A benchmark that fails is named on stderr and makes the exit status 1."""
import argparse
import json
import pathlib
import statistics
import subprocess
import sys

# name, shown unit, goal, whether more is better
GOALS = {
    "select42_p50_ms": (10, False), "executor_first_row_ms": (2, False),
    "canonical_rows_per_s": (3e6, True), "engine_rows_per_s": (1.5e6, True),
    "tpch_sf1_ratio": (2.2, False), "tpch_sf1_cpu_ratio": (3.3, False),
    "duckdb_first_row_ms": (4, False), "duckdb_rows_per_s": (3e6, True),
    "rows_mb_s": (100, True), "stream_mb_s": (400, True), "quic_mb_s": (800, True),
    "rpc_ratio": (1.5, False), "idle_pss_mib": (48, False),
    "stream_peak_coordinator_mib": (64, False), "stream_peak_transport_mib": (64, False),
    "set_peak_coordinator_mib": (64, False), "dht_100k_mib": (64, False),
    "first_candidate_ms": (1000, False),
}


def programs(build, only):
    here = pathlib.Path(__file__).parent
    found = [p for p in sorted((build / "tests/bench").glob("bench_*")) if p.is_file()]
    found = [[str(p)] for p in found if p.suffix == ""]
    found += [[sys.executable, str(p), str(build)] for p in sorted(here.glob("bench_*.py"))]
    if only:
        found = [c for c in found if only in pathlib.Path(c[-2 if c[0] == sys.executable else 0]).stem]
    return found


def figures(command):
    done = subprocess.run(command, capture_output=True, text=True, timeout=1800, check=False)
    lines = [x for x in done.stdout.splitlines() if x.strip().startswith("{")]
    if done.returncode or not lines:
        print(f"{' '.join(command)}: exit {done.returncode}\n{done.stderr[-2000:]}", file=sys.stderr)
        return None
    return {k: v for k, v in json.loads(lines[-1]).items() if isinstance(v, (int, float))}


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("build", type=pathlib.Path)
    parser.add_argument("--only")
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--rounds", type=int, default=3)
    args = parser.parse_args()
    result, failed = {}, False
    commands = programs(args.build, args.only)
    if not commands:
        names = sorted({pathlib.Path(x).stem for c in programs(args.build, None) for x in c if "bench_" in x})
        sys.exit(f"run.py: no benchmark is called '{args.only}'; there are {', '.join(names)}")
    for command in commands:
        rounds = [figures(command) for _ in range(args.rounds)]
        if None in rounds:
            failed = True
            rounds = [r for r in rounds if r]
        for name in rounds[0] if rounds else ():
            value = statistics.median(r[name] for r in rounds)
            result[name] = round(value, 3)
            if not args.json:
                goal, more = GOALS.get(name, (None, True))
                verdict = "" if goal is None else \
                    ("met" if (value >= goal) == more or value == goal else "MISSED")
                print(f"{name:32} {value:16.3f}   {'' if goal is None else f'goal {goal:g} {verdict}'}",
                      flush=True)
    print(json.dumps(result))
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
