#!/usr/bin/env python3
"""Engines as people choose them: --engine, --comparison, --engine-diverse, what explain says of them, and a machine that runs no query."""
import pathlib
import re
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2] / "support"))
import grid as g
from tap import Tap

SQL = "SELECT 1 + 1 AS n"


def names(status):
    return sorted({engine.split("/")[0] for engine in status["engines"]})


def has_duckdb(tap):
    """Every node here has it, or none: the library is looked for where it is installed."""
    if any(e.startswith("duckdb/") for e in grid.status(1)["engines"]):
        return True
    tap.skip("what needs two engines", "no DuckDB library here: deploy/setup --with-duckdb")
    return False


def counted(a):
    """Engines of the hosts whose answers count."""
    return {h["engine"].split("/")[0] for h in a.hosts if h["counted"]}


def asks_one(tap):
    for own in grid.status(1)["engines"]:
        name = own.split("/")[0]
        for engine in (name, own.rsplit("/", 1)[0], own):
            a = grid.ask(SQL, "--engine", engine)
            tap.equal((a.code, a.state, a.rows), (0, "VERIFIED", [(2,)]), f"--engine {engine}: VERIFIED")
            tap.check(a.hosts and all(h["engine"] == own for h in a.hosts if h["counted"]), "by hosts with that engine", a)
            tap.check(own in a.json["engines"], "the admitted classes are told", a)
            tap.check(all(e.startswith(name + "/") for e in a.json["engines"]), "none of another engine", a)


def lists_what_it_served(tap):
    """Each job once, though the host's journal has it twice: before it is signed and with the commit."""
    a = grid.ask(SQL, "-k", str(grid.n - 1), "--verify", "unanimous")
    for node in range(2, grid.n + 1):
        jobs = grid.ctl_json(node, "job", "list", "--served", "--limit", "200")
        if not tap.check(jobs and all(j["state"] for j in jobs), f"node {node} lists what it did for others", jobs):
            continue
        ids = [j["job"] for j in jobs]
        tap.equal(len(ids), len(set(ids)), "each job once")
        tap.equal([j["state"] for j in jobs if j["job"] == a.job], ["committed"], "this one, too, as it stands now")


def two_agree(tap):
    """One question all engines answer alike, with equal answers of a SQLite and a DuckDB host."""
    if not has_duckdb(tap):
        return
    for options in (["--engine-diverse"], ["--engine-diverse", "--verify", "unanimous"], ["--engine-diverse", "-k", "2"]):
        a = grid.ask(SQL, *options)
        tap.equal((a.code, a.state, a.rows), (0, "VERIFIED", [(2,)]), f"{' '.join(options)}: VERIFIED")
        tap.equal((counted(a), a.json.get("diverse")), ({"sqlite", "duckdb"}, 2), "by hosts of both engines, and the end says two")
    a = grid.ask(SQL, "--comparison", "portable")
    tap.equal((a.code, a.state, a.rows), (0, "VERIFIED", [(2,)]), "--comparison portable: VERIFIED")
    tap.equal(sorted(e.split("/")[0] for e in a.json["engines"]), ["duckdb", "sqlite"], "both engines were admitted")
    a = grid.ask("SELECT 1.5 * 2", "--engine-diverse")
    tap.check(a.code == 2 and not a.state and re.search("may differ in `.*` at byte [0-9]+: .*; leave --engine-diverse out", str(a)),
              "what engines may answer otherwise is not asked: exit 2, where and why", a)
    code, out, _ = grid.ctl(1, "explain", "--engine-diverse", "SELECT 1.5 * 2")
    tap.check(code == 2 and re.search("^portable +no: at byte [0-9]+, [^ ]+.*: ", out, re.M), "explain says the same", code, out)
    code, out, err = grid.ctl(1, "explain", "--engine", "duckdb/9", SQL)
    tap.check(code == 2 and "--engine duckdb/9: no host that is known here has it" in err, "explain of a version that nobody has", code, out, err)


def own_sql(tap):
    """What one engine cannot read the other may; an engine that was asked for is not exchanged."""
    if not has_duckdb(tap):
        return
    a = grid.ask("SELECT list_sum([1, 2, 3])::INTEGER AS n")
    tap.equal((a.state, a.rows, counted(a)), ("VERIFIED", [(6,)], {"duckdb"}), "DuckDB's SQL is answered by DuckDB")
    a = grid.ask("SELECT list_sum([1, 2, 3])::INTEGER AS n", "--engine", "sqlite")
    tap.check(a.code == 5 and a.error == "SQL_ERROR", "not when SQLite was asked for", a)
    a = grid.ask("SELECT FROM nothing WHERE")
    tap.check(a.code == 5 and a.error == "SQL_ERROR" and "byte" in str(a), "what neither reads is an error with its place", a)


