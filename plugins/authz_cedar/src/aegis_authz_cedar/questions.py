"""A question of the kernel's, in Cedar's words."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from functools import lru_cache
from ipaddress import IPv6Address, ip_address
from typing import Any

from aegis_authz_cedar.schema import PRINCIPAL_TYPES, SERVER, action_entity
from aegis_kernel import Circumstances, Key, Operation, Principal

Context = Mapping[str, str]

_dumps = json.dumps
action_json = lru_cache(maxsize=len(Operation))(action_entity)


def requests_for(
    principal: Principal,
    operation: Operation,
    key: Key | None,
    circumstances: Circumstances,
    contexts: Sequence[Context],
) -> list[dict[str, Any]]:
    """Return one request for each encryption context, which is the entity of its number."""
    common: dict[str, Any] = {
        "principal": {"type": PRINCIPAL_TYPES[principal.kind], "id": principal.subject},
        "action": {"type": "Action", "id": operation.value},
        "resource": {"type": "Server", "id": SERVER}
        if key is None
        else {"type": "Key", "id": str(key.id)},
    }
    known = _known(circumstances)
    return [
        {**common, "context": {**known, **_bound(number, context)}}
        for number, context in enumerate(contexts)
    ]


def partial_request_for(
    principal: Principal, operation: Operation, key: Key | None, circumstances: Circumstances
) -> dict[str, Any]:
    """Return the request with an encryption context that nobody knows."""
    (request,) = requests_for(principal, operation, key, circumstances, ({},))
    context = {**request["context"], "encryptionContextKeys": _extension("unknown", "keys")}
    named = {name: _surface(**request[name]) for name in ("principal", "action", "resource")}
    return {**named, "context": context}


def entities_for(
    principal: Principal,
    operation: Operation,
    key: Key | None,
    contexts: Sequence[Context],
) -> str:
    """Return the JSON of all that a policy may look at, for all of those requests."""
    entities = [_principal(principal), action_json(operation)]
    if key is not None:
        entities.append(_key(key))
    entities += [_context(number, context) for number, context in enumerate(contexts)]
    return f"[{','.join(entities)}]"


def weekday(at: float) -> int:
    """Return the day of the week, UTC: 1 is Monday, 7 is Sunday."""
    return datetime.fromtimestamp(int(at), UTC).isoweekday()


def _principal(principal: Principal) -> str:
    return _dumps(
        {
            "uid": {"type": PRINCIPAL_TYPES[principal.kind], "id": principal.subject},
            "attrs": {"subject": principal.subject},
            "parents": [{"type": "Group", "id": group} for group in sorted(principal.groups)],
        }
    )


def _key(key: Key) -> str:
    return _dumps(
        {
            "uid": {"type": "Key", "id": str(key.id)},
            "attrs": {
                "owner": key.owner,
                "name": key.spec.name,
                "algorithm": _entity("Algorithm", key.spec.algorithm.value),
                "state": _entity("State", key.state.value),
                "disabled": key.disabled,
            },
            "parents": [],
            "tags": dict(key.tags),
        }
    )


def _context(number: int, context: Context) -> str:
    uid = {"type": "EncryptionContext", "id": str(number)}
    return _dumps({"uid": uid, "attrs": {}, "parents": [], "tags": dict(context)})


def _known(circumstances: Circumstances) -> dict[str, Any]:
    moment = datetime.fromtimestamp(int(circumstances.at), UTC)
    known: dict[str, Any] = {
        "now": _extension("datetime", moment.strftime("%Y-%m-%dT%H:%M:%SZ")),
        "weekday": moment.isoweekday(),
    }
    address = _address(circumstances.source_ip)
    if address is not None:
        known["sourceIp"] = _extension("ip", address)
    if circumstances.belongs_to is not None:
        known["belongsTo"] = circumstances.belongs_to
    return known


def _bound(number: int, context: Context) -> dict[str, Any]:
    return {
        "encryptionContext": _entity("EncryptionContext", str(number)),
        "encryptionContextKeys": sorted(context),
    }


def _address(source_ip: str | None) -> str | None:
    """Return the address as Cedar reads it: no zone, and IPv4 as such; None where it is none."""
    try:
        address = ip_address((source_ip or "").partition("%")[0])
    except ValueError:
        return None
    mapped = address.ipv4_mapped if isinstance(address, IPv6Address) else None
    return str(mapped or address)


def _surface(type: str, id: str) -> str:  # noqa: A002 - Cedar's own words
    escaped = id.replace("\\", "\\\\").replace('"', '\\"')
    return f'{type}::"{escaped}"'


def _entity(kind: str, name: str) -> dict[str, Any]:
    return {"__entity": {"type": kind, "id": name}}


def _extension(function: str, argument: str) -> dict[str, Any]:
    return {"__extn": {"fn": function, "arg": argument}}
