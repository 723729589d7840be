#!/usr/bin/env python3
"""--help of every verb fits a screen of 80 columns and 24 lines and has an example.

usage: test_help.py QUORATE"""

import re
import subprocess
import sys

quorate = sys.argv[1]


TOPICS = ("exit-codes", "states")


def help_of(*verb):
    return said_by(*verb, "--help")


def said_by(*arguments):
    done = subprocess.run([quorate, *arguments], capture_output=True, text=True, timeout=10)
    return done.returncode, done.stdout


code, top = help_of()
# two to a line
verbs = [m[1] for line in top.splitlines() for part in (line[:38], line[38:]) if (m := re.match(r"  ([a-z]+) ", part))]
texts = {"": (code, top)} | {verb: help_of(verb) for verb in verbs} | {f"help {t}": said_by("help", t) for t in TOPICS}
print(f"1..{len(texts) + 1}")
failed = 0


def tell(number, name, problems):
    global failed
    failed += bool(problems)
    print(f"{'not ok' if problems else 'ok'} {number} - {name}" + (": " + "; ".join(problems) if problems else ""))


tell(1, "all verbs are listed", [] if len(verbs) >= 22 else [str(verbs)])
for i, (verb, (code, text)) in enumerate(texts.items(), 2):
    lines = text.splitlines()
    problems = [f"exit {code}"] if code else []
    problems += [f"{len(lines)} lines"] if len(lines) > 24 else []
    problems += [f"{len(line)} columns: {line}" for line in lines if len(line) > 80]
    problems += [] if "example: quorate " + ("" if verb.startswith("help ") else verb) in text else ["no example"]
    if verb in verbs and said_by("help", verb) != (code, text):
        problems.append("`help VERB` says something else than `VERB --help`")
    if verb in ("query", "shell"):
        problems += [f"no unit or default: {line}" for line in lines
                     if re.search("--max-(bytes|memory) ", line) and not re.search(r"\d[MG].*\[.+\]", line)]
    if verb == "help states":
        problems += [f"{word} is not explained" for word in ("VERIFIED", "LOCAL", "UNVERIFIED", "CONTESTED", "SPLIT", "strangers", "took part")
                     if word not in text]
    if verb == "help exit-codes":
        problems += [f"exit code {n} is not explained" for n in (0, 2, 3, 4, 5) if not re.search(f"^  {n}  ", text, re.M)]
    tell(i, f"quorate {verb} --help", problems)
sys.exit(1 if failed else 0)
