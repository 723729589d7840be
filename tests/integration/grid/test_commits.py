#!/usr/bin/env python3
"""No answer leaves before what it says is durable: while the disk of one node's dht, or gossip, stands still (tests/support/kill_at.c),
nobody is told that it keeps something. Killed there, it is not counted."""
import os
import pathlib
import shutil
import subprocess
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2] / "support"))
import grid as g
from tap import Tap

N = 3
ASKER, KEEPER, OTHER = 1, 2, 3
STILL = 1.0  # s for which the disk stands still: an answer that does not wait for it is there in a few ms; others wait 5 s
LIBRARY = pathlib.Path(os.environ["QUORATE_KILL_AT"])


WRAPPER = """#!/bin/sh
# As `run` starts it: --runtime DIR --state DIR …
export LD_PRELOAD={library} STALL_IN="$4" ASAN_OPTIONS="verify_asan_link_order=0:$ASAN_OPTIONS"
exec {program} "$@"
"""


class Stalling(g.Grid):
    """dht and gossip of each node have a library of ours below their calls of the disk."""

    def _configure(self):
        programs = self.dir / "programs"
        (programs / "wrapped").mkdir(parents=True)
        shutil.copy(LIBRARY, programs)
        for path in pathlib.Path(g.QUORATE).resolve().parents[1].glob("*/quorate-*"):
            wrapped = path.name in ("quorate-dht", "quorate-gossip")
            if path.is_file() and os.access(path, os.X_OK):
                shutil.copy(path, programs / "wrapped" if wrapped else programs)
            if wrapped and path.is_file():
                (programs / path.name).write_text(WRAPPER.format(library=programs / LIBRARY.name, program=programs / "wrapped" / path.name))
                (programs / path.name).chmod(0o755)
        self.env["QUORATE_LIBEXEC"] = str(programs)

    def mark(self, service, what):
        return self.state / f"node-{KEEPER}" / service / what

    def stop_disk(self, service):
        self.mark(service, "stalled").unlink(missing_ok=True)
        self.mark(service, "stall").touch()

    def start_disk(self, service):
        self.mark(service, "stall").unlink(missing_ok=True)

    def begin_ctl(self, node, *words):
        return subprocess.Popen([g.QUORATE, words[0], *self.place(node), *words[1:]], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                stderr=subprocess.PIPE, text=True, env=self.env)


def wait_for_answer(p):
    out, err = p.communicate(timeout=40)
    return p.returncode, out, err


def stalled(tap, grid, what, service, node, words):
    """The command, once the disk has stood still for a while under it."""
    grid.stop_disk(service)
    p = grid.begin_ctl(node, *words)
    try:
        g.wait_until(f"{what}: {service} waits for its disk", grid.mark(service, "stalled").exists, 15, 0.01)
        time.sleep(STILL)
        tap.check(p.poll() is None, f"{what}: not acknowledged before it is durable", *([] if p.poll() is None else wait_for_answer(p)))
    except BaseException:
        grid.start_disk(service)
        p.kill()
        p.communicate()
        raise
    return p


def check_acknowledged(tap, grid, what, words, told):
    """By the one whose disk stood still as well, as soon as it goes on."""
    p = stalled(tap, grid, what, "dht", ASKER, words)
    grid.start_disk("dht")
    code, out, err = wait_for_answer(p)
    tap.check(code == 0 and f"{told} by {N - 1} of {N - 1} peers" in out, f"{what}: then by all", code, out, err)


def check_killed(tap, grid, what, words, told):
    before = grid.pid(KEEPER, "dht")
    p = stalled(tap, grid, what, "dht", ASKER, words)
    grid.kill(KEEPER, "dht")
    grid.start_disk("dht")
    code, out, err = wait_for_answer(p)
    tap.check(code == 0 and f"{told} by {N - 2} of {N - 1} peers" in out, f"{what}: who was killed before is not counted", code, out, err)
    g.wait_until("another dht", lambda: grid.pid(KEEPER, "dht") not in (0, before), 20)


def check_block(tap, grid):
    peer = "12D3KooWRawPbxPtP1eZaJpumGnyWX2DcUyd3RQnydr3eAto4Az7"
    for words in (("block", peer), ("unblock", peer)):
        p = stalled(tap, grid, words[0], "gossip", KEEPER, words)
        grid.start_disk("gossip")
        code, out, err = wait_for_answer(p)
        tap.check(code == 0, f"{words[0]}: then it is", code, out, err)


def main(tap):
    with Stalling(N) as grid:
        g.wait_until("all are in the tables", lambda: all((s := grid.status(n)) and s["dht"]["peers"] == N - 1 for n in range(1, N + 1)), 60, 0.2)
        letter = grid.dir / "letter"
        letter.write_text("hello there")
        to = grid.peer(OTHER)
        g.wait_until("a profile to seal for", lambda: grid.ctl(ASKER, "record", "get", f"/profile/{to}")[0] == 0, 30, 0.2)
        check_acknowledged(tap, grid, "a topic", ("topic", "announce", "chess"), "stored")
        check_acknowledged(tap, grid, "a name", ("record", "put", "name", "sales", "--hex", "07" * 32), "stored")
        check_acknowledged(tap, grid, "a letter", ("mailbox", "send", to, "--file", str(letter)), "kept")
        check_block(tap, grid)
        check_killed(tap, grid, "a topic, and kill -9", ("topic", "announce", "go"), "stored")


if __name__ == "__main__":
    sys.exit(Tap().run([main]))
