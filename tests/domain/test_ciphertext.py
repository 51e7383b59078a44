"""The 25-byte header: frozen, and refused when it cannot be ours."""

from __future__ import annotations

import pytest

from aegis_kernel.domain.ciphertext import HEADER_BYTES, Header, Kind, Suite, parse_header
from aegis_kernel.domain.errors import DecryptionFailedError
from aegis_kernel.domain.key import KeyId

HEADER = Header(Suite(1, 120), Kind.DATA, KeyId("8a3f1e25-6b0a-4f5d-8e92-1c4f6a83b2d9"), 7)
FROZEN = "0101010078" "8a3f1e256b0a4f5d8e921c4f6a83b2d9" "00000007"  # fmt: skip


def test_the_layout_is_frozen_and_begins_as_the_walkthrough_shows() -> None:
    assert HEADER.encode().hex() == FROZEN
    assert len(HEADER.encode()) == HEADER_BYTES == 25


def test_a_header_comes_back_as_it_was_written() -> None:
    assert parse_header(HEADER.encode() + b"body") == HEADER


@pytest.mark.parametrize("ciphertext", [b"", b"\x01" * 24, b"\x02" + HEADER.encode()[1:]])
def test_what_cannot_be_ours_is_refused(ciphertext: bytes) -> None:
    with pytest.raises(DecryptionFailedError):
        parse_header(ciphertext)
