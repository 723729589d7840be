#!/usr/bin/env python3
"""The 22 questions of TPC-H, to both engines: each has the class that its heading says, as written and as rewritten; on a
grid all are VERIFIED and give what the engine's own library gives; and those that both engines answer alike are agreed by
hosts of both. Scale 0.01; with QUORATE_LONG=1 scale 0.1."""
import csv
import io
import json
import os
import pathlib
import re
import sqlite3
import subprocess
import sys
import tempfile

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2] / "support"))
from grid import LONG, Grid
from tap import Tap
from tpch import TABLES, questions

GENERATE, LIBRARY = os.environ["QUORATE_TPCH_GENERATE"], os.environ["QUORATE_TPCH_LIBRARY"]
EXACT_AT_LEAST = 10
RUN_AT_LEAST = 19
NO_LIBRARY = 77


class SQLite:
    name = "sqlite"

    def __init__(self, directory, scale):
        self.path = directory / "tpch.db"
        subprocess.run([GENERATE, "--scale", str(scale), "sqlite", str(self.path)], check=True)
        self.options = ["--data", str(self.path)]

    def answer(self, sql):
        with sqlite3.connect(f"file:{self.path}?mode=ro&immutable=1", uri=True) as db:
            return [tuple(row) for row in db.execute(sql)]


class DuckDB:
    name = "duckdb"

    def __init__(self, directory, scale):
        self.directory = directory
        subprocess.run([GENERATE, "--scale", str(scale), "parquet", str(directory)], check=True)
        self.options = [word for t in TABLES for word in ("--data", f"{t}={directory}/{t}.parquet")]

    @staticmethod
    def is_there():
        return subprocess.run([LIBRARY], capture_output=True).returncode != NO_LIBRARY

    def answer(self, sql):
        done = subprocess.run([LIBRARY, str(self.directory), sql], capture_output=True, text=True, check=True)
        return [tuple(row) for row in csv.reader(io.StringIO(done.stdout))]


class Cents:
    """Integers and texts alone, which both engines read alike: one text and one dataset for hosts of both."""
    name = "portable"

    def __init__(self, directory, scale):
        directory = directory / "cents"
        directory.mkdir()
        subprocess.run([GENERATE, "--scale", str(scale), "cents", str(directory)], check=True)
        self.options = [word for t in TABLES for word in ("--data", f"{directory}/{t}.csv")]


def explained(grid, engine, sql, *options):
    code, out, err = grid.ctl(1, "explain", "--json", *engine.options, *options, sql)
    return json.loads(out) if code == 0 else {"class": err, "reasons": [], "rewrite": ""}


def classes(tap, grid, engine):
    exact = run = 0
    for number, written, rewritten, why, sql in questions(engine.name):
        name = f"{engine.name}, {number}"
        x = explained(grid, engine, sql, "--no-rewrite")
        tap.equal(x["class"], written, f"{name} as written is {written}")
        class_ = explained(grid, engine, sql)["class"]
        tap.equal(class_, rewritten, f"{name} as rewritten is {rewritten}")
        run += class_ in ("EXACT", "ORDERED", "FLOAT")
        if why:
            reasons = [f"{r['expression']} {r['why']}" for r in x["reasons"]]
            tap.check(any(why in r for r in reasons), f"{name}: because of {why}", reasons)
        exact += rewritten != "FLOAT"
    tap.check(run >= RUN_AT_LEAST, f"{engine.name}: {run} of 22 rewrites are not REFUSED")
    tap.check(exact >= EXACT_AT_LEAST, f"{engine.name}: {exact} of 22 can be compared between builds")


def plain(value):
    """Numbers are equal as numbers, however they are written: 100.00 is 100 in canonical form."""
    try:
        return float(value)
    except (TypeError, ValueError):
        return value


def same(ours, theirs, is_ordered):
    ours, theirs = ([tuple(map(plain, row)) for row in rows] for rows in (ours, theirs))
    return ours == theirs if is_ordered else sorted(ours) == sorted(theirs)


def on_a_grid(tap, grid, engine):
    for number, _, _, _, sql in questions(engine.name):
        name = f"{engine.name}, {number}"
        answer = grid.ask(sql, *engine.options, timeout=120)
        if not tap.check(answer.state == "VERIFIED", f"{name} is VERIFIED", answer):
            continue
        theirs = engine.answer(explained(grid, engine, sql)["rewrite"])
        tap.check(same(answer.rows, theirs, answer.json["class"] == "ORDERED"),
                  f"{name}: the {len(theirs)} rows of the library", answer.rows[:3], theirs[:3])


def integers(value):
    """Dates and years as the tables of cents have them."""
    return value.replace("-", "") if re.fullmatch(r"\d{4}-\d\d-\d\d", str(value)) else value


def of_both(tap, grid, cents, sqlite):
    """The same question, read by both engines, answered by hosts of both, equal to the question as SQLite's file has it."""
    originals, agreed = {number: sql for number, *_, sql in questions("sqlite")}, 0
    for number, _, class_, _, sql in questions("portable"):
        name = f"both engines, {number}"
        for engine in ("sqlite", "duckdb"):
            x = explained(grid, cents, sql, "--engine", engine)
            tap.equal((x["class"], x.get("portable")), (class_, True), f"{name}: {engine} reads it as {class_} and portable")
        answer = grid.ask(sql, *cents.options, "--engine-diverse", timeout=120)
        engines = {h["engine"].split("/")[0] for h in answer.hosts if h["counted"]}
        if not tap.check(answer.state == "VERIFIED" and answer.json.get("diverse") == 2 and engines == {"sqlite", "duckdb"},
                         f"{name} is VERIFIED by hosts of both", answer):
            continue
        theirs = sqlite.answer(explained(grid, sqlite, originals[number])["rewrite"])
        theirs = [tuple(map(integers, row)) for row in theirs]
        agreed += tap.check(theirs and same(answer.rows, theirs, class_ == "ORDERED"),
                            f"{name}: the {len(theirs)} rows of the question as written", answer.rows[:3], theirs[:3])
    tap.check(agreed >= EXACT_AT_LEAST, f"{agreed} of 22 are agreed by SQLite and DuckDB")


def all_of_it(tap):
    with tempfile.TemporaryDirectory(prefix="tpch") as directory, Grid(4) as grid:
        directory, scale = pathlib.Path(directory), 0.1 if LONG else 0.01
        sqlite = SQLite(directory, scale)
        classes(tap, grid, sqlite)
        on_a_grid(tap, grid, sqlite)
        if not DuckDB.is_there():
            tap.skip("duckdb", "no DuckDB library; deploy/setup --with-duckdb")
            return
        duckdb = DuckDB(directory, scale)
        classes(tap, grid, duckdb)
        on_a_grid(tap, grid, duckdb)
        of_both(tap, grid, Cents(directory, scale), sqlite)


sys.exit(Tap().run([all_of_it]))
