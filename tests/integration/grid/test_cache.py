#!/usr/bin/env python3
"""Answers that were verified before: who asks the same gets them as CACHED, checked anew; anything else is asked anew."""
import pathlib
import re
import shutil
import sqlite3
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2] / "support"))
import grid as g
from tap import Tap

KILLS = 40 if g.LONG else 6
ORDERED = "SELECT id, label FROM item ORDER BY id"  # three batches
GROUPED = "SELECT kind, count(*) AS n FROM item GROUP BY kind"


def make_data(path, rows=9000, changed=0):
    path.unlink(missing_ok=True)
    with sqlite3.connect(path) as db:
        db.execute("CREATE TABLE item (id INTEGER PRIMARY KEY, kind INTEGER NOT NULL, label TEXT NOT NULL) STRICT")
        db.executemany("INSERT INTO item VALUES (?, ?, ?)", ((i, i % 7 + changed * (i == 3), f"item {i:05d}") for i in range(rows)))
    db.close()
    return path


def figures(node=1):
    return {k.rsplit("answers_", 1)[1]: v for k, v in grid.metrics(node).items() if "_answers_" in k}


def files(node=1):
    return sorted((grid.state / f"node-{node}" / "coordinator" / "answers").iterdir())


def states(sql, *options, times=2, **where):
    return [grid.ask(sql, *options, **where).state for _ in range(times)]


def asked_again(tap):
    """The thin path: the same question twice, for both forms of an answer."""
    data = make_data(grid.dir / "item.db")
    for sql in (ORDERED, GROUPED):
        rows = grid.dir / "rows.qrows"
        first = grid.ask(sql, "--cache", data=data)
        again = grid.ask(sql, "--cache", "--save-rows", str(rows), data=data)
        tap.equal((first.state, again.state, again.code), ("VERIFIED", "CACHED", 0), "the second is CACHED, exit 0")
        tap.equal(again.rows, first.rows, "with the same rows")
        j = again.json
        tap.check(j["verified"] is True and first.json["verified"] is True, "verified is true of both: a quorum, and rows that were hashed", j)
        tap.equal((j["agreement"], j["quorum"], j["replicas"]), tuple(first.json[k] for k in ("agreement", "quorum", "replicas")),
                  "the quorum it had")
        tap.equal(j["confidence"], first.json["confidence"], "and no more confidence than then")
        tap.equal((j["route"], j["cached_state"], j["cached_job"], j["receipt"]), ("cache", "VERIFIED", first.job, first.json["receipt"]),
                  "the job that was VERIFIED, and its receipt")
        tap.check(0 < j["cached_age_ms"] < 60000 and again.job != first.job, "its age; its own number is another", again)
        tap.equal(sorted((h["peer"], h["engine"], h["answer"]) for h in j["hosts"]),
                  sorted((h["peer"], h["engine"], h["answer"]) for h in first.hosts if h["counted"]), "who had said it")
        code, out, err = grid.ctl(1, "receipt", "verify", "--rows", str(rows), j["receipt"])
        tap.check(code == 0 and "VERIFIED" in out, "its receipt holds, with these rows", out, err)
        receipt = pathlib.Path(j["receipt"])
        if sql == ORDERED:
            receipt.unlink()
        else:
            receipt.write_bytes(receipt.read_bytes()[:-1] + b"x")
        third = grid.ask(sql, "--cache", data=data)
        code, out, err = grid.ctl(1, "receipt", "verify", third.json["receipt"])
        tap.check(third.state == "CACHED" and code == 0, "and again when its file had gone, or was another", third, out, err)
    jobs = grid.jobs(1)
    tap.check(any(j["state"] == "CACHED" for j in jobs), "job list says CACHED", jobs[:3])
    code, out, err = grid.ctl(1, "query", "--prefer", "remote", "--cache", "--meta", "--data", str(data), GROUPED)
    tap.check(code == 0 and re.search(r"CACHED: VERIFIED \d+ s ago by [23] equal answers \(quorum 2; --no-cache", err), "said to people too", err)


