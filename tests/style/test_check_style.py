#!/usr/bin/env python3
"""Each rule of check_style.py fires on a bad sample and is silent on a good one."""
import contextlib
import pathlib
import sys
import tempfile

import check_style as style
import coverage
import source

GOOD = '#pragma once\n\n#include "common/base/bytes.h"\n\nint good(int a, int b);\n'


def body(lines, indent="        "):
    return "int f(void) {\n" + "".join(f"{indent}{line}\n" for line in lines) + "}\n"


# All known defects: the first with a test in C, the second with one in Python, the others later.
TABLE = "".join(f"| {d} | what it is | {cell} |\n" for d, cell in zip(
    coverage.KNOWN, ["unit/test_a.c first", "unit/test_p.py of_all"] + ["row 43: later"] * 99))
SAMPLE_TESTS = [("tests/unit/test_a.c", "static void helper(int x) {\n}\nstatic void second(void **state) {\n}\n"
                                        "static void first(void **state) {\n        helper(1), helper(2);\n}\nTEST_MAIN(T(first))\n"),
                ("tests/unit/test_p.py", "def of_all(tap):\n    pass\n\n\nrun([of_all])\n")]

# A target that leads to its parser over a function and a table; who calls it besides.
TARGET = '#include "common/wire/a.h"\nint LLVMFuzzerTestOneInput(void) {\n        go();\n}\n'
CALLER = '#include "common/wire/a.h"\nint y(void) {\n        return a_read(v);\n}\n'
PARSER = [("common/wire/a.h", "int a_read(struct bytes v);\nint go(void);\n"), ("tests/fuzz/fuzz_a.c", TARGET),
          ("common/wire/a.c", '#include "common/wire/a.h"\nint a_read(struct bytes v) {\n}\nstatic const fn all[] = { { .f = a_read } };\n'
                              "int go(void) {\n        return all[0].f(v);\n}\n"),
          ("tests/style/parsers.txt", "a_read a\n")]

