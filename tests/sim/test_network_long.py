#!/usr/bin/env python3
"""quorate-sim at the sizes the design speaks of: hours of one core. Runs when it is given --runs (deploy/check --long)
or QUORATE_LONG=1 is set; QUORATE_SIM is the program.

Each check says what it measured, whether it holds or not."""
import json
import os
import pathlib
import subprocess
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "support"))
from tap import Tap, skip_all

SIM = os.environ["QUORATE_SIM"]
if "--runs" not in sys.argv and os.environ.get("QUORATE_LONG") != "1":
    skip_all("hours of one core; deploy/check --long")
if "QUORATE_SANITIZED" in os.environ or "QUORATE_SECOND_COMPILER" in os.environ:
    skip_all("once is enough, with a program that is not sanitized")

ATTACK = ("--nodes", 1000, "--sybils", "200:64", "--without-gossip")


def figures(tap, *args):
    done = subprocess.run([SIM, *map(str, args), "--json"], capture_output=True, text=True)
    for line in done.stdout.splitlines():
        tap.note(line)
    return [json.loads(line) for line in done.stdout.splitlines()]


def a_day(tap):
    [x] = figures(tap, "--nodes", 1000, "--hours", 24, "--warmup", 60, "--without-gossip", "--lookups", 10000, "--gets", 2000)
    tap.check(x["lookup_success"] >= 0.999, "1,000 nodes, 24 h: look-ups", x["lookup_success"])
    tap.check(x["get_success"] >= 0.999, "1,000 nodes, 24 h: records", x["get_success"])
    tap.check(x["hops_mean"] <= 3, "1,000 nodes: hops", x["hops_mean"])
    tap.check(x["bytes_per_node_s"] <= 6 * 1024, "1,000 nodes: traffic", x["bytes_per_node_s"])
    tap.check(x["cpu_s"] <= 40 * 60, "1,000 nodes, 24 h: within 40 minutes of one core", x["cpu_s"])
    tap.check(x["bytes_of_memory_per_node"] <= 256 * 1024, "1,000 nodes: memory", x["bytes_of_memory_per_node"])
    [y] = figures(tap, "--nodes", 10000, "--hours", 1, "--warmup", 20, "--without-gossip", "--lookups", 3000)
    tap.check(y["lookup_success"] >= 0.99 and y["get_success"] >= 0.99, "10,000 nodes, 1 h: look-ups and records")
    tap.check(y["hops_mean"] <= 4, "10,000 nodes: hops", y["hops_mean"])
    tap.check(y["bytes_per_node_s"] <= 1.5 * x["bytes_per_node_s"], "10,000 nodes: traffic", y["bytes_per_node_s"])
    tap.check(y["cpu_s"] <= 30 * 60, "10,000 nodes, 1 h: within 30 minutes of one core", y["cpu_s"])
    tap.check(y["bytes_of_memory_per_node"] <= 256 * 1024, "10,000 nodes: memory", y["bytes_of_memory_per_node"])


def whole_nodes(tap):
    [x] = figures(tap, "--nodes", 1000, "--hours", 1, "--warmup", 20, "--draws", 1000)
    tap.check(x["delivered"] >= 0.999, "1,000 whole nodes: capability records within 3 s", x["delivered"])
    tap.check(x["candidates_mean"] >= 15.5, "16 candidates of a class that 5 % offer", x["candidates_mean"])
    tap.check(x["draws_full"] >= 0.99 and x["draw_s_p99"] <= 1, "99 of 100 draws have 16 within a second", x["draws_full"], x["draw_s_p99"])
    tap.check(x["draw_dead_max"] <= 1, "at most one of them dead", x["draw_dead_max"], x["draws_dead_2"])
    tap.check(x["bytes_gossip"] + x["bytes_samples"] <= 8 * 1024, "gossip's traffic", x["bytes_gossip"])
    tap.check(x["bytes_in_use_per_node"] <= 256 * 1024, "memory of a whole node", x["bytes_in_use_per_node"])


