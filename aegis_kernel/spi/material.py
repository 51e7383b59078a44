"""What roots of trust make: material per version, and what they keep no copy of."""

from __future__ import annotations

import msgspec

from aegis_kernel.domain.key import KeyId
from aegis_kernel.domain.secret import Secret
from aegis_kernel.domain.spec import KeySpec


class Binding(msgspec.Struct, frozen=True):
    """What material is bound to: it must not open for another key, version or spec."""

    key_id: KeyId
    version: int
    spec: KeySpec


class Material(msgspec.Struct, frozen=True):
    """What a root of trust returns per version and the journal stores.

    `wrapped` is opaque to the kernel: sealed bytes, or a handle such as an ARN; never key bytes.
    """

    root_of_trust: str
    wrapped: Secret


class KeyPair(msgspec.Struct, frozen=True):
    """A key pair that the root does not keep: PKCS #8 (RFC 5958) and SubjectPublicKeyInfo, DER."""

    private: Secret
    public: bytes


class Encapsulated(msgspec.Struct, frozen=True):
    """A shared secret, and the ciphertext (FIPS 203) from which the private key makes it again."""

    shared_secret: Secret
    ciphertext: bytes
