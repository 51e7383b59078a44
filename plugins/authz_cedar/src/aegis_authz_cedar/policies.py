"""A set of policies that is good: parsed, checked against the schema, every policy named."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from typing import NamedTuple

import cedarpy

from aegis_authz_cedar.needs import Needs, literals, needs_of
from aegis_authz_cedar.owners import Reach, reaches_of
from aegis_authz_cedar.schema import schema_text
from aegis_authz_cedar.source import Chunk, Source
from aegis_kernel import BootError, PolicyNote

MOST_ID = 128
_MOST_MISTAKES = 20


class Policies(NamedTuple):
    """What decides. `named` is {Cedar's own id: policy}; `groups` are those that policies name."""

    handle: cedarpy.PolicySet
    named: dict[str, PolicyNote]
    needs: Needs
    groups: frozenset[str]
    reaches: tuple[Reach, ...]
    warnings: tuple[str, ...]
    digest: str


def load(source: Source) -> Policies:
    """Return the set. Raises BootError with every mistake: its file, its line, Cedar's message."""
    _refuse(_unreadable(source.chunks))
    handle = cedarpy.PolicySet.from_str(source.text, release_gil=True)
    _refuse(_invalid(source))
    parsed = json.loads(cedarpy.policies_to_json_str(source.text))
    _refuse(_unfit(source, parsed, len(handle)))
    named = dict(_named(source.chunks, parsed["staticPolicies"]))
    return Policies(
        handle=handle,
        named=named,
        needs=needs_of(parsed),
        groups=frozenset(literals(parsed, "Group")),
        reaches=reaches_of(parsed["staticPolicies"]),
        warnings=tuple(_warnings(named, parsed["staticPolicies"])),
        digest=source.digest,
    )


def _refuse(mistakes: Iterator[str]) -> None:
    found = list(mistakes)
    if found:
        left_out = len(found) - _MOST_MISTAKES
        more = [f"and {left_out} more mistakes"] if left_out > 0 else []
        raise BootError("\n".join([*found[:_MOST_MISTAKES], *more]))


def _unreadable(chunks: tuple[Chunk, ...]) -> Iterator[str]:
    for chunk in chunks:
        try:
            templates = cedarpy.PolicySet.from_str(chunk.text).templates()
        except ValueError as error:
            yield f"{chunk.place}: this is no Cedar policy: {_line(error)}"
        else:
            if templates:
                yield f"{chunk.place}: a template with a ?slot allows nothing: name whom it is about"


def _invalid(source: Source) -> Iterator[str]:
    schema = cedarpy.Schema.from_str(schema_text())
    for error in cedarpy.validate_policies(source.text, schema, release_gil=True).errors:
        said = _line(error.error).replace(f"for policy `{error.policy_id}`, ", "")
        yield f"{_chunk_of(source.chunks, error.policy_id).place}: {said}"


def _unfit(source: Source, parsed: dict[str, dict[str, object]], count: int) -> Iterator[str]:
    if count != len(source.chunks):
        yield f"{len(source.chunks)} policies were written and {count} understood: end each with ;"
        return
    if literals(parsed, "EncryptionContext"):
        yield "an encryption context has no id to compare: look at its tags with hasTag and getTag"
    for policy_id, policy in parsed["staticPolicies"].items():
        name = _annotated(policy)
        if name is not None and not (0 < len(name) <= MOST_ID and name.isprintable()):
            place = _chunk_of(source.chunks, policy_id).place
            yield f"{place}: its @id must be 1 to {MOST_ID} printable characters"


def _named(
    chunks: tuple[Chunk, ...], parsed: dict[str, object]
) -> Iterator[tuple[str, PolicyNote]]:
    for policy_id, policy in parsed.items():
        chunk = _chunk_of(chunks, policy_id)
        effect = policy["effect"] if isinstance(policy, dict) else ""
        yield policy_id, PolicyNote(_annotated(policy) or policy_id, str(effect), chunk.place)


def _warnings(named: dict[str, PolicyNote], parsed: dict[str, object]) -> Iterator[str]:
    counts = Counter(policy.name for policy in named.values())
    for policy_id, policy in named.items():
        if _annotated(parsed[policy_id]) is None:
            yield f"{policy.place}: it has no @id, so audit records call it {policy.name}"
        elif counts[policy.name] > 1:
            yield f"{policy.place}: another policy has the @id {policy.name} too"
        if policy.effect == "permit" and _is_unbounded(parsed[policy_id]):
            yield f"{policy.place}: it allows everything to everybody who has authenticated"


def _is_unbounded(policy: object) -> bool:
    if not isinstance(policy, dict):
        return False
    scopes = (policy["principal"], policy["action"], policy["resource"])
    return not policy["conditions"] and all(scope["op"] == "All" for scope in scopes)


def _annotated(policy: object) -> str | None:
    annotations = policy.get("annotations", {}) if isinstance(policy, dict) else {}
    name = annotations.get("id")
    return "" if "id" in annotations and name is None else name


def _chunk_of(chunks: tuple[Chunk, ...], policy_id: str) -> Chunk:
    # Cedar numbers policies as they come: policy0, policy1, …
    number = policy_id.removeprefix("policy")
    return chunks[int(number)] if number.isdecimal() and int(number) < len(chunks) else chunks[0]


def _line(error: object) -> str:
    return " ".join(str(error).split())
