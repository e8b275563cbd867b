"""`zpool status -vPps` as text, of OpenZFS 2.1, 2.2 and 2.3."""

from __future__ import annotations

import re
from collections.abc import Sequence
from itertools import pairwise
from typing import NamedTuple, cast

from fonoteca.ground.errors import PoolOutputError
from fonoteca.pools.damaged_names import parse_damaged
from fonoteca.pools.health import PoolHealth, Vdev, VdevKind, VdevRole, VdevState
from fonoteca.pools.scan_text import latest, parse_scan

_FIELDS = (
    "pool", "state", "status", "action", "see", "scan", "scan warning", "remove", "expand", "checkpoint", "config", "errors", "dedup",
    "comment",
)  # fmt: skip
_FIELD = re.compile(rf" *({'|'.join(_FIELDS)}):(?: |$)(.*)", re.S)
_GROUPS: dict[str, VdevRole] = {"logs": "log", "cache": "cache", "spares": "spare", "special": "special", "dedup": "dedup"}
_STATES = "ONLINE|DEGRADED|FAULTED|OFFLINE|REMOVED|UNAVAIL|AVAIL|INUSE|SPLIT|SUSPENDED"
_COUNT = r"[0-9][0-9.]*[KMGTPE]?"
_VDEV = re.compile(
    rf"(?P<indent> *)(?P<name>\S.*?)\s+(?P<state>{_STATES})"
    rf"(?:\s+(?P<read>{_COUNT})\s+(?P<write>{_COUNT})\s+(?P<checksum>{_COUNT})(?:\s+(?P<slow>{_COUNT}|-)(?=\s|$))?)?"
    r"(?:\s+(?P<note>\S.*?))?\s*",
    re.S,
)
_UNITS = {unit: 1024**power for power, unit in enumerate("KMGTPE", 1)}
_DAMAGE_INDENT = "        "
_DEEPEST = 8


def parse_status_text(text: str) -> list[PoolHealth]:
    """Every pool that is told of; PoolOutputError for what is not such output. Empty where there are no pools."""
    if text.strip() in ("", "no pools available"):
        return []
    return [_pool(fields) for fields in _split_pools(text)]


class _Field(NamedTuple):
    name: str
    lines: list[str]

    @property
    def words(self) -> str:
        return " ".join(" ".join(self.lines).split())


def _split_pools(text: str) -> list[list[_Field]]:
    """A name of a damaged file may begin like a field, or with a line end: behind "errors:" only a blank line ends its list."""
    pools: list[list[_Field]] = []
    for line in text.split("\n"):
        found = _FIELD.fullmatch(line)
        in_damage = bool(pools and pools[-1] and pools[-1][-1].name == "errors")
        if found and found[1] == "pool" and (not pools or line.startswith("  pool: ")):
            pools.append([])
        if not pools:
            if line.strip():
                raise _odd(line)
            continue
        if found and (not in_damage or found[1] in ("pool", "dedup")):
            pools[-1].append(_Field(found[1], [found[2]]))
        else:
            pools[-1][-1].lines.append(line)
    return pools


def _pool(fields: Sequence[_Field]) -> PoolHealth:
    told = {field.name: field for field in fields}
    state = told["state"].words if "state" in told else ""
    if not re.fullmatch(_STATES, state) or "config" not in told:
        raise _odd(f"pool: {told['pool'].words}")
    see = re.search(r"ZFS-8000-[0-9A-Z]{2}", told["see"].words) if "see" in told else None
    error_count, names = _errors(told.get("errors"))
    scans = [scan for field in fields if field.name == "scan" and (scan := parse_scan(field.words))]
    return PoolHealth(
        name="\n".join(told["pool"].lines).strip(), state=cast(VdevState, state), message_id=see[0] if see else None,
        status=_words(told, "status"), action=_words(told, "action"), scan=latest(scans), expansion=_words(told, "expand"),
        removal=_words(told, "remove"), error_count=error_count, damaged=tuple(map(parse_damaged, names)),
        vdevs=_vdevs(told["config"].lines),
    )  # fmt: skip


def _words(told: dict[str, _Field], name: str) -> str | None:
    return told[name].words or None if name in told else None


def _errors(field: _Field | None) -> tuple[int, list[str]]:
    """How many, and their names where they are told."""
    if field is None:
        return 0, []
    if found := re.match(r"([0-9]{1,18}) data errors", field.words):
        return int(found[1]), []
    if field.words.startswith("Permanent errors"):
        names = list(dict.fromkeys(_names(field.lines[1:])))
        return len(names), names
    if field.words.startswith("List of errors unavailable"):
        return 1, []
    return 0, []


def _names(lines: Sequence[str]) -> list[str]:
    """One a line, eight spaces in front; what has none goes on with a name that holds a line end."""
    names: list[str] = []
    body = list(lines)
    while body and not body[-1]:
        body.pop()
    for line in body:
        if line.startswith(_DAMAGE_INDENT):
            names.append(line[len(_DAMAGE_INDENT) :])
        elif names:
            names[-1] += "\n" + line
    return names


