#!/usr/bin/env python3
"""House rules that a machine can check, one TAP line each. See README.md.

usage: check_style.py [--root DIR]"""
import argparse
import collections
import pathlib
import re
import shutil
import subprocess
import sys

import coverage
import parsers
import source

FUNCTION_LINES, FILE_LINES, HEADER_LINES = 60, 600, 150
PARAMETERS, NESTING, README_LINES = 6, 3, 120

# Folder below common/ -> what it may include from common/ beside itself.
COMMON = {
    "base": {"base"},
    "crypto": {"base"},
    "wire": {"base", "crypto"},
    "canonical": {"base", "crypto", "wire"},
    "daemon": {"base", "crypto", "wire", "canonical"},
    "streams": {"base", "crypto", "wire", "canonical", "daemon"},
    "client": {"base", "crypto", "wire", "canonical", "daemon"},
}
PURE = ("base", "crypto", "wire", "canonical")
CORE_MAY = {"base", "crypto", "wire", "canonical"}
SHELL_MAY = CORE_MAY | {"daemon", "streams", "client"}
# The simulator joins cores as their shells do: it may include their headers, never a shell's.
SIMULATOR, SIMULATED = "sim", {"coordinator", "dht", "gossip"}
# The parts of a service that meet the kernel; others are listed in exceptions.txt as `shell`.
SHELL_FILE = re.compile(r"^(main|rpc|shell|config)(_\w+)?\.[ch]$")

IMPURE = set("""
    time clock clock_gettime gettimeofday nanosleep clock_nanosleep sleep usleep localtime timer_create timerfd_create
    socket socketpair connect bind listen accept accept4 send sendto sendmsg sendmmsg recv recvfrom recvmsg recvmmsg
    open openat openat2 creat fopen fdopen opendir mkstemp memfd_create read pread readv write pwrite writev unlink rename
    getrandom getentropy random rand srand rand_r drand48 arc4random arc4random_buf arc4random_uniform
    randombytes_buf randombytes_random randombytes_uniform
    fork vfork clone execv execve execvp posix_spawn system popen pthread_create kill getenv setenv
    epoll_create1 epoll_wait poll ppoll select signal sigaction sd_event_now sd_event_default
""".split())


class Tree:
    def __init__(self, root):
        self.root = pathlib.Path(root)
        self.files = sorted(self.find())

    def find(self):
        listed = subprocess.run(["git", "-C", self.root, "ls-files", "-co", "--exclude-standard"],
                                capture_output=True, text=True) if (self.root / ".git").exists() else None
        if listed and listed.returncode == 0:
            return [p for p in listed.stdout.splitlines() if (self.root / p).is_file()]
        return [str(p.relative_to(self.root)) for p in self.root.rglob("*") if p.is_file()]

    def text(self, path):
        return (self.root / path).read_text(errors="replace")

    def sources(self, *suffixes):
        for path in self.files:
            if path.endswith(suffixes) and "/vectors/" not in path:
                yield path


class Exceptions:
    """Lines `check path[:name] reason`. One that excuses nothing is an error itself."""

    def __init__(self, tree):
        self.entries, self.used, self.bad = {}, set(), []
        path = "tests/style/exceptions.txt"
        lines = tree.text(path).split("\n") if path in tree.files else []
        for number, line in enumerate(lines, 1):
            words = line.split(None, 2)
            if not words or line.startswith("#"):
                continue
            if len(words) < 3 or len(words[2]) < 12:
                self.bad.append(f"{path}:{number}: an exception is `check path[:name] reason`, with a real reason")
            self.entries[tuple(words[:2])] = number

    def allows(self, check, where):
        if (check, where) not in self.entries:
            return False
        self.used.add((check, where))
        return True

    def unused(self):
        for key, number in self.entries.items():
            if key not in self.used:
                yield f"tests/style/exceptions.txt:{number}: `{' '.join(key)}` excuses nothing; remove the line"