def refuses(tap):
    a = grid.ask(SQL, "--engine", "fortran")
    tap.check(a.code == 5 and not a.state and "read it" in str(a), "an engine nobody has: hosts were asked in vain", a)
    a = grid.ask(SQL, "--engine", "fortran", "--class", "internal")
    tap.check(a.code == 2 and "fortran" in str(a), "and none is asked about what is not public: exit 2, its name", a)
    own = grid.status(1)["engines"][0]
    a = grid.ask(SQL, "--engine", own.split("/")[0] + "/0.1")
    tap.check(a.code == 2 and own in str(a), "a version nobody has: exit 2, and the classes there are", a)
    a = grid.ask(SQL, "--engine-diverse", "--verify", "fast")
    tap.check(a.code == 2 and "engine-diverse" in str(a), "fast asks one host: no two engines", a)
    a = grid.ask(SQL, "--engine-diverse", "--comparison", "class")
    tap.check(a.code == 2 and "engine-diverse" in str(a), "one class has one engine", a)
    a = grid.ask(SQL, "--engine-diverse", "--engine", "sqlite")
    tap.check(a.code == 2 and "names one" in str(a), "of one engine alone no two agree", a)


def explains(tap):
    lines = grid.ctl_json(1, "explain", "--prefer", "remote", SQL)
    e = lines and lines[0]
    tap.check(e and e["engine"] in grid.status(1)["engines"], "explain names the class that analysed", lines)
    tap.check(e and e["usable"] + e["unusable"] == grid.n - 1, "and how many hosts have one of the admitted", e)
    tap.check(e and "engine" in e["reason"], "the reason names it too", e)


def spares_memory(tap):
    """Where SQLite would copy much into a job's memory, DuckDB reads the file as it lies."""
    if not has_duckdb(tap):
        return
    big = grid.dir / "big.csv"
    big.write_text("n,text\n" + "".join(f"{i},{'x' * 60}\n" for i in range(300000)))
    lines = grid.ctl_json(1, "explain", "--prefer", "remote", "--data", str(big), "SELECT count(*) FROM big")
    tap.check(lines and lines[0]["engine"].startswith("duckdb/"), "20 MB of CSV go to DuckDB", lines)


def explains_elsewhere(tap):
    """--remote: two hosts at least say what it is, and they say what this node would."""
    here = grid.ctl_json(1, "explain", "--prefer", "remote", "SELECT 1.5 AS n")
    lines = grid.ctl_json(1, "explain", "--remote", "--prefer", "remote", "SELECT count(*), max(n) FROM (SELECT 1 AS n)")
    tap.check(lines and lines[0]["estimate"]["rows"] == 1, "aggregates alone give one row, though nobody has sent a plan", lines)
    there = grid.ctl_json(1, "explain", "--prefer", "remote", "--remote", "SELECT 1.5 AS n")
    keys = ("class", "ordered", "portable", "comparison", "rewrite", "reasons")
    tap.check(here and there and all(here[0][k] == there[0][k] for k in keys), "explain --remote says the same", here, there)
    code, _, err = grid.ctl(1, "explain", "--prefer", "remote", "--remote", "--class", "internal", SQL)
    tap.check(code == 2 and "public" in err, "not of data that are not public: exit 2", err)


def only_there(tap):
    """Node 3 has SQLite alone: hosts read DuckDB's SQL for it, run it, and agree."""
    if not has_duckdb(tap):
        return
    tap.equal(names(grid.status(3)), ["sqlite"], "node 3 has no DuckDB")
    a = g.Query(grid, 3, "SELECT list_sum([1, 2, 3])::INTEGER AS n", ["--engine", "duckdb"]).wait()
    tap.equal((a.state, a.rows, counted(a)), ("VERIFIED", [(6,)], {"duckdb"}), "a node without DuckDB asks it of those that have it")
    a = g.Query(grid, 3, "SELECT FROM nothing WHERE", ["--engine", "duckdb"]).wait()
    tap.check(a.code == 5 and a.error == "SQL_ERROR", "and hears what is wrong with its SQL", a)
    a = g.Query(grid, 3, SQL, ["--engine", "duckdb", "--prefer", "local"]).wait()
    tap.check(a.code == 2 and "duckdb" in str(a), "--prefer local: it cannot, exit 2", a)


