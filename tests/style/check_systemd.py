#!/usr/bin/env python3
"""Verifies the units of systemd/ and holds each below its exposure ceiling (exposure.txt).
usage: check_systemd.py SOURCE_ROOT    TAP on stdout"""
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile


def ceilings(path):
    rows = (line.split() for line in path.read_text().splitlines())
    return {r[0]: float(r[1]) for r in rows if r and not r[0].startswith("#")}


def stage(source, target):
    """Copies the units; programs that are not installed here are replaced by one that is."""
    for unit in sorted(source.iterdir()):
        if unit.suffix not in (".service", ".socket", ".target"):
            continue
        text = re.sub(r"^ExecStart=\S+", "ExecStart=/bin/true", unit.read_text(), flags=re.M)
        name = unit.name.replace("@.", "@1.")
        (target / name).write_text(text)


def run(*command, cwd):
    return subprocess.run(command, cwd=cwd, capture_output=True, text=True, check=False)


def verify(units, cwd):
    done = run("systemd-analyze", "verify", "--recursive-errors=yes", *units, cwd=cwd)
    return done.returncode == 0 and not done.stderr.strip(), done.stderr.strip()


def exposure(unit, limit, cwd):
    done = run("systemd-analyze", "security", "--offline=yes", unit, cwd=cwd)
    found = re.search(r"exposure level for \S+: ([0-9.]+)", done.stdout)
    if not found:
        return False, done.stderr.strip() or "no exposure level printed"
    return float(found.group(1)) <= limit, f"{found.group(1)} (ceiling {limit})"


def main(root):
    if not shutil.which("systemd-analyze"):
        print("1..0 # SKIP systemd-analyze is not installed")
        return 0
    root = pathlib.Path(root)
    limits = ceilings(root / "tests/style/exposure.txt")
    with tempfile.TemporaryDirectory() as folder:
        cwd = pathlib.Path(folder)
        stage(root / "systemd", cwd)
        units = sorted(p.name for p in cwd.iterdir())
        results = [("all units verify", *verify(units, cwd))]
        services = [p.name for p in (root / "systemd").glob("*.service")]
        for name in sorted(services):
            if name not in limits:
                results.append((f"{name} has a ceiling in exposure.txt", False, ""))
                continue
            results.append((f"{name} exposure",
                            *exposure(name.replace("@.", "@1."), limits[name], cwd)))
    print(f"1..{len(results)}")
    for i, (name, good, detail) in enumerate(results, 1):
        print(f"{'ok' if good else 'not ok'} {i} - {name}")
        for line in detail.splitlines():
            print("#", line)
    return 0 if all(r[1] for r in results) else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
