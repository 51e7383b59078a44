"""What travels about keys: specs, views, and what changes a key."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal

from msgspec import UNSET, Meta, UnsetType

from aegis_kernel.domain.errors import BadRequestError
from aegis_kernel.domain.key import Key
from aegis_kernel.domain.lifecycle import KeyState
from aegis_kernel.domain.spec import Algorithm, Curve, KeySpec, ObjectType, ParameterSet
from aegis_kernel.domain.usage import Usage
from aegis_kernel.engine.operations.messages import KeyDetails
from aegis_kernel.rest.schemas import (
    Description,
    Name,
    Query,
    RootName,
    Tags,
    Wire,
    or_unset,
    text,
    wire_time,
    wire_time_or_unset,
)
from aegis_kernel.rest.schemas_update import RotationPolicyFields, policy_fields

_NO_DETAILS = KeyDetails()

Usages = Annotated[
    list[Usage],
    Meta(
        min_length=1,
        max_length=len(Usage),
        description="What the key is for, each once; without it, all that its algorithm can.",
        extra_json_schema={"uniqueItems": True},
    ),
]


class _Spec(Wire, frozen=True, tag_field="algorithm"):
    name: Name


class AesSpec(_Spec, frozen=True, tag="AES"):
    size_bits: Literal[128, 192, 256]
    object_type: Literal["SymmetricKey"] | UnsetType = UNSET
    usages: Usages | UnsetType = UNSET


class RsaSpec(_Spec, frozen=True, tag="RSA"):
    size_bits: Literal[2048, 3072, 4096]
    object_type: Literal["PrivateKey"] | UnsetType = UNSET
    usages: Usages | UnsetType = UNSET


class HmacSpec(_Spec, frozen=True, tag="HMAC"):
    size_bits: Literal[256, 384, 512]
    object_type: Literal["SymmetricKey"] | UnsetType = UNSET
    usages: Usages | UnsetType = UNSET


class EcSpec(_Spec, frozen=True, tag="EC"):
    curve: Literal["P-256", "P-384", "P-521", "secp256k1"]
    object_type: Literal["PrivateKey"] | UnsetType = UNSET
    usages: Usages | UnsetType = UNSET


class EdDsaSpec(_Spec, frozen=True, tag="EdDSA"):
    curve: Literal["Ed25519", "Ed448"]
    object_type: Literal["PrivateKey"] | UnsetType = UNSET
    usages: Usages | UnsetType = UNSET


class MlDsaSpec(_Spec, frozen=True, tag="ML-DSA"):
    parameter_set: Literal["ML-DSA-44", "ML-DSA-65", "ML-DSA-87"]
    object_type: Literal["PrivateKey"] | UnsetType = UNSET
    usages: Usages | UnsetType = UNSET


class MlKemSpec(_Spec, frozen=True, tag="ML-KEM"):
    parameter_set: Literal["ML-KEM-768", "ML-KEM-1024", "ML-KEM-768-X25519", "ML-KEM-1024-P384"]
    object_type: Literal["PrivateKey"] | UnsetType = UNSET
    usages: Usages | UnsetType = UNSET


Spec = AesSpec | RsaSpec | HmacSpec | EcSpec | EdDsaSpec | MlDsaSpec | MlKemSpec


def to_key_spec(spec: Spec) -> KeySpec:
    """Return the kernel's words for a spec that the codec has accepted."""
    algorithm = Algorithm(str(spec.__struct_config__.tag))
    if isinstance(spec, EcSpec | EdDsaSpec):
        return KeySpec(
            name=spec.name,
            algorithm=algorithm,
            curve=Curve(spec.curve),
            usages=_to_usages(spec.usages),
        )
    if isinstance(spec, MlDsaSpec | MlKemSpec):
        return KeySpec(
            name=spec.name,
            algorithm=algorithm,
            parameter_set=ParameterSet(spec.parameter_set),
            usages=_to_usages(spec.usages),
        )
    return KeySpec(
        name=spec.name,
        algorithm=algorithm,
        size_bits=spec.size_bits,
        usages=_to_usages(spec.usages),
    )


def _to_usages(usages: list[Usage] | UnsetType) -> frozenset[Usage] | None:
    if usages is UNSET:
        return None
    if len(set(usages)) != len(usages):
        raise BadRequestError("usages names one twice")
    return frozenset(usages)


