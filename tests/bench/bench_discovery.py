#!/usr/bin/env python3
"""Figures of discovery: fifty nodes on loopback (keyring, transport and dht of each); a store of 100,000 records in a real dht;
from the start of a node to its first candidate.
usage: bench_discovery.py BUILD [PART…]      parts: fifty held first (all)
One JSON object on stdout. Nothing is left running."""
import json
import os
import pathlib
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
import time

BUILD = pathlib.Path(sys.argv[1]).resolve()
os.environ["QUORATE_CTL"] = str(BUILD / "services/ctl/quorate")
sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "support"))
import grid as g  # noqa: E402

NODES = 50
LOOKUPS = 1000
PUTS = 4  # of each node
RECORDS, RECORD_BYTES = 100_000, 1024
STARTS = 5
SEEK, FILL, KEYRING = BUILD / "tests/bench/seek", BUILD / "tests/bench/fill", BUILD / "services/keyring/quorate-keyring"


def call(program, *arguments):
    done = subprocess.run([program, *map(str, arguments)], capture_output=True, text=True, timeout=280, check=False)
    if done.returncode:
        raise RuntimeError(f"{program} {' '.join(map(str, arguments[:3]))}: {done.stderr.strip()}")
    return json.loads(done.stdout.splitlines()[-1])


def seek(grid, what, n, nodes):
    return call(SEEK, what, n, *(grid.runtime / f"node-{i}" for i in nodes))


class Part(g.Grid):
    """A grid of which only these services run: an installation without the others."""

    def __init__(self, folder, services, nodes, **options):
        os.chmod(folder, 0o755)  # services have uids of their own
        for service in services:
            shutil.copy(BUILD / "services" / service / f"quorate-{service}", folder)
        super().__init__(nodes, env={"QUORATE_LIBEXEC": str(folder)}, ready=False, **options)


def dht(grid, node):
    lines = grid.ctl_json(node, "dht", "stats")
    return lines[0] if lines else {}


def fifty(ret):
    with tempfile.TemporaryDirectory() as folder, Part(folder, ("keyring", "transport", "dht"), NODES) as grid:
        began = time.monotonic()
        for node in range(1, NODES + 1):
            g.wait_until(f"node {node} knows 20 others", lambda: dht(grid, node).get("peers", 0) >= 20, 120, 0.5)
        time.sleep(10)  # first lookups of their own, own records
        print(f"# fifty: {time.monotonic() - began:.0f} s after the start all know 20 and more", file=sys.stderr)
        ret.update(seek(grid, "lookup", LOOKUPS, range(1, NODES + 1)))
        ret.update(seek(grid, "records", PUTS, range(1, NODES + 1)))


def memory(pid, field, source="smaps_rollup"):
    with open(f"/proc/{pid}/{source}", encoding="ascii") as f:
        return next((int(line.split()[1]) for line in f if line.startswith(field)), 0) / 1024


def held(ret):
    """A node that keeps as much for others as it may, and a newcomer beside it: after a while, after all was listed,
    after a thousand gets. The most of these counts."""
    with tempfile.TemporaryDirectory() as folder, Part(folder, ("keyring", "transport", "dht"), 2) as grid:
        grid.stop()
        network = re.search(r"name = (\S+)", (grid.state / "node-1/quorate.conf").read_text())[1]
        file = grid.state / "node-1/dht/dht.db"
        for old in file.parent.glob("dht.db*"):
            old.unlink()
        filled = call(FILL, file, network, RECORDS, RECORD_BYTES)
        for path in file.parent.glob("dht.db*"):
            os.chown(path, file.parent.stat().st_uid, file.parent.stat().st_gid)
        ret["fill_per_s"] = filled["fill_per_s"]
        grid.start()
        seen = []

        def look():
            seen.append(memory(grid.pid(1, "dht"), "Pss:"))
        time.sleep(10)
        look()
        done = seek(grid, "held", 1000, [1])
        look()
        time.sleep(10)
        look()
        if done["held"] < RECORDS - 8:  # a full store counts the node's own ones too
            raise RuntimeError(f"{done['held']} records are kept: {dht(grid, 1)}")
        ret["held_get_p50_ms"], ret["dht_100k_mib"] = done["held_get_p50_ms"], max(seen)
        print(f"# held: {filled['record_bytes']:.0f} bytes each, file {file.stat().st_size >> 20} MiB; PSS " +
              " ".join(f"{x:.1f}" for x in seen) + f", peak RSS {memory(grid.pid(1, 'dht'), 'VmHWM:', 'status'):.1f} MiB",
              file=sys.stderr)


def start_one(grid, number):
    """A newcomer to a grid that is there, with a new key; ms until gossip has drawn a host, and until its coordinator has one."""
    state, runtime = grid.dir / f"s{number}", grid.dir / f"r{number}"
    (state / "keyring").mkdir(parents=True)
    subprocess.run([KEYRING, "--new", state / "keyring/seed", "--difficulty", "0"], capture_output=True, check=True)
    text = (grid.state / "node-2/quorate.conf").read_text()
    (state / "quorate.conf").write_text(re.sub(r"udp/\d+/quic-v1\n", "udp/0/quic-v1\n", text, count=1))
    began = time.clock_gettime(time.CLOCK_BOOTTIME)
    with open(grid.dir / "log", "ab") as log:
        node = subprocess.Popen([g.QUORATE, "run", "--state", state, "--runtime", runtime, "--quiet"],
                                stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=grid.env, start_new_session=True)
    try:
        return [(call_at - began) * 1000 for call_at in call(SEEK, "candidate", runtime).values()]
    finally:
        node.terminate()
        node.wait(20)


def first(ret):
    with g.Grid(5) as grid:
        drawn, candidate = zip(*(start_one(grid, i) for i in range(STARTS)))
    for name, took in (("first_drawn_ms", drawn), ("first_candidate_ms", candidate)):
        print(f"# {name}: " + " ".join(f"{x:.0f}" for x in took), file=sys.stderr)
        ret[name] = statistics.median(took)


def main():
    parts = {"fifty": fifty, "held": held, "first": first}
    tempfile.tempdir = "/tmp"
    ret = {}
    for name in sys.argv[2:] or parts:
        parts[name](ret)
    print(json.dumps({k: round(v, 3) for k, v in ret.items()}))


if __name__ == "__main__":
    main()
