"""The listening sockets: bound once by the supervisor, handed to every worker."""

from __future__ import annotations

import os
import socket

from aegis_kernel.domain.errors import BootError
from aegis_kernel.listener import cannot_listen


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


def adopt(descriptor: int) -> socket.socket:
    """Return the socket that was inherited under this number."""
    os.set_inheritable(descriptor, False)
    adopted = socket.socket(fileno=descriptor)
    adopted.setblocking(False)
    return adopted
