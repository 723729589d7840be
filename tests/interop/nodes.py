"""Nodes of ours beside foreign peers: one `quorate run` each, in the default network, with the proof of work it asks for."""
import os
import pathlib
import re
import signal
import socket
import subprocess
import sys
import tempfile

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "support"))
import grid as g

CLIENT = os.environ.get("QUORATE_DISCOVERY_CLIENT", "discovery-client")


def free_port():
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def new_key(path):
    """A foreign peer's private key with the network's proof of work, as README.md says. Returns its peer id."""
    out = subprocess.run([g.QUORATE, "key", "new", "--libp2p", str(path)], check=True, capture_output=True, text=True).stdout
    return re.search(r"peer (\S+)", out).group(1)


class Nodes(g.Grid):
    """Each node is ended by itself and may be told of any others. Nothing is heard over mDNS unless asked for: other tests
    of this machine are of the same network."""

    def __init__(self):
        super().__init__(0)
        self.runs, self.peers, self.ports = {}, {}, {}

    def _configure(self):
        for folder in (self.state, self.runtime):
            folder.mkdir()
            folder.chmod(0o755)

    def start(self):
        pass

    def address(self, node):
        return f"/ip4/127.0.0.1/udp/{self.ports[node]}/quic-v1/p2p/{self.peers[node]}"

    def add(self, bootstrap=(), more="", listen=None, mdns=False, prefix=()):
        """A new node, not waited for. Returns its number."""
        self.n = node = self.n + 1
        state, conf = self.state / f"node-{node}", self.dir / f"c-{node}"
        state.mkdir()
        conf.mkdir()
        self.ports[node] = free_port()
        code, out, err = self.ctl(node, "key", "new", timeout=120)
        assert code == 0, err
        self.peers[node] = re.search(r"peer (\S+)", out).group(1)
        use = "" if mdns else "mdns = no\n"
        (conf / "quorate.conf").write_text(
            f"[transport]\nlisten = {listen or f'/ip4/127.0.0.1/udp/{self.ports[node]}/quic-v1'}\n{use}"
            f"[gossip]\nname = ours-{node}\n[dht]\n{use}" + "".join(f"bootstrap = {b}\n" for b in bootstrap) + more)
        command = [*prefix, g.QUORATE, "run", *self.place(node), "--config", str(conf), "--json"]
        with open(self.dir / "log", "ab") as log, open(self.dir / f"events-{node}", "wb") as events:
            self.runs[node] = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=events, stderr=log, env=self.env,
                                               start_new_session=True, cwd="/")
        return node

    def wait_up(self, *nodes):
        for node in nodes:
            g.wait_until(f"node {node} is ready", lambda: b'"ready"' in (self.dir / f"events-{node}").read_bytes(), 60)

    def wait_table(self, node, least, timeout=30):
        """Until so many peers are in the DHT's table."""
        g.wait_until(f"node {node} has {least} peers in its table", lambda: (s := self.dht(node)) and s["peers"] >= least, timeout)

    def end(self, node):
        run = self.runs.pop(node)
        started = list(g.descendants(run.pid))
        run.send_signal(signal.SIGINT)
        try:
            run.wait(20)
        except subprocess.TimeoutExpired:
            for pid in [run.pid, *started]:
                try:
                    os.kill(pid, signal.SIGKILL)
                except ProcessLookupError:
                    pass
            run.wait()

    def stop(self):
        for node in list(self.runs):
            self.end(node)

    # ---- to ask ----

    def line(self, node, *arguments):
        """The first line of --json output, or None when the command failed."""
        lines = self.ctl_json(node, *arguments)
        return lines[0] if lines else None

    def dht(self, node):
        return self.line(node, "dht", "stats")

    def presences(self, node):
        """{peer: what was heard of it}"""
        return {p["peer"]: p for p in self.ctl_json(node, "peers", "--gossip") or []}

    def links(self, node):
        """{peer: connection}"""
        return {p["peer"]: p for p in self.ctl_json(node, "peers") or [] if p["connected"]}

    def discovery(self, node, command, *arguments):
        """{key: [values]} of one call of discovery_client.c."""
        done = subprocess.run([CLIENT, str(self.runtime / f"node-{node}"), command, *arguments], capture_output=True, text=True,
                              timeout=90)
        result = {}
        for line in done.stdout.splitlines():
            key, _, value = line.partition(" ")
            result.setdefault(key, []).append(value)
        return result

    def gossip_counter(self, node, name):
        return int(self.discovery(node, "gossip")[name][0])
