#!/usr/bin/env python3
"""Adds up meson's test logs: seconds of tests per suite (they run side by side), what failed and what it said first, why something was skipped.
usage: summary.py LOG.json ...   the last line is "N passed, N failed, N skipped" """
import json
import os
import re
import sys

PASSED = {"OK", "EXPECTEDFAIL"}
SKIPPED = {"SKIP"}
SAID_TAP, SAID_LAST, SAID_LENGTH = 3, 2, 200


def rows(path):
    if not os.path.exists(path):
        return  # a suite without tests in this build writes no log
    with open(path, encoding="utf-8") as log:
        for line in log:
            if line.strip():
                yield json.loads(line)


def reason(row):
    """What a skipped test said about it: TAP's "# SKIP why", or its first line."""
    for text in (row.get("stdout") or "", row.get("stderr") or ""):
        found = re.search(r"# SKIP:?\s*(.+)", text, re.IGNORECASE)
        if found:
            return found.group(1).strip()
    return "no reason given"


def skipped_inside(row):
    """Single tests that a C program skipped (cmocka: "not ok 3 # SKIP name")."""
    return re.findall(r"^not ok \d+ # SKIP (\S+)", row.get("stdout") or "", re.MULTILINE)


def said(row):
    """Of a failed test: up to three of its first failing TAP lines, each with what is noted below it; without any its last two lines."""
    lines = [line.rstrip() for line in (row.get("stdout") or "").splitlines() + (row.get("stderr") or "").splitlines() if line.strip()]
    failing = [i for i, line in enumerate(lines) if re.match(r"\s*not ok\b(?!.*# SKIP)", line, re.IGNORECASE)]
    shown = []
    for i in failing[:SAID_TAP]:
        shown.append(lines[i])
        shown += [line for line in lines[i + 1:i + 2] if line.lstrip().startswith("#")]
    return [line.strip()[:SAID_LENGTH] for line in shown or lines[-SAID_LAST:]]


def suite_of(row):
    """Of "project:suite / name", as meson calls a test."""
    return row["name"].split(" / ")[0].split(":")[-1]


def main(paths):
    counts = {"passed": 0, "failed": 0, "skipped": 0}
    failures, skips = [], []
    sums = {}  # build and suite -> [tests, seconds]
    for path in paths:
        build = os.path.basename(path).split("-")[0]
        for row in rows(path):
            name = f"{build}-{suite_of(row)}"
            total = sums.setdefault(name, [0, 0.0])
            total[0] += 1
            total[1] += row.get("duration", 0.0)
            if row["result"] in PASSED:
                counts["passed"] += 1
                for test in skipped_inside(row):
                    counts["skipped"] += 1
                    skips.append(f"{name}: {row['name']}: {test}: not in this build or on this machine")
            elif row["result"] in SKIPPED:
                counts["skipped"] += 1
                skips.append(f"{name}: {row['name']}: {reason(row)}")
            else:
                counts["failed"] += 1
                failures.append("\n           ".join([f"{name}: {row['name']}: {row['result']}", *said(row)]))
    for name, (n, seconds) in sums.items():
        print(f"  {name:28} {n:4} tests {seconds:8.1f} s")
    for text in skips:
        print("  skipped", text)
    for text in failures:
        print("  FAILED ", text)
    print("{passed} passed, {failed} failed, {skipped} skipped".format(**counts))
    return 1 if counts["failed"] or not counts["passed"] else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
