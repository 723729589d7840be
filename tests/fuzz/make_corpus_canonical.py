#!/usr/bin/env python3
"""Seed corpora of the targets for common/canonical and of kept answers, from the vectors of the unit tests."""
import hashlib
import pathlib
import struct
import sys

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "unit" / "canonical" / "vectors"))
import make_vectors as m  # noqa: E402


def put(name, inputs):
    folder = HERE / "corpus" / name
    folder.mkdir(parents=True, exist_ok=True)
    for v in inputs:
        (folder / hashlib.sha1(v).hexdigest()[:16]).write_bytes(v)


def qrows(schema, batches):
    frames = b"".join(struct.pack(">I", len(b)) + b for b in batches)
    return b"QROW\x01" + m.sized(schema) + frames + bytes(4) + m.u64(len(batches), sum(map(len, batches)))


cells = [c for _, c in m.cell_cases()]
put("cell", [b"".join(cells[i::12]) for i in range(12)] + [c for _, c in m.refused_cells()])
put("schema", [s for _, s in m.schema_cases()] + [s for _, s in m.refused_schemas() if len(s) < 3000])
put("descriptor", [m.descriptor(0), m.descriptor(1), m.descriptor(1)[:-1]])
JOB, HOST = bytes(32), bytes([21]) * 32
RESULT = m.Result(2, m.rows(3, 5))
put("statement", [m.dispatch(JOB, HOST, b"t" * 16), m.dispatch(JOB, HOST, b"t", 1), m.commit(JOB, HOST, RESULT, bytes(32)),
                  m.verdict(JOB, HOST, "192.0.2.0/24", [bytes(32)] * 2), m.verdict(JOB, HOST, "", [], 5, 7)])
put("receipt", [m.receipt()[0], m.receipt()[0][:-1]])
FILE = b"QANS\x01" + struct.pack(">I", len(m.receipt()[0])) + b"".join(m.receipt())
put("cached", [FILE, FILE[:-1], FILE[:len(m.receipt()[0]) + 9]])
ANY = m.schema(("a", m.ANY), ("b", m.ANY))
put("qrows", [qrows(m.SAMPLE, [b"".join(m.rows(20, 9)), b"".join(m.rows(2, 3))]), qrows(m.SAMPLE, []),
              qrows(ANY, [cells[i] + cells[-i - 1] for i in range(10)])])
