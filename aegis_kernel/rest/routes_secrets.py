"""Endpoints of MACs, derived secrets and random bytes."""

from __future__ import annotations

from aegis_kernel.domain.errors import IllegalOperationError
from aegis_kernel.domain.spec import AgreementAlgorithm, MacAlgorithm
from aegis_kernel.engine import operations
from aegis_kernel.engine.operations import messages, messages_secrets
from aegis_kernel.engine.public_keys import pem
from aegis_kernel.rest.codec import Base64
from aegis_kernel.rest.endpoint import Endpoint, HeaderField
from aegis_kernel.rest.pem import public_key_der
from aegis_kernel.rest.schemas import ShortBase64, or_none
from aegis_kernel.rest.schemas_secrets import (
    DeriveRequest,
    DeriveResponse,
    Info,
    MacRequest,
    MacResponse,
    RandomRequest,
    RandomResponse,
    VerifyMacRequest,
    VerifyMacResponse,
)

_MAC = bytes.fromhex("5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843")
_SECRET = bytes(range(32))
_PEM = pem(
    bytes.fromhex(
        "3059301306072a8648ce3d020106082a8648ce3d03010703420004"
        "6b17d1f2e12c4247f8bce6e563a440f277037d812deb33a0f4a13945d898c296"
        "4fe342e2fe1a7f9b8ee7eb4a7c0f9e162bce33576b315ececbb6406837bf51f5"
    )
)


def _verified_version(answered: messages.Verified) -> str | None:
    return None if answered.key_version is None else str(answered.key_version)


def _to_derive(taken: DeriveRequest) -> messages_secrets.Derive:
    return messages_secrets.Derive(
        taken.algorithm,
        public_key_der(taken.public_key_pem, "publicKeyPem"),
        taken.size_bits,
        or_none(taken.info_base64) or b"",
    )


MAC = Endpoint(
    method="POST",
    path="/v1/keys/{id}/mac",
    summary="Make the MAC of a message with the current version of an HMAC key",
    declaration=operations.MAC,
    takes=MacRequest,
    gives=MacResponse,
    to_request=lambda taken: messages_secrets.Mac(taken.algorithm, taken.message_base64),
    to_response=lambda answered, _: MacResponse(
        mac_base64=answered.mac, algorithm=answered.algorithm, key_version=answered.key_version
    ),
    example=(
        MacRequest(message_base64=Base64(b"hello"), algorithm=MacAlgorithm.HMAC_SHA256),
        MacResponse(mac_base64=_MAC, algorithm="HmacSha256", key_version=1),
    ),
    errors=(IllegalOperationError,),
)

VERIFY_MAC = Endpoint(
    method="POST",
    path="/v1/keys/{id}/verify-mac",
    summary="Verify a MAC; `valid: false` is a result, not an error",
    declaration=operations.VERIFY_MAC,
    takes=VerifyMacRequest,
    gives=VerifyMacResponse,
    to_request=lambda taken: messages_secrets.VerifyMac(
        taken.algorithm, taken.message_base64, taken.mac_base64, or_none(taken.key_version)
    ),
    to_response=lambda answered, _: VerifyMacResponse(
        valid=answered.valid, algorithm=answered.algorithm
    ),
    example=(
        VerifyMacRequest(
            message_base64=Base64(b"hello"),
            mac_base64=ShortBase64(_MAC),
            algorithm=MacAlgorithm.HMAC_SHA256,
        ),
        VerifyMacResponse(valid=True, algorithm="HmacSha256"),
    ),
    errors=(IllegalOperationError,),
    header=HeaderField("X-Aegis-Key-Version", "The version that made the MAC, if one did."),
    header_value=_verified_version,
)

DERIVE = Endpoint(
    method="POST",
    path="/v1/keys/{id}/derive",
    summary="Agree on a secret with somebody's public key: ECDH, then HKDF",
    declaration=operations.DERIVE,
    takes=DeriveRequest,
    gives=DeriveResponse,
    to_request=_to_derive,
    to_response=lambda answered, _: DeriveResponse(
        secret_base64=answered.secret.reveal(), key_version=answered.key_version
    ),
    example=(
        DeriveRequest(
            public_key_pem=_PEM,
            algorithm=AgreementAlgorithm.ECDH_HKDF_SHA256,
            size_bits=256,
            info_base64=Info(b"invoices"),
        ),
        DeriveResponse(secret_base64=_SECRET, key_version=1),
    ),
    errors=(IllegalOperationError,),
)

RANDOM = Endpoint(
    method="POST",
    path="/v1/random",
    summary="Draw random bytes; no key is involved",
    declaration=operations.RANDOM,
    takes=RandomRequest,
    gives=RandomResponse,
    to_request=lambda taken: messages_secrets.Random(taken.size_bytes),
    to_response=lambda answered, _: RandomResponse(random_base64=answered.value.reveal()),
    example=(RandomRequest(size_bytes=32), RandomResponse(random_base64=_SECRET)),
)
