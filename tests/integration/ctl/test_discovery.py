#!/usr/bin/env python3
"""The commands of discovery against real nodes: who is there, told by this node and by others, found, blocked."""
import json
import pathlib
import signal
import subprocess
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2] / "support"))
import grid as g
from tap import Tap

N = 3
STRANGER = "12D3KooWRawPbxPtP1eZaJpumGnyWX2DcUyd3RQnydr3eAto4Az7"
OTHER_STRANGER = "12D3KooWNpdFjLnmxwdzRV5h5wFs7Xr69k6Z8vwTaYfQCrvCK8Qa"


def lines(out):
    return [json.loads(line) for line in out.splitlines()]


def peers_of(grid, node, *options):
    """By peer id; of a crawl its summary under None."""
    code, out, err = grid.ctl(node, "peers", "--json", *options)
    if code:
        raise g.Timeout(f"peers: exit {code}: {err}")
    return {row["peer"] if "peer" in row else None: row for row in lines(out)}


def is_heard(grid, node):
    others = {grid.peer(i) for i in range(1, N + 1) if i != node}
    heard = peers_of(grid, node, "--gossip")
    return heard if set(heard) == others else None


def check_profile(tap, grid):
    """Letters can be sealed for a node that has just started."""
    code, out, err = g.wait_until("a profile", lambda: (r := grid.ctl(2, "record", "get", f"/profile/{grid.peer(3)}")) and r[0] == 0 and r, 4, 0.2)
    tap.check(code == 0 and "x25519" in out, "a profile is found within 4 s of the start", out, err)


def test_peers(tap):
    with g.Grid(N) as grid:
        check_profile(tap, grid)
        heard = g.wait_until("all are heard", lambda: is_heard(grid, 2), 90, 1)
        tap.check(all(row["version"] for row in heard.values()), "gossip: presence of all others", heard)
        shown = peers_of(grid, 2)
        tap.check(all(shown[p]["connected"] and "rtt_ms" in shown[p] and "version" in shown[p] for p in heard),
                  "merged: one row each, with the connection and the presence", shown)
        told = peers_of(grid, 2, "--depth", "2", "--discover")
        tap.check(set(heard) <= set(told) and told[None]["asked"] >= N - 1 and not told[None]["timed_out"],
                  "asked: peers tell of each other", told)
        one = peers_of(grid, 2, grid.peer(1))
        tap.check(grid.peer(3) in one and one[grid.peer(3)]["via"] in ("", grid.peer(1)), "asked: one peer alone", one)
        capped = peers_of(grid, 2, "--rpc", "--max-peers", "1")
        tap.check(capped[None]["capped"] and len(capped) == 2, "asked: ends with --max-peers", capped)
        check_find(tap, grid)
        check_state(tap, grid)
        check_options(tap, grid)
        check_shell(tap, grid)
        check_names(tap, grid)
        check_records(tap, grid)
        check_block(tap, grid)
        check_long_list(tap, grid)
        check_mdns(tap, grid)


def check_mdns(tap, grid):
    """Transport's [transport] mdns goes off and on: dht asks for the local network again."""
    def reload(text):
        conf.write_text(text)
        grid.signal(2, "transport", signal.SIGHUP)

    conf = grid.state / "node-2" / "quorate.conf"
    text = conf.read_text()
    reload(text + "\n[transport]\nmdns = no\n")
    g.wait_until("mDNS is off", lambda: grid.status(2)["mdns"] == "off", 10, 0.2)
    reload(text)
    mdns = g.wait_until("dht asks for mDNS again", lambda: (m := grid.status(2)["mdns"]) not in ("off", "nobody asks") and m, 20, 0.2)
    tap.check(mdns, "after mdns = no and yes again dht looks on the local network again", mdns)


