#!/usr/bin/env python3
"""Golden scores for services/coordinator/trust.c, from the formula of its header and
nothing else. Writes trust_vectors.h beside itself; rerun after a change of the formula."""
import os
from decimal import Decimal, getcontext

getcontext().prec = 50
Z = Decimal("1.96")
HALF_LIFE_DAYS = Decimal(7)


def wilson(n, s):
    trials = n + 3
    p = (s + 1) / trials
    centre = p + Z * Z / (2 * trials)
    spread = Z * (p * (1 - p) / trials + Z * Z / (4 * trials * trials)).sqrt()
    return (centre - spread) / (1 + Z * Z / trials)


def weight(age_days):
    return (Decimal("0.5").ln() * Decimal(age_days) / HALF_LIFE_DAYS).exp()


# name, then (how many, correct?, age in days) in order of time
CASES = [
    ("nothing known", []),
    ("one correct", [(1, True, 0)]),
    ("five correct", [(5, True, 0)]),
    ("twenty correct", [(20, True, 0)]),
    ("the wait ends here", [(47, True, 0)]),
    ("a full window", [(256, True, 0)]),
    ("more than a window: faults fall out", [(50, False, 0), (256, True, 0)]),
    ("one fault among twenty", [(10, True, 0), (1, False, 0), (10, True, 0)]),
    ("a week old", [(20, True, 7)]),
    ("a month old", [(20, True, 30)]),
    ("old faults fade", [(10, False, 28), (20, True, 0)]),
    ("fresh faults do not", [(20, True, 28), (10, False, 0)]),
    ("only faults", [(5, False, 0)]),
]

lines = ["/* Written by make_trust.py. */",
         "#pragma once",
         "",
         "struct trust_step {",
         "        unsigned n;",
         "        bool is_correct;",
         "        unsigned age_days;",
         "};",
         "static const struct {",
         "        const char *name;",
         "        struct trust_step steps[3];",
         "        double score;",
         "} trust_vectors[] = {"]
for name, steps in CASES:
    marks = [(ok, age) for count, ok, age in steps for _ in range(count)][-256:]
    n = sum((weight(age) for _, age in marks), Decimal(0))
    s = sum((weight(age) for ok, age in marks if ok), Decimal(0))
    text = ", ".join("{ %d, %s, %d }" % (c, "true" if ok else "false", age)
                     for c, ok, age in steps) or "{}"
    lines.append('        { "%s", { %s }, %.15f },' % (name, text, wilson(n, s)))
lines.append("};")
path = os.path.join(os.path.dirname(os.path.abspath(__file__)), "trust_vectors.h")
with open(path, "w", encoding="utf-8") as f:
    f.write("\n".join(lines) + "\n")
