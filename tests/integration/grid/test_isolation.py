#!/usr/bin/env python3
"""What a service that was taken over could reach: a probe is started in place of each one, as root and as nobody.

The rows come from common/daemon/capability.c, whose table is that of the architecture."""
import contextlib
import json
import os
import pathlib
import re
import shutil
import sqlite3
import stat
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2] / "support"))
import grid as g
from tap import Tap, skip_all

HERE = pathlib.Path(__file__).resolve().parent
NOBODY = 65534
FIRST_UID, LAST_UID = 0x70000000, 0x73ffffff  # common/daemon/account.h
TABLE = (g.SOURCE / "common/daemon/capability.c").read_text()
KINDS = {name: kind for name, kind in re.findall(r'\{ "(\w+/\w+)", CAPABILITY_(\w+) \}', TABLE)}
RIGHTS = {(service, name) for service, name in re.findall(r'\{ "(\w+)", "(\w+/\w+)" \}', TABLE)}
GONE = ("ENOENT", "EACCES")
# Services see /usr, not where else a Python may lie.
INTERPRETER = "/usr/bin/python3"


def all_sockets():
    """Path below the runtime folder -> kind of socket."""
    found = {}
    for name, kind in KINDS.items():
        found[name] = "seqpacket" if kind == "SEQPACKET" else "stream"
        if kind == "STREAMS":
            found[name + ".data"] = "stream"
    return found


NO_SERVICES = {"executor", "sim"}  # a worker's child; and what runs by itself, without a node


def built_services():
    places = pathlib.Path(g.QUORATE).resolve().parents[1]
    return sorted({p.name.removeprefix("quorate-") for p in places.glob("*/quorate-*")
                   if p.is_file() and os.access(p, os.X_OK)} - NO_SERVICES)


def built(service):
    return next(pathlib.Path(g.QUORATE).resolve().parents[1].glob(f"*/quorate-{service}"))


def make_libexec(folder, probed):
    """The built programs, with the probe in place of one of them."""
    folder.mkdir()
    for service in built_services() + ["executor"]:
        shutil.copy(built(service), folder)
    probe = folder / f"quorate-{probed}"
    probe.write_text(f"#!{INTERPRETER}\n" + (HERE / "probe.py").read_text())
    probe.chmod(0o755)
    (folder / "sockets.json").write_text(json.dumps(all_sockets()))


def foreign_files(grid, service):
    """Of other services, of another node, of people."""
    own = {service, service + "@1"}
    for node in ("node-1", "node-2"):
        for path in (grid.state / node).rglob("*"):
            parts = path.relative_to(grid.state / node).parts
            mine = node == "node-1" and (parts[0] in own or
                                         (service == "worker" and parts[:2] == ("coordinator", "datasets")))  # its inputs
            if path.is_file() and not mine and path.name not in ("quorate.conf",):
                yield str(path)
    yield from ("/etc/passwd", "/etc/shadow", "/root", "/home", "/var/lib/dpkg/status", "/proc/1/environ")


@contextlib.contextmanager
def two_nodes(user, options=()):
    """They have run once, and are stopped."""
    with g.Grid(2, user=user, run_options=options) as grid:
        grid.stop()
        yield grid


def look(grid, service):
    """Starts the nodes again with the probe in place of a service; returns its report."""
    libexec = grid.dir / f"x-{service}"
    make_libexec(libexec, service)
    (libexec / "files.json").write_text(json.dumps(sorted(foreign_files(grid, service))))
    for path in (libexec, *libexec.iterdir()):
        path.chmod(path.stat().st_mode | stat.S_IROTH | (stat.S_IXOTH if path.is_dir() or path.name.startswith("quorate-") else 0))
    grid.env["QUORATE_LIBEXEC"] = str(libexec)
    report = grid.state / "node-1" / (service + "@1" if service == "worker" else service) / "probe.json"
    grid._spawn()
    try:
        g.wait_until(f"the probe in place of {service}", report.exists, 20)
    except g.Timeout as e:
        raise AssertionError(f"{e}: {grid.tail()}") from None
    finally:
        grid.stop()
    return json.loads(report.read_text())


