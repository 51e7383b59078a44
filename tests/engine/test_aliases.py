"""Aliases: unique, moved under the fence, and never the way to a result of another key."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from aegis_kernel.domain.alias import Alias, parse_alias, parse_alias_name
from aegis_kernel.domain.ciphertext import parse_header
from aegis_kernel.domain.errors import (
    IllegalOperationError,
    KeyNotFoundError,
    PermissionDeniedError,
)
from aegis_kernel.domain.key import KeyId
from aegis_kernel.domain.secret import Secret
from aegis_kernel.domain.spec import Algorithm, KeySpec, SignatureAlgorithm
from aegis_kernel.engine import operations as op
from aegis_kernel.engine.kernel import Kernel
from aegis_kernel.engine.operations import messages as m
from aegis_kernel.engine.operations.declaration import Caller
from aegis_kernel.spi.journal import Committed
from aegis_kernel.testing.doubles import ManualClock
from tests.support.kernel import ALICE, BOB, settings

INVOICES = Alias("invoices")


@pytest.fixture
async def kernel(tmp_path: Path) -> AsyncIterator[Kernel]:
    async with Kernel(settings(tmp_path), ManualClock()) as running:
        yield running


async def active_key(
    kernel: Kernel, caller: Caller = ALICE, algorithm: Algorithm = Algorithm.AES
) -> KeyId:
    size = 2048 if algorithm is Algorithm.RSA else 256
    spec = KeySpec(name="aliased", algorithm=algorithm, size_bits=size)
    created = await kernel.pipeline.run(op.CREATE, caller, m.CreateKey(spec=spec))
    await kernel.pipeline.run(op.ACTIVATE, caller, m.Transition(), created.key.id)
    return created.key.id


async def set_alias(kernel: Kernel, key_id: KeyId, caller: Caller = ALICE) -> m.NamedKey:
    request = m.SetAlias(INVOICES.name)
    return await kernel.pipeline.run(op.SET_ALIAS, caller, request, key_id)


async def encrypt(kernel: Kernel, key: KeyId | Alias = INVOICES) -> KeyId:
    """Encrypt, and return the key that the ciphertext names."""
    request = m.Encrypt(Secret(b"hello"))
    answer = await kernel.pipeline.run(op.ENCRYPT, ALICE, request, key)
    return parse_header(answer.ciphertext).key_id


async def read(kernel: Kernel, key: KeyId | Alias = INVOICES) -> m.KeyAnswer:
    return await kernel.pipeline.run(op.GET, ALICE, m.GetKey(), key)


@pytest.mark.parametrize("name", ["a", "team/invoices", "A-1_2.3", "a" * 128, "aegis", "x/aegis/y"])
def test_what_may_be_an_alias(name: str) -> None:
    assert parse_alias_name(name) == Alias(name)
    assert parse_alias(f"alias:{name}") == Alias(name)


@pytest.mark.parametrize(
    "name", ["", "a" * 129, "a b", "ä", "a:b", "aegis/x", "a\n", "a%2Fb", "a=b"]
)
def test_what_may_not_be_an_alias(name: str) -> None:
    assert parse_alias_name(name) is None
    assert parse_alias(f"alias:{name}") is None
    assert parse_alias(name) is None


async def test_an_alias_stands_for_its_key(kernel: Kernel) -> None:
    key_id = await active_key(kernel)
    assert await set_alias(kernel, key_id) == m.NamedKey("invoices", key_id)
    assert await encrypt(kernel) == key_id
    answer = await read(kernel)
    assert (answer.key.id, answer.details.aliases) == (key_id, ("invoices",))


async def test_setting_an_alias_again_to_the_same_key_changes_nothing(kernel: Kernel) -> None:
    key_id = await active_key(kernel)
    await set_alias(kernel, key_id)
    await set_alias(kernel, key_id)
    assert len(await kernel.providers.journal.history(INVOICES.stream)) == 1


async def test_an_alias_moves_and_then_stands_for_the_other_key(kernel: Kernel) -> None:
    old, new = await active_key(kernel), await active_key(kernel)
    await set_alias(kernel, old)
    assert await encrypt(kernel) == old
    await set_alias(kernel, new)
    assert await encrypt(kernel) == new
    assert (await read(kernel, old)).details.aliases == ()
    assert (await read(kernel, new)).details.aliases == ("invoices",)


async def test_an_unknown_alias_is_not_found_and_not_remembered(kernel: Kernel) -> None:
    key_id = await active_key(kernel)
    with pytest.raises(KeyNotFoundError, match="No key alias:invoices"):
        await encrypt(kernel)
    await set_alias(kernel, key_id)
    assert await encrypt(kernel) == key_id
    await kernel.pipeline.run(op.DELETE_ALIAS, ALICE, m.DeleteAlias("invoices"), INVOICES)
    with pytest.raises(KeyNotFoundError):
        await encrypt(kernel)
    with pytest.raises(KeyNotFoundError):
        await kernel.pipeline.run(op.DELETE_ALIAS, ALICE, m.DeleteAlias("invoices"), INVOICES)
    await set_alias(kernel, key_id)
    assert await encrypt(kernel) == key_id


async def plant_stale_alias(kernel: Kernel, old: KeyId, new: KeyId) -> None:
    """Leave in the cache what another worker would still believe after the alias moved."""
    await set_alias(kernel, old)
    aliases = kernel.pipeline._aliases
    stale = await aliases.resolve(INVOICES)
    await set_alias(kernel, new)
    aliases._views.put(INVOICES.stream, stale)


async def test_a_planted_stale_alias_is_caught(kernel: Kernel) -> None:
    old, new = await active_key(kernel), await active_key(kernel)
    await plant_stale_alias(kernel, old, new)
    assert await encrypt(kernel) == new


async def test_the_stale_alias_would_be_believed_without_the_fence(
    kernel: Kernel, monkeypatch: pytest.MonkeyPatch
) -> None:
    old, new = await active_key(kernel), await active_key(kernel)
    await plant_stale_alias(kernel, old, new)

    async def unfenced(entry: object) -> Committed:
        return Committed()

    monkeypatch.setattr(kernel.pipeline._committer, "commit", unfenced)
    assert await encrypt(kernel) == old


async def test_a_costly_result_is_not_kept_for_the_key_that_the_alias_moved_to(
    kernel: Kernel,
) -> None:
    # The clock stands still, so that the versions of both keys look alike.
    old = await active_key(kernel, algorithm=Algorithm.RSA)
    new = await active_key(kernel, algorithm=Algorithm.RSA)
    await plant_stale_alias(kernel, old, new)
    algorithm = SignatureAlgorithm.RSA_PSS_SHA256
    signed = await kernel.pipeline.run(op.SIGN, ALICE, m.Sign(algorithm, b"hello"), INVOICES)
    request = m.Verify(algorithm, b"hello", signed.signature)
    assert (await kernel.pipeline.run(op.VERIFY, ALICE, request, new)).valid
    assert not (await kernel.pipeline.run(op.VERIFY, ALICE, request, old)).valid


async def test_uses_amid_moves_are_always_of_the_key_of_their_moment(kernel: Kernel) -> None:
    keys = [await active_key(kernel) for _ in range(3)]
    await set_alias(kernel, keys[0])
    acknowledged = [0]

    async def move() -> None:
        for turn in range(1, 30):
            await set_alias(kernel, keys[turn % 3])
            acknowledged.append(turn)
            await asyncio.sleep(0)

    async def use() -> None:
        for _ in range(60):
            least = acknowledged[-1]
            used = await encrypt(kernel)
            assert used in {keys[turn % 3] for turn in range(least, acknowledged[-1] + 2)}

    await asyncio.gather(move(), use(), use())


async def test_two_who_take_one_alias_at_once_leave_it_with_one_key(kernel: Kernel) -> None:
    keys = [await active_key(kernel) for _ in range(4)]
    await asyncio.gather(*(set_alias(kernel, key_id) for key_id in keys))
    named = [key_id for key_id in keys if (await read(kernel, key_id)).details.aliases]
    assert named == [(await read(kernel)).key.id]
    assert len(await kernel.providers.journal.history(INVOICES.stream)) == 4


async def test_who_moves_an_alias_must_be_permitted_on_both_keys(kernel: Kernel) -> None:
    of_alice, of_bob = await active_key(kernel), await active_key(kernel, BOB)
    await set_alias(kernel, of_alice)
    with pytest.raises(PermissionDeniedError):
        await set_alias(kernel, of_alice, BOB)
    with pytest.raises(PermissionDeniedError):
        await set_alias(kernel, of_bob, BOB)
    with pytest.raises(PermissionDeniedError):
        await kernel.pipeline.run(op.DELETE_ALIAS, BOB, m.DeleteAlias("invoices"), INVOICES)
    assert (await read(kernel)).key.id == of_alice
    await set_alias(kernel, of_bob, ALICE)
    await kernel.pipeline.run(op.DELETE_ALIAS, BOB, m.DeleteAlias("invoices"), INVOICES)


async def test_the_list_shows_only_aliases_of_keys_that_may_be_read(kernel: Kernel) -> None:
    of_alice, of_bob = await active_key(kernel), await active_key(kernel, BOB)
    await set_alias(kernel, of_alice)
    for name in ("b/1", "b/2"):
        await kernel.pipeline.run(op.SET_ALIAS, BOB, m.SetAlias(name), of_bob)

    async def names(caller: Caller, limit: int = 50) -> list[str]:
        found: list[str] = []
        cursor: str | None = None
        while True:
            request = m.ListAliases(limit=limit, cursor=cursor)
            page = await kernel.pipeline.run(op.LIST_ALIASES, caller, request)
            found += [alias.name for alias in page.aliases]
            cursor = page.next_cursor
            if cursor is None:
                return found

    assert await names(BOB) == await names(BOB, 1) == ["b/1", "b/2"]
    assert await names(ALICE) == await names(ALICE, 1) == ["invoices", "b/1", "b/2"]


async def test_the_aliases_of_a_destroyed_key_can_be_moved_and_deleted(tmp_path: Path) -> None:
    clock = ManualClock()
    async with Kernel(settings(tmp_path), clock) as kernel:
        doomed, other = await active_key(kernel), await active_key(kernel)
        await set_alias(kernel, doomed)
        await kernel.pipeline.run(op.SET_ALIAS, ALICE, m.SetAlias("second"), doomed)
        request = m.ScheduleDestruction(0)
        await kernel.pipeline.run(op.SCHEDULE_DESTRUCTION, ALICE, request, doomed)
        await kernel.sweep.once()
        clock.advance(30)
        assert await kernel.sweep.once() == 1
        with pytest.raises(IllegalOperationError, match="set an alias of key in state Destroyed"):
            await kernel.pipeline.run(op.SET_ALIAS, ALICE, m.SetAlias("third"), doomed)
        await set_alias(kernel, other)
        second = Alias("second")
        await kernel.pipeline.run(op.DELETE_ALIAS, ALICE, m.DeleteAlias("second"), second)
        assert await encrypt(kernel) == other
        assert (await read(kernel, doomed)).details.aliases == ()
