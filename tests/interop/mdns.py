#!/usr/bin/env python3
"""Multicast DNS between a node of ours and an unmodified js-libp2p peer on two machines, played by two network namespaces
at one switch. Nobody is told of anybody.

    mdns.py BUILD       npm installs into BUILD; TAP on standard output
"""
import sys
import time

import foreign
import nodes
from machines import NoMachines, end_all, local_network
from nodes import g
from tap import Tap, skip_all

OURS, THEIRS = "10.78.0.1", "10.78.0.2"
WITHIN = 5  # seconds


def mdns(tap, folder, machines):
    with nodes.Nodes() as grid:
        path = grid.dir / "key"
        nodes.new_key(path)
        # js finds ours and dials nobody: a node that decides by itself would be a client, for nobody reached it.
        node = grid.add(more="mode = server\n", listen=f"/ip4/{OURS}/udp/4001/quic-v1", mdns=True, prefix=machines[0].prefix)
        grid.wait_up(node)
        with foreign.js(folder, machines[1].prefix, key=str(path), listen=f"/ip4/{THEIRS}/udp/0/quic-v1", dht="server", mdns=True) as js:
            began = time.monotonic()
            found = js.event("multicast", lambda e: e["peer"] == grid.peers[node], timeout=30)
            took = time.monotonic() - began
            tap.check(took <= WITHIN, f"js finds us within {WITHIN} s", f"{took:.1f} s")
            wanted = f"/ip4/{OURS}/udp/4001/quic-v1"
            tap.check(any(a.split("/p2p/")[0] == wanted for a in found["addresses"]), "and where we are", found)
            link = g.wait_until("a connection", lambda: grid.links(node).get(js.peer), 30)
            took = time.monotonic() - began
            tap.check(took <= WITHIN, f"we find js within {WITHIN} s, and connect", f"{took:.1f} s")
            tap.check(link["address"].startswith(f"/ip4/{THEIRS}/") and not link["inbound"], "where it says it is", link)
            grid.wait_table(node, 1)
            tap.check(True, "it is in our table, with nobody else to tell of it")
            table = g.wait_until("its table", lambda: js.do("table")["peers"], 20)
            tap.equal(table, [grid.peers[node]], "and we are in its table")


def main():
    try:
        folder = foreign.install(sys.argv[1])
    except foreign.Missing as e:
        skip_all(e)
    try:
        machines = local_network(OURS, THEIRS)
    except NoMachines as e:
        skip_all(e)

    def test(tap):
        mdns(tap, folder, machines)
    try:
        return Tap().run([test])
    finally:
        end_all(machines)


if __name__ == "__main__":
    sys.exit(main())
