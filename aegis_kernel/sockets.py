"""Listening sockets: bound once, by a server alone or by the supervisor of several workers."""

from __future__ import annotations

import errno
import os
import socket
from collections.abc import Mapping
from types import MappingProxyType

from aegis_kernel.domain.errors import BootError

_REMEDIES: Mapping[int, str] = MappingProxyType(
    {
        errno.EADDRINUSE: "stop what listens there, or set AEGIS_HTTP_PORT",
        errno.EACCES: "set AEGIS_HTTP_PORT to one above 1023",
    }
)


def bind(host: str, port: int) -> list[socket.socket]:
    """Return a bound socket for each address of `host`; nobody can connect before one listens.

    Port 0 is the same free port on all of them. Raises BootError with what mends it.
    """
    bound: list[socket.socket] = []
    try:
        flags = socket.AI_PASSIVE
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=flags)
        for family, kind, protocol, _, address in dict.fromkeys(found):
            opened = socket.socket(family, kind, protocol)
            bound.append(opened)
            opened.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            if family == socket.AF_INET6:
                opened.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
            opened.bind((address[0], port, *address[2:]))
            port = port or opened.getsockname()[1]
    except OSError as error:
        for opened in bound:
            opened.close()
        raise BootError(cannot_listen(host, port, error)) from error
    return bound


def cannot_listen(host: str, port: int, error: OSError) -> str:
    """Return why the port cannot be opened, and what mends it."""
    number = error.errno or 0
    reason = os.strerror(number) if number > 0 else error.strerror  # below 0: of the resolver
    remedy = _REMEDIES.get(number, "set AEGIS_HTTP_HOST to an address of this machine")
    return f"Cannot listen on {host}:{port} ({reason}): {remedy}"


def adopt(descriptor: int) -> socket.socket:
    """Return the socket that was inherited under this number."""
    os.set_inheritable(descriptor, False)
    adopted = socket.socket(fileno=descriptor)
    adopted.setblocking(False)
    return adopted
