"""Connections that are encrypted, and to nobody but the server that was meant."""

from __future__ import annotations

import datetime
import ipaddress
import os
from pathlib import Path

import pytest
from aegis_journal_postgres import PostgresJournal
from aegis_journal_postgres.address import Address
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from aegis_kernel import BootError, Secret
from aegis_kernel.testing.doubles import ManualClock
from tests.support.postgres import PostgresServer


@pytest.fixture(scope="module")
def server():
    """A Postgres that takes encrypted connections only, with a certificate of its own."""
    server = PostgresServer.fresh()
    _certify(server.data)
    (server.data / "pg_hba.conf").write_text("hostssl all all 127.0.0.1/32 trust\n")
    server.execute("ALTER SYSTEM SET ssl = on")
    server.stop()
    server.start()
    yield server
    server.remove()


async def test_the_server_that_was_meant_is_served_encrypted(server):
    journal = _journal(server, f"sslmode=verify-full&sslrootcert={server.data}/server.crt")
    await journal.open()
    try:
        rows = await journal._readers.rows(
            "SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()"
        )
    finally:
        await journal.aclose()
    assert rows == [(True,)]


async def test_a_server_with_another_certificate_stops_the_boot(server, tmp_path):
    _certify(tmp_path)
    journal = _journal(server, f"sslmode=verify-full&sslrootcert={tmp_path}/server.crt")
    with pytest.raises(BootError, match="cannot be reached"):
        await journal.open()
    await journal.aclose()


async def test_a_server_that_wants_encryption_is_not_reached_without(server):
    journal = _journal(server, "sslmode=disable")
    with pytest.raises(BootError, match="cannot be reached"):
        await journal.open()
    await journal.aclose()


def _journal(server: PostgresServer, options: str) -> PostgresJournal:
    return PostgresJournal(
        Address.of(Secret(f"{server.url()}?{options}".encode()), None), ManualClock()
    )


def _certify(folder: Path) -> None:
    """Write a key and a certificate for 127.0.0.1, signed by itself, where Postgres looks for them."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "127.0.0.1")])
    today = datetime.datetime.now(datetime.UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(today - datetime.timedelta(days=1))
        .not_valid_after(today + datetime.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([_loopback()]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    files = {
        "server.crt": certificate.public_bytes(serialization.Encoding.PEM),
        "server.key": key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        ),
    }
    owner = folder.stat()
    for file, content in files.items():
        (folder / file).write_bytes(content)
        (folder / file).chmod(0o600)
        if os.geteuid() == 0:
            os.chown(folder / file, owner.st_uid, owner.st_gid)


def _loopback() -> x509.IPAddress:
    return x509.IPAddress(ipaddress.ip_address("127.0.0.1"))
