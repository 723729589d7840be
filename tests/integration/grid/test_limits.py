#!/usr/bin/env python3
"""Hosts that give a job less than others do: a result above what one of them gives is no answer of it, for the others have
one. Only what the job itself allows is the same for all, and what is above that is an error they agree on."""
import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2] / "support"))
import grid as g
from tap import Tap

ROWS = 3000
SQL = f"WITH RECURSIVE c(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM c WHERE x < {ROWS}) SELECT x, printf('%0200d', x) AS t FROM c ORDER BY x"
SMALL = {4: "[host]\nrows = 1000\n", 5: "[host]\nbytes = 100K\n"}
RUNS = 20 if g.LONG else 4
PATIENCE = 240 if g.SANITIZED else 60  # s; to sort hundreds of megabytes under sanitizers


def beside_others(tap, grid):
    small = {grid.peer(node) for node in SMALL}
    for options in ((), ("--max-rows", "5000", "--max-bytes", "64M")):
        for _ in range(RUNS):
            a = grid.ask(SQL, "--replicas", "4", *options)
            tap.check(a.state == "VERIFIED" and len(a.rows) == ROWS, f"the rows of those who give them{' ' if options else ''}{' '.join(options)}", a)
            said = {h["verdict"] for h in a.hosts if h["peer"] in small}
            tap.check(not said & {"correct", "incorrect", "dissent"}, "who gives less has given no answer", a)


def alone(tap, grid):
    for node, which, option in ((4, "rows", "--max-rows"), (5, "bytes", "--max-bytes")):
        a = grid.ask(SQL, "--verify", "fast", "--host", grid.peer(node))
        tap.check(a.code == 5 and a.error == "LIMIT" and option in a.json["message"],
                  f"the limit of {which} is told as one, with {option}", a)


def of_the_job(tap, grid):
    a = grid.ask(SQL, "--replicas", "4", "--max-rows", "500")
    counted = [h for h in a.hosts if h["counted"]]
    tap.check(a.code == 5 and a.error == "SQL_ERROR" and len(counted) >= 2, "above what the job allows: they agree on the error", a)


def large(megabytes, what):
    """Sorts them. 300 are more than a slot's memory, and less than that of both."""
    return (f"WITH RECURSIVE c(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM c WHERE n < {megabytes}) "
            f"SELECT {what} FROM (SELECT n || hex(zeroblob(500000)) AS x FROM c ORDER BY x LIMIT {megabytes})")


def memory(tap, grid):
    """What a job is told that it may have it gets."""
    for where, what in (("local", "count(*)"), ("remote", "count(x)")):  # what runs like it take is learned
        options = ("--engine", "sqlite", "--prefer", where, "--verify", "fast")
        a = grid.ask(large(300, what), *options, timeout=PATIENCE)
        if g.SANITIZED and a.error == "TIMEOUT":
            tap.skip(f"{where}: not within the memory of a slot", "sanitizers are out of time before they are out of memory")
        else:
            tap.check(a.error in ("LIMIT", "TOO_FEW_HOSTS") and "memory" in a.json["message"], f"{where}: not within the memory of a slot", a)
        a = grid.ask(large(200, what), *options, timeout=PATIENCE)
        tap.check(a.rows == [(200,)], f"{where}: one like it has a slot's memory all the same", a)
        a = grid.ask(large(300, what), *options, "--max-memory", "500M", timeout=PATIENCE)
        tap.check(a.rows == [(300,)], f"{where}: within what it asked for", a)
    a = grid.ask(large(300, "count(*)"), "--engine", "sqlite", "--max-memory", "513M")
    tap.check(a.error == "LIMIT" and "lower it to 512M or less" in str(a), "more than all slots have is not taken", a)


def all_of_it(tap):
    with g.Grid(5, SMALL) as grid:
        beside_others(tap, grid)
        alone(tap, grid)
        of_the_job(tap, grid)
        memory(tap, grid)


sys.exit(Tap().run([all_of_it]))
