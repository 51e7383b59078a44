"""One bounded GET: no redirects, no proxies, no cookies, little time and little text."""

from __future__ import annotations

import asyncio
import socket
import ssl
from contextlib import suppress
from http.client import HTTPConnection, HTTPException, HTTPSConnection
from pathlib import Path
from urllib.parse import urlsplit

from aegis_kernel import Executor, UnavailableError

MAX_DOCUMENT_BYTES = 64 * 1024
FETCH_SECONDS = 5.0

_HEADERS = (("Accept", "application/json"), ("Accept-Encoding", "identity"))


class FetchError(Exception):
    """The issuer did not give what it should have; the text says how, for operators."""


class Fetcher:
    """Reads documents in the kernel's threads. Nothing is kept open between two of them."""

    def __init__(self, executor: Executor, ca_file: Path | None) -> None:
        self._executor = executor
        self._ca_file = ca_file
        self._trust: ssl.SSLContext | None = None

    def open(self) -> None:
        """Read whom to trust. Raises OSError for a CA file that cannot be read or holds none."""
        self._trust = ssl.create_default_context(cafile=self._ca_file)

    async def get(self, url: str) -> bytes:
        """Return the body of a 200, at most 64 KiB and within 5 seconds. Raises FetchError."""
        exchange = _Exchange(url, self._trust)
        try:
            async with asyncio.timeout(FETCH_SECONDS):
                return await self._executor.run_long(exchange.run)
        except TimeoutError:
            raise FetchError(f"did not answer in {FETCH_SECONDS:g} s") from None
        except UnavailableError:
            raise FetchError("could not be asked: too much slow work is waiting") from None
        finally:
            exchange.abort()


class _Exchange:
    """One request on one connection; `abort` ends it from another thread."""

    def __init__(self, url: str, trust: ssl.SSLContext | None) -> None:
        self._parts = urlsplit(url)
        self._trust = trust
        self._socket: socket.socket | None = None

    def run(self) -> bytes:
        connection = self._connection()
        try:
            connection.connect()
            self._socket = connection.sock
            return self._read(connection)
        except ssl.SSLCertVerificationError as error:
            raise FetchError(
                f"has a certificate that is not trusted: {error.verify_message}"
            ) from None
        except TimeoutError:
            raise FetchError(f"did not answer in {FETCH_SECONDS:g} s") from None
        except OSError as error:
            raise FetchError(f"cannot be reached: {error.strerror or 'refused'}") from None
        except (HTTPException, ValueError) as error:
            raise FetchError(f"does not speak HTTP: {type(error).__name__}") from None
        finally:
            connection.close()

    def abort(self) -> None:
        """Wake the thread that still reads, if one does; without this a slow issuer would keep it."""
        if self._socket is not None:
            with suppress(OSError):
                socket.socket.shutdown(self._socket, socket.SHUT_RDWR)

    def _connection(self) -> HTTPConnection:
        host, port = self._parts.hostname or "", self._parts.port
        if self._parts.scheme == "https":
            return HTTPSConnection(host, port, timeout=FETCH_SECONDS, context=self._trust)
        return HTTPConnection(host, port, timeout=FETCH_SECONDS)

    def _read(self, connection: HTTPConnection) -> bytes:
        query = f"?{self._parts.query}" if self._parts.query else ""
        connection.request("GET", f"{self._parts.path or '/'}{query}", headers=dict(_HEADERS))
        response = connection.getresponse()
        # A redirect too: who answers for an issuer is said in the settings.
        if response.status != 200:
            raise FetchError(f"answered {response.status}")
        body = response.read(MAX_DOCUMENT_BYTES + 1)
        if len(body) > MAX_DOCUMENT_BYTES:
            raise FetchError(f"answered more than {MAX_DOCUMENT_BYTES} bytes")
        return body
