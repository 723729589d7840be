#!/usr/bin/env python3
"""What people get wrong, and what breaks below them: one clear line that says what to do, the right exit code,
and nothing lost. Tables first; then what needs a running node; then full disks (root only: it mounts tmpfs)."""
import contextlib
import json
import os
import pathlib
import re
import shutil
import sqlite3
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2] / "support"))
import grid as g
from tap import Tap

STRANGER = "12D3KooWRawPbxPtP1eZaJpumGnyWX2DcUyd3RQnydr3eAto4Az7"
ENDLESS = "WITH RECURSIVE c(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM c) SELECT count(*) FROM c"
WIDE = "WITH RECURSIVE c(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM c WHERE i < 400000) " \
       "SELECT i, 'a row of some length ' || i FROM c"
TO_DO = r"; |lists them|get another|give |see |say |set |start|correct|choose|raise|change|look|run |add |cast|free|is the disk full|chmod|no such"


class Node(g.Grid):
    """One node alone, on a port nobody has."""

    def __init__(self, more=""):
        self.more = more
        super().__init__(1, ready=False)

    def _command(self):
        config = self.dir / "c"
        config.mkdir(exist_ok=True)
        # A network of its own: other nodes on this machine and its LAN are none of its candidates.
        (config / "quorate.conf").write_text(f"[network]\nname = alone-{os.getpid()}\n[transport]\nlisten = /ip4/127.0.0.1/udp/0/quic-v1\n" + self.more)
        return [g.QUORATE, "run", *self.place(1), "--config", str(config), "--json"]

    def place(self, node):
        return ["--runtime", str(self.runtime), "--state", str(self.state)]

    def services(self, node):
        try:
            return {s["service"]: s for s in json.loads((self.runtime / "services.json").read_text())["services"]}
        except (OSError, ValueError):
            return {}

    def start(self):
        super().start()
        g.wait_until("a worker", lambda: (s := self.status(1)) and s["workers"] > 0)


class Place:
    """A directory with files of every wrong kind, and a node's directories that nobody uses."""

    def __init__(self):
        self.dir = pathlib.Path(tempfile.mkdtemp(prefix="qb", dir="/tmp"))
        self.env = {"PATH": os.environ.get("PATH", "/usr/bin:/bin"), "HOME": str(self.dir),
                    "XDG_RUNTIME_DIR": str(self.dir), "TMPDIR": str(self.dir)}
        for name in ("ASAN_OPTIONS", "UBSAN_OPTIONS", "LSAN_OPTIONS", "QUORATE_SANITIZED_EXECUTOR"):
            if name in os.environ:
                self.env[name] = os.environ[name]
        self.good = self.path("good.db")
        with contextlib.closing(sqlite3.connect(self.good)) as db:
            db.executescript("CREATE TABLE t(x INTEGER) STRICT; INSERT INTO t VALUES (1), (2), (3);")
        self.path("text.txt").write_text("not a database at all\n" * 100)
        self.path("empty.db").write_bytes(b"")
        broken = bytearray(self.good.read_bytes())
        broken[100:] = os.urandom(len(broken) - 100)
        self.path("broken.db").write_bytes(broken)
        self.path("section").mkdir()
        self.path("section/quorate.conf").write_text("[node]\nbogus = 1\n")
        self.path("config").mkdir()
        self.path("config/quorate.conf").write_text("[transport]\nnonsense = 3\n")

    def path(self, name):
        return self.dir / name

    def where(self):
        return ["--runtime", str(self.path("r")), "--state", str(self.path("s"))]

    def run(self, *arguments, timeout=30, env=None, user=None, stdout=subprocess.PIPE):
        where = [] if arguments[0] == "sim" else self.where()  # its nodes live in memory
        command = [g.QUORATE, arguments[0], *where, *map(str, arguments[1:])]
        if user is not None:
            command = ["setpriv", f"--reuid={user}", f"--regid={user}", "--clear-groups", *command]
        return subprocess.run(command, stdout=stdout, stderr=subprocess.PIPE, text=True, timeout=timeout,
                              env={**self.env, **(env or {})}, stdin=subprocess.DEVNULL)


def make_large(path):
    with contextlib.closing(sqlite3.connect(path)) as db:
        db.execute("CREATE TABLE t(x TEXT) STRICT")
        db.executemany("INSERT INTO t VALUES (?)", ((os.urandom(500).hex(),) for _ in range(20000)))
        db.commit()


def tell(tap, name, done, code, wanted):
    """One line on stderr, the exit code, the words."""
    lines = [line for line in done.stderr.splitlines() if line.startswith("quorate: ")]
    tap.check(done.returncode == code and len(lines) == 1 and re.search(wanted, lines[0]) and
              re.search(TO_DO, lines[0]),
              f"{name}: exit {code}, one line that says what to do",
              f"exit {done.returncode}", "stderr: " + done.stderr[-2000:], "stdout: " + (done.stdout or "")[-500:])


