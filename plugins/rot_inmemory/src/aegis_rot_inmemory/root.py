"""The root of trust: makes and opens material under the master key's wrapping key."""

from __future__ import annotations

from collections.abc import Mapping

from aegis_kernel import (
    HEALTHY,
    Algorithm,
    Binding,
    Health,
    KeyPair,
    KeySpec,
    Material,
    OpenKey,
    Operation,
    PluginContext,
    RootOfTrust,
    Secret,
    SignatureAlgorithm,
    Status,
    UnavailableError,
    Usage,
)
from aegis_rot_inmemory.generation import companion_algorithms, generate, generate_pair
from aegis_rot_inmemory.master import Wrapping, decode, wrapping_of
from aegis_rot_inmemory.master_file import default_file, load_or_make
from aegis_rot_inmemory.material import open_material, seal_material
from aegis_rot_inmemory.opening import open_key_bytes
from aegis_rot_inmemory.settings import InMemorySettings

_LIFE = frozenset({Operation.CREATE, Operation.ROTATE, Operation.DESTROY})
_SIGNING = frozenset({Operation.SIGN, Operation.VERIFY})
# What keys of an algorithm do, beside signing and deriving, in one way only.
_DOES: Mapping[Algorithm, frozenset[Operation]] = {
    Algorithm.AES: frozenset(
        {
            Operation.REENCRYPT,
            Operation.WRAP,
            Operation.UNWRAP,
            Operation.GENERATE_DATA_KEY,
            Operation.GENERATE_DATA_KEY_WRAPPED_ONLY,
            Operation.GENERATE_DATA_KEY_PAIR,
            Operation.GENERATE_DATA_KEY_PAIR_WRAPPED_ONLY,
        }
    ),
    Algorithm.HMAC: frozenset({Operation.MAC, Operation.VERIFY_MAC}),
    Algorithm.EC: frozenset({Operation.DERIVE}),
}
_ENCRYPTING = frozenset({Operation.ENCRYPT, Operation.DECRYPT})
_ENCAPSULATING = frozenset({Operation.ENCAPSULATE, Operation.DECAPSULATE})
_KWP = frozenset({Operation.WRAP, Operation.UNWRAP})


class InMemoryRootOfTrust(RootOfTrust):
    """Software keys: sealed at rest, in this process's memory in use."""

    def __init__(self, context: PluginContext) -> None:
        self._settings = context.section(InMemorySettings)
        self._executor = context.executor
        self._data_dir = context.data_dir
        self._dev_mode = context.dev_mode
        self._wrapping: Wrapping | None = None

    async def open(self) -> None:
        """Load the master key. Raises BootError when it is not well kept, or cannot be made."""
        master = await self._executor.run(self._load_master_key)
        self._wrapping = wrapping_of(master)

    async def aclose(self) -> None:
        self._wrapping = None

    async def check(self) -> Health:
        return HEALTHY if self._wrapping else Health(Status.UNAVAILABLE, "not open")

    @property
    def fingerprint(self) -> str | None:
        return self._wrapping.fingerprint if self._wrapping else None

    def supports(
        self, spec: KeySpec, operation: Operation, algorithm: SignatureAlgorithm | None = None
    ) -> bool:
        if operation in _SIGNING:
            pairing = self._signature_algorithms(spec)
            return bool(pairing) if algorithm is None else algorithm in pairing
        if algorithm is not None:
            return False
        return operation in _LIFE or operation in _abilities(spec)

    async def create(self, spec: KeySpec, binding: Binding) -> Material:
        wrapping_key = self._wrapping_key()
        key_bytes = await self._executor.run(generate, spec, self._dev_mode)
        return seal_material(wrapping_key, binding, key_bytes)

    async def open_key(self, material: Material, binding: Binding) -> OpenKey:
        key_bytes = open_material(self._wrapping_key(), binding, material)
        return open_key_bytes(key_bytes, binding, self._executor, self._dev_mode)

    async def generate_pair(self, spec: KeySpec) -> KeyPair:
        return await self._executor.run(generate_pair, spec)

    async def destroy(self, material: Material) -> None:
        """Do nothing: all there is of it stands in the journal's row."""

    def _signature_algorithms(self, spec: KeySpec) -> frozenset[SignatureAlgorithm]:
        added = companion_algorithms(spec) if self._dev_mode else frozenset()
        return spec.signature_algorithms | added

    def _wrapping_key(self) -> Secret:
        if self._wrapping is None:
            raise UnavailableError("The root of trust is not open")
        return self._wrapping.key

    def _load_master_key(self) -> Secret:
        if self._settings.master_key is not None:
            return decode(self._settings.master_key)
        return load_or_make(self._settings.master_key_file or default_file(self._data_dir))


def _abilities(spec: KeySpec) -> frozenset[Operation]:
    if Usage.WRAP_RFC5649 in (spec.usages or ()):
        return _KWP
    does = _DOES.get(spec.algorithm, frozenset())
    if spec.encapsulation_algorithm is not None:
        return does | _ENCAPSULATING
    return does | _ENCRYPTING if spec.encryption_algorithm is not None else does
