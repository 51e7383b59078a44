"""Endpoints that make keys for callers, wrapped under a key that stays here."""

from __future__ import annotations

from collections.abc import Mapping

from aegis_kernel.domain.errors import IllegalOperationError, InternalError
from aegis_kernel.engine import operations
from aegis_kernel.engine.operations import messages_secrets
from aegis_kernel.engine.public_keys import pem
from aegis_kernel.rest.endpoint import Endpoint
from aegis_kernel.rest.schemas import or_none
from aegis_kernel.rest.schemas_data_keys import (
    DataKeyPairRequest,
    DataKeyPairResponse,
    DataKeyRequest,
    DataKeyResponse,
    EcPairSpec,
    WrappedDataKeyPairResponse,
    WrappedDataKeyResponse,
    to_pair_spec,
)

_KEY_BYTES = bytes(range(32))
_WRAPPED = bytes.fromhex("0101020078")
_PEM = pem(
    bytes.fromhex(
        "3059301306072a8648ce3d020106082a8648ce3d03010703420004"
        "6b17d1f2e12c4247f8bce6e563a440f277037d812deb33a0f4a13945d898c296"
        "4fe342e2fe1a7f9b8ee7eb4a7c0f9e162bce33576b315ececbb6406837bf51f5"
    )
)
_CONTEXT: Mapping[str, str] = {"dataset": "q2-financials", "tenant": "acme"}
_ASKED = DataKeyRequest(size_bits=256, context=dict(_CONTEXT))
_PAIR_ASKED = DataKeyPairRequest(spec=EcPairSpec(curve="P-256"), context=dict(_CONTEXT))


def _to_generate(taken: DataKeyRequest) -> messages_secrets.GenerateDataKey:
    return messages_secrets.GenerateDataKey(taken.size_bits, or_none(taken.context))


def _to_generate_pair(taken: DataKeyPairRequest) -> messages_secrets.GenerateDataKeyPair:
    return messages_secrets.GenerateDataKeyPair(to_pair_spec(taken.spec), or_none(taken.context))


def _data_key(answered: messages_secrets.DataKey, taken: DataKeyRequest) -> DataKeyResponse:
    return DataKeyResponse(
        plaintext_base64=_plaintext(answered),
        wrapped_key_base64=answered.wrapped,
        key_version=answered.key_version,
        algorithm=answered.algorithm,
    )


def _wrapped_key(
    answered: messages_secrets.DataKey, taken: DataKeyRequest
) -> WrappedDataKeyResponse:
    return WrappedDataKeyResponse(
        wrapped_key_base64=answered.wrapped,
        key_version=answered.key_version,
        algorithm=answered.algorithm,
    )


def _pair(answered: messages_secrets.DataKey, taken: DataKeyPairRequest) -> DataKeyPairResponse:
    return DataKeyPairResponse(
        plaintext_base64=_plaintext(answered),
        wrapped_key_base64=answered.wrapped,
        public_key_pem=pem(answered.public or b""),
        key_version=answered.key_version,
        algorithm=answered.algorithm,
    )


def _wrapped_pair(
    answered: messages_secrets.DataKey, taken: DataKeyPairRequest
) -> WrappedDataKeyPairResponse:
    return WrappedDataKeyPairResponse(
        wrapped_key_base64=answered.wrapped,
        public_key_pem=pem(answered.public or b""),
        key_version=answered.key_version,
        algorithm=answered.algorithm,
    )


def _plaintext(answered: messages_secrets.DataKey) -> bytes:
    if answered.plaintext is None:
        raise InternalError("A data key was answered without its plaintext")
    return answered.plaintext.reveal()


GENERATE = Endpoint(
    method="POST",
    path="/v1/keys/{id}/generate-data-key",
    summary="Make a data key; answer it plain, and wrapped for `unwrap`",
    declaration=operations.GENERATE_DATA_KEY,
    takes=DataKeyRequest,
    gives=DataKeyResponse,
    to_request=_to_generate,
    to_response=_data_key,
    example=(
        _ASKED,
        DataKeyResponse(
            plaintext_base64=_KEY_BYTES,
            wrapped_key_base64=_WRAPPED,
            key_version=1,
            algorithm="AesKeyWrap256",
        ),
    ),
    errors=(IllegalOperationError,),
)

GENERATE_WRAPPED = Endpoint(
    method="POST",
    path="/v1/keys/{id}/generate-data-key/wrapped-only",
    summary="Make a data key for later; answer it wrapped, and never plain",
    declaration=operations.GENERATE_DATA_KEY_WRAPPED_ONLY,
    takes=DataKeyRequest,
    gives=WrappedDataKeyResponse,
    to_request=_to_generate,
    to_response=_wrapped_key,
    example=(
        _ASKED,
        WrappedDataKeyResponse(
            wrapped_key_base64=_WRAPPED, key_version=1, algorithm="AesKeyWrap256"
        ),
    ),
    errors=(IllegalOperationError,),
)

GENERATE_PAIR = Endpoint(
    method="POST",
    path="/v1/keys/{id}/generate-data-key-pair",
    summary="Make a key pair; answer the public key, and the private key plain and wrapped",
    declaration=operations.GENERATE_DATA_KEY_PAIR,
    takes=DataKeyPairRequest,
    gives=DataKeyPairResponse,
    to_request=_to_generate_pair,
    to_response=_pair,
    example=(
        _PAIR_ASKED,
        DataKeyPairResponse(
            plaintext_base64=_KEY_BYTES,
            wrapped_key_base64=_WRAPPED,
            public_key_pem=_PEM,
            key_version=1,
            algorithm="AesKeyWrap256",
        ),
    ),
    errors=(IllegalOperationError,),
)

GENERATE_PAIR_WRAPPED = Endpoint(
    method="POST",
    path="/v1/keys/{id}/generate-data-key-pair/wrapped-only",
    summary="Make a key pair; answer the public key, and the private key wrapped, never plain",
    declaration=operations.GENERATE_DATA_KEY_PAIR_WRAPPED_ONLY,
    takes=DataKeyPairRequest,
    gives=WrappedDataKeyPairResponse,
    to_request=_to_generate_pair,
    to_response=_wrapped_pair,
    example=(
        _PAIR_ASKED,
        WrappedDataKeyPairResponse(
            wrapped_key_base64=_WRAPPED,
            public_key_pem=_PEM,
            key_version=1,
            algorithm="AesKeyWrap256",
        ),
    ),
    errors=(IllegalOperationError,),
)