def check_options(tap, grid):
    """Each option of `peers` does what it says."""
    others = {grid.peer(1), grid.peer(3)}
    tap.equal(set(peers_of(grid, 2, "--gossip")), others, "--gossip: those that were heard")
    rpc = peers_of(grid, 2, "--rpc")
    tap.check(others <= set(rpc) and rpc[None]["asked"] >= 1, "--rpc: asks", rpc)
    none = peers_of(grid, 2, "--rpc", "--depth", "0")
    tap.check(none[None]["asked"] == 0 and others <= set(none), "--depth 0: asks nobody", none)
    deep = peers_of(grid, 2, "--depth", "-1", "--timeout", "20s")
    tap.check(deep[None]["asked"] >= 2 and not deep[None]["timed_out"], "--depth -1: asks on and on, to the end", deep)
    at = [row for row in grid.ctl_json(2, "find", grid.peer(3))][0]["addresses"][0]
    told = peers_of(grid, 2, "--timeout", "10s", f"{at}/p2p/{grid.peer(3)}" if "/p2p/" not in at else at)
    tap.check(grid.peer(1) in told, "PEER as an address", told)
    code, out, err = grid.ctl(2, "peers", "--timeout", "2s", f"/ip4/127.0.0.1/udp/9/quic-v1/p2p/{STRANGER}")
    tap.check("ended after" in err if code == 0 else code == 5 and STRANGER in err and "told" not in out,
              "--timeout: a peer that is not there holds up nobody, and is not a row", code, out, err)
    code, out, err = grid.ctl(2, "peers", OTHER_STRANGER)
    tap.check(code == 5 and "quorate find" in err and not out, "PEER nobody knows: said, with what to do", code, out, err)
    code, _, err = grid.ctl(2, "peers", "--gossip", "--rpc")
    tap.check(code == 2 and "one of them" in err, "--gossip and --rpc exclude each other", code, err)
    code, out, err = grid.ctl(2, "peers", "--rpc", "--depth", "x")
    tap.check(code == 2 and "--depth" in err, "--depth of nothing", code, err)
    check_topics(tap, grid)


def check_topics(tap, grid):
    secret, wrong = grid.dir / "secret", grid.dir / "wrong"
    secret.write_text("".join(f"{i:02x}" for i in range(32)) + "\n")
    wrong.write_text("".join(f"{i:02x}" for i in range(1, 33)))
    with_secret = ["--topic-secret", str(secret)]
    tap.equal(grid.ctl(3, "topic", "announce", "go")[0], 0, "announce a topic")
    tap.equal(set(peers_of(grid, 2, "--topic", "go")), {grid.peer(3)}, "--topic: who announces it")
    rows = peers_of(grid, 2, "--topic", "go")
    tap.check(rows[grid.peer(3)]["addresses"], "--topic: where it is, though it does not say it", rows)
    found = grid.ctl_json(2, "topic", "find", "go")
    tap.check(len(found) == 1 and 0 < found[0]["age_ms"] < 600e3 and 1 <= found[0]["copies"] <= 2,
              "topic find: how old it is and how many of those asked have it", found)
    tap.equal(set(peers_of(grid, 2, "--topic", "go", *with_secret)), set(), "with a secret it is another")
    code, out, err = grid.ctl(1, "topic", "announce", "go", *with_secret)
    tap.check(code == 0 and "this hour" in out, "announce under this hour's name", out, err)
    tap.equal(set(peers_of(grid, 2, "--topic", "go", *with_secret)), {grid.peer(1)}, "--topic-secret: who shares it")
    tap.equal(set(peers_of(grid, 2, "--topic", "go", "--topic-secret", str(wrong))), set(), "another secret: nobody")
    tap.equal(set(peers_of(grid, 2, "--topic", "go")), {grid.peer(3)}, "and the topic itself does not tell of it")
    code, out, err = grid.ctl(2, "peers", "--topic", "go", "--topic-secret", secret.read_text().strip())
    tap.check(code == 2 and "ps" in err and "another" in err, "a secret on the command line is refused, and said to be known", err)
    code, out, err = grid.ctl(2, "peers", "--topic-secret", "-")
    tap.check(code == 2 and "128" in err, "--topic-secret -: an empty input is no secret", code, err)
    code, out, err = grid.ctl(2, "peers", "--topic", "go", "--gossip")
    tap.check(code == 2 and "one of them" in err, "--topic and --gossip exclude each other", code, err)
    code, out, err = grid.ctl(2, "topic", "find", "go", *with_secret)
    tap.check(code == 2 and "quorate peers --topic go" in err, "topic find leads there", code, err)
    code, out, err = grid.ctl(1, "topic", "withdraw", "go", *with_secret)
    tap.check(code == 0, "withdraw", out, err)
    code, out, err = grid.ctl(1, "topic", "withdraw", "go", *with_secret)
    tap.check(code == 5 and "not announced" in err, "withdraw twice", code, err)