def asked_or_not(tap):
    """Off unless it is asked for; --no-cache asks anew, and what it hears takes the old one's place."""
    tap.equal(states("SELECT 1 AS n"), ["VERIFIED", "VERIFIED"], "without --cache: asked each time")
    tap.equal(states("SELECT 1 AS n", "--cache", times=1), ["VERIFIED"], "and nothing was kept of it")
    a = grid.ask("SELECT 1 AS n", "--no-cache")
    b = grid.ask("SELECT 1 AS n", "--cache")
    tap.equal((a.state, b.state, b.json.get("cached_job")), ("VERIFIED", "CACHED", a.job), "--no-cache: asked anew, kept in its place")
    tap.equal(states("SELECT 2 AS n", "--no-cache"), ["VERIFIED", "VERIFIED"], "where nothing is kept, it keeps nothing")
    tap.equal(states("SELECT 2 AS n", "--cache", times=1), ["VERIFIED"], "so the next is asked")
    tap.equal(states("SELECT 3 AS n", node=2), ["VERIFIED", "CACHED"], "[query] cache = yes: without an option")
    tap.equal(states("SELECT 3 AS n", "--no-cache", node=2, times=1), ["VERIFIED"], "and --no-cache all the same")
    a = grid.ask("SELECT 1 AS n", "--cache", "--no-cache")
    tap.check(a.code == 2 and "give one" in a.err, "both: exit 2", a)
    a = g.Query(grid, 1, "SELECT 1 AS n", ["--prefer", "local", "--cache"]).wait()
    tap.equal(a.state, "LOCAL", "--prefer local is answered here")
    tap.equal(states("SELECT 1 AS n", "--cache", "--verify", "fast"), ["UNVERIFIED", "UNVERIFIED"], "one host's word is not kept")


def anything_else(tap):
    """A changed root, class, rule or word of the statement is another question."""
    data, other = make_data(grid.dir / "a.db", 50), make_data(grid.dir / "b.db", 50, changed=1)
    tap.equal(states(GROUPED, "--cache", data=data), ["VERIFIED", "CACHED"], "kept")
    tap.equal(states(GROUPED, "--cache", data=other, times=1), ["VERIFIED"], "another root: asked")
    own = grid.status(1)["engines"]
    engine = next(e for e in own if e.startswith("sqlite/"))
    host = grid.peer(2), grid.peer(3), grid.peer(4)
    for options in (["--verify", "unanimous"], ["--quorum", "3"], ["--replicas", "2"], ["--max-replicas", "4"], ["--engine", engine],
                    ["--comparison", "class"], [o for h in host for o in ("--host", h)], ["--class", "public"],
                    ["--max-rows", "100"], ["--no-rewrite"]):
        a = grid.ask(GROUPED, "--cache", *options, data=data)
        expected = "CACHED" if options == ["--no-rewrite"] else "VERIFIED"  # nothing was rewritten
        tap.equal(a.state, expected, f"{options[0]}: {'the same job' if expected == 'CACHED' else 'asked'}")
    tap.equal(states(GROUPED + " ", "--cache", data=data, times=1), ["VERIFIED"], "a blank more in the statement: asked")
    tap.equal(states(GROUPED, "--cache", data=data, times=1), ["CACHED"], "and what was kept is there still")


def of_now(tap):
    """What holds the job's time or seed is no answer for later."""
    for sql in ("SELECT datetime('now') AS n", "SELECT current_timestamp AS n", "SELECT random() AS n", "SELECT date() AS n",
                "SELECT strftime('%s', 'now', '-1 day') AS n", "SELECT \"date\"('now') AS n"):
        tap.equal(states(sql, "--cache", "--engine", "sqlite"), ["VERIFIED", "VERIFIED"], sql)
    tap.equal(states("SELECT date('2024-02-01', '+1 day') AS n", "--cache", "--engine", "sqlite"), ["VERIFIED", "CACHED"],
              "a date that is written down is the same tomorrow")
    if any(e.startswith("duckdb/") for e in grid.status(1)["engines"]):
        tap.equal(states("SELECT now() AS n", "--cache", "--engine", "duckdb"), ["VERIFIED", "VERIFIED"], "DuckDB's now()")
        tap.equal(states("SELECT list_sum([1, 2])::INTEGER AS n", "--cache"), ["VERIFIED", "CACHED"], "DuckDB's other answers are kept")


