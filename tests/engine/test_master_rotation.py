"""The master key rotates under load, survives a crash at every step, and brings nothing back."""

from __future__ import annotations

import asyncio
import json
import shutil
import time
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from aegis_kernel.domain.errors import BootError, ConflictError, InternalError, UnavailableError
from aegis_kernel.domain.key import KeyId
from aegis_kernel.domain.secret import Secret
from aegis_kernel.domain.spec import Algorithm, KeySpec
from aegis_kernel.engine import operations as op
from aegis_kernel.engine.kernel import Kernel
from aegis_kernel.engine.masters import STREAM, decode
from aegis_kernel.engine.material_rows import PAGE_ROWS
from aegis_kernel.engine.operations import messages as m
from aegis_kernel.spi.journal import Entry, ReplaceMaterial
from aegis_kernel.spi.root_of_trust import Binding, Material
from tests.support.kernel import ALICE, settings

AES = KeySpec(name="demo", algorithm=Algorithm.AES, size_bits=128)

# Not in dev mode, where every key has companions that take long to make.
REAL = {
    "AEGIS_AUTH_KIND": "hmac",
    "AEGIS_AUTH_HMAC_SECRET": "0123456789abcdefghijklmnopqrstuvwxyz",
}


def kernel_at(data: Path) -> Kernel:
    return Kernel(settings(data, AEGIS_JOURNAL_KIND="sqlite", **REAL))


async def make_keys(kernel: Kernel, number: int) -> dict[KeyId, bytes]:
    """Return {key: a ciphertext under it}."""

    async def one() -> tuple[KeyId, bytes]:
        created = await kernel.pipeline.run(op.CREATE, ALICE, m.CreateKey(spec=AES))
        key_id = created.key.id
        await kernel.pipeline.run(op.ACTIVATE, ALICE, m.Transition(), key_id)
        sealed = await kernel.pipeline.run(
            op.ENCRYPT, ALICE, m.Encrypt(Secret(b"hello"), {}), key_id
        )
        return key_id, sealed.ciphertext

    made: dict[KeyId, bytes] = {}
    while len(made) < number:
        few = min(30, number - len(made))
        made |= dict(await asyncio.gather(*(one() for _ in range(few))))
    return made


async def require_open(kernel: Kernel, keys: dict[KeyId, bytes]) -> None:
    for key_id, ciphertext in keys.items():
        opened = await kernel.pipeline.run(op.DECRYPT, ALICE, m.Decrypt(ciphertext, {}), key_id)
        assert opened.plaintext.reveal() == b"hello"


async def records_of(kernel: Kernel, operation: str) -> list[dict[str, Any]]:
    rows = [json.loads(r.body) for r in await kernel.providers.journal.ledger(0, 10_000)]
    return [row for row in rows if row["op"] == operation]


async def test_every_row_goes_over_and_the_old_master_key_is_gone(tmp_path: Path) -> None:
    async with kernel_at(tmp_path) as kernel:
        keys = await make_keys(kernel, 60)
        (before,) = await kernel.master_rotation.status()
        assert before.rows == {before.newest: 60}
        assert not before.under_way
        (done,) = await kernel.master_rotation.rotate("a test")
        assert (done.retired, done.rows) == ((before.newest,), 60)
        (after,) = await kernel.master_rotation.status()
        assert after.rows == {done.newest: 60}
        assert after.older == ()
        await require_open(kernel, keys)
        begun, retired = await records_of(kernel, "MasterRotated")
        assert before.newest in begun["reason"]
        assert "a test" in begun["reason"]
        assert "60 rows" in retired["reason"]
        assert {r["actor"] for r in (begun, retired)} == {"aegis"}
        assert not [r for r in (begun, retired) if "severity" in r]
        history = await kernel.providers.journal.history(STREAM)
        assert [decode(event).older for event in history] == [
            {},
            {"inmemory": (before.newest,)},
            {},
        ]
    assert len((tmp_path / "master.key").read_bytes().splitlines()) == 1
    async with kernel_at(tmp_path) as kernel:
        await require_open(kernel, keys)


async def test_keys_made_and_used_meanwhile_lose_nothing(tmp_path: Path) -> None:
    async with kernel_at(tmp_path) as kernel:
        keys = await make_keys(kernel, 3 * PAGE_ROWS)
        running = asyncio.create_task(kernel.master_rotation.rotate("a test"))
        while not running.done():
            keys |= await make_keys(kernel, 4)
            some = next(iter(keys))
            await kernel.pipeline.run(op.ROTATE, ALICE, m.Rotate(), some)
        (done,) = await running
        (status,) = await kernel.master_rotation.status()
        assert list(status.rows) == [done.newest]
    async with kernel_at(tmp_path) as kernel:
        await require_open(kernel, keys)


