"""AES-GCM, RFC 5649, HMAC and the key derivation, through the functions that the formats use."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

from aegis_rot_inmemory.kdf import counter_mode
from aegis_rot_inmemory.kwp import KwpKey
from aegis_rot_inmemory.mac_key import MacKey
from aegis_rot_inmemory.symmetric import gcm_decrypt, gcm_encrypt

from aegis_kernel import Algorithm, KeySpec, MacAlgorithm, Secret
from aegis_kernel.testing.doubles import ThreadExecutor
from tests.vectors.case import Case, at_once, left_out
from tests.vectors.files import Block, blocks, lines

_EXECUTOR = ThreadExecutor()


def gcm_decryption(path: str) -> Iterator[Case]:
    for block in blocks(path, "Tag"):
        kind = f"AES-GCM decryption, {block['Keylen']} bits, IV {block['IVlen']}"
        if block["IVlen"] != "96":
            yield left_out(kind, "IV length")
            continue
        yield Case(
            kind=kind,
            valid=block.get("Result") != "F",
            accepts=partial(_decrypts, block),
            difference=None if block["Taglen"] == "128" else "short tag",
        )


def gcm_encryption(path: str) -> Iterator[Case]:
    """Our tags have all 128 bits; a shorter one of the file is the beginning of it."""
    for block in blocks(path, "Tag"):
        kind = f"AES-GCM encryption, {block['Keylen']} bits, IV {block['IVlen']}"
        if block["IVlen"] != "96":
            yield left_out(kind, "IV length")
            continue
        yield Case(kind=kind, valid=True, accepts=partial(_encrypts, block))


def kwp_decryption(path: str) -> Iterator[Case]:
    for block in blocks(path, "C"):
        valid = block.get("Result") != "F"
        expected = block.data("P") if valid else None
        accepts = partial(_unwraps, block.data("K"), block.data("C"), expected)
        yield Case(kind=f"KWP {block.section}", valid=valid, accepts=accepts)


def kwp_encryption(path: str) -> Iterator[Case]:
    """NIST's KWP-AE, and Botan's file, which begins with the vectors of RFC 5649 §6."""
    names = ("Key", "Input", "Output") if "botan" in path else ("K", "P", "C")
    for block in blocks(path, names[2]):
        key, plaintext, wrapped = (block.data(name) for name in names)
        kind = f"KWP {block.section}"
        yield Case(kind=kind, valid=True, accepts=partial(_wraps, key, plaintext, wrapped))
        changed = bytes([wrapped[0] ^ 1]) + wrapped[1:]
        accepts = partial(_unwraps, key, changed, None)
        yield Case(kind=f"{kind}, flipped", valid=False, accepts=accepts, derived=True)


def kw_decryption(path: str) -> Iterator[Case]:
    """Wraps without padding (RFC 3394), which look like ours and must not open as such."""
    for block in blocks(path, "C"):
        yield Case(
            kind=f"KW {block.section}",
            valid=block.get("Result") != "F",
            accepts=partial(_unwraps, block.data("K"), block.data("C"), None),
            difference="no padding",
        )


def hmac_rfc4231(path: str) -> Iterator[Case]:
    size = path.removesuffix(".txt")[-3:]
    algorithm = MacAlgorithm(f"HmacSha{size}")
    for block in blocks(path, "MD"):
        message = block.data("Msg")[: int(block["Len"]) // 8]
        key, mac = _mac_key(block.data("Key"), int(size)), block.data("MD")

        def accepts(key: MacKey = key, message: bytes = message, mac: bytes = mac) -> bool:
            same = at_once(key.mac(algorithm, message)) == mac
            assert at_once(key.verify_mac(algorithm, message, mac)) is same
            return same

        yield Case(kind=str(algorithm), valid=True, accepts=accepts)
        flipped = mac[:-1] + bytes([mac[-1] ^ 1])
        half = mac[: len(mac) // 2]
        for what, other in (
            ("flipped", flipped),
            ("half", half),
            ("none", b""),
            ("long", mac + b"\0"),
        ):
            yield Case(
                kind=f"{algorithm}, {what}",
                valid=False,
                accepts=partial(_verifies, key, algorithm, message, other),
                derived=True,
            )


def kbkdf(path: str) -> Iterator[Case]:
    for block in _kbkdf_blocks(path):
        if block.section != "PRF=HMAC_SHA256 CTRLOCATION=BEFORE_FIXED RLEN=32_BITS":
            yield left_out("KBKDF", "KDF parameters")
            continue
        yield Case(kind="KBKDF", valid=True, accepts=partial(_derives, block))


def _kbkdf_blocks(path: str) -> Iterator[Block]:
    """This file describes its rounds, in lines between those of a vector."""
    section: list[str] = []
    block = Block()
    for line in lines(path):
        name, _, value = line.partition(" = ")
        if line.startswith("["):
            section = (
                [*section, line.strip("[]")] if not line.startswith("[PRF") else [line.strip("[]")]
            )
        elif name in ("L", "KI", "FixedInputData"):
            block[name] = value
        elif name == "KO":
            block[name], block.section = value, " ".join(section)
            yield block
            block = Block()


def _decrypts(block: Block) -> bool:
    ciphertext = block.data("CT") + block.data("Tag")
    aad, key, nonce = block.data("AAD"), block.data("Key"), block.data("IV")
    plaintext = gcm_decrypt(key, nonce, ciphertext, aad)
    return "PT" not in block or plaintext == block.data("PT")


def _encrypts(block: Block) -> bool:
    aad, key, nonce = block.data("AAD"), block.data("Key"), block.data("IV")
    made = gcm_encrypt(key, nonce, block.data("PT"), aad)
    ciphertext, tag = block.data("CT"), block.data("Tag")
    return len(made) == len(ciphertext) + 16 and made.startswith(ciphertext + tag)


def _wraps(key: bytes, plaintext: bytes, wrapped: bytes) -> bool:
    made = at_once(_kwp_key(key).wrap_rfc5649(Secret(plaintext)))
    return made == wrapped and _unwraps(key, wrapped, plaintext)


def _unwraps(key: bytes, wrapped: bytes, expected: bytes | None) -> bool:
    plaintext = at_once(_kwp_key(key).unwrap_rfc5649(wrapped)).reveal()
    return expected is None or plaintext == expected


def _verifies(key: MacKey, algorithm: MacAlgorithm, message: bytes, mac: bytes) -> bool:
    return at_once(key.verify_mac(algorithm, message, mac))


def _derives(block: Block) -> bool:
    length = int(block["L"]) // 8
    return counter_mode(block.data("KI"), block.data("FixedInputData"), length) == block.data("KO")


def _kwp_key(key: bytes) -> KwpKey:
    return KwpKey(Secret(key), (), _EXECUTOR, False)


def _mac_key(key: bytes, size_bits: int) -> MacKey:
    spec = KeySpec(name="vectors", algorithm=Algorithm.HMAC, size_bits=size_bits)
    return MacKey(spec, Secret(key), (), _EXECUTOR, False)
