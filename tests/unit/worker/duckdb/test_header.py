#!/usr/bin/env python3
"""Every declaration we make of DuckDB's C API against DuckDB's own header, by the compiler.

usage: test_header.py SOURCE-ROOT COMPILER...
The header is $QUORATE_DUCKDB_HEADER, or duckdb.h where deploy/setup --with-duckdb puts it."""
import os
import pathlib
import re
import subprocess
import sys
import tempfile

root, compiler = pathlib.Path(sys.argv[1]), sys.argv[2:]
places = [os.environ.get("QUORATE_DUCKDB_HEADER"), "/usr/local/lib/quorate/duckdb.h", "/usr/lib/quorate/duckdb.h",
          os.path.expanduser("~/.local/lib/quorate/duckdb.h")]
header = next((p for p in places if p and os.path.exists(p)), None)
if not header:
    print("1..0 # SKIP no duckdb.h here: deploy/setup --with-duckdb")
    sys.exit(77)


def compile_against(folder):
    return subprocess.run([*compiler, "-std=gnu17", "-fsyntax-only", f'-DDUCKDB_HEADER="{header}"', f"-I{folder}", f"-I{root}",
                           root / "tests/unit/worker/duckdb/against_header.c"], capture_output=True, text=True)


def changed(pattern, by):
    """The same with one thing wrong in our table."""
    name = "services/worker/duckdb/duckdb_functions.h"
    text, n = re.subn(pattern, by, (root / name).read_text(), count=1)
    assert n == 1, pattern
    with tempfile.TemporaryDirectory() as folder:
        path = pathlib.Path(folder, name)
        path.parent.mkdir(parents=True)
        path.write_text(text)
        return compile_against(folder)


checks = [("all declarations are DuckDB's", compile_against(root), True)]
for what, pattern, by in (("an argument less", r"X\(void, interrupt, duckdb_connection\)", "X(void, interrupt, void)"),
                          ("another return type", r"X\(idx_t, nparams,", "X(int, nparams,"),
                          ("another size", r"X\(duckdb_result, 48\)", "X(duckdb_result, 56)"),
                          ("another place", r"X\(duckdb_list_entry, length, 8\)", "X(duckdb_list_entry, length, 0)"),
                          ("another value", r"X\(DUCKDB_TYPE_UUID, 27\)", "X(DUCKDB_TYPE_UUID, 28)")):
    checks.append((f"{what} is noticed", changed(pattern, by), False))
print(f"1..{len(checks)}\n# {header}")
failed = 0
for i, (name, ran, wanted) in enumerate(checks, 1):
    ok = (ran.returncode == 0) == wanted
    failed += not ok
    print(f"{'ok' if ok else 'not ok'} {i} - {name}")
    if not ok:
        print("# " + ran.stderr.replace("\n", "\n# "))
sys.exit(1 if failed else 0)
