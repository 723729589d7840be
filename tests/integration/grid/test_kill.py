#!/usr/bin/env python3
"""kill -9 of one process at a time, at every stage of a query: the answer comes all the same, and nothing is left behind."""
import collections
import os
import pathlib
import random
import signal
import sqlite3
import statistics
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2] / "support"))
import grid as g
from tap import Tap

SEED = int(os.environ.get("QUORATE_SEED", "1"))
ROUNDS = 5 if g.LONG else 1
HOSTS = range(2, 6)
STAGES = ("upload", "offering", "running", "rows", "after")
# What was promised or kept for a requester that died is let go soon, so that the end can be looked at.
CONFIG = {0: "unread = 15s\nheld = 20s\n[query]\nsilence = 4s\n"}  # `run` ends its own text with [host]
WORK = "(WITH RECURSIVE c(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM c WHERE n < 300000) SELECT count(*) FROM c) > 0"
QUERIES = (f"SELECT id, x, pad FROM item WHERE {WORK} ORDER BY x, id", f"SELECT id, x, pad FROM item WHERE {WORK}")


def make_data(path):
    db = sqlite3.connect(path)
    db.execute("CREATE TABLE item (id INTEGER PRIMARY KEY, x INTEGER NOT NULL, pad TEXT NOT NULL) STRICT")
    db.executemany("INSERT INTO item VALUES (?, ?, ?)", ((i, i * 7919 % 1000003, f"row {i:060d}") for i in range(90000)))
    db.commit()
    truth = sorted(db.execute("SELECT id, x, pad FROM item"))
    db.close()
    return truth


class Timeline:
    """Where the stages of one query lie, in seconds since it was asked."""

    def __init__(self, answer, asked_at, started_us):
        a = answer.json
        started = started_us / 1e6 - asked_at
        commits = sorted(h["elapsed_ms"] for h in answer.hosts if h["counted"])
        first, all_of_it = a["first_row_ms"] / 1e3, a["elapsed_ms"] / 1e3
        quorum_took = commits[a["quorum"] - 1] / 1e3 if len(commits) >= a["quorum"] else first
        dispatched = max(0.0, first - (commits[-1] / 1e3 if commits else first))
        self.ends = [started, started + dispatched, started + min(all_of_it, dispatched + quorum_took),
                     started + all_of_it]

    def stage(self, at):
        return next((s for s, end in zip(STAGES, self.ends) if at < end), "after")

    def span(self, stage):
        i = STAGES.index(stage)
        return (self.ends[i - 1] if i else 0.0, self.ends[i] if i < len(self.ends) else self.ends[-1] + 0.3)


