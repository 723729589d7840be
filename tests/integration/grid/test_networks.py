#!/usr/bin/env python3
"""Nodes of another network may be connected to, but they call their protocols otherwise: nobody asks them."""
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile
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


SECRET = "".join(f"{i:02x}" for i in range(32))
WRONG = "".join(f"{i:02x}" for i in range(1, 33))


class Meeting(g.Grid):
    """The first node is of the public network. The others know its address and nothing else: two share a secret,
    the last one has another."""

    def _configure(self):
        super()._configure()
        for node in range(1, self.n + 1):
            folder = self.state / f"node-{node}" / "quorate.conf"  # a folder, so that services see the secret too
            text, n = re.subn(r"(?m)^name = grid-.*$", "name = public" if node == 1 else
                              f"name = lab\nsecret-file = {folder}/secret", folder.read_text())
            assert n == 1, text
            text = text.replace("[dht]\n", "[dht]\nmdns = no\n").replace("\nbootstrap = ", "\nmeet = ")
            folder.unlink()
            folder.mkdir()
            (folder / "secret").write_text(WRONG if node == self.n else SECRET)
            (folder / "secret").chmod(0o600)
            (folder / "quorate.conf").write_text(text)
            for path in (folder, folder / "secret") if self.user is not None else ():
                os.chown(path, self.user, self.user)


def table(grid, node):
    status = grid.status(node)
    return status["dht"]["peers"] if status else 0


def linked(grid, node):
    return {row["peer"] for row in grid.ctl_json(node, "peers") or [] if row.get("connected")}


def meeting(tap):
    # Services of root's node have uids of their own, and the secret one owner.
    with Meeting(4, config={0: "\n"}, ready=False, user=65534 if os.geteuid() == 0 else None) as grid:
        g.wait_until("two of a network meet at a third node", lambda: all(table(grid, n) == 1 for n in (2, 3)), 60, 0.5)
        tap.check(grid.peer(3) in linked(grid, 2) or grid.peer(2) in linked(grid, 3), "they are connected to each other")
        g.wait_until("they ask each other for jobs",
                     lambda: all((s := grid.status(n)) and s["candidates"] == 1 for n in (2, 3)), 60, 0.5)
        time.sleep(12)  # the outsider has looked again
        tap.equal([table(grid, 4), grid.status(4)["candidates"]], [0, 0], "who has another secret finds nobody")
        tap.check(not {grid.peer(2), grid.peer(3)} & linked(grid, 4), "nor is it connected to them")
        kept = g.wait_until("announcements of all three", lambda: (k := grid.ctl_json(1, "record", "list", "--foreign")) and
                            len([r for r in k if r["kind"] == "topic"]) >= 3 and k, 30, 0.5)
        tap.check(True, "the meeting point keeps their announcements")
        tap.check(all(re.fullmatch("/topic/[0-9a-f]{64}", r["name"]) for r in kept if r["kind"] == "topic"),
                  "under names that say nothing", kept)
        tap.check("lab" not in str(kept), "the network's name is nowhere", kept)
        tap.equal(table(grid, 1), 0, "and they are in no table of the meeting point")


NAME = "laboratory"


class Namesakes(g.Grid):
    """Networks of one name. Nodes 1 and 2 share a secret; 3 has none, 4 another one. All know the first's address, and where
    there are lists of members all are on them."""

    def __init__(self, mode):
        self.mode = mode
        super().__init__(4, config={0: "\n"}, ready=False, user=65534 if os.geteuid() == 0 else None)

    def _configure(self):
        super()._configure()
        texts = {n: (self.state / f"node-{n}" / "quorate.conf").read_text() for n in range(1, self.n + 1)}
        peers = [self.peer(n) for n in texts]
        for node, text in texts.items():
            folder = self.state / f"node-{node}" / "quorate.conf"
            network = f"name = {NAME}"
            if node != 3:
                network += f"\nsecret-file = {folder}/secret"
                if self.mode == "private":
                    network += "\nmode = private" + "".join(f"\nallow = {p}" for p in peers)
            text, n = re.subn(r"(?m)^name = grid-.*$", network, text)
            assert n == 1, text
            folder.unlink()
            folder.mkdir()
            (folder / "secret").write_text(WRONG if node == 4 else SECRET)
            (folder / "secret").chmod(0o600)
            (folder / "quorate.conf").write_text(text)
            for path in (folder, folder / "secret") if self.user is not None else ():
                os.chown(path, self.user, self.user)


