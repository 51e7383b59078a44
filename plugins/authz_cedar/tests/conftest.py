from __future__ import annotations

from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest
from aegis_authz_cedar import CedarAuthorizer, CedarSettings

from aegis_kernel.testing.doubles import ThreadExecutor

Opener = Callable[..., Awaitable[CedarAuthorizer]]


@pytest.fixture
def opened(tmp_path: Path) -> Opener:
    """Open an authorizer over the policies given, in a file of their own."""

    async def open_authorizer(text: str, **settings: int) -> CedarAuthorizer:
        file = tmp_path / "policies.cedar"
        file.write_text(text)
        authorizer = CedarAuthorizer(CedarSettings(policy_file=file, **settings), ThreadExecutor())
        await authorizer.open()
        return authorizer

    return open_authorizer
