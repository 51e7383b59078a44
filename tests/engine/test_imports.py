"""Import: a version from outside, under the law, fenced, recorded, and never shown."""

from __future__ import annotations

import asyncio
import hmac
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from aegis_kernel.domain.errors import BadRequestError, IllegalOperationError, KeyNotFoundError
from aegis_kernel.domain.events import Event, replay
from aegis_kernel.domain.key import Key, KeyId, key_stream
from aegis_kernel.domain.lifecycle import KeyState
from aegis_kernel.domain.secret import Secret
from aegis_kernel.domain.spec import Algorithm, Curve, KeySpec, MacAlgorithm, SignatureAlgorithm
from aegis_kernel.engine import operations as op
from aegis_kernel.engine.kernel import Kernel
from aegis_kernel.engine.operations import messages as m
from aegis_kernel.engine.operations import messages_import as im
from aegis_kernel.engine.operations import messages_secrets
from aegis_kernel.spi.imports import PlainImport, PublicImport
from aegis_kernel.testing.doubles import ManualClock
from tests.support.kernel import ALICE, BOB, active_key, last_record, settings
from tests.support.owner import wrap

# Looked for wherever something is written or shown.
CANARY = b"import canary: 32 bytes of a key"
HMAC_256 = {"algorithm": Algorithm.HMAC, "size_bits": 256}
EC_P256 = {"algorithm": Algorithm.EC, "curve": Curve.P256}
STRICT = {
    "AEGIS_AUTH_KIND": "hmac",
    "AEGIS_AUTH_HMAC_SECRET": "a-secret-of-more-than-32-bytes-0c7b",
}


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
async def kernel(tmp_path: Path, clock: ManualClock) -> AsyncIterator[Kernel]:
    async with Kernel(settings(tmp_path), clock) as running:
        yield running


async def new_key(kernel: Kernel, **spec: Any) -> KeyId:
    made = KeySpec(**({"name": "brought"} | spec))
    return (await kernel.pipeline.run(op.CREATE, ALICE, m.CreateKey(spec=made))).key.id


async def token_for(kernel: Kernel, key_id: KeyId) -> im.ImportToken:
    return await kernel.pipeline.run(op.CREATE_IMPORT_TOKEN, ALICE, im.CreateImportToken(), key_id)


async def bring(kernel: Kernel, key_id: KeyId, source: Any) -> Key:
    return (await kernel.pipeline.run(op.IMPORT, ALICE, im.ImportKey(source), key_id)).key


async def wrapped(kernel: Kernel, key_id: KeyId, material: bytes = CANARY) -> im.WrappedMaterial:
    token = await token_for(kernel, key_id)
    return im.WrappedMaterial(token.token, wrap(token.wrapping_key, material))


async def mac(kernel: Kernel, key_id: KeyId) -> bytes:
    request = messages_secrets.Mac(MacAlgorithm.HMAC_SHA256, b"invoice")
    return (await kernel.pipeline.run(op.MAC, ALICE, request, key_id)).mac


def states(key: Key) -> list[tuple[KeyState, bool]]:
    return [(version.state, version.imported) for version in key.versions]


async def test_an_active_key_goes_on_with_what_was_imported(kernel: Kernel) -> None:
    key_id = await active_key(kernel, **HMAC_256)
    before = await mac(kernel, key_id)
    key = await bring(kernel, key_id, await wrapped(kernel, key_id))
    assert states(key) == [(KeyState.DEACTIVATED, False), (KeyState.ACTIVE, True)]
    assert await mac(kernel, key_id) == hmac.digest(CANARY, b"invoice", "sha256")
    verify = messages_secrets.VerifyMac(MacAlgorithm.HMAC_SHA256, b"invoice", before)
    assert (await kernel.pipeline.run(op.VERIFY_MAC, ALICE, verify, key_id)).key_version == 1


async def test_a_pre_active_key_begins_with_what_was_imported(kernel: Kernel) -> None:
    key_id = await new_key(kernel, **HMAC_256)
    key = await bring(kernel, key_id, await wrapped(kernel, key_id))
    assert key.state is KeyState.PRE_ACTIVE
    assert states(key) == [(KeyState.PRE_ACTIVE, False), (KeyState.PRE_ACTIVE, True)]
    active = (await kernel.pipeline.run(op.ACTIVATE, ALICE, m.Transition(), key_id)).key
    assert states(active) == [(KeyState.PRE_ACTIVE, False), (KeyState.ACTIVE, True)]
    assert await mac(kernel, key_id) == hmac.digest(CANARY, b"invoice", "sha256")
    old = messages_secrets.VerifyMac(MacAlgorithm.HMAC_SHA256, b"invoice", bytes(32), key_version=1)
    with pytest.raises(IllegalOperationError, match="Cannot use version 1 in state PreActive"):
        await kernel.pipeline.run(op.VERIFY_MAC, ALICE, old, key_id)


