"""From key bytes to the open key that does what its spec says, and nothing else."""

from __future__ import annotations

from collections.abc import Sequence

from aegis_kernel import Algorithm, Binding, Executor, OpenKey, Secret, Usage
from aegis_rot_inmemory.kwp import KwpKey
from aegis_rot_inmemory.mac_key import MacKey
from aegis_rot_inmemory.material import KeyBytes
from aegis_rot_inmemory.open_key import AesKey, PrivateKey
from aegis_rot_inmemory.signing import Signer


def open_key_bytes(
    key_bytes: KeyBytes, binding: Binding, executor: Executor, dev_mode: bool
) -> OpenKey:
    """Return the open key; its companions stay shut outside dev mode."""
    spec = binding.spec
    companions = _companions(key_bytes) if dev_mode else ()
    if spec.algorithm is Algorithm.AES:
        key = Secret(key_bytes.own)
        if Usage.WRAP_RFC5649 in (spec.usages or ()):
            return KwpKey(key, companions, executor, dev_mode)
        return AesKey(binding, key, companions, executor, dev_mode)
    if spec.algorithm is Algorithm.HMAC:
        return MacKey(spec, Secret(key_bytes.own), companions, executor, dev_mode)
    own = Signer.load(key_bytes.own, spec.signature_algorithms)
    return PrivateKey(spec, own, companions, executor, dev_mode)


def _companions(key_bytes: KeyBytes) -> Sequence[Signer]:
    return [
        Signer.load(pkcs8, frozenset({algorithm}))
        for algorithm, pkcs8 in key_bytes.companions.items()
    ]
