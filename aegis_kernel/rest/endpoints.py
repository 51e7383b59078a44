"""Every endpoint of the wire, in the order of the documentation."""

from __future__ import annotations

from typing import Any

from aegis_kernel.rest import (
    routes_agents,
    routes_aliases,
    routes_batch,
    routes_crypto,
    routes_data_keys,
    routes_encapsulation,
    routes_import,
    routes_keys,
    routes_lifecycle,
    routes_public_keys,
    routes_reencrypt,
    routes_secrets,
    routes_system,
    routes_update,
    routes_versions,
)
from aegis_kernel.rest.endpoint import Endpoint, Page

ENDPOINTS: tuple[Endpoint[Any, Any, Any], ...] = (
    routes_keys.CREATE,
    routes_keys.LIST,
    routes_keys.GET,
    routes_public_keys.GET_PUBLIC_KEY,
    routes_update.UPDATE,
    routes_import.CREATE_IMPORT_TOKEN,
    routes_import.IMPORT,
    routes_lifecycle.ACTIVATE,
    routes_lifecycle.DEACTIVATE,
    routes_lifecycle.DISABLE,
    routes_lifecycle.ENABLE,
    routes_lifecycle.COMPROMISE,
    routes_lifecycle.ROTATE,
    routes_lifecycle.SCHEDULE_DESTRUCTION,
    routes_lifecycle.CANCEL_DESTRUCTION,
    routes_versions.LIST_VERSIONS,
    routes_versions.COMPROMISE_VERSION,
    routes_aliases.LIST_ALIASES,
    routes_aliases.SET_ALIAS,
    routes_aliases.DELETE_ALIAS,
    routes_crypto.SIGN,
    routes_crypto.VERIFY,
    routes_crypto.ENCRYPT,
    routes_crypto.DECRYPT,
    routes_crypto.WRAP,
    routes_crypto.UNWRAP,
    routes_data_keys.GENERATE,
    routes_data_keys.GENERATE_WRAPPED,
    routes_data_keys.GENERATE_PAIR,
    routes_data_keys.GENERATE_PAIR_WRAPPED,
    routes_reencrypt.REENCRYPT,
    routes_secrets.MAC,
    routes_secrets.VERIFY_MAC,
    routes_secrets.DERIVE,
    routes_secrets.RANDOM,
    routes_encapsulation.ENCAPSULATE,
    routes_encapsulation.DECAPSULATE,
    *routes_batch.BATCHES,
    routes_agents.ISSUE_AGENT,
    routes_agents.LIST_AGENTS,
    routes_agents.GET_AGENT,
    routes_agents.REVOKE_AGENT,
    routes_agents.REVOKE_AGENTS,
)

PAGES: tuple[Page, ...] = (
    routes_system.HEALTHZ,
    routes_system.LIVEZ,
    routes_system.READYZ,
    routes_system.METRICS,
    routes_system.PLUGINS,
    routes_public_keys.JWKS,
)
