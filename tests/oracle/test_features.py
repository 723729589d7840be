#!/usr/bin/env python3
"""Answers that may be compared between builds are the same on a processor that has less: the C library picks other
variants of its functions then. One hash over the answers of thousands of statements, with and without."""
import os
import pathlib
import platform
import re
import subprocess
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "support"))
from tap import Tap, skip_all

ORACLE = os.environ["QUORATE_ORACLE"]
MASKS = ("-AVX2_Usable,-FMA_Usable,-AVX2,-FMA", "-AVX2,-AVX512F,-SSE4_2,-SSSE3,-ERMS,-BMI2")

if platform.machine() != "x86_64":
    skip_all("glibc's names of features are those of x86-64")


def digest(mask=None):
    env = {**os.environ, **({"GLIBC_TUNABLES": f"glibc.cpu.hwcaps={mask}"} if mask else {})}
    done = subprocess.run([ORACLE, "--queries", "3000", "--seed", "9", "--digest"], capture_output=True, text=True, env=env)
    return re.search(r"^# digest (\w+)$", done.stdout, re.M).group(1)


def masked(tap):
    plain = digest()
    for mask in MASKS:
        tap.equal(digest(mask), plain, f"the same answers without {mask}")


sys.exit(Tap().run([masked]))
