#!/usr/bin/env python3
"""A node's key is rotated and revoked: what others see, what a cut at any step leaves, what goes on under the new key."""
import json
import os
import pathlib
import shutil
import signal
import subprocess
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2] / "support"))
import grid as g
from tap import Tap

N = 3
KEYRING = os.environ["QUORATE_KEYRING"]
KILL_AT = os.environ["QUORATE_KILL_AT"]


def lines(out):
    return [json.loads(line) for line in out.splitlines()]


def whose(seed):
    """The peer id of a seed file, or None: a node would not start from it."""
    seed = pathlib.Path(seed)
    owner = seed.stat()

    def become():  # run by root, each service of a node has a uid of its own
        if os.geteuid() == 0:
            os.setgid(owner.st_gid)
            os.setuid(owner.st_uid)
    with open(os.devnull) as null:
        folder = os.open(seed.parent, os.O_RDONLY)
        r = subprocess.run([KEYRING, "--succeed", seed.name], capture_output=True, text=True, stdin=null,
                           preexec_fn=lambda: (os.fchdir(folder), become()))
        os.close(folder)
    return r.stdout.split()[1] if r.returncode == 0 else None


def copy(a, b):
    subprocess.run(["cp", "-a", str(a), str(b)], check=True)  # with its owners


def rotate_cut(grid, node, who, at):
    """Rotates; `who` is killed at its call number `at`. True: it was never reached."""
    env = {**grid.env, "LD_PRELOAD": KILL_AT, "KILL_AT": str(at), "KILL_WHO": who}
    env["ASAN_OPTIONS"] = "verify_asan_link_order=0:" + env.get("ASAN_OPTIONS", "detect_leaks=0")
    r = subprocess.run([g.QUORATE, "key", "rotate", *grid.place(node), "--difficulty", "0", "--json"], env=env,
                       capture_output=True, text=True)
    return r.returncode == 0


def cuts(tap, grid):
    """Each cut starts from the same files; the node that runs, alone, is the old one throughout."""
    folder = grid.state / "keyring"
    before = grid.dir / "before"
    copy(folder, before)
    noted = grid.state / "peer"
    note = noted.read_text()
    old, n = note.split()[1], 0
    for who in ("quorate", "quorate-keyring"):
        for at in range(1, 40):
            shutil.rmtree(folder)
            copy(before, folder)
            noted.write_text(note)
            grid.ctl(1, "record", "rm", f"/rotation/{old}")  # the first one stands, else
            over = rotate_cut(grid, 1, who, at)
            if over:
                break
            n += 1
            time.sleep(1.5)  # keyring signs one rotation a second
            left = whose(folder / "seed")
            kept = [whose(p) for p in folder.glob("seed-*")]
            if left is None or (left != old and old not in kept):
                tap.check(False, f"{who} killed at {at}: the old key or the new one, and the old one kept", left, kept)
            code, out, err = grid.ctl(1, "key", "rotate", "--difficulty", "0", "--json")
            new = lines(out)[0]["new"] if code == 0 else None
            if code or whose(folder / "seed") != new or new == old or left not in (old, new):
                tap.check(False, f"{who} killed at {at}: goes on", code, out, err)
            if noted.read_text() != f"peer {new}\n":
                tap.check(False, f"{who} killed at {at}: noted for the others")
        tap.check(over, f"{who}: cut at every step")
    tap.check(n >= 12, "that were all of them", n)
    code, out, err = grid.ctl(1, "record", "list", "--json")
    tap.check(f"/rotation/{old}" in out, "without a peer it is kept for later", code, out, err)
    shutil.rmtree(folder)
    copy(before, folder)
    code, out, err = grid.ctl(1, "key", "rotate", "--difficulty", "0")
    tap.check(code == 5 and "rotated before" in err, "a second rotation of one key is refused, with what to do", code, err)


