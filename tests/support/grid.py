"""A grid of real nodes for tests: `quorate run --nodes N` in a temporary directory, and what one does to it.

The built `quorate` is named by $QUORATE_CTL. Everything a Grid started is gone when its `with` block ends."""
import json
import os
import pathlib
import re
import shutil
import signal
import subprocess
import tempfile
import time

QUORATE = os.environ.get("QUORATE_CTL", "quorate")
LONG = os.environ.get("QUORATE_LONG", "0") not in ("", "0")
SANITIZED = "QUORATE_SANITIZED" in os.environ
SOURCE = pathlib.Path(__file__).resolve().parents[2]


class Timeout(Exception):
    pass


def wait_until(what, condition, timeout=20.0, every=0.05):
    """The first true value of condition(); Timeout names what did not come true."""
    end = time.monotonic() + timeout
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > end:
            raise Timeout(f"{what}: not within {timeout:g} s")
        time.sleep(every)


def has_faults():
    """Is this a build with -Dfaults=true? Asked of the build's own configuration."""
    for folder in pathlib.Path(QUORATE).resolve().parents:
        header = folder / "quorate-config.h"
        if header.exists():
            return re.search(r"define\s+QUORATE_FAULTS\s+1", header.read_text()) is not None
    return False


def children(pid):
    """Child processes, as seen from here."""
    try:
        with open(f"/proc/{pid}/task/{pid}/children") as f:
            return [int(p) for p in f.read().split()]
    except OSError:
        return []


def command_name(pid):
    try:
        with open(f"/proc/{pid}/cmdline", "rb") as f:
            return os.path.basename(f.read().split(b"\0")[0].decode(errors="replace"))
    except OSError:
        return ""


def descendants(pid):
    for child in children(pid):
        yield child
        yield from descendants(child)


class Answer:
    """What one `quorate query --json` said."""

    def __init__(self, code, out, err, seconds):
        self.code, self.out, self.err, self.seconds = code, out, err, seconds
        lines = [line for line in out.splitlines() if line.strip()]
        try:
            self.json = json.loads(lines[-1]) if lines else {}
        except ValueError:
            self.json = {}

    state = property(lambda self: self.json.get("state", ""))
    error = property(lambda self: self.json.get("error", ""))
    job = property(lambda self: self.json.get("job", ""))
    hosts = property(lambda self: self.json.get("hosts", []))
    rows = property(lambda self: [tuple(row) for row in self.json.get("data", [])])

    def __str__(self):
        shown = {k: v for k, v in self.json.items() if k not in ("data", "columns")}
        return f"exit {self.code} after {self.seconds:.2f} s: {json.dumps(shown)[:3000]} {self.err.strip()[-600:]}"


class Query:
    """A `quorate query` under way."""

    def __init__(self, grid, node, sql, options):
        self.began = time.monotonic()
        self.process = subprocess.Popen(
            [QUORATE, "query", *grid.place(node), "--json", *options, sql],
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=grid.env)

    def elapsed(self):
        return time.monotonic() - self.began

    def wait(self, timeout=60):
        try:
            out, err = self.process.communicate(timeout=timeout)
        except subprocess.TimeoutExpired:
            self.process.kill()
            out, err = self.process.communicate()
            err += f"\n(killed by the test after {timeout} s)"
        return Answer(self.process.returncode, out, err, self.elapsed())


