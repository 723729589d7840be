#!/usr/bin/env python3
"""`quorate run` as people and machines treat it: Ctrl-C at any moment, kill -9, closed terminals, taken ports, services that hang."""
import json
import os
import pathlib
import pty
import re
import shutil
import signal
import socket
import subprocess
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2] / "support"))
import grid as g
from tap import Tap

N = 2
INTERPRETER = "/usr/bin/python3"  # services see /usr, not where else a Python may lie


def ours(grid):
    """Processes that this grid's directory names, but for the supervisor."""
    found = {}
    for entry in pathlib.Path("/proc").iterdir():
        if entry.name.isdigit() and int(entry.name) != grid.supervisor:
            try:
                line = (entry / "cmdline").read_bytes()
            except OSError:
                continue
            if str(grid.dir).encode() in line and b"quorate" in line:
                found[int(entry.name)] = line.replace(b"\0", b" ").decode(errors="replace")[:120]
    return found


def gone(grid, seconds=3.0):
    """What is left after a while; {} is right."""
    end = time.monotonic() + seconds
    while ours(grid) and time.monotonic() < end:
        time.sleep(0.05)
    return ours(grid)


class Run(g.Grid):
    """Two nodes; the supervisor's pid is kept."""
    supervisor = 0

    def __init__(self, **options):
        super().__init__(N, ready=False, **options)

    def _spawn(self):
        super()._spawn()
        self.supervisor = self.process.pid

    def is_current(self, node):
        """The file is of this run, not of one that was killed."""
        try:
            return json.loads((self.runtime / f"node-{node}" / "services.json").read_text())["supervisor"] == self.supervisor
        except (OSError, ValueError):
            return False

    def is_up(self):
        return all(self.is_current(n) and len(s := self.services(n)) >= 4 and all(x["state"] == "ready" for x in s.values()) for n in range(1, N + 1))

    def wait_up(self, seconds=90):
        g.wait_until("all services", self.is_up, seconds)


def interrupted(tap):
    """SIGINT to the whole group, as a terminal sends it, while this and that is under way."""
    with Run() as grid:
        grid.stop()
        for delay in (0.0, 0.01, 0.03, 0.06, 0.1, 0.2, 0.4, 0.8):
            grid._spawn()
            time.sleep(delay)
            os.killpg(grid.process.pid, signal.SIGINT)
            try:
                code = grid.process.wait(20)
            except subprocess.TimeoutExpired:
                code = "none"
            left = gone(grid)
            tap.check(code in (0, -signal.SIGINT) and not left, f"Ctrl-C after {delay} s: ends, nothing is left", code, left, grid.tail())
            tap.equal([str(p) for p in grid.runtime.glob("node-*/*/*")], [], "no socket is left")
        grid._spawn()
        grid.wait_up()
        os.killpg(grid.process.pid, signal.SIGINT)
        began = time.monotonic()
        tap.equal(grid.process.wait(20), 0, "Ctrl-C while it serves: exit code 0")
        tap.check(time.monotonic() - began < 10 and not gone(grid), "in time, nothing is left", ours(grid))
        tap.check(b'{"event":"stopping"}' in (grid.dir / "events").read_bytes() and not grid.runtime.exists(),
                  "it says that it stops, and leaves no empty folder", list(grid.dir.rglob("r/**/*")))
        (grid.runtime / "node-1").mkdir(parents=True)
        (grid.runtime / "node-1" / "mine").write_text("kept")
        grid._spawn()
        grid.wait_up()
        os.killpg(grid.process.pid, signal.SIGINT)
        tap.equal(grid.process.wait(20), 0, "and again")
        tap.equal([str(p.relative_to(grid.runtime)) for p in grid.runtime.rglob("*")], ["node-1", "node-1/mine"],
                  "what others put there stays")


def interrupted_first_time(tap):
    """While keys are made: the next run goes on from there."""
    for delay in (0.0, 0.005, 0.01, 0.02, 0.04):
        grid = Run()
        grid.start = lambda: None
        with grid:
            grid._spawn()
            time.sleep(delay)
            grid.process.kill()
            grid.process.wait()
            gone(grid)
            grid._spawn()
            grid.wait_up()
            tap.check(True, f"a first run killed after {delay} s: the second serves")