# check, where the sample stands, its text, what must be reported (None: nothing)
CASES = [
    ("layers", "common/base/a.c", '#include "common/wire/varint.h"\n', "stands below common/wire"),
    ("layers", "common/base/a.c", '// #include "common/wire/varint.h"\n/*\n#include "common/daemon/rpc.h"\n*/\n', None),
    ("layers", "common/wire/a.c", '#include "common/canonical/cell.h"\n', "stands below common/canonical"),
    ("layers", "common/canonical/a.c", '#include "common/wire/varint.h"\n', None),
    ("layers", "common/canonical/a.c", '#include "common/daemon/loop.h"\n', "stands below common/daemon"),
    ("layers", "common/canonical/a.c", "#include <sodium.h>\n", "only common/crypto"),
    ("layers", "common/crypto/a.c", "#include <sodium.h>\n", None),
    ("layers", "common/daemon/a.c", '#include "services/dht/dht.h"\n', "services talk through proto"),
    ("layers", "services/dht/a.c", '#include "services/gossip/topic.h"\n', "services talk through proto"),
    ("layers", "services/dht/a.c", '#include "services/dht/routing.h"\n', None),
    ("layers", "services/sim/a.c", '#include "services/gossip/topic.h"\n', None),
    ("layers", "services/sim/a.c", '#include "services/gossip/shell.h"\n', "services talk through proto"),
    ("layers", "services/sim/a.c", '#include "services/worker/pool.h"\n', "services talk through proto"),
    ("layers", "services/dht/a.c", '#include "common/daemon/loop.h"\n', "stands below common/daemon"),
    ("layers", "services/dht/shell.c", '#include "common/daemon/loop.h"\n', None),
    ("layers", "services/dht/main.c", '#include "common/daemon/service.h"\n', None),
    ("layers", "services/dht/a.c", '#include "nowhere.h"\n', "from the root of the tree"),
    ("purity", "common/base/a.c", body(["return (int) time(0);"]), "calls time()"),
    ("purity", "common/base/a.c", body(['puts("time(0)"); // time(0)']), None),
    ("purity", "services/dht/a.c", body(["return socket(1, 2, 3);"]), "calls socket()"),
    ("purity", "services/dht/a.c", body(["return d->connect(d);", "x.open(1);"]), None),
    ("purity", "services/dht/a.c", "int connect(int a);\n", None),
    ("purity", "services/dht/a.c", "static int accept(int a) {\n}\n" + body(["accept(1);"]), None),
    ("purity", "services/dht/shell.c", body(["return socket(1, 2, 3);"]), None),
    ("purity", "services/dht/a.c", body(["getrandom(p, 1, 0);"]), "calls getrandom()"),
    ("names", "common/base/a.c", "int twice(void) {\n}\n", "is also in common/aaa.c"),
    ("names", "common/base/a.c", "static int twice(void) {\n}\n", None),
    ("names", "services/dht/shell.c", "int twice(void) {\n}\n", None),
    ("function-length", "common/base/a.c", body(["x++;"] * 59), "has 61 lines"),
    ("function-length", "common/base/a.c", body(["x++;"] * 58), None),
    ("function-length", "common/base/a.c", "static const int t[] = {\n" + "1,\n" * 100 + "};\n", None),
    ("file-length", "common/base/a.c", "\n" * 601, "601 lines"),
    ("file-length", "common/base/a.c", "\n" * 600, None),
    ("file-length", "common/base/a.h", "\n" * 151, "151 lines"),
    ("parameters", "common/base/a.c", "int f(int a, int b, int c, int d, int e, int g, int h) {\n}\n", "takes 7"),
    ("parameters", "common/base/a.c", "int f(int a, int b, int c, int d, int e, int (*g)(int, int)) {\n}\n", None),
    ("nesting", "common/base/a.c", body(["if (a)", "for (;;)", "while (b)", "if (c)", "x++;"]), "nests 4 deep"),
    ("nesting", "common/base/a.c", body(["if (a) { for (;;) { while (b) { do { x++; } while (c); } } }"]), "nests 4 deep"),
    ("nesting", "common/base/a.c", body(["if (a) x++; else if (b) x++; else if (c) x++; else if (d) x++; else if (e) x++;"]), None),
    ("nesting", "common/base/a.c", body(["struct s v = { { { { 1 } } } };", "f((struct s){ { { { 1 } } } });"]), None),
    ("nesting", "common/base/a.c", body(["switch (a) {", "case 1:", "if (b) LIST_FOREACH (i, l) { if (c) x++; }", "}"]), "nests 4 deep"),
    ("nesting", "common/base/a.c", body(["switch (a) {", "case 1:", "if (b) x++;", "default:", "if (b) x++;", "}"]), None),
    ("headers", "common/base/a.h", "#ifndef A_H\n", "begins with #pragma once"),
    ("headers", "common/base/a.h", GOOD, None),
    ("unfinished", "common/base/a.c", "// TO" + "DO: later\n", "unfinished work"),
    ("unfinished", "common/base/a.c", "/* no methodology */\n", None),
    ("cleanups", "common/base/a.c", body(["CLEANUP(buffer_donep) struct buffer b;"]), "begins as something"),
    ("cleanups", "common/base/a.c", body(["CLEANUP(buffer_donep) struct buffer b = {};"]), None),
    ("formatting", "common/base/a.c", "int  f( void ){return 1 ;}\n", "clang-format -i"),
    ("formatting", "common/base/a.c", "int f(void);\n", None),
    ("protos", "proto/a.proto", "package a;\nmessage M { repeated M children = 1; }\n", "a.M contains itself"),
    ("protos", "proto/a.proto", "package a;\nmessage M { oneof b { N n = 1; } }\nmessage N { map<string, M> m = 1; }\n", "contains itself"),
    ("protos", "proto/a.proto", "package a;\nmessage M { message I { M m = 1; } I i = 1; }\n", "contains itself"),
    ("protos", "proto/a.proto", "package a;\n// message M { M m = 1; }\nmessage M { string m = 1; }\nmessage N { M a = 1; M b = 2; }\n", None),
    ("protos", "proto/a.proto", 'package a;\nservice S { rpc F(M) returns (M); }\nmessage M { bytes F = 1; }\n', None),
    ("readme", "common/base/a.c", "\n", "common/base/README.md: missing"),
    ("readme", "common/base/README.md", "\n" * 121, "more than 120 lines"),
    ("readme", "common/README.md", "| `wire/` | parsers | `base crypto daemon` |\n", "what `wire/` may include is not what"),
    ("readme", "common/README.md", "".join(f"| `{f}/` | x | {' '.join(sorted(m - {f})) or 'nothing'} |\n" for f, m in style.COMMON.items()), None),
    ("defects", "tests/README.md", TABLE, None),
    ("defects", "tests/README.md", TABLE.replace("| N2 |", "| N1 |"), "N2 stands in the table of defects 0 times"),
    ("defects", "tests/README.md", TABLE.replace("test_a.c first", "test_a.c second"), "no test second() that is run"),
    ("defects", "tests/README.md", TABLE.replace("test_a.c first", "test_a.c helper"), "no test helper() that is run"),
    ("defects", "tests/README.md", TABLE.replace("test_a.c", "test_b.c"), "tests/unit/test_b.c is not there"),
    ("defects", "tests/README.md", TABLE.replace("test_p.py of_all", "test_p.py nobody"), "no test nobody() that is run"),
    ("defects", "tests/README.md", TABLE.replace("row 43: later", "some day"), "is neither"),
    ("skips", "tests/README.md", "## Skips\n| `unit/test_s` `unit/test_p` `boot` | `interop/*` |\n", None),
    ("skips", "tests/README.md", "## Skips\n| `unit/test_p` `boot` | `interop/*` |\n", "lacks `unit/test_s`"),
    ("skips", "tests/README.md", "## Skips\n| `unit/test_s` `boot` | `interop/*` |\n", "lacks `unit/test_p`"),
    ("skips", "tests/README.md", "## Skips\n| `unit/test_s` `unit/test_p` | `interop/*` |\n", "lacks `boot`"),
    ("skips", "tests/README.md", "## Skips\n| `unit/test_s` `unit/test_p` `boot` |\n## More\n`interop/*`\n", "lacks `interop/a`"),
    ("fuzz", "tests/fuzz/meson.build", "fuzz_targets = {\n        'a': [base],\n}\n", None),
    ("fuzz", "tests/fuzz/meson.build", "fuzz_targets = {\n}\n", "a is not in fuzz_targets"),
    ("fuzz", "tests/fuzz/meson.build", "fuzz_targets = {\n        'a': [base],\n        'b': [base],\n}\n", "b is not in fuzz_b.c, a corpus"),
    ("parsers", "tests/style/parsers.txt", "a_read a\n", None),
    ("parsers", "tests/style/parsers.txt", "go a\n", "a_read() reads what others wrote and is not in"),
    ("parsers", "tests/style/parsers.txt", "a_read a\nb_read a\n", "no header declares b_read()"),
    ("parsers", "tests/style/parsers.txt", "a_read b\n", "fuzz_b.c that is not there"),
    ("parsers", "tests/style/parsers.txt", "a_read -\n", "a row is"),
    ("parsers", "tests/style/parsers.txt", "a_read a\na_read a\n", "a row is"),
    ("parsers", "tests/style/parsers.txt", "a_read - nobody sends it\n", "does not say which parser it is for"),
    ("parsers", "tests/fuzz/fuzz_a.c", TARGET.replace("go()", "p->a_read(1)"), "fuzz_a.c does not lead to a_read()"),
    ("parsers", "tests/fuzz/fuzz_a.c", TARGET.replace("#include", "//"), "fuzz_a.c does not lead to a_read()"),
    ("parsers", "services/dht/y.c", CALLER, "no fuzz target leads to y()"),
    ("parsers", "services/dht/shell_y.c", CALLER, None),
    ("parsers", "services/worker/y.c", CALLER, None),
    ("machine-paths", "deploy/a.sh", "cd /wo" + "rk/x\n", "a path of one machine"),
    ("machine-paths", "deploy/a.sh", "cd ~/wo" + "rk/x /usr/lib/framework/\n", None),
    ("exceptions", "tests/style/exceptions.txt", "nesting common/base/a.c:f it was like this before\n", "excuses nothing"),
    ("exceptions", "tests/style/exceptions.txt", "nesting common/base/a.c:f\n", "with a real reason"),
]


