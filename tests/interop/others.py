#!/usr/bin/env python3
"""The DHT and gossip with an unmodified go-libp2p or rust-libp2p peer, both ways.

    others.py LANGUAGE BUILD    go or rust; TAP on standard output

The program is built here, which takes minutes: only with QUORATE_LONG=1, and where its toolchain is.
"""
import pathlib
import shutil
import subprocess
import sys

import foreign
import nodes
from nodes import g
from tap import Tap, skip_all

SOURCE = pathlib.Path(__file__).resolve().parent
ROOT = "a5" * 32
# the tool, how it builds where it is, the program there
TOOLS = {
    "go": ("go", ["go", "build", "-o", "interop", "."], "interop"),
    "rust": ("cargo", ["cargo", "build", "--release"], "target/release/interop"),
}


def build(language, folder):
    tool, command, program = TOOLS[language]
    if not g.LONG:
        skip_all(f"building {language}-libp2p takes minutes; QUORATE_LONG=1 runs it")
    if not shutil.which(tool):
        skip_all(f"{tool} is not installed")
    to = pathlib.Path(folder).resolve() / language
    shutil.copytree(SOURCE / language, to, dirs_exist_ok=True)  # the tools write beside the sources
    done = subprocess.run(command, cwd=to, capture_output=True, text=True)
    if done.returncode:
        print("1..1\nnot ok 1 - it builds")
        for line in done.stderr.splitlines()[-30:]:
            print("# " + line)
        sys.exit(1)
    return to / program


def check_values(tap, grid, peer):
    for node in (1, 2):
        grid.wait_table(node, 2)
    tap.check(True, "it comes into our tables")
    ours = set(grid.peers.values())
    table = g.wait_until("its table", lambda: ours <= (t := set(peer.do("table")["peers"])) and t, 20)
    tap.check(ours <= table, "and we into its")
    for sequence in (1, 2):
        theirs = peer.do("put", label="theirs", sequence=sequence, payload=ROOT)["key"]
        got = grid.line(2, "record", "get", theirs)
        tap.check(got and got["sequence"] == sequence and got["payload"] == "hex:" + ROOT, f"we read what it put, sequence {sequence}", got)
    answer = peer.attempt("put", label="theirs", sequence=1, payload=ROOT)
    got = grid.line(2, "record", "get", theirs)
    tap.check(got and got["sequence"] == 2, "an older one replaces nothing", answer, got)
    code, _, err = grid.ctl(2, "record", "put", "name", "ours", "--hex", ROOT)
    assert code == 0, err
    key = f"/name/{grid.peers[2]}/ours"
    tap.equal(peer.do("get", key=key)["payload"], ROOT, "it reads what we put")
    tap.check(grid.dht(1)["metrics"]["asks_failed"] == 0, "it answers whatever we ask", grid.dht(1)["metrics"])
    return theirs, key


def check_gossip(tap, grid, peer, name):
    for node in (1, 2):
        offer = peer.event("offer", lambda e: e["author"] == grid.peers[node] and e["name"], timeout=40)
        tap.equal(offer["name"], f"ours-{node}", f"it gets and validates the record of node {node}")
    for datasets in (1, 2):
        peer.do("offer", name=name, datasets=datasets)
        for node in (1, 2):
            def is_there():
                return (seen := grid.presences(node).get(peer.peer)) and seen["datasets"] == datasets and seen
            seen = g.wait_until("its record", is_there, 15)
            tap.equal(seen["name"], name, f"node {node}: `quorate peers` shows its record {datasets}")
    tap.equal(peer.heard("verdict"), [], "it rejected nothing")
    for node in (1, 2):
        tap.equal(grid.gossip_counter(node, "rejected") + grid.gossip_counter(node, "bad_signature"), 0, f"nor did node {node}")


def check_third(tap, grid, peer, keys):
    for node in (1, 2):
        grid.end(node)
    last = grid.add([peer.address])
    grid.wait_up(last)
    grid.wait_table(last, 1)
    for name, key in zip(("its own", "ours"), keys):
        got = grid.line(last, "record", "get", key)
        tap.check(got and got["payload"] == "hex:" + ROOT, f"a newcomer of ours, told of it alone, reads {name}", got)


def main():
    language, folder = sys.argv[1:3]
    program = build(language, folder)

    def test(tap):
        with nodes.Nodes() as grid:
            grid.add()
            grid.add([grid.address(1)])
            key = grid.dir / "key"
            nodes.new_key(key)
            grid.wait_up(1, 2)
            with foreign.Foreign([str(program), str(key)], grid.dir) as peer:
                peer.do("dial", address=grid.address(1))
                keys = check_values(tap, grid, peer)
                check_gossip(tap, grid, peer, language)
                check_third(tap, grid, peer, keys)
    return Tap().run([test])


if __name__ == "__main__":
    sys.exit(main())
