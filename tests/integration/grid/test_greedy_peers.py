#!/usr/bin/env python3
"""Peers that open streams and say nothing, or begin frames and do not end them: a node gives them a few places, little
memory, and neither for long. Its own streams, to others and from them, go on."""
import os
import pathlib
import re
import subprocess
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2] / "support"))
import grid as g
from tap import Tap

NODES = 4
MIB = 1024 * 1024
# Streams, and bytes of the frame that each begins. transport gives a peer two of each mesh protocol, and 32 of kad.
STUFFED = (("/meshsub/1.1.0", 2, MIB), ("/meshsub/1.2.0", 1, MIB), ("kad", 24, 64 * 1024))


class Greedy:
    """One of them: tests/support/greedy.c on the node's own transport."""

    def __init__(self, grid, node, protocol, streams, size=0):
        self.streams = streams
        self.process = subprocess.Popen(
            [os.environ["QUORATE_GREEDY"], grid.runtime / f"node-{node}", grid.peer(1), protocol, str(streams), str(size)],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def tell(self):
        """Streams accepted, streams that ended, bytes sent; a second later than the last time."""
        return tuple(int(n) for n in self.process.stdout.readline().split())

    def after(self, seconds):
        for _ in range(seconds):
            told = self.tell()
        return told

    def stop(self):
        self.process.kill()
        self.process.wait()


def memory(grid, service):
    """What of its memory is its own, in MiB."""
    text = pathlib.Path(f"/proc/{grid.pid(1, service)}/smaps_rollup").read_text()
    return int(re.search(r"Anonymous:\s+(\d+)", text)[1]) / 1024


def dht(grid):
    lines = grid.ctl_json(1, "dht", "stats")
    return lines[0]["metrics"] if lines else {}


def silent_streams(tap, grid, protocols):
    before = dht(grid)["streams_silent"]
    list_ = [Greedy(grid, node, protocols[name], n) for node in (2, 3) for name, n in (("kad", 24), ("record", 12))]
    said = [x.after(3) for x in list_]
    tap.equal([s[0] for s in said], [x.streams for x in list_], "silent streams are accepted")
    tap.check(sum(s[1] for s in said) == 0, "and have some seconds for a question", said)
    said = [x.after(6) for x in list_]
    tap.equal([s[1] for s in said], [x.streams for x in list_], "none of them stays without one")
    tap.check(dht(grid)["streams_silent"] - before >= sum(x.streams for x in list_), "the metrics count them", dht(grid))
    for x in list_:
        x.stop()


def frames_without_an_end(tap, grid, protocols):
    before = {name: memory(grid, name) for name in ("dht", "gossip")}
    list_ = [Greedy(grid, node, protocols.get(name, name), n, size) for node in range(2, NODES + 1)
             for name, n, size in STUFFED]
    held = 0
    for _ in range(4):
        for x in list_:
            x.tell()
        held = max(held, dht(grid)["streams_bytes_held"])
    most = {name: memory(grid, name) - m for name, m in before.items()}
    tap.check(0 < held <= 3 * 8 * 64 * 1024, "a peer has 512 KiB of dht at most", held)
    if not g.SANITIZED:  # which keep what was freed
        # Half as much again: what holds a frame grows by halves.
        tap.check(most["dht"] < 1.5 * 1.5 + 1, "and its memory grows by no more", most)
        tap.check(most["gossip"] < 3 * 1.25 * 1.5 + 1.5, "1.25 MiB of gossip", most)
    g.wait_until("all frames to be given up", lambda: all([x.tell()[1] == x.streams for x in list_]), 30, 0)
    tap.equal(dht(grid)["streams_bytes_held"], 0, "15 s later nothing of it is there")
    tap.check(dht(grid)["streams_over_quota"] > 0 and dht(grid)["streams_unfinished"] > 0, "the metrics say why", dht(grid))
    for x in list_:
        x.stop()


def greedy_peers(tap):
    with g.Grid(NODES, ready=False) as grid:
        g.wait_until("tables and meshes", lambda: all((s := grid.status(n)) and s["dht"]["peers"] == NODES - 1 and
                                                      s["gossip"]["mesh"] == NODES - 1 for n in (1, NODES)), 60, 0.5)
        row = next(r for r in grid.ctl_json(2, "peers") if r.get("peer") == grid.peer(1))
        protocols = {name: next(p for p in row["protocols"] if p.endswith(end))
                     for name, end in (("kad", "/kad/1.0.0"), ("record", "/record/1"))}
        silent_streams(tap, grid, protocols)
        frames_without_an_end(tap, grid, protocols)
        time.sleep(2)
        status = grid.status(1)
        tap.check(status["gossip"]["mesh"] == NODES - 1, "streams of the others' gossip went on, or came again", status)
        code, out, err = grid.ctl(NODES, "find", grid.peer(1))
        tap.check(code == 0, "and the node is found", (code, out, err))


if __name__ == "__main__":
    sys.exit(Tap().run([greedy_peers]))
