"""ECDH and HKDF through agree(), and the points that it must refuse."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Iterator, Mapping
from functools import partial

from aegis_rot_inmemory.agreement import agree, expand
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from aegis_kernel import AgreementAlgorithm
from tests.vectors.case import Case, left_out
from tests.vectors.files import Block, blocks

_CURVES: Mapping[str, tuple[ec.EllipticCurve, str]] = {
    "P-256": (ec.SECP256R1(), "256"),
    "P-384": (ec.SECP384R1(), "384"),
    "P-521": (ec.SECP521R1(), "512"),
}
# The parameter sets of SP 800-56A (2007) §5.5.1.2.
_SETS = {"EC - SHA256": "P-256", "ED - SHA384": "P-384", "EE - SHA512": "P-521"}
_INFO, _BYTES = b"vectors", 48


def ecdh(path: str) -> Iterator[Case]:
    """CAVP's raw secret Z: ours is what HKDF, written out below, makes of the same Z."""
    for block in blocks(path, "QsIUTx"):
        if block.section not in _SETS:
            yield left_out("ECDH", "curve")
            continue
        yield Case(
            kind=f"ECDH {block.section} {block['Result']}",
            valid=block["Result"].startswith("P"),
            accepts=partial(_agrees, block, _SETS[block.section]),
        )


def public_keys(path: str) -> Iterator[Case]:
    """CAVP PKV: a point that is not on its curve is nobody's public key."""
    for block in blocks(path, "Qx"):
        if block.section not in _CURVES:
            yield left_out("public key", "curve")
            continue
        yield Case(
            kind=f"public key {block.section} {block['Result']}",
            valid=block["Result"].startswith("P"),
            accepts=partial(_takes, block),
        )


def hkdf(path: str) -> Iterator[Case]:
    for block in blocks(path, "OKM"):
        if block.get("salt"):
            yield left_out("HKDF", "salt")
            continue
        yield Case(kind="HKDF", valid=True, accepts=partial(_expands, block))


def _agrees(block: Block, name: str) -> bool:
    curve, size = _CURVES[name]
    try:
        private = ec.derive_private_key(block.number("dsIUT"), curve)
    except ValueError:
        return False
    own = private.public_key().public_numbers()
    if (own.x, own.y) != (block.number("QsIUTx"), block.number("QsIUTy")):
        return False  # a pair that does not belong together is never sealed, so none is opened
    peer = _der(curve, block.number("QsCAVSx"), block.number("QsCAVSy"))
    algorithm = AgreementAlgorithm(f"EcdhHkdfSha{size}")
    secret = agree(private, algorithm, peer, _INFO, _BYTES).reveal()
    return secret == _hkdf(f"sha{size}", block.data("Z"), _INFO, _BYTES)


def _takes(block: Block) -> bool:
    curve, size = _CURVES[block.section]
    peer = _der(curve, block.number("Qx"), block.number("Qy"))
    algorithm = AgreementAlgorithm(f"EcdhHkdfSha{size}")
    agree(ec.generate_private_key(curve), algorithm, peer, b"", 32)
    return True


def _expands(block: Block) -> bool:
    algorithm = AgreementAlgorithm.ECDH_HKDF_SHA256
    length = int(block["L"])
    return expand(algorithm, block.data("IKM"), block.data("info"), length) == block.data("OKM")


def _der(curve: ec.EllipticCurve, x: int, y: int) -> bytes:
    """Return the SubjectPublicKeyInfo of any two numbers: a good one's, with another point."""
    size = (curve.key_size + 7) // 8
    if max(x, y).bit_length() > 8 * size:
        return b""
    good = ec.derive_private_key(1, curve).public_key()
    der = good.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    return der[: -2 * size] + x.to_bytes(size, "big") + y.to_bytes(size, "big")


def _hkdf(name: str, secret: bytes, info: bytes, length: int) -> bytes:
    """RFC 5869 §2, without a salt and for at most one round."""
    key = hmac.digest(bytes(hashlib.new(name).digest_size), secret, name)
    block, out, number = b"", b"", 1
    while len(out) < length:
        block = hmac.digest(key, block + info + bytes([number]), name)
        out, number = out + block, number + 1
    return out[:length]