def killed(tap):
    with Run() as grid:
        grid.wait_up()
        before = set(ours(grid))
        grid.process.kill()
        grid.process.wait()
        grid._spawn()
        grid.wait_up()
        tap.check(not before & set(ours(grid)), "kill -9 of run, and again at once: up, nothing of the first is left", ours(grid), grid.tail())
        tap.check("another" not in grid.tail() and "starting it again" not in grid.tail(), "without a quarrel", grid.tail())
        stopped = [grid.pid(1, "coordinator"), grid.pid(2, "transport")]
        tap.check(all(stopped), "there is something to stop", stopped)
        for pid in filter(None, stopped):
            os.kill(pid, signal.SIGSTOP)
        grid.process.kill()
        grid.process.wait()
        grid._spawn()
        grid.wait_up(40)
        tap.check(not set(stopped) & set(ours(grid)), "services that hung are killed for it", ours(grid))
        grid.process.kill()
        grid.process.wait()
        tap.equal(gone(grid, 8), {}, "kill -9 alone: all services end")


def second(tap):
    with Run() as grid:
        grid.wait_up()
        began = time.monotonic()
        other = subprocess.run(grid._command(), capture_output=True, text=True, timeout=30, env=grid.env)
        tap.check(other.returncode == 2 and re.search(rf"another `quorate run` \(process {grid.process.pid}\)", other.stderr) and
                  len(other.stderr.splitlines()) == 1, "a second run: one line that names the first", other)
        tap.check(time.monotonic() - began < 3, "at once")
        tap.check(grid.is_up() and all(s["restarts"] == 0 for s in grid.services(1).values()), "the first one serves on")


def port_taken(tap):
    with Run() as grid:
        grid.stop()
        conf = grid.state / "node-1/quorate.conf"
        port = int(re.search(r"udp/(\d+)/", conf.read_text())[1])
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as thief:
            thief.bind(("127.0.0.1", port))
            before = (grid.dir / "log").stat().st_size
            grid._spawn()
            try:
                code = grid.process.wait(20)
            except subprocess.TimeoutExpired:
                code = "none"
            said = complaints((grid.dir / "log").read_bytes()[before:].decode())
        tap.check(code == 2 and len(said) == 1 and f"udp 127.0.0.1:{port} is in use by another program" in said[0] and
                  f"in [transport] listen of {conf}" in said[0],
                  "a port that is taken: one line that names it and the file, exit 2", code, said)
        tap.equal(gone(grid), {}, "nothing is left")
        grid._spawn()
        grid.wait_up()
        holder = grid.pid(1, "transport")
        taken = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        with taken as thief:
            os.kill(holder, signal.SIGKILL)
            g.wait_until("the port", lambda: bind(thief, port), 5, 0.0)
            g.wait_until("a complaint", lambda: f"udp 127.0.0.1:{port} is in use" in grid.tail(), 20)
            g.wait_until("another try", lambda: grid.tail().count("starting it again") > 1, 10)
        tap.check(grid.process.poll() is None, "taken while it served: the node stays", grid.tail())
        grid.wait_up(30)
        state = grid.services(1)
        tap.equal([n for n, s in state.items() if s["restarts"] and n != "transport"], [],
                  "and is whole when the port is free; nobody else was started again")


def complaints(text):
    """Lines but those that only tell what this machine cannot do."""
    return [line for line in text.splitlines() if "cannot lock memory" not in line and "transport: mdns:" not in line]


def nobody_reads(tap):
    """`quorate query … | head -1`: the job ends, too."""
    with Run() as grid:
        rows = "WITH RECURSIVE c(x) AS (SELECT 1 UNION ALL SELECT x+1 FROM c WHERE x<60000) " \
               "SELECT x, printf('%0600d', x) FROM c ORDER BY x"
        query = subprocess.Popen([g.QUORATE, "query", *grid.place(1), "--format", "csv", rows], stdout=subprocess.PIPE,
                                 stderr=subprocess.DEVNULL, env=grid.env)
        tap.check(query.stdout.readline().startswith(b"x,"), "rows come")
        query.stdout.close()
        query.wait(30)
        g.wait_until("the job's end", lambda: (s := grid.status(1)) and s["jobs_own"] == 0, 10)
        job = grid.ctl_json(1, "job", "list")[0]
        tap.check(job["state"] != "running", "and end when nobody reads them", job)


