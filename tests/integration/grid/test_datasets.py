#!/usr/bin/env python3
"""Datasets for people, over real nodes: published, found in the DHT, fetched from many, named, kept, verified, asked.

Providers misbehave without any help of theirs: bytes of their files are changed on disk, or their coordinator is stopped."""
import json
import os
import pathlib
import re
import signal
import sqlite3
import subprocess
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2] / "support"))
import grid as g
from tap import Tap

MIB = 1 << 20
FETCHER, HOLDERS = 1, (2, 3, 4, 5, 6)
CACHE = "96M"


def make_db(path, size, rows=10):
    """Table t(id, n) of a few rows, and about `size` bytes of other content."""
    db = sqlite3.connect(path)
    db.executescript("PRAGMA synchronous = OFF; CREATE TABLE t(id INTEGER PRIMARY KEY, n INTEGER); CREATE TABLE b(x BLOB);")
    db.executemany("INSERT INTO t VALUES (?, ?)", ((i, i * i) for i in range(rows)))
    for _ in range(size // MIB):
        db.execute("INSERT INTO b VALUES (?)", (os.urandom(MIB - 200),))
    db.commit()
    db.close()
    return path


def dataset(grid, node, *arguments, timeout=60):
    """(exit code, last JSON object, stderr)"""
    code, out, err = grid.ctl(node, "dataset", *arguments, "--json", timeout=timeout)
    lines = [json.loads(line) for line in out.splitlines()]
    return code, lines[-1] if lines else {}, err


def listed(grid, node):
    code, out, _ = grid.ctl(node, "dataset", "list", "--json")
    return {d["root"]: d for d in map(json.loads, out.splitlines()) if "root" in d} if code == 0 else {}


def file_of(grid, node, root, suffix="data"):
    return grid.state / f"node-{node}" / "coordinator" / "datasets" / f"{root}.{suffix}"


def spoil(path, every):
    """Changes one byte of each `every`-th chunk."""
    os.chmod(path, 0o644)
    with open(path, "r+b") as f:
        for at in range(0, path.stat().st_size, every * MIB):
            f.seek(at)
            byte = f.read(1)
            f.seek(at)
            f.write(bytes([byte[0] ^ 1]))


def figure_of(grid, node, name):
    return grid.metrics(node)[f"quorate_coordinator_data_{name}"]


def check_publish(tap, grid):
    path = make_db(grid.dir / "small.db", 3 * MIB)
    code, d, err = dataset(grid, 2, "publish", str(path), "--public", "--name", "sales")
    tap.check(code == 0 and len(d.get("root", "")) == 64, "publish: a root", code, d, err)
    root = d["root"]
    tap.check(d["pinned"] and d["announced"] and d["class"] == "public" and d["format"] == "sqlite" and d["name"] == "sales"
              and d["state"] == "here" and d["bytes"] > 3 * MIB - 4096, "publish: pinned, public, announced, named", d)
    again = dataset(grid, 2, "publish", str(path), "--public")[1]
    tap.equal((again["root"], again["name"]), (root, "sales"), "the same content is the same dataset, and keeps its name")
    code, out, err = grid.ctl(2, "dataset", "list")
    tap.check(code == 0 and root in out and "published" in out and "sales" in out and "of 96.0 MiB used" in out, "list, for people", out, err)
    code, out, err = grid.ctl(2, "dataset", "show", "sales")
    tap.check(code == 0 and root in out and "chunks" in out and "here, pinned, announced" in out, "show by name, for people", out, err)
    code, d, err = dataset(grid, 2, "show", root)
    tap.check(code == 0 and d["dataset"]["root"] == root and d["chunks"] == 4, "show by root, JSON", d, err)
    return root


def check_odd_values(tap, grid):
    """One wrong value makes a column TEXT: whoever publishes it hears which, and where; it is published all the same."""
    (grid.dir / "odd.csv").write_text("id,day\n1,2026-01-01\n2,2026-01-02\noops,2026-01-03\n4,n/a\n")
    code, out, err = grid.ctl(1, "dataset", "publish", str(grid.dir / "odd.csv"))
    tap.check(code == 0 and len(err.splitlines()) == 2 and "column 1 'id' is TEXT: row 4 has 'oops', while 3 of 4 values are numbers" in err
              and "column 2 'day' is TEXT: row 5 has 'n/a', while 3 of 4 values are dates" in err and len(out.split()[0]) == 64, "said to people", code, out, err)
    _, d, _ = dataset(grid, 1, "publish", str(grid.dir / "odd.csv"))
    tap.equal([(n["column"], n["name"], n["row"], n["value"], n["others"], n["values"], n["most"]) for n in d["notes"]],
              [(1, "id", 4, "oops", 1, 4, "numbers"), (2, "day", 5, "n/a", 1, 4, "dates")], "and in JSON")
    (grid.dir / "even.csv").write_text("id,word\n1,a\n2,7\n3,b\n")
    tap.equal(dataset(grid, 1, "publish", str(grid.dir / "even.csv"))[1]["notes"], [], "words are words")


def check_find(tap, grid, root):
    """Found by nobody but the DHT."""
    code, d, err = g.wait_until("a provider in the DHT", lambda: (x := dataset(grid, 3, "fetch", root))[0] == 0 and x, 30, 0.5)
    tap.check(d["state"] == "done" and d["fetched"] > 3 * MIB - 4096, "fetch by root: found in the DHT", d)
    tap.equal([p["peer"] for p in d["providers"] if p["chunks"]], [grid.peer(2)], "from who has it")
    tap.check(listed(grid, 3)[root]["pinned"] is False, "what is fetched may be dropped again", listed(grid, 3))
    name = f"sales@{grid.peer(2)}"
    code, d, err = g.wait_until("the name in the DHT", lambda: (x := dataset(grid, 4, "fetch", name, "--pin"))[0] == 0 and x, 30, 0.5)
    tap.equal(d["root"], root, "fetch by NAME@PEER")
    tap.check(listed(grid, 4)[root]["pinned"] and listed(grid, 4)[root]["announced"], "pinned and public: announced", listed(grid, 4))
    code, out, err = grid.ctl(4, "dataset", "fetch", root)
    tap.check(code == 0 and "here already" in out, "fetched twice: here already", out, err)


def check_queries(tap, grid, root):
    other = make_db(grid.dir / "other.db", 0, rows=4)
    second = dataset(grid, 3, "publish", str(other), "--public", "--name", "other")[1]["root"]
    name = f"other@{grid.peer(3)}"
    g.wait_until("the second name", lambda: dataset(grid, 5, "fetch", name)[0] == 0, 30, 0.5)
    sql = "SELECT (SELECT sum(n) FROM a.t), (SELECT count(*) FROM b.t)"
    answer = grid.ask(sql, "--data", f"a={root}", "--data", f"b={name}", node=5)
    tap.check(answer.state == "VERIFIED" and answer.rows == [(285, 4)], "two datasets, one by root and one by name: VERIFIED", answer)
    tap.equal({i["name"]: i["root"] for i in answer.json.get("inputs", [])}, {"a": root, "b": second}, "the answer says which roots")
    code, out, err = grid.ctl(5, "query", "--prefer", "remote", "--meta", "--data", f"t={root}", "SELECT count(*) FROM t.t")
    tap.check(code == 0 and f"data t: {root}" in err, "so does --meta", out, err)
    answer = grid.ask("SELECT count(*) FROM t.t", "--data", "t=other@me", node=3)
    tap.check(answer.state == "VERIFIED" and answer.rows == [(4,)], "NAME@me", answer)
    code, out, err = grid.ctl(3, "query", "--data", "t=nothing@me", "SELECT 1")
    tap.check(code == 5 and "no dataset is called that here" in err, "a name that is none", code, err)


def check_table(tap, grid):
    """A CSV file: its schema is in the manifest, so hosts that know the root alone read it the same."""
    path = grid.dir / "prices.csv"
    path.write_text("id,name,price\n1,ab,1.50\n2,cd,2.25\n3,ef,10.00\n")
    code, d, err = dataset(grid, 4, "publish", str(path), "--public", "--name", "prices")
    tap.check(code == 0 and d["format"] == "csv", "a CSV file is published", code, d, err)
    shown = dataset(grid, 4, "show", "prices")[1]
    tap.check(len(shown["schema"]) > 0 and len(shown["options"]) > 0, "its schema and options are in the manifest", shown)
    out = grid.ctl(4, "dataset", "show", "prices")[1]
    tap.check(shown["columns"] and all(f"{c['name']} {c['type']}" in out for c in shown["columns"]),
              "show names the columns and their types", shown, out)
    answer = g.wait_until("it is found", lambda: (a := grid.ask("SELECT count(*), max(name) FROM p", "--data", f"p={d['root']}", node=6)).code == 0
                          and a, 30, 0.5)
    tap.check(answer.state == "VERIFIED" and answer.rows == [(3, "ef")], "asked by its root alone: VERIFIED", answer)
    tap.check("/prices" in grid.ctl(4, "record", "list")[1], "its name is a record of the node", grid.ctl(4, "record", "list"))
    tap.check(dataset(grid, 4, "rm", "prices")[0] == 0 and "/prices" not in grid.ctl(4, "record", "list")[1], "rm withdraws the name")


def check_hosts_search(tap, grid):
    """Hosts fetch from who the DHT names, not only from who sent them the job."""
    path = make_db(grid.dir / "spread.db", 24 * MIB)
    root = dataset(grid, 2, "publish", str(path), "--public")[1]["root"]
    path.unlink()
    g.wait_until("a second provider", lambda: dataset(grid, 3, "fetch", root, "--pin")[0] == 0, 30, 0.5)
    before = sum(figure_of(grid, node, "served") for node in (2, 3))
    others = [x for node in (4, 5, 6) for x in ("--host", grid.peer(node))]
    had = figure_of(grid, 1, "fetched")
    answer = grid.ask("SELECT count(*) FROM t.t", "--verify", "unanimous", *others, "--data", f"t={root}", node=1)
    tap.check(answer.state == "VERIFIED" and {h["peer"] for h in answer.hosts} == {grid.peer(n) for n in (4, 5, 6)},
              "asked where it is not, of hosts that lack it: VERIFIED", answer)
    fetched = figure_of(grid, 1, "fetched") - had
    served = sum(figure_of(grid, node, "served") for node in (2, 3)) - before
    tap.check(24 * MIB <= fetched < 26 * MIB, "who asks has fetched it", fetched)
    tap.check(served - fetched > 4 * MIB, "hosts took from those that the DHT names, too", served, fetched)
    for node in range(1, 7):
        dataset(grid, node, "rm", root)


def check_missing(tap, grid):
    """A root that nobody has; and one that its only provider has lost since."""
    answer = grid.ask("SELECT 1", "--data", "t=" + "ab" * 32, node=1)
    tap.check(answer.code == 5 and answer.error.startswith("DATA_UNAVAILABLE") and "ab" * 32 in answer.json.get("message", answer.error),
              "a root that nobody has", answer)
    asked = re.search(r"; (\d+) nodes of the DHT were asked who has it", answer.json.get("message", answer.error))
    tap.check(asked and int(asked[1]) >= 1, "and how many nodes were asked for it", answer)
    path = make_db(grid.dir / "lost.db", MIB)
    root = dataset(grid, 6, "publish", str(path), "--public")[1]["root"]
    g.wait_until("it is announced", lambda: dataset(grid, 5, "fetch", root)[0] == 0, 30, 0.5)
    spoil(file_of(grid, 6, root), 1)
    spoil(file_of(grid, 5, root), 1)
    answer = grid.ask("SELECT 1", "--data", f"t={root}", node=1)
    text = answer.json.get("message", answer.error)
    tap.check(answer.code == 5 and "DATA_UNAVAILABLE" in answer.error and f"…{grid.peer(6)[-8:]} sent a wrong chunk" in text,
              "a query on a root that cannot be had says who was asked, and what he did", answer)
    code, _, err = dataset(grid, 1, "fetch", root)
    tap.check(code == 5 and f"…{grid.peer(6)[-8:]} sent a wrong chunk" in err, "so does fetch", code, err)
    for node in (5, 6):
        code, d, err = dataset(grid, node, "verify", root)
        tap.check(code == 5 and "2 of 2 chunks are wrong" in err, f"node {node}: verify finds it", code, d, err)
        tap.check(listed(grid, node)[root]["state"] in ("partial", "fetching"), f"node {node}: and no longer uses it")


def check_moved_name(tap, grid, root):
    """A name that goes to another dataset is said to, and back."""
    path = make_db(grid.dir / "own2.db", 0, rows=7)
    code, out, err = grid.ctl(2, "dataset", "publish", str(path), "--name", "own")
    second = out.splitlines()[0] if out else ""
    tap.check(code == 0 and f"own moved from {root} to {second}" in out, "publish: a name that moves is said to", code, out, err)
    code, d, err = dataset(grid, 2, "publish", str(path), "--name", "own")
    tap.check(code == 0 and "moved_from" not in d, "publish: not one that stays", code, d, err)
    code, d, err = dataset(grid, 2, "pin", root, "--name", "own")
    tap.check(code == 0 and d.get("moved_from") == second, "pin: which root had it before, in JSON", code, d, err)
    code, d, err = dataset(grid, 2, "rm", second)
    tap.check(code == 0 and d["name"] == "", "the one before has no name", code, d, err)


def check_internal(tap, grid):
    """Nobody is told of it; who is told its root may have it from who has it."""
    path = make_db(grid.dir / "own.db", MIB)
    code, d, err = dataset(grid, 2, "publish", str(path), "--name", "own")
    root = d["root"]
    tap.check(code == 0 and d["class"] == "internal" and d["pinned"] and not d["announced"], "internal: pinned, not announced", d, err)
    check_moved_name(tap, grid, root)
    code, _, err = dataset(grid, 3, "fetch", root)
    tap.check(code == 5 and "DATA_UNAVAILABLE" in err, "internal: not found", code, err)
    code, _, err = dataset(grid, 2, "name", "own", root)
    tap.check(code == 5 and "tells its root to everybody" in err, "internal: no name in the DHT", code, err)
    code, d, err = dataset(grid, 3, "fetch", root, "--from", grid.peer(2))
    tap.check(code == 0 and d["state"] == "done", "internal: from who has it", code, d, err)
    tap.check(not listed(grid, 3)[root]["announced"], "internal: not announced there either")
    code, d, err = dataset(grid, 3, "pin", root, "--name", "theirs")
    tap.check(code == 0 and d["pinned"] and d["name"] == "theirs" and not d["announced"], "pin gives it a name there", code, d, err)
    code, d, err = dataset(grid, 3, "unpin", "theirs")
    after = listed(grid, 3)[root]
    tap.check(code == 0 and not after["pinned"] and after["name"] == "", "unpin takes both away", code, err, after)
    for node in (2, 3):
        code, _, err = dataset(grid, node, "rm", root)
        tap.check(code == 0 and root not in listed(grid, node), f"node {node}: removed", code, err)
    code, _, err = dataset(grid, 2, "rm", root)
    tap.check(code == 5 and "no such dataset here" in err, "removed twice", code, err)


def check_culprits(tap, grid):
    """Five providers: two serve corrupt chunks, one stalls."""
    path = make_db(grid.dir / "many.db", 40 * MIB)
    root = dataset(grid, HOLDERS[0], "publish", str(path), "--public")[1]["root"]
    path.unlink()
    for node in HOLDERS[1:]:
        code, _, err = dataset(grid, node, "fetch", root, "--from", grid.peer(HOLDERS[0]), timeout=120)
        tap.check(code == 0, f"node {node} has it", err)
    corrupt, stalled = HOLDERS[1:3], HOLDERS[3]
    for node in corrupt:
        spoil(file_of(grid, node, root), 1)
    grid.signal(stalled, "coordinator", signal.SIGSTOP)
    fetch = ["fetch", root] + [x for node in HOLDERS for x in ("--from", grid.peer(node))]
    code, d, err = dataset(grid, FETCHER, *fetch, timeout=120)
    verdicts = {p["peer"]: p["verdict"] for p in d.get("providers", [])}
    tap.check(code == 0 and d.get("state") == "done", "two corrupt, one stalled: the fetch completes from the others", code, d, err)
    for node in corrupt:
        tap.equal(verdicts.get(grid.peer(node)), "sent a wrong chunk", f"node {node} is named")
    tap.check(verdicts.get(grid.peer(stalled)) in ("silent", "stalled", "closed the stream", "unreachable", "gave nothing before the others were done"),
              "who stalled is named", verdicts)
    tap.equal([verdicts.get(grid.peer(n)) for n in (HOLDERS[0], HOLDERS[4])], ["ok", "ok"], "the others are not")
    grid.signal(stalled, "coordinator", signal.SIGCONT)
    code, d, err = dataset(grid, FETCHER, "verify", root)
    tap.check(code == 0 and d["good"] and d["chunks"] >= 40, "what came is right", code, d, err)
    repair(tap, grid, corrupt[0], root)
    for node in (*HOLDERS, FETCHER):
        dataset(grid, node, "rm", root)
    return root


def repair(tap, grid, node, root):
    """Half of the chunks made right by hand: the fetch brings the other half."""
    spoil(file_of(grid, node, root), 2)
    code, _, err = dataset(grid, node, "verify", root)
    tap.check(code == 5 and "are wrong" in err, "verify finds what was changed", code, err)
    code, d, err = dataset(grid, node, "fetch", root, "--from", grid.peer(HOLDERS[0]))
    bad = sum(1 for i in range(d.get("chunks", 0)) if i % 2)
    tap.check(code == 0 and sum(p["chunks"] for p in d["providers"]) == bad, "fetch brings the wrong chunks anew, and no others", code, d, err)


def right_chunks(part, whole):
    with open(part, "rb") as a, open(whole, "rb") as b:
        return sum(a.read(MIB) == y for y in iter(lambda: b.read(MIB), b""))


def kill_midway(grid, root, least, *options):
    """Begins the fetch, and kills the coordinator when `least` bytes of it are on disk. The command goes on."""
    part = file_of(grid, FETCHER, root, "part")
    command = subprocess.Popen([g.QUORATE, "dataset", *grid.place(FETCHER), "fetch", root, "--from", grid.peer(2), "--from", grid.peer(3),
                                "--json", *options], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=grid.env)
    end = time.monotonic() + 30
    while time.monotonic() < end and command.poll() is None:
        try:
            if os.stat(part).st_blocks * 512 >= least:
                grid.kill(FETCHER, "coordinator")
                return command, True
        except OSError:
            pass
        time.sleep(0.001)
    return command, False


def check_kill(tap, grid):
    """kill -9 of the fetching coordinator: no verified chunk is fetched twice."""
    size = 64 * MIB
    path = make_db(grid.dir / "kill.db", size)
    root = dataset(grid, 2, "publish", str(path))[1]["root"]
    path.unlink()
    code, _, err = dataset(grid, 3, "fetch", root, "--from", grid.peer(2), timeout=120)
    tap.check(code == 0, "a second provider has it", err)
    whole = file_of(grid, 2, root)
    command, is_killed = kill_midway(grid, root, 8 * MIB)
    command.kill()
    command.communicate()
    have = right_chunks(file_of(grid, FETCHER, root, "part"), whole)
    tap.check(is_killed and 4 <= have < size // MIB - 4, "killed in the middle", is_killed, have)
    grid.wait_whole(FETCHER)
    tap.equal(listed(grid, FETCHER)[root]["state"], "partial", "what was fetched is there after the restart")
    before = figure_of(grid, FETCHER, "fetched")
    tap.equal(before, 0, "nothing was fetched by itself")
    command, is_killed = kill_midway(grid, root, (have + 8) * MIB)
    out, err = command.communicate(timeout=120)
    d = json.loads(out.splitlines()[-1])
    tap.check(is_killed and command.returncode == 0 and d["state"] == "done",
              "killed once more: the command waits for the node and goes on", is_killed, command.returncode, out, err)
    fetched, length = figure_of(grid, FETCHER, "fetched"), whole.stat().st_size
    tap.check(0 < fetched < length - have * MIB, "each time only what was not there", fetched, length, have)
    tap.figure(f"kill -9 after {have} of {length / MIB:.0f} MiB, then again: {fetched / MIB:.0f} MiB were left to the last one")
    code, d, err = dataset(grid, FETCHER, "verify", root)
    tap.check(code == 0 and d["good"], "what came is right", code, d, err)
    for node in (2, 3, FETCHER):
        dataset(grid, node, "rm", root)


def check_heal(tap, grid):
    """Killed in the middle of fetching what is to be pinned, command and all: it goes on by itself."""
    path = make_db(grid.dir / "heal.db", 40 * MIB)
    root = dataset(grid, 2, "publish", str(path), "--public")[1]["root"]
    path.unlink()
    command, is_killed = kill_midway(grid, root, 6 * MIB, "--pin")
    command.kill()
    command.communicate()
    tap.check(is_killed, "killed amid a fetch that is to be pinned")
    grid.wait_whole(FETCHER)
    tap.check(g.wait_until("it is whole", lambda: (d := listed(grid, FETCHER).get(root)) and d["state"] == "here" and d["announced"], 60, 0.5),
              "after the restart it is fetched by itself, and announced")
    for node in (2, FETCHER):
        dataset(grid, node, "rm", root)


def check_exact_count(tap, grid):
    """As many bytes as were missing, to the byte."""
    path = make_db(grid.dir / "count.db", 32 * MIB)
    root = dataset(grid, 2, "publish", str(path))[1]["root"]
    path.unlink()
    whole = file_of(grid, 2, root)
    command, is_killed = kill_midway(grid, root, 6 * MIB)
    command.kill()
    command.communicate()
    have = right_chunks(file_of(grid, FETCHER, root, "part"), whole) if is_killed else 0
    grid.wait_whole(FETCHER)
    before = figure_of(grid, 2, "served")
    code, d, err = dataset(grid, FETCHER, "fetch", root, "--from", grid.peer(2))
    served = figure_of(grid, 2, "served") - before
    fetched = figure_of(grid, FETCHER, "fetched")
    tap.check(is_killed and code == 0 and fetched == whole.stat().st_size - have * MIB, "to the byte what was missing",
              is_killed, code, err, fetched, whole.stat().st_size, have)
    tap.check(fetched <= served < fetched + MIB, "and its provider sent no more", fetched, served)
    for node in (2, FETCHER):
        dataset(grid, node, "rm", root)


def check_quota(tap, grid):
    node, roots = 6, {}
    for name in ("kept", "loose", "third"):
        path = make_db(grid.dir / f"{name}.db", 36 * MIB)
        code, d, err = dataset(grid, node, "publish", str(path), "--name", name)
        roots[name] = d.get("root")
        tap.check(code == 0, f"quota: {name} is published", err)
        if name == "loose":
            tap.equal(dataset(grid, node, "unpin", "loose")[0], 0, "quota: and no longer pinned")
    names = set(listed(grid, node))
    tap.check(roots["kept"] in names and roots["third"] in names and roots["loose"] not in names, "the one not pinned was evicted", roots, names)
    path = make_db(grid.dir / "fourth.db", 36 * MIB)
    code, _, err = dataset(grid, node, "publish", str(path))
    tap.check(code == 5 and "cache is full of data in use" in err, "none of those pinned: a clear error instead", code, err)
    grid.kill(node, "coordinator")
    grid.wait_whole(node)
    after = listed(grid, node)
    tap.check(all(after[roots[n]]["pinned"] and after[roots[n]]["name"] == n for n in ("kept", "third")), "pins and names survive kill -9", after)
    code, _, err = dataset(grid, node, "publish", str(path))
    tap.check(code == 5, "and hold after it", code, err)
    tap.check(dataset(grid, node, "rm", "third")[0] == 0 and dataset(grid, node, "publish", str(path))[0] == 0, "rm makes room")
    used = sum(f.stat().st_size for f in file_of(grid, node, "x").parent.glob("*.data"))
    tap.check(used <= 96 * MIB, "within its quota", used)


def check_withdrawal(tap, grid):
    """Said while the node's dht is away, and while the coordinator is killed: withdrawn nevertheless."""
    path = make_db(grid.dir / "gone.db", MIB)
    root = dataset(grid, 4, "publish", str(path), "--public")[1]["root"]
    tap.check(g.wait_until("it is found", lambda: dataset(grid, 5, "fetch", root)[0] == 0, 30, 0.5), "published: found")
    dataset(grid, 5, "rm", root)
    grid.signal(4, "dht", signal.SIGSTOP)
    code, _, err = dataset(grid, 4, "rm", root)
    tap.check(code == 0, "removed while dht is silent", err)
    grid.kill(4, "coordinator")
    grid.signal(4, "dht", signal.SIGCONT)
    grid.wait_whole(4)
    tap.check(g.wait_until("it is withdrawn", lambda: not file_of(grid, 4, root, "keep").exists(), 60, 0.5), "withdrawn after the restart")


def big_grid(tap, size, memory):
    """One dataset reaches three hosts; executors stay under the memory of the job."""
    with g.Grid(4) as grid:
        path = make_db(grid.dir / "big.db", size)
        began = time.monotonic()
        code, d, err = dataset(grid, 1, "publish", str(path), "--public", "--name", "big", timeout=600)
        path.unlink()
        tap.check(code == 0, "big: published", err)
        # The end of a value is reached through all of it.
        sql = "SELECT count(*), sum(length(x)), count(DISTINCT substr(x, -8)) FROM t.b"
        query = grid.begin(sql, "--prefer", "remote", "--verify", "unanimous", "--data", "t=big@me", "--timeout", "900s",
                           "--max-memory", f"{memory}M")
        peak = 0
        while query.process.poll() is None:
            peak = max([peak, *(anonymous(pid) for node in (2, 3, 4) for pid in grid.executors(node))])
            time.sleep(0.02)
        answer = query.wait(900)
        rows = size // MIB
        tap.check(answer.state == "VERIFIED" and answer.rows == [(rows, rows * (MIB - 200), rows)], "big: VERIFIED by all three", answer)
        has = [node for node in (2, 3, 4) if listed(grid, node).get(d["root"], {}).get("state") == "here"]
        tap.check(len(has) == 3, "big: three hosts have it", has)
        tap.check(0 < peak <= memory * MIB, f"big: executors stay under {memory} MiB", peak)
        tap.figure(f"{d['bytes'] / 1e6:.0f} MB published and asked of 3 hosts in {time.monotonic() - began:.1f} s, "
                   f"executors' peak {peak / MIB:.0f} MiB")


def anonymous(pid):
    """Memory of its own; pages of its input, a file or a copy that all its runs share, are not."""
    try:
        with open(f"/proc/{pid}/status") as f:
            return sum(int(line.split()[1]) for line in f if line.startswith("RssAnon:")) * 1024
    except OSError:
        return 0


def test_datasets(tap):
    config = {0: f"\n[coordinator]\ncache-size = {CACHE}\n"}
    with g.Grid(6, config) as grid:
        root = check_publish(tap, grid)
        check_find(tap, grid, root)
        check_queries(tap, grid, root)
        check_odd_values(tap, grid)
        check_table(tap, grid)
        check_hosts_search(tap, grid)
        check_missing(tap, grid)
        check_internal(tap, grid)
        check_withdrawal(tap, grid)
        check_culprits(tap, grid)
        check_kill(tap, grid)
        check_heal(tap, grid)
        check_exact_count(tap, grid)
        check_quota(tap, grid)


def test_big(tap):
    big_grid(tap, 1000 * MIB if g.LONG else 72 * MIB, 64)


if __name__ == "__main__":
    sys.exit(Tap().run([test_datasets, test_big]))
