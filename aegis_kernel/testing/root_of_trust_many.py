"""The laws of doing many at once: it comes to what one after the other comes to, in order."""

from __future__ import annotations

from aegis_kernel.domain.ciphertext import Kind
from aegis_kernel.domain.context import canonical_bytes
from aegis_kernel.domain.errors import DecryptionFailedError
from aegis_kernel.domain.lifecycle import Operation
from aegis_kernel.domain.secret import Secret
from aegis_kernel.domain.spec import Algorithm
from aegis_kernel.testing.keys import CONTEXT, EMPTY, SPECS, Keys, Opened

_OTHER = canonical_bytes({"tenant": "globex"})
_MESSAGES = [bytes([n]) * (n % 50) for n in range(120)]


def _contexts() -> list[bytes]:
    return [(CONTEXT, EMPTY, _OTHER)[n % 3] for n in range(len(_MESSAGES))]


class ManyLaws:
    """`encrypt_many` and `decrypt_many`."""

    async def test_what_was_encrypted_together_decrypts_alone_and_together(
        self, keys: Keys
    ) -> None:
        opened = await _aes(keys)
        bodies = await _encrypt_all(opened)
        assert len(set(bodies)) == len(bodies)
        alone = [await opened.decrypt(b, c) for b, c in zip(bodies, _contexts(), strict=True)]
        assert alone == _MESSAGES
        pairs = list(zip(bodies, _contexts(), strict=True))
        together = await opened.key.decrypt_many(opened.header(Kind.DATA), pairs)
        assert together == [Secret(message) for message in _MESSAGES]

    async def test_what_was_encrypted_alone_decrypts_together(self, keys: Keys) -> None:
        opened = await _aes(keys)
        pairs = [(await opened.encrypt(message), CONTEXT) for message in _MESSAGES[:9]]
        together = await opened.key.decrypt_many(opened.header(Kind.DATA), pairs)
        assert together == [Secret(message) for message in _MESSAGES[:9]]

    async def test_each_damaged_or_misplaced_item_fails_alone(self, keys: Keys) -> None:
        opened = await _aes(keys)
        good, other = (await _encrypt_all(opened))[0:4:3]
        bad = [
            (good[:at] + bytes([good[at] ^ 1]) + good[at + 1 :], CONTEXT) for at in range(len(good))
        ]
        bad += [(good, EMPTY), (good[:-1], CONTEXT), (good + b"\x00", CONTEXT), (b"", CONTEXT)]
        mixed = [(good, CONTEXT), *bad, (other, CONTEXT), (good, CONTEXT)]
        ended = await opened.key.decrypt_many(opened.header(Kind.DATA), mixed)
        assert [ended[0], ended[-2], ended[-1]] == [
            Secret(_MESSAGES[0]),
            Secret(_MESSAGES[3]),
            Secret(_MESSAGES[0]),
        ]
        assert all(isinstance(each, DecryptionFailedError) for each in ended[1:-2])

    async def test_none_at_once_are_none(self, keys: Keys) -> None:
        opened = await _aes(keys)
        assert list(await opened.key.encrypt_many(opened.header(Kind.DATA), [])) == []
        assert list(await opened.key.decrypt_many(opened.header(Kind.DATA), [])) == []


async def _aes(keys: Keys) -> Opened:
    spec = next(s for s in SPECS if s.algorithm is Algorithm.AES and s.size_bits == 256)
    return await keys.open_for(spec, Operation.ENCRYPT, Operation.DECRYPT)


async def _encrypt_all(opened: Opened) -> list[bytes]:
    pairs = [(Secret(m), c) for m, c in zip(_MESSAGES, _contexts(), strict=True)]
    ended = await opened.key.encrypt_many(opened.header(Kind.DATA), pairs)
    return [body for body in ended if isinstance(body, bytes)]
