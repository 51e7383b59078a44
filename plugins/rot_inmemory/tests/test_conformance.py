"""The kit, outside dev mode and in it."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from aegis_rot_inmemory import InMemoryRootOfTrust, InMemorySettings
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.keywrap import aes_key_wrap_with_padding
from cryptography.hazmat.primitives.serialization import load_der_public_key

from aegis_kernel import RootOfTrust
from aegis_kernel.testing import RootOfTrustConformance
from aegis_kernel.testing.doubles import plugin_context
from aegis_kernel.testing.root_of_trust_imports import Wrap


@asynccontextmanager
async def opened(data_dir: Path, dev_mode: bool) -> AsyncIterator[RootOfTrust]:
    context = plugin_context(InMemorySettings(), data_dir, dev_mode=dev_mode)
    root = InMemoryRootOfTrust(context)
    await root.open()
    yield root
    await root.aclose()


def wrap_as_owner(public: bytes, material: bytes) -> bytes:
    wrapping_key = load_der_public_key(public)
    assert isinstance(wrapping_key, rsa.RSAPublicKey)
    key, oaep = os.urandom(32), padding.OAEP(padding.MGF1(SHA256()), SHA256(), None)
    return wrapping_key.encrypt(key, oaep) + aes_key_wrap_with_padding(key, material)


class TestInMemoryRootOfTrust(RootOfTrustConformance):
    dev_mode = False

    @pytest.fixture
    def wrap(self) -> Wrap:
        return wrap_as_owner

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
