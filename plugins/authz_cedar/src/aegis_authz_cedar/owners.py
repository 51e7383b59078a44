"""Whether the policies let somebody get nobody's keys but the own: lists then look at those alone."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from aegis_authz_cedar.schema import PRINCIPAL_TYPES, groups_of
from aegis_kernel import Operation, Principal

_OWNER: Mapping[str, Any] = {".": {"left": {"Var": "resource"}, "attr": "owner"}}
_SUBJECT: Mapping[str, Any] = {".": {"left": {"Var": "principal"}, "attr": "subject"}}


class Reach(NamedTuple):
    """Whom a permit of Get is about, as its scope says; and whether it is for owners alone."""

    scope: Mapping[str, Any]
    owners_alone: bool


def reaches_of(policies: Mapping[str, Any]) -> tuple[Reach, ...]:
    """Return the reach of every permit that may be one of Get, in Cedar's JSON form."""
    return tuple(
        Reach(policy["principal"], any(_is_owner(each) for each in _conjuncts(policy)))
        for policy in policies.values()
        if policy["effect"] == "permit" and _covers_get(policy["action"])
    )


def readable_owner(reaches: tuple[Reach, ...], principal: Principal) -> str | None:
    """Return the principal's subject where no permit goes beyond its own keys, else None."""
    goes_beyond = any(
        not reach.owners_alone and _is_about(reach.scope, principal) for reach in reaches
    )
    return None if goes_beyond else principal.subject


def _covers_get(action: Mapping[str, Any]) -> bool:
    named = action.get("entities", [action["entity"]] if "entity" in action else None)
    covering = (Operation.GET.value, *groups_of(Operation.GET))
    return named is None or any(each["id"] in covering for each in named)


def _is_about(scope: Mapping[str, Any], principal: Principal) -> bool:
    """Return whether the scope may hold `principal`; what is not understood may."""
    kind = PRINCIPAL_TYPES.get(principal.kind)
    if scope["op"] == "is" and scope.get("entity_type") != kind:
        return False
    inside = scope.get("in", scope)
    entity = inside.get("entity")
    if entity is None:
        return True
    if entity["type"] == "Group":
        return entity["id"] in principal.groups
    return bool((entity["type"], entity["id"]) == (kind, principal.subject))


def _conjuncts(policy: Mapping[str, Any]) -> Iterator[Any]:
    waiting = [each["body"] for each in policy["conditions"] if each["kind"] == "when"]
    while waiting:
        body = waiting.pop()
        if "&&" in body:
            waiting += (body["&&"]["left"], body["&&"]["right"])
        else:
            yield body


def _is_owner(body: Mapping[str, Any]) -> bool:
    sides = body.get("==")
    if sides is None:
        return False
    pair = (sides["left"], sides["right"])
    return pair in ((_OWNER, _SUBJECT), (_SUBJECT, _OWNER))
