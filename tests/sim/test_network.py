#!/usr/bin/env python3
"""quorate-sim as people run it: its figures, its trace, several seeds, what it refuses, Ctrl-C.

QUORATE_SIM: the program. A sanitized one is given less to do."""
import json
import os
import pathlib
import re
import signal
import statistics
import subprocess
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "support"))
from tap import Tap

SIM = os.environ["QUORATE_SIM"]
SLOW = "QUORATE_SANITIZED" in os.environ
MEMBERS = ("lookup_success", "hops_mean", "bytes_per_node_s", "denied", "delivered", "trace")


def sim(*args):
    return subprocess.run([SIM, *map(str, args)], capture_output=True, text=True, timeout=900)


def figures(*args):
    done = sim(*args, "--json")
    return [json.loads(line) for line in done.stdout.splitlines()]


def discovery_under_churn(tap):
    nodes = 60 if SLOW else 200
    [x] = figures("--nodes", nodes, "--hours", 0.5, "--churn", 30, "--without-gossip", "--seed", 7)
    tap.note(json.dumps(x))
    tap.check(all(name in x for name in MEMBERS), "the JSON has what its readers look for")
    tap.check(x["departed"] > nodes / 2, "nodes left")
    tap.check(x["lookups"] > 900 and x["lookup_success"] >= 0.995, "look-ups find the closest", x)
    tap.check(x["gets"] > 400 and x["get_success"] >= 0.995, "records are found, departed publishers' too", x)
    tap.check(x["hops_mean"] <= 3, "in few hops", x)
    tap.check(x["copies_p1"] >= 8, "with copies to spare", x)
    tap.check(x["bytes_per_node_s"] <= 6 * 1024, "for 6 KiB/s a node", x)
    tap.check(nodes * 0.75 < x["size_median"] < nodes * 1.25, "and know how many they are", x)


def gossip_in_the_same_nodes(tap):
    [x] = figures("--nodes", 40, "--hours", 0.2, "--warmup", 6, "--seed", 3, "--lookups", 100, "--gets", 50)
    tap.note(json.dumps(x))
    tap.check(x["delivered"] >= 0.995, "capability records arrive within 3 s", x)
    tap.check(x["draws"] > 100 and x["candidates_share"] >= 0.95, "nearly all who offer are drawn", x)
    tap.check(x["draw_s_p99"] <= 1.1, "within a second, to a tenth", x)
    tap.check(x["connections_mean"] <= 36, "idle streams hold no connections", x)
    tap.check(x["bytes_gossip"] + x["bytes_keepalive"] + x["bytes_samples"] <= 8 * 1024, "for 8 KiB/s a node", x)
    tap.check(x["bytes_in_use_per_node"] <= 168 * 1024, "in 168 KiB of memory, its disk and what is under way included", x)


def bad_networks(tap):
    """Half a network finds its half, and the whole again; silent links, wrong clocks and nodes nobody can dial."""
    nodes = 30 if SLOW else 60
    [x] = figures("--nodes", nodes, "--hours", 0.6, "--split", "14:6", "--without-gossip", "--lookups", 300, "--gets", 0)
    tap.check(x["lookup_success"] >= 0.97, "look-ups in a network that is split for six minutes, and healed", x)
    [x] = figures("--nodes", nodes, "--hours", 0.4, "--silent", 0.1, "--skew", 5, "--hidden", 0.2, "--loss", 0.03,
                  "--without-gossip", "--lookups", 200, "--gets", 100)
    tap.check(x["lookup_success"] >= 0.97, "a tenth of all links silent, clocks five minutes off, a fifth behind routers", x)
    tap.check(x["get_success"] >= 0.95, "records are found", x)


