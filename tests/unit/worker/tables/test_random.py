#!/usr/bin/env python3
"""Random tables as CSV and NDJSON, written by Python's csv and json, against services/worker/tables.

An independent implementation of the rules of services/worker/tables/README.md, with regular
expressions, Decimal and datetime: which type a column has, and which value stands in each row.
usage: test_random.py JUDGE [SEED [COUNT]]    TAP on stdout"""
import csv
import datetime
import decimal
import io
import json
import random
import re
import struct
import subprocess
import sys

WORDS = ["x", "Zürich", "a b", " lead", "trail ", "007", "+5", "1.", ".5", "1e", "--1", "NaN", "inf", "true", "false",
         "2023-02-29", "2023-1-1", "24:00:00", "2024-01-01 24:00:00", "0x10", "1_000", "-", "日本語", "q\"q", "a,b", "a;b",
         "l1\nl2", "l1\r\nl2", "123456789012345678901234567890", "9223372036854775808", "1e999", "\t", "'", "NULL"]
INTEGER = re.compile(r"-?(0|[1-9]\d*)\Z", re.A)
DECIMAL = re.compile(r"-?(0|[1-9]\d*)\.\d+\Z", re.A)
REAL = re.compile(r"-?(0|[1-9]\d*)(\.\d+)?[eE][+-]?\d+\Z", re.A)
DATE = re.compile(r"\d{4}-\d\d-\d\d\Z", re.A)
STAMP = re.compile(r"(\d{4}-\d\d-\d\d)[ T](\d\d:\d\d:\d\d)(\.\d{1,6})?\Z", re.A)


def is_date(text):
    try:
        datetime.date.fromisoformat(text)
        return bool(DATE.match(text))
    except ValueError:
        return False


def is_time(text):
    try:
        datetime.time.fromisoformat(text)
        return True
    except ValueError:
        return False


def is_finite(text):
    v = float(text)
    return abs(v) != float("inf") and (v != 0 or decimal.Decimal(text) == 0)


def form(text):
    if len(text.encode()) <= 128:
        if INTEGER.match(text):
            return "INTEGER" if -2 ** 63 <= int(text) < 2 ** 63 else "TEXT"
        if DECIMAL.match(text) and is_finite(text):
            return "DECIMAL" if len(text.lstrip("-")) - 1 <= 18 else "REAL"
        if REAL.match(text) and is_finite(text):
            return "REAL"
    if is_date(text):
        return "DATE"
    m = STAMP.match(text)
    return "TIMESTAMP" if m and is_date(m[1]) and is_time(m[2]) else "TEXT"


def column_type(texts, most):
    """Of all values that are not NULL."""
    kinds = {form(t) for t in texts}
    if len(kinds) == 1 and kinds & {"INTEGER", "DATE", "TIMESTAMP"}:
        return kinds.pop()
    if not kinds or kinds - {"INTEGER", "DECIMAL", "REAL"}:
        return "TEXT"
    whole = max(len(t.lstrip("-").split(".")[0]) for t in texts)
    scale = max(len((t.split(".") + [""])[1]) for t in texts) if "REAL" not in kinds else 0
    if "REAL" not in kinds and whole + scale <= most:
        return f"DECIMAL({whole + scale},{scale})"
    large = any(form(t) == "INTEGER" and abs(int(t)) > 2 ** 53 for t in texts)
    return "TEXT" if large else "REAL"


def value(text, kind):
    if text is None:
        return "N"
    if kind == "INTEGER":
        return f"I{int(text)}"
    if kind == "REAL" or kind.startswith("DECIMAL"):
        return "R" + struct.pack(">d", float(text)).hex()
    if kind == "TIMESTAMP":
        text = text.replace("T", " ")
        text = text.rstrip("0").rstrip(".") if "." in text else text
    return "T" + text.encode().hex()


def some_number(rng):
    v = rng.randrange(10 ** rng.randrange(1, 19))
    return str(v if rng.random() < 0.5 else -v)


def some_decimal(rng, most=18):
    scale = rng.randrange(1, 7)
    digits = str(rng.randrange(10 ** rng.randrange(1, most - scale + 1)))
    return ("-" if rng.random() < 0.3 else "") + digits + "." + "".join(rng.choice("0123456789") for _ in range(scale))


def some_real(rng):
    while True:
        v = struct.unpack(">d", rng.randbytes(8))[0]
        if v == v and abs(v) != float("inf"):
            return repr(v)


def some_date(rng):
    return datetime.date.fromordinal(rng.randrange(1, 3652060)).isoformat()


def some_stamp(rng):
    t = some_date(rng) + rng.choice(" T") + f"{rng.randrange(24):02}:{rng.randrange(60):02}:{rng.randrange(60):02}"
    return t + ("." + "".join(rng.choice("0123456789") for _ in range(rng.randrange(1, 7))) if rng.random() < 0.5 else "")


def some_word(rng):
    return rng.choice(WORDS)


MAKERS = [some_number, some_decimal, some_real, some_date, some_stamp, some_word]


def some_column(rng, n, makers):
    makers = [rng.choice(makers)] if rng.random() < 0.7 else rng.sample(makers, 2)
    nulls = rng.choice([0, 0, 0.2, 1])
    return [None if rng.random() < nulls else rng.choice(makers)(rng) for _ in range(n)]


