"""Every parser of foreign bytes has a fuzz target that leads to it.

A parser is a function that a header declares in common/ or in a core of services/, that takes `struct bytes` or some `reader *`, and
whose name says that it reads what somebody wrote (VERBS). Each is a row of parsers.txt, with its target, or with `-` and why nobody sends
it anything; other functions may stand there as well, and each target is in some row. A target leads to what its LLVMFuzzerTestOneInput()
calls or names, over any number of steps; a table of functions counts as named with them, pointers in objects lead nowhere.

And in services that hear from others, whoever calls a parser is led to by some target as well: there the answers are looked at.
That a target's inputs come so far is what its corpus is for: no script sees it."""
import re

import source

TABLE = "tests/style/parsers.txt"
VERBS = {"read", "parse", "decode", "split", "unpack", "scan", "open", "next", "restore", "input", "asked", "answered", "validate"}
HEARING = re.compile(r"services/(?:coordinator|dht|gossip|keyring|transport)/")
DECLARED = re.compile(r"^(?!static |typedef |#|\s)[\w \*]*?\b(\w+)\(([^;{]*?)\)\s*;", re.M | re.S)
TAKES = re.compile(r"\bstruct bytes (?!\*)|\bstruct \w*reader \*")
ROW = re.compile(r"^(\w+) (\S+)(?: (.+))?$")


def declared(tree, is_shell):
    """(Name -> header of all parsers, names of all that headers declare)."""
    found, every = {}, set()
    for path in tree.sources(".h"):
        if not path.startswith(("common/", "services/")):
            continue
        for m in DECLARED.finditer(source.without_comments(tree.text(path))):
            every.add(m.group(1))
            if TAKES.search(m.group(2)) and VERBS & {*m.group(1).split("_")} and not is_shell(path):
                found.setdefault(m.group(1), path)
    return found, every


def words(toks):
    """Not members."""
    return {str(t) for i, t in enumerate(toks) if t[0].isalpha() and (i == 0 or toks[i - 1] not in (".", "->"))}


def table(toks):
    """Of one statement at file level that fills something in: (its name, the names in its braces)."""
    head = [str(t) for t in toks]
    if "=" not in head or "{" not in head:
        return None
    named = [t for t in " ".join(head[:head.index("=")]).split("[")[0].split() if t[0].isalpha() or t[0] == "_"]
    return (named[-1], words(toks[head.index("="):])) if named else None


class File:
    """What each function and each table of a file names; which of its functions are its own."""

    def __init__(self, text):
        toks, i, start = source.tokens(text), 0, 0
        self.names, self.static, self.lines = {}, set(), {}
        self.includes = [name for _, kind, name in source.includes(text) if kind == '"']
        while i < len(toks):
            end = source.closing(toks, i) if toks[i] in source.OPENERS else i
            if toks[i] == "{" and i > 0 and toks[i - 1] == ")":
                left = source.opening(toks, i - 1)
                self.add(str(toks[left - 1]), words(toks[i:end]), "static" in toks[start:left], toks[start].line)
                start = end + 1
            elif toks[i] == ";":
                filled = table(toks[start:i])
                if filled:
                    self.add(*filled, "static" in toks[start:i], toks[start].line)
                start = i + 1
            i = end + 1

    def add(self, name, names, is_static, line):
        self.names.setdefault(name, set()).update(names)
        self.lines.setdefault(name, line)
        if is_static:
            self.static.add(name)


def said(text):
    """Names that a header may declare."""
    text = source.without_comments(text)
    return set(re.findall(r"\b(\w+)\b(?=\(|\[|;)", text)) | {w for line in re.findall(r"^extern [^;]*", text, re.M) for w in re.findall(r"\w+", line)}


def folder(path):
    return path.rsplit("/", 1)[0]


WHERE = re.compile(r"common/|services/|tests/fuzz/|tests/support/|tests/unit/(?:\S*/)?(?!test_)[^/]+$")


