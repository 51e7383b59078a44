"""Port: a root of trust holds key material and computes with it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from aegis_kernel.domain.ciphertext import Suite
from aegis_kernel.domain.errors import AegisError, BadRequestError
from aegis_kernel.domain.lifecycle import Operation
from aegis_kernel.domain.secret import Secret
from aegis_kernel.domain.signature import SignatureFormat
from aegis_kernel.domain.spec import AgreementAlgorithm, KeySpec, MacAlgorithm, SignatureAlgorithm
from aegis_kernel.spi.imports import Imported, TokenBinding, WrappingKey
from aegis_kernel.spi.material import Binding, Encapsulated, KeyPair, Material
from aegis_kernel.spi.provider import Provider

__all__ = [
    "Binding",
    "Encapsulated",
    "KeyPair",
    "Material",
    "OpenKey",
    "RootOfTrust",
]


class OpenKey(Protocol):
    """One version of a key, ready to use. Subclass it and override what your root can do.

    Every method raises BadRequestError where the key cannot do what is asked and UnavailableError
    where the root is away. Methods may be called concurrently; the implementation alone decides
    what runs inline and what goes to the executor. The kernel keeps opened keys in a bounded cache.
    """

    @property
    def suite(self) -> Suite | None:
        """The format of this key's ciphertexts, or None if it makes none."""
        return None

    @property
    def public_key(self) -> bytes | None:
        """The DER SubjectPublicKeyInfo (RFC 5280 §4.1) of an asymmetric key, else None.

        Hybrid keys have no such form. Theirs is the KEM's own encoding: the ML-KEM encapsulation
        key (FIPS 203), then the X25519 key (RFC 7748), 1184 + 32 bytes, or the uncompressed P-384
        point (SEC 1 §2.3.3), 1568 + 97 bytes.
        """
        return None

    async def sign(
        self,
        algorithm: SignatureAlgorithm,
        message: bytes,
        *,
        prehashed: bool = False,
        signature_format: SignatureFormat = SignatureFormat.DER,
    ) -> bytes:
        """Return the signature over `message`, in that format if it is an ECDSA signature.

        `prehashed` says that `message` is the digest, made with the algorithm's own hash. Raises
        BadRequestError as `require_form` does.
        """
        raise BadRequestError(f"This key does not sign with {algorithm}")

    async def verify(
        self,
        algorithm: SignatureAlgorithm,
        message: bytes,
        signature: bytes,
        *,
        prehashed: bool = False,
        signature_format: SignatureFormat = SignatureFormat.DER,
    ) -> bool:
        """Return True only if this version made `signature`; a malformed one is False, no error.

        The other format is malformed, and so is P1363 of any length but its own.
        """
        raise BadRequestError(f"This key does not verify {algorithm}")

    async def encrypt(self, header: bytes, plaintext: Secret, context: bytes) -> bytes:
        """Return what follows `header` in the ciphertext: the rest of the prefix, the ciphertext.

        `header` (25 bytes) and `context` (canonical bytes) are bound: decryption under any other
        header or context must fail. Public-key algorithms bind the header as OAEP label or HPKE
        info, and raise BadRequestError for a context that is not empty and for a plaintext longer
        than `KeySpec.plaintext_most_bytes`.
        """
        raise BadRequestError("This key does not encrypt; create an AES key for that")

    async def decrypt(self, header: bytes, body: bytes, context: bytes) -> Secret:
        """Return the plaintext of `body`. Raises DecryptionFailedError, and tells a wrong context
        (`CONTEXT_MISMATCH`) from damage (`NOT_AUTHENTIC`) where the root can."""
        raise BadRequestError("This key does not decrypt; AES keys do")

    async def encrypt_many(
        self, header: bytes, items: Sequence[tuple[Secret, bytes]]
    ) -> Sequence[bytes | AegisError]:
        """Return for each (plaintext, context), in order, what `encrypt` returns or raises.

        Override it where items can share work; this default does one after the other.
        """
        ended: list[bytes | AegisError] = []
        for plaintext, context in items:
            try:
                ended.append(await self.encrypt(header, plaintext, context))
            except AegisError as error:
                ended.append(error)
        return ended

    async def decrypt_many(
        self, header: bytes, items: Sequence[tuple[bytes, bytes]]
    ) -> Sequence[Secret | AegisError]:
        """Return for each (body, context), in order, what `decrypt` returns or raises.

        Override it where items can share work; this default does one after the other.
        """
        ended: list[Secret | AegisError] = []
        for body, context in items:
            try:
                ended.append(await self.decrypt(header, body, context))
            except AegisError as error:
                ended.append(error)
        return ended

    async def decrypt_raw(self, ciphertext: bytes) -> Secret:
        """Return the plaintext of what somebody encrypted with the public key alone.

        Label and info are empty, HPKE's `enc` stands in front (RFC 9180 §6.1). Raises
        DecryptionFailedError, the same one (`NOT_AUTHENTIC`) for whatever is wrong.
        """
        raise BadRequestError("This key does not decrypt what a public key has encrypted")

    async def wrap(self, header: bytes, key_bytes: Secret, context: bytes) -> bytes:
        """Return what follows `header` around wrapped `key_bytes`, 16 to 4096 bytes."""
        raise BadRequestError("This key does not wrap; create an AES key for that")

    async def unwrap(self, header: bytes, body: bytes, context: bytes) -> Secret:
        """Return the wrapped key bytes. Raises as `decrypt` does."""
        raise BadRequestError("This key does not unwrap; AES keys do")

    async def wrap_rfc5649(self, key_bytes: Secret) -> bytes:
        """Return `key_bytes`, 1 to 4096 bytes, wrapped by RFC 5649 under the key itself.

        Only for keys whose spec has the usage wrapRfc5649; these do nothing else.
        """
        raise BadRequestError("This key does not wrap in the format rfc5649")

    async def unwrap_rfc5649(self, wrapped: bytes) -> Secret:
        """Return what RFC 5649 wrapped. Raises DecryptionFailedError (`NOT_AUTHENTIC`)."""
        raise BadRequestError("This key does not unwrap the format rfc5649")

    async def mac(self, algorithm: MacAlgorithm, message: bytes) -> bytes:
        """Return the MAC of `message`, in the full length of the algorithm's hash."""
        raise BadRequestError("This key does not make MACs; create an HMAC key for that")

    async def verify_mac(self, algorithm: MacAlgorithm, message: bytes, mac: bytes) -> bool:
        """Return True only if `mac` is the whole MAC of `message`, compared in constant time."""
        raise BadRequestError("This key does not verify MACs; HMAC keys do")

    async def derive(
        self, algorithm: AgreementAlgorithm, peer: bytes, info: bytes, length_bytes: int
    ) -> Secret:
        """Return `length_bytes` of HKDF (RFC 5869, no salt, `info`) over the ECDH secret with `peer`.

        `peer` is a DER SubjectPublicKeyInfo; one that is no point of this key's curve is refused
        with BadRequestError. The ECDH secret itself never leaves the root.
        """
        raise BadRequestError("This key does not derive; create an EC key for that")

    async def encapsulate(self) -> Encapsulated:
        """Return a fresh shared secret of 32 bytes, and its ciphertext (FIPS 203 §7.2)."""
        raise BadRequestError("This key does not encapsulate; ML-KEM keys do")

    async def decapsulate(self, ciphertext: bytes) -> Secret:
        """Return the shared secret of `ciphertext`, without our header (FIPS 203 §7.3).

        Rejection is implicit: a damaged ciphertext, or one for another key, gives another secret
        and no error. Only one of another length raises DecryptionFailedError (`NOT_AUTHENTIC`).
        """
        raise BadRequestError("This key does not decapsulate; ML-KEM keys do")