def capability_traffic(tap):
    """Shards: what a node hears of others' offers does not grow with the network."""
    common = ("--hours", 0.6, "--warmup", 20, "--lookups", 200, "--gets", 0)
    [x], [y] = (figures(tap, "--nodes", n, *common, "--draws", 500) for n in (1000, 10000))
    tap.check(y["bytes_gossip"] <= 1.2 * x["bytes_gossip"], "gossip's traffic of a node of 10,000: at most 1.2 of that of 1,000",
              y["bytes_gossip"], x["bytes_gossip"])
    tap.check(y["delivered"] >= 0.99 and y["candidates_mean"] >= 15, "which hears and draws as well", y["delivered"], y["candidates_mean"])


def both_signatures(tap):
    common = ("--nodes", 100, "--hours", 0.1667, "--warmup", 3, "--seed", 5)
    [stand_in], [real] = figures(tap, *common), figures(tap, *common, "--real-signatures")
    tap.equal(real["trace"], stand_in["trace"], "100 nodes, 10 minutes: the same trace with Ed25519")


def uniform(tap):
    common = (*ATTACK, "--attack", "uniform", "--warmup", 60, "--hours", 2, "--lookups", 10000, "--gets", 1000)
    [x] = figures(tap, *common)
    tap.check(x["denied"] < 0.01, "uniform ids, sessions of half an hour but for attackers: denied", x["denied"])
    [y] = figures(tap, *common, "--without", "density", "--without", "turns")
    tap.check(y["denied"] > 0.05, "which is what density and turns are worth", y["denied"])
    [x] = figures(tap, *common, "--churn", "off")
    tap.check(x["denied"] < 0.01, "uniform ids, nobody leaves: denied", x["denied"])
    tap.check(x["size_inside"] >= 0.8, "estimates inside their interval", x["size_inside"])


def one_key(tap):
    runs = figures(tap, *ATTACK, "--attack", "key", "--warmup", 30, "--hours", 1.05, "--lookups", 0, "--gets", 0,
                   "--seeds", 100)
    good = sum(x["targets_found"] >= 0.95 for x in runs)
    tap.check(good >= 95, f"all around one key: found in {good} of {len(runs)} seeds")


def what_each_is_worth(tap):
    """One defence at a time taken away; services/dht/README.md says what that shows, and where it shows nothing. When a check of
    the latter fails, what is written there is wrong."""
    key = (*ATTACK, "--attack", "key", "--warmup", 30, "--hours", 1.05, "--lookups", 0, "--gets", 0, "--seeds", 20)
    spread = (*ATTACK, "--attack", "uniform", "--warmup", 60, "--hours", 2, "--lookups", 10000, "--gets", 1000)

    def found(*without):
        runs = figures(tap, *key, *without)
        return sum(x["targets_found"] for x in runs) / len(runs)

    def denied(*without):
        return figures(tap, *spread, *without)[0]["denied"]
    whole, lost = found(), found("--without", "regions")
    tap.check(lost <= whole - 0.2, "regions: the record that attackers stand all around is lost more often without them", whole, lost)
    one = found("--without", "paths")
    tap.check(one >= whole - 0.05, "paths: one finds it as often", whole, one)
    whole, one, young = denied(), denied("--without", "paths"), denied("--without", "age")
    tap.check(abs(one - whole) <= 0.02, "paths: one is denied as much by ids anywhere", whole, one)
    tap.check(abs(young - whole) <= 0.02, "age: nor does it show there; what it holds is a flooded bucket (test_table.c)", whole, young)


def newcomers(tap):
    runs = figures(tap, *ATTACK, "--attack", "eclipse", "--warmup", 60, "--hours", 1.5, "--lookups", 0, "--gets", 0,
                   "--seeds", 100)
    good = sum(x["victims_good"] >= 0.95 and x["victims_lookup_success"] >= 0.99 for x in runs)
    tap.check(good >= 99, f"four of five places to begin are theirs: held in {good} of {len(runs)} seeds")


def topic(tap):
    [x] = figures(tap, *ATTACK, "--attack", "topic", "--warmup", 30, "--hours", 0.75)
    tap.check(x["announced_found"] >= 0.99, "a topic spammed by 1,000 identities", x["announced_found"])


sys.exit(Tap().run([both_signatures, topic, whole_nodes, uniform, newcomers, one_key, what_each_is_worth, a_day, capability_traffic]))
