#!/usr/bin/env python3
"""Nodes find each other: four know only the first, and no list of hosts is pinned anywhere. The first is killed for good; a newcomer
joins through one of the others."""
import os
import pathlib
import re
import signal
import subprocess
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2] / "support"))
import grid as g
from tap import Tap

N = 6
FIRST, NEWCOMER, DOOR = 1, 6, 3
LISTED, LISTED_AT_MOST = 5.0, 15.0  # s: of the design, and of this test on a machine that does other things as well
ORIGINS = {"gossip", "dht", "history", "connected"}


class Apart(g.Grid):
    """A supervisor for each node, so that one can end while the others go on. Started one by one."""

    def __init__(self):
        super().__init__(N, ready=False)
        self.runs = {}

    def _configure(self):
        self._plan()
        for folder in (self.state, self.runtime):
            folder.mkdir(exist_ok=True)
            folder.chmod(0o755)  # of a grid; each node is alone here, and opens only what is its own
        for node in range(1, N + 1):
            self.config_file(node).parent.mkdir()
            self.config_file(node).write_text((self.state / f"node-{node}" / "quorate.conf").read_text())

    def start(self):
        pass

    def config_file(self, node):
        return self.dir / f"c-{node}" / "quorate.conf"

    def launch(self, *nodes):
        for node in nodes:
            command = [g.QUORATE, "run", *self.place(node), "--config", str(self.config_file(node).parent), "--json"]
            with open(self.dir / "log", "ab") as log, open(self.dir / f"events-{node}", "wb") as events:
                self.runs[node] = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=events, stderr=log, env=self.env,
                                                   start_new_session=True, cwd="/")
        for node in nodes:
            g.wait_until(f"node {node} is ready", lambda: b'"ready"' in (self.dir / f"events-{node}").read_bytes(), 30)

    def end(self, node):
        """kill -9 of the supervisor and of all it started."""
        run = self.runs.pop(node)
        for pid in [run.pid, *g.descendants(run.pid)]:
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                pass
        run.wait()

    def stop(self):
        if self.process:
            super().stop()
        for node in list(self.runs):
            run = self.runs.pop(node)
            run.send_signal(signal.SIGINT)
            try:
                run.wait(20)
            except subprocess.TimeoutExpired:
                self.runs[node] = run
                self.end(node)


def ask_until_three(grid, node, seconds):
    """The first answer of three hosts, and after how many seconds it was there."""
    began = time.monotonic()
    while True:
        answer = grid.ask("SELECT 6 * 7 AS n", node=node)
        took = time.monotonic() - began
        agreeing = [h for h in answer.hosts if h["verdict"] == "correct"]
        if answer.state == "VERIFIED" and len(agreeing) == 3 or took > seconds + 10:
            return answer, took
        time.sleep(0.1)


def check_three(tap, grid, node, seconds, name, living):
    answer, took = ask_until_three(grid, node, seconds)
    tap.check(answer.state == "VERIFIED" and answer.rows == [(42,)], f"{name}: VERIFIED", answer)
    tap.check(took <= seconds, f"{name}: by three hosts within {seconds} s", f"{took:.2f} s", answer)
    tap.check({h["peer"] for h in answer.hosts if h["counted"]} <= {grid.peer(n) for n in living if n != node},
              f"{name}: all of them other living nodes", answer)
    tap.check({h["origin"] for h in answer.hosts} <= ORIGINS, f"{name}: none of them pinned", answer)
    return answer


def check_plan(tap, grid):
    texts = {node: grid.config_file(node).read_text() for node in range(1, N + 1)}
    tap.check("bootstrap" not in texts[FIRST] and not any(re.search(r"^peers", t, re.M) for t in texts.values()),
              "the first knows nobody, and nobody pins hosts")
    tap.check(all(t.count("bootstrap") == 1 and grid.peer(FIRST) in t for n, t in texts.items() if n != FIRST),
              "the others know the first alone")


def check_why(tap, grid):
    for node in range(1, N):
        def whys(node=node):  # gossip's draw may be a second ahead of the DHT and of the list of connections
            lines = [grid.ctl_json(node, "why", grid.peer(other)) for other in range(1, N) if other != node]
            return lines if all(x and x[0].get("origin") in ORIGINS for x in lines) else None
        tap.check(g.wait_until(f"node {node} knows who named each host", whys, 5), f"node {node}: why says who named each host")
    code, out, err = grid.ctl(2, "why", grid.peer(4))
    tap.check(code == 0 and re.search(r"host +named by (gossip|dht|history|connected)", out), "why, for people", out, err)
    code, out, err = grid.ctl(2, "query", "--prefer", "remote", "--meta", "SELECT 1")
    tap.check(code == 0 and re.search(r"ms  (gossip|dht|history|connected)", err), "--meta says it of each host", err)


