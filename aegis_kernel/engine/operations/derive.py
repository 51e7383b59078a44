"""Key agreement: ECDH with somebody's public key, and what HKDF makes of it.

What both sides know goes into HKDF's `info`, the FixedInfo of SP 800-56C §4.1; exactly, with
lp(x) = the length of x in 4 bytes, then x, and integers big-endian:

    "aegis-ecdh-v1" 00 ‖ lp(algorithm) ‖ lp(key id) ‖ lp(own SPKI) ‖ lp(peer's SPKI) ‖ lp(info)
    ‖ sizeBits in 4 bytes

`algorithm` and the key id (lower-case, dashed) are ASCII; an SPKI is the DER SubjectPublicKeyInfo
with a named curve and an uncompressed point (RFC 5480); `info` is the caller's, or empty. There is
no salt. docs/operations.md shows the other side's computation.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING

from aegis_kernel.domain.errors import BadRequestError
from aegis_kernel.domain.key import Key
from aegis_kernel.domain.lifecycle import Operation
from aegis_kernel.domain.spec import AgreementAlgorithm, Curve, KeySpec
from aegis_kernel.engine.operations.declaration import Caller, Declaration, Effect
from aegis_kernel.engine.operations.messages_secrets import Derive, Derived
from aegis_kernel.engine.operations.require import require

if TYPE_CHECKING:
    from aegis_kernel.engine.bench import Bench

LEAST_BITS = 128
MOST_BITS = 512

_LABEL = b"aegis-ecdh-v1\x00"
_COORDINATE_BYTES: Mapping[Curve, int] = MappingProxyType(
    {Curve.P256: 32, Curve.SECP256K1: 32, Curve.P384: 48, Curve.P521: 66}
)


async def _derive(bench: Bench, caller: Caller, key: Key | None, request: Derive) -> Effect:
    key = require(key)
    _require_pairing(key.spec, request.algorithm)
    if not LEAST_BITS <= request.size_bits <= MOST_BITS or request.size_bits % 8:
        raise BadRequestError(f"sizeBits is {LEAST_BITS} to {MOST_BITS}, in steps of 8")
    version = key.current_version
    opened = await bench.open(key, version)
    own = opened.key.public_key or b""
    _require_same_form(key.spec, own, request.peer)
    info = fixed_info(request, key.id, own)
    secret = await opened.key.derive(request.algorithm, request.peer, info, request.size_bits // 8)
    return Effect(answer=Derived(secret, version), key_version=version, alg=request.algorithm)


def fixed_info(request: Derive, key_id: str, own: bytes) -> bytes:
    """Return the bytes that bind the secret to what it was asked for."""
    parts = (request.algorithm.encode(), key_id.encode(), own, request.peer, request.info)
    prefixed = (len(part).to_bytes(4, "big") + part for part in parts)
    return _LABEL + b"".join(prefixed) + request.size_bits.to_bytes(4, "big")


def _require_pairing(spec: KeySpec, algorithm: AgreementAlgorithm) -> None:
    pairing = spec.agreement_algorithm
    if pairing is None:
        raise BadRequestError(f"An {spec.curve or spec.algorithm} key does not derive; EC keys do")
    if pairing is not algorithm:
        raise BadRequestError(f"A {spec.curve} key derives with {pairing}, not {algorithm}")


def _require_same_form(spec: KeySpec, own: bytes, peer: bytes) -> None:
    """One point has several encodings, and FixedInfo is over bytes: only our own form is taken.

    Two keys in it, on one curve, differ in their coordinates alone.
    """
    assert spec.curve is not None  # it has an agreement algorithm
    until_point = len(own) - 2 * _COORDINATE_BYTES[spec.curve]
    if len(peer) != len(own) or peer[:until_point] != own[:until_point]:
        raise BadRequestError(
            f"publicKeyPem must be a public key on {spec.curve}, by the curve's name and with an "
            "uncompressed point, as `openssl ec -pubout` writes it"
        )


DERIVE: Declaration[Derive, Derived] = Declaration(Operation.DERIVE, _derive, costly=True)
