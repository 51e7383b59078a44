"""A real kernel behind the real wire, in this process; one for all tests of a module."""

from __future__ import annotations

from collections.abc import AsyncIterator

import httpx
import pytest
import pytest_asyncio

from aegis_kernel.engine.kernel import Kernel
from aegis_kernel.rest.app import build_app
from aegis_kernel.rest.edge import Edge
from tests.support.kernel import settings
from tests.support.wire import active_key


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    one_loop = pytest.mark.asyncio(loop_scope="module")
    for item in items:
        if item.path.parent.name == "rest" and item.get_closest_marker("asyncio"):
            item.add_marker(one_loop, append=False)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def kernel(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Kernel]:
    async with Kernel(settings(tmp_path_factory.mktemp("data"))) as kernel:
        yield kernel


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def app(kernel: Kernel) -> Edge:
    return build_app(kernel)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def stranger(app: Edge) -> AsyncIterator[httpx.AsyncClient]:
    """A client without credentials."""
    async with httpx.AsyncClient(
        transport=httpx.ASGITransport(app), base_url="http://aegis"
    ) as client:
        yield client


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def alice(app: Edge) -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(
        transport=httpx.ASGITransport(app),
        base_url="http://aegis",
        headers={"X-Aegis-User": "alice"},
    ) as client:
        yield client


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def key_id(alice: httpx.AsyncClient) -> str:
    """An Active AES-256 key, for tests that leave it as it is."""
    return await active_key(alice)
