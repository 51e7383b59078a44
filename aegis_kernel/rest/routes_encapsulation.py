"""Endpoints of the operations that agree on a shared secret."""

from __future__ import annotations

from aegis_kernel.domain.errors import DecryptionFailedError, IllegalOperationError
from aegis_kernel.engine import operations
from aegis_kernel.engine.operations import messages_encapsulation as messages
from aegis_kernel.rest.endpoint import Endpoint
from aegis_kernel.rest.routes_crypto import ciphertext_format
from aegis_kernel.rest.schemas import ShortBase64, or_none
from aegis_kernel.rest.schemas_encapsulation import (
    DecapsulateRequest,
    DecapsulateResponse,
    EncapsulateRequest,
    EncapsulateResponse,
)

_SECRET = bytes(range(32))
_CIPHERTEXT = bytes.fromhex("0108040019")

ENCAPSULATE = Endpoint(
    method="POST",
    path="/v1/keys/{id}/encapsulate",
    summary="Make a shared secret of 32 bytes, and the ciphertext that only this key turns back",
    declaration=operations.ENCAPSULATE,
    takes=EncapsulateRequest,
    gives=EncapsulateResponse,
    to_request=lambda _: messages.Encapsulate(),
    to_response=lambda answered, _: EncapsulateResponse(
        shared_secret_base64=answered.shared_secret.reveal(),
        ciphertext_base64=answered.ciphertext,
        key_version=answered.key_version,
        algorithm=answered.algorithm,
    ),
    example=(
        EncapsulateRequest(),
        EncapsulateResponse(
            shared_secret_base64=_SECRET,
            ciphertext_base64=_CIPHERTEXT,
            key_version=1,
            algorithm="MlKem768",
        ),
    ),
    errors=(IllegalOperationError,),
)

DECAPSULATE = Endpoint(
    method="POST",
    path="/v1/keys/{id}/decapsulate",
    summary="Return the shared secret; a damaged ciphertext gives another secret, not an error",
    declaration=operations.DECAPSULATE,
    takes=DecapsulateRequest,
    gives=DecapsulateResponse,
    to_request=lambda taken: messages.Decapsulate(
        taken.ciphertext_base64, ciphertext_format(taken.format), or_none(taken.key_version)
    ),
    to_response=lambda answered, _: DecapsulateResponse(
        shared_secret_base64=answered.shared_secret.reveal(),
        key_version=answered.key_version,
        algorithm=answered.algorithm,
    ),
    example=(
        DecapsulateRequest(ciphertext_base64=ShortBase64(_CIPHERTEXT)),
        DecapsulateResponse(shared_secret_base64=_SECRET, key_version=1, algorithm="MlKem768"),
    ),
    errors=(IllegalOperationError, DecryptionFailedError),
)
