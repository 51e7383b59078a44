"""Where the database is, and how to log in: the URL, libpq's PG* variables, POSTGRES_PASSWORD."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from ipaddress import ip_address
from typing import Any

import psycopg
from psycopg import pq
from psycopg.conninfo import conninfo_to_dict

from aegis_kernel import Secret

_MISTAKE = (
    "AEGIS_JOURNAL_POSTGRES_URL must be a PostgreSQL URL: postgresql://user@host:5432/name"
    " (percent-encode special characters, or put the password into POSTGRES_PASSWORD)"
)
_WRITABLE = ("read-write", "primary")

# What a dead host or a cut cable may cost: seconds, and milliseconds for the last.
_LIMITS: Mapping[str, str] = {
    "connect_timeout": "3",
    "keepalives_idle": "5",
    "keepalives_interval": "2",
    "keepalives_count": "3",
    "tcp_user_timeout": "10000",
    "application_name": "aegis-server",
}


@dataclass(frozen=True, slots=True, repr=False)
class Address:
    """What to connect to. The password never shows: not in `description`, not in `repr`."""

    description: str
    #: Whether every host is this machine.
    is_local: bool
    _parameters: Mapping[str, Any]

    def __repr__(self) -> str:
        return f"Address({self.description})"

    @classmethod
    def of(cls, url: Secret | None, password: Secret | None) -> Address:
        """Return the address; PG* variables count where the URL says nothing.

        Raises ValueError, with the remedy, for a URL that cannot be used.
        """
        given = _parse(url)
        known = _defaults() | given
        if known.get("target_session_attrs", "any") in ("any", ""):
            given["target_session_attrs"] = "read-write"
        elif known["target_session_attrs"] not in _WRITABLE:
            raise ValueError(
                "AEGIS_JOURNAL_POSTGRES_URL asks for a server that takes no writes: leave"
                " target_session_attrs out, or set it to read-write"
            )
        if password is not None and not known.get("password") and not known.get("passfile"):
            given["password"] = password.reveal().decode()
        hosts = _hosts(known)
        if any(not port.isdigit() for port in str(known.get("port") or "5432").split(",") if port):
            # Such as the first half of a password with a slash in it.
            raise ValueError(_MISTAKE)
        return cls(
            f"postgresql://{','.join(hosts)}/{known.get('dbname') or known.get('user', '')}",
            all(_is_local(host) for host in known.get("host", "").split(",")),
            {**_LIMITS, **given},
        )

    def parameters(self) -> dict[str, Any]:
        """Return what psycopg connects with; it holds the password."""
        return dict(self._parameters)


def _parse(url: Secret | None) -> dict[str, Any]:
    if url is None:
        return {}
    try:
        return dict(conninfo_to_dict(url.reveal().decode()))
    except (psycopg.ProgrammingError, UnicodeDecodeError):
        # The error would quote the URL, and the URL may hold a password.
        raise ValueError(_MISTAKE) from None


def _defaults() -> dict[str, Any]:
    """Return what libpq would use by itself, which includes the PG* variables."""
    options = pq.Conninfo.get_defaults()
    return {option.keyword.decode(): option.val.decode() for option in options if option.val}


def _hosts(known: Mapping[str, Any]) -> list[str]:
    hosts = known.get("host") or known.get("hostaddr")
    if not hosts or hosts.startswith("/"):
        return [""]
    names, ports = hosts.split(","), str(known.get("port") or "5432").split(",")
    if len(ports) != len(names):
        ports = ports[:1] * len(names)
    return [f"{name}:{port or 5432}" for name, port in zip(names, ports, strict=True)]


def _is_local(host: str) -> bool:
    if host in ("", "localhost") or host.startswith(("/", "@")):
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False
