"""From key bytes to the open key that does what its spec says, and nothing else."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from aegis_kernel import Algorithm, Binding, Executor, OpenKey, Secret, Usage
from aegis_rot_inmemory.encapsulation import Encapsulation
from aegis_rot_inmemory.encryption import encryption_of
from aegis_rot_inmemory.kwp import KwpKey
from aegis_rot_inmemory.mac_key import MacKey
from aegis_rot_inmemory.material import KeyBytes
from aegis_rot_inmemory.open_key import AesKey, PrivateKey
from aegis_rot_inmemory.private_keys import Hybrid, load
from aegis_rot_inmemory.public_key import EncapsulatingKey, EncryptingPrivateKey, HybridKey
from aegis_rot_inmemory.signing import Signer, Verifier
from aegis_rot_inmemory.verifying_key import VerifyingKey

_Given = tuple[Sequence[Signer], Executor, bool]


def open_key_bytes(
    key_bytes: KeyBytes, binding: Binding, executor: Executor, dev_mode: bool
) -> OpenKey:
    """Return the open key; its companions stay shut outside dev mode."""
    spec = binding.spec
    if key_bytes.public:
        return VerifyingKey(Verifier.load(key_bytes.own, spec.signature_algorithms))
    companions = _companions(key_bytes) if dev_mode else ()
    if spec.algorithm is Algorithm.AES:
        key = Secret(key_bytes.own)
        if Usage.WRAP_RFC5649 in (spec.usages or ()):
            return KwpKey(key, companions, executor, dev_mode)
        return AesKey(binding, key, companions, executor, dev_mode)
    if spec.algorithm is Algorithm.HMAC:
        return MacKey(spec, Secret(key_bytes.own), companions, executor, dev_mode)
    given = companions, executor, dev_mode
    if spec.algorithm is Algorithm.ML_KEM:
        return _open_ml_kem(binding, key_bytes, given)
    return _open_private(binding, load(key_bytes.own), given)


def _open_private(binding: Binding, private: Any, given: _Given) -> OpenKey:
    spec = binding.spec
    own = Signer(private, spec.signature_algorithms)
    if spec.encryption_algorithm is None:
        return PrivateKey(spec, own, *given)
    encryption = encryption_of(spec.encryption_algorithm, private)
    return EncryptingPrivateKey(binding, own, *given, encryption=encryption)


def _open_ml_kem(binding: Binding, key_bytes: KeyBytes, given: _Given) -> OpenKey:
    spec = binding.spec
    if spec.encapsulation_algorithm is not None:
        private = load(key_bytes.own)
        return EncapsulatingKey(Encapsulation(spec.encapsulation_algorithm, private), *given)
    assert spec.encryption_algorithm is not None  # a hybrid, then
    hybrid = Hybrid(key_bytes.own, key_bytes.traditional)
    encryption = encryption_of(spec.encryption_algorithm, hybrid.private)
    return HybridKey(binding, hybrid, *given, encryption=encryption)


def _companions(key_bytes: KeyBytes) -> Sequence[Signer]:
    return [
        Signer.load(pkcs8, frozenset({algorithm}))
        for algorithm, pkcs8 in key_bytes.companions.items()
    ]
