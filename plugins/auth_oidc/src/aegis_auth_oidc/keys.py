"""An issuer's public keys (RFC 7517), and which of them are good enough to believe."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from types import MappingProxyType
from typing import Any, Final

from jwt import PyJWTError
from jwt.algorithms import Algorithm, ECAlgorithm, OKPAlgorithm, RSAAlgorithm

from aegis_auth_oidc.jws import MAX_KID_CHARACTERS
from aegis_auth_oidc.strict import decode_base64url, parse_object

ALGORITHMS: Final = ("RS256", "ES256", "EdDSA")
MAX_KEYS = 64
MIN_RSA_BITS = 2048
MAX_RSA_BITS = 8192
# A larger public exponent makes each verification slow, and no one has a use for it.
MAX_RSA_EXPONENT_BYTES = 4

# One algorithm for each kind of key, so that no key can be used in a way it was not meant for.
_KINDS: Mapping[tuple[str, str | None], str] = MappingProxyType(
    {("RSA", None): "RS256", ("EC", "P-256"): "ES256", ("OKP", "Ed25519"): "EdDSA"}
)
_NUMBERS: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {"RS256": ("n", "e"), "ES256": ("x", "y"), "EdDSA": ("x",)}
)
_PRIVATE = frozenset({"d", "p", "q", "dp", "dq", "qi", "oth", "k"})


class VerifyingKey:
    """One public key, for one algorithm."""

    def __init__(self, kid: str | None, algorithm: str, number: Mapping[str, Any]) -> None:
        self.kid = kid
        self.algorithm = algorithm
        self._implementation = _implementation(algorithm)
        self._key = self._implementation.from_jwk(dict(number))

    def verify(self, signed: bytes, signature: bytes) -> bool:
        return self._implementation.verify(signed, self._key, signature)


class KeySet:
    """The keys of one document. `find` is a look-up; nothing here does I/O."""

    def __init__(self, keys: Sequence[VerifyingKey]) -> None:
        self._keys = tuple(keys)

    def __len__(self) -> int:
        return len(self._keys)

    def find(self, kid: str | None, algorithm: str) -> VerifyingKey | None:
        """Return the key called `kid`, if it is for `algorithm`.

        A token that names no key is the only such key's, or nobody's.
        """
        fitting = [key for key in self._keys if key.algorithm == algorithm]
        if kid is None:
            return fitting[0] if len(fitting) == 1 else None
        return next((key for key in fitting if key.kid == kid), None)


def parse_keys(document: bytes, algorithms: Sequence[str]) -> KeySet:
    """Return the keys of a JWK set that may verify tokens with one of `algorithms`.

    A key of another kind or use, too weak, or with its private half in the open is left out
    (RFC 7517 §5). Raises ValueError for no JWK set, for more than 64 keys, and if none is left.
    """
    entries = parse_object(document).get("keys")
    if not isinstance(entries, list):
        raise ValueError("it has no list of keys")  # noqa: TRY004
    if len(entries) > MAX_KEYS:
        raise ValueError(f"it has more than {MAX_KEYS} keys")
    keys = [key for entry in entries for key in _usable(entry) if key.algorithm in algorithms]
    if not keys:
        raise ValueError(f"it has no key for {', '.join(algorithms)}")
    return KeySet(keys)


def _usable(entry: object) -> Iterator[VerifyingKey]:
    if not isinstance(entry, dict) or not _is_meant_for_signatures(entry):
        return
    kid, algorithm = entry.get("kid"), _algorithm(entry)
    if algorithm is None or entry.get("alg", algorithm) != algorithm:
        return
    if kid is not None and not (isinstance(kid, str) and len(kid) <= MAX_KID_CHARACTERS):
        return
    try:
        numbers = {name: decode_base64url(entry[name].encode()) for name in _NUMBERS[algorithm]}
        if algorithm == "RS256" and not _is_strong(numbers["n"], numbers["e"]):
            return
        yield VerifyingKey(kid, algorithm, entry)
    except (PyJWTError, ValueError, LookupError, AttributeError):
        return  # not a key after all; what else the document holds still counts


def _is_meant_for_signatures(entry: Mapping[str, Any]) -> bool:
    if _PRIVATE & entry.keys():
        return False
    uses = entry.get("key_ops", ["verify"])
    return entry.get("use", "sig") == "sig" and isinstance(uses, list) and "verify" in uses


def _algorithm(entry: Mapping[str, Any]) -> str | None:
    kind, curve = entry.get("kty"), entry.get("crv")
    if not isinstance(kind, str) or not (curve is None or isinstance(curve, str)):
        return None
    return _KINDS.get((kind, curve))


def _is_strong(modulus: bytes, exponent: bytes) -> bool:
    bits = int.from_bytes(modulus).bit_length()
    value = int.from_bytes(exponent)
    # With an exponent of 1 every text is its own signature.
    odd = value >= 3 and value % 2 == 1
    return MIN_RSA_BITS <= bits <= MAX_RSA_BITS and odd and len(exponent) <= MAX_RSA_EXPONENT_BYTES


def _implementation(algorithm: str) -> Algorithm:
    if algorithm == "RS256":
        return RSAAlgorithm(RSAAlgorithm.SHA256)
    if algorithm == "ES256":
        return ECAlgorithm(ECAlgorithm.SHA256)
    return OKPAlgorithm()