class Graph:
    def __init__(self, tree):
        texts = {p: tree.text(p) for p in tree.sources(".c", ".h") if WHERE.match(p)}
        self.files = {p: File(text) for p, text in texts.items()}
        self.told = {p: said(text) for p, text in texts.items() if p.endswith(".h")}
        self.places, self.seen = {}, {}
        for path, file in self.files.items():
            for name in file.names.keys() - (set() if path.endswith(".h") else file.static):
                self.places.setdefault(name, []).append(path)

    def headers(self, path):
        """All that a file includes, over any number of steps."""
        if path not in self.seen:
            found, queue = set(), [path]
            while queue:
                for name in self.files[queue.pop()].includes:
                    if name in self.files and name not in found:
                        found.add(name)
                        queue.append(name)
            self.seen[path] = found
        return self.seen[path]

    def resolve(self, path, name):
        """In this file, or in the folder of a header that it includes and that says so."""
        if name in self.files[path].names:
            return [path]
        headers = self.headers(path)
        folders = {folder(h) for h in headers if name in self.told[h]}
        return [p for p in self.places[name] if any(f"{p}/".startswith(f"{f}/") for f in folders) and (p in headers or not p.endswith(".h"))]

    def reached(self, path, name):
        seen, queue = set(), [(path, name)]
        while queue:
            at = queue.pop()
            if at in seen or at[1] not in self.files[at[0]].names:
                continue
            seen.add(at)
            queue += [(p, n) for n in self.files[at[0]].names[at[1]]
                      if n in self.places or n in self.files[at[0]].names for p in self.resolve(at[0], n)]
        return seen


def read_table(tree):
    """(function -> (target, why), what is wrong with the table)."""
    rows, wrong = {}, []
    for number, line in enumerate(tree.text(TABLE).split("\n") if TABLE in tree.files else [], 1):
        if not line or line.startswith("#"):
            continue
        row = ROW.match(line)
        if not row or (row.group(2) == "-") != bool(row.group(3)) or row.group(1) in rows:
            wrong.append(f"{TABLE}:{number}: a row is `function target`, or `function - reason`, once")
            continue
        rows[row.group(1)] = (row.group(2), number)
    return rows, wrong


def parsers(tree, exceptions, is_shell):
    (found, every), (rows, wrong) = declared(tree, is_shell), read_table(tree)
    targets = {m.group(1): p for p in tree.files if (m := re.match(r"tests/fuzz/fuzz_(\w+)\.c$", p))}
    if not targets and not rows:
        return
    yield from wrong
    graph = Graph(tree)
    led = {name: graph.reached(path, "LLVMFuzzerTestOneInput") for name, path in targets.items()}
    for name in sorted(found.keys() - rows.keys()):
        yield f"{found[name]}: {name}() reads what others wrote and is not in {TABLE}: give it a fuzz target"
    for name, (target, number) in rows.items():
        if name not in every:
            yield f"{TABLE}:{number}: no header declares {name}()"
        elif target != "-" and target not in led:
            yield f"{TABLE}:{number}: {name}() has a target fuzz_{target}.c that is not there"
        elif target != "-" and name not in {n for _, n in led[target]}:
            yield f"{TABLE}:{number}: fuzz_{target}.c does not lead to {name}()"
    for target in sorted(led.keys() - {t for t, _ in rows.values()}):
        yield f"tests/fuzz/fuzz_{target}.c: {TABLE} does not say which parser it is for"
    names = {name for name, (target, _) in rows.items() if name in found and target != "-"}
    yield from callers(graph, names, set().union(*led.values()), exceptions, is_shell)


def callers(graph, names, led, exceptions, is_shell):
    for path, file in graph.files.items():
        if not HEARING.match(path) or is_shell(path):
            continue
        for function, called in file.names.items():
            if called & names and (path, function) not in led and not exceptions.allows("parsers", f"{path}:{function}"):
                yield f"{path}:{file.lines[function]}: no fuzz target leads to {function}(), which calls {min(called & names)}()"
