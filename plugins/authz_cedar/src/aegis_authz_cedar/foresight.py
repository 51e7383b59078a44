"""Policies that do not decide, asked about the past, of which not everything is known."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence

import cedarpy
from msgspec.structs import replace

from aegis_authz_cedar.decider import Decider
from aegis_authz_cedar.policies import Policies
from aegis_authz_cedar.questions import entities_for, partial_request_for
from aegis_kernel import Decision, Foreseen, PolicyNote, PolicySet, Principal, Question

# Of so many groups every combination is tried; of more, none, each alone, and all together.
_MOST_COMBINED = 6
_KEPT = 20_000


class ReadPolicies(PolicySet):
    """What `read` returns."""

    def __init__(self, policies: Policies) -> None:
        self._policies = policies
        self._decider = Decider(policies, _KEPT)
        self._memberships = tuple(_memberships(sorted(policies.groups)))

    @property
    def digest(self) -> str:
        return self._policies.digest

    @property
    def notes(self) -> Sequence[PolicyNote]:
        return tuple(self._policies.named.values())

    @property
    def warnings(self) -> Sequence[str]:
        return self._policies.warnings

    def foresee(self, question: Question) -> Foreseen:
        """Return the decision if it is the same whatever the groups and the contexts were."""
        principal = question.principal
        memberships = (principal.groups,) if question.knows_groups else self._memberships
        found = [
            self._with_groups(question, replace(principal, groups=groups)) for groups in memberships
        ]
        for each in found:
            if each is None:
                return Foreseen(None, "encryption context")
        decisions = [each for each in found if each is not None]
        if len({each.allowed for each in decisions}) > 1:
            return Foreseen(None, "groups")
        return Foreseen(decisions[0])

    def _with_groups(self, question: Question, principal: Principal) -> Decision | None:
        needs = self._policies.needs
        if question.knows_contexts or not (needs.context_keys or needs.context_values):
            return self._decider.decide(
                principal, question.operation, question.key, question.circumstances
            )
        answer = cedarpy.is_authorized_partial(
            partial_request_for(
                principal, question.operation, question.key, question.circumstances
            ),
            self._policies.handle,
            entities_for(principal, question.operation, question.key, ()),
        )
        if answer.decision is cedarpy.Decision.NoDecision:
            return None
        return self._decider.said(answer.allowed, answer.diagnostics)


def _memberships(groups: Sequence[str]) -> Iterator[frozenset[str]]:
    sizes = range(len(groups) + 1)
    if len(groups) > _MOST_COMBINED:
        sizes = range(2)
        yield frozenset(groups)
    for size in sizes:
        yield from map(frozenset, itertools.combinations(groups, size))
