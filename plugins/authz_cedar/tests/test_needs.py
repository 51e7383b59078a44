"""What a set of policies can depend on; what is not understood counts as everything."""

from __future__ import annotations

import json

import cedarpy
import pytest
from aegis_authz_cedar.needs import needs_of


def needed(scope: str, condition: str = "true") -> set[str]:
    text = f"permit ({scope}) when {{ {condition} }};"
    needs = needs_of(json.loads(cedarpy.policies_to_json_str(text)))
    return {name for name, is_needed in needs._asdict().items() if is_needed}


ANY = "principal, action, resource"
EVERYTHING = set(needs_of({"Var": "context"})._fields)


@pytest.mark.parametrize(
    ("scope", "condition", "names"),
    [
        (ANY, "true", set()),
        ('principal in Group::"a", action in Action::"use", resource', "true", set()),
        ("principal is Human, action, resource is Key", "resource is Key", set()),
        ('principal, action, resource == Key::"a"', "true", {"key_id"}),
        ('principal, action, resource is Key in Key::"a"', "true", {"key_id"}),
        (ANY, 'resource == Key::"a"', {"key_id"}),
        (ANY, "[resource].contains(resource)", {"key_id"}),
        (ANY, "resource.owner == principal.subject", {"owner"}),
        (ANY, "resource has name && resource.disabled", {"name", "disabled"}),
        (ANY, 'resource.hasTag("a") && resource.getTag(resource.name) == "b"', {"tags", "name"}),
        (ANY, "context has sourceIp", {"source_ip"}),
        (ANY, 'context["now"] == context.now', {"now"}),
        (ANY, 'context.encryptionContext.hasTag("a")', {"context_values"}),
        (ANY, 'context.encryptionContextKeys.contains("a")', {"context_keys"}),
    ],
)
def test_exactly_what_is_looked_at_is_needed(scope: str, condition: str, names: set[str]) -> None:
    assert needed(scope, condition) == names


@pytest.mark.parametrize(
    "condition",
    [
        "[context].contains(context)",
        "{a: context} == {a: context}",
        "(if true then context else context).now == context.now",
        "(if true then resource else resource).owner == resource.owner",
        '(if true then resource else resource).hasTag("a")',
        'Key::"a".owner == "b"',
        'Key::"a".hasTag("b")',
        "{a: resource}.a.owner == resource.owner",
    ],
)
def test_what_is_not_understood_counts_as_everything(condition: str) -> None:
    assert needed(ANY, condition) == EVERYTHING
    assert len(EVERYTHING) > 10