def rotate(tap, grid):
    old = grid.peer(2)
    g.wait_until("all are in its table", lambda: (s := grid.status(2)) and s["dht"]["peers"] == N - 1, 60, 0.5)
    root = "0" * 63 + "7"
    code, out, err = grid.ctl(2, "record", "put", "name", "sales", "--hex", root)
    tap.equal(code, 0, f"record put: {err}")
    # The sockets alone name the node: its seed is where its own state lies, not where this user's default is.
    runtime = grid.place(2)[:2]
    r = subprocess.run([g.QUORATE, "key", "rotate", *runtime, "--difficulty", "0", "--json"], env=grid.env,
                       capture_output=True, text=True)
    code, out, err = r.returncode, r.stdout, r.stderr
    tap.check(runtime[0] == "--runtime" and code == 0, "key rotate", out, err)
    said = lines(out)[0]
    new = said["new"]
    tap.check(said["old"] == old != new and said["restart"] and whose(said["seed"]) == new and whose(said["old_seed"]) == old,
              "rotate: the new seed in place, the old one kept", said)
    tap.check(said["stored"] == N - 1, "published to all others", said)
    code, out, err = grid.ctl(3, "find", "--json", old)
    tap.check(code == 0 and lines(out)[0].get("rotated_to") == new, "find at another node: rotated, to whom", out, err)
    code, out, err = grid.ctl(2, "key", "rotate", "--difficulty", "0", "--json")
    tap.check(code == 0 and lines(out)[0]["new"] == new, "again before the restart: the same, not another one", out, err)
    follow_keyring(tap, grid, old, new)
    grid.stop()
    grid.start()
    code, out, err = grid.ctl(2, "key", "show", "--json")
    tap.equal(lines(out)[0]["peer"], new, "after the restart: the new key")
    code, out, err = g.wait_until("the name goes on under the new key",
                                  lambda: (r := grid.ctl(3, "record", "get", f"/name/{new}/sales")) and r[0] == 0 and r, 60, 1)
    tap.check(root in out, "the name goes on under the new key", out, err)
    code, out, err = grid.ctl(3, "find", old)
    tap.check(code == 0 and f"to {new}" in out and "both keys" in out, "find: also when the old key is gone", out, err)
    return old, new


def follow_keyring(tap, grid, old, new):
    """A keyring that restarts alone has the new key; nobody of this node goes on as the old one."""
    grid.kill(2, "keyring")
    g.wait_until("all services of node 2 were started again",
                 lambda: all(s["restarts"] > 0 or name.startswith("worker") for name, s in grid.services(2).items()), 20)
    grid.wait_whole(2)
    shown = [lines(grid.ctl(2, *what, "--json")[1])[0]["peer"] for what in (["key", "show"], ["status"])]
    tap.equal(shown, [new, new], "keyring restarted alone: the whole node is the new one")
    for peer, is_there in ((new, True), (old, False)):
        g.wait_until(f"node 3 is connected with {peer}: {is_there}",
                     lambda: any(r.get("connected") for r in lines(grid.ctl(3, "peers", "--json")[1])
                                 if r.get("peer") == peer) == is_there, 30, 0.5)
    code, out, err = g.wait_until("dht signs", lambda: (r := grid.ctl(2, "record", "put", "name", "after", "--hex", "0" * 64, "--json"))
                                  and r[0] == 0 and r, 20, 0.5)
    tap.check(new in out, "dht publishes as the new one", out, err)
    g.wait_until("gossip speaks for the new one", lambda: any(r.get("name") for r in lines(grid.ctl(1, "peers", "--json")[1])
                                                             if r.get("peer") == new), 30, 0.5)
    again = grid.ask("SELECT 42", node=2)
    tap.equal(again.state, "VERIFIED", f"its queries are answered: {again}")