class _Row(NamedTuple):
    depth: int
    vdev: Vdev


def _vdevs(lines: Sequence[str]) -> tuple[Vdev, ...]:
    """The root first, then a root for each group; lines are indented by two spaces a level."""
    groups: list[tuple[str, VdevRole, list[_Row]]] = []
    for line in lines:
        body = line[1:] if line.startswith("\t") else line
        if not body.strip() or re.match(r"NAME +STATE|The configuration cannot be determined", body):
            continue
        if body.strip() in _GROUPS and body.startswith(body.strip()):
            groups.append((body.strip(), _GROUPS[body.strip()], []))
            continue
        row = _row(body, groups[-1][1] if groups else "data")
        if row.depth == 0:
            groups.append(("", "data", []))
        if not groups:
            raise _odd(line)
        groups[-1][2].append(row)
    return tuple(_group(*group) for group in groups)


def _group(name: str, role: VdevRole, rows: list[_Row]) -> Vdev:
    if not name:
        return _tree(rows, 0)[0]
    children = _tree(rows, 1)
    is_broken = any(child.state not in ("ONLINE", "AVAIL", "INUSE") for child in children)
    return Vdev(name=name, kind="root", state="DEGRADED" if is_broken else "ONLINE", role=role, children=children)


def _tree(rows: list[_Row], depth: int) -> tuple[Vdev, ...]:
    """Rows of one depth with all that stands below each."""
    starts = [at for at, row in enumerate(rows) if row.depth == depth]
    if rows and (not starts or starts[0] != 0 or depth > _DEEPEST):
        raise _odd(rows[0].vdev.name)
    found = []
    for start, end in pairwise([*starts, len(rows)]):
        vdev, children = rows[start].vdev, _tree(rows[start + 1 : end], depth + 1)
        found.append(_with_children(vdev, children) if children else vdev)
    return tuple(found)


def _with_children(vdev: Vdev, children: tuple[Vdev, ...]) -> Vdev:
    fields = {name: getattr(vdev, name) for name in vdev.__struct_fields__}
    return Vdev(**(fields | {"children": children, "path": None, "former_path": None, "slow_ios": None}))


def _row(body: str, role: VdevRole) -> _Row:
    found = _VDEV.fullmatch(body)
    if found is None or len(found["indent"]) % 2:
        raise _odd(body)
    depth = len(found["indent"]) // 2
    name, note = found["name"], found["note"] or ""
    former = note.removeprefix("was ") if note.startswith("was ") else None
    kind, parity = ("root", 0) if depth == 0 else kind_of(name, former)
    path = name if name.startswith("/") and former is None else None
    vdev = Vdev(
        name=name, kind=cast(VdevKind, kind), state=cast(VdevState, "OFFLINE" if found["state"] == "SPLIT" else found["state"]), role=role,
        parity=parity, path=path, former_path=former, read_errors=_count(found["read"]), write_errors=_count(found["write"]),
        checksum_errors=_count(found["checksum"]), slow_ios=_count(found["slow"]) if found["slow"] not in (None, "-") else None,
        note="" if former else _plain_note(note),
    )  # fmt: skip
    return _Row(depth, vdev)


def _plain_note(note: str) -> str:
    """Without brackets; that a disk is trimmed or initialized says nothing of its health."""
    note = re.sub(r" *\([^)]*(?:trim|initializ)[^)]*\)", "", note)
    return re.sub(r"\((resilvering|repairing|awaiting resilver)\)", r"\1", note).strip()


def kind_of(name: str, former: str | None = None) -> tuple[VdevKind, int]:
    """Kind and parity by the name that libzfs gives: raidz3-0, mirror-1, draid2:8d:21c:1s-0, replacing-4, a guid, a path."""
    if found := re.fullmatch(r"(raidz|draid)([123])(?::[^/]*)?-[0-9]+", name):
        return cast(VdevKind, found[1]), int(found[2])
    if found := re.fullmatch(r"(mirror|replacing|spare|indirect|hole|missing)-[0-9]+", name):
        return cast(VdevKind, found[1]), 0
    path = former or name
    if re.fullmatch(r"[0-9]{10,20}", path):
        return "missing", 0
    return ("disk", 0) if path.startswith("/dev/") or not path.startswith("/") else ("file", 0)


def _count(text: str | None) -> int:
    if not text:
        return 0
    if text[-1] in _UNITS:
        return round(float(text[:-1] or 0) * _UNITS[text[-1]]) if text[:-1].count(".") <= 1 else 0
    return int(text) if text.isdigit() else 0


def _odd(line: str) -> PoolOutputError:
    return PoolOutputError(f"zpool status printed what cannot be understood: {line[:200]!r}", "Report it with the output of: zfs version")
