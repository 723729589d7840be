#!/usr/bin/env python3
"""Started by `quorate run` in place of a service: says ready, writes what it can see and reach into its state folder.

It is copied to quorate-<service>; the list of all sockets stands beside it in sockets.json."""
import errno
import json
import os
import pathlib
import signal
import socket
import sys


def argument(name):
    return sys.argv[sys.argv.index(name) + 1]


def word(error):
    return errno.errorcode.get(error, str(error)) if error else "connected"


def reach(path, kind):
    """What a connect() there says; of the two kinds of stream socket the right one is tried."""
    with socket.socket(socket.AF_UNIX, kind) as s:
        s.settimeout(2)
        return word(s.connect_ex(str(path)))


def sockets(runtime):
    kinds = {"seqpacket": socket.SOCK_SEQPACKET, "stream": socket.SOCK_STREAM}
    with open(pathlib.Path(__file__).with_name("sockets.json")) as f:
        return {name: reach(os.path.join(runtime, name), kinds[kind]) for name, kind in json.load(f).items()}


def can_list(path):
    try:
        return sorted(os.listdir(path))
    except OSError as e:
        return word(e.errno)


def can_read(path):
    try:
        with open(path, "rb"):
            return "read"
    except OSError as e:
        return word(e.errno)


def processes():
    seen = can_list("/proc")
    return seen if isinstance(seen, str) else [p for p in seen if p.isdigit()]


def network():
    """Interfaces seen, and what a packet to another machine meets."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
        s.settimeout(2)
        return [name for _, name in socket.if_nameindex()], word(s.connect_ex(("192.0.2.1", 9)))


def capabilities():
    with open("/proc/self/status") as f:
        return next(line.split()[1] for line in f if line.startswith("CapEff"))


def main():
    state, runtime = argument("--state"), argument("--runtime")
    node = os.path.dirname(state)
    with open(pathlib.Path(__file__).with_name("files.json")) as f:
        files = json.load(f)
    report = {"pid": os.getpid(), "uid": os.getuid(), "ids": sorted({*os.getresuid(), *os.getresgid()}),
              "capabilities": capabilities(), "folders": {path: can_list(path) for path in sorted({os.path.dirname(f) for f in files})}, "sockets": sockets(runtime), "processes": processes(),
              "node": can_list(node), "grid": can_list(os.path.dirname(node)), "root": can_list("/"),
              "files": {path: can_read(path) for path in files}, "network": network(),
              "isolation": os.environ.get("QUORATE_ISOLATION", "")}
    with open(os.path.join(state, "probe.tmp"), "w") as f:
        json.dump(report, f)
    os.rename(os.path.join(state, "probe.tmp"), os.path.join(state, "probe.json"))
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as s:
        s.sendto(b"READY=1", os.environ["NOTIFY_SOCKET"])
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGTERM, signal.SIGINT, signal.SIGHUP})
    signal.signal(signal.SIGTERM, lambda *_: os._exit(0))
    while True:
        signal.pause()


if __name__ == "__main__" and "--runtime" in sys.argv:
    main()
