"""How long an answer may wait for its reader: less in tests, or, as a bug, for good."""

from __future__ import annotations

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from aegis_kernel import listener


def read_within(seconds: str) -> None:
    """Give readers so long."""
    listener.READ_SECONDS = float(seconds)


def waits_for_good() -> None:
    """End no answer, whoever reads it."""
    listener.Connection.pause_writing = HttpToolsProtocol.pause_writing  # type: ignore[method-assign]
