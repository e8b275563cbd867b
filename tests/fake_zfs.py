#!/usr/bin/env python3
"""A stand-in for zfs and zpool where there is none: datasets are folders of JSON, streams have a true first record. For tests of SSH.

FAKE_ZFS names the folder; FAKE_ZFS/fail holds words that the next receive fails with after some bytes.
"""

from __future__ import annotations

import json
import os
import re
import struct
import sys
from pathlib import Path

ROOT = Path(os.environ["FAKE_ZFS"])
HEAD = 312


def load() -> dict[str, dict]:
    path = ROOT / "datasets.json"
    return json.loads(path.read_text()) if path.exists() else {}


def save(datasets: dict[str, dict]) -> None:
    (ROOT / "datasets.json").write_text(json.dumps(datasets))


def say(line: str) -> None:
    sys.stdout.write(line + "\n")


def fail(words: str) -> None:
    sys.exit(words)


def list_datasets(words: list[str]) -> None:
    columns, kinds, root = words[words.index("-o") + 1].split(","), words[words.index("-t") + 1].split(","), words[-1]
    datasets = load()
    if root not in datasets:
        fail(f"cannot open '{root}': dataset does not exist")
    for name in [name for name in sorted(datasets) if name == root or ("-r" in words and name.startswith(root + "/"))]:
        for row in rows_of(name, datasets[name]):
            if row["type"] in kinds:
                say("\t".join(str(row.get(one, "-")) for one in columns))


def rows_of(name: str, told: dict) -> list[dict]:
    rows = [{"name": name, "type": "filesystem", "written": 0, "readonly": "on", "encryption": "off", "used": 1, "available": 1,
             "referenced": 1, "mounted": "no", "mountpoint": "none"}]  # fmt: skip
    for kind, sign in (("snapshot", "@"), ("bookmark", "#")):
        for txg, (short, guid) in enumerate(told[kind + "s"], 10):
            rows.append({"name": f"{name}{sign}{short}", "type": kind, "guid": guid, "createtxg": txg, "creation": 1_790_000_000 + txg,
                         "used": 0, "referenced": 9, "userrefs": 0})  # fmt: skip
    return rows


def send(words: list[str]) -> None:
    name, _, short = words[-1].partition("@")
    guids = dict(load()[name]["snapshots"])
    base = guids[re.split("[@#]", words[words.index("-i") + 1])[1]] if "-i" in words else 0
    if "-n" in words:
        say(f"size\t{HEAD + 100_000}")
        return
    begin = struct.pack("<IIQQQIIQQ", 0, 0, 0x2F5BACBAC, 1, 0, 2, 0, guids[short], base) + words[-1].encode()
    sys.stdout.buffer.write(begin.ljust(HEAD, b"\0") + b"x" * 100_000)


def receive(words: list[str]) -> None:
    if "-F" in words:
        fail("a test must never see -F")
    stream = sys.stdin.buffer.read()
    failure = ROOT / "fail"
    if failure.exists():
        told = failure.read_text()
        failure.unlink()
        fail(told)
    to_guid, from_guid = struct.unpack_from("<QQ", stream, 40)
    short = stream[56:HEAD].split(b"\0")[0].decode().partition("@")[2]
    datasets = load()
    told = datasets.setdefault(words[-1], {"snapshots": [], "bookmarks": []})
    if from_guid and told["snapshots"][-1][1] != from_guid:
        fail("cannot receive incremental stream: most recent snapshot of x does not\nmatch incremental source")
    told["snapshots"].append([short, to_guid])
    save(datasets)


def main() -> None:
    verb, *words = sys.argv[1:]
    with open(ROOT / "history", "a") as history:
        history.write(" ".join(sys.argv[1:]) + "\n")
    if verb == "list" and "-t" not in words:  # as zpool: every pool is there
        sys.stdout.write(f"{words[-1]}\n")
    elif verb == "list":
        list_datasets(words)
    elif verb == "send":
        send(words)
    elif verb == "receive":
        receive(words)
    elif verb == "bookmark":
        name, _, short = words[0].partition("@")
        datasets = load()
        told = datasets[name]
        told["bookmarks"].append([words[1].partition("#")[2], dict(told["snapshots"])[short]])
        save(datasets)
    elif verb not in ("hold", "release", "holds"):
        fail(f"the stand-in knows no {verb}")


main()
