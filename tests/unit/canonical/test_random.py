#!/usr/bin/env python3
"""Random values of all types, nested at random, against common/canonical/cell.

A second implementation of the section "Cells" of common/canonical/README.md, written from that
page: what it writes must be what the C writers write of the same value given loosely, and of
damaged bytes it must accept exactly what the C reader accepts.
usage: test_random.py JUDGE [SEED [COUNT]]    TAP on stdout"""
import pathlib
import random
import struct
import subprocess
import sys

DEPTH_MAX = 16
HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE / "vectors"))
from make_vectors import cell_decimal, cell_integer, cell_map, cell_real, sized, varint  # noqa: E402

# (canonical, loose) of one random value


def loose_integer(rng, v, limit):
    n = (v.bit_length() + 8) // 8
    return sized(v.to_bytes(min(limit, n + rng.randrange(3)), "big", signed=True))


def some_integer(rng, bits):
    v = rng.choice([0, 1, -1, 127, 128, -128, -129, rng.getrandbits(rng.randrange(1, bits))])
    return v if rng.random() < 0.5 else -v


def make_null(rng, depth):
    return b"\0", b"\0"


def make_integer(rng, depth):
    v = some_integer(rng, 255)
    return cell_integer(v), b"\x10" + loose_integer(rng, v, 34)


def make_decimal(rng, depth):
    v, zeros = some_integer(rng, 100), rng.choice([0, 0, 1, 3])
    scale = rng.choice([0, 1, 2, rng.randrange(256)])
    v *= 10 ** zeros
    return cell_decimal(v, scale), b"\x11" + varint(scale) + loose_integer(rng, v, 16)


def make_real(rng, depth):
    bits = rng.choice([0, 1 << 63, 0x7FF8 << 48, 0xFFF0000000000001, rng.getrandbits(64)])
    v = struct.unpack(">d", struct.pack(">Q", bits))[0]
    good = None if abs(v) == float("inf") else cell_real(v)
    return good, b"\x20" + struct.pack(">Q", bits)


def make_text(rng, depth):
    if rng.random() < 0.1:
        raw = rng.randbytes(rng.randrange(6))
        try:
            raw.decode()
            good = b"\x30" + sized(raw)
        except UnicodeDecodeError:
            good = None
        return good, b"\x30" + sized(raw)
    points = [rng.choice([65, 0, 0x7F, 0x80, 0x7FF, 0x800, 0xFFFF, 0x10000, 0x10FFFF, 0x1F4A9])
              for _ in range(rng.randrange(6))]
    v = b"\x30" + sized("".join(map(chr, points)).encode())
    return v, v


def make_blob(rng, depth):
    v = b"\x31" + sized(rng.randbytes(rng.choice([0, 1, 5, 127, 128, 300])))
    return v, v


def fixed(tag, size):
    def make(rng, depth):
        v = bytes([tag]) + rng.randbytes(size)
        return v, v
    return make