# What no host would run: said at once and alike, with a node and without one.
STATEMENTS = (
    ("two statements", ["SELECT 1; SELECT 2"], 5, "REFUSED: a second statement begins at byte 10; give one at a time$"),
    ("only a comment", ["--", "-- what is it"], 5, "REFUSED: there is no statement, only blanks or a comment; give one SELECT$"),
    ("a comment and nothing", ["/* x */ ;"], 5, "REFUSED: there is no statement"),
    ("delete", [" DELETE FROM nowhere"], 5, "REFUSED: DELETE at byte 1 writes: .*; give one SELECT, and change data where"),
    ("insert", ["INSERT INTO nowhere VALUES (1)"], 5, "REFUSED: INSERT at byte 0 writes"),
    ("create", ["CREATE TABLE x(y)"], 5, "REFUSED: CREATE at byte 0 writes"),
    ("pragma", ["PRAGMA table_info(x)"], 5, "REFUSED: PRAGMA at byte 0 is a setting of the engine; leave it out"),
    ("attach", ["ATTACH 'x.db' AS x"], 5, "REFUSED: ATTACH at byte 0 opens no file here; give the file with --data NAME=FILE"),
    ("explain", ["EXPLAIN SELECT 1"], 5, "REFUSED: EXPLAIN at byte 0 .*`quorate explain`"),
    ("call", ["CALL pragma_version()"], 5, "REFUSED: CALL at byte 0 runs a procedure of the engine.*; leave it out and give one SELECT$"),
    ("set", ["--", "-- how\nSET threads = 4"], 5, "REFUSED: SET at byte 7 is a setting of the engine; leave it out and give one SELECT$"),
    ("copy", ["COPY t TO 'x.csv'"], 5, "REFUSED: COPY at byte 0 opens no file here; .*--save-rows"),
    ("install", ["INSTALL httpfs"], 5, "REFUSED: INSTALL at byte 0 adds to the engine.*; leave it out$"),
    ("vacuum", ["VACUUM"], 5, "REFUSED: the statement at byte 0 writes"),
    ("a function that is not for all", ["SELECT load_extension('x')"], 5, "REFUSED: a function at byte 7 is not among.*leave it out"),
)


def command_table(p):
    q = "query"
    return [
        ("unknown command", ["qurey", "SELECT 1"], 2, "unknown command 'qurey', did you mean `query`; .*lists them"),
        ("unknown command, nothing like it", ["zebra"], 2, "unknown command 'zebra'; .*lists them"),
        ("mistyped option", [q, "--quroum", "2", "SELECT 1"], 2, "unknown option --quroum, did you mean --quorum; see"),
        ("reference of a mistyped service", ["config", "reference", "coordinatr"], 2,
         "no service 'coordinatr' here, did you mean `coordinator`; give one of keyring, transport"),
        ("config what", ["config"], 2, "say show, check, or reference"),
        ("unknown option", [q, "--nope", "SELECT 1"], 2, "unknown option --nope"),
        ("option without its value", [q, "SELECT 1", "--data"], 2, "--data needs"),
        ("time without a unit", [q, "--timeout", "3", "SELECT 1"], 2, "time with its unit"),
        ("no time", [q, "--timeout", "0s", "SELECT 1"], 2, "time with its unit.*from 1ms on"),
        ("no replicas", [q, "-k", "0", "SELECT 1"], 2, "whole number from 1 on"),
        ("quorum of none", [q, "-Q", "0", "SELECT 1"], 2, "whole number from 1 on"),
        ("memory that is nothing", [q, "--max-memory", "1K", "SELECT 1"], 2, "'1K' will not do for --max-memory: give a size.*from 1M on"),
        ("no rows", [q, "--max-rows", "0", "SELECT 1"], 2, "whole number from 1 on"),
        ("no statement", [q], 2, "give one statement"),
        ("an empty statement", [q, " ;"], 2, "the statement is empty; give one"),
        ("run with an operand", ["run", "extra"], 2, "takes options only, not 'extra'; see"),
        ("pause with an operand", ["pause", "extra"], 2, "takes options only, not 'extra'; see"),
        ("job list of something", ["job", "list", "extra"], 2, "takes options only, not 'extra'; see"),
        ("help on two", ["help", "run", "query"], 2, "give one command"),
        ("shape that is none", [q, "--format", "xml", "SELECT 1"], 2, "'xml' will not do for --format: give table"),
        ("rows saved where nobody may write", [q, "--save-rows", "/proc/x", "SELECT 1"], 2, "--save-rows /proc/x: .*give a file"),
        ("quorum above replicas", [q, "-k", "2", "-Q", "3", "SELECT 1"], 2, "needs at least as many --replicas"),
        ("data is not there", [q, "--data", p.path("none.db"), "SELECT 1"], 2, r"none\.db: No such file"),
        ("data is a folder", [q, "--data", p.dir, "SELECT 1"], 2, "not a file"),
        ("data is text", [q, "--data", p.path("text.txt"), "SELECT 1"], 2, r"not a SQLite database; .* a Parquet file, or .*\.csv"),
        ("data is empty", [q, "--data", p.path("empty.db"), "SELECT 1"], 2, "not a SQLite database"),
        ("data is broken", [q, "--data", p.path("broken.db"), "SELECT 1"], 2, r"broken\.db: "),
        ("more data than a query takes", [q, *[a for i in range(9) for a in ("--data", f"t{i}={p.good}")], "SELECT 1"], 2,
         "--data: at most 8 in one query; put some into one SQLite file"),
        ("two inputs of one name", [q, "--data", p.good, "--data", p.good, "SELECT 1"], 2, "two inputs are called"),
        *((name, [q, *arguments], code, wanted) for name, arguments, code, wanted in STATEMENTS),
        ("writing statement", [q, "--data", p.good, "DELETE FROM t"], 5, "DELETE at byte 0 writes"),
        ("a comment where options stand", [q, "-- what is it"], 2, "unknown option -- what is it.*behind a --"),
        ("syntax error", [q, "SELECT FROM"], 5, "PARSE at byte 7"),
        ("unknown table", [q, "SELECT 1 FROM nowhere"], 5, "UNKNOWN_NAME at byte 14.*nowhere"),
        ("expired deadline", [q, "--timeout", "300ms", ENDLESS], 5, "TIMEOUT"),
        ("too much CPU", [q, "--max-cpu", "300ms", ENDLESS], 5, "LIMIT: .* cpu .*--max-cpu"),
        ("too many rows", [q, "--max-rows", "2", "--data", p.good, "SELECT x FROM t"], 5, "RESULT_LIMIT.*--max-rows"),
        ("remote, and no node", [q, "--prefer", "remote", "SELECT 1"], 5, "no node is running here.*quorate run"),
        ("hosts by name, and no node", [q, "--host", STRANGER, "SELECT 1"], 5, "no node is running here, and --host.*quorate run"),
        ("hosts by name, but local", [q, "--host", STRANGER, "--prefer", "local", "SELECT 1"], 2, "--host names others.*give one"),
        ("a quorum, and no node", [q, "-Q", "2", "SELECT 1"], 5, "--quorum needs one.*quorate run"),
        ("unanimous, and no node", [q, "--verify", "unanimous", "SELECT 1"], 5, "--verify unanimous needs one"),
        ("a configuration that is not there", ["config", "check", "--config", p.path("none")], 2, "give a file or folder"),
        ("configuration with an unknown section", ["config", "check", "--config", p.path("section")], 2, r"quorate\.conf:1: "),
        ("status, and no node", ["status"], 5, "quorate run"),
        ("list of no jobs", ["job", "list", "--limit", "0"], 2, "whole number from 1 on"),
        ("list of too many jobs", ["job", "list", "--limit", "201"], 2, "give at most 200"),
        ("list of too many receipts", ["receipt", "list", "--limit", "201"], 2, "give at most 200"),
        ("attach to nonsense", ["job", "attach", "xyz"], 2, "64 hex digits"),
        ("receipt that is not there", ["receipt", "verify", p.path("none")], 2, "No such file"),
        ("receipt that is text", ["receipt", "verify", p.path("text.txt")], 5, r"text\.txt: REFUSED by the check .checksum.: it is text, not a receipt; "),
        ("receipt that is a database", ["receipt", "show", p.good], 5, r"good\.db: .* it is a SQLite database, not a receipt; "),
        ("key over a file", ["key", "new", p.path("text.txt")], 5, "never overwritten"),
        ("configuration with an unknown key", ["config", "check", "--config", p.path("config")], 2,
         r"quorate\.conf:2: .*nonsense.*unknown key.*`quorate config reference transport` lists them"),
    ]


