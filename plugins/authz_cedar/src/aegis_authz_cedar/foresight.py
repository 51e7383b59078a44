"""Policies that do not decide, asked about the past, of which not everything is known."""

from __future__ import annotations

import itertools
from collections.abc import Hashable, Iterator, Sequence

import cedarpy
from msgspec.structs import replace

from aegis_authz_cedar.decider import Decider
from aegis_authz_cedar.policies import Policies
from aegis_authz_cedar.questions import entities_for, partial_request_for
from aegis_kernel import Decision, Foreseen, PolicyNote, PolicySet, Principal, Question

# Of so many groups every combination is tried; of more, none, each alone, and all together.
_MOST_COMBINED = 4
_KEPT = 20_000


class ReadPolicies(PolicySet):
    """What `read` returns."""

    def __init__(self, policies: Policies) -> None:
        self._policies = policies
        self._decider = Decider(policies, _KEPT)
        self._partial: dict[Hashable, Decision | None] = {}
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
        first: Decision | None = None
        for groups in memberships:
            decision = self._with_groups(question, replace(principal, groups=groups))
            if decision is None:
                return Foreseen(None, "encryption context")
            if first is not None and decision.allowed is not first.allowed:
                return Foreseen(None, "groups")
            first = first or decision
        return Foreseen(first)

    def _with_groups(self, question: Question, principal: Principal) -> Decision | None:
        needs = self._policies.needs
        if question.knows_contexts or not (needs.context_keys or needs.context_values):
            return self._decider.decide(
                principal, question.operation, question.key, question.circumstances
            )
        seen = self._decider.seen(question.key, question.circumstances)
        asked = (principal, question.operation, seen)
        if asked not in self._partial:
            if len(self._partial) >= _KEPT:
                del self._partial[next(iter(self._partial))]
            self._partial[asked] = self._without_contexts(question, principal)
        return self._partial[asked]

    def _without_contexts(self, question: Question, principal: Principal) -> Decision | None:
        operation, key = question.operation, question.key
        answer = cedarpy.is_authorized_partial(
            partial_request_for(principal, operation, key, question.circumstances),
            self._policies.handle,
            entities_for(principal, operation, key, ()),
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
