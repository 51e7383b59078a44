"""What a set of policies can depend on, so that a decision is kept under exactly that."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

Access = tuple[str, str]

# An access that is not understood counts as one of everything.
ALL: Access = ("*", "*")
_IDENTITY = "="
_ACCESSES = frozenset({".", "has"})
_TAGS = frozenset({"hasTag", "getTag"})


class Needs(NamedTuple):
    """Who asks, the operation, and whether a key is named always count; these only where true."""

    key_id: bool
    owner: bool
    name: bool
    algorithm: bool
    state: bool
    disabled: bool
    tags: bool
    now: bool
    weekday: bool
    source_ip: bool
    context_keys: bool
    context_values: bool
    belongs_to: bool


def needs_of(policies: Any) -> Needs:
    """Return what policies, in Cedar's JSON form, can depend on."""
    found = set(_accesses(policies))

    def uses(variable: str, attribute: str) -> bool:
        return ALL in found or (variable, attribute) in found

    return Needs(
        key_id=uses("resource", _IDENTITY),
        owner=uses("resource", "owner"),
        name=uses("resource", "name"),
        algorithm=uses("resource", "algorithm"),
        state=uses("resource", "state"),
        disabled=uses("resource", "disabled"),
        tags=uses("resource", "tags"),
        now=uses("context", "now"),
        weekday=uses("context", "weekday"),
        source_ip=uses("context", "sourceIp"),
        context_keys=uses("context", "encryptionContextKeys"),
        context_values=uses("context", "encryptionContext"),
        belongs_to=uses("context", "belongsTo"),
    )


def literals(policies: Any, kind: str) -> set[str]:
    """Return the ids of every entity of that type that the policies name, scopes included."""
    found = {each["id"] for each in _dicts(policies) if each.keys() == {"type", "id"} and each["type"] == kind}  # fmt: skip
    return {str(each) for each in found}


def _accesses(node: Any) -> Iterator[Access]:
    if isinstance(node, list):
        for each in node:
            yield from _accesses(each)
    if not isinstance(node, dict):
        return
    for name, inner in node.items():
        if name in _ACCESSES and _is_access(inner):
            yield from _access(inner["left"], inner["attr"])
        elif name in _TAGS and isinstance(inner, dict):
            yield from _tags(inner["left"])
            yield from _accesses(inner["right"])
        elif name == "is" and isinstance(inner, dict) and "Var" in inner.get("left", {}):
            continue  # its type follows from the operation and from whether a key is named
        elif name == "Var":
            yield ALL if inner == "context" else (str(inner), _IDENTITY)
        elif name in ("principal", "resource", "action") and isinstance(inner, dict):
            yield from _scope(name, inner)
        else:
            yield from _accesses(inner)


def _is_access(inner: Any) -> bool:
    return isinstance(inner, dict) and "left" in inner and "attr" in inner


def _access(left: Any, attribute: str) -> Iterator[Access]:
    yield (left["Var"], attribute) if left.keys() == {"Var"} else ALL


def _tags(left: Any) -> Iterator[Access]:
    if left == {"Var": "resource"}:
        yield ("resource", "tags")
    elif left == {".": {"left": {"Var": "context"}, "attr": "encryptionContext"}}:
        yield ("context", "encryptionContext")
    else:
        yield ALL


def _scope(name: str, scope: dict[str, Any]) -> Iterator[Access]:
    # `is` a type, and `in` or `==` an entity: only the latter two look at which one it is.
    if scope.get("op") in ("==", "in") or "in" in scope:
        yield (name, _IDENTITY)
    elif scope.get("op") not in ("All", "is"):
        yield from _accesses(scope)


def _dicts(node: Any) -> Iterator[dict[str, Any]]:
    if isinstance(node, dict):
        yield node
        for each in node.values():
            yield from _dicts(each)
    elif isinstance(node, list):
        for each in node:
            yield from _dicts(each)
