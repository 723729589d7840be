#!/usr/bin/env python3
"""GossipSub with three unmodified js-libp2p peers among three nodes of ours, some of whose mesh links are cut.

    gossip.py BUILD     npm installs into BUILD; TAP on standard output
"""
import sys
import time

import foreign
import nodes
from nodes import g

# Nobody is in its mesh: what it hears and passes on goes by IHAVE and IWANT alone.
CUT = {"D": 0, "Dlo": 0, "Dhi": 0, "Dscore": 0, "Dout": 0}
ROUNDS = 4


class Mesh:
    """Nodes 1 and 2 and two js peers, `near`, are all linked to one another. Between node 2 and node 3 stands `far`, a js peer
    whose mesh links are cut; node 3 is linked to nobody else."""

    def __init__(self, grid, folder):
        self.grid, self.folder, self.all = grid, folder, []
        self.far = self.peer(gossip=CUT)
        self.near = [self.peer(), self.peer()]
        self.first = grid.add()
        self.second = grid.add([grid.address(self.first)])
        self.third = grid.add(more=f"[transport]\nallow = {self.far.peer}\n")
        self.ours, self.core = [self.first, self.second, self.third], [self.first, self.second]
        grid.wait_up(*self.ours)
        for js in self.near:
            self.link(js, *self.core)
        self.near[0].do("dial", address=self.near[1].address)
        self.link(self.far, self.second, self.third)

    def peer(self, has_key=True, **wanted):
        if has_key:
            wanted["key"] = str(self.grid.dir / f"key-{len(self.all)}")
            nodes.new_key(wanted["key"])
        js = foreign.js(self.folder, **{"gossip": {"emitSelf": False}, **wanted})
        self.all.append(js)
        return js

    def link(self, js, *numbers):
        for node in numbers:
            js.do("dial", address=self.grid.address(node))

    @property
    def theirs(self):
        return [*self.near, self.far]

    def ids(self, *numbers):
        return {self.grid.peers[n] for n in numbers}

    def count(self, name, *numbers):
        return sum(self.grid.gossip_counter(n, name) for n in numbers or self.ours)

    def heard_by_us(self, node, js, datasets, timeout=15):
        """Until the node knows js with the datasets it offered last; the presence, or None."""
        def is_there():
            seen = self.grid.presences(node).get(js.peer)
            return seen if seen and seen["datasets"] == datasets else None
        try:
            return g.wait_until("an offer", is_there, timeout)
        except g.Timeout:
            return None

    def stop(self):
        for js in self.all:
            js.stop()


def check_mesh(tap, m):
    others = [m.ids(*m.core) | {m.near[1].peer}, m.ids(*m.core) | {m.near[0].peer}]
    for js, wanted in zip(m.near, others):
        mesh = g.wait_until("js's mesh", lambda: wanted <= (s := set(js.do("mesh")["mesh"])) and s, 20)
        tap.check(wanted <= mesh, "js has us and the other js peer in its mesh", mesh)
    g.wait_until("far is subscribed to by both", lambda: len(m.far.do("mesh")["subscribers"]) == 2, 20)
    # It takes a GRAFT of whom it dialled, until its next heartbeat; then the back-off holds for a minute.
    g.wait_until("far has pruned both", lambda: m.count("prunes", m.second, m.third) >= 2 and not m.far.do("mesh")["mesh"], 20)
    tap.check(True, "the far js peer has cut its mesh links to both")
    links = set(m.grid.links(m.third))
    tap.equal(links, {m.far.peer}, "node 3 is linked to the far js peer alone")


def check_ours(tap, m):
    """What we say of ourselves reaches every js peer, and node 3 through one."""
    for name, js in zip(("near", "the other near", "the far"), m.theirs):
        for node in m.ours:
            offer = js.event("offer", lambda e, n=node: e["author"] == m.grid.peers[n] and e["name"], timeout=40)
            tap.check(offer["name"] == f"ours-{node}", f"{name} js peer gets and validates the record of node {node}", offer)
    for node in m.ours:
        others = m.ids(*m.ours) - m.ids(node)
        seen = g.wait_until("records of ours", lambda: others <= (s := set(m.grid.presences(node))) and s, 30)
        tap.check(others <= seen, f"node {node} has those of our others", seen)