def quoted(text, delimiter, rng):
    """As csv.QUOTE_MINIMAL, and now and then for nothing; csv knows no quoted empty text beside NULL."""
    out = io.StringIO()
    csv.writer(out, delimiter=delimiter, quoting=csv.QUOTE_ALL, lineterminator="").writerow([text])
    need = text == "" or any(c in text for c in delimiter + '"\r\n')
    return out.getvalue() if need or rng.random() < 0.2 else text


def make_csv(rng, judge):
    n_columns, n_rows = rng.randrange(1, 8), rng.randrange(1, 12)
    columns = [some_column(rng, n_rows, MAKERS) for _ in range(n_columns)]
    for c in columns:
        if rng.random() < 0.2:
            c[rng.randrange(n_rows)] = ""
    names = [f"name {i}" if rng.random() < 0.3 else f"c{i}" for i in range(n_columns)]
    delimiter = rng.choice(",;\t|") if n_columns > 1 else ","
    end = rng.choice(["\n", "\r\n"])
    lines = [delimiter.join(quoted(n, delimiter, rng) for n in names)]
    lines += [delimiter.join("" if c[y] is None else quoted(c[y], delimiter, rng) for c in columns) for y in range(n_rows)]
    text = end.join(lines) + (end if rng.random() < 0.8 or lines[-1] == "" else "")
    data = rng.choice([b"", b"\xef\xbb\xbf"]) + text.encode()
    if next(csv.reader(io.StringIO(text, newline=""), delimiter=delimiter)) != names:
        raise ValueError("the test's own file is not what it should be")
    # Other delimiters in the fields may look better where none of ours is; then there is nothing to compare.
    types = [column_type([t for t in c if t is not None], 18) for c in columns]
    want = [f"options 01{ord(delimiter):02x}220100"]
    return judge("csv", data), want, names, types, columns


def make_ndjson(rng, judge):
    n_columns, n_rows = rng.randrange(1, 8), rng.randrange(1, 12)
    names = [rng.choice(["k", "ü", "a b", "it's \"q\"", "t\u2028"]) + str(i) for i in range(n_columns)]
    columns, types = [], []
    for _ in range(n_columns):
        numbers = rng.random() < 0.5
        c = some_column(rng, n_rows, MAKERS[:3] if numbers else MAKERS[3:])
        given = [t for t in c if t is not None]
        kind = column_type(given, 15)
        if numbers and kind == "TEXT" and given:
            kind = "REFUSED"
        if not numbers and kind not in ("DATE", "TIMESTAMP"):
            kind = "TEXT"
        columns.append((numbers, c))
        types.append(kind)
    lines = []
    for y in range(n_rows):
        members = []
        for name, (numbers, c) in zip(names, columns):
            if c[y] is None and y > 0 and rng.random() < 0.5:
                continue
            text = "null" if c[y] is None else c[y] if numbers else json.dumps(c[y], ensure_ascii=rng.random() < 0.5)
            members.append(json.dumps(name, ensure_ascii=rng.random() < 0.5) + rng.choice([":", ": ", " :\t"]) + text)
        if y > 0:
            rng.shuffle(members)
        lines.append("{" + rng.choice([",", ", "]).join(members) + "}" + rng.choice(["", " ", "\r"]))
        if members and "REFUSED" not in types:
            json.loads(lines[-1], parse_float=str, parse_int=str)
        if rng.random() < 0.1:
            lines.append(rng.choice(["", "  "]))
    data = "\n".join(lines).encode() + rng.choice([b"", b"\n"])
    return judge("ndjson", data), ["options "], names, types, [c for _, c in columns]


def judge_of(path):
    def judge(kind, data):
        r = subprocess.run([path, kind], input=data, capture_output=True, timeout=60, check=False)
        return data, r.returncode, r.stdout.decode().split("\n")[:-1]
    return judge


def check_case(make, rng, judge):
    (data, code, got), want, names, types, columns = make(rng, judge)
    if "REFUSED" in types:
        return data, code == 0 and len(got) == 1 and got[0].startswith("fault "), got, types
    want += [f"column {t} {n.encode().hex()}" for n, t in zip(names, types)]
    want += ["row " + " ".join(value(c[y], t) for c, t in zip(columns, types)) for y in range(len(columns[0]))]
    return data, code == 0 and got == want, got, want


def main():
    judge = judge_of(sys.argv[1])
    rng = random.Random(int(sys.argv[2]) if len(sys.argv) > 2 else 1)
    count = int(sys.argv[3]) if len(sys.argv) > 3 else 300
    print("1..2")
    for number, make in enumerate([make_csv, make_ndjson], 1):
        failed = 0
        for i in range(count):
            data, is_right, got, want = check_case(make, rng, judge)
            if not is_right:
                failed += 1
                print(f"# case {i}\n#   file {data!r}\n#   got  {got}\n#   want {want}")
            if failed == 5:
                break
        print(f"{'not ' if failed else ''}ok {number} - {count} random files, {make.__name__}")


if __name__ == "__main__":
    main()
