#!/usr/bin/env python3
"""No configuration at all: whole nodes on machines of one local network, played by network namespaces, find each other by mDNS."""
import pathlib
import signal
import subprocess
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2] / "support"))
import grid as g
from machines import NoMachines, end_all, local_network
from tap import Tap, skip_all

ADDRESSES = [f"10.79.0.{i}" for i in (1, 2, 3)]
N = len(ADDRESSES)
WANTED, WITHIN = 2.0, 15.0  # s from the last one's start: of the design, and of this test on a machine that does other things as well


class Lan(g.Grid):
    """A supervisor on each machine, told where its state goes and nothing else."""

    def __init__(self, machines):
        super().__init__(N, ready=False)
        self.machines, self.runs = machines, {}

    def start(self):
        for folder in (self.state, self.runtime):
            folder.mkdir(mode=0o755)
        for node in range(1, N + 1):
            command = [*self.machines[node - 1].prefix, g.QUORATE, "run", *self.place(node), "--json"]
            with open(self.dir / "log", "ab") as log, open(self.dir / f"events-{node}", "wb") as events:
                self.runs[node] = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=events, stderr=log, env=self.env,
                                                   start_new_session=True, cwd="/")
        for node in self.runs:
            g.wait_until(f"node {node} is ready", lambda node=node: b'"ready"' in (self.dir / f"events-{node}").read_bytes(), 60)

    def stop(self):
        codes = []
        for run in self.runs.values():
            run.send_signal(signal.SIGINT)
        for run in self.runs.values():
            try:
                codes.append(run.wait(20))
            except subprocess.TimeoutExpired:
                run.kill()
                codes.append(run.wait())
        self.runs = {}
        return max(codes, default=0)


def connected(grid, node):
    return {row["peer"]: row for row in grid.ctl_json(node, "peers") or [] if row.get("connected")}


def main(tap, machines):
    with Lan(machines) as grid:
        began = time.monotonic()
        ids = {node: grid.peer(node) for node in range(1, N + 1)}
        tap.equal(len(set(ids.values())), N, "each made a key of its own")

        def all_known():
            return all(set(connected(grid, n)) == {p for m, p in ids.items() if m != n} for n in ids)
        g.wait_until("each lists all others", all_known, 60)
        took = time.monotonic() - began
        tap.figure(f"{N} nodes without configuration list each other {took:.1f} s after the last is ready (wanted: {WANTED:g})")
        tap.check(took <= WITHIN, f"each lists all others within {WITHIN:g} s", f"{took:.1f} s")
        where = {row["address"].split("/")[2] for n in ids for row in connected(grid, n).values()}
        tap.equal(where, set(ADDRESSES), "where they are on the local network")
        g.wait_until("each has the others to ask", lambda: all(grid.status(n)["candidates"] == N - 1 for n in ids), 30)
        answer = grid.ask("SELECT 40 + 2", "--replicas", "2", "--quorum", "2")
        tap.check(answer.state == "VERIFIED" and answer.rows == [(42,)], "two of them answer the third", answer)
        tap.equal(grid.stop(), 0, "they stop in order")


if __name__ == "__main__":
    try:
        lan = local_network(*ADDRESSES)
    except NoMachines as why:
        skip_all(why)
    try:
        code = Tap().run([lambda tap: main(tap, lan)])
    finally:
        end_all(lan)
    sys.exit(code)