def bind(sock, port):
    try:
        sock.bind(("127.0.0.1", port))
        return True
    except OSError:
        return False


def port_taken_without_configuration(tap):
    """Nobody wrote a file yet: the line says where one would be read."""
    grid = Run()
    grid.start = lambda: None
    with grid, socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as thief:
        if not bind(thief, 4001):
            tap.check(True, "port 4001 is taken here anyway")
        state = grid.dir / "alone"
        env = {**{k: v for k, v in grid.env.items() if k != "QUORATE_CONFIG"}, "XDG_CONFIG_HOME": str(grid.dir)}
        done = subprocess.run([g.QUORATE, "run", "--state", state, "--runtime", grid.dir / "r1"], capture_output=True, text=True,
                              timeout=30, env=env, check=False)
        tap.check(done.returncode == 2 and len(complaints(done.stderr)) == 1 and f"in [transport] listen of {state}/quorate.conf" in done.stderr,
                  "without a configuration: where it would stand", done)
        tap.check(not state.exists() and not (grid.dir / "r1").exists(), "a first start that was refused leaves nothing",
                  list(grid.dir.rglob("*")))
        state.mkdir(mode=0o700)
        done = subprocess.run([g.QUORATE, "run", "--state", state, "--runtime", grid.dir / "r1"], capture_output=True, text=True,
                              timeout=30, env=env, check=False)
        tap.check(done.returncode == 2 and (state / "keyring/seed").exists(), "a folder that was there stays, with its key", done)


def planned(tap):
    """Configurations to be edited before anything starts; planned again they stay."""
    grid = Run()
    grid.start = lambda: None
    with grid:
        config, told = grid.state / "node-2/quorate.conf", []
        for _ in range(2):
            told.append(subprocess.run([*grid._command(), "--plan"], capture_output=True, text=True, timeout=30, env=grid.env))
            with open(config, "a") as f:
                f.write("# mine\n")
        tap.equal([(d.returncode, d.stdout) for d in told], [(0, '{"event":"planned","nodes":2}\n')] * 2, "--plan says what it did, twice")
        tap.equal(config.read_text().count("# mine"), 2, "and writes over nothing")
        tap.check(not grid.runtime.exists() and not gone(grid), "nothing was started", list(grid.dir.iterdir()))
        for i, is_new in enumerate((True, False)):
            done = subprocess.run([g.QUORATE, "run", "--plan", "--nodes", "2", "--state", grid.dir / "other"], capture_output=True,
                                  text=True, timeout=30, env=grid.env)
            tap.check(("`quorate key revoke" in done.stdout) == is_new, f"the keys' revocations, once: {i + 1}", done)
    alone = subprocess.run([g.QUORATE, "run", "--plan", "--state", grid.dir], capture_output=True, text=True, timeout=30, env=grid.env)
    tap.check(alone.returncode == 2 and "--nodes" in alone.stderr and not grid.dir.exists(), "of one node there is nothing to plan", alone)
    told = subprocess.run([g.QUORATE, "run", "--nodes", "2", "--config", "/tmp/any.conf", "--state", grid.dir], capture_output=True, text=True,
                          timeout=30, env=grid.env, check=False)
    tap.check(told.returncode == 2 and "configuration of its own" in told.stderr and not grid.dir.exists(), "one --config for a grid is refused", told)


def refused_grid(tap):
    """A grid that cannot have its sockets leaves no keys either; a folder that was there stays."""
    grid = Run()
    grid.start = lambda: None
    with grid:
        state = grid.dir / "many"
        (grid.dir / "file").write_text("")
        for exists in (False, True):
            if exists:
                state.mkdir(mode=0o700)
            done = subprocess.run([g.QUORATE, "run", "--nodes", "2", "--state", state, "--runtime", grid.dir / "file/r"], capture_output=True,
                                  text=True, timeout=30, env=grid.env, check=False)
            tap.check(done.returncode == 2 and "give --runtime DIR" in done.stderr and state.exists() == (state / "node-1/keyring/seed").exists() == exists,
                      f"refused, with a folder that was {'there: it stays' if exists else 'not there: nothing is left'}", done, list(grid.dir.rglob("*")))


