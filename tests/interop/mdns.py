#!/usr/bin/env python3
"""Multicast DNS between a node of ours and an unmodified js-libp2p peer on two machines, played by two network namespaces
with a cable between them. Nobody is told of anybody.

    mdns.py BUILD       npm installs into BUILD; TAP on standard output
"""
import os
import subprocess
import sys
import time

import foreign
import nodes
from nodes import g
from tap import Tap, skip_all

OURS, THEIRS = "10.78.0.1", "10.78.0.2"
WITHIN = 5  # seconds


def run(*command):
    return subprocess.run(command, capture_output=True, text=True)


class Machine:
    """A network namespace that lives as long as a process in it."""

    def __init__(self):
        self.holder = subprocess.Popen(["unshare", "--net", "sleep", "infinity"], stderr=subprocess.DEVNULL)
        mine = os.stat("/proc/self/ns/net").st_ino

        def is_apart():
            assert self.holder.poll() is None, "no network namespaces here"
            return os.stat(f"/proc/{self.holder.pid}/ns/net").st_ino != mine
        g.wait_until("a namespace", is_apart, 5)
        self.prefix = ["nsenter", f"--net=/proc/{self.holder.pid}/ns/net"]

    def set_up(self, device, address):
        for command in ("ip link set lo up", f"ip addr add {address}/24 dev {device}", f"ip link set {device} up multicast on",
                        f"ip route add default dev {device}"):
            done = run(*self.prefix, *command.split())
            assert done.returncode == 0, done.stderr

    def end(self):
        self.holder.kill()
        self.holder.wait()


def lay_cable():
    """Two machines with a cable between them, or why there are none."""
    machines = []
    if os.geteuid() != 0:
        return None, "not root"
    try:
        machines = [Machine(), Machine()]
        a, b = (m.holder.pid for m in machines)
        done = run(*machines[0].prefix, "ip", "link", "add", "cable", "type", "veth", "peer", "name", "cable", "netns", str(b))
        assert done.returncode == 0, done.stderr.strip()
        for machine, address in zip(machines, (OURS, THEIRS)):
            machine.set_up("cable", address)
    except (AssertionError, OSError) as e:
        for machine in machines:
            machine.end()
        return None, f"no cable between namespaces: {e}"
    return machines, ""


def mdns(tap, folder, machines):
    with nodes.Nodes() as grid:
        path = grid.dir / "key"
        nodes.new_key(path)
        node = grid.add(listen=f"/ip4/{OURS}/udp/4001/quic-v1", mdns=True, prefix=machines[0].prefix)
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
    machines, why = lay_cable()
    if not machines:
        skip_all(why)

    def test(tap):
        mdns(tap, folder, machines)
    try:
        return Tap().run([test])
    finally:
        for machine in machines:
            machine.end()


if __name__ == "__main__":
    sys.exit(main())