# What a configuration may say, but no node can use: refused with file, line, key and value, by `config check` and
# by `run` alike.
USELESS = (
    ("a place to begin that is a word", "dht", "bootstrap = foo", "foo", "is no address; write host:port"),
    ("one with such a number", "dht", "bootstrap = /ip4/300.1.1.1/udp/1/quic-v1", "/ip4/300.1.1.1/udp/1/quic-v1", "is no address; write"),
    ("one with such a port", "dht", "bootstrap = 127.0.0.1:99999", "127.0.0.1:99999", "is no address; write"),
    ("one of a book", "dht", "bootstrap = 192.0.2.1:4001", "192.0.2.1:4001", "leads nowhere: .*; write"),
    ("one of TCP", "dht", "bootstrap = /ip4/127.0.0.1/tcp/1", "/ip4/127.0.0.1/tcp/1", "cannot be dialled: .*; write"),
    ("half an id", "dht", "bootstrap = 12D3KooWfoo@127.0.0.1:1", "12D3KooWfoo@127.0.0.1:1", "no peer id before its @; write"),
    ("a meeting point that is a word", "dht", "meet = foo", "foo", "is no address; write"),
    ("a peer to stay connected to", "transport", "bootstrap = foo", "foo", "is no address; write"),
    ("where to listen", "transport", "listen = 127.0.0.1:4001", "127.0.0.1:4001", "not of the form .*; write it so"),
    ("what to announce", "transport", "announce = foo", "foo", "is no address; write"),
    ("whom to allow", "transport", "allow = foo", "foo", "is no peer id; write"),
    ("whom to allow in the network", "network", "allow = foo", "foo", "is no peer id; write"),
    ("whom to refuse", "host", "deny = foo", "foo", "is no peer id; write"),
    ("whom to ask", "query", "peers = 192.0.2.1:4001", "192.0.2.1:4001", "does not say who that is; write"),
)


def test_useless(tap):
    p = Place()
    try:
        p.path("useless").mkdir()
        for name, section, row, value, wanted in USELESS:
            p.path("useless/quorate.conf").write_text(f"[{section}]\n{row}\n")
            key = row.split(" =")[0]
            wanted = rf'quorate\.conf:2: \[{section}\] {key}: "{re.escape(value)}" .*{wanted}'
            tell(tap, f"config check: {name}", p.run("config", "check", "--config", p.path("useless")), 2, wanted)
        run = p.run("run", "--config", p.path("useless"))
        tap.check(run.returncode == 2 and "quorate.conf:2: [query] peers:" in run.stderr and "starting it again" not in run.stderr,
                  "run says the same and starts nothing", run)
        p.path("useless/quorate.conf").write_text("[query]\nquorum = 3\nreplicas = 2\n")
        tell(tap, "config check: a quorum above the replicas", p.run("config", "check", "--config", p.path("useless")), 2,
             r"\[query\] quorum = 3, replicas = 2, .*; change one")
    finally:
        shutil.rmtree(p.dir)