def attacks_are_survived(tap):
    """Small networks, where a fifth of all nodes is many of the neighbourhood of any key; the scale of the design is
    run by hand (tests/README.md)."""
    if SLOW:
        tap.skip("attacks", "a sanitized program: too slow")
        return
    common = ("--nodes", 100, "--sybils", "20:13", "--without-gossip", "--lookups", 200, "--gets", 100, "--seed", 2)
    [x] = figures(*common, "--attack", "uniform", "--warmup", 12, "--hours", 0.4)
    tap.note(json.dumps(x))
    tap.check(x["denied"] <= 0.05, "ids anywhere: few look-ups and records are denied", x)
    churn = ("--without-gossip", "--lookups", 300, "--gets", 100, "--seed", 2, "--churn", 10)
    long = (*churn, "--nodes", 200, "--sybils", "80:30", "--warmup", 30, "--hours", 0.65, "--attack", "uniform", "--seeds", 6)
    x, y = ([run["denied"] for run in figures(*long, *more)] for more in ((), ("--without", "density")))
    tap.note(f"denied: {x}, without density {y}")  # one run says little: 0.005 to 0.1
    tap.check(statistics.mean(x) <= 0.06, "uniform: two of five, who stay while the honest come and go: few are denied", x)
    tap.check(statistics.mean(y) >= 1.5 * statistics.mean(x), "density: many more without it", y)
    [x] = figures(*churn, "--nodes", 150, "--sybils", "60:30", "--warmup", 20, "--hours", 0.5, "--attack", "mixed")
    tap.note(json.dumps(x))
    tap.check(x["denied"] <= 0.02, "mixed: the same, and they name a few honest ones", x)
    [x] = figures(*common, "--attack", "key", "--warmup", 6, "--hours", 0.6)
    tap.note(json.dumps(x))
    tap.check(x["keys_ground"] > 200, "ids around a key have to be looked for", x)
    tap.check(x["targets_found"] >= 0.9, "all around one key: its record is found", x)
    newcomers = ("--without-gossip", "--lookups", 100, "--gets", 50, "--seed", 2, "--churn", "off", "--warmup", 12,
                 "--hours", 0.45, "--attack", "eclipse")
    some = (*newcomers, "--nodes", 250, "--sybils", "50:16")
    [x], [y] = figures(*some), figures(*some, "--without", "density")
    tap.note(json.dumps(x))
    tap.check(x["victims_good"] >= 0.95 and x["victims_lookup_success"] >= 0.99, "four of five places to begin are theirs", x)
    tap.check(y["victims_good"] <= 0.85 and y["victims_lookup_success"] <= 0.9, "density: newcomers are lost without it", y)
    one = (*newcomers, "--nodes", 120, "--sybils", "24:1")
    [x], [y] = figures(*one), figures(*one, "--without", "subnet-caps")
    tap.check(x["victims_honest_entries"] >= 0.85, "all of one subnet: few of them in newcomers' tables", x)
    tap.check(y["victims_honest_entries"] <= 0.8, "subnet-caps: their whole share without them", y)
    [x] = figures(*common, "--attack", "topic", "--warmup", 8, "--hours", 0.35)
    tap.note(json.dumps(x))
    tap.check(x["announced_found"] >= 0.95, "a thousand identities under one topic: the honest are found", x)
    [x] = figures(*common, "--attack", "garbage", "--warmup", 8, "--hours", 0.35)
    tap.check(x["lookup_success"] >= 0.98, "rubbish is no answer", x)


def same_seed_same_trace(tap):
    small = ("--nodes", 30, "--hours", 0.1, "--warmup", 3, "--lookups", 50, "--gets", 20, "--draws", 20)
    [one], [again], [other] = (figures(*small, "--seed", seed) for seed in (5, 5, 6))
    tap.equal(again["trace"], one["trace"], "the same seed gives the same trace")
    tap.check(other["trace"] != one["trace"], "another seed another")
    runs = figures(*small, "--seed", 5, "--seeds", 3)
    tap.equal([x["seed"] for x in runs], [5, 6, 7], "seeds share a warm-up")
    tap.equal(len({x["trace"] for x in runs}), 3, "and differ after it")
    [real] = figures(*small, "--seed", 5, "--real-signatures")
    tap.equal(real["trace"], one["trace"], "Ed25519 or its stand-in: the same trace")


def for_people(tap):
    done = sim("--nodes", 20, "--hours", 0.1, "--warmup", 2, "--lookups", 40)
    tap.equal(done.returncode, 0, "ends well")
    tap.check(all(word in done.stdout for word in ("look-ups", "traffic", "hops", "##", "trace")), "a report with "
              "histograms", done.stdout)
    text = sim("--help").stdout
    tap.check("example: quorate sim" in text and len(text.splitlines()) <= 32, "help fits a screen", text)
    tap.check(max(map(len, text.splitlines())) <= 80, "and its width", text)


def refusals(tap):
    for args, word in ((("--nodes", "1"), "give 2"), (("--nodes", "x"), "--nodes x"), (("--hours", "0.1"), "--warmup"),
                       (("--bogus",), "no such option"), (("--sybils", "10"), "go together"), (("--loss", "2"), "--loss 2"),
                       (("--seeds", "0"), "--seeds"), (("--split", "5"), "--split 5"), (("--nodes",), "--nodes")):
        done = sim(*args)
        tap.check(done.returncode == 2 and word in done.stderr and len(done.stderr.splitlines()) == 1,
                  f"refuses {' '.join(args)}", done.returncode, done.stderr)


def interrupted(tap):
    def stopped(*args, after=2):
        process = subprocess.Popen([SIM, *args], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        time.sleep(after)
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=60)
        tap.equal(process.returncode, 130, "Ctrl-C ends it")
        return out, err
    for seconds in 2, 8, 32:  # how soon its warm-up is over is the machine's affair
        out, _ = stopped("--nodes", "60", "--hours", "900", "--warmup", "1", after=seconds)
        if out:
            break
    tap.check(re.search(r"trace +[0-9a-f]{16}", out), "with what there was", out)
    for seeds in "1", "3":
        out, err = stopped("--nodes", "60", "--hours", "90", "--warmup", "4000", "--seeds", seeds)
        tap.check(out == "" and "nothing was measured yet" in err, f"in the warm-up of {seeds}: no figures of nothing", out, err)
    out, err = stopped("--nodes", "60", "--hours", "90", "--warmup", "4000", "--json")
    tap.check(json.loads(out)["exit"] == 130, "in JSON too", out, err)


sys.exit(Tap().run([discovery_under_churn, gossip_in_the_same_nodes, bad_networks, attacks_are_survived, same_seed_same_trace, for_people, refusals, interrupted]))
