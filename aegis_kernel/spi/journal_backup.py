"""Optional port, beside Journal: copies of the store, made and put in place."""

from __future__ import annotations

from pathlib import Path
from typing import Protocol, runtime_checkable

from aegis_kernel.spi.journal import Journal


@runtime_checkable
class JournalBackup(Protocol):
    """Optional, beside Journal: lets `aegis-server backup` copy the store, and put a copy in place."""

    @property
    def schema_version(self) -> int:
        """The number of the store's layout; a newer release may read an older one, never the reverse."""
        ...

    async def backup(self, target: Path) -> None:
        """Write one consistent copy of the open store to `target`, a new file, while commits go on.

        All that was committed before the call is in it. On disk on return, mode 0600.
        """
        ...

    def at(self, copy: Path) -> Journal:
        """Return a journal, to be opened, over a file that `backup` or `salvage` wrote.

        It may write to that file; closed, the file alone holds everything.
        """
        ...

    async def examine(self) -> None:
        """Look at every page of the open store. Raises BootError when it is damaged."""
        ...

    async def salvage(self, store: Path, target: Path) -> None:
        """Copy the store of a journal that no server has open, as it lies there, to a new file."""
        ...

    async def place(self, copy: Path) -> None:
        """Make `copy` the store of this journal, which is not open, in one step; or change nothing.

        Raises BootError when the place is not empty.
        """
        ...
