"""Foreign peers for the interoperability tests: js-libp2p as npm has it, one process a peer, spoken to in lines of JSON."""
import fcntl
import functools
import json
import os
import pathlib
import queue
import shutil
import subprocess
import sys
import threading
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "support"))
from tap import Tap, skip_all

SOURCE = pathlib.Path(__file__).resolve().parent / "js"


class Missing(Exception):
    """What this machine lacks, in one line."""


def enter_world():
    """Begins this program again in a world of its own (tests/support/world.c). Once."""
    world = os.environ.pop("QUORATE_WORLD", None)
    if world:
        os.execv(world, [world, sys.executable, *sys.argv])


def install(build):
    """js-libp2p at its pins in a folder below `build`, beside our scripts. Returns the folder. npm needs the machine's
    network; all that comes after it happens in a world of its own."""
    if not shutil.which("node") or not shutil.which("npm"):
        raise Missing("Node and npm are not installed")
    version = subprocess.run(["node", "--version"], capture_output=True, text=True).stdout.strip()
    if int(version.lstrip("v").split(".")[0]) < 20:
        raise Missing(f"Node {version} is older than 20")
    folder = pathlib.Path(build) / "js"
    folder.mkdir(parents=True, exist_ok=True)
    with open(folder / "lock", "w") as lock:  # the tests may start at once
        fcntl.flock(lock, fcntl.LOCK_EX)
        for script in SOURCE.glob("*.mjs"):
            shutil.copy(script, folder)
        wanted, done = (SOURCE / "package.json").read_text(), folder / "installed.json"
        if not done.exists() or done.read_text() != wanted:
            (folder / "package.json").write_text(wanted)
            subprocess.run(["npm", "install", "--no-audit", "--no-fund", "--loglevel=error"], cwd=folder, check=True,
                           stdout=subprocess.DEVNULL)
            done.write_text(wanted)
    enter_world()
    return folder


def main(test):
    """Runs test(tap, folder), js-libp2p being in the folder, or says what this machine lacks. The exit code."""
    try:
        folder = install(sys.argv[1])
    except Missing as e:
        skip_all(e)

    @functools.wraps(test)
    def with_folder(tap):
        test(tap, folder)
    return Tap().run([with_folder])


def js(folder, prefix=(), **wanted):
    """A js peer as js/peer.mjs describes it. prefix: what runs it, such as nsenter."""
    return Foreign([*prefix, "node", "peer.mjs", json.dumps(wanted)], folder)


class Foreign:
    """A foreign peer: commands in, answers and events out."""

    def __init__(self, command, cwd):
        self.name = command[-1]
        self.process = subprocess.Popen(command, cwd=cwd, text=True, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        self.lines, self.events = queue.Queue(), []
        threading.Thread(target=self._read, daemon=True).start()
        ready = self.event("ready", timeout=60)
        self.peer, self.address = ready["peer"], ready["address"]

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stop()

    def _read(self):
        for line in self.process.stdout:
            self.lines.put(json.loads(line))
        self.lines.put({"event": "ended"})

    def _take(self, timeout):
        try:
            message = self.lines.get(timeout=timeout)
        except queue.Empty:
            raise AssertionError("the foreign peer says nothing") from None
        if "event" in message:
            self.events.append(message)
            assert message["event"] != "ended", "the foreign peer has ended"
        return message

    def event(self, name, matches=lambda e: True, timeout=15):
        """The first such event, past ones included."""
        end = time.monotonic() + timeout
        while True:
            for e in self.events:
                if e["event"] == name and matches(e):
                    return e
            if time.monotonic() > end:
                raise AssertionError(f"no event {name} within {timeout} s")
            self._take(max(0.01, end - time.monotonic()))

    def heard(self, name, matches=lambda e: True):
        """All such events until now."""
        while not self.lines.empty():
            self._take(1)
        return [e for e in self.events if e["event"] == name and matches(e)]

    def do(self, command, **arguments):
        """The answer; an error there is raised here."""
        answer = self.attempt(command, **arguments)
        assert "error" not in answer, f"{command}: {answer['error']}"
        return answer

    def attempt(self, command, timeout=60, **arguments):
        """The answer, with a member `error` when it failed."""
        self.process.stdin.write(json.dumps({"do": command, **arguments}) + "\n")
        self.process.stdin.flush()
        while True:
            message = self._take(timeout)
            if message.get("answer") == command:
                return message

    def stop(self):
        if self.process.poll() is None:
            self.process.stdin.close()
            try:
                self.process.wait(timeout=20)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
