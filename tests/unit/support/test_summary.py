#!/usr/bin/env python3
"""What deploy/check says at its end, of meson's logs made up here.

usage: test_summary.py SUMMARY"""
import json
import pathlib
import subprocess
import sys
import tempfile

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2] / "support"))
from tap import Tap

summary = sys.argv[1]


def row(name, result, stdout="", stderr=""):
    return {"name": f"quorate:unit / {name}", "result": result, "duration": 1.5, "stdout": stdout, "stderr": stderr}


def of(*rows):
    with tempfile.TemporaryDirectory() as folder:
        log = pathlib.Path(folder) / "release-unit.json"
        log.write_text("".join(json.dumps(r) + "\n" for r in rows))
        done = subprocess.run([sys.executable, summary, log, log.with_name("none.json")], capture_output=True, text=True, timeout=10)
    return done.returncode, done.stdout.splitlines()


def good(tap):
    code, lines = of(row("a", "OK"), row("b", "OK", "not ok 3 # SKIP odd\n"), row("c", "SKIP", "ok 1 # SKIP no root"))
    tap.equal((code, lines[-1]), (0, "2 passed, 0 failed, 2 skipped"), "all well")
    tap.check(any("release-unit" in l and "3 tests" in l and "4.5 s" in l for l in lines), "seconds per suite", lines)
    tap.check(any(l.endswith("b: odd: not in this build or on this machine") for l in lines), "a test within a program that was skipped", lines)
    tap.check(any(l.endswith("c: no root") for l in lines), "a whole one, and why", lines)
    tap.equal(of()[0], 1, "nothing at all is not good")


def told(tap, said, *output):
    code, lines = of(row("a", "OK"), row("b", "FAIL", *output))
    at = [i for i, l in enumerate(lines) if l.startswith("  FAILED ")]
    if tap.equal((code, len(at), lines[-1]), (1, 1, "1 passed, 1 failed, 0 skipped"), "one failed"):
        below = lines[at[0] + 1:-1]
        tap.check(all(l.startswith("           ") for l in below), "what it said stands indented below it", lines)
        tap.equal([l.strip() for l in below], said, f"namely {len(said)} lines")


def failed(tap):
    told(tap, ["not ok 2 - x", "# got 1", "not ok 4 - y", "not ok 5 - z", "# first"],
         "ok 1 - w\nnot ok 2 - x\n# got 1\n# wanted 2\nnot ok 3 # SKIP odd\nnot ok 4 - y\n"
         "not ok 5 - z\n# first\nnot ok 6 - later\n")
    told(tap, ["line 2", "boom"], "line 1\nline 2\n\n", "\nboom\n\n")
    told(tap, ["x" * 200], "x" * 300)
    told(tap, ["not ok 1 - a", "# " + "y" * 198], "not ok 1 - a\n# " + "y" * 500)
    told(tap, [])


sys.exit(Tap().run([good, failed]))
