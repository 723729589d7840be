"""Rules about tests: what the table of known defects names is there and runs; every parser's fuzz target has a corpus."""
import re

README = "tests/README.md"
# Defects of earlier systems that a test here must show, or a later feature will: N nodenet, A a2al, I id, X of all three, D DuckTon.
KNOWN = [f"{letter}{n}" for letter, last in (("N", 15), ("A", 17), ("I", 9), ("X", 6), ("D", 7)) for n in range(1, last + 1)]
ROW = re.compile(r"^\| ([NAIXD]\d+) \| ([^|]+) \| ([^|]+) \|$", re.M)
LATER = re.compile(r"^row \d+(, \d+)*: \S.*")
FILE = re.compile(r"^(\S+\.(?:c|py)) (\w+(?:, \w+)*)$")


def runs(text, path, name):
    """A function that is defined here and named once more, where it is run."""
    form = rf"^\s*def {name}\(" if path.endswith(".py") else rf"^static void {name}\(void \*\*state\)"
    return bool(re.search(form, text, re.M)) and len(re.findall(rf"\b{name}\b", text)) >= 2


def of_cell(tree, cell):
    if LATER.match(cell):
        return
    for part in cell.split("; "):
        found = FILE.match(part)
        if not found:
            yield f"`{part}` is neither `FILE function, function` nor `row N: what`"
            continue
        path = f"tests/{found.group(1)}"
        if path not in tree.files:
            yield f"{path} is not there"
            continue
        for name in found.group(2).split(", "):
            if not runs(tree.text(path), path, name):
                yield f"{path} has no test {name}() that is run"


def defects(tree, exceptions):
    if README not in tree.files:
        return
    text = tree.text(README)
    seen = []
    for row in ROW.finditer(text):
        seen.append(row.group(1))
        for problem in of_cell(tree, row.group(3).strip()):
            yield f"{README}:{text.count(chr(10), 0, row.start()) + 1}: {row.group(1)}: {problem}"
    for name in KNOWN:
        if seen.count(name) != 1:
            yield f"{README}: {name} stands in the table of defects {seen.count(name)} times"


# cmocka's skip(), Tap.skip() and skip_all() of tests/support/tap.py, and a shell script's own line of TAP
SKIPS = re.compile(r"(?<!def )\b(?:skip|skip_all)\(|1\.\.0 # SKIP")


def skips(tree, exceptions):
    """A test that may run nothing says when in the README: a green run must not be taken for more than it was."""
    if README not in tree.files:
        return
    told = re.search(r"^## Skips.*?(?=^## |\Z)", tree.text(README), re.M | re.S)
    for path in tree.files:
        name = re.fullmatch(r"tests/((?!style/|fuzz/|support/tap)\S+?)(?:\.(?:c|py))?", path)
        if not name or path.endswith((".md", ".build", ".rs", ".go")) or "/corpus/" in path or not SKIPS.search(tree.text(path)):
            continue
        names = {f"`{name.group(1)}`", f"`{name.group(1).split('/')[0]}/*`"}
        if not told or not any(n in told.group(0) for n in names):
            yield f"{README}: the table of skips lacks `{name.group(1)}`, which may skip"


def fuzz(tree, exceptions):
    build = "tests/fuzz/meson.build"
    if build not in tree.files:
        return
    text = tree.text(build)
    named = set(re.findall(r"^\s+'(\w+)': \[", text[text.find("fuzz_targets = {"):], re.M))
    written = {m.group(1) for p in tree.files if (m := re.match(r"tests/fuzz/fuzz_(\w+)\.c$", p))}
    corpora = {p.split("/")[3] for p in tree.files if p.startswith("tests/fuzz/corpus/") and p.count("/") > 3}
    for name in sorted(written | named | corpora):
        lacks = [what for what, all_of_it in (("fuzz_targets in meson.build", named), (f"fuzz_{name}.c", written), ("a corpus", corpora))
                 if name not in all_of_it]
        if lacks:
            yield f"tests/fuzz: {name} is not in {', '.join(lacks)}"