def discovery_table(p):
    """peers, find, record, topic, mailbox, dht, block: what is wrong before any node is asked."""
    return [
        ("depth that is none", ["peers", "--depth", "-2"], 2, "whole number, or -1 for no limit"),
        ("no peers at most", ["peers", "--max-peers", "0"], 2, "whole number from 1 on"),
        ("time for nothing", ["peers", "--timeout", "5s"], 2, "give --rpc, a PEER or --topic"),
        ("as many of those known", ["peers", "--max-peers", "5"], 2, "give --rpc, a PEER or --topic"),
        ("peers as the shell has it", ["peers", "@" + STRANGER], 2, f"in the shell alone; here give {STRANGER}"),
        ("why as the shell has peers", ["why", "@" + STRANGER], 2, f"in the shell alone; here give {STRANGER}"),
        ("crawl without a unit", ["peers", "--rpc", "--timeout", "30"], 2, "time with its unit"),
        ("begin at nobody", ["peers", "nobody"], 2, "'nobody' is nobody to ask; give"),
        ("begin at an address of nobody", ["peers", "192.0.2.1:4001"], 2, "nobody to ask; give"),
        ("hear and ask at once", ["peers", "--gossip", "--rpc"], 2, "give one of them"),
        ("all and ask at once", ["peers", "--all", STRANGER], 2, "give one of them"),
        ("peers, and no node", ["peers"], 5, "quorate run"),
        ("crawl, and no node", ["peers", "--rpc"], 5, "quorate run"),
        ("why whom", ["why"], 2, "give one peer id"),
        ("why nonsense", ["why", "xyz"], 2, "'xyz' is no peer id; give one whole"),
        ("find whom", ["find"], 2, "give one peer id"),
        ("find a short id", ["find", "…eAto4Az7"], 2, "no peer id; give one whole"),
        ("find in no time", ["find", "-t", "0s", STRANGER], 2, "from 1ms on"),
        ("find, and no node", ["find", STRANGER], 5, "quorate run"),
        ("block whom", ["block"], 2, "block: give one peer id"),
        ("block two", ["block", STRANGER, STRANGER], 2, "block: give one peer id"),
        ("block for no time", ["block", "--for", "0s", STRANGER], 2, "from 1ms on"),
        ("block for a long reason", ["block", "--reason", "x" * 201, STRANGER], 2, "give at most 200 bytes"),
        ("unblock nonsense", ["unblock", "xyz"], 2, "no peer id; give one whole"),
        ("blocklist of somebody", ["blocklist", STRANGER], 2, "takes no operands; see"),
        ("simulate one node", ["sim", "--nodes", "1"], 2, "give 2 to 100000"),
        ("simulate nonsense", ["sim", "--churn", "x"], 2, "give MIN|off"),
        ("simulate moments", ["sim", "--churn", "0.001"], 2, "from 0.1 on; 0 is off"),
        ("simulate with an unknown option", ["sim", "--bogus"], 2, "no such option"),
        ("record what", ["record"], 2, "record: say get NAME"),
        ("record with an unknown verb", ["record", "fetch", "/pk/x"], 2, "record: say get NAME"),
        ("record get without a name", ["record", "get"], 2, "give a name"),
        ("record get of what is no name", ["record", "get", "chess"], 2, "give a name"),
        ("record get of half a digit", ["record", "get", "hex:0"], 2, "give a name"),
        ("record rm without a name", ["record", "rm"], 2, "give a name"),
        ("record put of nothing", ["record", "put"], 2, "give a kind"),
        ("record put without a payload", ["record", "put", "name", "sales"], 2, "give its payload"),
        ("record put for no life", ["record", "put", "name", "x", "--hex", "00", "--ttl", "500ms"], 2, "such as 90s, 12h or 2d, from 1s on"),
        ("record put for what is no time", ["record", "put", "name", "x", "--hex", "00", "--ttl", "bogus"], 2,
         "such as 90s, 12h or 2d, from 1s on"),
        ("record put of two payloads", ["record", "put", "name", "x", "--hex", "00", "--file", "-"], 2, "give its payload"),
        ("record put of no digits", ["record", "put", "name", "x", "--hex", "0a0g"], 2, "'g' at place 4 is no hex digit; give pairs"),
        ("record put of half a byte", ["record", "put", "name", "x", "--hex", "0a0"], 2, "3 digits are no whole bytes; give pairs"),
        ("record put of too many digits", ["record", "put", "name", "x", "--hex", "00" * 15873], 2, "15873 bytes are too many; give at most"),
        ("record put of a file that is not there", ["record", "put", "name", "x", "--file", p.path("none")], 2,
         "No such file.*give another"),
        ("record put of a folder", ["record", "put", "name", "x", "--file", p.dir], 2, "Is a directory; give another"),
        ("record put of too much", ["record", "put", "profile", "--file", p.path("large")], 2,
         "longer than 15872 bytes; give less"),
        ("record list of something", ["record", "list", "name"], 2, "takes no operands; see"),
        ("topic what", ["topic"], 2, "topic: say"),
        ("topic with an unknown verb", ["topic", "join", "chess"], 2, "not 'join'"),
        ("topic without a name", ["topic", "find", ""], 2, "give a topic of 1 to 128 bytes"),
        ("topic with a long name", ["topic", "find", "x" * 129], 2, "give a topic of 1 to 128 bytes"),
        ("topic that says too much", ["topic", "announce", "x", "--file", p.path("large")], 2, "longer than 512 bytes"),
        ("mailbox what", ["mailbox"], 2, "mailbox: say"),
        ("letter to nobody", ["mailbox", "send"], 2, "give the peer id"),
        ("letter to nonsense", ["mailbox", "send", "xyz"], 2, "no peer id; give one whole"),
        ("letter without a text", ["mailbox", "send", STRANGER], 2, "the text is empty; give"),
        ("letter that is too long", ["mailbox", "send", STRANGER, "--file", p.path("large")], 2, "longer than 15872"),
        ("letter, and no node", ["mailbox", "send", STRANGER, "--file", p.path("text.txt")], 5, "quorate run"),
        ("forget what", ["mailbox", "forget"], 2, "give 1 to 64 letters"),
        ("forget all and one", ["mailbox", "forget", "--all", "hex:00"], 2, "give 1 to 64 letters"),
        ("forget nonsense", ["mailbox", "forget", "xyz"], 2, "'xyz' is no letter; `quorate mailbox read` lists them"),
        ("read something", ["mailbox", "read", "xyz"], 2, "takes no operands; see"),
        ("dht what", ["dht"], 2, "dht: say stats"),
        ("dht stats, and no node", ["dht", "stats"], 5, "quorate run"),
    ]


