#!/usr/bin/env python3
"""kill -9 of dht and gossip by turns, in the middle of stores, announcements, letters, provider records, blocks and queries: what was
acknowledged is there afterwards, both rejoin within 3 s, queries go on. That no answer leaves before its commit: test_commits.py."""
import itertools
import json
import os
import pathlib
import random
import re
import sys
import threading
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2] / "support"))
import grid as g
from tap import Tap

N = 5
SEED = int(os.environ.get("QUORATE_SEED", "1"))
STORES = 1000 if g.LONG else 100
KILLS = 10 if g.LONG else 2  # of each, at least
KILLED, ASKERS, FAR = 2, (1, 2), 4
REJOIN = 6.0 if g.SANITIZED else 3.0  # s; sanitizers take twice as long for everything
CALM = 5.5  # between two kills: each service is healthy for 10 s before its next, so that its restart is a first one
PACE = 0.45  # s from store to store: others take 16 units a second of one peer, a store and its look-up are 5, and a restarted dht looks too
LABELS = 60  # a publisher may have 64 topics
LETTERS = 16  # four from one sender to each of the others
RETOLD = 20.0  # s until the coordinator tells another dht what the killed one was told in vain: every 15


class Asker(threading.Thread):
    """Asks one query after the other until told to stop."""

    def __init__(self, grid, node):
        super().__init__(daemon=True)
        self.grid, self.node, self.is_over, self.answers = grid, node, False, []

    def run(self):
        while not self.is_over:
            self.answers.append(self.grid.ask("SELECT 40 + 2", node=self.node))
            time.sleep(0.1)

    def stop(self):
        self.is_over = True
        self.join(90)
        return self.answers


class Killer(threading.Thread):
    """kill -9 of the two services by turns, and how long each needed to be back."""

    def __init__(self, grid):
        super().__init__(daemon=True)
        self.grid, self.is_over, self.error = grid, threading.Event(), ""
        self.took = {"dht": [], "gossip": []}
        self.rng = random.Random(SEED)

    def run(self):
        try:
            for service in itertools.cycle(self.took):
                if self.is_over.wait(CALM + self.rng.uniform(0, 1)):
                    return
                self.took[service].append(kill(self.grid, service))
        except g.Timeout as e:
            self.error = str(e)

    def has_enough(self):
        return self.error or min(map(len, self.took.values())) >= KILLS

    def stop(self):
        self.is_over.set()
        self.join(60)


def is_joined(grid):
    """All others are in the routing table again, and in the mesh."""
    s = grid.status(KILLED)
    dht, gossip = (s or {}).get("dht") or {}, (s or {}).get("gossip") or {}
    return dht.get("peers", 0) >= N - 1 and gossip.get("mesh", 0) >= N - 1 and gossip.get("offers", 0) >= N - 1


def kill(grid, service):
    """Seconds until it has joined again."""
    before = grid.pid(KILLED, service)
    began = time.monotonic()
    grid.kill(KILLED, service)
    g.wait_until(f"another {service}", lambda: grid.pid(KILLED, service) not in (0, before), 30, 0.02)
    g.wait_until(f"{service} joined", lambda: is_joined(grid), 60, 0.02)
    return time.monotonic() - began


def random_peer(rng):
    """The id of a key that nobody has."""
    alphabet = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz"
    value, digits = int.from_bytes(bytes.fromhex("002408011220") + rng.randbytes(32), "big"), ""
    while value:
        value, rest = divmod(value, 58)
        digits = alphabet[rest] + digits
    return "1" + digits


