#!/usr/bin/env python3
"""Nodes of another network may be connected to, but they call their protocols otherwise: nobody asks them."""
import pathlib
import re
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2] / "support"))
import grid as g
from tap import Tap

OTHER = 3


class Divided(g.Grid):
    """`run` gives all nodes one network: the last one gets another."""

    def _configure(self):
        super()._configure()
        path = self.state / f"node-{OTHER}" / "quorate.conf"
        text, n = re.subn(r"(?m)^name = grid-.*$", "name = lab", path.read_text())
        assert n == 1, path.read_text()
        path.write_text(text)


def networks(tap):
    with Divided(3, config={OTHER: "\n"}, ready=False) as grid:
        # The third one was told of the first: they are connected, and have heard what the other serves.
        g.wait_until("connections", lambda: all((s := grid.status(n)) and s["transport"]["identified"] >= least
                                                for n, least in ((1, 2), (2, 1), (OTHER, 1))), 30)
        g.wait_until("nodes 1 and 2 know each other",
                     lambda: all((s := grid.status(n)) and s["candidates"] >= 1 for n in (1, 2)))
        time.sleep(2)  # what is not known by now will not be
        states = {n: grid.status(n) for n in (1, 2, 3)}
        tap.check(states[1]["network"] == states[2]["network"] != "lab", "two are of one network", states)
        tap.equal(states[OTHER]["network"], "lab", "the third one is of another")
        for n, candidates in ((1, 1), (2, 1), (OTHER, 0)):
            tap.equal(states[n]["candidates"], candidates, f"node {n} asks {candidates} others")
            tap.equal(states[n]["mode"], "public", f"node {n} is in public mode")
        answer = grid.ask("SELECT 1 + 1", "--replicas", "1", "--quorum", "1", node=1)
        tap.check(answer.code == 0 and [h["peer"] for h in answer.hosts] == [grid.peer(2)],
                  "the job goes to the node of the same network", answer)


if __name__ == "__main__":
    sys.exit(Tap().run([networks]))