def files_with(grid, word):
    """What dht and gossip keep and have been told."""
    return [str(p) for n in range(1, grid.n + 1) for s in ("dht", "gossip") for p in (grid.state / f"node-{n}" / s).rglob("*")
            if p.is_file() and word.encode() in p.read_bytes()]


def namesakes(tap, mode):
    """A network is its name and its secret; connections there may be between any two."""
    with Namesakes(mode) as grid:
        elsewhere = {n: set() for n in (1, 3, 4)}

        def all_met():
            for n, others in elsewhere.items():
                for peer in {1: (3, 4), 3: (1,), 4: (1,)}[n]:
                    rows = grid.ctl_json(n, "why", grid.peer(peer)) or [{}]
                    if rows[0].get("elsewhere"):
                        others.add(peer)
            return all(elsewhere.values()) and len(elsewhere[1]) == 2
        g.wait_until("all have met the first node", all_met, 60, 0.2)
        tap.check(True, f"{mode}: why says that a peer is of another network")
        code, out, err = grid.ctl(3, "why", grid.peer(1))
        tap.check(code == 0 and "network  another than this node's" in out, f"{mode}: and says it to people", code, out, err)
        g.wait_until("nodes 1 and 2 know each other",
                     lambda: all((s := grid.status(n)) and s["candidates"] >= 1 for n in (1, 2)), 60, 0.2)
        time.sleep(15)  # a round of gossip: what is not known by now will not be
        ids = {grid.peer(n): n for n in range(1, 5)}
        for node, others in ((1, {2}), (2, {1}), (3, set()), (4, set())):
            status = grid.status(node)
            heard = {ids[row["peer"]] for row in grid.ctl_json(node, "peers", "--gossip") or []} - {node}
            tap.equal([status["network"], status["candidates"], status["gossip"]["mesh"], status["gossip"]["offers"], heard],
                      [NAME, len(others), len(others), len(others), others],
                      f"{mode}: node {node} hears {sorted(others) or 'nobody'}, and calls its network by its name")
        shards = {n: grid.status(n)["gossip"]["shard"] for n in ids.values()}
        tap.check(shards[1] == shards[2] and len(set(shards.values())) == 3 and NAME not in str(shards),
                  f"{mode}: their topics are called otherwise", shards)
        tap.equal(files_with(grid, NAME), [], f"{mode}: the name is in no record")


def namesakes_in_public_mode(tap):
    namesakes(tap, "public")


def namesakes_in_private_mode(tap):
    namesakes(tap, "private")


GROUP = 61234  # nobody's


class Shared(Meeting):
    """Run by root: the secret is root's, and of a group that the services are given."""

    def _configure(self):
        super()._configure()
        for node in range(1, self.n + 1):
            secret = self.state / f"node-{node}" / "quorate.conf" / "secret"
            os.chown(secret, 0, GROUP)
            secret.chmod(0o640)


def checks(tap, grid, what, code, *wanted, node=2):
    done = grid.ctl(node, "config", "check")
    tap.check(done[0] == code and all(w in done[1] + done[2] for w in wanted), f"config check: {what}", *done)


