"""Grants on keys in a kernel of this process: created, used, retired."""

from __future__ import annotations

from typing import Any

from aegis_kernel.domain.grant import Grant
from aegis_kernel.domain.key import KeyId
from aegis_kernel.domain.lifecycle import Operation
from aegis_kernel.domain.secret import Secret
from aegis_kernel.domain.spec import Algorithm
from aegis_kernel.engine import operations as op
from aegis_kernel.engine.kernel import Kernel
from aegis_kernel.engine.operations import messages as m
from aegis_kernel.engine.operations import messages_grants as gm
from aegis_kernel.engine.operations.declaration import Caller
from tests.support.kernel import ALICE, active_key

ENCRYPT = (Operation.ENCRYPT,)


async def aes(kernel: Kernel) -> KeyId:
    return await active_key(kernel, algorithm=Algorithm.AES, size_bits=256)


async def grant(
    kernel: Kernel, key_id: KeyId, *operations: Operation, by: Caller = ALICE, **terms: Any
) -> Grant:
    """Have alice grant bob these operations, Encrypt if none is named."""
    request = gm.CreateGrant(**({"grantee": "bob", "operations": operations or ENCRYPT} | terms))
    return (await kernel.pipeline.run(op.CREATE_GRANT, by, request, key_id)).grant


async def retire(kernel: Kernel, key_id: KeyId, given: Grant, by: Caller = ALICE) -> None:
    await kernel.pipeline.run(op.RETIRE_GRANT, by, gm.RetireGrant(given.id), key_id)


async def encrypt(kernel: Kernel, caller: Caller, key_id: KeyId, **context: str) -> m.Encrypted:
    request = m.Encrypt(Secret(b"hello"), context or None)
    return await kernel.pipeline.run(op.ENCRYPT, caller, request, key_id)


async def listed(kernel: Kernel, key_id: KeyId) -> tuple[gm.GrantAnswer, ...]:
    return (await kernel.pipeline.run(op.LIST_GRANTS, ALICE, gm.ListGrants(), key_id)).grants