def check_servers(tap, grid):
    """Nobody is told to be one: on one machine whoever knows somebody is reached as well."""
    def are_servers():
        stats = [grid.ctl_json(node, "dht", "stats") for node in range(1, N)]
        return all(s and s[0]["mode"] == "server" for s in stats)
    tap.check(g.wait_until("all serve", are_servers, 5), "five default nodes are five DHT servers")


def check_gossip(tap, grid):
    """With gossip there, hosts come from it, and not only from connections."""
    def is_heard():
        lines = [grid.ctl_json(2, "why", grid.peer(n)) for n in (1, 3, 4, 5)]
        return all(x and x[0]["origin"] in ("gossip", "dht", "history") for x in lines)
    tap.check(g.wait_until("gossip has named all", is_heard, 20), "all the others are named by gossip or the DHT")


def check_deny(tap, grid, node, other):
    """Denied: neither asked nor served, at once; and again welcome when it is lifted."""
    peer, name = grid.peer(other), f"node {node} denies node {other}"
    code, _, err = grid.ctl(node, "block", peer)
    tap.check(code == 0, f"{name}: said", err)
    why = g.wait_until("the coordinator knows", lambda: (x := grid.ctl_json(node, "why", peer)) and x[0].get("denied") and x, 5)
    tap.check(why[0]["denied"] is True, f"{name}: why says so", why)
    asked = [{h["peer"] for h in grid.ask("SELECT 1", node=node).hosts} for _ in range(5)]
    tap.check(all(asked) and all(peer not in hosts for hosts in asked), f"{name}: it is not asked", asked)
    answers = [grid.ask("SELECT 2", node=other) for _ in range(3)]
    tap.check(all(a.state == "VERIFIED" and grid.peer(node) not in {h["peer"] for h in a.hosts if h["counted"]} for a in answers),
              f"{name}: it is not served", *answers)
    code, _, err = grid.ctl(node, "unblock", peer)
    tap.check(code == 0, f"{name}: lifted", err)
    g.wait_until("it is no longer denied", lambda: (x := grid.ctl_json(node, "why", peer)) and x[0].get("denied") is False, 5)
    tap.check(g.wait_until("it is asked again", lambda: peer in {h["peer"] for h in grid.ask("SELECT 1", node=node).hosts}, 30),
              f"{name}: asked again")


def seen_in_dht(grid, node, peer):
    """What of the peer the node's DHT shows."""
    def said(*words):
        return grid.ctl(node, *words, "-t", "5s")
    find, record = said("find", peer), said("record", "get", f"/profile/{peer}")
    topic, letters = said("topic", "find", "fish", "--json")[1], said("mailbox", "read")[1]
    stats = grid.ctl_json(node, "dht", "stats")
    return {"found": find[0] == 0, "address": "/udp/" in find[1], "record": record[0] == 0, "topic": peer in topic,
            "letter": "a word" in letters, "peers": stats and stats[0]["peers"]}


def check_deny_in_dht(tap, grid, node, other):
    """Nor is anything of it shown, from the moment that `block` has ended; also by another dht."""
    peer, name = grid.peer(other), f"node {node} denies node {other} in its DHT"
    letter = grid.dir / "letter"
    letter.write_text("a word")
    tap.equal(grid.ctl(other, "topic", "announce", "fish")[0], 0, f"{name}: a topic of it")
    tap.equal(grid.ctl(other, "mailbox", "send", grid.peer(node), "--file", str(letter))[0], 0, f"{name}: a letter of it")
    shown = {"found": True, "address": True, "record": True, "topic": True, "letter": True}
    hidden = dict.fromkeys(shown, False)
    before = g.wait_until("all is shown", lambda: (x := seen_in_dht(grid, node, peer)) | shown == x and x["peers"] == N - 2 and x, 40, 0.5)
    tap.check(before, f"{name}: shown until then", before)
    code, _, err = grid.ctl(node, "block", peer)
    after = seen_in_dht(grid, node, peer)
    tap.check(code == 0 and after == hidden | {"peers": N - 3}, f"{name}: nothing is shown", after, err)
    code, _, err = grid.ctl(node, "find", peer)
    tap.check(code == 5 and "blocks that peer" in err and "blocklist" in err, f"{name}: said, with what to do", code, err)
    tap.equal(grid.ctl(other, "mailbox", "send", grid.peer(node), "--file", str(letter))[0], 0, f"{name}: another letter")
    after = seen_in_dht(grid, node, peer)
    tap.check(not after["letter"], f"{name}: nor a letter that was sent since", after)
    pid = grid.pid(node, "dht")
    grid.kill(node, "dht")
    g.wait_until("another dht", lambda: grid.pid(node, "dht") not in (0, pid), 10)
    g.wait_until("it is told", lambda: "blocks that peer" in grid.ctl(node, "find", "-t", "5s", peer)[2], 10)
    after = seen_in_dht(grid, node, peer)
    tap.check(after | hidden == after, f"{name}: so does another dht", after)
    tap.equal(grid.ctl(node, "unblock", peer)[0], 0, f"{name}: lifted")
    again = g.wait_until("it is shown again", lambda: (x := seen_in_dht(grid, node, peer)) | shown == x and x["peers"] == N - 2 and x, 60, 0.5)
    tap.check(again, f"{name}: shown again", again)
    grid.ctl(node, "mailbox", "forget", "--all")


