"""What can be set, by the library's own name for it."""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar

from aegis_kernel import SettingsSection


class PrometheusSettings(SettingsSection, frozen=True):
    """Set by a server of several workers, for them; by hand it is left alone."""

    prefix: ClassVar[str] = "PROMETHEUS"

    multiproc_dir: Path | None = None
