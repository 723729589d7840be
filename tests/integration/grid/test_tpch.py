#!/usr/bin/env python3
"""The 22 questions of TPC-H: each has the class that its heading says, as written and as rewritten; on a grid all are
VERIFIED and give what the engine's own library gives. Scale 0.01; with QUORATE_LONG=1 scale 0.1."""
import json
import os
import pathlib
import re
import sqlite3
import subprocess
import sys
import tempfile

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2] / "support"))
from grid import LONG, QUORATE, SOURCE, Grid
from tap import Tap

GENERATE = os.environ["QUORATE_TPCH_GENERATE"]
FOLDER = SOURCE / "tests/bench/tpch"
EXACT_AT_LEAST = 10


def questions(engine):
    """[(number, class as written, class as rewritten, why, SQL)]"""
    text = (FOLDER / f"queries_{engine}.sql").read_text()
    heading = r"^-- (Q\d+) (\w+) (\w+) ?(.*)$"
    parts = re.split(heading, text, flags=re.M)[1:]
    return [(*parts[i:i + 4], parts[i + 4].strip().rstrip(";")) for i in range(0, len(parts), 5)]


def generate(directory, scale):
    path = directory / "tpch.db"
    subprocess.run([GENERATE, "--scale", str(scale), "sqlite", str(path)], check=True)
    return path


def explained(data, sql, *options):
    done = subprocess.run([QUORATE, "explain", "--json", "--data", str(data), *options, sql], capture_output=True, text=True)
    return json.loads(done.stdout)


def classes(tap):
    with tempfile.TemporaryDirectory(prefix="tpch") as directory:
        data = generate(pathlib.Path(directory), 0.01)
        exact = 0
        for number, written, rewritten, why, sql in questions("sqlite"):
            x = explained(data, sql, "--no-rewrite")
            tap.equal(x["class"], written, f"{number} as written is {written}")
            y = explained(data, sql)
            tap.equal(y["class"], rewritten, f"{number} as rewritten is {rewritten}")
            if why:
                reasons = [f"{r['expression']} {r['why']}" for r in x["reasons"]]
                tap.check(any(why in r for r in reasons), f"{number}: because of {why}", reasons)
            exact += rewritten != "FLOAT"
        tap.check(exact >= EXACT_AT_LEAST, f"{exact} of 22 can be compared between builds")


def by_the_library(data, sql):
    with sqlite3.connect(f"file:{data}?mode=ro&immutable=1", uri=True) as db:
        return [tuple(row) for row in db.execute(sql)]


def same(ours, theirs, is_ordered):
    return ours == theirs if is_ordered else sorted(ours) == sorted(theirs)


def on_a_grid(tap):
    with tempfile.TemporaryDirectory(prefix="tpch") as directory, Grid(4) as grid:
        data = generate(pathlib.Path(directory), 0.1 if LONG else 0.01)
        for number, _, rewritten, _, sql in questions("sqlite"):
            answer = grid.ask(sql, data=data, timeout=120)
            if not tap.check(answer.state == "VERIFIED", f"{number} is VERIFIED", answer):
                continue
            theirs = by_the_library(data, explained(data, sql)["rewrite"])
            tap.check(same(answer.rows, theirs, answer.json["class"] == "ORDERED"),
                      f"{number}: the {len(theirs)} rows of the library", answer.rows[:3], theirs[:3])


sys.exit(Tap().run([classes, on_a_grid]))
