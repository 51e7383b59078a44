"""An opened key whose answers are of the type and size that they may have."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypeVar

from aegis_kernel.domain.errors import AegisError
from aegis_kernel.domain.secret import Secret
from aegis_kernel.engine.faults import PluginFaultError
from aegis_kernel.spi.material import Encapsulated
from aegis_kernel.spi.root_of_trust import OpenKey

# Four times the largest payload: what a root adds to a payload is small.
MOST_BYTES = 256 * 1024

Result = TypeVar("Result")


class CheckedKey(OpenKey):
    """Raises PluginFaultError where the root of trust answers with anything else.

    A verification is True only if the root says `True`: nothing else that counts as true is.
    """

    def __init__(self, key: OpenKey) -> None:
        self._key = key
        self._suite = key.suite
        self._public_key = key.public_key

    @property
    def suite(self) -> Any:
        return self._suite

    @property
    def public_key(self) -> bytes | None:
        return self._public_key

    async def sign(self, *arguments: Any, **options: Any) -> bytes:
        return _bytes(await self._key.sign(*arguments, **options))

    async def verify(self, *arguments: Any, **options: Any) -> bool:
        return _truth(await self._key.verify(*arguments, **options))

    async def encrypt(self, header: bytes, plaintext: Secret, context: bytes) -> bytes:
        return _bytes(await self._key.encrypt(header, plaintext, context))

    async def decrypt(self, header: bytes, body: bytes, context: bytes) -> Secret:
        return _secret(await self._key.decrypt(header, body, context))

    async def encrypt_many(
        self, header: bytes, items: Sequence[tuple[Secret, bytes]]
    ) -> Sequence[bytes | AegisError]:
        return _each(bytes, await self._key.encrypt_many(header, items), len(items))

    async def decrypt_many(
        self, header: bytes, items: Sequence[tuple[bytes, bytes]]
    ) -> Sequence[Secret | AegisError]:
        return _each(Secret, await self._key.decrypt_many(header, items), len(items))

    async def decrypt_raw(self, ciphertext: bytes) -> Secret:
        return _secret(await self._key.decrypt_raw(ciphertext))

    async def wrap(self, header: bytes, key_bytes: Secret, context: bytes) -> bytes:
        return _bytes(await self._key.wrap(header, key_bytes, context))

    async def unwrap(self, header: bytes, body: bytes, context: bytes) -> Secret:
        return _secret(await self._key.unwrap(header, body, context))

    async def wrap_rfc5649(self, key_bytes: Secret) -> bytes:
        return _bytes(await self._key.wrap_rfc5649(key_bytes))

    async def unwrap_rfc5649(self, wrapped: bytes) -> Secret:
        return _secret(await self._key.unwrap_rfc5649(wrapped))

    async def mac(self, *arguments: Any) -> bytes:
        return _bytes(await self._key.mac(*arguments))

    async def verify_mac(self, *arguments: Any) -> bool:
        return _truth(await self._key.verify_mac(*arguments))

    async def derive(self, *arguments: Any) -> Secret:
        return _secret(await self._key.derive(*arguments))

    async def encapsulate(self) -> Encapsulated:
        answer = await self._key.encapsulate()
        if type(answer) is not Encapsulated:
            raise PluginFaultError("no Encapsulated")
        return answer

    async def decapsulate(self, ciphertext: bytes) -> Secret:
        return _secret(await self._key.decapsulate(ciphertext))


def _bytes(answer: bytes) -> bytes:
    if type(answer) is not bytes or len(answer) > MOST_BYTES:
        raise PluginFaultError("no bytes of that length")
    return answer


def _secret(answer: Secret) -> Secret:
    if type(answer) is not Secret or len(answer) > MOST_BYTES:
        raise PluginFaultError("no Secret of that length")
    return answer


def _truth(answer: bool) -> bool:
    if type(answer) is not bool:
        raise PluginFaultError("neither True nor False")
    return answer


def _each(
    kind: type[Result], answered: Sequence[Result | AegisError], count: int
) -> Sequence[Result | AegisError]:
    answers = list(answered)
    right = all(type(each) is kind or isinstance(each, AegisError) for each in answers)
    if len(answers) != count or not right:
        raise PluginFaultError("not an answer for each item")
    return answers