async def test_what_was_sealed_before_the_rotation_began_is_sealed_again(tmp_path: Path) -> None:
    async with kernel_at(tmp_path) as kernel:
        root = kernel.providers.roots["inmemory"]
        real, sealed, go_on = root.create, asyncio.Event(), asyncio.Event()
        calls = 0

        async def slow(spec: KeySpec, binding: Binding) -> Material:
            nonlocal calls
            calls += 1
            material = await real(spec, binding)
            sealed.set()
            await go_on.wait()
            return material

        root.create = slow  # type: ignore[method-assign]
        making = asyncio.create_task(kernel.pipeline.run(op.CREATE, ALICE, m.CreateKey(spec=AES)))
        await sealed.wait()
        (done,) = await kernel.master_rotation.rotate("a test")
        go_on.set()
        await making
        assert calls == 2
        (status,) = await kernel.master_rotation.status()
        assert status.rows == {done.newest: 1}


async def test_a_key_destroyed_in_the_middle_stays_destroyed(tmp_path: Path) -> None:
    async with kernel_at(tmp_path) as kernel:
        keys = await make_keys(kernel, 20)
        victim = sorted(keys)[7]
        journal = kernel.providers.journal
        real = journal.commit

        async def destroying_first(entries: Sequence[Entry]) -> Any:
            if any(isinstance(c, ReplaceMaterial) for e in entries for c in e.material):
                journal.commit = real  # type: ignore[method-assign]
                await destroy(kernel, victim, real)
            return await real(entries)

        journal.commit = destroying_first  # type: ignore[method-assign]
        await kernel.master_rotation.rotate("a test")
        assert await journal.material(victim, 1) is None
        (status,) = await kernel.master_rotation.status()
        assert list(status.rows.values()) == [19]
        del keys[victim]
        await require_open(kernel, keys)


async def destroy(kernel: Kernel, key_id: KeyId, commit: Callable[..., Awaitable[Any]]) -> None:
    """The row goes as the sweep takes it, right before the rotation's own commit."""
    from aegis_kernel.spi.journal import DeleteMaterial

    await commit([Entry(expects={}, material=(DeleteMaterial(key_id),))])


class Killed(BaseException):
    pass


class Reaper:
    """Dies at the nth step: before or after each commit, and around each change of the file."""

    def __init__(self, kernel: Kernel, nth: int) -> None:
        self.steps = 0
        self._nth = nth
        self._dead = False
        root, rotation, masters = (
            kernel.providers.roots["inmemory"],
            kernel.master_rotation,
            kernel._masters,
        )
        for owner, name in (
            (rotation, "_commit"),
            (masters, "_commit"),
            (root, "begin_rotation"),
            (root, "retire"),
        ):
            setattr(owner, name, self._around(getattr(owner, name)))

    def _around(self, real: Callable[..., Awaitable[Any]]) -> Callable[..., Awaitable[Any]]:
        async def dying(*arguments: Any) -> Any:
            self._step()
            answer = await real(*arguments)
            self._step()
            return answer

        return dying

    def _step(self) -> None:
        self.steps += 1
        if self._dead or self.steps == self._nth:
            self._dead = True
            raise Killed


async def test_a_rotation_cut_off_at_any_step_is_finished_by_the_next(tmp_path: Path) -> None:
    nth, finished, first = 0, False, tmp_path / "first"
    async with kernel_at(first) as kernel:
        made = await make_keys(kernel, PAGE_ROWS + 3)
        (old,) = await kernel.master_rotation.status()
    while not finished:
        nth += 1
        data = tmp_path / str(nth)
        shutil.copytree(first, data)
        keys = dict(made)
        kernel = kernel_at(data)
        await kernel.__aenter__()
        reaper = Reaper(kernel, nth)
        try:
            await kernel.master_rotation.rotate("a test")
            finished = True
        except Killed:
            pass
        await kernel.__aexit__(None, None, None)
        async with kernel_at(data) as kernel:
            await require_open(kernel, keys)
            assert (await kernel.master_rotation.status())[0].rows.get("unknown") is None
            keys |= await make_keys(kernel, 2)
            (status,) = await kernel.master_rotation.status()
            (done,) = await kernel.master_rotation.rotate("a test")
            if not finished and (status.under_way or len(status.rows) > 1):
                assert done.newest == status.newest, "it began another"
            assert done.newest != old.newest
            await require_open(kernel, keys)
        async with kernel_at(data) as kernel:
            (status,) = await kernel.master_rotation.status()
            assert status.rows == {status.newest: len(keys)}
            assert status.older == ()
            await require_open(kernel, keys)
        assert len((data / "master.key").read_bytes().splitlines()) == 1
    assert reaper.steps >= 2 * (2 + 2 + 2)
    print(f"cut off at each of {nth - 1} steps")


