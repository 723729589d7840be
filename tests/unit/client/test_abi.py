#!/usr/bin/env python3
"""libquorate.so exports what quorate.h declares, and nothing else.

usage: test_abi.py LIBRARY HEADER"""

import re
import subprocess
import sys

library, header = sys.argv[1:3]
declared = set(re.findall(r"^QUORATE_API [^;]*?\b(quorate_\w+)\(", open(header, encoding="utf-8").read(), re.M))
listed = subprocess.run(["nm", "-D", "--defined-only", library], check=True, capture_output=True, text=True).stdout
exported = {line.split()[2].split("@")[0] for line in listed.splitlines() if line.split()[1] in "TDBRVWi"}
checks = [
    ("the header declares functions", len(declared) >= 20, str(len(declared))),
    ("everything declared is exported", declared <= exported, " ".join(sorted(declared - exported))),
    ("nothing else is exported", exported <= declared, " ".join(sorted(exported - declared))),
]
print(f"1..{len(checks)}")
for i, (name, passed, detail) in enumerate(checks, 1):
    print(f"{'ok' if passed else 'not ok'} {i} - {name}" + ("" if passed else f": {detail}"))
sys.exit(0 if all(passed for _, passed, _ in checks) else 1)
