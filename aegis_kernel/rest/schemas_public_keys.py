"""What travels of public keys."""

from __future__ import annotations

from typing import Annotated

import msgspec
from msgspec import UNSET, Meta, UnsetType

from aegis_kernel.engine.public_keys import Jwk
from aegis_kernel.rest.schemas import Query, Version, Wire


class PublicKeyQuery(Query, frozen=True):
    """The current version, unless another is named."""

    version: Version | UnsetType = UNSET


class JwkView(Wire, frozen=True, omit_defaults=True):
    """A public JSON Web Key (RFC 7517 §4)."""

    kty: str
    kid: Annotated[str, Meta(description="The key's id, a dot, the version.")]
    use: str | UnsetType = UNSET
    crv: str | UnsetType = UNSET
    n: str | UnsetType = UNSET
    e: str | UnsetType = UNSET
    x: str | UnsetType = UNSET
    y: str | UnsetType = UNSET


class PublicKeyView(Wire, frozen=True):
    key_version: int
    algorithm: str
    public_key_pem: str | UnsetType = UNSET
    public_key_base64: Annotated[
        bytes | UnsetType,
        Meta(description="Of a hybrid, which has no PEM: ML-KEM's encapsulation key, the curve's."),
    ] = UNSET
    jwk: JwkView | UnsetType = UNSET


class JwksView(Wire, frozen=True):
    keys: list[JwkView]


def jwk_view(jwk: Jwk) -> JwkView:
    members = msgspec.structs.asdict(jwk)
    return JwkView(**{name: value for name, value in members.items() if value is not None})