class RootOfTrust(Provider, Protocol):
    """Makes, opens and destroys material."""

    @property
    def fingerprint(self) -> str | None:
        """A one-way name of the secret that protects this root's material, or None if it has none.

        The kernel records it at the first boot and refuses to boot when it has changed. Read after
        `open`.
        """
        return None

    @property
    def external(self) -> bool:
        """Whether `create` makes something outside the journal, which a crash could leave orphaned.

        The kernel then commits an intent first, and has what no commit names discarded.
        """
        return False

    def supports(
        self, spec: KeySpec, operation: Operation, algorithm: SignatureAlgorithm | None = None
    ) -> bool:
        """Return whether keys of `spec` made by this root can do `operation` (with `algorithm`).

        `supports(spec, Operation.CREATE)` says whether it makes such keys at all, and
        `supports(spec, Operation.IMPORT)` whether it takes them from outside.
        """
        ...

    async def create(self, spec: KeySpec, binding: Binding) -> Material:
        """Return new material, bound to `binding`. Raises BadRequestError if unsupported.

        An external root names what it makes by `binding`; asked again for the same binding it
        returns the same key, made by the first call or by one whose answer was lost.
        """
        ...

    async def discard(self, binding: Binding) -> None:
        """Destroy what `create` made for `binding`, if anything, because no commit names it.

        Only external roots are asked, at least once. What was registered stays. Raises
        UnavailableError while the backend is away; then it is asked again.
        """
        raise BadRequestError("This root of trust makes nothing that could be discarded")

    async def register(self, reference: str, binding: Binding) -> Material:
        """Return as material the backend's own key `reference`, found fit for `binding.spec`.

        No key material moves, and `destroy` leaves that key alone. `reference` is what the backend
        calls it (an ARN, a name, a label), 1 to 2,048 characters. Raises BadRequestError where
        there is no such key, where it is of another kind, and where the root registers none.
        """
        raise BadRequestError("This root of trust registers no existing keys")

    async def create_wrapping_key(self, binding: TokenBinding) -> WrappingKey:
        """Return a new key to wrap imports under, which serves for `binding` and for nothing else.

        Called only where `supports(spec, Operation.IMPORT)`. Raises BadRequestError if unsupported.
        """
        raise BadRequestError("This key's root of trust does not import")

    async def import_material(self, binding: Binding, imported: Imported) -> Material:
        """Return `imported` as material bound to `binding`, after checking that it is such a key.

        Raises BadRequestError: for a token that this root did not make for its binding; with one
        text for every way in which `wrapped` does not unwrap; and for what is no valid key of the
        spec. Checking must not block the event loop. Expiry is the kernel's to check.
        """
        raise BadRequestError("This key's root of trust does not import")

    async def open_key(self, material: Material, binding: Binding) -> OpenKey:
        """Return the key in `material`.

        Raises InternalError when it was not made by this root for this binding: swapped, altered or
        foreign material must never open.
        """
        ...

    async def generate_pair(self, spec: KeySpec) -> KeyPair:
        """Return a new key pair of `spec` (RSA, EC, EdDSA) that the root keeps no copy of.

        Raises BadRequestError where the root makes none; then its data keys are symmetric.
        """
        raise BadRequestError("This key's root of trust generates no data key pairs")

    async def destroy(self, material: Material) -> None:
        """Destroy what the root itself holds of it; the journal deletes its own row afterwards.

        Returning means that the backend has confirmed it; what is gone already is no error. Raises
        UnavailableError while the backend is away: the destruction stays pending and is tried again.
        """
        ...