def first_start(tap):
    """The revocation that was made with the key is mentioned once, with its file."""
    grid = Run()
    grid.start = lambda: None
    with grid:
        state = grid.dir / "alone"
        state.mkdir(mode=0o700)
        (state / "quorate.conf").write_text("[transport]\nlisten = /ip4/127.0.0.1/udp/0/quic-v1\n")
        told = []
        for _ in range(2):
            run = subprocess.Popen([g.QUORATE, "run", "--state", state, "--runtime", grid.dir / "r1"], stdout=subprocess.PIPE,
                                   stderr=subprocess.DEVNULL, text=True, env=grid.env, start_new_session=True)
            lines = []
            while not lines or (lines[-1] and "Ctrl-C stops it" not in lines[-1]):
                lines.append(run.stdout.readline())
            run.terminate()
            run.communicate(timeout=30)
            told.append("".join(lines))
        files = [str(p) for p in state.glob("keyring/revocation-*")]
        tap.check(len(files) == 1 and f"put {files[0]} away" in told[0] and "`quorate key revoke FILE`" in told[0],
                  "the first start names the key's revocation", told, files)
        tap.check("isolation between services" in told[1] and "revoke" not in told[1], "the next one does not", told[1])


def workers(tap):
    """Each worker of a node is there, and a query runs."""
    grid = Run()
    command = grid._command
    grid._command = lambda: [*command(), "--workers", "3"]
    with grid:
        status = g.wait_until("three workers", lambda: (s := grid.status(1)) and s["workers"] == 3 and s, 30)
        tap.check(status["slots"] >= 3, "three workers, with a slot each at least", status)
        tap.check(all(grid.pid(1, f"worker@{i}") > 0 for i in (1, 2, 3)), "and each has its process", grid.tail())
        code, out, err = grid.ctl(1, "query", "--prefer", "local", "SELECT 40 + 2")
        tap.check(code == 0 and "42" in out, "which answer", out, err)


def descriptors(tap):
    with Run() as grid:
        grid.stop()
        with open(grid.dir / "log") as secret:
            held = secret.fileno()
            os.set_inheritable(held, True)
            for fd in range(60, 64):
                os.dup2(held, fd, inheritable=True)
            grid.log = open(grid.dir / "log", "ab")
            grid.events = open(grid.dir / "events", "wb")
            grid.process = subprocess.Popen(grid._command(), stdin=subprocess.DEVNULL, stdout=grid.events, stderr=grid.log,
                                            env=grid.env, start_new_session=True, cwd="/", close_fds=False)
            grid.supervisor = grid.process.pid
        for fd in range(60, 64):
            os.close(fd)
        grid.wait_up()
        log = str(grid.dir / "log")
        leaks, told = {}, {}
        for service in grid.services(1):
            fds = {int(f.name): os.readlink(f) for f in pathlib.Path(f"/proc/{grid.pid(1, service)}/fd").iterdir()}
            leaks[service] = {n: t for n, t in fds.items() if t.endswith("/log") and n > 2}
            told[service] = fds[0]
        tap.equal({s: x for s, x in leaks.items() if x}, {}, f"no service has what whoever started it had open ({log})")
        tap.equal({s: t for s, t in told.items() if t != "/dev/null"}, {}, "nor their standard input")
        grid.kill(1, "coordinator")
        g.wait_until("a restart", lambda: grid.services(1)["coordinator"]["restarts"] == 1 and grid.is_up())
        inodes = lambda: {p: p.stat().st_ino for p in grid.runtime.glob("node-1/*/*") if p.is_socket()}
        first = inodes()
        grid.kill(1, "coordinator")
        g.wait_until("a restart", lambda: grid.services(1)["coordinator"]["restarts"] == 2 and grid.is_up())
        tap.equal(inodes(), first, "sockets stay the same over restarts")
        code, _, err = grid.ctl(1, "query", "--prefer", "local", "SELECT 1")
        tap.check(code == 0, "and serve", err)
        zombies = [p for p in g.children(grid.process.pid) if "Z" in pathlib.Path(f"/proc/{p}/stat").read_text().split(")")[-1].split()[0]]
        tap.equal(zombies, [], "no zombie waits")


