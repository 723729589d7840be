"""The 22 questions of TPC-H, for tests and figures."""
import pathlib
import re

FOLDER = pathlib.Path(__file__).resolve().parents[1] / "bench/tpch"
TABLES = "region nation supplier customer part partsupp orders lineitem".split()


def questions(engine):
    """[(number, class as written, class as rewritten, why, SQL)]"""
    text = (FOLDER / f"queries_{engine}.sql").read_text()
    heading = r"^-- (Q\d+) (\w+) (\w+) ?(.*)$"
    parts = re.split(heading, text, flags=re.M)[1:]
    return [(*parts[i:i + 4], parts[i + 4].strip().rstrip(";")) for i in range(0, len(parts), 5)]
