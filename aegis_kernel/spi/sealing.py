"""Optional ports beside RootOfTrust: who seals a master key, and who holds several of them."""

from __future__ import annotations

from typing import Protocol, runtime_checkable

from aegis_kernel.domain.secret import Secret
from aegis_kernel.spi.material import Binding, Material


@runtime_checkable
class Sealer(Protocol):
    """Optional, beside RootOfTrust: seals the master key of another root, which then lies nowhere
    unprotected."""

    async def seal(self, secret: Secret, label: bytes) -> bytes:
        """Return `secret`, at most 4,096 bytes, sealed under a key of the backend and bound to
        `label`. Raises UnavailableError while the backend is away."""
        ...

    async def unseal(self, sealed: bytes, label: bytes) -> Secret:
        """Return what `seal` sealed with this `label`. Raises DecryptionFailedError for all else."""
        ...


@runtime_checkable
class MaterialKeeper(Protocol):
    """Optional, beside RootOfTrust: material is sealed under a master key that can be rotated.

    A fingerprint is a one-way name of a master key; `RootOfTrust.fingerprint` is the newest one's.
    """

    @property
    def fingerprints(self) -> tuple[str, ...]:
        """The master keys at hand, the newest first: it seals, and each opens what it has sealed."""
        ...

    async def open_existing(self) -> None:
        """As `open`, but make no master key: raise BootError where there is none."""
        ...

    async def begin_rotation(self) -> None:
        """Make a new master key, durable before anything is sealed under it; the older ones stay.

        Raises UnavailableError, with the remedy, where this root cannot.
        """
        ...

    async def retire(self) -> None:
        """Destroy every master key but the newest, durably; nothing needs them any more."""
        ...

    async def look_again(self) -> None:
        """Hold the master keys as they are kept now: another process may have rotated them.

        Raises UnavailableError, and holds what it held, where it cannot. This default does nothing.
        """

    async def rewrap(self, material: Material, binding: Binding) -> Material | None:
        """Return the same key bytes sealed under the newest master key, already tried by opening.

        None means that the newest has sealed it and that it opens. Raises InternalError for material
        that no master key at hand has sealed for this binding.
        """
        ...

    def master_of(self, material: Material, binding: Binding) -> str | None:
        """Return the fingerprint of the master key that has sealed it, None if it is not at hand."""
        ...

    def vouch(self, statement: bytes) -> bytes:
        """Return a MAC over `statement` under a key that follows from the newest master key."""
        ...

    def vouched(self, statement: bytes, mac: bytes) -> bool:
        """Return whether `vouch` made `mac`, under any master key at hand; compared in constant time."""
        ...