class SpecView(Wire, frozen=True):
    name: str
    algorithm: Algorithm
    size_bits: int | UnsetType = UNSET
    curve: Curve | UnsetType = UNSET
    parameter_set: ParameterSet | UnsetType = UNSET
    object_type: ObjectType | UnsetType = UNSET
    usages: list[Usage] | UnsetType = UNSET


def spec_view(spec: KeySpec) -> SpecView:
    return SpecView(
        name=spec.name,
        algorithm=spec.algorithm,
        size_bits=or_unset(spec.size_bits),
        curve=or_unset(spec.curve),
        parameter_set=or_unset(spec.parameter_set),
        object_type=spec.object_type,
        usages=UNSET if spec.usages is None else sorted(spec.usages),
    )


# ---- keys -------------------------------------------------------------------------------------


class CreateKeyRequest(Wire, frozen=True):
    spec: Spec
    root_of_trust: RootName | UnsetType = UNSET
    tags: Tags | UnsetType = UNSET
    description: Description | UnsetType = UNSET
    published: bool | UnsetType = UNSET


class CreatedKey(Wire, frozen=True):
    id: str
    spec: SpecView
    state: KeyState
    current_version: int
    created_at: datetime
    root_of_trust: str | UnsetType = UNSET
    tags: dict[str, str] | UnsetType = UNSET
    description: str | UnsetType = UNSET
    published: bool | UnsetType = UNSET


class UsageView(Wire, frozen=True):
    """How often a key protected (sign, encrypt …) and processed (verify, decrypt …)."""

    protect: int
    process: int


class KeyView(Wire, frozen=True):
    id: str
    spec: SpecView
    state: KeyState
    current_version: int
    created_at: datetime
    owner: str
    activated_at: datetime | UnsetType = UNSET
    deactivated_at: datetime | UnsetType = UNSET
    compromised_at: datetime | UnsetType = UNSET
    reason: str | UnsetType = UNSET
    disabled: bool | UnsetType = UNSET
    destroy_at: datetime | UnsetType = UNSET
    destroyed_at: datetime | UnsetType = UNSET
    root_of_trust: str | UnsetType = UNSET
    tags: dict[str, str] | UnsetType = UNSET
    description: str | UnsetType = UNSET
    published: bool | UnsetType = UNSET
    aliases: list[str] | UnsetType = UNSET
    rotation_policy: RotationPolicyFields | UnsetType = UNSET
    last_used_at: datetime | UnsetType = UNSET
    usage: UsageView | UnsetType = UNSET


def key_view(key: Key, details: KeyDetails = _NO_DETAILS) -> KeyView:
    used = details.usage
    return KeyView(
        id=key.id,
        spec=spec_view(key.spec),
        state=key.state,
        current_version=key.current_version,
        created_at=wire_time(key.created_at),
        owner=key.owner,
        activated_at=wire_time_or_unset(key.activated_at),
        deactivated_at=wire_time_or_unset(key.deactivated_at),
        compromised_at=wire_time_or_unset(key.compromised_at),
        reason=or_unset(key.reason),
        disabled=key.disabled or UNSET,
        destroy_at=wire_time_or_unset(key.destroy_at),
        destroyed_at=wire_time_or_unset(key.destroyed_at),
        root_of_trust=key.versions[-1].root_of_trust,
        tags=dict(key.tags) or UNSET,
        description=or_unset(key.description),
        published=key.published or UNSET,
        aliases=list(details.aliases) or UNSET,
        rotation_policy=policy_fields(key.rotation_policy),
        last_used_at=UNSET if used is None else wire_time(used.last_used_at),
        usage=UNSET if used is None else UsageView(protect=used.protect, process=used.process),
    )


class ListKeysQuery(Query, frozen=True):
    """`tag` is a tag's key, or key=value."""

    state: KeyState | UnsetType = UNSET
    name: Name | UnsetType = UNSET
    algorithm: Algorithm | UnsetType = UNSET
    tag: Annotated[str, text(1, 385)] | UnsetType = UNSET
    limit: Annotated[int, Meta(ge=1, le=500)] | UnsetType = UNSET
    cursor: Annotated[str, Meta(pattern=r"^[0-9]{1,18}$")] | UnsetType = UNSET


class KeyPage(Wire, frozen=True):
    items: list[KeyView]
    next_cursor: str | UnsetType = UNSET
