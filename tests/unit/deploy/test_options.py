#!/usr/bin/env python3
"""The scripts of deploy/: what their help says they take, and what an error of theirs tells one to give.

usage: test_options.py FOLDER-OF-SCRIPTS"""
import pathlib
import re
import subprocess
import sys

folder = pathlib.Path(sys.argv[1]).resolve()
SCRIPTS = ("bench", "check", "demo", "setup")
# `quorate run`, which demo starts, says "give --state DIR" or "give --runtime DIR" of a folder it cannot use.
FOLDERS = ("--state", "--runtime")


def run(script, *arguments):
    return subprocess.run([folder / script, *arguments], capture_output=True, text=True, timeout=10, cwd="/", stdin=subprocess.DEVNULL)


checks = []
for script in SCRIPTS:
    text = run(script, "--help")
    checks.append((f"{script} --help", text.returncode == 0 and f"deploy/{script}" in text.stdout, text))
    wrong = run(script, "--nonsense")
    checks.append((f"{script} --nonsense: exit 2, one line that names --help",
                   wrong.returncode == 2 and len(wrong.stderr.splitlines()) == 1 and "see --help" in wrong.stderr, wrong))
    source = (folder / script).read_text()
    untold = [o for o in set(re.findall(r"^ +(--[a-z]+)\)", source, re.M)) if o not in text.stdout]
    checks.append((f"{script}: every option is in its help", not untold, untold))
for option in FOLDERS:
    checks.append((f"demo takes {option}", option in run("demo", "--help").stdout, option))
    bare = run("demo", option)
    checks.append((f"demo {option} without a folder: exit 2, one line", bare.returncode == 2 and bare.stderr == f"deploy/demo: {option} needs a folder; see --help\n", bare))
print(f"1..{len(checks)}")
for i, (name, ok, why) in enumerate(checks, 1):
    print(f"{'ok' if ok else 'not ok'} {i} - {name}")
    if not ok:
        print("# " + str(why).replace("\n", "\n# "))
sys.exit(0 if all(ok for _, ok, _ in checks) else 1)
