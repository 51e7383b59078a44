"""Public keys: of one version, and the set of all that were published."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from msgspec import UNSET

from aegis_kernel.domain.errors import IllegalOperationError, UnavailableError
from aegis_kernel.engine import operations, public_keys
from aegis_kernel.engine.operations import messages_public_keys as messages
from aegis_kernel.rest.answer import JSON, Answer, page_answer
from aegis_kernel.rest.authenticate import JWKS_PATH
from aegis_kernel.rest.endpoint import Endpoint, Outcome, Page
from aegis_kernel.rest.schemas import or_none
from aegis_kernel.rest.schemas_public_keys import (
    JwksView,
    JwkView,
    PublicKeyQuery,
    PublicKeyView,
    jwk_view,
)

if TYPE_CHECKING:
    from aegis_kernel.engine.kernel import Kernel

_EXAMPLE_JWK = JwkView(
    kty="OKP",
    kid="8a3f1e25-6b0a-4f5d-8e92-1c4f6a83b2d9.1",
    use="sig",
    crv="Ed25519",
    x="11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo",
)
_EXAMPLE_PEM = (
    "-----BEGIN PUBLIC KEY-----\n"
    "MCowBQYDK2VwAyEA11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=\n"
    "-----END PUBLIC KEY-----\n"
)

# As long as the set itself may be old: a verifier learns of a compromise no later than we tell it.
_KEEP = (b"cache-control", b"public, max-age=10")


def _view(answered: messages.PublicKey, taken: PublicKeyQuery) -> PublicKeyView:
    if answered.is_hybrid:
        return PublicKeyView(
            key_version=answered.key_version,
            algorithm=answered.algorithm,
            public_key_base64=answered.der,
        )
    jwk = public_keys.jwk(answered.der, f"{answered.key_id}.{answered.key_version}")
    return PublicKeyView(
        key_version=answered.key_version,
        algorithm=answered.algorithm,
        public_key_pem=public_keys.pem(answered.der),
        jwk=UNSET if jwk is None else jwk_view(jwk),
    )


async def _jwks(kernel: Kernel, scope: Any) -> Answer:
    published = await kernel.key_set.published()
    etag = f'"{published.etag}"'.encode()
    headers = ((b"etag", etag), _KEEP)
    known = scope["state"]["headers"].get(b"if-none-match", b"")
    if etag in [each.strip().removeprefix(b"W/") for each in known.split(b",")]:
        return Answer(304, b"", headers)
    return page_answer(JSON.decode(), published.body, headers)


GET_PUBLIC_KEY = Endpoint(
    method="GET",
    path="/v1/keys/{id}/public-key",
    summary="Show the public key of a version, as PEM and as JWK",
    declaration=operations.GET_PUBLIC_KEY,
    takes=PublicKeyQuery,
    gives=PublicKeyView,
    to_request=lambda taken: messages.GetPublicKey(or_none(taken.version)),
    to_response=_view,
    example=(
        PublicKeyQuery(),
        PublicKeyView(
            key_version=1,
            algorithm="EdDSA",
            public_key_pem=_EXAMPLE_PEM,
            jwk=_EXAMPLE_JWK,
        ),
    ),
    errors=(IllegalOperationError,),
)

JWKS = Page(
    path=JWKS_PATH,
    summary="The published public keys, as a JSON Web Key Set (RFC 7517 §5)",
    answer=_jwks,
    outcomes=(
        Outcome(200, "The set.", JwksView),
        Outcome(304, "The set is still the one that If-None-Match names."),
    ),
    errors=(UnavailableError,),
)
