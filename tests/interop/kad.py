#!/usr/bin/env python3
"""The DHT with an unmodified js-libp2p server in it: values, providers and peers both ways, bad records refused on both sides.

    kad.py BUILD        npm installs into BUILD; TAP on standard output
"""
import sys

import foreign
import nodes
from nodes import g

ROOT = "a5" * 32
HOURS = 3600
# What is wrong with it -> how such a record is made (js/kad.mjs, make).
BAD = {
    "a bad signature": {"damaged": True},
    "another's name": {"publisher": None},
    "a publisher who may not write there": {"under": None},
    "another network's": {"network": "lab"},
    "from the future": {"later_s": 2 * HOURS},
    "expired": {"later_s": -2 * HOURS},
    "a life of more than 48 h": {"ttl": 49 * HOURS},
    "a payload of 31 bytes": {"payload": "a5" * 31},
    "another kind's payload": {"payload": "a5" * 700},
}


class Kad:
    """Nodes 1 and 2 are ours; js is a server with a key as README.md says; stranger is one without proof of work."""

    def __init__(self, grid, folder):
        self.grid, self.folder = grid, folder
        self.first, self.second = grid.add(), grid.add([grid.address(1)])
        self.js, self.stranger = self.peer(dht="server"), foreign.js(folder, dht="server")
        grid.wait_up(self.first, self.second)
        self.js.do("dial", address=grid.address(self.first))
        for node in (self.first, self.second):
            self.stranger.do("dial", address=grid.address(node))

    def peer(self, **wanted):
        """A js peer with proof of work."""
        path = self.grid.dir / f"key-{len(list(self.grid.dir.glob('key-*')))}"
        made = nodes.new_key(path)
        peer = foreign.js(self.folder, key=str(path), **wanted)
        assert peer.peer == made, (peer.peer, made)
        return peer

    def get(self, node, key):
        return self.grid.line(node, "record", "get", key)

    def put(self, node, label, root=ROOT):
        code, out, err = self.grid.ctl(node, "record", "put", "name", label, "--hex", root, "--json")
        assert code == 0, err
        return f"/name/{self.grid.peers[node]}/{label}"

    def names(self, address, target):
        """Whom the peer there names as closest to the target."""
        return self.stranger.do("closest_to", address=address, peer=target)["peers"]


def check_tables(tap, k):
    for node in (k.first, k.second):
        k.grid.wait_table(node, 2)
    tap.check(True, "a js server with proof of work comes into our tables")
    other = k.grid.peers[k.second]
    table = g.wait_until("js knows both", lambda: (t := set(k.js.do("table")["peers"])) >= set(k.grid.peers.values()) and t, 20)
    tap.check(other in table, "we come into its table")
    named = k.names(k.grid.address(k.first), other)
    tap.check(k.js.peer in named and other in named, "we name it to others", named)
    tap.check(k.stranger.peer not in named, "a server without proof of work is named to nobody", named)
    tap.check(k.grid.dht(k.first)["peers"] == 2, "and is in no table", k.grid.dht(k.first))
    tap.check(k.grid.dht(k.first)["metrics"]["asks_failed"] == 0, "it answers whatever we ask", k.grid.dht(k.first)["metrics"])


def check_values(tap, k):
    put = k.js.do("put", label="theirs", sequence=5, payload=ROOT)
    tap.check(set(put["holders"]) >= set(k.grid.peers.values()), "js stores a value with both of us", put)
    for node in (k.first, k.second):
        got = k.get(node, put["key"])
        tap.check(got and got["sequence"] == 5 and got["payload"] == "hex:" + ROOT, f"node {node} reads it", got)
    key = k.put(k.second, "ours")
    got = k.js.do("get", key=key)
    tap.check(got["found"] and got["payload"] == ROOT and got["publisher"] == k.grid.peers[k.second], "js reads a value of ours", got)
    tap.check(k.js.do("local", key=key)["found"], "and keeps it, as one of the closest servers")
    got = k.stranger.do("get", key=key)
    tap.check(got["found"] and got["payload"] == ROOT, "a peer without proof of work reads it too", got)


def check_newest(tap, k):
    """An older sequence replaces nothing; a newer one does, whoever brings it."""
    key = f"/name/{k.js.peer}/theirs"
    old = k.js.do("record", label="theirs", sequence=3, payload="3c" * 32)
    answer = k.js.attempt("put_to", address=k.grid.address(k.first), **{x: old[x] for x in ("key", "value")})
    tap.check("error" in answer, "an older sequence is refused by us", answer)
    tap.equal(k.js.do("get_from", address=k.grid.address(k.first), key=key).get("sequence"), 5, "the newer one is still there")
    new = k.js.do("record", label="theirs", sequence=7, payload="7c" * 32)
    answer = k.stranger.do("put_to", address=k.grid.address(k.first), **{x: new[x] for x in ("key", "value")})
    tap.check(answer["echoed"], "a newer one is taken, and echoed", answer)
    tap.equal(k.js.do("get", key=key).get("sequence"), 7, "js takes the newest of those it is told of, not its own")
    tap.equal((k.get(k.second, key) or {}).get("sequence"), 7, "so do we")


def made_badly(k, what, by, label):
    """{key, value} of a record with that fault, made by `by`."""
    fault = {x: (k.js.peer if v is None else v) for x, v in BAD[what].items()}
    record = by.do("record", label=label, **{"sequence": 1, "payload": ROOT, **fault})
    return {"key": record["key"], "value": record["value"]}