def test_discovery(tap):
    p = Place()
    try:
        p.path("large").write_bytes(b"x" * 15873)
        for name, arguments, code, wanted in discovery_table(p):
            tell(tap, name, p.run(*arguments), code, wanted)
    finally:
        shutil.rmtree(p.dir)


def test_commands(tap):
    p = Place()
    try:
        done = p.run("explain", "SELECT 1")
        tap.check(done.returncode == 0 and "no node is running here" in done.stdout and " ran" not in done.stdout,
                  "explain without a node ran nothing, and does not say so", done)
        for name, arguments, code, wanted in command_table(p):
            tell(tap, name, p.run(*arguments), code, wanted)
        reference = p.run("config", "reference", "transport")
        tap.check(reference.returncode == 0 and re.search(r"# .*\n# .*\nlisten = ", reference.stdout) and not reference.stderr,
                  "the reference that errors name explains every key", reference)
        keys = [json.loads(line) for line in p.run("config", "reference", "--json").stdout.splitlines()]
        tap.check({"coordinator", "transport", "worker"} <= {k["service"] for k in keys} and all(k["key"] and k["meaning"] and k["allowed"] for k in keys) and
                  {"service": "coordinator", "section": "query", "key": "quorum", "default": "2"}.items() <=
                  next(k for k in keys if (k["section"], k["key"]) == ("query", "quorum")).items(), "for programs too", keys[:3])
        run = p.run("run", "--config", p.path("config"))
        tap.check(run.returncode == 2 and re.search(r"quorate\.conf:2: .*nonsense: unknown key", run.stderr) and
                  "starting it again" not in run.stderr, "run with an unknown key: file:line, exit 2, no retries", run)
        before = p.good.read_bytes()
        p.run("query", "--data", p.good, "DELETE FROM t")
        tap.check(p.good.read_bytes() == before, "the user's file is as it was")
        left = [f.name for f in p.dir.iterdir() if "snapshot" in f.name]
        tap.equal(left, [], "no snapshot is left")
    finally:
        shutil.rmtree(p.dir)


def test_output(tap):
    """Rows that nobody could write down are no success, whatever hosts say of them."""
    p = Place()
    try:
        many = "WITH RECURSIVE c(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM c WHERE i < 30000) SELECT i FROM c"
        for name, arguments in (("rows", ["query", "-q", "SELECT 1"]), ("JSON", ["query", "--json", "SELECT 1"]),
                                ("many rows", ["query", "-q", many]), ("a help", ["query", "--help"])):
            with open("/dev/full", "w", encoding="ascii") as full:
                tell(tap, f"{name} on a full disk", p.run(*arguments, stdout=full), 5, "could not be written whole")
        done = subprocess.run(["sh", "-c", '"$0" query --runtime r --state s -q "SELECT 1" >&-', g.QUORATE],
                              capture_output=True, text=True, timeout=30, env=p.env, cwd=p.dir, check=False)
        tell(tap, "rows, and no standard output", done, 5, "could not be written whole")
    finally:
        shutil.rmtree(p.dir)


def test_foreign_runtime(tap):
    """Who can write to the folder of the sockets decides who answers: it must be nobody else."""
    p = Place()
    try:
        for folder in ("quorate", "theirs"):
            p.path(folder).mkdir()
            p.path(folder).chmod(0o777)
        if os.geteuid() != 0:  # the usual folder of root is no folder of a test
            for arguments in (["query", "SELECT 1"], ["status"]):
                done = subprocess.run([g.QUORATE, *arguments], capture_output=True, text=True, timeout=30, env=p.env,
                                      check=False)
                tell(tap, f"{arguments[0]} where anybody could listen", done, 5, "others could have put the sockets")
        done = subprocess.run([g.QUORATE, "run", "--runtime", p.path("theirs"), "--state", p.path("s")],
                              capture_output=True, text=True, timeout=30, env=p.env, check=False)
        tell(tap, "run in a folder of everybody", done, 2, "only you can write to.*--runtime DIR")
        tap.check(not p.path("s").exists(), "and leaves no state folder", list(p.path("s").rglob("*")))
        done = subprocess.run([g.QUORATE, "run", "--runtime", p.path("r"), "--state", p.path("theirs")],
                              capture_output=True, text=True, timeout=30, env=p.env, check=False)
        tell(tap, "run with its state in a folder of everybody", done, 2, "only you can write to.*--state DIR")
    finally:
        shutil.rmtree(p.dir)


