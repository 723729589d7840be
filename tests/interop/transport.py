#!/usr/bin/env python3
"""An unmodified js-libp2p peer against a real transport; TAP on standard output.

    transport.py BUILD TEST-NODE PEERS-CLIENT STREAMS-CLIENT

npm installs into BUILD. Without Node >= 20 and npm everything is skipped.
"""
import subprocess
import sys
import time

import foreign

BUILD, NODE, PEERS, STREAMS = sys.argv[1:5]
PINGS = 1000
MEGA = 1000 * 1000


class Node:
    """A node of ours; peers() and streams() talk to its transport."""

    def __init__(self, *config):
        self.process = subprocess.Popen([NODE, *config], text=True, stdin=subprocess.PIPE,
                                        stdout=subprocess.PIPE)
        self.runtime = self.process.stdout.readline().strip()
        status = self.peers("status")
        self.peer = status["peer"][0]
        self.address = "%s/p2p/%s" % (status["listen"][0], self.peer)

    def peers(self, *arguments):
        out = subprocess.run([PEERS, self.runtime, *map(str, arguments)], capture_output=True,
                             text=True, timeout=60).stdout
        result = {}
        for line in out.splitlines():
            key, _, value = line.partition(" ")
            result.setdefault(key, []).append(value)
        assert "error" not in result, "peers %s: %s" % (arguments[0], result["error"][0])
        return result

    def metric(self, name):
        return next(int(v.split()[1]) for v in self.peers("status")["metric"]
                    if v.split()[0] == name)

    def stop(self):
        self.process.stdin.close()
        assert self.process.wait(timeout=20) == 0


OURS = {"/ipfs/id/1.0.0", "/ipfs/id/push/1.0.0", "/ipfs/ping/1.0.0", "/perf/1.0.0"}


def js_dials_and_identifies(node, js):
    assert js.do("dial", address=node.address)["peer"] == node.peer
    heard = js.event("identify", lambda e: e["peer"] == node.peer)
    assert OURS <= set(heard["protocols"]), heard
    assert heard["agent"].startswith("quorate/"), heard
    assert heard["listen"] == [node.address.split("/p2p/")[0]], heard
    assert heard["signed"], heard


def we_identify_js(node, js):
    for _ in range(100):
        seen = node.peers("list")
        if "/perf/1.0.0" in seen.get("protocol", []):
            break
        time.sleep(0.1)
    assert seen["peer"] == [js.peer], seen
    assert {"/ipfs/id/1.0.0", "/ipfs/ping/1.0.0", "/test/echo/1"} <= set(seen["protocol"]), seen
    assert seen["agent"][0].startswith("js-libp2p/3.3.11"), seen


def js_pings(node, js):
    before = node.metric("pings_answered")
    answer = js.do("ping", address=node.address, count=PINGS)
    assert answer["count"] == PINGS
    assert node.metric("pings_answered") - before == PINGS
    return "%d us on average" % answer["mean_us"]


def js_measures(node, js):
    up = js.do("perf", address=node.address, upload=20 * MEGA, download=0)
    down = js.do("perf", address=node.address, upload=0, download=20 * MEGA)
    assert down["received"] == 20 * MEGA, down
    return "20 MB up in %d ms, down in %d ms" % (up["took_ms"], down["took_ms"])


def we_dial_js(node, js):
    node.peers("disconnect", js.peer)
    time.sleep(0.3)
    seen = node.peers("connect", js.address)
    assert seen["peer"] == [js.peer], seen
    assert seen["address"][0] == js.address.split("/p2p/")[0], seen


def we_ping_js(node, js):
    seen = node.peers("ping", js.peer, PINGS)
    assert seen["pings"] == [str(PINGS)], seen
    return "%s us on average" % seen["mean_us"][0]


def we_measure_js(node, js):
    seen = node.peers("perf", js.peer, 20 * MEGA, 20 * MEGA)
    return "20 MB up in %d ms, down in %d ms" % (int(seen["upload_us"][0]) // 1000,
                                                 int(seen["download_us"][0]) // 1000)


def js_opens_a_service_stream(node, js):
    service = subprocess.Popen([STREAMS, node.runtime, "serve", "/test/echo/1"], text=True,
                               stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    try:
        assert service.stdout.readline() == "serving\n"
        # The protocol is pushed a second after the service came.
        js.event("update", lambda e: e["peer"] == node.peer and "/test/echo/1" in e["protocols"])
        assert js.do("echo", address=node.address, size=3 * MEGA)["same"]
    finally:
        service.stdin.close()
        assert service.wait(timeout=10) == 0


def a_service_opens_a_stream_to_js(node, js):
    out = subprocess.run([STREAMS, node.runtime, "open", js.peer, "/test/echo/1", str(3 * MEGA)],
                         capture_output=True, text=True, timeout=60).stdout
    assert out == "echoed %d\n" % (3 * MEGA), out


def why_lists_attempts(node, js):
    seen = node.peers("why", js.peer)
    assert any(" connected" in a for a in seen["attempt"]), seen
    assert any(a.startswith("in ") for a in seen["attempt"]), seen
    assert any(a.startswith("out ") for a in seen["attempt"]), seen


def a_p256_certificate_is_taken(node, js):
    other = Node("certificate = p256")
    try:
        assert js.do("dial", address=other.address)["peer"] == other.peer
        assert js.do("ping", address=other.address, count=10)["count"] == 10
        assert node.peers("connect", other.address)["peer"] == [other.peer]
    finally:
        other.stop()


TESTS = [js_dials_and_identifies, we_identify_js, js_pings, js_measures, we_dial_js, we_ping_js,
         we_measure_js, js_opens_a_service_stream, a_service_opens_a_stream_to_js,
         why_lists_attempts, a_p256_certificate_is_taken]


def main():
    try:
        folder = foreign.install(BUILD)
    except foreign.Missing as e:
        print("1..0 # SKIP %s" % e)
        return
    print("1..%d" % len(TESTS), flush=True)
    node, js = Node("perf-allow = all"), foreign.Foreign(["node", "transport.mjs"], folder)
    failures = 0
    for i, test in enumerate(TESTS, 1):
        try:
            note = test(node, js)
            print("ok %d - %s" % (i, test.__name__) + (" # %s" % note if note else ""), flush=True)
        except Exception as e:  # one failure must not hide the others
            failures += 1
            print("not ok %d - %s" % (i, test.__name__))
            print("# %r" % e, flush=True)
    js.stop()
    node.stop()
    sys.exit(failures > 0)


main()