class Field:
    """The grid with its data, and what an undisturbed query looks like."""

    def __init__(self, grid):
        self.grid, self.rng = grid, random.Random(SEED)
        self.data = grid.dir / "item.db"
        self.truth = make_data(self.data)
        lines = [self.timeline(self.ask(i)) for i in range(6)]
        time.sleep(1)
        self.executors = {n: self.count_executors(n) for n in range(1, 6)}  # zygotes, and what they keep ready
        self.usual, self.seen = lines[0], lines[1:]
        self.learn()

    def learn(self):
        """What is usual changes with what else the machine has to do."""
        self.usual.ends = [statistics.median(t.ends[i] for t in self.seen[-5:]) for i in range(len(STAGES) - 1)]

    def begin(self, number):
        asked_at = time.time()
        q = self.grid.begin(QUERIES[number % 2], "--prefer", "remote", data=self.data)
        q.asked_at = asked_at
        return q

    def ask(self, number):
        q = self.begin(number)
        answer = q.wait()
        answer.asked_at = q.asked_at
        if not self.is_right(answer):
            raise AssertionError(f"undisturbed: {answer}")
        return answer

    def is_right(self, answer):
        return answer.state == "VERIFIED" and answer.code == 0 and sorted(answer.rows) == self.truth

    def timeline(self, answer):
        jobs = {j["job"]: j for j in self.grid.jobs(1) or []}
        return Timeline(answer, answer.asked_at, jobs[answer.job]["started_us"])

    def count_executors(self, node):
        return len([p for p in self.grid.executors(node) if g.command_name(p) == "quorate-executor"])

    def executor(self, node):
        """The youngest process below the worker: a job's, or the zygote that waits for one."""
        found = [p for p in self.grid.executors(node) if g.command_name(p) == "quorate-executor"]
        return max(found) if found else 0

    def strike(self, node, service):
        if service != "executor":
            return self.grid.kill(node, service)
        pid = self.executor(node)
        try:
            return bool(pid) and os.kill(pid, signal.SIGKILL) is None
        except ProcessLookupError:
            return False

    def trial(self, number, node, service, stage):
        """One query, one kill. Returns (answer, stage the kill really fell into, was there something to kill)."""
        low, high = self.usual.span(stage)
        at = self.rng.uniform(low, high)
        q = self.begin(number)
        time.sleep(max(0.0, q.asked_at + at - time.time()))
        hit = self.strike(node, service)
        struck = time.time() - q.asked_at
        answer = q.wait(90)
        answer.asked_at = q.asked_at
        if answer.state == "VERIFIED":
            g.wait_until("the requester answers", lambda: self.grid.jobs(1), 20)
            timeline = self.timeline(answer)
            stage = timeline.stage(struck)
            if stage == "after":  # this one was not disturbed
                self.seen.append(timeline)
                self.learn()
        return answer, stage, hit

    def was_submitted(self, answer):
        """Is there a job in the journal that began after this was asked?"""
        return any(j["started_us"] / 1e6 >= answer.asked_at for j in self.grid.jobs(1))

    def heal(self, node):
        self.grid.wait_whole(node, 40)
        self.grid.wait_joined(1, 40)


class Count:
    def __init__(self):
        self.n = self.verified = self.hit = self.took_part = 0
        self.stages, self.others, self.wrong = collections.Counter(), [], []

    def take(self, field, what, answer, stage, hit, node):
        self.n += 1
        self.hit += hit
        self.stages[stage] += 1
        self.took_part += any(h["peer"] == field.grid.peer(node) for h in answer.hosts)
        if field.is_right(answer):
            self.verified += 1
        elif answer.state == "VERIFIED":
            self.wrong.append(f"{what} in {stage}: {answer}")
        else:
            self.others.append((what, stage, answer))

    def tell(self, tap, name):
        stages = ", ".join(f"{s} {self.stages[s]}" for s in STAGES)
        tap.figure(f"{name}: {self.verified} of {self.n} VERIFIED; {self.hit} kills hit; per stage: {stages}")
        for what, stage, answer in self.others:
            tap.note(f"  {what} in {stage}: {answer}")
        # meson shows names of checks, and no comments.
        tap.equal(self.wrong, [], f"{name}: nothing wrong is VERIFIED (kills per stage: {stages})")


def of_a_host(tap, field):
    count = Count()
    services = ("keyring", "transport", "coordinator", "worker@1", "executor")
    plan = [(s, stage) for _ in range(ROUNDS) for s in services for stage in STAGES[1:]]
    for i, (service, stage) in enumerate(plan):
        node = HOSTS[i % len(HOSTS)]
        answer, really, hit = field.trial(i, node, service, stage)
        count.take(field, f"{service} of a host", answer, really, hit, node)
        field.heal(node)
    tap.note(f"the host took part in {count.took_part} of them")
    count.tell(tap, "any one process of one host")
    tap.equal((count.verified, count.hit), (count.n, count.n), f"any one process of one host: {count.n} of {count.n} VERIFIED")


def of_the_requester(tap, field):
    count = Count()
    services = ("worker@1", "executor", "transport")
    plan = [(s, stage) for _ in range(ROUNDS) for s in services for stage in STAGES]
    plan += [(s, "running") for s in services + services[:2]] * ROUNDS
    for i, (service, stage) in enumerate(plan):
        answer, really, hit = field.trial(i, 1, service, stage)
        count.take(field, f"requester's {service}", answer, really, hit, 1)
        field.heal(1)
    count.tell(tap, "requester's worker, executor, transport")
    tap.check(count.verified >= 0.95 * count.n, f"requester's worker, executor, transport: at least 95 % of {count.n} VERIFIED")
    tap.equal([str(a) for _, _, a in count.others if not a.error or a.code == 0], [], "the others are a typed error")


