#!/usr/bin/env python3
"""Engines as people choose them: --engine, --comparison, --engine-diverse, what explain says of them, and a machine that runs no query."""
import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2] / "support"))
import grid as g
from tap import Tap

SQL = "SELECT 1 + 1 AS n"


def names(status):
    return sorted({engine.split("/")[0] for engine in status["engines"]})


def asks_one(tap):
    own = [e for e in grid.status(1)["engines"] if e.startswith("sqlite/")][0]
    for engine in ("sqlite", own):
        a = grid.ask(SQL, "--engine", engine)
        tap.equal((a.code, a.state, a.rows), (0, "VERIFIED", [(2,)]), f"--engine {engine.split('/')[0]}: VERIFIED")
        tap.check(a.hosts and all(h["engine"] == own for h in a.hosts if h["counted"]), "by hosts with that engine", a)
        tap.check(own in a.json["engines"], "the admitted classes are told", a)
        tap.check(all(e.startswith("sqlite/") for e in a.json["engines"]), "none of another engine", a)


def refuses(tap):
    a = grid.ask(SQL, "--engine", "fortran")
    tap.check(a.code == 2 and "fortran" in str(a), "an engine nobody here has: exit 2, its name, a remedy", a)
    a = grid.ask(SQL, "--engine-diverse", "--verify", "fast")
    tap.check(a.code == 2 and "engine-diverse" in str(a), "fast asks one host: no two engines", a)
    a = grid.ask(SQL, "--engine-diverse", "--comparison", "class")
    tap.check(a.code == 2 and "engine-diverse" in str(a), "one class has one engine", a)
    a = grid.ask(SQL, "--engine-diverse", "--engine", "sqlite")
    tap.check(a.code in (2, 5) and not a.state, "of one engine alone no two agree", a)


def explains(tap):
    lines = grid.ctl_json(1, "explain", "--prefer", "remote", SQL)
    e = lines and lines[0]
    tap.check(e and e["engine"] in grid.status(1)["engines"], "explain names the class that analysed", lines)
    tap.equal(e and (e["usable"], e["unusable"]), (grid.n - 1, 0), "and how many hosts have one of the admitted")
    tap.check(e and "engine" in e["reason"], "the reason names it too", e)


def runs_nothing(tap):
    """Node 2 has remote-only: a query of its own goes to others, or nowhere."""
    a = g.Query(grid, 2, SQL, []).wait()
    tap.equal((a.state, a.json.get("executed_locally")), ("VERIFIED", False), "remote-only: what is small goes out too")
    a = g.Query(grid, 2, SQL, ["--prefer", "local"]).wait()
    tap.check(a.code == 2 and "remote-only" in str(a), "--prefer local is refused, with the key to change", a)


with g.Grid(4, config={2: "\n[query]\nremote-only = yes\n"}) as grid:
    tap = Tap()
    code = tap.run([asks_one, refuses, explains, runs_nothing])
sys.exit(code)