class Grid:
    def __init__(self, nodes, config=None, run_options=(), user=None, env=None, ready=True):
        """config: {node number, or 0 for all: text of quorate.conf below what `run` writes}.
        user: an unprivileged uid to run as (we must be root). ready: wait until all know each other."""
        self.n, self.user, self.wait_ready = nodes, user, ready
        self.config, self.run_options = config or {}, list(run_options)
        self.env = {"PATH": os.environ.get("PATH", "/usr/bin:/bin"), "HOME": "/nonexistent", **(env or {})}
        for name in ("ASAN_OPTIONS", "UBSAN_OPTIONS", "LSAN_OPTIONS", "QUORATE_LOG", "QUORATE_SANITIZED_EXECUTOR"):
            if name in os.environ:
                self.env.setdefault(name, os.environ[name])
        self.process = None

    def __enter__(self):
        self.dir = pathlib.Path(tempfile.mkdtemp(prefix="qg", dir="/tmp"))  # sockets need short paths
        self.dir.chmod(0o755)  # what is closed below it is closed by the node itself
        self.state, self.runtime = self.dir / "s", self.dir / "r"
        try:
            if self.user is not None:
                os.chown(self.dir, self.user, self.user)
            self._configure()
            self.start()
        except BaseException:
            self._clean()
            raise
        return self

    def __exit__(self, *_):
        self._clean()

    # ---- start, stop ----

    def _command(self):
        command = [QUORATE, "run", "--nodes", str(self.n), "--state", str(self.state),
                   "--runtime", str(self.runtime), "--json", *self.run_options]
        if self.user is not None:
            command = ["setpriv", f"--reuid={self.user}", f"--regid={self.user}", "--clear-groups", *command]
        return command

    def _spawn(self):
        self.log = open(self.dir / "log", "ab")
        self.events = open(self.dir / "events", "wb")
        # A group of its own: Ctrl-C at a terminal is ours to pass on.
        self.process = subprocess.Popen(self._command(), stdin=subprocess.DEVNULL, stdout=self.events,
                                        stderr=self.log, env=self.env, start_new_session=True, cwd="/")

    def _plan(self):
        """Keys, ports and configurations; nothing is started."""
        done = subprocess.run([*self._command(), "--plan"], capture_output=True, text=True, env=self.env, cwd="/", timeout=60)
        if done.returncode:
            raise Timeout("quorate run --plan: " + done.stdout + done.stderr)

    def _configure(self):
        """Ours are added to what was planned."""
        if not self.config:
            return
        self._plan()
        for node, text in self.config.items():
            for i in [node] if node else range(1, self.n + 1):
                with open(self.state / f"node-{i}" / "quorate.conf", "a") as f:
                    f.write(text)

    def start(self):
        self._spawn()

        def is_ready():
            if self.process.poll() is not None:
                raise Timeout(f"quorate run ended with {self.process.returncode}: {self.tail()}")
            return b'"ready"' in (self.dir / "events").read_bytes()
        try:
            wait_until("all services ready", is_ready, 90)
            if self.wait_ready:
                for node in range(1, self.n + 1):
                    self.wait_joined(node)
        except Timeout as e:
            raise Timeout(f"{e}\n{self.tail()}") from None

    def wait_joined(self, node, timeout=20):
        """Until a node has its worker and knows all the others."""
        wait_until(f"node {node} knows the others",
                   lambda: (s := self.status(node)) and s["candidates"] >= self.n - 1 and s["workers"] > 0, timeout)

    def wait_whole(self, node, timeout=30):
        """Until every service of a node is ready again and it has joined."""
        wait_until(f"services of node {node} are ready",
                   lambda: all(s["state"] == "ready" and s["pid"] for s in self.services(node).values()), timeout)
        self.wait_joined(node, timeout)

    def stop(self):
        """Like Ctrl-C. Returns the exit code."""
        if not self.process:
            return None
        started = list(descendants(self.process.pid))
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGINT)
        try:
            code = self.process.wait(20)
        except subprocess.TimeoutExpired:
            self.process.kill()
            code = self.process.wait()
        for pid in started:  # only ours: still called as we started it
            if command_name(pid).startswith("quorate"):
                try:
                    os.kill(pid, signal.SIGKILL)
                except ProcessLookupError:
                    pass
        self.process = None
        self.log.close()
        self.events.close()
        return code

    def _clean(self):
        for node in range(1, self.n + 1):  # what is stopped cannot end
            for service in self.services(node):
                self.signal(node, service, signal.SIGCONT)
        self.stop()
        shutil.rmtree(self.dir, ignore_errors=True)

    def tail(self, n=3000):
        try:
            return (self.dir / "log").read_text(errors="replace")[-n:]
        except OSError:
            return ""

    # ---- to ask ----

    def place(self, node):
        return ["--runtime", str(self.runtime / f"node-{node}"), "--state", str(self.state / f"node-{node}")]

    def ctl(self, node, *arguments, timeout=20):
        """(exit code, stdout, stderr) of one command to one node."""
        done = subprocess.run([QUORATE, arguments[0], *self.place(node), *arguments[1:]], capture_output=True,
                              text=True, timeout=timeout, env=self.env, stdin=subprocess.DEVNULL)
        return done.returncode, done.stdout, done.stderr

    def ctl_json(self, node, *arguments):
        """The lines of --json output, or None when the command failed."""
        try:
            code, out, _ = self.ctl(node, *arguments, "--json")
        except subprocess.TimeoutExpired:
            return None
        return [json.loads(line) for line in out.splitlines()] if code == 0 else None

    def status(self, node):
        lines = self.ctl_json(node, "status")
        return lines[0] if lines else None

    def metrics(self, node):
        s = self.status(node)
        return {**s["coordinator"], **s.get("transport", {})}

    def peer(self, node):
        return (self.state / f"node-{node}" / "peer").read_text().split()[1]

    def node_of(self, peer):
        return next(i for i in range(1, self.n + 1) if self.peer(i) == peer)

    def begin(self, sql, *options, node=1, data=None):
        options = [*options, *(["--data", str(data)] if data else [])]
        return Query(self, node, sql, options)

    def ask(self, sql, *options, node=1, data=None, timeout=60):
        return self.begin(sql, "--prefer", "remote", *options, node=node, data=data).wait(timeout)

    def jobs(self, node, *options):
        """Newest first; more than these are not looked at."""
        lines = self.ctl_json(node, "job", "list", "--limit", "100", *options)
        return lines and [line for line in lines if "job" in line]

    # ---- to disturb ----

    def services(self, node):
        """{service: {pid, state, restarts}} of a node; pid is that of the small process that waits for the service."""
        try:
            with open(self.runtime / f"node-{node}" / "services.json") as f:
                return {s["service"]: s for s in json.load(f)["services"]}
        except (OSError, ValueError):
            return {}

    def pid(self, node, service):
        """Of the service itself; 0 when it does not run."""
        waiting = self.services(node).get(service, {}).get("pid", 0)
        if not waiting:
            return 0
        program = "quorate-" + service.split("@")[0]
        inner = [p for p in children(waiting) if command_name(p) == program]
        return inner[0] if inner else waiting if command_name(waiting) == program else 0

    def executors(self, node):
        """Processes below a worker: the zygote, its jobs, and the one that waits for the next job."""
        return [p for name in self.services(node) if name.startswith("worker")
                for p in descendants(self.pid(node, name)) if p]

    def signal(self, node, service, signo):
        """True when there was one to send it to."""
        pid = self.pid(node, service)
        try:
            return bool(pid) and os.kill(pid, signo) is None
        except ProcessLookupError:
            return False

    def kill(self, node, service):
        return self.signal(node, service, signal.SIGKILL)
