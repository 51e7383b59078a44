"""Endpoints of the operations that compute with a key."""

from __future__ import annotations

from typing import Literal

from msgspec import UNSET, UnsetType

from aegis_kernel.domain.ciphertext import CiphertextFormat
from aegis_kernel.domain.errors import DecryptionFailedError, IllegalOperationError
from aegis_kernel.domain.secret import Secret
from aegis_kernel.domain.signature import MessageType, SignatureFormat
from aegis_kernel.domain.spec import SignatureAlgorithm
from aegis_kernel.engine import operations
from aegis_kernel.engine.operations import messages
from aegis_kernel.rest.codec import Base64
from aegis_kernel.rest.endpoint import Endpoint, HeaderField
from aegis_kernel.rest.schemas import Ciphertext, ShortBase64, or_default, or_none
from aegis_kernel.rest.schemas_crypto import (
    DecryptRequest,
    DecryptResponse,
    EncryptRequest,
    EncryptResponse,
    SignRequest,
    SignResponse,
    UnwrapRequest,
    UnwrapResponse,
    VerifyRequest,
    VerifyResponse,
    WrapRequest,
    WrapResponse,
    form_used,
)

_SIGNATURE = bytes.fromhex("9183d9d1bf5c7a93d0f1aef0717e95b7")
_CIPHERTEXT = bytes.fromhex("0101010078")
_KEY_BYTES = bytes(range(32))


def _verified_version(answered: messages.Verified) -> str | None:
    return None if answered.key_version is None else str(answered.key_version)


def _sign_response(answered: messages.Signed, taken: SignRequest) -> SignResponse:
    form = form_used(taken)
    return SignResponse(
        signature_base64=answered.signature,
        algorithm=answered.algorithm,
        key_version=answered.key_version,
        message_type=form.message_type,
        signature_format=form.signature_format,
    )


def _verify_response(answered: messages.Verified, taken: VerifyRequest) -> VerifyResponse:
    form = form_used(taken)
    return VerifyResponse(
        valid=answered.valid,
        algorithm=answered.algorithm,
        message_type=form.message_type,
        signature_format=form.signature_format,
    )


def ciphertext_format(raw: Literal["raw"] | UnsetType) -> CiphertextFormat:
    """Return the kernel's word for a request's `format`."""
    return CiphertextFormat.AEGIS if raw is UNSET else CiphertextFormat.RAW


SIGN = Endpoint(
    method="POST",
    path="/v1/keys/{id}/sign",
    summary="Sign a message with the current version",
    declaration=operations.SIGN,
    takes=SignRequest,
    gives=SignResponse,
    to_request=lambda taken: messages.Sign(
        taken.algorithm,
        taken.message_base64,
        or_default(taken.message_type, MessageType.RAW),
        or_default(taken.signature_format, SignatureFormat.DER),
    ),
    to_response=_sign_response,
    example=(
        SignRequest(
            message_base64=Base64(b"invoice #1234 total $42,000"),
            algorithm=SignatureAlgorithm.RSA_PSS_SHA256,
        ),
        SignResponse(signature_base64=_SIGNATURE, algorithm="RsaPssSha256", key_version=1),
    ),
    errors=(IllegalOperationError,),
)

VERIFY = Endpoint(
    method="POST",
    path="/v1/keys/{id}/verify",
    summary="Verify a signature; `valid: false` is a result, not an error",
    declaration=operations.VERIFY,
    takes=VerifyRequest,
    gives=VerifyResponse,
    to_request=lambda taken: messages.Verify(
        taken.algorithm,
        taken.message_base64,
        taken.signature_base64,
        or_none(taken.key_version),
        or_default(taken.message_type, MessageType.RAW),
        or_default(taken.signature_format, SignatureFormat.DER),
    ),
    to_response=_verify_response,
    example=(
        VerifyRequest(
            message_base64=Base64(b"hello"),
            signature_base64=ShortBase64(_SIGNATURE),
            algorithm=SignatureAlgorithm.RSA_PSS_SHA256,
        ),
        VerifyResponse(valid=True, algorithm="RsaPssSha256"),
    ),
    errors=(IllegalOperationError,),
    header=HeaderField("X-Aegis-Key-Version", "The version that made the signature, if one did."),
    header_value=_verified_version,
)