def check_theirs(tap, m):
    """What js says of itself, `quorate peers` shows; each of several rounds, by whatever way."""
    longest = 0
    for datasets in range(1, ROUNDS + 1):
        began = time.monotonic()
        for i, js in enumerate(m.theirs):
            js.do("offer", name=f"js-{i}", datasets=datasets)
        for node in m.ours:
            for i, js in enumerate(m.theirs):
                seen = m.heard_by_us(node, js, datasets)
                if datasets == ROUNDS or not seen:
                    tap.check(seen and seen["name"] == f"js-{i}", f"node {node}: `quorate peers` shows round {datasets} of js {i}", seen)
        longest = max(longest, time.monotonic() - began)
        time.sleep(1)  # a peer's records: burst 8, 2 a second
    tap.note(f"slowest round {longest:.1f} s, over two links with IHAVE and IWANT only, and as many commands")
    for i, js in enumerate(m.theirs):
        for k, other in enumerate(m.theirs):
            heard = sorted(e["datasets"] for e in js.heard("offer", lambda e: e["author"] == other.peer))
            if js is not other:
                tap.equal(heard, list(range(1, ROUNDS + 1)), f"js {i} has each record of js {k} once")


def check_lazily(tap, m):
    """The way through the far peer is IHAVE and IWANT, in both directions and on both sides."""
    tap.equal(m.far.do("mesh")["mesh"], [], "the far js peer has nobody in its mesh")
    tap.check(m.count("iwant_served", m.second, m.third) > 0, "a js peer asked us for what it had not got")
    tap.check(m.count("iwant_delivered", m.third) > 0, "node 3 asked a js peer for what it had not got, and got it")
    tap.check(m.count("iwant_delivered", m.second) > 0, "so did node 2")
    tap.equal(m.count("broken_promises"), 0, "nobody promised what he had not got: message ids agree")
    tap.equal(m.count("graylisted"), 0, "nobody was graylisted")
    tap.equal(m.count("rejected") + m.count("bad_signature"), 0, "nothing was rejected")


def check_refused(tap, m):
    """Each by a peer of its own, linked to node 1 and to a near js peer, neither of which may pass it on."""
    cases = {"a record about another peer": {"offer": {"about": m.far.peer}},
             "a record with a bad signature": {"offer": {"damaged": True}},
             "a record of another network": {"offer": {"network": "lab"}},
             "an unsigned message (StrictNoSign)": {"gossip": {"globalSignaturePolicy": "StrictNoSign"}},
             "a peer without proof of work": {"has_key": False}}
    for name, case in cases.items():
        bad = m.peer(has_key=case.get("has_key", True), gossip={"emitSelf": False, **case.get("gossip", {})})
        m.link(bad, m.first)
        bad.do("dial", address=m.near[0].address)
        g.wait_until("it sees both", lambda: len(bad.do("mesh")["subscribers"]) == 2, 20)
        before = m.count("rejected", m.first) + m.count("bad_signature", m.first)
        bad.do("offer", name="bad", datasets=99, **case.get("offer", {}))
        try:
            g.wait_until("a rejection", lambda: m.count("rejected", m.first) + m.count("bad_signature", m.first) > before, 10)
            rejected = True
        except g.Timeout:
            rejected = False
        tap.check(rejected, f"{name}: we reject it")
        if "gossip" not in case:  # an unsigned one does not come to js's validator
            said = m.near[0].event("verdict", lambda e, b=bad: e["author"] == b.peer)
            tap.equal(said["verdict"], "reject", f"{name}: js's verdict")
        tap.equal(m.near[1].heard("verdict", lambda e: e["author"] == bad.peer), [], f"{name}: it goes no further")
        if not case.get("has_key", True):
            tap.check(m.grid.peers[m.first] not in bad.do("mesh")["mesh"], f"{name}: and we are not in its mesh")
        names = {p["name"] for node in m.ours for p in m.grid.presences(node).values()}
        tap.check("bad" not in names, f"{name}: nobody lists it", names)


def gossip(tap, folder):
    with nodes.Nodes() as grid:
        m = Mesh(grid, folder)
        try:
            check_mesh(tap, m)
            check_ours(tap, m)
            check_theirs(tap, m)
            check_lazily(tap, m)
            check_refused(tap, m)
        finally:
            m.stop()


if __name__ == "__main__":
    sys.exit(foreign.main(gossip))
