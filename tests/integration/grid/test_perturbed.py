#!/usr/bin/env python3
"""Hosts that differ as honest machines do: one whose DuckDB has eight threads, one whose processor has neither FMA nor AVX2,
one with both. What is EXACT or ORDERED has one answer on all of them in every run; what is FLOAT is never sent to hosts of
another class. 5 runs; with QUORATE_LONG=1 100 of each statement, which takes minutes."""
import json
import os
import pathlib
import subprocess
import sys
import tempfile

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2] / "support"))
import grid as g
from tap import Tap, skip_all
from tpch import TABLES, questions

GENERATE, EXECUTOR = os.environ["QUORATE_TPCH_GENERATE"], os.environ["QUORATE_EXECUTOR"]
RUNS = 100 if g.LONG else 5
TRIES_MOST = 60
# glibc 2.33 and later; before, the names ended in _Usable. What a library does not know it passes over.
MASKED = "glibc.cpu.hwcaps=-AVX2,-FMA,-FMA4,-AVX2_Usable,-FMA_Usable,-FMA4_Usable"
ARENAS = "glibc.malloc.arena_max=1"  # or it opens a file that tells the processors, which kills an executor
PLAIN, THREADED, WITHOUT_FMA, BOTH = 2, 3, 4, 5
HOSTS = {
    THREADED: {"QUORATE_FAULT_THREADS": "8", "GLIBC_TUNABLES": ARENAS},
    WITHOUT_FMA: {"GLIBC_TUNABLES": MASKED},
    BOTH: {"QUORATE_FAULT_THREADS": "8", "GLIBC_TUNABLES": f"{MASKED}:{ARENAS}"},
}
ALL = ("--verify", "unanimous", "--replicas", "4")
EXACT = {
    "EXACT": "SELECT l_suppkey, sum(l_extendedprice * (1 - l_discount)) AS s, count(*) AS n, min(l_comment) AS c, max(l_shipdate) AS d "
             "FROM lineitem GROUP BY l_suppkey",
    "ORDERED": next(sql for number, *_, sql in questions("duckdb") if number == "Q10"),
    "ORDERED, window": "SELECT l_orderkey, l_linenumber, sum(l_extendedprice) OVER (PARTITION BY l_suppkey ORDER BY l_orderkey, l_linenumber) AS s "
                       "FROM lineitem ORDER BY s DESC LIMIT 50",
}
FLOAT = {
    "a sum of REAL": "SELECT sum(CAST(l_extendedprice AS DOUBLE) * 1.1e0) AS s FROM lineitem",
    "the mathematics library": "SELECT sum(CAST(exp(CAST(l_extendedprice AS DOUBLE) / 10000) AS DECIMAL(30, 15))) AS s FROM lineitem",
}


class Grid(g.Grid):
    """Nodes whose executors start with variables of their own, by a script where their worker may read it: in its state."""

    def _script(self, node):
        return self.state / f"node-{node}" / "worker@1" / "executor"

    def _configure(self):
        self.config = {node: f"\n[worker]\nexecutor = {self._script(node)}\n" for node in HOSTS}
        super()._configure()
        for node, variables in HOSTS.items():
            exports = "".join(f"export {k}='{v}'\n" for k, v in variables.items())
            self._script(node).parent.mkdir(mode=0o700, exist_ok=True)  # it was stopped early
            self._script(node).write_text(f'#!/bin/sh\n{exports}exec {EXECUTOR} "$@"\n')
            self._script(node).chmod(0o755)


def engine(node, name):
    return next((e for e in grid.status(node)["engines"] if e.startswith(name + "/")), None)


def one_answer(tap, data):
    for name, sql in EXACT.items():
        rows, strange = set(), []
        for _ in range(RUNS):
            a = grid.ask(sql, *ALL, *data, "--engine", "duckdb", timeout=120)
            rows.add(json.dumps(a.json.get("data"), sort_keys=True))
            classes = {h["engine"] for h in a.hosts if h["counted"]}
            if a.state != "VERIFIED" or len(classes) != 4 or not a.rows:
                strange.append(str(a))
        tap.equal(len(strange), 0, f"{name}: VERIFIED by hosts of four classes in {RUNS} of {RUNS} runs")
        for text in strange[:2]:
            tap.note(text)
        want = 1 if name != "EXACT" else RUNS  # a set has no order of its own
        tap.check(len(rows) <= want, f"{name}: the same rows each time", *list(rows)[:2])


def float_stays(tap, data):
    """One host alone has the class of the node that asks: no statement of FLOAT leaves it."""
    for name, sql in FLOAT.items():
        strange = []
        for _ in range(RUNS):
            a = grid.ask(sql, *data, "--engine", "duckdb")
            dispatched = {h["engine"] for h in a.hosts} - {"", engine(1, "duckdb")}  # who has it names its class
            if a.code != 5 or a.rows or dispatched or not any("engine" in h.get("problem", "") for h in a.hosts):
                strange.append(str(a))
        tap.check(not strange, f"{name}: in {RUNS} runs refused by class, and dispatched to no host of another", *strange[:2])
        code, out, err = grid.ctl(1, "explain", "--json", "--prefer", "remote", "--engine", "duckdb", *data, sql)
        x = json.loads(out) if code == 0 else {}
        tap.equal((x.get("class"), x.get("comparison"), x.get("unusable")), ("FLOAT", "class", 3), f"{name}: explain says why")


def it_matters(tap, data):
    """What is refused would have had several answers: each host alone, unverified."""
    def alone(node, sql):
        a = grid.ask(sql, *data, "--engine", engine(node, "duckdb"), "--verify", "fast", "--host", grid.peer(node))
        if a.state != "UNVERIFIED" or len(a.rows) != 1:
            tap.check(False, f"node {node} answers alone", a)
        return a.json.get("answer") or str(a.rows)
    sums = set()
    for _ in range(TRIES_MOST):  # which thread takes which rows is chance
        sums.add(alone(THREADED, FLOAT["a sum of REAL"]))
        if len(sums) > 1:
            break
    tap.check(len(sums) > 1, "eight threads: a sum of REAL differs from run to run", sums)
    exps = {alone(node, FLOAT["the mathematics library"]) for node in (PLAIN, WITHOUT_FMA)}
    tap.check(len(exps) == 2, "without FMA: another exp()", exps)


def classes(tap):
    for name in ("sqlite", "duckdb"):
        own = [engine(node, name) for node in (1, PLAIN, WITHOUT_FMA)]
        tap.check(own[0] == own[1] and own[1] != own[2], f"{name}: the numeric probe sees the mask", own)
    tap.equal(len({engine(node, "duckdb") for node in range(1, 6)}), 4, "and the class says how many threads there are")


def has_fma():
    return " fma " in pathlib.Path("/proc/cpuinfo").read_text().replace("\n", " ")


if not g.has_faults():
    skip_all("this build has no fault injection; meson setup -Dfaults=true")
if not has_fma():
    skip_all("this processor has no FMA that could be masked")
with tempfile.TemporaryDirectory(prefix="qp", dir="/tmp") as directory:
    os.chmod(directory, 0o755)
    subprocess.run([GENERATE, "--scale", "0.06", "parquet", directory], check=True)
    tables = [word for t in TABLES for word in ("--data", f"{t}={directory}/{t}.parquet")]
    with Grid(5) as grid:
        if not engine(1, "duckdb"):
            skip_all("no DuckDB library here: deploy/setup --with-duckdb")
        tap = Tap()
        code = tap.run([classes, lambda t: one_answer(t, tables), lambda t: float_stays(t, tables), lambda t: it_matters(t, tables)])
sys.exit(code)