class Skip(Exception):
    pass


def is_shell(tree, exceptions, path):
    parts = path.split("/")
    return bool(SHELL_FILE.match(parts[-1])) or "shell" in parts[2:-1] or exceptions.allows("shell", path) or \
        exceptions.allows("shell", "/".join(parts[:2]) + "/") or \
        (len(parts) > 3 and exceptions.allows("shell", "/".join(parts[:3]) + "/"))


def allowed_common(tree, exceptions, path):
    parts = path.split("/")
    if parts[0] == "common":
        return COMMON.get(parts[1], set()) | {parts[1]}
    return SHELL_MAY if is_shell(tree, exceptions, path) else CORE_MAY


def is_simulated(tree, exceptions, path, name):
    target = name.split("/")
    return path.split("/")[:2] == ["services", SIMULATOR] and target[1] in SIMULATED and \
        not is_shell(tree, exceptions, name)


def layers(tree, exceptions):
    for path in tree.sources(".c", ".h"):
        parts = path.split("/")
        if parts[0] not in ("common", "services"):
            continue
        may = allowed_common(tree, exceptions, path)
        for line, kind, name in source.includes(tree.text(path)):
            target = name.split("/")
            where = f"{path}:{line}: includes {name}"
            if exceptions.allows("layers", f"{path}:{name}"):
                continue
            if name.startswith("sodium") and parts[:2] != ["common", "crypto"]:
                yield f"{where}; only common/crypto may, call what it offers"
            elif kind == "<":
                continue
            elif target[0] == "common" and target[1] not in may:
                yield f"{where}; this folder stands below common/{target[1]} (README.md, the layers)"
            elif target[0] == "services" and (parts[0] == "common" or target[1] != parts[1]) and \
                    not is_simulated(tree, exceptions, path, name):
                yield f"{where}; services talk through proto/, common/ does not know them"
            elif len(target) == 1 and not (tree.root / path).with_name(name).exists() and name != "quorate-config.h":
                yield f"{where}; write the path from the root of the tree"


def purity(tree, exceptions):
    for path in tree.sources(".c", ".h"):
        parts = path.split("/")
        core = parts[0] == "services" and len(parts) > 2 and not is_shell(tree, exceptions, path)
        if not core and not (parts[0] == "common" and parts[1] in PURE):
            continue
        text = tree.text(path)
        own = {f.name for f in source.functions(text)}  # an accept() of this very file is no system call
        for line, name in source.calls(text):
            if name in IMPURE - own and not exceptions.allows("purity", path) and not exceptions.allows("purity", f"{path}:{name}"):
                yield f"{path}:{line}: calls {name}(); cores get clock, bytes and seeds as arguments"


def names(tree, exceptions):
    """Cores and common/ are linked together by the simulator: one name, one function."""
    places = {}
    for path in tree.sources(".c"):
        if not path.startswith(("common/", "services/")) or (path.startswith("services/") and is_shell(tree, exceptions, path)):
            continue
        for function in source.functions(tree.text(path)):
            if function.is_static or function.name == "main":
                continue
            first = places.setdefault(function.name, path)
            if first != path and not exceptions.allows("names", f"{path}:{function.name}"):
                yield f"{path}:{function.line}: {function.name}() is also in {first}; give it the prefix of its module"


def limit(check, tree, exceptions, measure, most, what):
    for path in tree.sources(".c", ".h"):
        for function in source.functions(tree.text(path)):
            value = measure(function)
            if value > most and not exceptions.allows(check, f"{path}:{function.name}"):
                yield f"{path}:{function.line}: {function.name}() {what.format(value)}, at most {most}"


def function_length(tree, exceptions):
    return limit("function-length", tree, exceptions, lambda f: f.lines, FUNCTION_LINES, "has {} lines")


def parameters(tree, exceptions):
    return limit("parameters", tree, exceptions, lambda f: f.parameters, PARAMETERS, "takes {} parameters")


