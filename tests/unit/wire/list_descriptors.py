#!/usr/bin/env python3
"""Writes a table of all message descriptors: list_descriptors.py BUILD_ROOT HEADER... > table.h"""
import pathlib
import re
import sys

root, headers = pathlib.Path(sys.argv[1]).resolve(), sys.argv[2:]
names = []
print("/* Written by list_descriptors.py; do not edit. */\n")
for header in headers:
    path = pathlib.Path(header).resolve()
    print(f'#include "{path.relative_to(root)}"')
    names += re.findall(r"extern const ProtobufCMessageDescriptor (\w+);", path.read_text())
print("\nstatic const ProtobufCMessageDescriptor *const all_descriptors[] = {")
print("".join(f"        &{name},\n" for name in names) + "};")