ENCRYPT = Endpoint(
    method="POST",
    path="/v1/keys/{id}/encrypt",
    summary="Encrypt with the current version; AES keys bind a context, RSA keys have a size limit",
    declaration=operations.ENCRYPT,
    takes=EncryptRequest,
    gives=EncryptResponse,
    to_request=lambda taken: messages.Encrypt(
        Secret(taken.plaintext_base64), or_none(taken.context)
    ),
    to_response=lambda answered, _: EncryptResponse(
        ciphertext_base64=answered.ciphertext,
        key_version=answered.key_version,
        algorithm=answered.algorithm,
    ),
    example=(
        EncryptRequest(
            plaintext_base64=Base64(b"q2 financial summary: $42M revenue"),
            context={"dataset": "q2-financials", "tenant": "acme"},
        ),
        EncryptResponse(ciphertext_base64=_CIPHERTEXT, key_version=1, algorithm="AesGcm256"),
    ),
    errors=(IllegalOperationError,),
)

DECRYPT = Endpoint(
    method="POST",
    path="/v1/keys/{id}/decrypt",
    summary="Decrypt; the context must be the one that was encrypted with, if the key binds one",
    declaration=operations.DECRYPT,
    takes=DecryptRequest,
    gives=DecryptResponse,
    to_request=lambda taken: messages.Decrypt(
        taken.ciphertext_base64,
        or_none(taken.context),
        ciphertext_format(taken.format),
        or_none(taken.key_version),
    ),
    to_response=lambda answered, _: DecryptResponse(
        plaintext_base64=answered.plaintext.reveal(),
        key_version=answered.key_version,
        algorithm=answered.algorithm,
    ),
    example=(
        DecryptRequest(
            ciphertext_base64=Ciphertext(_CIPHERTEXT),
            context={"dataset": "q2-financials", "tenant": "acme"},
        ),
        DecryptResponse(
            plaintext_base64=b"q2 financial summary: $42M revenue",
            key_version=1,
            algorithm="AesGcm256",
        ),
    ),
    errors=(IllegalOperationError, DecryptionFailedError),
)

WRAP = Endpoint(
    method="POST",
    path="/v1/keys/{id}/wrap",
    summary="Wrap a key of 16 to 4096 bytes with the current version",
    declaration=operations.WRAP,
    takes=WrapRequest,
    gives=WrapResponse,
    to_request=lambda taken: messages.Wrap(
        Secret(taken.plaintext_base64), or_none(taken.context), or_none(taken.format)
    ),
    to_response=lambda answered, _: WrapResponse(
        wrapped_key_base64=answered.ciphertext,
        key_version=answered.key_version,
        algorithm=answered.algorithm,
    ),
    example=(
        WrapRequest(plaintext_base64=Base64(_KEY_BYTES)),
        WrapResponse(wrapped_key_base64=_CIPHERTEXT, key_version=1, algorithm="AesKeyWrap256"),
    ),
    errors=(IllegalOperationError,),
)

UNWRAP = Endpoint(
    method="POST",
    path="/v1/keys/{id}/unwrap",
    summary="Unwrap a key that `wrap` has wrapped",
    declaration=operations.UNWRAP,
    takes=UnwrapRequest,
    gives=UnwrapResponse,
    to_request=lambda taken: messages.Unwrap(
        taken.wrapped_key_base64,
        or_none(taken.context),
        or_none(taken.format),
        or_none(taken.key_version),
    ),
    to_response=lambda answered, _: UnwrapResponse(
        plaintext_base64=answered.plaintext.reveal(), key_version=answered.key_version
    ),
    example=(
        UnwrapRequest(wrapped_key_base64=ShortBase64(_CIPHERTEXT)),
        UnwrapResponse(plaintext_base64=_KEY_BYTES, key_version=1),
    ),
    errors=(IllegalOperationError, DecryptionFailedError),
)