def test_unreadable(tap):
    p = Place()
    try:
        p.path("secret.db").write_bytes(p.good.read_bytes())
        p.path("secret.db").chmod(0)
        user = None
        if os.geteuid() == 0:
            user = 65534
            os.chmod(p.dir, 0o755)
        tell(tap, "data that may not be read", p.run("query", "--data", p.path("secret.db"), "SELECT 1", user=user),
             2, "Permission denied")
    finally:
        shutil.rmtree(p.dir)


def test_key(tap):
    p = Place()
    try:
        made = p.run("key", "new", "--difficulty", "0")
        seed = p.path("s/keyring/seed")
        tap.check(made.returncode == 0 and seed.exists(), "key new without FILE makes this node's", made)
        seed.chmod(0o644)
        before = seed.read_bytes()
        tell(tap, "run with a key others can read", p.run("run"), 2, r"seed: .*chmod 600")
        tap.check(seed.read_bytes() == before, "the key is as it was")
        seed.chmod(0o600)
        seed.write_bytes(b"no seed at all")
        run = p.run("run")
        tap.check(run.returncode == 2 and len(run.stderr.splitlines()) == 1 and re.search(r"seed: this is no seed file.*`quorate key new`", run.stderr),
                  "run with a key that is none: one line, exit 2", run)
        tap.check(not p.path("r").exists(), "and leaves no empty folder", list(p.path("r").rglob("*")))
    finally:
        shutil.rmtree(p.dir)


def test_large_data(tap):
    """Far more than the credit of one channel."""
    with Node() as grid:
        data = grid.dir / "big.db"
        make_large(data)
        answer = grid.begin("SELECT count(*), sum(length(x)) FROM t", data=data).wait()
        tap.check(answer.code == 0 and answer.rows == [(20000, 20000000)], "20 MB of data", answer)


def test_node(tap):
    with Node() as grid:
        code, _, err = grid.ctl(1, "record", "put", "name", "x", "--hex", "00" * 31)
        tap.check(code == 2 and "a name has 32 bytes, this one 31" in err, "record put: how many bytes it takes", err)
        for verb in ["topic", "withdraw", "go"], ["record", "rm", "/topic/go"]:
            code, _, err = grid.ctl(1, *verb)
            tap.check(code == 5 and "publishes nothing under that name; `quorate record list`" in err,
                      f"{' '.join(verb)} of what is not there", err)
        code, _, err = grid.ctl(1, "query", "--prefer", "remote", "SELECT 1")
        tap.check(code == 5 and "NO_CANDIDATES" in err and "quorate peers" in err, "no hosts: NO_CANDIDATES", err)
        code, _, err = grid.ctl(1, "query", "--prefer", "remote", "--host", STRANGER, "SELECT 1")
        tap.check(code == 5 and re.search("NO_CANDIDATES|TOO_FEW_HOSTS", err) and len(err.splitlines()) == 1,
                  "a host nobody knows: said at once", err)
        code, _, err = grid.ctl(1, "query", "--host", STRANGER, "SELECT 1")
        tap.check(code == 5 and "NO_CANDIDATES: no host can run this (none of the hosts that were named is known here)" in err and
                  len(err.splitlines()) == 1, "nor is it answered here instead", code, err)
        joined = "SELECT pi(), group_concat(x) FROM (SELECT 1 AS x)"
        code, _, err = grid.ctl(1, "query", "--prefer", "remote", joined)
        tap.check(code == 5 and re.search("NOT_VERIFIABLE: `group_concat` at byte 13 .*joins rows", err) and len(err.splitlines()) == 1,
                  "what cannot be verified is named, with its place", code, err)
        code, out, err = grid.ctl(1, "explain", "--prefer", "remote", joined)
        tap.check(code == 5 and re.search("^route +none$", out, re.M) and "--verify fast" in out, "explain: no route, and what else to do", out, err)
        explained = json.loads(grid.ctl(1, "explain", "--json", "--prefer", "remote", joined)[1])
        tap.equal((explained["class"], explained["route"], explained["exit"]), ("REFUSED", "", 5), "the same for programs")
        for wrong in (["--prefer", "local", "--engine-diverse"], ["--engine", "sqlite", "--engine", "duckdb"], ["--engine-diverse", "--engine", "sqlite"]):
            for command in ("query", "explain"):
                code, _, err = grid.ctl(1, command, *wrong, "SELECT 1")
                tap.check(code == 2 and "give one" in err and len(err.splitlines()) == 1, f"{command} {' '.join(wrong)}: exit 2, one line", code, err)
        code, _, err = grid.ctl(1, "query", "--host", "12D3nonsense", "SELECT 1")
        tap.check(code == 2 and "not a peer id" in err, "a host that is no peer id: usage", err)
        second = subprocess.run(grid._command(), capture_output=True, text=True, timeout=20, env=grid.env)
        tap.check(second.returncode not in (0, 124) and
                  re.search("already|another|in use|lock", second.stderr) and len(second.stderr.splitlines()) == 1,
                  "a second run on the same directory: one line, no start", second)
        elsewhere = [a if a != str(grid.state) else str(grid.state) + "-other" for a in grid._command()]
        second = subprocess.run(elsewhere, capture_output=True, text=True, timeout=20, env=grid.env)
        tap.check(second.returncode == 2 and "--runtime" in second.stderr,
                  "a second run on the same sockets: refused, though its state is another", second)
        answer = grid.begin("SELECT 41 + 1", node=1).wait()
        tap.check(answer.code == 0 and answer.rows == [(42,)], "the first one serves on", answer)
        answer = grid.begin("SELECT 1.5", "--comparison", "engine").wait()
        tap.check(answer.code == 0 and answer.rows == [(1.5,)] and "not_comparable" in answer.json["reason"],
                  "what builds differ in runs here, whatever it was to be compared by", answer)
        check_job_cancel(tap, grid)
        check_lists(tap, grid)
        check_failed_are_listed(tap, grid)
        for name, arguments, code, wanted in (
                ("syntax error", ["SELECT FROM"], 5, "PARSE at byte 7"),
                *STATEMENTS,
                ("expired deadline", ["--timeout", "500ms", ENDLESS], 5, "TIMEOUT"),
                ("more memory than there is", ["--prefer", "local", "--max-memory", "100G", "SELECT 1"], 5,
                 r"LIMIT: --max-memory is more than a job is given here; lower it to \d+[MG] or less$"),
                ("fast, and three hosts", ["--verify", "fast", "-k", "3", "SELECT 1"], 2, "USAGE: verify fast asks one host"),
                ("one host, whose word nobody said is enough", ["-k", "1", "SELECT 1"], 2, "USAGE: replicas 1 leaves nobody.*--quorum 1.*--verify fast"),
                ("all of one host", ["--verify", "unanimous", "-k", "1", "SELECT 1"], 2, "USAGE: replicas 1 leaves nobody"),
                ("compared among engines, which differ in it", ["--comparison", "portable", "--prefer", "remote", "SELECT typeof(1)"], 2,
                 "USAGE: comparison portable: engines may differ in `typeof\\(1\\)` at byte 7: .*; give --comparison engine"),
                ("compared among builds, though they differ in it", ["--comparison", "engine", "--prefer", "remote", "SELECT 1.5"], 2,
                 "USAGE: comparison engine: builds may differ in `1.5` at byte 7: .*; give --comparison class")):
            got, _, err = grid.ctl(1, "query", *arguments)
            tap.check(got == code and re.search(wanted, err) and len(err.splitlines()) == 1,
                      f"through the node, {name}: exit {code}, one line", f"exit {got}", err)


