"""A store that was restored is restored again: nothing is read or said to be proved, and no dataset of the replica is made empty."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

import pytest

from fonoteca.cli.pool_restore import _store
from fonoteca.ground.progress import Silent
from fonoteca.pools.making import MakingStep
from fonoteca.pools.plan_file import PlannedDataset, PlannedVdev, PoolPlan
from fonoteca.pools.restoring import Origin
from fonoteca.pools.transport import SshOptions
from fonoteca.pools.zfs import Zfs
from fonoteca.workflows.pool.create import CreationPlan, PoolMaker
from fonoteca.workflows.pool.replica_book import book_folder
from fonoteca.workflows.pool.replica_source import source_of
from fonoteca.workflows.pool.restore_pool import StoreRestorer

NAMES = ("fonoteca", "fonoteca/archive")
PLAN = PoolPlan(
    name="tank", vdevs=(PlannedVdev("disk", 1),), datasets=tuple(PlannedDataset(name, {}) for name in (*NAMES, "fonoteca/more"))
)


class Told(Zfs):
    """ZFS with one snapshot of each dataset in `pools`, and the marks of tank."""

    def __init__(self, marks: str) -> None:
        super().__init__()
        self.marks, self.changes = marks, list[tuple[str, ...]]()

    def run(self, *arguments: str | Path, timeout_s: float = 120) -> str:
        words = tuple(map(str, arguments))
        if words[1] == "list":
            root = words[-1]
            pool = root.partition("/")[0]
            rows = [row for number, name in enumerate(NAMES, 7) for row in _rows(f"{pool}/{name}", number)]
            return "".join("\t".join(row) + "\n" for row in rows)
        if words[1] == "get":
            return self.marks if "name,property,value" in words else "canmount\toff\nmounted\tno\nmountpoint\tnone\n"
        self.changes.append(words)
        return ""


def _rows(name: str, guid: int) -> list[tuple[str, ...]]:
    own = ("filesystem", name, "1", "1", "1", "0", "0", "0", "off", "off", "-")
    return [own, ("snapshot", f"{name}@m", str(guid), "2", "2", "0", "0", "-", "-", "off", "-")]


class Maker:
    """A pool whose datasets are all missing, as far as it knows."""

    plan = PLAN

    def __init__(self) -> None:
        self.made: list[str] = []

    def prepare(self) -> CreationPlan:
        steps = tuple(MakingStep(("zfs", "create", f"tank/{one.name}")) for one in PLAN.datasets)
        return CreationPlan(PLAN, (), steps, 0, 0, True)

    def read_pool(self) -> object:
        return object()

    def carry_out(self, prepared: CreationPlan, tell: Callable[..., None] = print) -> None:
        self.made += [step.command[-1] for step in prepared.steps]


def restorer(marks: str) -> tuple[StoreRestorer, Maker, Told]:
    zfs, maker = Told(marks), Maker()
    source = source_of(zfs, Origin("backup/fonoteca"), SshOptions())
    return StoreRestorer(zfs, source, cast(PoolMaker, cast(Any, maker)), Silent()), maker, zfs


def test_a_store_that_is_back_is_only_said_to_be_back_since_that_day() -> None:
    marks = "tank/fonoteca\tfonoteca:restored\tproved@1763865000\n"
    marks += "tank/fonoteca\tfonoteca:restored-snapshot\t7\ntank/fonoteca/archive\tfonoteca:restored-snapshot\t8\n"
    run, maker, zfs = restorer(marks)
    prepared = run.prepare()
    assert prepared.bytes == 0
    restored = run.carry_out(prepared)
    assert restored.proved == "earlier" and restored.restored_at == 1_763_865_000 and restored.proof is None
    assert maker.made == ["tank/fonoteca/more"]  # what the replica has is received or refused, never made
    assert not any("fonoteca:restored" in word for words in zfs.changes for word in words)
    told = _store(restored)
    assert "was restored on 2025-11-2" in told and "nothing was received or read now" in told and "every listed file" not in told


@pytest.mark.parametrize(
    "marks", ["", "tank/fonoteca\tfonoteca:restored\tproved\n", "tank/fonoteca/archive\tfonoteca:restored\tproved@5\n"]
)
def test_without_a_mark_of_its_own_a_store_is_proved(marks: str, monkeypatch: pytest.MonkeyPatch) -> None:
    run, _, zfs = restorer(marks)
    monkeypatch.setattr("fonoteca.workflows.pool.restore_pool.prove_replica", lambda *given: (None, "other bytes"))
    assert run.carry_out(run.prepare()).proved == "not-the-same"
    assert not any("readonly" in words or "fonoteca:restored" in " ".join(words) for words in zfs.changes)


def test_replication_from_a_pool_that_is_read_only_keeps_its_state_elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    assert book_folder(tmp_path) == tmp_path
    true = os.statvfs(tmp_path)
    monkeypatch.setattr("os.statvfs", lambda path: os.statvfs_result((*true[:8], true.f_flag | os.ST_RDONLY, true.f_namemax)))
    assert book_folder(tmp_path) == tmp_path / "state" / "fonoteca" and (tmp_path / "state" / "fonoteca").is_dir()
