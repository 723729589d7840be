#!/usr/bin/env python3
"""Hosts that lie, break or dawdle: six real nodes, one asks; never a wrong answer as VERIFIED, always the right one."""
import pathlib
import sqlite3
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2] / "support"))
import grid as g
from tap import Tap, skip_all

NODES = 6
RUNS = 10 if g.LONG else 3
RUNS_MOST = RUNS + 6  # until a faulty host has taken part at least once
# How many of five are faulty: the harder case; where a lie is in the answer itself, the easier one as well.
COUNTS = {"wrong_result": (1, 2), "wrong_rows": (1, 2)}
INDEPENDENT = ["wrong_result", "wrong_rows", "wrong_root", "wrong_schema", "stall", "slow", "crash", "garbage", "equivocate"]
QUERIES = {
    "SEQUENCE": "SELECT id, label, amount FROM item WHERE id % 7 < 3 ORDER BY id",
    "SET": "SELECT kind, count(*), sum(amount) FROM item GROUP BY kind",
}
# A silent host is given up soon, but later than an honest one is held up by a busy machine.
PATIENCE = "[query]\nsilence = 3s\n"


def make_data(path):
    db = sqlite3.connect(path)
    db.execute("CREATE TABLE item (id INTEGER PRIMARY KEY, kind INTEGER NOT NULL, label TEXT NOT NULL, amount INTEGER NOT NULL) STRICT")
    db.executemany("INSERT INTO item VALUES (?, ?, ?, ?)",
                   ((i, i * 7919 % 41, f"item {i:05d}", i * i % 9973 - 4000) for i in range(3000)))
    db.commit()
    truth = {name: sorted(db.execute(sql)) for name, sql in QUERIES.items()}
    db.close()
    return truth


class Trial:
    """What came out of the runs with some hosts of one mode."""

    def __init__(self, mode, faulty):
        self.mode, self.faulty = mode, faulty
        self.runs = self.right = self.wrong = self.other = self.involved = self.leaked = 0
        self.worst, self.verdicts, self.strange = 0.0, set(), []

    def take(self, answer, truth, liars):
        self.runs += 1
        self.worst = max(self.worst, answer.seconds)
        of_liars = [h for h in answer.hosts if h["peer"] in liars]
        self.involved += bool(of_liars)
        self.verdicts |= {h["verdict"] or h.get("problem", "")[:24] for h in of_liars}
        is_right = sorted(answer.rows) == truth
        self.right += answer.state == "VERIFIED" and is_right
        if answer.state == "VERIFIED" and not is_right:
            self.wrong += 1
        if answer.state != "VERIFIED" and answer.rows and not set(answer.rows) <= set(truth):
            self.leaked += 1
        if answer.state != "VERIFIED" or not is_right:
            self.strange.append(str(answer))

    def line(self):
        return (f"{self.mode:13} {self.faulty:6} {self.runs:5} {self.involved:8} {self.right:5} {self.wrong:5} "
                f"{self.worst:7.2f}  {', '.join(sorted(self.verdicts))}")


HEAD = "mode          faulty  runs involved right wrong  worst s  verdicts on faulty hosts"


def run_trial(mode, faulty, nodes=NODES, options=()):
    trial = Trial(mode, faulty)
    liars = list(range(nodes, nodes - faulty, -1))
    config = {1: PATIENCE, **{n: f"[faults]\nmode = {mode}\n" for n in liars}}
    with g.Grid(nodes, config) as grid:
        data = grid.dir / "item.db"
        truth = make_data(data)
        peers = {grid.peer(n) for n in liars}
        names = list(QUERIES)
        while trial.runs < RUNS or (not trial.involved and trial.runs < RUNS_MOST):
            name = names[trial.runs % len(names)]
            trial.take(grid.ask(QUERIES[name], *options, data=data, timeout=50), truth[name], peers)
        trial.log = grid.tail(1500)
    return trial


def judge(tap, trial):
    tap.note(trial.line())
    what = f"{trial.mode}, {trial.faulty} of {NODES - 1}"
    tap.check(trial.wrong == 0 and trial.leaked == 0, f"{what}: no wrong answer is VERIFIED", *trial.strange)
    tap.check(trial.right == trial.runs, f"{what}: the right answer each time", *trial.strange)
    tap.check(trial.involved > 0, f"{what}: a faulty host took part")


def independent(tap):
    tap.note(HEAD)
    for mode in INDEPENDENT:
        for faulty in (1, 2) if g.LONG else COUNTS.get(mode, (2,)):
            judge(tap, run_trial(mode, faulty))


def colluding(tap):
    """q - 1 that agree on one lie, with as many honest hosts as outvote them: q = 2, 4 honest; q = 3, 5 honest."""
    tap.note(HEAD)
    judge(tap, run_trial("collude", 1))
    trial = run_trial("collude", 2, nodes=8, options=("--quorum", "3", "--replicas", "5"))
    judge(tap, trial)


def let_go_too_late(answer):
    """Both who agreed were liars, and the third had been let go just as it signed: it may not sign again, and has no rows any more.
    That is said as TIMEOUT with "try again", so it is asked again."""
    return answer.error == "TIMEOUT" and "in stage rows" in answer.json["message"] and \
        any("STALE" in h.get("problem", "") or "DATA_UNAVAILABLE" in h.get("problem", "") for h in answer.hosts)


def liars_serve_rows(tap):
    """Two of just three hosts commit to the truth and serve other rows, or as many bytes as they are not: these are refused, the rest comes from the third."""
    for mode in ("wrong_rows", "wrong_root", "wrong_pack"):
        trial, refused = Trial(mode, 2), 0
        # Who answers first serves the rows, so a liar's turn may be long in coming. A host that was
        # caught is not asked first again: a new grid has new hosts.
        for grids in range(8):
            if grids >= (2 if g.LONG else 1) and refused:
                break
            with g.Grid(4, {1: PATIENCE, 3: f"[faults]\nmode = {mode}\n", 4: f"[faults]\nmode = {mode}\n"}) as grid:
                data = grid.dir / "item.db"
                truth = make_data(data)
                peers = {grid.peer(3), grid.peer(4)}
                for _ in range(RUNS):
                    answer = grid.ask(QUERIES["SET"], data=data)
                    if let_go_too_late(answer):
                        answer = grid.ask(QUERIES["SET"], data=data)
                    trial.take(answer, truth["SET"], peers)
                    caught = [h for h in answer.hosts if h["peer"] in peers and h["verdict"] == "malformed"]
                    refused += bool(caught)
                    for h in caught:
                        tap.note(f"rows refused: {h.get('problem', '')}")
        tap.note(trial.line())
        what = f"{mode}, rows of 2 of 3"
        tap.check(trial.wrong == 0 and trial.leaked == 0, f"{what}: no wrong row is verified", *trial.strange)
        tap.check(trial.right == trial.runs, f"{what}: the right rows each time", *trial.strange)
        tap.check(refused > 0, f"{what}: rows of a liar were refused at least once ({refused} of {trial.runs})")


if __name__ == "__main__":
    if not g.has_faults():
        skip_all("this build has no fault injection; meson setup -Dfaults=true")
    began = time.monotonic()
    code = Tap().run([independent, colluding, liars_serve_rows])
    Tap.note(f"{time.monotonic() - began:.0f} s")
    sys.exit(code)