def nesting(tree, exceptions):
    return limit("nesting", tree, exceptions, lambda f: f.nesting, NESTING, "nests {} deep")


def file_length(tree, exceptions):
    for path in tree.sources(".c", ".h"):
        lines, most = tree.text(path).count("\n"), HEADER_LINES if path.endswith(".h") else FILE_LINES
        if lines > most and not exceptions.allows("file-length", path):
            yield f"{path}: {lines} lines, at most {most}; move one idea into a file of its own"


def headers(tree, exceptions):
    for path in tree.sources(".h"):
        if not tree.text(path).startswith("#pragma once\n"):
            yield f"{path}:1: a header begins with #pragma once"


def unfinished(tree, exceptions):
    marks = re.compile(r"\b(" + "|".join(["TO" + "DO", "FIX" + "ME", "XX" + "X", "HA" + "CK"]) + r")\b")
    for path in tree.sources(".c", ".h", ".proto", ".py", ".sh", "meson.build"):
        for number, line in enumerate(tree.text(path).split("\n"), 1):
            if marks.search(line):
                yield f"{path}:{number}: unfinished work is an issue, not a comment"


def cleanups(tree, exceptions):
    """gcc's zero-initialising flag hides what clang, or another gcc, frees as garbage."""
    bare = re.compile(r"^\s*CLEANUP\([a-z_0-9]+\) [^=]*;$")
    for path in tree.sources(".c", ".h"):
        for number, line in enumerate(tree.text(path).split("\n"), 1):
            if bare.match(line):
                yield f"{path}:{number}: what is cleaned up begins as something, = {{}} or = NULL"


def formatting(tree, exceptions):
    program = shutil.which("clang-format-14") or shutil.which("clang-format")
    paths = [p for p in tree.sources(".c", ".h")]
    if not program or not paths or not (tree.root / ".clang-format").exists():
        raise Skip("clang-format is not installed (Debian package clang-format-14)")
    done = subprocess.run([program, "--dry-run", "-Werror", "--ferror-limit=1", *paths], cwd=tree.root,
                          capture_output=True, text=True)
    for line in done.stderr.split("\n"):
        if "error: code should be clang-formatted" in line:
            yield f"{line.split(': error')[0]}: run clang-format -i on it"


MESSAGE = re.compile(r"\b(message|enum|oneof|service|extend)\s+(\w+)\s*\{|\}|"
                     r"(?:\b(?:repeated|optional|required)\s+)?(?:map\s*<\s*\w+\s*,\s*([\w.]+)\s*>|([\w.]+))\s+\w+\s*=\s*\d+")


def message_graph(tree):
    graph, places = collections.defaultdict(set), {}
    for path in tree.sources(".proto"):
        text = re.sub(r"//[^\n]*|/\*.*?\*/", source.blank, tree.text(path), flags=re.S)
        package = re.search(r"\bpackage\s+([\w.]+)\s*;", text)
        stack = [(None, package.group(1) if package else "")]
        for found in MESSAGE.finditer(text):
            if found.group(0) == "}":
                stack = stack[:-1] or stack
            elif found.group(1):
                name = stack[-1][1] if found.group(1) == "oneof" else f"{stack[-1][1]}.{found.group(2)}".strip(".")
                stack.append((found.group(1), name))
                places.setdefault(name, f"{path}:{text.count(chr(10), 0, found.start()) + 1}")
            elif stack[-1][0] in ("message", "oneof"):
                graph[stack[-1][1]].add(found.group(3) or found.group(4))
    return graph, places


def resolve(name, scope, places):
    parts = scope.split(".")
    for n in range(len(parts), -1, -1):
        full = ".".join(parts[:n] + [name.lstrip(".")])
        if full in places:
            return full
    return None