def shared(tap):
    if os.geteuid() != 0:
        tap.note("not root: services have our uid")
        return
    with Shared(2, config={0: "\n"}, ready=False) as grid:
        secret = grid.state / "node-2" / "quorate.conf" / "secret"
        pids = {s: grid.pid(2, s) for s in ("transport", "dht", "gossip", "coordinator", "keyring")}
        groups = {s: re.search(r"(?m)^Groups:\s*(.*)$", pathlib.Path(f"/proc/{pid}/status").read_text())[1].split()
                  for s, pid in pids.items()}
        tap.equal({s for s in groups if str(GROUP) in groups[s]}, {"transport", "dht", "gossip", "coordinator"},
                  "who shares the secret is of its group, nobody else")
        checks(tap, grid, "what runs is valid", 0, "valid for every service")
        grid.stop()
        secret.chmod(0o600)
        checks(tap, grid, "a secret that services cannot read", 2, "secret-file", "chgrp quorate", "chmod 640")
        grid._spawn()
        tap.check(grid.process.wait(30) == 2 and "chgrp quorate" in grid.tail() + (grid.dir / "events").read_text(),
                  "run: the same, at once", grid.tail())


def start_rules(tap):
    """`config check` knows the rules by which services would refuse to start."""
    peer = "12D3KooWKRyzVWW6ChFjQjK4miCty85Niy49tpPV95XdKu1BcvMA"
    with Alone() as p:
        for what, text, wanted in (
                ("private for nobody", "mode = private\nname = lab\n", "nobody is allowed in"),
                ("private without a secret", f"mode = private\nname = lab\nallow = {peer}\n", "no secret-file"),
                ("private by the public name", f"mode = private\nallow = {peer}\nsecret-file = DIR/secret\n", "public network"),
                ("a secret of too few bits", "name = lab\nsecret-file = DIR/short\n", "128 are the least"),
                ("a secret that is not there", "name = lab\nsecret-file = DIR/none\n", "No such file"),
                ("a secret for every user", "name = lab\nsecret-file = DIR/open\n", "open to every user"),
                ("a secret beside the folder", "name = lab\nsecret-file = DIR/../beside\n", "services see nothing else"),
                ("a foreign bootstrap", f"mode = private\nname = lab\nallow = {peer}\nsecret-file = DIR/secret\n"
                                        "[dht]\nbootstrap = 10.0.0.1:4001\n", "no peer of this private network"),
                ("meeting without a secret", "name = lab\n[dht]\nmeet = 10.0.0.1:4001\n", "only nodes that share a secret")):
            code, out, err = p.check(text)
            tap.check(code == 2 and wanted in err, what, code, out, err)
        good = f"mode = private\nname = lab\nallow = {peer}\nsecret-file = DIR/secret\n"
        code, out, err = p.check(good)
        tap.check(code == 0 and "valid for every service" in out, "a private network as it shall be", code, out, err)
        if os.geteuid() == 0:
            code, out, err = p.check(good, user=65534)
            tap.check(code == 0 and "closed to you" in err, "whoever may not read the secret is told so", code, out, err)


class Alone:
    """A folder of configuration; no node."""

    def __enter__(self):
        self.dir = pathlib.Path(tempfile.mkdtemp(prefix="qn", dir="/tmp"))
        self.dir.chmod(0o755)
        self.config = self.dir / "config"
        self.config.mkdir(mode=0o755)
        for path, content in (("config/secret", SECRET), ("config/short", SECRET[:30]), ("config/open", SECRET), ("beside", SECRET)):
            (self.dir / path).write_text(content)
            (self.dir / path).chmod(0o644 if path == "config/open" else 0o640)
            if os.geteuid() == 0:
                os.chown(self.dir / path, 0, GROUP)
        return self

    def __exit__(self, *_):
        shutil.rmtree(self.dir)

    def check(self, text, user=None):
        (self.config / "quorate.conf").write_text("[network]\n" + text.replace("DIR", str(self.config)))
        command = [g.QUORATE, "config", "check", "--config", str(self.config)]
        if user is not None:
            command = ["setpriv", f"--reuid={user}", f"--regid={user}", "--clear-groups", *command]
        done = subprocess.run(command, capture_output=True, text=True, timeout=30, cwd="/",
                              env={"PATH": "/usr/bin:/bin", "HOME": "/nonexistent"})
        return done.returncode, done.stdout, done.stderr


if __name__ == "__main__":
    sys.exit(Tap().run([networks, meeting, namesakes_in_public_mode, namesakes_in_private_mode, shared, start_rules]))