def judge(tap, service, who, report):
    own = {path for path in report["sockets"] if (service, path.removesuffix(".data")) in RIGHTS}
    built_owners = set(built_services())
    there = {path for path in own if path.split("/")[0] in built_owners}
    reached = {p: r for p, r in report["sockets"].items()}
    what = f"{service}, {who}"
    if who == "as root":
        tap.check(FIRST_UID <= report["uid"] <= LAST_UID, f"{what}: not as root, but by a uid of its own", report["uid"])
    tap.note(f"{what}: isolation {report['isolation']}; own: {', '.join(f'{p} {reached[p]}' for p in sorted(own)) or 'none'}; "
             f"{len(reached) - len(own)} others: {', '.join(sorted({r for p, r in reached.items() if p not in own}))}; "
             f"/ holds {report['root']}")
    tap.equal({p: r for p, r in reached.items() if p not in own and r not in GONE}, {},
              f"{what}: no socket of another row is there")
    tap.equal({p: reached[p] for p in there if reached[p] in GONE}, {}, f"{what}: the sockets of its own row are there")
    tap.equal({p: r for p, r in report["files"].items() if r not in GONE and p != "/proc/1/environ"}, {},
              f"{what}: no file of another service, node or person")
    tap.check(report["processes"] in ([str(report["pid"])], "ENOENT") or report["processes"] == [],
              f"{what}: /proc shows only itself", report["processes"])
    if service not in ("transport", "gateway"):
        tap.check(report["network"][1] != "connected", f"{what}: no network", report["network"])


def judge_uid(tap, service, report):
    """By the file modes alone: nothing is hidden, so what is closed says EACCES."""
    what = f"{service}, its uid alone"
    own = {p for p in report["sockets"] if (service, p.removesuffix(".data")) in RIGHTS}
    others = {p: r for p, r in report["sockets"].items() if p not in own and p.split("/")[0] in built_services()}
    tap.check(FIRST_UID <= report["uid"] <= LAST_UID and report["ids"] == [report["uid"]],
              f"{what}: it is the only one it has, and of the range", report["uid"], report["ids"])
    tap.equal(report["capabilities"], "0" * 16, f"{what}: no capability")
    tap.equal({p: r for p, r in others.items() if r != "EACCES"}, {}, f"{what}: EACCES for each of {len(others)} other sockets")
    tap.equal({p: r for p in own if p.split("/")[0] in built_services() and (r := report["sockets"][p]) != "connected"}, {},
              f"{what}: its own {len(own)} can be connected to")
    closed = {p: r for p, r in report["files"].items() if "/node-" in p}
    tap.check(len(closed) > 5, f"{what}: there is something to keep away", report["files"])
    tap.equal({p: r for p, r in closed.items() if r != "EACCES"}, {},
              f"{what}: EACCES for each of {len(closed)} files of others")
    folders = {p: r for p, r in report["folders"].items() if "/node-" in p}
    tap.equal({p: r for p, r in folders.items() if r != "EACCES"}, {}, f"{what}: EACCES for each of {len(folders)} other folders")


def by_uid_alone(tap):
    seen = {}
    with two_nodes(None, ["--no-isolation"]) as grid:
        for service in built_services():
            report = look(grid, service)
            judge_uid(tap, service, report)
            seen[service] = report["uid"] - FIRST_UID
    tap.equal(len(set(seen.values())), len(seen), f"each service has a uid of its own: {seen}")


