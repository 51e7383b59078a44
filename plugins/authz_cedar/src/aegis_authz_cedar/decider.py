"""One good set of policies, deciding; what it has decided is kept, within a bound."""

from __future__ import annotations

from collections.abc import Hashable, Sequence

import cedarpy

from aegis_authz_cedar.policies import Policies
from aegis_authz_cedar.questions import Context, entities_for, requests_for, weekday
from aegis_authz_cedar.schema import PRINCIPAL_TYPES
from aegis_kernel import Circumstances, Decision, Key, Operation, Principal

_NO_PRINCIPAL = Decision(False, "not authenticated", final=True)
_NO_PERMIT = Decision(False, "no policy permits")
_NO_CONTEXTS: tuple[Context, ...] = ({},)


class Decider:
    """Decides by `policies` alone. The decision of a batch is its worst context's."""

    def __init__(self, policies: Policies, capacity: int) -> None:
        self.policies = policies
        self._capacity = capacity
        self._decisions: dict[Hashable, Decision] = {}
        needs = policies.needs
        self._needs = needs
        self._sees_contexts = needs.context_keys or needs.context_values
        # Most sets look at no more of a key than its owner, and at nothing else.
        self._sees_owner_alone = not any(needs._replace(owner=False))

    def decide(
        self,
        principal: Principal,
        operation: Operation,
        key: Key | None,
        circumstances: Circumstances,
    ) -> Decision:
        if principal.kind not in PRINCIPAL_TYPES:
            return _NO_PRINCIPAL
        if self._sees_owner_alone:
            seen = None if key is None else key.owner if self._needs.owner else ""
            asked: Hashable = (principal, operation, seen)
        else:
            asked = (principal, operation, self.seen(key, circumstances))
        decision = self._decisions.get(asked)
        if decision is None:
            decision = self._ask(principal, operation, key, circumstances)
            self._keep(asked, decision)
        return decision

    def _keep(self, asked: Hashable, decision: Decision) -> None:
        if len(self._decisions) >= self._capacity:
            del self._decisions[next(iter(self._decisions))]
        self._decisions[asked] = decision

    def seen(self, key: Key | None, circumstances: Circumstances) -> Hashable:
        """Return all that the policies can depend on, beside who asks and for what."""
        needs, at = self._needs, circumstances.at
        return (
            None if key is None else self._seen_of(key),
            int(at) if needs.now else None,
            weekday(at) if needs.weekday else None,
            circumstances.source_ip if needs.source_ip else None,
            circumstances.belongs_to if needs.belongs_to else None,
            self._seen_contexts(circumstances.contexts) if self._sees_contexts else None,
        )

    def _seen_of(self, key: Key) -> Hashable:
        needs = self._needs
        return (
            key.id if needs.key_id else None,
            key.owner if needs.owner else None,
            key.spec.name if needs.name else None,
            key.spec.algorithm if needs.algorithm else None,
            key.state if needs.state else None,
            key.disabled if needs.disabled else None,
            frozenset(key.tags.items()) if needs.tags else None,
        )

    def _seen_contexts(self, contexts: Sequence[Context]) -> Hashable:
        if self._needs.context_values:
            return frozenset([frozenset(context.items()) for context in contexts or _NO_CONTEXTS])
        return frozenset([frozenset(context) for context in contexts or _NO_CONTEXTS])

    def _distinct(self, contexts: Sequence[Context]) -> Sequence[Context]:
        """Return the contexts that can make a difference, each once."""
        if not contexts or not self._sees_contexts:
            return _NO_CONTEXTS
        return list({frozenset(context.items()): context for context in contexts}.values())

    def _ask(
        self,
        principal: Principal,
        operation: Operation,
        key: Key | None,
        circumstances: Circumstances,
    ) -> Decision:
        contexts = self._distinct(circumstances.contexts)
        answers = cedarpy.is_authorized_batch(
            requests_for(principal, operation, key, circumstances, contexts),
            self.policies.handle,
            entities_for(principal, operation, key, contexts),
        )
        decisions = [self.said(answer.allowed, answer.diagnostics) for answer in answers]
        denials = [decision for decision in decisions if not decision.allowed]
        # A denial that is final is the worst; among equals, the one that sorts first is the answer.
        return min(denials or decisions, key=lambda each: (not each.final, each.reason))

    def said(
        self, is_allowed: bool, why: cedarpy.Diagnostics | cedarpy.PartialDiagnostics
    ) -> Decision:
        """Return the decision that Cedar's answer comes to."""
        if why.errors:
            # Cedar passes over a policy that fails, a forbid too.
            return Decision(False, "a policy cannot be evaluated", final=True)
        names = sorted(self.policies.named[each].name for each in why.reasons)
        if is_allowed:
            return Decision(True, f"permitted by policy {names[0]}")
        if not names:
            return _NO_PERMIT
        return Decision(False, f"forbidden by policy {names[0]}", final=True)
