#!/usr/bin/env python3
"""--help of every verb fits a screen of 80 columns and 25 lines and has an example.

usage: test_help.py QUORATE"""

import re
import subprocess
import sys

quorate = sys.argv[1]


def help_of(*verb):
    done = subprocess.run([quorate, *verb, "--help"], capture_output=True, text=True, timeout=10)
    return done.returncode, done.stdout


code, top = help_of()
verbs = re.findall(r"^  ([a-z]+) ", top, re.M)
texts = {"": (code, top)} | {verb: help_of(verb) for verb in verbs}
print(f"1..{len(texts) + 1}")
failed = 0


def tell(number, name, problems):
    global failed
    failed += bool(problems)
    print(f"{'not ok' if problems else 'ok'} {number} - {name}" + (": " + "; ".join(problems) if problems else ""))


tell(1, "all verbs are listed", [] if len(verbs) >= 14 else [str(verbs)])
for i, (verb, (code, text)) in enumerate(texts.items(), 2):
    lines = text.splitlines()
    problems = [f"exit {code}"] if code else []
    problems += [f"{len(lines)} lines"] if len(lines) > 25 else []
    problems += [f"{len(line)} columns: {line}" for line in lines if len(line) > 80]
    problems += [] if f"example: quorate {verb}" in text else ["no example"]
    tell(i, f"quorate {verb} --help", problems)
sys.exit(1 if failed else 0)
