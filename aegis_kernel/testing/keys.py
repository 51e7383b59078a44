"""Every key that the domain knows, made once and opened for tests; what can be done wrong to it."""

from __future__ import annotations

from collections.abc import Awaitable, Iterator, MutableMapping, Sequence
from uuid import uuid4

import msgspec
import pytest

from aegis_kernel.domain.ciphertext import Header, Kind
from aegis_kernel.domain.context import canonical_bytes
from aegis_kernel.domain.errors import DecryptionFailedError, InternalError
from aegis_kernel.domain.key import KeyId
from aegis_kernel.domain.lifecycle import Operation
from aegis_kernel.domain.secret import Secret
from aegis_kernel.domain.spec import CURVES, PARAMETER_SETS, SIZES_BITS, KeySpec
from aegis_kernel.spi.root_of_trust import Binding, Material, OpenKey, RootOfTrust

MESSAGE = b"invoice #1234 total $42,000"
CONTEXT = canonical_bytes({"dataset": "q2-financials", "tenant": "acme"})
EMPTY = canonical_bytes(None)

SPECS: Sequence[KeySpec] = [
    *(
        KeySpec(name=f"{algorithm}-{size}", algorithm=algorithm, size_bits=size)
        for algorithm, sizes in SIZES_BITS.items()
        for size in sorted(sizes)
    ),
    *(
        KeySpec(name=curve.value, algorithm=algorithm, curve=curve)
        for algorithm, curves in CURVES.items()
        for curve in sorted(curves)
    ),
    *(
        KeySpec(name=chosen.value, algorithm=algorithm, parameter_set=chosen)
        for algorithm, parameter_sets in PARAMETER_SETS.items()
        for chosen in sorted(parameter_sets)
    ),
]

every_spec = pytest.mark.parametrize("spec", SPECS, ids=lambda spec: spec.name)

Made = MutableMapping[tuple[str, str, int], tuple[Binding, Material]]


class Opened(msgspec.Struct, frozen=True):
    """A version, opened, with what it was opened from."""

    binding: Binding
    material: Material
    key: OpenKey

    def header(self, kind: Kind) -> bytes:
        """Return the header that the kernel would pass."""
        assert self.key.suite is not None
        return Header(self.key.suite, kind, self.binding.key_id, self.binding.version).encode()

    @property
    def context(self) -> bytes:
        """The context that tests use with this key: none where it binds none."""
        return CONTEXT if self.binding.spec.binds_context else EMPTY

    async def encrypt(self, plaintext: bytes, context: bytes | None = None) -> bytes:
        """Return what follows the header."""
        bound = self.context if context is None else context
        return await self.key.encrypt(self.header(Kind.DATA), Secret(plaintext), bound)

    async def decrypt(self, body: bytes, context: bytes | None = None) -> bytes:
        """Return the plaintext."""
        bound = self.context if context is None else context
        return (await self.key.decrypt(self.header(Kind.DATA), body, bound)).reveal()

    async def wrap(self, key_bytes: bytes, context: bytes = CONTEXT) -> bytes:
        """Return what follows the header."""
        return await self.key.wrap(self.header(Kind.WRAPPED_KEY), Secret(key_bytes), context)

    async def unwrap(self, body: bytes, context: bytes = CONTEXT) -> bytes:
        """Return the key bytes."""
        return (await self.key.unwrap(self.header(Kind.WRAPPED_KEY), body, context)).reveal()


class Keys:
    """Makes each key once for the whole class, since some take seconds, and opens it for each test."""

    def __init__(self, root_of_trust: RootOfTrust, made: Made) -> None:
        self._root_of_trust = root_of_trust
        self._made = made

    async def open(self, spec: KeySpec, label: str = "one", version: int = 1) -> Opened:
        """Return that version of that key; the test is skipped if this root makes no such keys."""
        if not self._root_of_trust.supports(spec, Operation.CREATE):
            pytest.skip(f"this root of trust does not make {spec.name}")
        binding, material = await self._version(spec, label, version)
        return Opened(binding, material, await self._root_of_trust.open_key(material, binding))

    async def open_for(self, spec: KeySpec, *operations: Operation, label: str = "one") -> Opened:
        """Return that key; the test is skipped unless it can do all of `operations`."""
        if not all(self._root_of_trust.supports(spec, operation) for operation in operations):
            pytest.skip(f"{spec.name} does not {' and '.join(operations)} here")
        return await self.open(spec, label)

    async def _version(self, spec: KeySpec, label: str, version: int) -> tuple[Binding, Material]:
        place = (spec.name, label, version)
        if place not in self._made:
            sibling = next((self._made[each] for each in self._made if each[:2] == place[:2]), None)
            key_id = sibling[0].key_id if sibling else KeyId(str(uuid4()))
            binding = Binding(key_id, version, spec)
            self._made[place] = binding, await self._root_of_trust.create(spec, binding)
        return self._made[place]


def damaged(whole: bytes) -> Iterator[bytes]:
    """Return `whole` with one bit flipped, here and there, then cut short and made longer."""
    for position in {*range(0, len(whole), max(1, len(whole) // 24)), len(whole) - 1}:
        bit = 1 << position % 8
        yield whole[:position] + bytes([whole[position] ^ bit]) + whole[position + 1 :]
    yield from (b"", whole[:1], whole[: len(whole) // 2], whole[:-1], whole + b"\x00")
    yield bytes(len(whole))


def other_bindings(binding: Binding) -> Iterator[Binding]:
    """Return what material must not open for: another key, other versions, every other spec."""
    yield Binding(KeyId(str(uuid4())), binding.version, binding.spec)
    for version in (0, binding.version + 1, 2**32 - 1):
        yield Binding(binding.key_id, version, binding.spec)
    for spec in SPECS:
        if spec != binding.spec:
            yield Binding(binding.key_id, binding.version, spec)


async def refused(attempt: Awaitable[object]) -> DecryptionFailedError:
    """Return the DecryptionFailedError that `attempt` raises; anything else fails the test."""
    with pytest.raises(DecryptionFailedError) as caught:
        await attempt
    return caught.value


async def require_shut(root_of_trust: RootOfTrust, material: Material, binding: Binding) -> None:
    """Assert that `material` does not open, and that the error says the same for every cause."""
    with pytest.raises(InternalError) as caught:
        await root_of_trust.open_key(material, binding)
    assert binding.key_id not in caught.value.message