def letter(grid, number):
    """To one of the others; read there at the end."""
    others = [node for node in range(1, N + 1) if node != KILLED]
    text = grid.dir / "letter"
    text.write_text(f"letter {number:04}")
    code, _, err = grid.ctl(KILLED, "mailbox", "send", grid.peer(others[number // 16 % len(others)]), "--file", str(text), timeout=60)
    return (f"letter {number:04}", number), f"mailbox send: {err.strip()}" if code else ""


def dataset(grid, number):
    """Its provider record leads others to it."""
    data = grid.dir / f"data-{number}.csv"
    data.write_text(f"number\n{number}\n")
    code, out, err = grid.ctl(KILLED, "dataset", "publish", str(data), "--public", "--json", timeout=60)
    return (f"dataset {json.loads(out)['root']}" if code == 0 else "", number), f"dataset publish: {err.strip()}" if code else ""


def store(grid, number, rng):
    """One store, announcement, letter or block: ((what is to be there later, its version), why it was not acknowledged)."""
    label, peer = number % LABELS, random_peer(rng)
    if number % 16 == 0 and number < 16 * LETTERS:
        return letter(grid, number)
    if number % 16 == 8:
        return dataset(grid, number)
    name, command = {
        0: (f"/topic/topic-{label}", ["topic", "announce", f"topic-{label}"]),
        1: (peer, ["block", peer, "--reason", f"reason {number}"]),
    }.get(number % 4, (f"/name/{grid.peer(KILLED)}/name-{label}", ["record", "put", "name", f"name-{label}", "--hex", f"{number:064x}"]))
    code, _, err = grid.ctl(KILLED, *command, timeout=60)
    return (name, number), f"{' '.join(command[:2])}: {err.strip()}" if code else ""


def store_all(grid, killer):
    """At least STORES, and for as long as there are not enough kills: what was acknowledged, and why the others were not."""
    rng, number, acknowledged, refused = random.Random(SEED), 0, [], []
    while number < STORES or not killer.has_enough():
        what, why = store(grid, number, rng)
        acknowledged += [] if why else [what]
        refused += [why] if why else []
        number += 1
        time.sleep(PACE)
    return acknowledged, refused


def missing(grid, acknowledged):
    there = {row["name"] for row in grid.ctl_json(KILLED, "record", "list") or []}
    there |= {row["peer"] for row in grid.ctl_json(KILLED, "blocklist") or []}
    return sorted(name for name in set(acknowledged) - there if not name.startswith(("letter ", "dataset ")))


def unread(grid, acknowledged):
    texts = "".join(grid.ctl(node, "mailbox", "read", timeout=60)[1] for node in range(1, N + 1) if node != KILLED)
    return sorted(name for name in acknowledged if name.startswith("letter ") and name not in texts)


def unfetched(grid, acknowledged):
    """Of the datasets, what another node finds no provider of."""
    def is_fetched(root):
        return grid.ctl(FAR, "dataset", "fetch", root, timeout=60)[0] == 0
    lost = {name for name in acknowledged if name.startswith("dataset ")}
    end = time.monotonic() + RETOLD
    while lost and time.monotonic() < end:
        lost = {name for name in lost if not is_fetched(name.split()[1])}
    return sorted(lost)


def provided(grid):
    stats = grid.ctl_json(KILLED, "dht", "stats")
    return stats[0]["providers"] if stats else 0


def older_elsewhere(grid, acknowledged):
    """Of the names, what another node does not find, or finds in a version older than the acknowledged one."""
    lost = []
    for name, number in acknowledged.items():
        if name.startswith("/name/"):
            code, out, err = grid.ctl(FAR, "record", "get", name, timeout=60)
            found = re.search(r"hex:([0-9a-f]{64})", out)
            if code or not found or int(found[1], 16) < number:
                lost.append((name, number, out, err))
    return lost


def check_answers(tap, answers):
    right = [a for a in answers if a.state == "VERIFIED" and a.rows == [(42,)]]
    others = [str(a) for a in answers if a not in right]
    tap.note(f"{len(right)} of {len(answers)} queries VERIFIED, the slowest after {max(a.seconds for a in answers):.1f} s")
    tap.check(len(answers) >= 20 and not others, "queries go on: all VERIFIED", *others[:5])


def main(tap):
    with g.Grid(N) as grid:
        g.wait_until("all are known", lambda: is_joined(grid), 60, 0.2)
        askers, killer = [Asker(grid, node) for node in ASKERS], Killer(grid)
        for thread in (*askers, killer):
            thread.start()
        all_acknowledged, refused = store_all(grid, killer)
        acknowledged = dict(all_acknowledged)  # of each name the latest
        killer.stop()
        tap.note(f"{len(all_acknowledged)} acknowledged, {len(refused)} not; back after, in s: " +
                 "; ".join(f"{s} {' '.join(f'{t:.2f}' for t in took)}" for s, took in killer.took.items()))
        tap.check(not killer.error and all(t < REJOIN for took in killer.took.values() for t in took),
                  f"both rejoin within {REJOIN:g} s", killer.error, grid.status(KILLED))
        tap.check(len(all_acknowledged) >= len(refused) * 9, "most are acknowledged", *refused)
        check_answers(tap, [a for asker in askers for a in asker.stop()])
        tap.equal(missing(grid, acknowledged), [], "what was acknowledged is there")
        tap.equal(unread(grid, acknowledged), [], "letters are read by whom they are for")
        tap.equal(unfetched(grid, acknowledged), [], "datasets are fetched by another node")
        n = {kind: sum(name.startswith(kind) for name in acknowledged) for kind in ("letter ", "dataset ")}
        tap.check(all(n.values()) and provided(grid) >= n["dataset "], "and the provider of each is kept", n, provided(grid))
        tap.equal(older_elsewhere(grid, acknowledged), [], "and found by another node, that version or a later one")
        tap.equal(grid.stop(), 0, "the grid stops in order")


if __name__ == "__main__":
    sys.exit(Tap().run([main]))
