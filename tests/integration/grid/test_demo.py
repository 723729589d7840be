#!/usr/bin/env python3
"""The main job: five real nodes, one asks, three of the four others answer; the receipt proves it to anybody."""
import os
import pathlib
import re
import shutil
import signal
import sqlite3
import subprocess
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2] / "support"))
import grid as g
from tap import Tap, skip_all

HOSTS = range(2, 6)


def demo_query():
    """The very statement deploy/demo asks."""
    text = (g.SOURCE / "deploy/demo").read_text()
    return re.search(r'^sql="(.*?)"$', text, re.M | re.S).group(1)


def truth(data, sql):
    db = sqlite3.connect(f"file:{data}?mode=ro", uri=True)
    try:
        return [tuple(row) for row in db.execute(sql)]
    finally:
        db.close()


def make_data(path):
    subprocess.run([sys.executable, g.SOURCE / "deploy/package-database", path], check=True)


def executor_starts(grid):
    return {node: grid.metrics(node)["quorate_coordinator_runs"] for node in HOSTS}


def quic_bytes(grid):
    return {node: sum(grid.metrics(node)[m] for m in ("quic_bytes_in", "quic_bytes_out")) for node in HOSTS}


def check_report(tap, grid, answer, wanted):
    a = answer.json
    tap.equal(answer.code, 0, "exit code 0")
    for name, value in (("state", "VERIFIED"), ("verified", True), ("quorum", 2), ("replicas", 3),
                        ("executed_locally", False), ("rows", len(wanted))):
        tap.equal(a.get(name), value, f"{name} is {value!r}")
    tap.check(a.get("agreement", 0) >= 2, "agreement of at least 2", answer)
    tap.check(re.fullmatch(r"[0-9a-f]{64}", a.get("answer", "")), "answer is 64 hex digits", answer)
    tap.check(a.get("elapsed_ms", 0) > 0, "elapsed_ms", answer)
    tap.equal(answer.rows, wanted, "the rows are those of SQLite in this process")
    tap.equal(len(answer.hosts), 3, "three hosts")
    tap.check({h["peer"] for h in answer.hosts} <= {grid.peer(n) for n in HOSTS} and
              len({h["peer"] for h in answer.hosts}) == 3, "they are three distinct ones of the four others", answer)
    counted = [h for h in answer.hosts if h["counted"]]
    tap.equal(len(counted), a.get("agreement"), "as many counted votes as agree")
    tap.check(all(h["answer"] == a["answer"] and h["verdict"] == "correct" and h["elapsed_ms"] > 0 for h in counted),
              "their answers are equal, judged correct", answer)


def check_work(tap, grid, answer, starts, sent):
    asked = {grid.node_of(h["peer"]) for h in answer.hosts}
    now_starts, now_sent = executor_starts(grid), quic_bytes(grid)
    answered = {grid.node_of(h["peer"]) for h in answer.hosts if h["answer"]}
    grown = {n: now_starts[n] - starts[n] for n in HOSTS}
    tap.note(f"executor starts of the job: {grown}")
    tap.check(all(grown[n] == 1 for n in answered) and all(grown[n] <= int(n in asked) for n in HOSTS),
              "one executor start on each host that answered, none on one that was not asked")
    grown = {n: now_sent[n] - sent[n] for n in sorted(asked)}
    tap.note(f"QUIC bytes of the job: {grown}")
    tap.check(all(n > 1000 for n in grown.values()), "QUIC bytes grew on each of them")


def verify(receipt, rows, folder):
    """`receipt verify` where there is nothing but two files: other directory, empty environment, no network."""
    alone = ["unshare", "-n"] if os.geteuid() == 0 else []
    return subprocess.run([*alone, g.QUORATE, "receipt", "verify", receipt, "--rows", rows], env={}, cwd=folder,
                          capture_output=True, text=True, timeout=20)


def check_receipt(tap, grid, answer, rows):
    folder = grid.dir / "elsewhere"
    folder.mkdir()
    receipt, kept = folder / "a.receipt", folder / "a.qrows"
    shutil.copy(answer.json["receipt"], receipt)
    shutil.copy(rows, kept)
    done = verify(receipt, kept, folder)
    tap.equal(done.returncode, 0, "the receipt verifies offline, with the rows")
    tap.note((done.stdout + done.stderr).strip())
    shown = subprocess.run([g.QUORATE, "receipt", "show", receipt], capture_output=True, text=True, timeout=20).stdout
    tap.check("\\x0a" not in shown and "\n  FROM package AS p" in shown, "shown to people with the lines of its statement", shown)
    # Who was let go before it answered is in no receipt: two may be enough.
    tap.check(all(shown.count(h["peer"]) == 1 for h in answer.hosts if h["counted"]) and
              shown.count("\nhost ") == shown.count("voter itself: peer (measured)") >= 2, "and each host's name once", shown)
    flipped = bytearray(kept.read_bytes())
    flipped[-1] ^= 1
    kept.write_bytes(flipped)
    tap.check(verify(receipt, kept, folder).returncode != 0, "and not with other rows")
    shutil.copy(rows, kept)
    changed = bytearray(receipt.read_bytes())
    changed[len(changed) // 2] ^= 0x80
    receipt.write_bytes(changed)
    tap.check(verify(receipt, kept, folder).returncode != 0, "nor when a bit of it is another")


def main_job(tap):
    with g.Grid(5) as grid:
        data, rows = grid.dir / "packages.db", grid.dir / "answer.qrows"
        make_data(data)
        sql = demo_query()
        starts, sent = executor_starts(grid), quic_bytes(grid)
        answer = grid.ask(sql, "--save-rows", str(rows), data=data)
        check_report(tap, grid, answer, truth(data, sql))
        check_work(tap, grid, answer, starts, sent)
        check_receipt(tap, grid, answer, rows)
        too_few_hosts(tap, grid, data, sql)
        tap.equal(grid.stop(), 0, "the grid stops in order, exit code 0")


def too_few_hosts(tap, grid, data, sql):
    for node in (2, 3, 4):
        tap.check(grid.signal(node, "transport", signal.SIGSTOP), f"transport of node {node} is stopped")
    answer = grid.ask(sql, data=data, timeout=60)
    tap.note(f"with one host left: {answer.seconds:.1f} s, {answer.json.get('error')}: {answer.json.get('message')}")
    tap.equal(answer.error, "TOO_FEW_HOSTS", "one host is too few for a quorum of two")
    tap.equal(answer.json.get("state"), "", "no state is claimed")
    tap.equal(answer.rows, [], "no row is shown")
    tap.equal(answer.code, 5, "exit code 5")
    tap.check(answer.seconds < 30, "said in bounded time", answer)
    tap.check("--quorum" in answer.json.get("message", ""), "with a remedy", answer)
    for node in (2, 3, 4):
        grid.signal(node, "transport", signal.SIGCONT)
    g.wait_until("the hosts are back", lambda: grid.ask(sql, data=data).state == "VERIFIED", 30, 0.5)
    tap.check(True, "when they go on, it is VERIFIED again")


if __name__ == "__main__":
    if not shutil.which("dpkg-query"):
        skip_all("no dpkg: the data is the machine's own package database")
    sys.exit(Tap().run([main_job]))
