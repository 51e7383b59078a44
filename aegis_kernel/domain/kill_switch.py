"""A principal's kill switch: which of the agents that act for it have been cut off together.

The stream `principal/<subject>`. Each cut raises the epoch; an agent carries the epoch that it was
issued under, so that what is issued after a cut is not touched by it.
"""

from __future__ import annotations

from datetime import datetime

import msgspec

from aegis_kernel.domain.agent import Agent

# Beyond so many cuts that differ, the two oldest become one that cuts off all that either did, and more.
MAX_CUTS = 16


class AgentsCut(
    msgspec.Struct, frozen=True, kw_only=True, tag_field="type", tag="AgentsCut", omit_defaults=True
):
    """Every agent of the principal ends here, or those that were issued at `since` or later."""

    at: datetime
    since: datetime | None = None


class Cut(msgspec.Struct, frozen=True, omit_defaults=True):
    """Cuts off what carries an epoch before `epoch` and was issued at `since` or later."""

    epoch: int
    since: datetime | None = None

    def includes(self, agent: Agent) -> bool:
        is_since = self.since is None or agent.issued_at >= self.since
        return agent.epoch < self.epoch and is_since


class KillSwitch(msgspec.Struct, frozen=True, omit_defaults=True):
    """The fold of a principal's cuts; `epoch` is how many there were. `cuts` are bounded."""

    epoch: int = 0
    cuts: tuple[Cut, ...] = ()

    def cuts_off(self, agent: Agent) -> bool:
        """Return whether the agent, which acts for this principal, has been cut off."""
        return any(cut.includes(agent) for cut in self.cuts)


def fold_cut(switch: KillSwitch, event: AgentsCut) -> KillSwitch:
    """Return the kill switch after `event`."""
    cut = Cut(switch.epoch + 1, event.since)
    kept = [each for each in switch.cuts if not _is_within(each, cut)]
    kept.append(cut)
    if len(kept) > MAX_CUTS:
        # Those kept stand in the order of their epochs, and so of their times: see `_is_within`.
        kept[:2] = [Cut(kept[1].epoch, kept[0].since)]
    return KillSwitch(cut.epoch, tuple(kept))


def principal_stream(subject: str) -> str:
    """Return the name of the stream that holds the principal's cuts."""
    return f"principal/{subject}"


def _is_within(older: Cut, newer: Cut) -> bool:
    """Return whether a later cut cuts off all that the older one does."""
    if newer.since is None:
        return True
    return older.since is not None and newer.since <= older.since
