"""Backups: whole, verified in every row, refused when altered, and no way to undo a revocation."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import sqlite3
import stat
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from aegis_kernel.domain.errors import BadRequestError, BootError, ConflictError, UnavailableError
from aegis_kernel.domain.key import KeyId
from aegis_kernel.domain.lifecycle import KeyState, Operation
from aegis_kernel.engine import operations as op
from aegis_kernel.engine.kernel import Kernel
from aegis_kernel.engine.operations import messages as m
from aegis_kernel.engine.restoring import Restorer
from aegis_kernel.engine.settings import Settings
from aegis_kernel.engine.streams import decode_snapshot
from tests.engine.test_master_rotation import REAL, kernel_at, make_keys, records_of, require_open
from tests.support.kernel import ALICE, settings


def at(data: Path, key_file: Path | None = None) -> Settings:
    named = {"AEGIS_ROT_INMEMORY_MASTER_KEY_FILE": str(key_file)} if key_file else {}
    return settings(data, AEGIS_JOURNAL_KIND="sqlite", **REAL, **named)


@pytest.fixture
def home(tmp_path: Path) -> Path:
    return tmp_path / "home"


@pytest.fixture
async def kernel(home: Path) -> AsyncIterator[Kernel]:
    async with kernel_at(home) as kernel:
        yield kernel


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "backup"


def elsewhere(tmp_path: Path, home: Path) -> Settings:
    """Another place, with a copy of the master key."""
    new = tmp_path / "new"
    new.mkdir(mode=0o700)
    shutil.copy(home / "master.key", new / "master.key")
    return at(new)


async def state_of(kernel: Kernel, key_id: KeyId) -> KeyState:
    stored = await kernel.providers.journal.load(f"key/{key_id}")
    assert stored is not None
    return decode_snapshot(stored.snapshot).state


async def test_what_was_backed_up_is_restored_elsewhere(
    kernel: Kernel, home: Path, file: Path, tmp_path: Path
) -> None:
    keys = await make_keys(kernel, 60)
    manifest = await kernel.backups.create(file, "a test")
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert sorted(p.name for p in tmp_path.iterdir()) == ["backup", "home"]
    assert sum(manifest.masters["inmemory"].values()) == manifest.material_rows == 60
    (said,) = await records_of(kernel, "BackupCreated")
    assert "a test" in said["reason"]
    new = elsewhere(tmp_path, home)
    verified = await Restorer(new).verify(file)
    assert (verified.material_rows, verified.records) == (60, manifest.head)
    assert not (new.data_dir / "aegis.db").exists()
    restored = await Restorer(new).restore(file, None)
    assert restored.verified == verified
    assert stat.S_IMODE((new.data_dir / "aegis.db").stat().st_mode) == 0o600
    async with Kernel(new) as again:
        await require_open(again, keys)
        assert len(await records_of(again, "BackupRestored")) == 1


async def test_a_backup_overwrites_nothing_and_neither_does_a_restore(
    kernel: Kernel, home: Path, file: Path, tmp_path: Path
) -> None:
    file.write_text("mine")
    with pytest.raises(ConflictError, match="overwrites nothing"):
        await kernel.backups.create(file, "a test")
    file.unlink()
    await kernel.backups.create(file, "a test")
    for name in ("aegis.db", "aegis.db-wal"):
        new = elsewhere(tmp_path, home)
        (new.data_dir / name).write_text("mine")
        with pytest.raises(BootError, match="overwrites nothing"):
            await Restorer(new).restore(file, None)
        assert (new.data_dir / name).read_text() == "mine"
        shutil.rmtree(new.data_dir)


async def test_a_path_that_makes_no_sense_is_refused(kernel: Kernel, tmp_path: Path) -> None:
    for path in (Path("relative"), tmp_path / "missing" / "backup"):
        with pytest.raises(BadRequestError):
            await kernel.backups.create(path, "a test")


async def test_the_memory_journal_says_that_it_has_no_backup(tmp_path: Path) -> None:
    async with Kernel(settings(tmp_path)) as kernel:
        with pytest.raises(UnavailableError, match="memory journal has no backup"):
            await kernel.backups.create(tmp_path / "backup", "a test")


async def test_the_wrong_master_key_is_refused_and_the_right_one_named(
    kernel: Kernel, file: Path, tmp_path: Path
) -> None:
    await make_keys(kernel, 1)
    await kernel.backups.create(file, "a test")
    (status,) = await kernel.master_rotation.status()
    async with kernel_at(tmp_path / "other"):
        pass
    (tmp_path / "other" / "aegis.db").unlink()
    with pytest.raises(BootError, match=f"needs the master key {status.newest}"):
        await Restorer(at(tmp_path / "other")).restore(file, None)
    assert not (tmp_path / "other" / "aegis.db").exists()
    with pytest.raises(BootError, match="does not exist"):
        await Restorer(at(tmp_path / "none")).verify(file)
    assert not (tmp_path / "none" / "master.key").exists()


async def test_a_backup_from_before_a_rotation_needs_the_retired_master_key(
    kernel: Kernel, home: Path, file: Path, tmp_path: Path
) -> None:
    keys = await make_keys(kernel, 3)
    new = elsewhere(tmp_path, home)
    await kernel.backups.create(file, "a test")
    await kernel.master_rotation.rotate("a test")
    with pytest.raises(BootError, match="needs the master key"):
        await Restorer(at(tmp_path / "x", home / "master.key")).verify(file)
    await Restorer(new).restore(file, None)
    async with Kernel(new) as again:
        await require_open(again, keys)


@pytest.mark.parametrize("cut", [1, 1000, 40_000, -5, -20])
async def test_a_backup_that_was_cut_short_or_added_to_is_refused(
    kernel: Kernel, home: Path, file: Path, tmp_path: Path, cut: int
) -> None:
    await make_keys(kernel, 1)
    await kernel.backups.create(file, "a test")
    whole = file.read_bytes()
    file.write_bytes(whole[:-cut] if cut > 0 else whole + bytes(-cut))
    with pytest.raises(BootError, match="damaged"):
        await Restorer(elsewhere(tmp_path, home)).verify(file)
    file.write_bytes(whole[:cut] if cut > 0 else whole[:-cut])
    with pytest.raises(BootError):
        await Restorer(at(tmp_path / "new")).verify(file)


async def test_no_altered_byte_gets_through(
    kernel: Kernel, home: Path, file: Path, tmp_path: Path
) -> None:
    await make_keys(kernel, 2)
    await kernel.backups.create(file, "a test")
    whole, new = file.read_bytes(), elsewhere(tmp_path, home)
    header = whole.index(b"SQLite format")
    for place in [*range(0, header, 29), header - 2, header + 30, len(whole) // 2, len(whole) - 1]:
        altered = bytearray(whole)
        altered[place] ^= 1
        file.write_bytes(altered)
        with pytest.raises(BootError):
            await Restorer(new).restore(file, None)
    assert not (new.data_dir / "aegis.db").exists()


async def test_a_copy_that_was_altered_with_its_hash_is_not_vouched_for(
    kernel: Kernel, home: Path, file: Path, tmp_path: Path
) -> None:
    await make_keys(kernel, 1)
    await kernel.backups.create(file, "a test")
    first, manifest, macs, copy = file.read_bytes().split(b"\n", 3)
    forged = json.loads(manifest) | {"createdAt": "2020-01-01T00:00:00Z"}
    file.write_bytes(b"\n".join([first, json.dumps(forged).encode(), macs, copy]))
    with pytest.raises(BootError, match="not vouched for"):
        await Restorer(elsewhere(tmp_path, home)).verify(file)
    file.write_bytes(b"\n".join([first, manifest, b"{}", copy]))
    with pytest.raises(BootError, match="not vouched for"):
        await Restorer(at(tmp_path / "new")).verify(file)


DAMAGE = {
    "does not open": "UPDATE material SET wrapped = CAST(wrapped || x'00' AS BLOB)",
    "is missing": "DELETE FROM material",
    "belongs to no key": "INSERT INTO material SELECT key_id, 9, root, wrapped FROM material",
    "is not what its events make": "UPDATE streams SET snapshot = "
    "CAST(replace(snapshot, '\"Active\"', '\"Deactivated\"') AS BLOB) WHERE stream LIKE 'key/%'",
    "events of": "DELETE FROM events WHERE sequence = 2",
    "ledger": "DELETE FROM ledger WHERE position = 2",
}


@pytest.mark.parametrize("said", DAMAGE)
async def test_a_journal_that_is_not_whole_does_not_pass_verification(
    home: Path, file: Path, said: str
) -> None:
    async with kernel_at(home) as kernel:
        await make_keys(kernel, 1)
    with sqlite3.connect(home / "aegis.db") as database:
        database.execute(DAMAGE[said])
    database.close()
    async with kernel_at(home) as kernel:
        await kernel.backups.create(file, "a test")
    with pytest.raises(BootError, match=said):
        await Restorer(at(home)).verify(file)


async def take_away(kernel: Kernel, keys: list[KeyId]) -> None:
    """Compromise, destroy, schedule, disable and deactivate a key each."""
    compromise = m.Compromise(reason="leaked")
    await kernel.pipeline.run(op.COMPROMISE, ALICE, compromise, keys[0])
    schedule = m.ScheduleDestruction(pending_days=7)
    await kernel.pipeline.run(op.SCHEDULE_DESTRUCTION, ALICE, schedule, keys[1])
    await kernel.pipeline.run(op.DISABLE, ALICE, m.Transition(), keys[2])
    await kernel.pipeline.run(op.DEACTIVATE, ALICE, m.Transition(), keys[3])


@pytest.mark.parametrize("form", ["backup", "database"])
async def test_what_was_taken_away_since_is_taken_away_again(
    home: Path, file: Path, tmp_path: Path, form: str
) -> None:
    async with kernel_at(home) as kernel:
        made = await make_keys(kernel, 6)
        keys = list(made)
        await kernel.backups.create(file, "a test")
        await take_away(kernel, keys)
        await make_keys(kernel, 1)
        newer = tmp_path / "newer"
        await kernel.backups.create(newer, "a test")
        if form == "database":
            # As it lies there after a crash: the log is not in the database yet.
            newer = tmp_path / "old.db"
            shutil.copy(home / "aegis.db", newer)
            shutil.copy(home / "aegis.db-wal", f"{newer}-wal")
    new = elsewhere(tmp_path, home)
    restored = await Restorer(new).restore(file, newer)
    assert {(r.key_id, r.operation) for r in restored.reapplied} == {
        (keys[0], Operation.COMPROMISE),
        (keys[1], Operation.DEACTIVATE),
        (keys[1], Operation.SCHEDULE_DESTRUCTION),
        (keys[2], Operation.DISABLE),
        (keys[3], Operation.DEACTIVATE),
    }
    async with Kernel(new) as again:
        assert await state_of(again, keys[0]) is KeyState.COMPROMISED
        for key_id in keys[4:]:
            await require_open(again, {key_id: made[key_id]})
        assert [r["reason"] for r in await records_of(again, "Compromise")] == [
            "reapplied on restore"
        ]


async def test_a_key_that_was_destroyed_since_comes_back_without_material(
    home: Path, file: Path, tmp_path: Path
) -> None:
    # In dev mode, where nothing has to wait a week.
    async with Kernel(settings(home, AEGIS_JOURNAL_KIND="sqlite")) as kernel:
        (key_id,) = await make_keys(kernel, 1)
        await kernel.backups.create(file, "a test")
        schedule = m.ScheduleDestruction(pending_days=0)
        await kernel.pipeline.run(op.SCHEDULE_DESTRUCTION, ALICE, schedule, key_id)
        await kernel.pipeline.run(op.DESTROY, ALICE, m.Transition(), key_id)
    new = elsewhere(tmp_path, home)
    restored = await Restorer(new).restore(file, home / "aegis.db")
    assert Operation.DESTROY in {r.operation for r in restored.reapplied}
    async with Kernel(new) as again:
        assert await state_of(again, key_id) is KeyState.DESTROYED
        assert await again.providers.journal.material(key_id, 1) is None
        await again.backups.create(tmp_path / "again", "a test")
    await Restorer(new).verify(tmp_path / "again")


async def test_only_the_same_journals_future_is_newer(
    kernel: Kernel, home: Path, file: Path, tmp_path: Path
) -> None:
    older, stranger = tmp_path / "older", tmp_path / "stranger"
    await kernel.backups.create(older, "a test")
    await make_keys(kernel, 2)
    await kernel.backups.create(file, "a test")
    async with kernel_at(tmp_path / "other") as other:
        await make_keys(other, 5)
        await other.backups.create(stranger, "a test")
    new = elsewhere(tmp_path, home)
    garbage = tmp_path / "garbage"
    garbage.write_bytes(os.urandom(5000))
    for newer, said in (
        (older, "ends before"),
        (stranger, "is another one"),
        (garbage, "nothing was restored"),
        (tmp_path / "missing", "cannot be read"),
        (home / "aegis.db", "in use"),
    ):
        with pytest.raises(BootError, match=said):
            await Restorer(new).restore(file, newer)
    assert not (new.data_dir / "aegis.db").exists()


async def test_a_backup_in_the_middle_of_a_rotation_opens_with_both_master_keys(
    kernel: Kernel, home: Path, file: Path, tmp_path: Path
) -> None:
    keys = await make_keys(kernel, 300)
    rotating = asyncio.create_task(kernel.master_rotation.rotate("a test"))
    while len((home / "master.key").read_bytes().splitlines()) == 1:
        await asyncio.sleep(0)
    new = elsewhere(tmp_path, home)
    manifest = await kernel.backups.create(file, "a test")
    await rotating
    assert sum(manifest.masters["inmemory"].values()) == 300
    await Restorer(new).restore(file, None)
    async with Kernel(new) as again:
        await again.master_rotation.rotate("a test")
        await require_open(again, keys)