def test_places(tap):
    """Places to begin that are well-formed and no good: in the log, and wherever a person looks."""
    rows = f"bootstrap = {STRANGER}@127.0.0.1:9\nbootstrap = nosuchhost.invalid:4001\n"
    with Node(f"[dht]\nmdns = no\n{rows}") as grid:
        bad = g.wait_until("both were tried", lambda: (p := (grid.status(1) or {}).get("places")) and all(x["why"] for x in p) and p, 60)
        tap.check(len(bad) == 2 and all(x["section"] == "dht" and not x["reached"] for x in bad) and "has no address" in bad[1]["why"],
                  "status: each with its reason", bad)
        out = grid.ctl(1, "peers")[1]
        tap.check("no place to begin that the configuration names is any good" in out and "name one with" not in out and
                  "/p2p/" + STRANGER in out and "nosuchhost.invalid" in out, "peers: why nobody is there", out)
        out = grid.ctl(1, "doctor")[1]
        tap.check("no place to begin" in out and "nosuchhost.invalid" in out, "doctor: the same", out)
        log = g.wait_until("the log", lambda: re.search(r"dht: nobody is reached.*trying goes on", (grid.dir / "log").read_text()), 20)
        tap.check(STRANGER in log.group(0), "one line of the log", log)


def check_lists(tap, grid):
    """A list says what it leaves out; statements too long for one answer do not take its place."""
    long = "SELECT 1 /* " + "x" * 110000 + " */"
    for _ in range(11):
        grid.ctl(1, "query", "--quiet", long)
    code, out, err = grid.ctl(1, "job", "list", "--limit", "11")
    lines = out.splitlines()
    more = re.fullmatch(r"… (\d+) more: --limit (\d+) lists them", lines[-1]) if lines else None
    tap.check(code == 0 and len(lines) == 12 and more and int(more[2]) == int(more[1]) + 11, "job list says how many it leaves out", code, out[-300:], err)
    told = grid.ctl_json(1, "job", "list", "--limit", "11")
    tap.check(told and len(told) == 12 and more and told[-1] == {"more": int(more[1])}, "and in JSON, in its last line", told and told[-1])
    whole = grid.ctl_json(1, "job", "list", "--limit", more[2] if more else "1")
    tap.check(whole and more and len(whole) == int(more[2]) and all("job" in j for j in whole), "with that limit it lists all", whole and len(whole))


def check_failed_are_listed(tap, grid):
    """One that failed before it had a descriptor is a job that ended, not one a restart breaks off."""
    sql = "SELECT nosuch FROM nowhere"
    grid.ctl(1, "query", "--quiet", sql)
    told = grid.ctl_json(1, "job", "list", "--limit", "1")
    tap.check(told and told[0].get("sql") == sql and told[0].get("state") == "SQL_ERROR", "a query with an SQL error is in the list, ended", told)


