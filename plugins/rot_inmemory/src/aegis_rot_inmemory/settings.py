"""Where the master key comes from."""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar

from aegis_kernel import Secret, SettingsSection
from aegis_rot_inmemory.master import decode


class InMemorySettings(SettingsSection, frozen=True):
    """At most one of the two; neither means the file `master.key` in the server's data directory."""

    prefix: ClassVar[str] = "AEGIS_ROT_INMEMORY"

    master_key_file: Path | None = None
    master_key: Secret | None = None

    def __post_init__(self) -> None:
        if self.master_key is None:
            return
        if self.master_key_file is not None:
            raise ValueError(
                f"{self.prefix}_MASTER_KEY and {self.prefix}_MASTER_KEY_FILE are both set; "
                "keep the one that holds the master key"
            )
        try:
            decode(self.master_key)
        except ValueError as error:
            raise ValueError(f"{self.prefix}_MASTER_KEY {error}") from None