def revoke(tap, grid, new):
    # Put away when the key was made; any node publishes it.
    file = grid.state / "node-2" / "keyring" / f"revocation-{new}"
    text = file.read_text()
    away = grid.dir / "away"
    away.write_text(text)
    code, out, err = grid.ctl(1, "key", "revoke", str(away))
    tap.check(code == 2 and new in err and "--yes" in err, "revoke: says whom it ends, and waits for --yes", code, err)
    forged = grid.dir / "forged"
    other = (grid.state / "node-3" / "keyring" / f"revocation-{grid.peer(3)}").read_text().strip()
    forged.write_text(other[:-128] + text.strip()[-128:])  # node 3's statement, signed by node 2
    code, out, err = grid.ctl(1, "key", "revoke", "--yes", str(forged))
    tap.check(code == 2 and "not signed by the key" in err, "revoke: nobody ends another's key", code, err)
    forged.write_text("nonsense")
    code, out, err = grid.ctl(1, "key", "revoke", "--yes", str(forged))
    tap.check(code == 2 and "no revocation" in err, "revoke: not such a file", code, err)
    pid = grid.pid(3, "dht")
    os.kill(pid, signal.SIGSTOP)  # so that gossip is all that can tell this node
    try:
        code, out, err = grid.ctl(1, "key", "revoke", "--yes", "--json", str(away))
        tap.check(code == 0 and lines(out)[0]["revoked"] == new, "revoke", out, err)
        told = g.wait_until("node 3 has heard", lambda: new in grid.ctl(3, "blocklist")[1], 5, 0.1)
        tap.check(told and pathlib.Path(f"/proc/{pid}/stat").read_text().split()[2] == "T", "node 3 heard of it by gossip")
    finally:
        os.kill(pid, signal.SIGCONT)
    for node in (1, 3):
        rows = g.wait_until(f"node {node} refuses it", lambda: [r for r in lines(grid.ctl(node, "blocklist", "--json")[1])
                                                                if r["peer"] == new], 30, 0.5)
        tap.check(rows[0]["reason"] == "revoked by its owner", f"node {node}: blocked, and why", rows)
        g.wait_until("no connection", lambda: not any(r.get("connected") for r in lines(grid.ctl(node, "peers", "--json")[1])
                                                      if r["peer"] == new), 30, 0.5)
    end = time.monotonic() + 15  # its dht stood still, and then is connected to transport anew
    while True:
        code, out, err = grid.ctl(3, "find", "--json", new)
        if code == 0 or time.monotonic() > end:
            break
        time.sleep(0.5)
    tap.check(code == 0 and lines(out)[0].get("revoked") is True, "find: revoked", out, err,
              grid.ctl(3, "record", "get", f"/revocation/{new}"), grid.ctl(3, "dht", "stats"))
    tap.equal([r["peer"] for r in lines(grid.ctl(1, "blocklist", "--json")[1])], [new], "nobody else is blocked")


class Alone(g.Grid):
    """`run --nodes 1` is a node like any other: it lies in the state folder itself."""

    def place(self, node):
        return ["--runtime", str(self.runtime), "--state", str(self.state)]


def test_cuts(tap):
    with Alone(1, ready=False) as grid:
        cuts(tap, grid)


def test_keys(tap):
    with g.Grid(N) as grid:
        _, new = rotate(tap, grid)
        revoke(tap, grid, new)
        code, out, err = grid.ctl(3, "key", "revoke")
        tap.check(code == 2 and "--yes" in err, "revoke this node's own: asks", code, err)
        code, out, err = grid.ctl(3, "key", "revoke", "--yes", "--json")
        tap.check(code == 0 and lines(out)[0]["revoked"] == grid.peer(3), "revoke this node's own", out, err)
        g.wait_until("node 1 refuses it", lambda: grid.peer(3) in grid.ctl(1, "blocklist")[1], 30, 0.5)
        said(tap, grid)


def said(tap, grid):
    """Whoever asks a node whose own key is revoked is told so, and what helps."""
    remedy = "move its seed away"
    # Its dht tells its gossip while others hear of it by themselves.
    g.wait_until("node 3 knows it too", lambda: lines(grid.ctl(3, "status", "--json")[1])[0]["gossip"]["revoked"], 15, 0.2)
    code, out, err = grid.ctl(3, "status")
    tap.check(code == 0 and "\nrevoked " in out and remedy in out, "status of the revoked node", out, err)
    tap.check(lines(grid.ctl(3, "status", "--json")[1])[0]["gossip"]["revoked"] is True, "status --json")
    code, out, err = grid.ctl(3, "peers")
    tap.check(code == 0 and "key is revoked" in err and remedy in err, "peers of the revoked node", out, err)
    code, out, err = grid.ctl(3, "query", "--prefer", "remote", "--timeout", "5s", "SELECT 42")
    tap.check(code != 0 and "key is revoked" in err and remedy in err, "query of the revoked node", code, out, err)
    code, out, err = grid.ctl(1, "peers")
    tap.check(code == 0 and "key is revoked" not in err, "peers of another node", err)


if __name__ == "__main__":
    sys.exit(Tap().run([test_cuts, test_keys]))