def check_job_cancel(tap, grid):
    endless = grid.begin(ENDLESS, node=1)
    jobs, until = [], time.monotonic() + 10
    while not jobs and time.monotonic() < until:
        _, out, _ = grid.ctl(1, "job", "list", "--json")
        jobs = [j["job"] for j in map(json.loads, out.splitlines()) if j["state"] == "running"]
        time.sleep(0.1)
    grid.ctl(1, "query", "--quiet", "SELECT 'later'")
    code, _, err = grid.ctl(1, "job", "cancel", *jobs)
    tap.check(code == 0, "job cancel stops a running job", jobs, err)
    tap.check(endless.wait().code == 5, "whoever waits for it is told")
    began = [(j["started_us"], j["sql"]) for j in grid.jobs(1)]
    tap.check(began == sorted(began, key=lambda j: -j[0]) and began[0][1] == "SELECT 'later'",
              "job list has the last one that began first, whichever ended last", began[:3])
    code, _, err = grid.ctl(1, "job", "cancel", *jobs)
    tap.check(code == 5 and "no such job is running" in err, "a second cancel says so", err)


def test_corrupt_state(tap):
    with Node() as grid:
        grid.stop()
        files = [f for f in grid.state.rglob("*.db") if f.stat().st_size]
        tap.check(files, "the node keeps databases", list(grid.state.rglob("*")))
        for f in files:
            check_corrupt(tap, grid, f)


def check_corrupt(tap, grid, f):
    """One at a time: a service that refuses to start stops the node before the others say theirs."""
    good, held = f.read_bytes(), b"this is no database, and it is longer than a header of one is" * 100
    f.write_bytes(held)
    try:
        grid.start()
        log = grid.tail()
    except g.Timeout as e:
        log = str(e) + grid.tail()
    grid.stop()
    said = [line for line in log.splitlines() if f.name in line]
    tap.check(any(re.search("not a (database|journal|record store).*; move it away", line) for line in said),
              f"corrupt {f.name}: named, with what to do", log[-2500:])
    tap.check(any(k.is_file() and k.read_bytes() == held for k in grid.state.rglob("*")),
              f"corrupt {f.name}: nothing was thrown away")
    f.write_bytes(good)


@contextlib.contextmanager
def small_disk(size):
    where = tempfile.mkdtemp(prefix="qd", dir="/tmp")
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", where], check=True)
    try:
        yield pathlib.Path(where)
    finally:
        subprocess.run(["umount", "-l", where], check=True)
        os.rmdir(where)


def may_mount():
    if os.geteuid() != 0:
        return False
    try:
        with small_disk("64k"):
            return True
    except subprocess.CalledProcessError:
        return False


def fill(folder):
    """Takes all the room that is left; returns the file that holds it."""
    ballast = folder / "ballast"
    with open(ballast, "wb", buffering=0) as f:
        for chunk in (1 << 16, 4096, 512, 1):
            with contextlib.suppress(OSError):
                while True:
                    f.write(b"\0" * chunk)
    return ballast


def test_full_disk(tap):
    if not may_mount():
        tap.skip("full disks", "mounting a small tmpfs needs root")
        return
    p = Place()
    try:
        with small_disk("2m") as disk:
            tell(tap, "no room for the spool", p.run("query", WIDE, env={"TMPDIR": str(disk)}), 5, "LIMIT.*spool|RESULT_LIMIT")
            tell(tap, "no room for --save-rows", p.run("query", "--save-rows", disk / "rows", WIDE), 5, "disk full")
            done = p.run("query", "--json", "--save-rows", disk / "rows", WIDE)
            said = json.loads(done.stdout)
            tap.check(done.returncode == 5 and "disk full" in said["error"] and said["exit"] == 5 and said["data"],
                      "no room for --save-rows amid the rows of --json: still one object", done.stdout[-300:])
            tap.equal([f.name for f in disk.iterdir()], [], "no part of a file is left")
        with small_disk("4k") as disk:
            tell(tap, "no room for a snapshot", p.run("query", "--data", p.good, "SELECT x FROM t",
                                                      env={"TMPDIR": str(disk)}), 2, "no room|disk is full|set TMPDIR")
    finally:
        shutil.rmtree(p.dir)


def test_full_node(tap):
    """The journal and the dataset store of a running node."""
    if not may_mount():
        tap.skip("full disk below a node", "mounting a small tmpfs needs root")
        return
    with small_disk("16m") as disk, Node() as grid:
        grid.stop()
        shutil.copytree(grid.state, disk / "s")
        shutil.rmtree(grid.state)
        grid.state.symlink_to(disk / "s")
        grid.start()
        first = grid.begin("SELECT 1").wait()
        tap.check(first.code == 0, "it answers while there is room", first)
        data = grid.dir / "big.db"
        make_large(data)
        done = grid.begin("SELECT count(*) FROM t", data=data).wait()
        tap.check(done.code == 5 and re.search("LIMIT: the limit of disk.*make room", done.err),
                  "no room for a dataset: said", done)
        ballast = fill(disk)
        full = grid.begin("SELECT 2").wait(40)
        tap.check(full.code == 5 and re.search("journal", full.json["message"]), "no room for the journal: said", full)
        ballast.unlink()
        after = g.wait_until("it answers again", lambda: (a := grid.begin("SELECT 3").wait(20)).code == 0 and a, 40)
        tap.check(after.rows == [(3,)], "with room again it answers again", after)
        jobs = grid.jobs(1)
        tap.check(jobs and any(j["job"] == first.job for j in jobs), "the first job is still in the journal", jobs)


if __name__ == "__main__":
    cases = [test_commands, test_useless, test_discovery, test_unreadable, test_output, test_foreign_runtime, test_key, test_large_data,
             test_node, test_places, test_corrupt_state, test_full_disk, test_full_node]
    sys.exit(Tap().run([c for c in cases if len(sys.argv) < 2 or c.__name__ in sys.argv[1:]]))
