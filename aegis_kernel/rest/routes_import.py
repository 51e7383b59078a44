"""Endpoints to bring a key: a token to wrap under, and the import."""

from __future__ import annotations

from datetime import UTC, datetime

from aegis_kernel.domain.errors import BadRequestError, IllegalOperationError
from aegis_kernel.domain.secret import Secret
from aegis_kernel.engine import operations
from aegis_kernel.engine.operations import messages_import as messages
from aegis_kernel.engine.operations.imports import WRAPPING_ALGORITHM
from aegis_kernel.engine.operations.messages import KeyAnswer
from aegis_kernel.engine.public_keys import pem
from aegis_kernel.rest.endpoint import Endpoint
from aegis_kernel.rest.pem import public_key_der
from aegis_kernel.rest.schemas import Nothing, ShortBase64, or_none, wire_time
from aegis_kernel.rest.schemas_import import ImportedKey, ImportRequest, ImportTokenView
from aegis_kernel.spi.imports import PlainImport, PublicImport

_EXAMPLE_TOKEN = bytes.fromhex("93ce6a02f1a9")
_EXAMPLE_TIME = datetime(2026, 5, 10, 1, 23, 45, tzinfo=UTC)
_EXAMPLE_ID = "8a3f1e25-6b0a-4f5d-8e92-1c4f6a83b2d9"


def _to_import(taken: ImportRequest) -> messages.ImportKey:
    # Plain bytes from here on: a root of trust seals what it gets, and knows no base64.
    wrapped = or_none(taken.import_token), or_none(taken.wrapped_material_base64)
    match (*wrapped, or_none(taken.public_key_pem), or_none(taken.material_base64)):
        case (bytes() as token, bytes() as material, None, None):
            return messages.ImportKey(messages.WrappedMaterial(bytes(token), bytes(material)))
        case (None, None, str() as public, None):
            return messages.ImportKey(PublicImport(public_key_der(public, "publicKeyPem")))
        case (None, None, None, bytes() as plain):
            return messages.ImportKey(PlainImport(Secret(bytes(plain))))
    raise BadRequestError(
        "An import has either importToken with wrappedMaterialBase64, or publicKeyPem"
    )


def _imported(answered: KeyAnswer, taken: ImportRequest) -> ImportedKey:
    newest = answered.key.versions[-1]
    return ImportedKey(
        id=answered.key.id,
        current_version=newest.number,
        imported_at=wire_time(newest.created_at),
    )


CREATE_IMPORT_TOKEN = Endpoint(
    method="POST",
    path="/v1/keys/{id}/import/token",
    summary="Get a public key to wrap your own key material under, for 24 hours",
    declaration=operations.CREATE_IMPORT_TOKEN,
    takes=Nothing,
    gives=ImportTokenView,
    to_request=lambda _: messages.CreateImportToken(),
    to_response=lambda answered, _: ImportTokenView(
        import_token=answered.token,
        wrapping_key_pem=pem(answered.wrapping_key),
        algorithm=WRAPPING_ALGORITHM,
        expires_at=wire_time(answered.expires_at),
    ),
    example=(
        Nothing(),
        ImportTokenView(
            import_token=_EXAMPLE_TOKEN,
            wrapping_key_pem="-----BEGIN PUBLIC KEY-----\n…",
            algorithm=WRAPPING_ALGORITHM,
            expires_at=_EXAMPLE_TIME,
        ),
    ),
    errors=(IllegalOperationError,),
)

IMPORT = Endpoint(
    method="POST",
    path="/v1/keys/{id}/import",
    summary="Import key material, or a public key to verify with, as the key's next version",
    declaration=operations.IMPORT,
    takes=ImportRequest,
    gives=ImportedKey,
    to_request=_to_import,
    to_response=_imported,
    example=(
        ImportRequest(
            import_token=ShortBase64(_EXAMPLE_TOKEN),
            wrapped_material_base64=ShortBase64(bytes.fromhex("5d1f00")),
        ),
        ImportedKey(id=_EXAMPLE_ID, current_version=2, imported_at=_EXAMPLE_TIME),
    ),
    errors=(IllegalOperationError,),
)