def check_deny_over_a_start(tap, grid, node, other):
    """No window after a start: transport refuses who is denied before gossip, stopped here, has said a word."""
    peer, name = grid.peer(other), f"node {node} denies node {other}"
    code, _, err = grid.ctl(node, "block", peer)
    grid.signal(node, "gossip", signal.SIGSTOP)
    before = grid.pid(node, "transport")
    grid.kill(node, "transport")
    try:
        back = g.wait_until("another transport", lambda: grid.pid(node, "transport") not in (0, before), 10)
        denied = g.wait_until("its figures", lambda: grid.status(node)["transport"].get("peers_denied") == 1, 5)
        stopped = grid.signal(node, "gossip", 0)
    finally:
        grid.signal(node, "gossip", signal.SIGCONT)
    tap.check(code == 0 and back and denied and stopped, f"{name}: so does another transport, without gossip", err)
    grid.ctl(node, "unblock", peer)
    tap.check(g.wait_until("it is let in", lambda: grid.status(node)["transport"].get("peers_denied") == 0, 5), f"{name}: lifted")


def test_listed(tap):
    """Each lists all others, though four were told of the first alone."""
    with Apart() as grid:
        check_plan(tap, grid)
        grid.launch(*range(1, N))
        began, ids = time.monotonic(), {node: grid.peer(node) for node in range(1, N)}

        def lacks():
            shown = {node: {row.get("peer") for row in grid.ctl_json(node, "peers") or []} for node in ids}
            return {node: missing for node in ids if (missing := set(ids.values()) - {ids[node]} - shown[node])}
        while (missing := lacks()) and time.monotonic() - began < LISTED_AT_MOST:
            time.sleep(0.1)
        took = time.monotonic() - began
        tap.figure(f"five nodes list each other {took:.1f} s after the last is ready (wanted: {LISTED:g})")
        tap.check(not missing, f"`peers` of each lists all others within {LISTED_AT_MOST:g} s", missing)


def test_discovery(tap):
    with Apart() as grid:
        check_plan(tap, grid)
        grid.launch(*range(1, N))
        check_servers(tap, grid)
        check_three(tap, grid, 4, 5, "five nodes", range(1, N))
        for node in (1, 2, 5):
            check_three(tap, grid, node, 5, f"node {node} asks", range(1, N))
        check_gossip(tap, grid)
        check_why(tap, grid)
        check_deny(tap, grid, 2, 5)
        check_deny_in_dht(tap, grid, 2, 5)
        check_deny_over_a_start(tap, grid, 2, 5)
        grid.end(FIRST)
        living = range(2, N)
        check_three(tap, grid, 2, 5, "without the first", living)
        text = grid.config_file(NEWCOMER).read_text()
        line = re.search(r"listen = (\S+)", grid.config_file(DOOR).read_text()).group(1)
        grid.config_file(NEWCOMER).write_text(re.sub(r"bootstrap = .*", f"bootstrap = {line}/p2p/{grid.peer(DOOR)}", text))
        grid.launch(NEWCOMER)
        check_three(tap, grid, NEWCOMER, 8, "the newcomer asks", [*living, NEWCOMER])
        g.wait_until("the newcomer is known to one it never met",
                     lambda: (w := grid.ctl_json(5, "why", grid.peer(NEWCOMER))) and w[0].get("origin"), 20)
        tap.check(True, "the newcomer is known to one it never met")


if __name__ == "__main__":
    sys.exit(Tap().run([test_listed, test_discovery]))
