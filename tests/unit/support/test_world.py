#!/usr/bin/env python3
"""tests/support/world.c: what a test sees there, what is left of it, and what happens where there is none.
usage: test_world.py WORLD"""
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2] / "support"))
from tap import Tap

WORLD = sys.argv[1]
POSSIBLE = subprocess.run([WORLD, "--possible"]).returncode == 0
LEAST = ["setpriv", "--bounding-set=-sys_admin"]  # root without the right to namespaces


def run(*command, before=()):
    return subprocess.run([*before, WORLD, *command], capture_output=True, text=True)


def status(tap):
    tap.equal(run("sh", "-c", "exit 3").returncode, 3, "exits like the command")
    tap.equal(run("sh", "-c", "kill -SEGV $$").returncode, 128 + 11, "or by its signal")
    missing = run("/nonexistent/command")
    tap.check(missing.returncode == 126 and "/nonexistent/command: No such file" in missing.stderr, "a command that is not there", missing)
    tap.equal(run().returncode, 2, "no command")


def own(tap):
    if not POSSIBLE:
        tap.skip("a world of one's own", "no right to namespaces")
        return
    devices = run("cat", "/proc/net/dev").stdout.splitlines()[2:]
    tap.equal([line.split(":")[0].strip() for line in devices], ["lo"], "a loopback and no other device")
    processes = run("sh", "-c", "ls -d /proc/[0-9]* | wc -l").stdout
    tap.check(int(processes) <= 5, "no process of others", processes)
    tap.equal(run("id", "-u").stdout.strip(), str(os.geteuid()), "the same user")
    bind = "import socket; s = socket.socket(); s.bind(('127.0.0.1', 4001)); print('bound', flush=True); import time; time.sleep({})"
    first = subprocess.Popen([WORLD, sys.executable, "-c", bind.format(30)], stdout=subprocess.PIPE, text=True)
    tap.equal(first.stdout.readline(), "bound\n", "a port of the loopback")
    tap.equal(run(sys.executable, "-c", bind.format(0)).stdout, "bound\n", "is free in another world")
    first.terminate()
    first.wait()


def is_held(path):
    return subprocess.run(["flock", "--nonblock", path, "true"]).returncode != 0


def ends(tap, folder):
    """A process that was left behind holds a lock as long as it lives."""
    if not POSSIBLE:
        tap.skip("the end of a world", "no right to namespaces")
        return
    path = folder / "lock"
    stay = f"setsid flock {path} sleep 60 & while flock --nonblock {path} true; do sleep 0.02; done"
    run("sh", "-c", stay)
    tap.check(not is_held(path), "what a test leaves behind ends with it")
    killed = subprocess.Popen([WORLD, "sh", "-c", stay + "; sleep 60"])
    until = time.monotonic() + 10
    while not is_held(path) and time.monotonic() < until:
        time.sleep(0.02)
    tap.check(is_held(path), "a world with somebody in it")
    killed.kill()
    killed.wait()
    until = time.monotonic() + 5
    while is_held(path) and time.monotonic() < until:
        time.sleep(0.02)
    tap.check(not is_held(path), "all of it ends when it is killed from outside")


def turns(tap, folder):
    before = LEAST if POSSIBLE else []
    if POSSIBLE and (os.geteuid() != 0 or not shutil.which("setpriv")):
        tap.skip("tests take turns", "only root can lay down the right to namespaces")
        return
    path = folder / "turn"
    alone = f"flock --nonblock {path} sleep 0.3"
    both = [subprocess.Popen([*before, WORLD, "sh", "-c", alone], stderr=subprocess.PIPE, text=True) for _ in range(3)]
    said = [p.communicate()[1] for p in both]
    tap.equal([p.returncode for p in both], [0, 0, 0], "without worlds nobody meets another")
    tap.check(all("take turns" in text for text in said), "and it is said", said)
    left = subprocess.run([*before, WORLD, "sh", "-c", "sleep 5 >/dev/null 2>&1 & exit 0"])
    began = time.monotonic()
    run("true", before=before)
    tap.check(left.returncode == 0 and time.monotonic() - began < 4, "what is left behind takes nobody's turn")


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as name:
        where = pathlib.Path(name)
        cases = [status, own, lambda tap: ends(tap, where), lambda tap: turns(tap, where)]
        sys.exit(Tap().run(cases))
