#!/usr/bin/env python3
"""The scripts of deploy/: what their help says they take, and what an error of theirs tells one to give.

usage: test_options.py FOLDER-OF-SCRIPTS"""
import os
import pathlib
import pty
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


def progress(on_terminal, term):
    """What deploy/demo shows while ninja says these lines."""
    function = re.search(r"^progress\(\) \{$.*?^\}$", (folder / "demo").read_text(), re.M | re.S).group(0)
    said = "ninja: Entering directory `x'\n[1/12] Compiling a.c\na.c: note: something\n[12/12] Linking b\n"
    main, shown = pty.openpty() if on_terminal else os.pipe()
    subprocess.run(["bash", "-euc", function + "\nprogress"], input=said, text=True, stderr=shown, env={**os.environ, "TERM": term}, timeout=10)
    os.write(shown, b".\n")
    os.close(shown)
    text = os.read(main, 4096).decode().rstrip()
    os.close(main)
    return text.removesuffix(".")


text = progress(True, "xterm")
checks.append(("demo, on a terminal: one line that changes, and goes", "1 of 12 steps" in text and "12 of 12 steps" in text and "\n" not in text
               and "Compiling" not in text and text.endswith("\r\033[K"), repr(text)))
for terminal, term in ((False, "xterm"), (True, "dumb")):
    text = progress(terminal, term)
    checks.append((f"demo, {term} {'terminal' if terminal else 'pipe'}: no progress", text == "", repr(text)))
print(f"1..{len(checks)}")
for i, (name, ok, why) in enumerate(checks, 1):
    print(f"{'ok' if ok else 'not ok'} {i} - {name}")
    if not ok:
        print("# " + str(why).replace("\n", "\n# "))
sys.exit(0 if all(ok for _, ok, _ in checks) else 1)
