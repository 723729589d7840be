#!/usr/bin/env python3
"""How wrong the planner's estimates are, over the 22 questions of TPC-H in both engines.
usage: bench_estimates.py BUILD [SCALE]       scale 0.1 unless said otherwise
The error is the q-error max(e, a) / min(e, a), of estimate e and actual a, each plus one row or one millisecond; one for the rows
of the result and one for the processor's time of each question, the percentiles over all of them together. Three rounds on one node
that has learned nothing: `estimate_error_first_*` from the first (the questions one after the other, so the later ones are corrected
by the earlier ones), `estimate_error_alike_*` from the second (the same questions with another constant: a LIMIT or a literal changed),
`estimate_error_*` from the third (as in the first). Local runs: what is measured is the node's own.
One JSON object on stdout; stderr has each. Without DuckDB's library: SQLite alone."""
import json
import os
import pathlib
import re
import subprocess
import sys
import tempfile

BUILD = pathlib.Path(sys.argv[1]).resolve()
os.environ["QUORATE_CTL"] = str(BUILD / "services/ctl/quorate")
sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "support"))
import grid as g  # noqa: E402
import tpch  # noqa: E402

LIBRARY, GENERATE = BUILD / "tests/bench/tpch_library", BUILD / "tests/bench/tpch_generate"
NO_LIBRARY = 77


def publish(grid, path):
    code, out, err = grid.ctl(1, "dataset", "publish", str(path), "--json", timeout=280)
    if code:
        raise RuntimeError(f"publish {path}: {err}")
    return json.loads(out.splitlines()[-1])["root"]


def of_sqlite(grid, folder, scale):
    subprocess.run([GENERATE, "--scale", scale, "sqlite", folder / "tpch.db"], check=True)
    return ["--data", publish(grid, folder / "tpch.db")]


def of_duckdb(grid, folder, scale):
    subprocess.run([GENERATE, "--scale", scale, "parquet", folder], check=True)
    return [x for t in tpch.TABLES for x in ("--data", f"{t}={publish(grid, folder / f'{t}.parquet')}")]


def alike(sql):
    """The same shape with another constant: the last whole number counted up, else the last letter or day of the last text changed."""
    numbers = list(re.finditer(r"(?<![\w.'-])\d+(?![\w.'-])", sql))
    if numbers:
        at = numbers[-1]
        return sql[:at.start()] + str(int(at.group()) + 1) + sql[at.end():]
    at = sql.rindex("'") - 1
    other = {"1": "0" if sql[at - 1] == "3" else "2"}.get(sql[at], "1" if sql[at].isdigit() else "c" if sql[at] == "b" else "b")
    return sql[:at] + other + sql[at + 1:]


def q_error(estimate, actual, unit):
    e, a = estimate + unit, actual + unit
    return max(e, a) / min(e, a)


def ask(grid, options, name, sql):
    answer = grid.ask(sql, *options, "--prefer", "local", "--max-memory", "512M", timeout=280)
    if answer.state != "LOCAL":
        raise RuntimeError(f"{name}: {answer}")
    estimate, actual = answer.json["estimate"], answer.json["actual"]
    errors = q_error(estimate["rows"], actual["rows"], 1), q_error(estimate["cpu_ms"], actual["cpu_ms"], 1)
    print(f"# {name:12} {estimate['source']:9} rows {estimate['rows']:>9} of {actual['rows']:<7} q {errors[0]:8.2f}   "
          f"cpu {estimate['cpu_ms']:>9.1f} of {actual['cpu_ms']:<8.1f} q {errors[1]:6.2f}", file=sys.stderr)
    return errors


def percentile(values, share):
    values = sorted(values)
    return values[min(len(values) - 1, int(share * len(values)))]


def figures(name, errors):
    result = {}
    for what, values in (("rows_", [e[0] for e in errors]), ("cpu_", [e[1] for e in errors]), ("", [x for e in errors for x in e])):
        for share in (50, 95):
            result[f"estimate_error_{name}{what}p{share}"] = round(percentile(values, share / 100), 3)
    return result


def main():
    scale = sys.argv[2] if len(sys.argv) > 2 else "0.1"
    engines = {"sqlite": of_sqlite}
    if subprocess.run([LIBRARY], capture_output=True).returncode != NO_LIBRARY:
        engines["duckdb"] = of_duckdb
    with tempfile.TemporaryDirectory(prefix="estimates", dir="/var/tmp") as name, g.Grid(2, config={0: "\n[worker]\nmemory = 1G\n"}) as grid:
        options = {e: begin(grid, pathlib.Path(name), scale) for e, begin in engines.items()}
        rounds = {}
        for part, change in (("first_", str), ("alike_", alike), ("", str)):
            rounds[part] = [ask(grid, options[e], f"{part}{e}-{n}", change(sql))
                            for e in engines for n, *_, sql in tpch.questions(e)]
        print(json.dumps({k: v for part, errors in rounds.items() for k, v in figures(part, errors).items()}))


main()
