"""Random bytes: as many as asked for, recorded, and for everyone who may create keys."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from aegis_kernel.domain.errors import BadRequestError, PermissionDeniedError
from aegis_kernel.domain.principal import Principal, PrincipalKind
from aegis_kernel.engine import operations as op
from aegis_kernel.engine.kernel import Kernel
from aegis_kernel.engine.operations import messages_secrets as ms
from aegis_kernel.engine.operations.declaration import Caller
from tests.support.kernel import BOB, last_record, settings

NOBODY = Caller(Principal(subject="nobody", kind=PrincipalKind.UNKNOWN))


@pytest.fixture
async def kernel(tmp_path: Path) -> AsyncIterator[Kernel]:
    async with Kernel(settings(tmp_path)) as running:
        yield running


@pytest.mark.parametrize("size_bytes", [1, 32, 1024])
async def test_they_are_as_many_as_asked_for_and_recorded(kernel: Kernel, size_bytes: int) -> None:
    drawn = await kernel.pipeline.run(op.RANDOM, BOB, ms.Random(size_bytes))
    assert len(drawn.value) == size_bytes
    record = await last_record(kernel)
    assert (record["op"], record["actor"], record["outcome"]) == ("Random", "bob", "Success")
    assert "keyId" not in record


async def test_they_are_never_the_same(kernel: Kernel) -> None:
    drawn = [await kernel.pipeline.run(op.RANDOM, BOB, ms.Random(16)) for _ in range(100)]
    assert len({each.value.reveal() for each in drawn}) == 100


@pytest.mark.parametrize("size_bytes", [0, -1, 1025])
async def test_other_numbers_are_bad_requests(kernel: Kernel, size_bytes: int) -> None:
    with pytest.raises(BadRequestError, match="1 to 1024"):
        await kernel.pipeline.run(op.RANDOM, BOB, ms.Random(size_bytes))


async def test_who_may_create_no_keys_gets_none(kernel: Kernel) -> None:
    with pytest.raises(PermissionDeniedError, match=r"is not permitted to draw random bytes$"):
        await kernel.pipeline.run(op.RANDOM, NOBODY, ms.Random(16))
