"""Material: a version's key bytes, sealed under the wrapping key for that version alone."""

from __future__ import annotations

import msgspec

from aegis_kernel import (
    Binding,
    DecryptionFailedError,
    Header,
    InternalError,
    KeySpec,
    Kind,
    Material,
    Secret,
    SignatureAlgorithm,
    Usage,
    canonical_bytes,
)
from aegis_rot_inmemory.suite import SUITE, is_made_under, seal, unseal

ROOT_OF_TRUST = "inmemory"

# A key made for rfc5649 alone must not open for anything else, whatever a row in the journal says.
_ANY = "key version material"
_RFC5649 = "rfc5649 key version material"

_NOT_OURS = "Key material is not authentic for this key version"


class KeyBytes(
    msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True
):
    """What one version is made of: raw bytes of AES and HMAC keys, PKCS #8 (RFC 5958) of the rest.

    Of ML-DSA and ML-KEM keys that is the seed (RFC 9881 §6, RFC 9935 §6). A hybrid key has its
    ML-KEM half in `own` and the half on a curve in `traditional`. A companion is a private key of
    its own, in dev mode only, for the one algorithm that names it. `public` says that `own` is a
    SubjectPublicKeyInfo (RFC 5280 §4.1) from outside, and all there is.
    """

    own: bytes
    traditional: bytes = b""
    companions: dict[SignatureAlgorithm, bytes] = {}
    public: bool = False

    def __repr__(self) -> str:
        return "KeyBytes(<redacted>)"


def seal_material(wrapping_key: Secret, binding: Binding, key_bytes: KeyBytes) -> Material:
    """Return the material that opens for this very binding and for no other."""
    return seal_bytes(wrapping_key, binding, msgspec.msgpack.encode(key_bytes))


def open_material(wrapping_key: Secret, binding: Binding, material: Material) -> KeyBytes:
    """Return what `seal_material` sealed.

    Raises InternalError, always with the same text, for material that another root or master key
    made, that belongs to another binding, or that was altered.
    """
    return decode_key_bytes(unseal_bytes(wrapping_key, binding, material))


def is_sealed_under(wrapping_key: Secret, binding: Binding, material: Material) -> bool:
    """Return whether this key has sealed it for this binding; damage further in does not show."""
    if not _is_addressed_to(binding, material):
        return False
    header, body = _split(binding, material)
    return is_made_under(wrapping_key.reveal(), header, body, _context(binding))


def seal_bytes(wrapping_key: Secret, binding: Binding, key_bytes: bytes) -> Material:
    """Return the material of encoded KeyBytes."""
    header = _header(binding)
    body = seal(wrapping_key.reveal(), header, key_bytes, _context(binding))
    return Material(ROOT_OF_TRUST, Secret(header + body))


def unseal_bytes(wrapping_key: Secret, binding: Binding, material: Material) -> bytes:
    """Return the encoded KeyBytes. Raises InternalError as `open_material` does."""
    if not _is_addressed_to(binding, material):
        raise InternalError(_NOT_OURS)
    header, body = _split(binding, material)
    try:
        return unseal(wrapping_key.reveal(), header, body, _context(binding))
    except DecryptionFailedError:
        raise InternalError(_NOT_OURS) from None


def decode_key_bytes(key_bytes: bytes) -> KeyBytes:
    """Return what an unsealed material says. Raises InternalError as `open_material` does."""
    try:
        return msgspec.msgpack.decode(key_bytes, type=KeyBytes)
    except msgspec.DecodeError:
        raise InternalError(_NOT_OURS) from None


def _is_addressed_to(binding: Binding, material: Material) -> bool:
    sealed = material.wrapped.reveal()
    return material.root_of_trust == ROOT_OF_TRUST and sealed.startswith(_header(binding))


def _split(binding: Binding, material: Material) -> tuple[bytes, bytes]:
    header = _header(binding)
    return header, material.wrapped.reveal()[len(header) :]


def spec_name(spec: KeySpec) -> str:
    """Return what tells `spec` from others of its algorithm, as the seals bind it."""
    return str(spec.curve or spec.parameter_set or spec.size_bits)


def _header(binding: Binding) -> bytes:
    return Header(SUITE, Kind.MATERIAL, binding.key_id, binding.version).encode()


def _context(binding: Binding) -> bytes:
    """The binding as an encryption context, which has one encoding and no two meanings."""
    spec = binding.spec
    return canonical_bytes(
        {
            "purpose": _RFC5649 if Usage.WRAP_RFC5649 in (spec.usages or ()) else _ANY,
            "key": binding.key_id,
            "version": str(binding.version),
            "algorithm": spec.algorithm.value,
            "size or curve": spec_name(spec),
        }
    )