def within_limits(tap):
    """Node 2 keeps 3 answers, each 64 KiB at most; node 3 for a second."""
    for i in range(6):
        grid.ask(f"SELECT {i} AS limited", node=2)
    f = figures(2)
    tap.check(f["entries"] == 3 == len(files(2)) and f["evicted"] >= 3, "no more than cache-entries", f)
    tap.equal(states("SELECT 5 AS limited", node=2, times=1), ["CACHED"], "the last is there")
    tap.equal(states("SELECT 0 AS limited", node=2, times=1), ["VERIFIED"], "the first had to go")
    tap.equal(figures(2)["bytes"], sum(p.stat().st_size for p in files(2)), "bytes are those of the disk")
    data = make_data(grid.dir / "item.db")
    tap.equal(states(ORDERED, node=2, data=data), ["VERIFIED", "VERIFIED"], "what is larger than cache-entry is not kept")
    tap.check(figures(2)["too_large"] >= 2, "and counted", figures(2))
    tap.equal(states("SELECT 1 AS n", node=3, times=1), ["VERIFIED"], "node 3 keeps one")

    def is_old():
        time.sleep(1.1)
        return grid.ask("SELECT 1 AS n", node=3).state == "VERIFIED"
    g.wait_until("an answer older than cache-age is asked anew", is_old, 20)
    tap.check(figures(3)["expired"] >= 1, "older than cache-age: asked anew", figures(3))


def damaged(tap):
    """Whatever became of the file: it is a miss, counted, and the answer is right."""
    sql = "SELECT 77 AS n"
    for p in files():
        p.unlink()
    grid.kill(1, "coordinator")
    grid.wait_whole(1)
    tap.equal(states(sql, "--cache"), ["VERIFIED", "CACHED"], "one is kept")
    for place in (0, 7, 60, 1500, -26, -1):
        whole = bytearray(files()[0].read_bytes())  # of as many hosts as were waited for
        whole[place] ^= 1
        files()[0].write_bytes(whole)
        before = figures()
        a = grid.ask(sql, "--cache")
        tap.equal((a.state, a.rows, figures()["damaged"] - before["damaged"]), ("VERIFIED", [(77,)], 1), f"byte {place} changed: asked anew")
    said = [line for line in grid.tail(1 << 20).splitlines() if "kept_answer_damaged" in line]
    tap.check(len(said) == 6 and all(re.search(r"receipt does not verify \(\w+\)|cut short", s) and
                                     re.search(r": answers/[0-9a-f]{64}\.answer, which is removed", s) for s in said),
              "the log says which file, and what is wrong with it", said)
    files()[0].write_bytes(files()[0].read_bytes()[:-5])
    a = grid.ask(sql, "--cache")
    tap.equal((a.state, a.rows), ("VERIFIED", [(77,)]), "cut short: asked anew")
    tap.check(figures()["failures"] == 1, "and counted", figures())
    kept = files()[0]
    tap.equal(states("SELECT 78 AS n", "--cache"), ["VERIFIED", "CACHED"], "another one")
    stranger = next(p for p in files() if p != kept)
    stranger.write_bytes(kept.read_bytes())
    grid.kill(1, "coordinator")
    grid.wait_whole(1)
    a = grid.ask("SELECT 78 AS n", "--cache")
    tap.equal((a.state, a.rows), ("VERIFIED", [(78,)]), "a good receipt of another question in its place: asked anew")