async def test_the_record_names_both_versions_and_the_history_replays(kernel: Kernel) -> None:
    key_id = await active_key(kernel, **HMAC_256)
    source = await wrapped(kernel, key_id)
    record = await last_record(kernel)
    assert (record["op"], record["outcome"]) == ("CreateImportToken", "Success")
    key = await bring(kernel, key_id, source)
    record = await last_record(kernel)
    assert (record["op"], record["outcome"], record["alg"]) == (
        "KeyImported",
        "Success",
        "RSA_AES_KEY_WRAP_SHA_256",
    )
    assert (record["previousVersion"], record["currentVersion"]) == (1, 2)
    history = await kernel.providers.journal.history(key_stream(key_id))
    assert replay(msgspec.json.decode(event, type=Event) for event in history) == key


async def test_nothing_that_was_brought_is_written_or_shown(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async with Kernel(settings(tmp_path, AEGIS_JOURNAL_KIND="sqlite")) as kernel:
        key_id = await active_key(kernel, **HMAC_256)
        source = await wrapped(kernel, key_id)
        await bring(kernel, key_id, source)
        await bring(kernel, key_id, PlainImport(Secret(CANARY)))
        with pytest.raises(BadRequestError) as caught:
            await bring(kernel, key_id, PlainImport(Secret(CANARY + b"!")))
        after, ledger = 0, b""
        while page := await kernel.providers.journal.ledger(after, 1000):
            ledger += b"".join(record.body for record in page)
            after = page[-1].position
    shown = f"{source!r}{caught.value!r}{caught.value.reason}{caplog.text}".encode()
    written = b"".join(file.read_bytes() for file in tmp_path.rglob("*") if file.is_file())
    for secret in (CANARY, CANARY.hex().encode(), msgspec.json.encode(CANARY)[1:-2]):
        assert secret not in shown + ledger + written
    assert source.token[40:80] not in ledger + written


async def test_an_imported_version_survives_a_restart(tmp_path: Path) -> None:
    stored = settings(tmp_path, AEGIS_JOURNAL_KIND="sqlite")
    async with Kernel(stored) as kernel:
        key_id = await active_key(kernel, **HMAC_256)
        source = await wrapped(kernel, key_id)
        await bring(kernel, key_id, source)
    async with Kernel(stored) as kernel:
        assert await mac(kernel, key_id) == hmac.digest(CANARY, b"invoice", "sha256")
        assert (await bring(kernel, key_id, source)).current_version == 3


async def test_a_token_expires_after_a_day(kernel: Kernel, clock: ManualClock) -> None:
    key_id = await active_key(kernel, **HMAC_256)
    source = await wrapped(kernel, key_id)
    clock.advance(24 * 3600 - 1)
    assert (await bring(kernel, key_id, source)).current_version == 2
    clock.advance(1)
    with pytest.raises(BadRequestError, match=r"^importToken has expired; ask for a new one$"):
        await bring(kernel, key_id, source)
    assert (await last_record(kernel))["outcome"] == "BadRequest"


async def test_a_token_is_for_its_key_and_cannot_be_made_to_last(kernel: Kernel) -> None:
    key_id, other = [await active_key(kernel, **HMAC_256) for _ in range(2)]
    source = await wrapped(kernel, key_id)
    expires, root, sealed = msgspec.msgpack.decode(source.token)
    bad = {
        "longer": msgspec.msgpack.encode((expires + 1, root, sealed)),
        "another root": msgspec.msgpack.encode((expires, "aws", sealed)),
        "empty": msgspec.msgpack.encode((expires, root, b"")),
        "more": msgspec.msgpack.encode((expires, root, sealed, 1)),
        "enormous": msgspec.msgpack.encode((2**64 - 1, root, sealed)),
        "nothing": b"",
        "text": b"token",
    }
    for what, token in bad.items():
        with pytest.raises(BadRequestError, match=r"^importToken is "):
            assert what == await bring(kernel, key_id, im.WrappedMaterial(token, source.wrapped))
    with pytest.raises(BadRequestError, match="importToken is not one of this key"):
        await bring(kernel, other, source)


async def test_the_law_refuses_other_states(kernel: Kernel) -> None:
    key_id = await active_key(kernel, **HMAC_256)
    plain = PlainImport(Secret(CANARY))
    for change, request, undo in (
        (op.DISABLE, m.Transition(), op.ENABLE),
        (op.SCHEDULE_DESTRUCTION, m.ScheduleDestruction(7), op.CANCEL_DESTRUCTION),
        (op.COMPROMISE, m.Compromise("leaked"), None),
    ):
        await kernel.pipeline.run(change, ALICE, request, key_id)
        with pytest.raises(IllegalOperationError, match=r"^Cannot import into "):
            await token_for(kernel, key_id)
        with pytest.raises(IllegalOperationError, match=r"^Cannot import into "):
            await bring(kernel, key_id, plain)
        if undo is not None:
            await kernel.pipeline.run(undo, ALICE, m.Transition(), key_id)
    with pytest.raises(KeyNotFoundError):
        await bring(kernel, KeyId("8a3f1e25-6b0a-4f5d-8e92-1c4f6a83b2d9"), plain)


async def test_nobody_else_imports(kernel: Kernel) -> None:
    key_id = await active_key(kernel, **HMAC_256)
    with pytest.raises(Exception, match="bob is not permitted to import into this key"):
        await kernel.pipeline.run(op.CREATE_IMPORT_TOKEN, BOB, im.CreateImportToken(), key_id)


async def test_imports_and_rotations_at_once_all_happen_once(kernel: Kernel) -> None:
    key_id = await active_key(kernel, **HMAC_256)
    source = await wrapped(kernel, key_id)
    keys = await asyncio.gather(
        *(bring(kernel, key_id, source) for _ in range(3)),
        *(kernel.pipeline.run(op.ROTATE, ALICE, m.Rotate(), key_id) for _ in range(3)),
    )
    numbers = [
        each.current_version if isinstance(each, Key) else each.key.current_version for each in keys
    ]
    assert sorted(numbers) == [2, 3, 4, 5, 6, 7]
    key = (await kernel.pipeline.run(op.GET, ALICE, m.GetKey(), key_id)).key
    assert sum(version.imported for version in key.versions) == 3
    expected = hmac.digest(CANARY, b"invoice", "sha256")
    for version in key.versions:
        request = messages_secrets.VerifyMac(
            MacAlgorithm.HMAC_SHA256, b"invoice", expected, version.number
        )
        answer = await kernel.pipeline.run(op.VERIFY_MAC, ALICE, request, key_id)
        assert answer.valid is version.imported


async def test_a_public_key_only_verifies(kernel: Kernel) -> None:
    key_id = await active_key(kernel, **EC_P256)
    owner = ec.generate_private_key(ec.SECP256R1())
    public = owner.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    key = await bring(kernel, key_id, PublicImport(public))
    assert states(key)[-1] == (KeyState.ACTIVE, True)
    ecdsa, signature = SignatureAlgorithm.ECDSA_SHA256, owner.sign(b"deal", ec.ECDSA(SHA256()))
    verified = await kernel.pipeline.run(
        op.VERIFY, ALICE, m.Verify(ecdsa, b"deal", signature), key_id
    )
    assert (verified.valid, verified.key_version) == (True, 2)
    requests: tuple[tuple[Any, Any], ...] = (
        (op.SIGN, m.Sign(ecdsa, b"deal")),
        (op.ENCRYPT, m.Encrypt(Secret(b"x"))),
    )
    for operation, request in requests:
        with pytest.raises(BadRequestError, match="a public key that was imported"):
            await kernel.pipeline.run(operation, ALICE, request, key_id)
    await kernel.pipeline.run(op.ROTATE, ALICE, m.Rotate(), key_id)
    assert (
        await kernel.pipeline.run(op.SIGN, ALICE, m.Sign(ecdsa, b"deal"), key_id)
    ).key_version == 3


async def test_material_in_the_clear_is_for_dev_mode(tmp_path: Path) -> None:
    async with Kernel(settings(tmp_path, **STRICT)) as kernel:
        key_id = await active_key(kernel, **HMAC_256)
        with pytest.raises(BadRequestError, match="in the clear is for dev mode only"):
            await bring(kernel, key_id, PlainImport(Secret(CANARY)))
        key = await bring(kernel, key_id, await wrapped(kernel, key_id))
        assert key.current_version == 2
        record = await last_record(kernel)
        assert CANARY.decode() not in json.dumps(record)