def protos(tree, exceptions):
    graph, places = message_graph(tree)
    edges = {m: {resolve(t, m, places) for t in types} - {None} for m, types in graph.items()}
    for start in sorted(edges):
        seen, queue = set(), list(edges[start])
        while queue:
            name = queue.pop()
            if name not in seen:
                seen.add(name)
                queue += edges.get(name, ())
        if start in seen:
            yield f"{places[start]}: message {start} contains itself; unpacking it recurses as deep as a peer likes"


def readmes(tree, exceptions):
    wanted = {"."}
    for path in tree.files:
        parts = path.split("/")
        if len(parts) > 2 and parts[0] in ("common", "services"):
            wanted.add(parts[0])
        if len(parts) > 1 and parts[0] in ("proto", "systemd", "deploy"):
            wanted.add(parts[0])
        if len(parts) > 2 and parts[0] in ("common", "services", "tests") and parts[2] != "meson.build":
            wanted.add("/".join(parts[:2]))
    for folder in sorted(wanted):
        path = "README.md" if folder == "." else f"{folder}/README.md"
        if path not in tree.files:
            if not exceptions.allows("readme", folder):
                yield f"{path}: missing; one page on what the folder owns and may touch"
        elif tree.text(path).count("\n") > README_LINES:
            yield f"{path}: more than {README_LINES} lines"
    if "common/README.md" in tree.files:
        yield from untrue_layers(tree.text("common/README.md"))


def untrue_layers(text):
    """The table of common/README.md and ours are one."""
    told = {m[1]: set(m[2].replace("`", "").split()) - {"nothing"}
            for m in re.finditer(r"^\| `(\w+)/` \|.*\| ([^|]*) \|$", text, re.M)}
    for folder in sorted(told.keys() | COMMON.keys()):
        if told.get(folder) != COMMON.get(folder, set()) - {folder}:
            yield f"common/README.md: what `{folder}/` may include is not what tests/style allows"


def machine_paths(tree, exceptions):
    pattern = re.compile(r"(?<![\w.~-])/(?:work|root|home/[a-z]\w*|tmp/(?:wt|b))/")
    for path in tree.files:
        if path.endswith((".png", ".bin", ".gz", ".zst")) or "/corpus/" in path:
            continue
        for number, line in enumerate(tree.text(path).split("\n"), 1):
            if pattern.search(line) and not exceptions.allows("machine-paths", path):
                yield f"{path}:{number}: a path of one machine"


def foreign_bytes(tree, exceptions):
    return parsers.parsers(tree, exceptions, lambda path: path.startswith("services/") and is_shell(tree, exceptions, path))


CHECKS = [
    ("layers", layers), ("purity", purity), ("names", names), ("function-length", function_length), ("file-length", file_length),
    ("parameters", parameters), ("nesting", nesting), ("headers", headers), ("unfinished", unfinished),
    ("cleanups", cleanups), ("formatting", formatting), ("protos", protos), ("readme", readmes), ("machine-paths", machine_paths),
    ("defects", coverage.defects), ("skips", coverage.skips), ("fuzz", coverage.fuzz), ("parsers", foreign_bytes),
]


def report(number, name, problems):
    print(f"{'not ok' if problems else 'ok'} {number} - {name}")
    for problem in problems:
        print(f"# {problem}")


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--root", default=pathlib.Path(__file__).resolve().parents[2])
    tree = Tree(parser.parse_args().root)
    exceptions, failed = Exceptions(tree), False
    print(f"1..{len(CHECKS) + 1}")
    for number, (name, check) in enumerate(CHECKS, 1):
        try:
            problems = list(check(tree, exceptions))
        except Skip as reason:
            print(f"ok {number} - {name} # SKIP {reason}")
            continue
        failed |= bool(problems)
        report(number, name, problems)
    problems = exceptions.bad + list(exceptions.unused())
    report(len(CHECKS) + 1, "exceptions", problems)
    return 1 if failed or problems else 0


if __name__ == "__main__":
    sys.exit(main())