def killed(tap):
    """kill -9 of the coordinator: what was told as VERIFIED is CACHED afterwards; amid jobs, no answer is wrong."""
    tap.equal(states("SELECT 500 AS n", "--cache", times=1), ["VERIFIED"], "one is kept")
    grid.kill(1, "coordinator")
    grid.wait_whole(1)
    tap.equal(states("SELECT 500 AS n", "--cache", times=1), ["CACHED"], "it is there after kill -9")
    data, truth, wrong, seen = make_data(grid.dir / "item.db"), [(i, f"item {i:05d}") for i in range(9000)], [], set()
    for i in range(KILLS):
        q = grid.begin(ORDERED, "--prefer", "remote", "--cache", data=data)
        time.sleep(0.05 + 0.6 * i / KILLS)
        grid.kill(1, "coordinator")
        a = q.wait()
        grid.wait_whole(1)
        seen.add(a.state or a.error)
        b = grid.ask(ORDERED, "--cache", data=data)
        seen.add(b.state)
        wrong += [str(x) for x in (a, b) if x.state in ("VERIFIED", "CACHED") and x.rows != truth]
        wrong += [str(b)] if b.state not in ("VERIFIED", "CACHED") else []
        if i % 2:
            for p in files():
                p.unlink()
    tap.check(not wrong, f"{KILLS} kills amid jobs: no answer is wrong, and the next one is there ({sorted(seen)})", *wrong)
    tap.check(not [p for p in files() if p.suffix != ".answer"], "nothing half written is left", files())


def no_folder(tap):
    """What is kept is a help, and no reason not to start."""
    folder = grid.state / "node-1" / "coordinator" / "answers"
    shutil.rmtree(folder)
    folder.write_text("no folder")
    grid.kill(1, "coordinator")
    grid.wait_whole(1)
    tap.equal(states("SELECT 600 AS n", "--cache"), ["VERIFIED", "VERIFIED"], "without a folder: asked each time")
    folder.unlink()
    grid.kill(1, "coordinator")
    grid.wait_whole(1)
    tap.equal(states("SELECT 600 AS n", "--cache"), ["VERIFIED", "CACHED"], "with one again: kept")


def distrusted(tap):
    """A host that signed it is denied: its word is not given again."""
    sql = "SELECT 900 AS n"
    tap.equal(states(sql, "--cache", "--verify", "unanimous"), ["VERIFIED", "CACHED"], "signed by all three")
    code, _, err = grid.ctl(1, "block", grid.peer(4))
    tap.equal(code, 0, f"node 4 is blocked {err}")
    g.wait_until("the deny list arrives", lambda: grid.ask(sql, "--cache", "--verify", "unanimous").state != "CACHED", 30)
    tap.check(figures()["distrusted"] == 1, "its answers are not given again", figures())
    grid.ctl(1, "unblock", grid.peer(4))
    g.wait_until("node 4 is asked again", lambda: grid.ask(sql, "--cache", "--verify", "unanimous").state == "VERIFIED", 30)
    tap.equal(states(sql, "--cache", "--verify", "unanimous", times=1), ["CACHED"], "what it says now is")


def proved(tap):
    """After a fault proof against one of the hosts that signed it."""
    if not g.has_faults():
        tap.skip("a fault proof", "a build without -Dfaults=true")
        return
    sql = "SELECT 901 AS n"
    tap.equal(states(sql, "--cache", "--verify", "unanimous"), ["VERIFIED", "CACHED"], "all three signed it")
    grid.stop()
    with open(grid.state / "node-3" / "quorate.conf", "a") as f:
        f.write("[faults]\nmode = equivocate\n")
    grid.start()
    tap.equal(states(sql, "--cache", "--verify", "unanimous", times=1), ["CACHED"], "it is there after a restart")
    for i in range(40):
        if figures()["distrusted"]:
            break
        grid.ask(f"SELECT {i} AS other")
        grid.ask(sql, "--cache", "--verify", "unanimous")
    tap.equal(figures()["distrusted"], 1, "gone once node 3 was proved to have signed two answers")


with g.Grid(4, config={2: "\n[query]\ncache = yes\ncache-entries = 3\ncache-entry = 64K\n", 3: "\n[query]\ncache = yes\ncache-age = 1s\n"}) as grid:
    tap = Tap()
    code = tap.run([asked_again, asked_or_not, anything_else, of_now, within_limits, damaged, killed, no_folder, distrusted, proved])
sys.exit(code)