def never_ready(tap):
    """A transport that says nothing, of node 1 and 2."""
    with Run() as grid:
        grid.stop()
        libexec = grid.dir / "x"
        libexec.mkdir()
        for program in pathlib.Path(g.QUORATE).resolve().parents[1].glob("*/quorate-*"):
            if program.is_file() and os.access(program, os.X_OK):
                shutil.copy(program, libexec)
        fake = libexec / "quorate-transport"
        fake.write_text(f"#!{INTERPRETER}\nimport sys, time\nif '--check-config' not in sys.argv: time.sleep(1000)\n")
        fake.chmod(0o755)
        grid.env["QUORATE_LIBEXEC"] = str(libexec)
        grid._spawn()
        g.wait_until("patience to end", lambda: "is not ready after 10 s; killing it" in grid.tail(), 20)
        g.wait_until("the end", lambda: "transport ended (signal 9" in grid.tail(), 5)
        states = {n: s["state"] for n, s in grid.services(1).items()}
        tap.check(states["coordinator"] == "waiting" and states["keyring"] == "ready", "who comes after it waits", states)
        os.killpg(grid.process.pid, signal.SIGINT)
        tap.equal(grid.process.wait(20), 0, "Ctrl-C ends it all the same")
        tap.equal(gone(grid), {}, "nothing is left")


def in_terminal(grid):
    """`run` as the first process of a terminal of its own; returns its pid and our end."""
    pid, master = pty.fork()
    if pid == 0:
        os.execvpe(grid._command()[0], [a for a in grid._command() if a != "--json"], grid.env)
    grid.supervisor = pid
    return pid, master


def terminal(tap):
    with Run() as grid:
        grid.stop()
        pid, master = in_terminal(grid)
        grid.wait_up()
        heard = [s for s in grid.services(1) if os.getsid(grid.pid(1, s)) == os.getsid(pid)]
        tap.equal(heard, [], "no service hears what is pressed at the terminal")
        told = ""
        while "SELECT 42" not in told:  # its last words before it waits
            told += os.read(master, 65536).decode(errors="replace")
        os.write(master, b"\x03")
        _, status = os.waitpid(pid, 0)
        said = os.read(master, 65536).decode(errors="replace").replace("^C", "").split("\r\n")
        tap.equal(said, ["quorate: stopping all services; Ctrl-C again ends them at once", ""], "Ctrl-C is answered in one line")
        tap.check(os.waitstatus_to_exitcode(status) == 0 and not gone(grid), "Ctrl-C at a terminal: exit code 0", status, ours(grid))
        os.close(master)
        pid, master = in_terminal(grid)
        grid.wait_up()
        os.close(master)
        _, status = wait_for(pid)
        tap.check(status is not None and not gone(grid), "a terminal that is closed takes the node with it", status, ours(grid))


def wait_for(pid, seconds=20):
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        done, status = os.waitpid(pid, os.WNOHANG)
        if done:
            return done, status
        time.sleep(0.05)
    os.kill(pid, signal.SIGKILL)
    os.waitpid(pid, 0)
    return pid, None