def check_refused(tap, k, name, address):
    """Nothing bad comes into the store behind that address. All of it is sent by the stranger."""
    for i, what in enumerate(BAD):
        record = made_badly(k, what, k.stranger, f"bad-{i}")
        answer = k.stranger.attempt("put_to", address=address, **record)
        held = k.stranger.do("get_from", address=address, key=record["key"])
        tap.check("error" in answer and not held["found"], f"{name}: {what} is refused", answer, held)
    good = k.stranger.do("record", label="good", sequence=1, payload=ROOT)
    good = {"key": good["key"], "value": good["value"]}
    others = {"a value of 17 KiB": {**good, "value": good["value"] + "00" * 17 * 1024},
              "no such kind of name": {**good, "key": good["key"].replace("/name/", "/nonsense/")},
              "a record under another key": {**good, "record_key": good["key"] + "x"}}
    for what, record in others.items():
        answer = k.stranger.attempt("put_to", address=address, **record)
        tap.check("error" in answer, f"{name}: {what} is refused", answer)
    answer = k.stranger.do("put_to", address=address, **good)
    tap.check(answer["echoed"], f"{name}: the same without a fault is taken", answer)


def check_poisoned(tap, k):
    """A server that keeps everything: what it says is checked by who asks, and the good value is found elsewhere."""
    careless = k.peer(dht="careless")
    try:
        careless.do("dial", address=k.grid.address(k.first))
        g.wait_until("we name the careless one",
                     lambda: careless.peer in k.names(k.grid.address(k.first), careless.peer), 20)
        put = k.js.do("put", label="poisoned", sequence=1, payload=ROOT)
        bad = k.stranger.do("record", label="poisoned", sequence=9, payload=ROOT, publisher=k.js.peer)
        k.stranger.do("put_to", address=careless.address, key=put["key"], value=bad["value"])
        held = k.stranger.do("get_from", address=careless.address, key=put["key"])
        tap.equal(held.get("sequence"), 9, "a careless server keeps a forged record")
        got = k.get(k.second, put["key"])
        tap.check(got and got["sequence"] == 1, "we read the true one", got)
        got = k.js.do("get", key=put["key"])
        tap.check(got.get("sequence") == 1, "js reads the true one", got)
    finally:
        careless.stop()


def check_providers(tap, k):
    theirs, ours = "1220" + "a1" * 32, "1220" + "a2" * 32
    k.js.do("provide", multihash=theirs)
    for node in (k.first, k.second):
        found = k.grid.discovery(node, "find", theirs)
        tap.equal(found.get("provider"), [k.js.peer], f"node {node} finds what js provides")
    k.grid.discovery(k.first, "provide", ours)
    for name, peer in (("js", k.js), ("a peer without proof of work", k.stranger)):
        found = g.wait_until("providers", lambda: peer.do("find_providers", multihash=ours)["providers"], 15)
        tap.equal(found, [k.grid.peers[k.first]], f"{name} finds what we provide")


def check_newcomers(tap, k):
    """Who was told of one other peer finds everything, also when those who wrote it are gone."""
    writer = k.peer(dht="server")
    writer.do("dial", address=k.grid.address(k.second))
    g.wait_until("the writer knows us", lambda: set(writer.do("table")["peers"]) >= set(k.grid.peers.values()), 20)
    theirs = writer.do("put", label="left", sequence=1, payload=ROOT)["key"]
    writer.stop()
    ours = k.put(k.first, "left")
    third = k.grid.add([k.grid.address(k.second)])
    k.grid.wait_up(third)
    k.grid.wait_table(third, 1)
    got = k.get(third, theirs)
    tap.check(got and got["payload"] == "hex:" + ROOT, "a newcomer of ours, told of node 2, reads what a js peer wrote that is gone", got)
    found = k.grid.line(third, "find", k.js.peer)
    tap.check(found and k.js.address.split("/p2p/")[0] in found["addresses"], "and finds js", found)
    found = k.js.do("find_peer", peer=k.grid.peers[third])
    tap.check(found["peer"] == k.grid.peers[third] and found["addresses"], "js finds it", found)
    k.grid.end(k.first)
    with k.peer(dht="server") as newcomer:
        newcomer.do("dial", address=k.grid.address(third))
        # js looks no farther than its table while the one it was told of is all there is in it.
        g.wait_until("its table", lambda: len(newcomer.do("table")["peers"]) >= 2, 20)
        got = g.wait_until("the value", lambda: (a := newcomer.do("get", key=ours))["found"] and a, 20)
        tap.check(got["found"] and got["payload"] == ROOT, "a js newcomer, told of node 3, reads what node 1 wrote that is gone", got)
    for node in (k.second, third):
        k.grid.end(node)
    last = k.grid.add([k.js.address])
    k.grid.wait_up(last)
    k.grid.wait_table(last, 1)
    for name, key in (("theirs", theirs), ("ours", ours)):
        got = k.get(last, key)
        tap.check(got and got["payload"] == "hex:" + ROOT, f"a newcomer of ours, told of js alone, reads {name} from it", got)


def kad(tap, folder):
    with nodes.Nodes() as grid:
        k = Kad(grid, folder)
        try:
            check_tables(tap, k)
            check_values(tap, k)
            check_newest(tap, k)
            check_refused(tap, k, "we", grid.address(k.first))
            check_refused(tap, k, "js", k.js.address)
            check_poisoned(tap, k)
            check_providers(tap, k)
            check_newcomers(tap, k)
        finally:
            k.js.stop()
            k.stranger.stop()


if __name__ == "__main__":
    sys.exit(foreign.main(kad))
