"""The kit, outside dev mode and in it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from aegis_rot_inmemory import InMemoryRootOfTrust, InMemorySettings

from aegis_kernel import RootOfTrust
from aegis_kernel.testing import RootOfTrustConformance
from aegis_kernel.testing.doubles import plugin_context


@asynccontextmanager
async def opened(data_dir: Path, dev_mode: bool) -> AsyncIterator[RootOfTrust]:
    context = plugin_context(InMemorySettings(), data_dir, dev_mode=dev_mode)
    root = InMemoryRootOfTrust(context)
    await root.open()
    yield root
    await root.aclose()


class TestInMemoryRootOfTrust(RootOfTrustConformance):
    dev_mode = False

    @pytest.fixture(scope="class")
    @classmethod
    def data_dir(cls, tmp_path_factory: pytest.TempPathFactory) -> Path:
        return tmp_path_factory.mktemp("data")

    @pytest.fixture
    async def root_of_trust(self, data_dir: Path) -> AsyncIterator[RootOfTrust]:
        async with opened(data_dir, self.dev_mode) as root:
            yield root

    @pytest.fixture
    async def foreign_root_of_trust(self, tmp_path: Path) -> AsyncIterator[RootOfTrust]:
        async with opened(tmp_path, self.dev_mode) as root:
            yield root


class TestInMemoryRootOfTrustInDevMode(TestInMemoryRootOfTrust):
    dev_mode = True
