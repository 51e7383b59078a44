"""Endpoints about the versions of a key."""

from __future__ import annotations

from datetime import UTC, datetime

from msgspec.structs import replace

from aegis_kernel.domain.errors import IllegalOperationError, NotFoundError
from aegis_kernel.domain.lifecycle import KeyState
from aegis_kernel.engine import operations
from aegis_kernel.engine.operations import messages
from aegis_kernel.rest.endpoint import Endpoint
from aegis_kernel.rest.paths import version_in
from aegis_kernel.rest.schemas import Nothing
from aegis_kernel.rest.schemas_lifecycle import CompromiseRequest
from aegis_kernel.rest.schemas_versions import (
    KeyVersions,
    VersionPage,
    VersionView,
    version_view,
)

_EXAMPLE_TIME = datetime(2026, 5, 9, 1, 24, 1, tzinfo=UTC)
_LEAKED = "leaked in S3 audit on 2026-05-08"
_EXAMPLE_COMPROMISED = VersionView(
    version=1,
    state=KeyState.COMPROMISED,
    created_at=_EXAMPLE_TIME,
    root_of_trust="inmemory",
    imported=False,
    compromised_at=_EXAMPLE_TIME,
    reason=_LEAKED,
)
_EXAMPLE_CURRENT = VersionView(
    version=2,
    state=KeyState.ACTIVE,
    created_at=_EXAMPLE_TIME,
    root_of_trust="inmemory",
    imported=False,
)

LIST_VERSIONS = Endpoint(
    method="GET",
    path="/v1/keys/{id}/versions",
    summary="List a key's versions, oldest first; the last is the current one",
    declaration=operations.LIST_VERSIONS,
    takes=Nothing,
    gives=VersionPage,
    to_request=lambda _: messages.ListVersions(),
    to_response=lambda answered, _: VersionPage(
        items=[version_view(version) for version in answered.key.versions]
    ),
    example=(Nothing(), VersionPage(items=[_EXAMPLE_COMPROMISED, _EXAMPLE_CURRENT])),
)

COMPROMISE_VERSION = Endpoint(
    method="POST",
    path="/v1/keys/{id}/versions/{version}/compromise",
    summary="Mark one version as compromised: one way; the key keeps its state",
    declaration=operations.COMPROMISE_VERSION,
    takes=CompromiseRequest,
    gives=KeyVersions,
    to_request=lambda taken: messages.CompromiseVersion(0, taken.reason),
    place=lambda request, params: replace(request, version=version_in(params)),
    to_response=lambda answered, _: KeyVersions(
        id=answered.key.id,
        state=answered.key.state,
        versions=[version_view(version) for version in answered.key.versions],
    ),
    example=(
        CompromiseRequest(reason=_LEAKED),
        KeyVersions(
            id="8a3f1e25-6b0a-4f5d-8e92-1c4f6a83b2d9",
            state=KeyState.ACTIVE,
            versions=[_EXAMPLE_COMPROMISED, _EXAMPLE_CURRENT],
        ),
    ),
    errors=(IllegalOperationError, NotFoundError),
)