# What stands in the tree beside the sample.
SKIPPING = [("tests/unit/test_s.c", "        if (geteuid() != 0)\n                skip();\n"), ("tests/unit/test_p.py", 'tap.skip("x", "y")\n'),
            ("tests/boot", "echo '1..0 # SKIP not root'\n"), ("tests/interop/a.py", 'skip_all("x")\n'),
            ("tests/support/tap.py", "def skip_all(why):\n    pass\n"), ("tests/unit/test_n.c", "skip_sanitized(1); noskip();\n")]
OTHER = {"skips": SKIPPING, "names": [("common/aaa.c", "int twice(void) {\n}\n")], "defects": SAMPLE_TESTS,
         "fuzz": [("tests/fuzz/fuzz_a.c", "\n"), ("tests/fuzz/corpus/a/one", "\n")], "parsers": PARSER}


@contextlib.contextmanager
def tree_with(path, text, extra=()):
    with tempfile.TemporaryDirectory() as folder:
        for name, content in [("README.md", "x\n"), (path, text), *extra]:
            target = pathlib.Path(folder) / name
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_text(content)
        config = pathlib.Path(__file__).resolve().parents[2] / ".clang-format"
        (pathlib.Path(folder) / ".clang-format").write_text(config.read_text())
        yield style.Tree(folder)


