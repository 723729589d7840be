#!/usr/bin/env python3
"""README.md shows what the tests run: each of its code blocks stands word for word in the file named above it."""
import pathlib
import re
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "support"))
from tap import Tap

HERE = pathlib.Path(__file__).resolve().parent


def blocks(tap):
    text = (HERE / "README.md").read_text()
    found = re.findall(r"`([\w/]+\.\w+)`:\n\n```\w+\n(.*?)```", text, re.S)
    tap.check(len(found) >= 3, "there are blocks", found)
    tap.equal(len(found), text.count("```") // 2, "each has its file")
    for name, block in found:
        tap.check(block in (HERE / name).read_text(), f"{name} has these lines", block)


if __name__ == "__main__":
    sys.exit(Tap().run([blocks]))
