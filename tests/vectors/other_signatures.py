"""Ed25519, Ed448 and ML-DSA: signatures without a choice of hash."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import Any

from aegis_rot_inmemory.signing import Signer
from cryptography.hazmat.primitives.asymmetric import ed448, ed25519, mldsa

from aegis_kernel import SignatureAlgorithm
from tests.vectors.case import Case
from tests.vectors.files import blocks, lines

_ML_DSA: dict[str, Any] = {
    "44": mldsa.MLDSA44PrivateKey,
    "65": mldsa.MLDSA65PrivateKey,
    "87": mldsa.MLDSA87PrivateKey,
}


def ed25519_input(path: str) -> Iterator[Case]:
    """The authors' file: secret ‖ public : public : message : signature ‖ message."""
    for line in lines(path):
        secret, public, message, signed = (bytes.fromhex(part) for part in line.split(":")[:4])
        ours = (ed25519.Ed25519PrivateKey, secret[:32], SignatureAlgorithm.ED25519)
        yield from _deterministic(ours, public, message, signed[:64])


def ed448_rfc8032(path: str) -> Iterator[Case]:
    for block in blocks(path, "SIGNATURE"):
        ours = (ed448.Ed448PrivateKey, block.data("SECRET"), SignatureAlgorithm.ED448)
        given = block.data("PUBLIC"), block.data("MESSAGE"), block.data("SIGNATURE")
        context = block.get("CONTEXT", "")
        yield from _deterministic(ours, *given, "signature context" if context else None)


def ml_dsa(path: str) -> Iterator[Case]:
    """Keys from their seeds; then signatures with a context, which ours never have."""
    size = path.split("_")[2]
    algorithm = SignatureAlgorithm(f"MlDsa{size}")
    for block in blocks_without_gaps(path, "ctx"):
        make = partial(_signer, (_ML_DSA[size], bytes.fromhex(block["xi"]), algorithm))
        public, message = bytes.fromhex(block["pk"]), bytes.fromhex(block["msg"])
        signature = bytes.fromhex(block["sm"])[: -len(message) or None]
        yield Case(
            kind=f"{algorithm}, the public key of a seed",
            valid=True,
            accepts=partial(_has_public_key, make, public),
        )
        yield Case(
            kind=str(algorithm),
            valid=True,
            accepts=partial(_verifies, make, message, signature),
            difference="signature context" if block["ctx"] else None,
        )
        yield from _own(make, str(algorithm), message)


def blocks_without_gaps(path: str, last: str) -> Iterator[dict[str, str]]:
    """Yield the vectors of a file that has no blank line between them."""
    block: dict[str, str] = {}
    for line in lines(path):
        name, _, value = line.partition(" =")
        block[name] = value.strip()
        if name == last:
            yield block
            block = {}


def _deterministic(
    ours: tuple[Any, bytes, SignatureAlgorithm],
    public: bytes,
    message: bytes,
    signature: bytes,
    difference: str | None = None,
) -> Iterator[Case]:
    make = partial(_signer, ours)

    def accepts() -> bool:
        signer = make()
        same = signer.sign(ours[2], message) == signature and _has_public_key(make, public)
        verdict = signer.verify(ours[2], message, signature)
        assert verdict is same
        return verdict

    yield Case(kind=str(ours[2]), valid=True, accepts=accepts, difference=difference)
    if difference is None:
        yield from _changed(make, str(ours[2]), message, signature)


def _own(make: Any, kind: str, message: bytes) -> Iterator[Case]:
    def accepts() -> bool:
        signer = make()
        (algorithm,) = signer.algorithms
        verified: bool = signer.verify(algorithm, message, signer.sign(algorithm, message))
        return verified

    yield Case(kind=f"{kind}, signed here", valid=True, accepts=accepts, derived=True)


def _changed(make: Any, kind: str, message: bytes, signature: bytes) -> Iterator[Case]:
    flipped = signature[:-1] + bytes([signature[-1] ^ 1])
    for what, other in (("flipped", flipped), ("cut", signature[:-1]), ("long", signature + b"\0")):
        accepts = partial(_verifies, make, message, other)
        yield Case(kind=f"{kind}, {what}", valid=False, accepts=accepts, derived=True)
    accepts = partial(_verifies, make, message + b"\0", signature)
    yield Case(kind=f"{kind}, another message", valid=False, accepts=accepts, derived=True)


def _signer(ours: tuple[Any, bytes, SignatureAlgorithm]) -> Signer:
    kind, seed, algorithm = ours
    load = getattr(kind, "from_seed_bytes", None) or kind.from_private_bytes
    return Signer(load(seed), frozenset({algorithm}))


def _has_public_key(make: Any, public: bytes) -> bool:
    spki: bytes = make().public_key()
    return spki.endswith(public)


def _verifies(make: Any, message: bytes, signature: bytes) -> bool:
    signer = make()
    (algorithm,) = signer.algorithms
    verified: bool = signer.verify(algorithm, message, signature)
    return verified
