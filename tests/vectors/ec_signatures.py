"""ECDSA through Verifier.verify in four forms: message or digest, DER or P1363."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from functools import lru_cache, partial

from aegis_rot_inmemory.signing import Verifier
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import (
    decode_dss_signature,
    encode_dss_signature,
)
from cryptography.hazmat.primitives.serialization import load_pem_public_key

from aegis_kernel import SignatureAlgorithm, SignatureFormat
from tests.vectors.case import Case, left_out
from tests.vectors.files import Block, blocks, lines
from tests.vectors.keys import verifier
from tests.vectors.rsa_signatures import HASHES, digest_of

CURVES: Mapping[str, tuple[ec.EllipticCurve, str]] = {
    "P-256": (ec.SECP256R1(), "256"),
    "P-384": (ec.SECP384R1(), "384"),
    "P-521": (ec.SECP521R1(), "512"),
    "K-256": (ec.SECP256K1(), "256"),
}


def cavp(path: str) -> Iterator[Case]:
    """CAVP SigVer and SigGen, and the generated file on secp256k1."""
    for block in blocks(path, "S"):
        curve, _, hashing = block.section.partition(",")
        if curve not in CURVES:
            yield left_out("ECDSA", "curve")
            continue
        yield from _cases(curve, hashing.removeprefix("SHA-"), block)


def rfc6979(path: str) -> Iterator[Case]:
    """OpenSSL's file of RFC 6979; our own signatures have random numbers, so these are verified."""
    publics: dict[str, Verifier | None] = {}
    for title, pairs, pem in _stanzas(path):
        if title.startswith("PublicKey="):
            publics[title.removeprefix("PublicKey=")] = _from_pem(pem)
        elif "Output" in pairs and "_" in pairs.get("Key", ""):
            curve = pairs["Key"].split("_")[0]
            yield _rfc6979_case(curve, pairs, publics.get(f"{curve}_PUB"))


def _rfc6979_case(curve: str, pairs: Mapping[str, str], ours: Verifier | None) -> Case:
    if curve not in CURVES:
        return left_out("ECDSA", "curve")
    size = pairs.get("DigestVerify", pairs.get("DigestSign", "")).removeprefix("SHA")
    algorithm = SignatureAlgorithm(f"EcdsaSha{CURVES[curve][1]}")
    message, signature = pairs["Input"].strip('"').encode(), bytes.fromhex(pairs["Output"])
    assert ours is not None
    return Case(
        kind=f"RFC 6979 {curve} SHA-{size}",
        valid="Result" not in pairs,
        accepts=partial(verdict_in_four_forms, ours, algorithm, message, signature),
        difference=None if size == CURVES[curve][1] else "hash",
    )


def _cases(curve: str, size: str, block: Block) -> Iterator[Case]:
    algorithm = SignatureAlgorithm(f"EcdsaSha{CURVES[curve][1]}")
    difference = None if size == CURVES[curve][1] else "hash"
    valid = block.get("Result", "P").startswith("P")
    kind = f"{curve} SHA-{size}"

    def accepts() -> bool:
        ours = _verifier(curve, block.number("Qx"), block.number("Qy"))
        if ours is None:
            return False
        der = encode_dss_signature(block.number("R"), block.number("S"))
        return verdict_in_four_forms(ours, algorithm, block.data("Msg"), der)

    yield Case(kind=kind, valid=valid, accepts=accepts, difference=difference)
    if valid and difference is None:
        yield Case(
            kind=f"{kind}, P1363 of another length",
            valid=False,
            accepts=partial(_accepts_any_length, curve, algorithm, block),
            derived=True,
        )


def verdict_in_four_forms(
    ours: Verifier, algorithm: SignatureAlgorithm, message: bytes, der: bytes
) -> bool:
    """Return the one verdict on a signature in all of its forms; AssertionError if there are two."""
    digest = digest_of(message, HASHES[algorithm[-3:]])
    verdict = ours.verify(algorithm, message, der)
    assert ours.verify(algorithm, digest, der, prehashed=True) is verdict
    p1363 = _p1363(ours, der)
    if p1363 is not None:
        form = SignatureFormat.P1363
        assert ours.verify(algorithm, message, p1363, signature_format=form) is verdict
        assert ours.verify(algorithm, digest, p1363, True, form) is verdict
    return verdict


def _p1363(ours: Verifier, der: bytes) -> bytes | None:
    """Return r ‖ s as this side writes it, or None where a number has no room."""
    try:
        r, s = decode_dss_signature(der)
    except ValueError:
        return None
    size = (ours._curve().key_size + 7) // 8
    if max(r, s).bit_length() > 8 * size:
        return None
    return r.to_bytes(size, "big") + s.to_bytes(size, "big")


def _accepts_any_length(curve: str, algorithm: SignatureAlgorithm, block: Block) -> bool:
    ours = _verifier(curve, block.number("Qx"), block.number("Qy"))
    assert ours is not None
    size = (ours._curve().key_size + 7) // 8
    r, s = (block.number(name).to_bytes(size, "big") for name in ("R", "S"))
    others = (r + b"\0" + s, b"\0" + r + s, r + s + b"\0", r + s[:-1], r, b"")
    form = SignatureFormat.P1363
    return any(ours.verify(algorithm, block.data("Msg"), other, False, form) for other in others)


@lru_cache(maxsize=64)
def _verifier(curve: str, x: int, y: int) -> Verifier | None:
    try:
        public = ec.EllipticCurvePublicNumbers(x, y, CURVES[curve][0]).public_key()
    except ValueError:
        return None
    return verifier(public, SignatureAlgorithm(f"EcdsaSha{CURVES[curve][1]}"))


def _from_pem(pem: str) -> Verifier | None:
    try:
        public = load_pem_public_key(pem.encode())
    except Exception:
        return None  # curves that the library does not know; their cases are left out
    return verifier(public, *SignatureAlgorithm)


def _stanzas(path: str) -> Iterator[tuple[str, dict[str, str], str]]:
    """Yield (first line, pairs, PEM) of every stanza of an OpenSSL test file."""
    text = "\n".join(line for line in lines(path) if not line.startswith("#"))
    for stanza in re.split(r"\n\s*\n", text):
        first, *rest = stanza.strip().split("\n")
        pairs = dict(line.split(" = ", 1) for line in [first, *rest] if " = " in line)
        yield first, pairs, "\n".join(line for line in rest if " = " not in line) + "\n"