def of_its_coordinator(tap, field):
    count, journal_lacks, before = Count(), [], 0
    plan = list(STAGES) * 2 * ROUNDS
    for i, stage in enumerate(plan):
        answer, really, hit = field.trial(i, 1, "coordinator", stage)
        count.take(field, "requester's coordinator", answer, really, hit, 1)
        field.heal(1)
        if answer.error == "RESTARTED":
            journal_lacks += [answer.job] if answer.job not in [j["job"] for j in field.grid.jobs(1)] else []
        elif not answer.state and answer.json.get("error") and not field.was_submitted(answer):
            before += 1
            count.others.pop()
    count.tell(tap, "requester's coordinator")
    tap.note(f"killed before there was a job, said so: {before}")
    unexplained = [f"{stage}: {a}" for _, stage, a in count.others if a.error != "RESTARTED"]
    tap.equal(unexplained, [], "requester's coordinator: the answer by re-attaching, or RESTARTED "
                               "(before there was a job: a typed error)")
    tap.equal(journal_lacks, [], "what is RESTARTED is in the journal")


def unfinished(field, node):
    """What a node must not have any more when nobody asks."""
    grid = field.grid
    s = grid.status(node)
    if not s:
        return ["does not answer"]
    left = [f"{name} {s[name]}" for name in ("slots_busy", "jobs_own", "jobs_served") if s[name]]
    left += [f"job {j['job'][:8]} without an end" for j in grid.jobs(node) if not j["state"] and not j["problem"]]
    for top in (grid.state, grid.runtime):
        left += [str(p.relative_to(grid.dir)) for p in (top / f"node-{node}").rglob("*")
                 if p.name.startswith("spool.") or p.suffix in (".tmp", ".part")]
    for service in grid.services(node):
        pid = grid.pid(node, service)
        for fd in pathlib.Path(f"/proc/{pid}/fd").iterdir() if pid else ():
            try:
                name = os.readlink(fd)
            except OSError:
                continue
            if "spool." in name and os.stat(fd).st_size > 0:  # an empty one waits for the next job
                left.append(f"{service} holds {os.stat(fd).st_size} bytes of {os.path.basename(name)}")
    executors = field.count_executors(node)
    return left + ([f"{executors} executors"] if executors > field.executors[node] else [])


def nothing_is_left(tap, field):
    def look():
        return {n: left for n in range(1, 6) if (left := unfinished(field, n))}
    try:
        g.wait_until("calm", lambda: not look(), 40, 0.5)
    except g.Timeout:
        pass
    tap.equal(look(), {}, "no half job, no spool, no temporary file, no process is left")
    restarts = {s: sum(field.grid.services(n)[s]["restarts"] for n in range(1, 6)) for s in field.grid.services(1)}
    tap.note(f"restarts: {restarts}")
    answer = field.grid.ask(QUERIES[0], data=field.data)
    tap.check(field.is_right(answer), "and the next query is VERIFIED", answer)
    tap.equal(field.grid.stop(), 0, "the grid stops in order")


def main(tap):
    tap.note(f"seed {SEED} (QUORATE_SEED)")
    with g.Grid(5, CONFIG) as grid:
        field = Field(grid)
        tap.note(f"executors at rest: {field.executors}")
        tap.note("undisturbed, seconds since asked: " + ", ".join(
            f"{s} until {e:.3f}" for s, e in zip(STAGES, field.usual.ends)))
        # The requester's own processes are judged by shares and by how fast they come back: a busy
        # machine decides those, so they are for `deploy/check --long`.
        parts = (of_a_host, of_the_requester, of_its_coordinator, nothing_is_left) if g.LONG else \
            (of_a_host, nothing_is_left)
        for part in parts:
            began = time.monotonic()
            part(tap, field)
            tap.note(f"{time.monotonic() - began:.0f} s")


if __name__ == "__main__":
    sys.exit(Tap().run([main]))
