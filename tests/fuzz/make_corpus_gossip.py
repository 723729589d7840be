#!/usr/bin/env python3
"""Seeds for fuzz_gossipsub, fuzz_capability and fuzz_peers_messages, from the independent encoder of
tests/unit/gossip/vectors. Writes corpus/."""
import pathlib
import sys

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "unit" / "gossip" / "vectors"))
import make_vectors as v  # noqa: E402

CORPUS = HERE / "corpus"


def write(target, title, data):
    folder = CORPUS / target
    folder.mkdir(parents=True, exist_ok=True)
    (folder / title).write_bytes(data)


def rpc(message):
    return v.lv(2, message)


def control(data):
    return v.lv(3, data)


def frame(peer, what, data):
    return bytes([peer + 6 * what, len(data)]) + data


messages = {k: d for k, d in v.cases.items() if k.startswith("message_") and k != "message_id"}
for title, data in messages.items():
    write("gossipsub", title, rpc(data))
write("gossipsub", "all", v.cases["rpc_all"])
controls = {
    "ihave": v.lv(1, v.lv(1, v.TOPIC) + v.lv(2, v.IDS[0])), "iwant": v.lv(2, v.lv(1, v.cases["message_id"])),
    "graft": v.lv(3, v.lv(1, v.TOPIC)), "prune": v.lv(4, v.lv(1, v.TOPIC) + v.num(3, 5)),
    "px": v.lv(4, v.lv(1, v.TOPIC) + v.lv(2, v.lv(1, v.B.peer) + v.lv(2, b"record"))),
    "idontwant": v.lv(5, v.lv(1, v.cases["message_id"])),
}
for title, data in controls.items():
    write("gossipsub", title, control(data))
good = rpc(v.lv(1, v.A.peer) + v.lv(2, b"x") + v.lv(3, b"\1" * 8) + v.lv(4, v.TOPIC) + v.lv(5, b"\2" * 64))
other = rpc(v.lv(1, v.B.peer) + v.lv(2, b"x") + v.lv(3, b"\1" * 8) + v.lv(4, v.TOPIC) + v.lv(5, b"\2" * 64))
write("gossipsub", "frames_spread", b"\xff" + frame(0, 8, good) + frame(1, 8, other) + frame(2, 2, b"." * 30)
      + frame(3, 8, control(controls["iwant"])))
write("gossipsub", "frames_spam", b"\xff" + (frame(0, 8, control(controls["prune"]))
      + frame(0, 8, control(controls["graft"])) + frame(0, 2, b".")) * 5)
write("gossipsub", "frames_leave", b"\xff" + frame(0, 8, good) + frame(0, 5, b"") + frame(0, 0, b"")
      + frame(1, 0, b"") + frame(1, 2, b"." * 50) + frame(0, 6, b"") + frame(0, 1, b"."))
write("gossipsub", "frames_deny", b"\xff" + frame(2, 3, b".") + frame(2, 1, b"") + frame(2, 8, good)
      + frame(2, 3, b"") + frame(2, 1, b""))
write("gossipsub", "frames_full", b"\xff" + frame(1, 4, b"." * 40) + frame(0, 7, b"mine") + frame(0, 5, b"")
      + frame(0, 6, b"") + frame(2, 2, b"." * 20))
for title, data in v.cases.items():
    if title.startswith("capability_"):
        write("capability", title, data)
even = v.lv(1, v.cases["capability_good"][2:-66]) + v.lv(2, b"\2" * 64)
known = v.lv(2, v.lv(1, v.B.peer) + v.lv(2, bytes([4, 8, 1, 1, 1, 0x91, 2, 0x0F, 0xA1, 0xCD, 3]))
             + v.lv(2, bytes([4, 127, 0, 0, 1, 0x91, 2, 0x0F, 0xA1, 0xCD, 3])))
reply = v.lv(1, even) + known + v.num(4, 3)
write("peers_messages", "ask_list", b"\0" + v.lv(1, v.num(2, 256)))
write("peers_messages", "ask_list_after", b"\0" + v.lv(1, v.lv(1, v.A.peer) + v.num(2, 7)))
write("peers_messages", "ask_sample", b"\0" + v.lv(2, v.lv(1, b"common") + v.num(2, 1) + v.num(7, 16)))
revocation = b"quorate/1/revocation\0" + bytes([len(v.B.peer)]) + v.B.peer + (1790000000000000).to_bytes(8, "big") + b"\2" * 64
write("peers_messages", "ask_revoked", b"\0" + v.lv(3, v.lv(1, revocation)))
write("peers_messages", "crawl", b"\1" + reply)
write("peers_messages", "crawl_pages", b"\1" + reply + v.num(3, 1))
write("peers_messages", "crawl_many", b"\1" + known * 300)
write("peers_messages", "draw", b"\2" + reply)
write("peers_messages", "draw_silent", b"\2" + reply + v.lv(5, bytes([0x90, 0x4E, 3])))
write("peers_messages", "state", b"\3" + v.lv(1, v.lv(1, v.A.peer) + v.lv(2, b"rude") + v.num(3, 1790000000000000)
                                             + v.num(4, 0)) + v.num(2, 1790000000000000000))