def check_shell(tap, grid):
    """The words of the interactive shell."""
    def said(text):
        done = subprocess.run([g.QUORATE, "shell", *grid.place(2)], input=text, capture_output=True, text=True,
                              timeout=60, env=grid.env)
        return done.stdout + done.stderr
    tails = [grid.peer(n)[-8:] for n in (1, 3)]
    out = said("peers\n")
    tap.check(all(t in out for t in tails), "shell: peers", out)
    out = said(f"peers @{grid.peer(3)}\n")
    tap.check(tails[0] in out and "asked" in out, "shell: peers @ID asks that one", out)
    out = said("peers nobody\n.peers\n")
    tap.check("@PEER" in out and all(t in out for t in tails), "shell: what else is said with the remedy; .peers too", out)


def check_names(tap, grid):
    """A profile is a name for people; the rest of it the node knows."""
    name = grid.dir / "name"
    name.write_text("Zoe")
    code, out, err = grid.ctl(2, "record", "put", "profile", "--file", str(name))
    tap.equal(code, 0, f"record put profile: {err}")
    code, out, err = grid.ctl(3, "record", "get", f"/profile/{grid.peer(2)}", "--json")
    tap.check(code == 0 and "Zoe" in out and lines(grid.ctl(2, "key", "show", "--json")[1])[0]["x25519"] in out,
              "record get: the name beside this node's key", out, err)
    code, out, err = grid.ctl(2, "record", "put", "profile", "--hex", "ff" * 32 + "00" + "41" * 40)
    tap.check(code == 2 and "X25519" in err and "name alone" in err, "another's key in it: says what is wrong", code, err)


def check_records(tap, grid):
    """What one node stores, another one finds; both others say that they keep it."""
    code, out, err = grid.ctl(2, "topic", "announce", "chess")
    tap.check(code == 0 and f"stored by {N - 1} of {N - 1} peers" in out, "topic announce: kept by all others", out, err)
    code, out, err = grid.ctl(3, "topic", "find", "chess", "--json")
    tap.check(code == 0 and [row["publisher"] for row in lines(out)] == [grid.peer(2)], "topic find, at another", out, err)
    root = "0" * 63 + "7"
    code, out, err = grid.ctl(2, "record", "put", "name", "sales", "--hex", root, "--ttl", "50h")
    tap.check(code != 0 and "longer than its kind may: a topic 24h, others 48h" in err, "record put: a life too long", code, out, err)
    code, out, err = grid.ctl(2, "record", "put", "name", "sales", "--hex", root)
    tap.check(code == 0 and f"stored by {N - 1} of {N - 1} peers" in out, "record put", out, err)
    code, out, err = grid.ctl(3, "record", "get", f"/name/{grid.peer(2)}/sales")
    tap.check(code == 0 and root in out, "record get, at another", out, err)
    letter = grid.dir / "letter"
    letter.write_text("hello there")
    code, out, err = g.wait_until("a profile to seal for", lambda: (r := grid.ctl(2, "mailbox", "send", grid.peer(3), "--file", str(letter)))
                                  and r[0] == 0 and r, 30, 1)
    tap.check(f"kept by {N - 1} of {N - 1} peers" in out, "mailbox send", out, err)
    code, out, err = grid.ctl(3, "mailbox", "read")
    tap.check(code == 0 and "hello there" in out and grid.peer(2) in out, "mailbox read, by whom it is for", out, err)
    code, out, err = grid.ctl(3, "mailbox", "forget", "--all")
    tap.equal(code, 0, f"mailbox forget: {err}")
    code, out, err = grid.ctl(3, "mailbox", "read")
    tap.check(code == 0 and "hello there" not in out, "mailbox read: it was forgotten", out, err)