def one_hosts_error(tap):
    """`fast` takes one host's word: of an error, too, and says that it is no more."""
    overflow = "SELECT abs(-9223372036854775807 - 1)"
    a = grid.ask(overflow, "--verify", "fast", "--engine", "sqlite")
    tap.equal((a.code, a.error, a.state, a.json.get("error_state"), a.json.get("verified")),
              (5, "SQL_ERROR", "", "UNVERIFIED", False), "an error by one host: JSON says what it is worth")
    code, _, err = grid.ctl(1, "query", "--prefer", "remote", "--verify", "fast", "--engine", "sqlite", overflow)
    tap.check(code == 5 and "UNVERIFIED: the word of one host" in err, "and so does the text", code, err)
    a = grid.ask(overflow, "--engine", "sqlite")
    tap.equal((a.code, a.json.get("error_state")), (5, "VERIFIED"), "a quorum's error is verified")
    code, _, err = grid.ctl(1, "query", "--prefer", "remote", "--engine", "sqlite", overflow)
    tap.check(code == 5 and "UNVERIFIED" not in err, "and not marked", code, err)
    if has_duckdb(tap):
        a = g.Query(grid, 3, "SELECT FROM nothing WHERE", ["--engine", "duckdb", "--prefer", "remote", "--verify", "fast"]).wait()
        tap.equal((a.error, a.json.get("error_state")), ("SQL_ERROR", "UNVERIFIED"), "also where one host alone has read the SQL")


def unsigned_errors(tap):
    """Whether builds of DuckDB run into an error is the plan's choice, so nobody signs one: its kind and words are told all the same."""
    if not has_duckdb(tap):
        return
    for sql, kind, words in (("SELECT 9223372036854775807 + 1", "OVERFLOW", "Overflow in addition"), ("SELECT CAST(300 AS TINYINT)", "CAST", "300"), ("SELECT DATE '2020-13-01'", "CAST", "2020-13-01")):
        for options, state in ((["--prefer", "local"], ""), (["--verify", "fast"], "UNVERIFIED"), ([], "UNVERIFIED")):
            a = g.Query(grid, 1, sql, ["--engine", "duckdb"] + (options if "local" in options else ["--prefer", "remote"] + options)).wait()
            tap.equal((a.code, a.error, a.state, a.json.get("error_state"), a.json.get("verified")), (5, "SQL_ERROR", "", state, False), f"{kind} {options}: an error of the statement, never verified")
            tap.check(f"SQL_ERROR: {kind}: " in str(a) and words in str(a) and "byte" not in a.json["message"], f"{kind} {options}: its kind and the engine's words", a)
    code, _, err = grid.ctl(1, "query", "--prefer", "remote", "--engine", "duckdb", "SELECT 9223372036854775807 + 1")
    tap.check(code == 5 and "UNVERIFIED: what each host says by itself; this error is not compared" in err and err.count("Overflow in addition") >= 3, "the text says so, and what each host said", code, err)


def runs_nothing(tap):
    """Node 2 has remote-only: a query of its own goes to others, or nowhere."""
    a = g.Query(grid, 2, SQL, []).wait()
    tap.equal((a.state, a.json.get("executed_locally")), ("VERIFIED", False), "remote-only: what is small goes out too")
    a = g.Query(grid, 2, SQL, ["--prefer", "local"]).wait()
    tap.check(a.code == 2 and "remote-only" in str(a), "--prefer local is refused, with the key to change", a)
    path = grid.dir / "private.csv"
    path.write_text("a\n1\n")
    a = g.Query(grid, 2, "SELECT a FROM t", ["-d", f"t={path}"]).wait()
    tap.check(a.code == 2 and "--class public" in str(a), "a file that is not public is not sent by a setting", a)
    for options in (["--class", "public"], ["--prefer", "remote"]):
        a = g.Query(grid, 2, "SELECT a FROM t", ["-d", f"t={path}", *options]).wait()
        tap.equal(a.state, "VERIFIED", "but by who says so, " + " ".join(options))


with g.Grid(5, config={2: "\n[query]\nremote-only = yes\n", 3: "\n[worker]\nduckdb = none\n"}) as grid:
    tap = Tap()
    code = tap.run([asks_one, lists_what_it_served, two_agree, own_sql, refuses, explains, spares_memory, explains_elsewhere, only_there, one_hosts_error, unsigned_errors, runs_nothing])
sys.exit(code)
