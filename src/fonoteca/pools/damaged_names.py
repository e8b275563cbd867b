"""The names under "Permanent errors" of `zpool status -v`, as zpool_obj_to_path of libzfs writes them."""

from __future__ import annotations

import re

from fonoteca.pools.health import DamagedFile

_DATASET = r"[A-Za-z0-9_.:\- /]{1,255}"
_SNAPSHOT = r"[A-Za-z0-9_.:\- ]{1,255}"
_OBJECT = re.compile(
    rf"(?P<dataset><0x[0-9a-f]{{1,16}}>|<metadata>|{_DATASET}(?:@{_SNAPSHOT})?):(?P<object><0x[0-9a-f]{{1,16}}>|<xattrdir>.*)", re.S
)
_IN_DATASET = re.compile(rf"(?P<dataset>{_DATASET}?)(?:@(?P<snapshot>{_SNAPSHOT}))?:(?P<path>/.*)", re.S)


def parse_damaged(text: str) -> DamagedFile:
    """One name. Never fails: what is of no known form is kept as `text` alone.

    /tank/a/f is a file of a mounted dataset; tank/a:/f one of a dataset that is not mounted; tank/a@s:/f one in a snapshot;
    tank/a:<0x1a2> has no name any more; <0x3c>:<0x1a2> has no dataset either; <metadata>:<0x3> belongs to the pool itself.
    """
    if text.startswith("/"):
        return DamagedFile(text, path=text)
    if found := _OBJECT.fullmatch(text):
        return _object(text, found["dataset"], found["object"])
    if found := _IN_DATASET.fullmatch(text):
        return DamagedFile(text, path=found["path"], dataset=found["dataset"], snapshot=found["snapshot"])
    return DamagedFile(text)


def is_metadata(damaged: DamagedFile) -> bool:
    """Whether it is no file but what ZFS itself needs: of the pool, or the root objects of a dataset."""
    return damaged.dataset == "<metadata>" or (damaged.path is None and damaged.object_id is not None and damaged.object_id < 2)


def _object(text: str, dataset: str, object: str) -> DamagedFile:
    name, _, snapshot = dataset.partition("@")
    number = int(object[3:-1], 16) if re.fullmatch(r"<0x[0-9a-f]+>", object) else None
    return DamagedFile(text, dataset=name, snapshot=snapshot or None, object_id=number)
