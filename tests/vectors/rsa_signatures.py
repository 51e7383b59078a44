"""RSASSA-PSS and RSASSA-PKCS1-v1_5 through Verifier.verify, as messages and as digests."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

from cryptography.hazmat.primitives.asymmetric import padding
from cryptography.hazmat.primitives.hashes import SHA256, SHA384, SHA512, Hash, HashAlgorithm

from aegis_kernel import SignatureAlgorithm
from tests.vectors.case import Case
from tests.vectors.files import Block, blocks, labelled
from tests.vectors.keys import rsa_private, rsa_verifier, verifier

HASHES: dict[str, HashAlgorithm] = {"256": SHA256(), "384": SHA384(), "512": SHA512()}
# Files of SHA-1 are presented as the nearest that we have.
NEAREST = "256"


def pkcs1(path: str) -> Iterator[Case]:
    """CAVP SigVer and SigGen of PKCS #1 v1.5."""
    for block in blocks(path, "S"):
        yield _case(block, "RsaPkcs1Sha", None)


def pss(path: str) -> Iterator[Case]:
    """CAVP SigVer and SigGen of PSS, whose salts are never as long as the hash."""
    group = ""
    for block in blocks(path, "S"):
        yield _case(block, "RsaPssSha", "pss salt")
        if "q" in block and block.section != group and block.number("n") >> 2047:
            group = block.section
            yield from _salts(block)


def of_sha1(path: str) -> Iterator[Case]:
    """RSA Security's files of SHA-1, whose signatures are no signatures of ours."""
    prefix = "RsaPssSha" if "pss" in path else "RsaPkcs1Sha"
    given: dict[str, int | bytes] = {}
    for label, digits in labelled(path):
        if label in ("Modulus", "Exponent"):
            # Both stand twice, public before private; only the first is small.
            value = int(digits, 16)
            if label == "Modulus" or value < 1 << 64:
                given[label] = value
        elif label.startswith("Message"):
            given["Message"] = bytes.fromhex(digits)
        elif label == "Signature":
            block = Block(
                n=f"{given['Modulus']:x}",
                e=f"{given['Exponent']:x}",
                Msg=bytes(given["Message"]).hex(),
                S=digits,
                SHAAlg="SHA1",
            )
            yield _case(block, prefix, None)


def _case(block: Block, prefix: str, refused: str | None) -> Case:
    size = block["SHAAlg"].removeprefix("SHA")
    difference = refused if size in HASHES else "hash"
    algorithm = SignatureAlgorithm(f"{prefix}{size if size in HASHES else NEAREST}")

    def accepts() -> bool:
        ours = rsa_verifier(block.number("n"), block.number("e"))
        message, signature = block.data("Msg"), block.data("S")
        if ours is None:
            return False
        verdict = ours.verify(algorithm, message, signature)
        digest = digest_of(message, HASHES[algorithm[-3:]])
        assert ours.verify(algorithm, digest, signature, prehashed=True) is verdict
        return verdict

    return Case(
        kind=f"{block.section} {algorithm}",
        valid=block.get("Result", "P").startswith("P"),
        accepts=accepts,
        difference=difference,
    )


def _salts(block: Block) -> Iterator[Case]:
    """Under the group's key, what the library alone signs with a right salt and with wrong ones."""
    for size, hashing in HASHES.items():
        right = hashing.digest_size
        for salt in (0, 20, right - 1, right, right + 1):
            yield Case(
                kind=f"{block.section} RsaPssSha{size}, a salt of {salt}",
                valid=salt == right,
                accepts=partial(_verifies, block, SignatureAlgorithm(f"RsaPssSha{size}"), salt),
                derived=True,
            )


def _verifies(block: Block, algorithm: SignatureAlgorithm, salt: int) -> bool:
    private = rsa_private(block.number("p"), block.number("q"), 65537)
    hashing, message = HASHES[algorithm[-3:]], block.data("Msg")
    signature = private.sign(message, padding.PSS(padding.MGF1(hashing), salt), hashing)
    return verifier(private.public_key(), algorithm).verify(algorithm, message, signature)


def digest_of(message: bytes, hashing: HashAlgorithm) -> bytes:
    """Return the hash of `message`."""
    digest = Hash(hashing)
    digest.update(message)
    return digest.finalize()