def check_long_list(tap, grid):
    """More own records than one page has: each is listed once. That others keep so many at once is not asked for."""
    wanted = {f"/name/{grid.peer(1)}/n{i}" for i in range(120)}
    for i in range(120):
        grid.ctl(1, "record", "put", "name", f"n{i}", "--hex", "00" * 32)
    code, out, err = grid.ctl(1, "record", "list", "--json")
    names = [row["name"] for row in lines(out)]
    tap.check(code == 0 and wanted <= set(names) and len(names) == len(set(names)), "record list: of many, each once",
              len(names), len(wanted - set(names)), err)


def check_find(tap, grid):
    code, out, err = grid.ctl(2, "find", "--json", grid.peer(3))
    found = lines(out)[0] if code == 0 else {}
    tap.check(found.get("peer") == grid.peer(3) and found["verified"] and any("/udp/" in a for a in found["addresses"]),
              "find: addresses of a peer that answered", code, out, err)
    code, out, err = grid.ctl(2, "find", "-t", "10s", "12D3KooWRawPbxPtP1eZaJpumGnyWX2DcUyd3RQnydr3eAto4Az7")
    tap.check(code == 5 and len(err.splitlines()) == 1 and "; " in err, "find: a peer nobody knows: said, with what to do",
              code, out, err)


def check_block(tap, grid):
    peer = grid.peer(3)
    code, _, err = grid.ctl(2, "block", peer, "--for", "1h", "--reason", "a test")
    tap.equal(code, 0, "block")
    g.wait_until("the connection ends", lambda: not peers_of(grid, 2).get(peer, {}).get("connected"), 10)
    code, out, err = grid.ctl(2, "why", "--json", peer)
    tap.check(code == 0 and lines(out)[0]["blocked"]["reason"] == "a test", "why: blocked, and for what", out, err)
    code, out, err = grid.ctl(2, "blocklist", "--json")
    tap.check(code == 0 and [row["peer"] for row in lines(out)] == [peer], "blocklist", out, err)
    tap.equal(grid.ctl(2, "unblock", peer)[0], 0, "unblock")
    code, _, err = grid.ctl(2, "unblock", peer)
    tap.check(code == 5 and "not blocked" in err, "unblock twice: said", code, err)
    g.wait_until("it is connected again", lambda: peers_of(grid, 2).get(peer, {}).get("connected"), 60, 0.5)


def check_state(tap, grid):
    status = g.wait_until("all are in the table", lambda: (s := grid.status(2)) and s["dht"]["peers"] == N - 1 and s, 60, 0.5)
    tap.check(status["gossip"]["peers"] >= 1 and status["gossip"]["shard"], "status: dht and gossip", status)
    code, out, err = grid.ctl(2, "dht", "stats", "--json")
    tap.check(code == 0 and lines(out)[0]["mode_reason"] == "all known peers are on this machine", "dht stats: mode and why", out, err)
    modes = [grid.status(node)["dht"]["mode"] for node in range(1, N + 1)]
    tap.equal(modes, ["server"] * N, "every node of a local grid is a server, also who was never dialled")
    _, out, err = grid.ctl(2, "doctor", "--json")
    found = [row for row in lines(out) if row.get("check") == "discovery"]
    tap.check(found and found[0]["health"] == "ok", "doctor: discovery is well", out, err)


if __name__ == "__main__":
    sys.exit(Tap().run([test_peers]))
