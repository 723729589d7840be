#!/usr/bin/env python3
"""Seeds for fuzz_csv and fuzz_ndjson."""
import hashlib
import os

HERE = os.path.join(os.path.dirname(os.path.abspath(__file__)), "corpus")

CSV = [
    b"id,name,price,day,at\n1,Ann,12.50,2024-02-29,2024-02-29 08:00:00\n2,,0.25,,\n3,\"\",100,2023-12-31,2024-01-01T00:00:00.5\n",
    b"a;b\r\n1,5;\"x \"\"y\"\" z\"\r\n\r\n;\r\n",
    b"\xef\xbb\xbfa\tb\n-1\t1e3\n9223372036854775807\t-0.5e-3\n",
    b"a\n1\n\n\"\"\n", b"1|2\n3|4", b"\"l1\nl2\",b\n1,2\n", b"a,b\n\"l1\r\nl2\",\"x\n",
    b"\x01;'\x01\x02NA\na;'it''s';NA\n1;'NA';\n", b"a,b\n1,\xff\n", b"a,A\n1,2\n", b"x" * 300 + b",y\n1,2\n",
    b"a\n123456789012345678901234567890\n0.12345678901234567890\n9007199254740993\n",
]
NDJSON = [
    b'{"id":1,"name":"Ann","price":12.50,"ok":true}\n{"id":2,"name":null,"price":0.25,"new":"2024-02-29"}\n',
    b' { "a" : "\\u0041\\ud83d\\ude00\\n\\/\\"" } \r\n\n{"a":"x"}', b'{"a":-0.5e-3}\n{"a":9007199254740993}\n',
    b'{"a":"\\u0000"}\n', b'{"a":"\\ud800"}\n', b'{"a":{"b":1}}\n', b'{"a":[1]}\n', b'{"a":1,"a":2}\n', b"{}\n{\"\\u0061\":false}\n",
    b'{"a":"2024-02-29T08:00:00.123456"}\n{"a":"2024-02-29 08:00:00"}\n', b'{"a":1e999}\n', b"[1]\n", b'{"a":"x\n',
]


def put(name, data):
    folder = os.path.join(HERE, name)
    os.makedirs(folder, exist_ok=True)
    with open(os.path.join(folder, hashlib.sha256(data).hexdigest()[:16]), "wb") as f:
        f.write(data)


for text in CSV:
    put("csv", text)
for text in NDJSON:
    put("ndjson", text)