async def test_one_rotation_at_a_time(tmp_path: Path) -> None:
    async with kernel_at(tmp_path) as kernel:
        await make_keys(kernel, 5)
        first = asyncio.create_task(kernel.master_rotation.rotate("one"))
        await asyncio.sleep(0)
        with pytest.raises(ConflictError):
            await kernel.master_rotation.rotate("two")
        await first


async def test_a_row_that_does_not_open_keeps_the_old_master_key(tmp_path: Path) -> None:
    async with kernel_at(tmp_path) as kernel:
        keys = await make_keys(kernel, 3)
        journal = kernel.providers.journal
        bad = next(iter(keys))
        old = await journal.material(bad, 1)
        assert old is not None
        torn = Material(old.root_of_trust, Secret(old.wrapped.reveal()[:-1] + b"\x00"))
        await journal.commit([Entry(expects={}, material=(ReplaceMaterial(bad, 1, old, torn),))])
        with pytest.raises(InternalError, match=bad):
            await kernel.master_rotation.rotate("a test")
        assert len(kernel.providers.roots["inmemory"].fingerprints) == 2  # type: ignore[attr-defined]
        await journal.commit([Entry(expects={}, material=(ReplaceMaterial(bad, 1, torn, old),))])
        await kernel.master_rotation.rotate("a test")
        await require_open(kernel, keys)


@pytest.mark.parametrize("lost", ["the pass over the rows", "the commits"])
async def test_the_old_master_key_stays_while_any_row_needs_it(tmp_path: Path, lost: str) -> None:
    async with kernel_at(tmp_path) as kernel:
        keys = await make_keys(kernel, 3)
        rotation = kernel.master_rotation

        async def nothing(*arguments: object) -> int:
            return 0

        name = "_rewrap_all" if lost == "the pass over the rows" else "_commit"
        setattr(rotation, name, nothing)
        with pytest.raises(InternalError, match=r"did not go over|the older one stays"):
            await rotation.rotate("a test")
    assert len((tmp_path / "master.key").read_bytes().splitlines()) == 2
    async with kernel_at(tmp_path) as kernel:
        await kernel.master_rotation.rotate("a test")
        await require_open(kernel, keys)


async def test_the_journals_master_key_alone_boots(tmp_path: Path) -> None:
    async with kernel_at(tmp_path) as kernel:
        (status,) = await kernel.master_rotation.status()
        await make_keys(kernel, 1)
    (tmp_path / "master.key").rename(tmp_path / "kept")
    with pytest.raises(BootError, match=status.newest):
        async with kernel_at(tmp_path):
            pass


async def test_a_server_without_the_newest_master_key_seals_nothing_more(tmp_path: Path) -> None:
    async with kernel_at(tmp_path) as kernel:
        # As another host would on a shared journal.
        body = b'{"roots":{"inmemory":"0123456789abcdef"}}'
        from aegis_kernel.spi.journal import Append

        moved = Append(stream=STREAM, events=(body,), snapshot=body)
        await kernel.providers.journal.commit([Entry(expects={STREAM: 1}, appends=(moved,))])
        with pytest.raises(UnavailableError, match="rotated elsewhere"):
            await kernel.pipeline.run(op.CREATE, ALICE, m.CreateKey(spec=AES))


async def test_two_thousand_rows_go_over_in_seconds(tmp_path: Path) -> None:
    async with kernel_at(tmp_path) as kernel:
        for _ in range(10):
            await make_keys(kernel, 200)
        began = time.monotonic()
        (done,) = await kernel.master_rotation.rotate("a test")
        seconds = time.monotonic() - began
    assert done.rows == 2000
    print(f"2,000 rows re-wrapped in {seconds:.2f} s")
    assert seconds < 60
