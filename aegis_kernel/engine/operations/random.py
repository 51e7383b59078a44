"""Random bytes, from the operating system; no key is involved."""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING

from aegis_kernel.domain.errors import BadRequestError
from aegis_kernel.domain.key import Key
from aegis_kernel.domain.lifecycle import Operation
from aegis_kernel.domain.secret import Secret
from aegis_kernel.engine.operations.declaration import Caller, Declaration, Effect
from aegis_kernel.engine.operations.messages_secrets import Random, RandomBytes

if TYPE_CHECKING:
    from aegis_kernel.engine.bench import Bench

MOST_BYTES = 1024


async def _random(bench: Bench, caller: Caller, key: Key | None, request: Random) -> Effect:
    if not 1 <= request.size_bytes <= MOST_BYTES:
        raise BadRequestError(f"bytes is 1 to {MOST_BYTES}")
    return Effect(answer=RandomBytes(Secret(secrets.token_bytes(request.size_bytes))))


RANDOM: Declaration[Random, RandomBytes] = Declaration(Operation.RANDOM, _random)
