#!/usr/bin/env python3
"""Seeds for fuzz_job_messages and fuzz_description, scripts of (u8 what, u16 length, bytes), and for
fuzz_commit, for each of three hosts (u8 count, count times u16 place and u8 xor)."""
import pathlib

out = pathlib.Path(__file__).parent / "corpus"


def varint(n):
    b = b""
    while n > 127:
        b += bytes([n & 127 | 128])
        n >>= 7
    return b + bytes([n])


def field(number, value):
    if isinstance(value, int):
        return varint(number << 3) + varint(value)
    return varint(number << 3 | 2) + varint(len(value)) + value


def frame(message):
    return varint(len(message)) + message


def step(what, argument=b"", host=0):
    return bytes([host << 4 | what]) + len(argument).to_bytes(2, "big") + argument


def write(target, seeds):
    (out / target).mkdir(parents=True, exist_ok=True)
    for name, data in seeds.items():
        (out / target / name).write_bytes(data)


bid = frame(field(2, field(1, bytes(16)) + field(2, 5000) + field(3, b"sim/1/model") + field(4, 2)))
started = frame(field(5, b""))
progress = frame(field(6, field(1, b"running") + field(2, 12) + field(4, 1000)))
commit = frame(field(7, field(1, b"quorate/1/commit\0" + bytes(99)) + field(2, bytes(64)) + field(3, 1) +
                     field(4, bytes(32)) + field(5, bytes(32)) + field(12, b"sim/1/model")))
refusal = frame(field(3, field(1, field(1, 4) + field(2, b"rule=paused")) + field(2, 100)))
failure = frame(field(8, field(1, field(1, 10) + field(2, b"which=memory"))))
rows = frame(field(10, field(2, bytes(64)))) + frame(field(11, field(3, 4) + field(4, b"\x10\x01\x00\x00"))) + \
    frame(field(12, field(1, 1)))
verdicts = b"".join(frame(field(n, b"")) for n in (1, 4, 9, 13, 14, 15, 16, 17, 18))
all_bid = b"".join(step(4, host=h) for h in range(3))
write("job_messages", {
    "bids": b"".join(step(1, bid, h) for h in range(3)),
    "bid_twice": step(1, bid) + step(1, bid),
    "bid_cut": step(1, bid[:5]) + step(1, bid[5:]),
    "refused": b"".join(step(1, refusal, h) for h in range(3)) + step(5, bytes(30)),
    "run": all_bid + b"".join(step(1, started + progress + commit, h) for h in range(3)),
    "failed": all_bid + b"".join(step(1, started + failure, h) for h in range(3)) + step(5, bytes(50)),
    "silent": all_bid + step(1, started) + step(5, bytes(200)),
    "rows_early": all_bid + step(1, rows) + step(1, rows, 1),
    "wrong_way": all_bid + step(1, verdicts),
    "closed": all_bid + step(3) + step(3, host=1) + step(5, bytes(100)),
    "garbage": step(1, b"\xff" * 30) + all_bid + step(1, b"\xff" * 30, 1) + step(1, b"\x05abc", 2),
    "report": all_bid + step(7, field(4, field(1, 1) + field(2, bytes(32)) + field(3, bytes(32)))),
    "windows": step(6) + all_bid + step(6, host=2),
})


def changes(*hosts):
    data = b""
    for host in hosts:
        data += bytes([len(host)]) + b"".join(at.to_bytes(2, "big") + bytes([x]) for at, x in host)
    return data


write("commit", {
    "right": changes([], [], []),
    "one_bit": changes([(40, 1)], [], []),
    "signature": changes([(200, 128)], [(210, 1)], []),
    "answer": changes([(260, 1)], [(260, 1)], [(260, 1)]),
    "tags": changes([(2, 255)], [(3, 255), (4, 255)], []),
    "all": changes([(n * 40, 7) for n in range(7)], [(n * 41, 9) for n in range(7)], [(9, 9)]),
})


def description(sql=b"SELECT n FROM nothing", kind=b"EXACT", engine=b"sim/1/model", schema=b"\x01\x30\x01n\x10", problem=None):
    if problem:
        return frame(field(18, field(3, problem)))
    return frame(field(18, field(1, schema) + field(2, kind) + field(4, sql) + field(5, 1) + field(7, engine) +
                       field(8, field(1, b"n") + field(2, 7) + field(3, b"why"))))


alike = b"".join(step(1, description(), h) for h in range(3))
write("description", {
    "alike": alike + step(3, bytes(20)),
    "alike_then_bids": alike + b"".join(step(1, bid, h) for h in range(3)) + step(3, bytes(20)),
    "two_alike": step(1, description()) + step(1, description(b"SELECT 2"), 1) + step(1, description(), 2),
    "all_differ": b"".join(step(1, description(b"SELECT %d" % h), h) for h in range(3)),
    "problem": b"".join(step(1, description(problem=field(1, 8) + field(2, b"code=PARSE") + field(5, 3)), h) for h in range(3)),
    "no_class": b"".join(step(1, description(kind=b"SURE"), h) for h in range(3)),
    "other_engine": b"".join(step(1, description(engine=b"x" * 200), h) for h in range(3)),
    "no_schema": b"".join(step(1, description(schema=b"\xff" * 9), h) for h in range(3)),
    "refused": b"".join(step(1, refusal, h) for h in range(3)) + step(3, bytes(30)),
    "twice": step(1, description() + description()) + step(2, host=1) + step(3, bytes(200)),
    "cut": step(1, description()[:9]) + step(1, description()[9:]) + step(2, host=1) + step(2, host=2),
    "garbage": step(1, b"\xff" * 30) + step(1, b"\x05abc", 1) + step(1, frame(field(2, b"")), 2),
    "silent": step(3, bytes(200)),
})