def make_bit(rng, depth):
    n = rng.randrange(40)
    raw = bytearray(rng.randbytes((n + 7) // 8))
    loose = b"\x46" + varint(n) + bytes(raw)
    if n % 8:
        raw[-1] &= 0xFF00 >> n % 8 & 0xFF
    return b"\x46" + varint(n) + bytes(raw), loose


def join(members):
    """None when a member has no canonical form."""
    good = [m[0] for m in members]
    return (None if None in good else good), [m[1] for m in members]


def make_list(rng, depth):
    good, loose = join([make(rng, depth + 1) for _ in range(rng.randrange(4))])
    head = b"\x50" + varint(len(loose))
    return good is not None and head + b"".join(good) or None, head + b"".join(loose)


def make_struct(rng, depth):
    good, loose = [], []
    for _ in range(rng.randrange(4)):
        name = make_text(random.Random(rng.random()), depth)
        value = make(rng, depth + 1)
        if name[0] is None:
            name = (b"\x30\0", b"\x30\0")
        good += [None if value[0] is None else name[0] + value[0]]
        loose += [name[1] + value[1]]
    head = b"\x51" + varint(len(loose))
    return None if None in good else head + b"".join(good), head + b"".join(loose)


def make_map(rng, depth):
    pairs = [(make(rng, depth + 1), make(rng, depth + 1)) for _ in range(rng.randrange(4))]
    head = b"\x52" + varint(len(pairs))
    loose = head + b"".join(k[1] + v[1] for k, v in pairs)
    keys = [k[0] for k, _ in pairs]
    if None in keys or any(v[0] is None for _, v in pairs):
        return None, loose
    if len(set(keys)) < len(keys) or b"\0" in keys:
        return None, loose
    return cell_map([(k[0], v[0]) for k, v in pairs]), loose


PLAIN = [make_null, make_integer, make_decimal, make_real, make_text, make_blob, fixed(0x40, 4),
         fixed(0x41, 8), fixed(0x42, 8), fixed(0x43, 8), fixed(0x44, 16), fixed(0x45, 16), make_bit]


def make(rng, depth=0):
    nested = depth < 5 and rng.random() < 0.6 / (1 + depth / 2)
    return rng.choice([make_list, make_struct, make_map] if nested else PLAIN)(rng, depth)


# The strict reader: the end of one cell that starts at i, or Refused


class Refused(Exception):
    pass


def demand(condition):
    if not condition:
        raise Refused


def take(v, i, n):
    demand(i + n <= len(v))
    return v[i:i + n], i + n


def read_varint(v, i):
    n = 0
    for shift in range(0, 63, 7):
        (octet,), i = take(v, i, 1)
        n |= (octet & 0x7F) << shift
        if octet < 0x80:
            demand(shift == 0 or octet)
            return n, i
    raise Refused


def read_sized(v, i):
    n, i = read_varint(v, i)
    return take(v, i, n)


def read_integer(v, i):
    raw, i = read_sized(v, i)
    demand(1 <= len(raw) <= 32)
    n = int.from_bytes(raw, "big", signed=True)
    demand(sized(raw) == cell_integer(n)[1:])
    return n, i


def read_plain(v, i, tag):
    if tag == 0x10:
        return read_integer(v, i)[1]
    if tag == 0x11:
        scale, i = read_varint(v, i)
        mantissa, i = read_integer(v, i)
        demand(1 <= scale <= 255 and mantissa % 10)
        return i
    if tag == 0x20:
        raw, i = take(v, i, 8)
        n = struct.unpack(">d", raw)[0]
        demand(abs(n) != float("inf") and cell_real(n)[1:] == raw)
        return i
    if tag in (0x30, 0x31):
        raw, i = read_sized(v, i)
        try:
            demand(tag == 0x31 or raw.decode() is not None)
        except UnicodeDecodeError:
            raise Refused from None
        return i
    if tag == 0x46:
        n, i = read_varint(v, i)
        raw, i = take(v, i, (n + 7) // 8)
        demand(n % 8 == 0 or raw[-1] & 0xFF >> n % 8 == 0)
        return i
    sizes = {0: 0, 0x40: 4, 0x41: 8, 0x42: 8, 0x43: 8, 0x44: 16, 0x45: 16}
    demand(tag in sizes)
    return take(v, i, sizes[tag])[1]


def read_cell(v, i=0, depth=0):
    (tag,), i = take(v, i, 1)
    if tag not in (0x50, 0x51, 0x52):
        return read_plain(v, i, tag)
    demand(depth < DEPTH_MAX)
    n, i = read_varint(v, i)
    demand(n <= len(v))
    last = None
    for _ in range(n):
        start = i
        if tag != 0x50:
            i = read_cell(v, i, depth + 1)
            demand(tag == 0x52 or v[start] == 0x30)
            demand(tag == 0x51 or (v[start] and (last is None or last < v[start:i])))
            last = v[start:i]
        i = read_cell(v, i, depth + 1)
    return i


def accepts(v):
    try:
        return read_cell(v) == len(v)
    except Refused:
        return False


def damage(rng, v):
    v = bytearray(v)
    for _ in range(rng.choice([1, 1, 1, 2])):
        at = rng.randrange(len(v))
        how = rng.randrange(5)
        if how == 0:
            v[at] ^= 1 << rng.randrange(8)
        elif how == 1:
            v[at] = rng.choice([0, 1, 0x10, 0x11, 0x20, 0x30, 0x46, 0x50, 0x51, 0x52, 0x80, 0xFF])
        elif how == 2:
            v.insert(at, rng.choice([0, 0x80, 0xFF, rng.randrange(256)]))
        elif how == 3 and len(v) > 1:
            del v[at]
        else:
            v = v[:at + 1]
    return bytes(v)


def deep(n):
    return b"\x50\x01" * n + b"\x10\x01\0"


def main(judge, seed, count):
    rng = random.Random(seed)
    asked, wanted = [], []
    for good, loose in (make(rng) for _ in range(count)):
        asked.append("w " + loose.hex())
        wanted.append(good.hex() if good else "no")
        tried = [good, damage(rng, good), damage(rng, good)] if good else [loose]
        asked += ["r " + v.hex() for v in tried]
        wanted += ["ok" if accepts(v) else "no" for v in tried]
        if good:
            assert accepts(good), good.hex()
    for n in (DEPTH_MAX, DEPTH_MAX + 1):
        asked.append("r " + deep(n).hex())
        wanted.append("ok" if accepts(deep(n)) else "no")
    got = subprocess.run([judge], input="\n".join(asked) + "\n", text=True, check=True,
                         stdout=subprocess.PIPE).stdout.split("\n")[:-1]
    wrong = [(a, w, g) for a, w, g in zip(asked, wanted, got) if w != g]
    refused = wanted.count("no")
    good = not wrong and len(got) == len(asked) and count // 4 < refused < len(asked) - count
    print("1..1")
    print(f"{'ok' if good else 'not ok'} 1 - {len(asked)} cells, {refused} refused, seed {seed}")
    for a, w, g in wrong[:10]:
        print(f"# asked {a[:400]}\n#   want {w[:400]}\n#   got  {g[:400]}")
    return 0 if good else 1


if __name__ == "__main__":
    arguments = sys.argv[2:] + ["1", "5000"][len(sys.argv) - 2:]
    sys.exit(main(sys.argv[1], int(arguments[0]), int(arguments[1])))
