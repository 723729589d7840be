#!/usr/bin/env python3
"""Answers that may be compared between builds are the same on a processor that has less: the C library picks other
variants of its functions then. One hash over the answers of thousands of statements, with and without; and with those of
FLOAT, which differ where the processor has FMA: so it would be noticed. With QUORATE_LONG=1 10,000 of each engine."""
import os
import pathlib
import platform
import re
import subprocess
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "support"))
from tap import Tap, skip_all

ORACLE = os.environ["QUORATE_ORACLE"]
MASKS = ("-AVX2_Usable,-FMA_Usable,-AVX2,-FMA,-FMA4", "-AVX2,-AVX512F,-SSE4_2,-SSSE3,-ERMS,-BMI2")
LONG = os.environ.get("QUORATE_LONG", "0") not in ("", "0")
SMALL = os.environ.get("QUORATE_SANITIZED") == "1"
QUERIES = {"sqlite": 1000, "duckdb": 50, "portable": 50} if SMALL else {"sqlite": 3000, "duckdb": 100, "portable": 100}
SEEN_FROM = 600  # statements, of which some have another exp()

if platform.machine() != "x86_64":
    skip_all("glibc's names of features are those of x86-64")


def digest(engine, mask=None, n=0, options=()):
    """None: that engine is not here."""
    env = {**os.environ, **({"GLIBC_TUNABLES": f"glibc.cpu.hwcaps={mask}"} if mask else {})}
    n = 10000 if LONG else n or QUERIES[engine]
    command = [ORACLE, "--engine", engine, "--queries", str(n), "--seed", "9", "--digest", *options]
    done = subprocess.run(command, capture_output=True, text=True, env=env)
    found = re.search(r"^# digest (\w+)$", done.stdout, re.M)
    return found.group(1) if found else None


def masked(tap):
    for engine in QUERIES:
        plain = digest(engine)
        if not plain:
            tap.skip(engine, "no DuckDB library; deploy/setup --with-duckdb")
            continue
        for mask in MASKS:
            tap.equal(digest(engine, mask), plain, f"{engine}: the same answers without {mask}")


def seen(tap):
    """The control: what is not compared between builds does differ, in what DuckDB asks of the mathematics library."""
    if " fma " not in pathlib.Path("/proc/cpuinfo").read_text().replace("\n", " "):
        tap.skip("what FMA changes", "this processor has none")
        return
    plain = digest("duckdb", None, SEEN_FROM, ["--blind"])
    if not plain:
        tap.skip("what FMA changes", "no DuckDB library; deploy/setup --with-duckdb")
        return
    tap.equal(digest("duckdb", None, SEEN_FROM, ["--blind"]), plain, "statements of all classes: the same answers once more")
    tap.check(digest("duckdb", MASKS[0], SEEN_FROM, ["--blind"]) != plain, "and others without FMA: of those that are FLOAT")


sys.exit(Tap().run([masked] if SMALL else [masked, seen]))