def problems(check, path, text, extra=()):
    with tree_with(path, text, extra) as tree:
        exceptions = style.Exceptions(tree)
        if check == "exceptions":
            for _, function in style.CHECKS:
                with contextlib.suppress(style.Skip):
                    list(function(tree, exceptions))
            return exceptions.bad + list(exceptions.unused())
        return list(dict(style.CHECKS)[check](tree, exceptions))


def case_failure(check, path, text, want):
    try:
        found = problems(check, path, text, [other for other in OTHER.get(check, ()) if other[0] != path])
    except style.Skip:
        return None
    relevant = [p for p in found if check != "readme" or path.rsplit("/", 1)[0] in p]
    if want is None and relevant:
        return f"reported {relevant}"
    if want and not any(want in p for p in relevant):
        return f"reported {relevant}, not `{want}`"
    return None


def exception_works():
    text = body(["if (a)", "for (;;)", "while (b)", "if (c)", "x++;"])
    extra = [("tests/style/exceptions.txt", "nesting common/base/a.c:f the sample of this very test\n")]
    return None if not problems("nesting", "common/base/a.c", text, extra) else "an exception did not excuse"


def functions_are_found():
    text = ("struct s { int (*f)(int); };\nstatic inline int *\na(void)\n{\n}\n#define X(y) do { y; } while (0)\n"
            "int table[] = { 1 };\nint b(struct s (*p)[2], ...) {\n        if (1) { }\n}\n")
    found = [(f.name, f.line, f.end_line, f.parameters, f.nesting) for f in source.functions(text)]
    want = [("a", 2, 5, 0, 0), ("b", 8, 10, 2, 1)]
    return None if found == want else f"found {found}"


def every_check_has_cases():
    missing = {name for name, _ in style.CHECKS} - {c[0] for c in CASES if c[3]}
    return f"no bad sample for {sorted(missing)}" if missing else None


def main():
    results = [(f"{check}: {path}: {want or 'nothing'}", case_failure(check, path, text, want))
               for check, path, text, want in CASES]
    results += [("an exception excuses", exception_works()), ("functions are found", functions_are_found()),
                ("every check has a bad sample", every_check_has_cases())]
    print(f"1..{len(results)}")
    for number, (name, failure) in enumerate(results, 1):
        print(f"{'not ok' if failure else 'ok'} {number} - {name.replace('#', '')}")
        if failure:
            print(f"# {failure}")
    return 1 if any(f for _, f in results) else 0


if __name__ == "__main__":
    sys.exit(main())
