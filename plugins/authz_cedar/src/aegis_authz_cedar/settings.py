"""The plugin's settings."""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar

from aegis_kernel import SettingsSection


class CedarSettings(SettingsSection, frozen=True):
    """Where the policies are, and how many decisions are kept.

    `policy_file` is a file, or a folder whose *.cedar files are read in the order of their names.
    Opening fails where it is not set; verbs that are given a path do without it.
    """

    prefix: ClassVar[str] = "AEGIS_AUTHZ_CEDAR"

    policy_file: Path | None = None
    cache_decisions: int = 20_000

    def __post_init__(self) -> None:
        if not 1 <= self.cache_decisions <= 1_000_000:
            raise ValueError("AEGIS_AUTHZ_CEDAR_CACHE_DECISIONS must be 1 to 1000000")
