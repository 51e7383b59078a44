"""Who a token makes the caller: subject, kind and groups; and that no issuer speaks for another."""

from __future__ import annotations

from typing import Any

import pytest
from aegis_auth_oidc.claims import ClaimRules
from aegis_auth_oidc.rules import IssuerRules
from aegis_auth_oidc.strict import RefusedError

from aegis_kernel import Principal

from .forge import AUDIENCE, NOW

CLAIMS = {"aud": AUDIENCE, "sub": "alice", "exp": NOW + 60}


def who(
    foreign: tuple[str, ...] = (), rules: dict[str, Any] | None = None, **claims: Any
) -> Principal:
    issuer = IssuerRules(
        name="corp", issuer="https://x.example.com", audience=(AUDIENCE,), **(rules or {})
    )
    return ClaimRules(issuer, foreign).authenticated(CLAIMS | claims, float(NOW)).principal


@pytest.mark.parametrize(
    ("rules", "claims", "groups"),
    [
        ({}, {"groups": ["a", "b", "a"]}, {"a", "b"}),
        ({}, {"groups": "a"}, {"a"}),
        ({}, {"groups": []}, set()),
        ({}, {"groups": None}, set()),
        ({}, {}, set()),
        ({}, {"roles": ["a"]}, set()),
        ({}, {"groups": ["Domain Users", "", "é", "x" * 257, "ok"]}, {"ok"}),
        ({"groups_claim": "realm_access.roles"}, {"realm_access": {"roles": ["a"]}}, {"a"}),
        ({"groups_claim": "realm_access.roles"}, {"realm_access": ["roles"]}, set()),
        ({"groups_claim": "realm_access.roles"}, {"realm_access": {}}, set()),
        ({"groups_claim": "https://x.y/g"}, {"https://x.y/g": ["a"]}, {"a"}),
        ({"groups_prefix": "corp:"}, {"groups": ["a", ""]}, {"corp:a"}),
        ({"groups_map": {"Domain Admins": "admins"}}, {"groups": ["Domain Admins"]}, {"admins"}),
        ({"groups_map": {"x": "admins"}}, {"groups": ["admins", "y"]}, set()),
        ({"groups_map": {"x": "admins"}, "groups_prefix": "c:"}, {"groups": ["x"]}, {"admins"}),
    ],
)
def test_groups_are_what_the_rules_make_of_them(
    rules: dict[str, Any], claims: dict[str, Any], groups: set[str]
) -> None:
    assert who(rules=rules, **claims).groups == groups


@pytest.mark.parametrize(
    ("rules", "claims", "kind"),
    [
        ({}, {"client_id": "x"}, "Human"),
        ({"service_claim": "client_id"}, {"client_id": "x"}, "Service"),
        ({"service_claim": "client_id"}, {}, "Human"),
        ({"service_claim": "idtyp", "service_value": "app"}, {"idtyp": "app"}, "Service"),
        ({"service_claim": "idtyp", "service_value": "app"}, {"idtyp": "user"}, "Human"),
        ({"service_claim": "idtyp", "service_value": "app"}, {"idtyp": ["app"]}, "Human"),
        ({"service_claim": "robot", "service_value": "true"}, {"robot": True}, "Service"),
        ({"service_claim": "robot", "service_value": "true"}, {"robot": False}, "Human"),
        ({"service_claim": "a.b", "service_value": "c"}, {"a": {"b": "c"}}, "Service"),
    ],
)
def test_a_service_is_told_from_a_human_by_the_claim_that_is_configured(
    rules: dict[str, Any], claims: dict[str, Any], kind: str
) -> None:
    assert who(rules=rules, **claims).kind == kind


def test_no_claim_makes_an_agent() -> None:
    assert who(aegis_kind="agent", kind="Agent", act={"sub": "x"}).kind == "Human"


def test_another_claim_may_be_the_subject() -> None:
    assert who(rules={"subject_claim": "email"}, email="a@b.c").subject == "a@b.c"
    with pytest.raises(RefusedError, match="no subject"):
        who(rules={"subject_claim": "email"})


def test_a_name_that_users_choose_cannot_be_an_agents_id() -> None:
    agent = "0f8fad5b-d9cb-469f-a165-70867728950e"
    assert who(sub=agent).subject == agent
    with pytest.raises(RefusedError, match="looks like an agent's"):
        who(rules={"subject_claim": "nick"}, nick=agent)


def test_an_issuer_cannot_speak_for_anothers_users() -> None:
    assert who(rules={"subject_prefix": "corp:"}).subject == "corp:alice"
    with pytest.raises(RefusedError, match="somebody else's"):
        who(foreign=("ci:",), rules={"subject_prefix": ""}, sub="ci:bob")
    with pytest.raises(RefusedError, match="somebody else's"):
        who(rules={"subject_prefix": "ae"}, sub="gis")