def people(tap):
    """What doctor, config and colours say of a grid."""
    with Run() as grid:
        grid.wait_up()
        conf = str(grid.state / "node-1/quorate.conf")
        code, out, err = grid.ctl(1, "config", "check")
        tap.check(code == 0 and conf in out, "config check reads a grid node's own file", out, err)
        code, out, _ = grid.ctl(1, "config", "show")
        tap.check(re.search(r"data-class +=.*sensitive +# file", out), "config show too", out)
        doctor = grid.ctl(1, "doctor")[1]
        tap.check(f"{conf}: valid for every service" in doctor, "and doctor", doctor)
        only = ["--runtime", str(grid.runtime / "node-1")]
        shown = at(grid, "config", "show", *only)
        tap.check(re.search(r"data-class +=.*sensitive +# file", shown.stdout) and shown.stdout.startswith(f"# {conf}"),
                  "config show of a node whose sockets alone are named", shown)
        shown = at(grid, "doctor", *only)
        tap.check(f"{conf}: valid for every service" in shown.stdout and f"{grid.state}/node-1/keyring/seed" in shown.stdout, "doctor too", shown)
        for arguments in (["status"], ["query", "SELECT 1"], ["peers"], ["job", "list"], ["config", "show"]):
            shown = at(grid, *arguments, "--runtime", str(grid.runtime))
            tap.check(shown.returncode == (2 if arguments[0] == "config" else 5) and not shown.stdout and
                      f"grid, node-1 to node-2; give --runtime {grid.runtime}/node-1" in shown.stderr and len(shown.stderr.splitlines()) == 1,
                      f"{arguments[0]} of the grid's own folder: which node?", shown)
        base = subprocess.run([g.QUORATE, "config", "check", "--state", str(grid.state), "--runtime", str(grid.runtime)],
                              capture_output=True, text=True, env=grid.env)
        tap.check(base.returncode == 2 and "holds a grid of 2 nodes" in base.stderr and "node-1" in base.stderr, "of the grid itself: which node?", base)
        answer = grid.begin("SELECT 1").wait()
        g.wait_until("the end", lambda: [j for j in grid.jobs(1) or [] if j["job"] == answer.job and j["state"] != "running"])
        code, _, err = grid.ctl(1, "job", "attach", answer.job)
        tap.check(code == 5 and f"this job has ended: {answer.state};" in err and len(err.splitlines()) == 1,
                  "attach to an ended job names its state", code, err)
        said = on_terminal([g.QUORATE, "query", *grid.place(1), "--prefer", "remote", "-k", "2", "-Q", "1", "--meta", "SELECT 1"], grid.env)
        tap.check("\033[32mVERIFIED\033[0m: 1 of 1 answers agree (2 hosts wanted, 1 took part) (a quorum of one: its word alone)" in said and
                  "\033[32mcorrect " in said and "confidence: strangers (hosts too new here for a record; `quorate help states`)" in said,
                  "a verified answer: in green, with how many took part, and what strangers are", said)
        code, out, err = grid.ctl(1, "query", "--prefer", "remote", "-k", "2", "-Q", "1", "--meta", "SELECT 1")
        tap.check(code == 0 and "VERIFIED: 1 of 1" in err and "\033" not in err, "without colour into a pipe", code, err)
        job = grid.ctl_json(1, "job", "list", "--limit", "1")[0]["job"]
        attached = []

        def is_over():
            attached[:] = grid.ctl(1, "job", "attach", job)
            return attached[0] == 5
        g.wait_until("it cannot be attached to any more", is_over, 60)
        path = next(r["path"] for r in grid.ctl_json(1, "receipt", "list") if r["job"] == job)
        tap.check(f"this job has ended: VERIFIED; see `quorate receipt show {path}`" in attached[2], "attach to an ended job names its receipt", attached)
        with open(conf, "a") as f:
            f.write("[transport]\nnonsense = 1\n")
        grid.stop()
        grid._spawn()
        code = grid.process.wait(20)
        lines = grid.tail().splitlines()[-3:]
        tap.check(code == 2 and "nonsense: unknown key" in lines[-1] and not any("nonsense" in line for line in lines[:-1]),
                  "run with an unknown key: one line", lines)
        for environment, options, coloured in (({}, (), True), ({"NO_COLOR": "1"}, (), False), ({"NO_COLOR": ""}, (), True), ({}, ("--no-color",), False)):
            out = on_terminal([g.QUORATE, "doctor", *grid.place(1), *options], {**grid.env, **environment})
            tap.check(("\033[3" in out) == coloured and "executor" in out, f"colours with {environment} {options}: {coloured}", out[:300])
        tap.check("\033[" not in doctor, "none into a pipe")


def at(grid, *arguments):
    return subprocess.run([g.QUORATE, *arguments], capture_output=True, text=True, timeout=20, env=grid.env, stdin=subprocess.DEVNULL)


def on_terminal(command, env):
    pid, master = pty.fork()
    if pid == 0:
        os.execvpe(command[0], command, env)
    out = b""
    while True:
        try:
            chunk = os.read(master, 65536)
        except OSError:
            break
        if not chunk:
            break
        out += chunk
    os.waitpid(pid, 0)
    os.close(master)
    return out.decode(errors="replace")


if __name__ == "__main__":
    cases = [interrupted, interrupted_first_time, killed, second, port_taken, port_taken_without_configuration, planned, refused_grid, first_start, nobody_reads, workers, descriptors, never_ready, terminal, people]
    sys.exit(Tap().run([c for c in cases if len(sys.argv) < 2 or c.__name__ in sys.argv[1:]]))
