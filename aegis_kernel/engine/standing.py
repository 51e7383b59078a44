"""On whose behalf a caller acts, as far as streams say so."""

from __future__ import annotations

import msgspec

from aegis_kernel.domain.principal import Principal


class Standing(msgspec.Struct, frozen=True, gc=False):
    """Whose rights a request is decided on, and which streams must stay where they are for it.

    `expects` holds those streams and the sequences at which they said so: the release fence covers
    them as it covers the key.
    """

    principal: Principal
    expects: tuple[tuple[str, int], ...] = ()