def works_by_uid_alone(tap):
    """Workers read what the coordinator keeps, doctor says what holds."""
    with g.Grid(4, run_options=["--no-isolation"]) as grid:
        data = grid.dir / "a.db"
        with sqlite3.connect(data) as db:
            db.executescript("CREATE TABLE t(x INTEGER) STRICT; INSERT INTO t VALUES (40), (2);")
        answer = grid.ask("SELECT sum(x) FROM t", data=data)
        tap.check(answer.state == "VERIFIED" and answer.rows == [(42,)], "a grid without namespaces answers", answer, grid.tail())
        uids = {n: s["uid"] for n, s in grid.services(1).items()}
        tap.check(len(set(uids.values())) == len(uids) and 0 not in uids.values(), "no two services of a node share a uid", uids)
        found = next(f for f in grid.ctl_json(1, "doctor") or json_lines(grid.ctl(1, "doctor", "--json")) if f.get("check") == "isolation")
        lines = {line.split()[0]: line for line in found["details"]}
        tap.check(set(lines) == set(uids) and all(f"uid {uids[n]}, namespaces none" in lines[n] for n in uids) and
                  all(", seccomp" in line for line in lines.values()) == (not sanitized()), "doctor says for each what holds", found)
        services = grid.status(1)["services"]
        tap.equal({s["service"]: s["uid"] for s in services}, uids, "so does status")


def json_lines(done):
    return [json.loads(line) for line in done[1].splitlines()]


def sanitized():
    return "QUORATE_SANITIZED_EXECUTOR" in os.environ


def migrated(tap):
    """What an earlier version left as root's, and what a crash left half done."""
    with g.Grid(4) as grid:
        grid.stop()
        folder = grid.state / "node-1"
        for path in (folder / "keyring", folder / "keyring/seed", *(folder / "coordinator").rglob("*")):
            os.chown(path, 0, 0)
        (folder / "coordinator" / "journal.db").chmod(0o644)
        uids = {n: (folder / n).stat().st_uid for n in ("transport", "worker@1")}
        grid.start()
        answer = grid.ask("SELECT 6 * 7")
        tap.check(answer.state == "VERIFIED" and answer.rows == [(42,)], "a half migrated state directory serves again", answer, grid.tail())
        rooted = [str(p) for name in ("keyring", "coordinator") for p in (folder / name).rglob("*") if p.lstat().st_uid == 0]
        tap.equal(rooted, [], "every file is its service's again")
        tap.equal((folder / "coordinator" / "journal.db").stat().st_mode & 0o077, 0, "and for nobody else")
        tap.equal({n: (folder / n).stat().st_uid for n in uids}, uids, "the same uids as before")
        grid.stop()
        os.link("/etc/hostname" if os.stat("/etc/hostname").st_dev == folder.stat().st_dev else grid.dir / "log", folder / "coordinator" / "bait")
        grid._spawn()
        code = grid.process.wait(20)
        tap.check(code == 2 and "bait: has a second name" in grid.tail(), "a file that is also another's is refused, not given away", code, grid.tail())


def each_service(user):
    who = "as root" if user is None else "as nobody"

    def run(tap):
        with two_nodes(user) as grid:
            for service in built_services():
                judge(tap, service, who, look(grid, service))
    run.__name__ = f"each service {who}"
    return run


def whole_grid_as_nobody(tap):
    """Isolated like that the services still do their work."""
    with g.Grid(4, user=NOBODY) as grid:
        answer = grid.ask("SELECT 6 * 7")
        tap.check(answer.state == "VERIFIED" and answer.rows == [(42,)], "a grid run by nobody answers", answer, grid.tail())


def cases():
    users = [None, NOBODY] if os.geteuid() == 0 and shutil.which("setpriv") else [None]
    whole = [whole_grid_as_nobody] if NOBODY in users else []
    by_uid = [by_uid_alone, works_by_uid_alone, migrated] if os.geteuid() == 0 else []
    return [each_service(user) for user in users] + whole + by_uid


if __name__ == "__main__":
    if not os.access(INTERPRETER, os.X_OK):
        skip_all(f"no {INTERPRETER}: the probe has nothing to run it where services live")
    sys.exit(Tap().run(cases()))
