"""The endpoint that moves a ciphertext from one key to another."""

from __future__ import annotations

from aegis_kernel.domain.errors import DecryptionFailedError, IllegalOperationError
from aegis_kernel.engine import operations
from aegis_kernel.engine.operations import messages_secrets
from aegis_kernel.rest.endpoint import Endpoint
from aegis_kernel.rest.paths import parse_key_name
from aegis_kernel.rest.schemas import Ciphertext, or_none
from aegis_kernel.rest.schemas_reencrypt import ReEncryptRequest, ReEncryptResponse

_CIPHERTEXT = bytes.fromhex("0101010078")
_EXAMPLE_ID = "8a3f1e25-6b0a-4f5d-8e92-1c4f6a83b2d9"


def _to_reencrypt(taken: ReEncryptRequest) -> messages_secrets.ReEncrypt:
    return messages_secrets.ReEncrypt(
        ciphertext=taken.ciphertext_base64,
        destination_key_id=parse_key_name(taken.destination_key_id),
        context=or_none(taken.context),
        destination_context=or_none(taken.destination_context),
    )


REENCRYPT = Endpoint(
    method="POST",
    path="/v1/keys/{id}/reencrypt",
    summary="Move a ciphertext or a wrapped key to another key, version or context",
    declaration=operations.REENCRYPT,
    takes=ReEncryptRequest,
    gives=ReEncryptResponse,
    to_request=_to_reencrypt,
    to_response=lambda answered, _: ReEncryptResponse(
        ciphertext_base64=answered.ciphertext,
        key_id=answered.key_id,
        key_version=answered.key_version,
        algorithm=answered.algorithm,
    ),
    example=(
        ReEncryptRequest(
            ciphertext_base64=Ciphertext(_CIPHERTEXT),
            destination_key_id=_EXAMPLE_ID,
            context={"dataset": "q2-financials", "tenant": "acme"},
            destination_context={"dataset": "archive", "tenant": "acme"},
        ),
        ReEncryptResponse(
            ciphertext_base64=_CIPHERTEXT,
            key_id=_EXAMPLE_ID,
            key_version=1,
            algorithm="AesGcm256",
        ),
    ),
    errors=(IllegalOperationError, DecryptionFailedError),
)
