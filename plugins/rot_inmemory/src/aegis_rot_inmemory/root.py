"""The root of trust: makes and opens material under the master key's wrapping key."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from aegis_kernel import (
    HEALTHY,
    Algorithm,
    Binding,
    BootError,
    Health,
    Imported,
    KeyPair,
    KeySpec,
    Material,
    MaterialKeeper,
    OpenKey,
    Operation,
    PluginContext,
    RootOfTrust,
    Secret,
    SignatureAlgorithm,
    Status,
    TokenBinding,
    UnavailableError,
    Usage,
    WrappingKey,
)
from aegis_rot_inmemory import master_file
from aegis_rot_inmemory.generation import (
    companion_algorithms,
    generate,
    generate_pair,
    is_quick,
    takes_long,
)
from aegis_rot_inmemory.importing import WRAPPING_SPEC, Importer, importable
from aegis_rot_inmemory.master import decode, new_master_key
from aegis_rot_inmemory.masters import MasterKeys
from aegis_rot_inmemory.material import seal_material
from aegis_rot_inmemory.opening import open_key_bytes
from aegis_rot_inmemory.settings import InMemorySettings
from aegis_rot_inmemory.tokens import seal_token

_LIFE = frozenset({Operation.CREATE, Operation.ROTATE, Operation.DESTROY})
_SIGNING = frozenset({Operation.SIGN, Operation.VERIFY})
# What keys of an algorithm do, beside signing and deriving, in one way only.
_DOES: Mapping[Algorithm, frozenset[Operation]] = {
    Algorithm.AES: frozenset(
        {
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
_ENCRYPTING = frozenset({Operation.ENCRYPT, Operation.DECRYPT, Operation.REENCRYPT})
_ENCAPSULATING = frozenset({Operation.ENCAPSULATE, Operation.DECAPSULATE})
_KWP = frozenset({Operation.WRAP, Operation.UNWRAP})


class InMemoryRootOfTrust(RootOfTrust, MaterialKeeper):
    """Software keys: sealed at rest, in this process's memory in use."""

    def __init__(self, context: PluginContext) -> None:
        self._settings = context.section(InMemorySettings)
        self._executor = context.executor
        self._data_dir = context.data_dir
        self._dev_mode = context.dev_mode
        self._importer = Importer(context.executor)
        self._masters: MasterKeys | None = None

    async def open(self) -> None:
        """Load the master key. Raises BootError when it is not well kept, or cannot be made."""
        self._masters = await self._executor.run(self._load, master_file.load_or_make)

    async def open_existing(self) -> None:
        """Load the master key. Raises BootError when there is none, or it is not well kept."""
        self._masters = await self._executor.run(self._load, master_file.load)

    async def aclose(self) -> None:
        self._masters = None

    async def check(self) -> Health:
        return HEALTHY if self._masters else Health(Status.UNAVAILABLE, "not open")

    @property
    def fingerprint(self) -> str | None:
        return self._masters.newest.fingerprint if self._masters else None

    @property
    def fingerprints(self) -> tuple[str, ...]:
        return self._masters.fingerprints if self._masters else ()

    def supports(
        self, spec: KeySpec, operation: Operation, algorithm: SignatureAlgorithm | None = None
    ) -> bool:
        if operation in _SIGNING:
            pairing = self._signature_algorithms(spec)
            return bool(pairing) if algorithm is None else algorithm in pairing
        if algorithm is not None:
            return False
        if operation is Operation.IMPORT:
            return importable(spec)
        return operation in _LIFE or operation in _abilities(spec)

    async def create(self, spec: KeySpec, binding: Binding) -> Material:
        if is_quick(spec, self._dev_mode):
            key_bytes = generate(spec, self._dev_mode)
        else:
            key_bytes = await self._lane(spec)(generate, spec, self._dev_mode)
        return seal_material(self._at_hand().newest.key, binding, key_bytes)

    async def create_wrapping_key(self, binding: TokenBinding) -> WrappingKey:
        pair = await self._executor.run_long(generate_pair, WRAPPING_SPEC)
        token = seal_token(self._at_hand().newest.key, binding, pair.private)
        return WrappingKey(token, pair.public)

    async def import_material(self, binding: Binding, imported: Imported) -> Material:
        wrapping_keys = self._at_hand().wrapping_keys
        key_bytes = await self._importer.key_bytes(wrapping_keys, binding.spec, imported)
        return seal_material(self._at_hand().newest.key, binding, key_bytes)

    async def open_key(self, material: Material, binding: Binding) -> OpenKey:
        key_bytes = self._at_hand().open(material, binding)
        return open_key_bytes(key_bytes, binding, self._executor, self._dev_mode)

    async def generate_pair(self, spec: KeySpec) -> KeyPair:
        pair: KeyPair = await self._lane(spec)(generate_pair, spec)
        return pair

    async def destroy(self, material: Material) -> None:
        """Do nothing: all there is of it stands in the journal's row."""

    async def begin_rotation(self) -> None:
        """Raises UnavailableError where the master key is not in a file that can be replaced."""
        if self._settings.master_key is not None:
            raise UnavailableError(
                "The master key stands in AEGIS_ROT_INMEMORY_MASTER_KEY, where this cannot change it: "
                "put it into a file, and name that in AEGIS_ROT_INMEMORY_MASTER_KEY_FILE"
            )
        await self._keep((new_master_key(), *self._at_hand().keys))

    async def retire(self) -> None:
        await self._keep(self._at_hand().keys[:1])

    async def look_again(self) -> None:
        try:
            found = await self._executor.run(self._load, master_file.load)
        except BootError as error:
            raise UnavailableError(str(error)) from error
        if self._at_hand().fingerprints != found.fingerprints:
            self._masters = found

    async def rewrap(self, material: Material, binding: Binding) -> Material | None:
        return self._at_hand().rewrap(material, binding)

    def master_of(self, material: Material, binding: Binding) -> str | None:
        sealer = self._at_hand().sealer(material, binding)
        return sealer.fingerprint if sealer else None

    def vouch(self, statement: bytes) -> bytes:
        return self._at_hand().vouch(statement)

    def vouched(self, statement: bytes, mac: bytes) -> bool:
        return self._at_hand().vouched(statement, mac)

    def _signature_algorithms(self, spec: KeySpec) -> frozenset[SignatureAlgorithm]:
        added = companion_algorithms(spec) if self._dev_mode else frozenset()
        return spec.signature_algorithms | added

    def _lane(self, spec: KeySpec) -> Callable[..., Awaitable[Any]]:
        run_long = takes_long(spec, self._dev_mode)
        return self._executor.run_long if run_long else self._executor.run

    def _at_hand(self) -> MasterKeys:
        if self._masters is None:
            raise UnavailableError("The root of trust is not open")
        return self._masters

    def _load(self, load_file: Callable[[Path], tuple[Secret, ...]]) -> MasterKeys:
        if self._settings.master_key is not None:
            return MasterKeys([decode(self._settings.master_key)])
        return MasterKeys(load_file(self._file()))

    def _file(self) -> Path:
        return self._settings.master_key_file or master_file.default_file(self._data_dir)

    async def _keep(self, after: Sequence[Secret]) -> None:
        """Hold these master keys instead, in the file first."""
        before = self._at_hand()
        try:
            await self._executor.run(master_file.replace, self._file(), before.keys, after)
        except BootError as error:
            raise UnavailableError(str(error)) from error
        self._masters = MasterKeys(after)


def _abilities(spec: KeySpec) -> frozenset[Operation]:
    if Usage.WRAP_RFC5649 in (spec.usages or ()):
        return _KWP
    does = _DOES.get(spec.algorithm, frozenset())
    if spec.encapsulation_algorithm is not None:
        return does | _ENCAPSULATING
    return does | _ENCRYPTING if spec.encryption_algorithm is not None else does
