"""What an issuer may not answer: each stops the boot, and later leaves the last good keys in force."""

from __future__ import annotations

import asyncio
import datetime
import ipaddress
import json
import ssl
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from aegis_auth_oidc import OidcAuthenticator, OidcSettings
from aegis_auth_oidc.fetch import FETCH_SECONDS, MAX_DOCUMENT_BYTES
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from aegis_kernel import BootError, UnauthorizedError, UnavailableError
from aegis_kernel.testing.doubles import ManualClock, ThreadExecutor

from .forge import AUDIENCE, EC, JWKS, NOW, STRANGER, forge, jwk
from .place import DISCOVERY, KEYS, Place, place

UNUSABLE = "has no usable set of keys"
ELSEWHERE = "has no jwks_uri with https"
NOT_JSON = "has no JSON object"


@pytest.fixture
def alone() -> Iterator[Place]:
    """An issuer whose answers a test may spoil."""
    with place() as alone:
        yield alone


@asynccontextmanager
async def opened(url: str, **more: Any) -> AsyncIterator[tuple[OidcAuthenticator, ManualClock]]:
    clock = ManualClock(float(NOW))
    settings = OidcSettings(issuer=url, audience=(AUDIENCE,), **more)
    authenticator = OidcAuthenticator(settings, clock, ThreadExecutor())
    try:
        await authenticator.open()
        yield authenticator, clock
    finally:
        await authenticator.aclose()


def token_of(url: str, kid: str = "ec", subject: str = "alice", **how: Any) -> dict[bytes, bytes]:
    claims = {"iss": url, "aud": AUDIENCE, "sub": subject, "exp": NOW + 86_000}
    return {b"authorization": b"Bearer " + forge({"alg": "ES256", "kid": kid}, claims, **how)}


def redirect(status: int) -> tuple[int, dict[str, str], bytes]:
    return (status, {"Location": "/elsewhere"}, b"{}")


SPOILT: dict[str, tuple[str, Any, str]] = {
    "another issuer": (DISCOVERY, {"issuer": "https://x.example.com"}, "calls itself by another"),
    "no issuer": (DISCOVERY, {"jwks_uri": "https://x.example.com"}, "calls itself by another"),
    "a list": (DISCOVERY, [], NOT_JSON),
    "no JSON": (DISCOVERY, (200, {}, b"<html>"), NOT_JSON),
    "two issuers": (DISCOVERY, (200, {}, b'{"issuer":"a","issuer":"b"}'), NOT_JSON),
    "404": (DISCOVERY, (404, {}, b""), "answered 404"),
    **{f"redirect {status}": (DISCOVERY, redirect(status), f"answered {status}") for status in (301, 302, 307)},
    "keys redirect": (KEYS, redirect(302), "answered 302"),
    "too long": (DISCOVERY, (200, {}, b" " * (MAX_DOCUMENT_BYTES + 1)), "answered more than 65536"),
    "keys too long": (KEYS, (200, {}, b" " * (MAX_DOCUMENT_BYTES + 1)), "answered more than 65536"),
    "no keys": (KEYS, {"keys": []}, UNUSABLE),
    "keys no list": (KEYS, {"keys": {}}, UNUSABLE),
    "65 keys": (KEYS, {"keys": JWKS["keys"][1:2] * 65}, UNUSABLE),
    "the same member twice": (KEYS, (200, {}, b'{"keys":[],"keys":[]}'), UNUSABLE),
    "keys nested deeply": (KEYS, (200, {}, b'{"keys":' + b"[" * 60_000), UNUSABLE),
}  # fmt: skip


@pytest.mark.parametrize(("path", "answer", "text"), SPOILT.values(), ids=SPOILT)
async def test_a_spoilt_document_stops_the_boot_with_the_remedy(
    alone: Place, path: str, answer: Any, text: str
) -> None:
    alone.answers[path] = answer
    with pytest.raises(BootError, match=rf"{alone.url} {text}.*Check its address"):
        async with opened(alone.url):
            pass
    assert "/elsewhere" not in alone.asked


@pytest.mark.parametrize(("path", "answer", "text"), SPOILT.values(), ids=SPOILT)
async def test_a_document_that_is_spoilt_later_leaves_the_last_good_keys(
    alone: Place, path: str, answer: Any, text: str
) -> None:
    async with opened(alone.url) as (authenticator, clock):
        alone.answers[path] = answer
        clock.advance(61)
        (judge,) = authenticator._judges.values()
        assert not await judge.issuer.refresh()
        assert text in str((await authenticator.check()).detail)
        assert await authenticator.authenticate(token_of(alone.url))
        with pytest.raises(UnavailableError):
            await authenticator.authenticate(token_of(alone.url, "unknown"))


@pytest.mark.parametrize(
    "address",
    [
        "file:///etc/passwd",
        "ftp://127.0.0.1/keys",
        "http://169.254.169.254/latest/meta-data",
        "http://me:secret@127.0.0.1/keys",
        "//127.0.0.1/keys",
        "/keys",
        "http:///keys",
        "http://127.0.0.1:99999/keys",
        "http://127.0.0.1/ke ys",
        "http://127.0.0.1/ke\r\nys",
        "http://[::1/keys",
        "",
        None,
        7,
    ],
)
async def test_keys_are_read_from_no_strange_address(alone: Place, address: Any) -> None:
    alone.answers[DISCOVERY] = {"issuer": alone.url, "jwks_uri": address}
    with pytest.raises(BootError, match=ELSEWHERE):
        async with opened(alone.url):
            pass


async def test_keys_that_have_moved_are_found_by_the_second_look(alone: Place) -> None:
    async with opened(alone.url) as (authenticator, clock):
        new = jwk("ES256", STRANGER, kid="new")
        alone.answers[KEYS] = (404, {}, b"")
        alone.answers["/moved"] = {"keys": [new]}
        alone.answers[DISCOVERY] = {"issuer": alone.url, "jwks_uri": alone.url + "/moved"}
        headers = token_of(alone.url, "new", private=STRANGER)
        with pytest.raises(UnavailableError):
            await authenticator.authenticate(headers)
        clock.advance(5)
        assert await authenticator.authenticate(headers)


async def test_an_issuer_may_end_in_a_slash(alone: Place) -> None:
    slashed = alone.url + "/"
    alone.answers[DISCOVERY] = {"issuer": slashed, "jwks_uri": alone.url + KEYS}
    async with opened(slashed) as (authenticator, _):
        assert await authenticator.authenticate(token_of(slashed))
        assert await authenticator.authenticate(token_of(alone.url)) is None


async def test_an_issuer_that_drips_is_given_up_in_time_and_keeps_no_thread(alone: Place) -> None:
    alone.pause_seconds = 0.4
    executor = ThreadExecutor()
    settings = OidcSettings(issuer=alone.url, audience=(AUDIENCE,))
    authenticator = OidcAuthenticator(settings, ManualClock(float(NOW)), executor)
    loop = asyncio.get_running_loop()
    began = loop.time()
    with pytest.raises(BootError, match="did not answer in 5 s"):
        await authenticator.open()
    await authenticator.aclose()
    await asyncio.gather(executor.run(int), executor.run(int))  # as many as it has threads
    executor._pool.shutdown(wait=True)
    assert loop.time() - began < FETCH_SECONDS + 1


async def test_no_more_than_a_bounded_number_waits_for_a_slow_issuer(alone: Place) -> None:
    async with opened(alone.url) as (authenticator, clock):
        alone.pause_seconds = 0.001
        clock.advance(61)
        asked = len(alone.asked)
        headers = token_of(alone.url, "unknown")
        said = await asyncio.gather(
            *(authenticator.authenticate(headers) for _ in range(100)), return_exceptions=True
        )
        assert len(alone.asked) == asked + 1
        assert sum(isinstance(each, UnavailableError) for each in said) == 100 - 64
        assert sum(isinstance(each, UnauthorizedError) for each in said) == 64


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A certificate for 127.0.0.1, signed by itself, with its key."""
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "issuer of a test")])
    now = datetime.datetime.now(datetime.UTC)
    made = (
        x509.CertificateBuilder(name, name, EC.public_key(), x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(
            x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), False
        )
        .sign(EC, hashes.SHA256())
    )
    key = EC.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    path = tmp_path_factory.mktemp("tls") / "certificate.pem"
    path.write_bytes(made.public_bytes(Encoding.PEM) + key)
    return path


@pytest.fixture
def secure(certificate: Path) -> Iterator[Place]:
    trust = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    trust.load_cert_chain(certificate)
    with place(trust) as secure:
        yield secure


async def test_over_tls_an_issuer_is_believed_by_its_certificate(
    secure: Place, certificate: Path
) -> None:
    async with opened(secure.url, ca_file=certificate) as (authenticator, _):
        assert await authenticator.authenticate(token_of(secure.url))
    with pytest.raises(BootError, match=r"not trusted: self.signed.*AEGIS_AUTH_OIDC_CA_FILE"):
        async with opened(secure.url):
            pass


async def test_an_issuer_with_tls_may_not_lead_to_keys_without(
    secure: Place, certificate: Path, alone: Place
) -> None:
    secure.answers[DISCOVERY] = {"issuer": secure.url, "jwks_uri": alone.url + KEYS}
    with pytest.raises(BootError, match=ELSEWHERE):
        async with opened(secure.url, ca_file=certificate, allow_http=True):
            pass
    assert alone.asked == []


@pytest.mark.parametrize("content", [None, b"", b"no certificate"])
async def test_a_ca_file_without_certificates_stops_the_boot(
    tmp_path: Path, content: bytes | None
) -> None:
    file = tmp_path / "ca.pem"
    if content is not None:
        file.write_bytes(content)
    with pytest.raises(BootError, match="AEGIS_AUTH_OIDC_CA_FILE"):
        async with opened("https://127.0.0.1:1", ca_file=file):
            pass


async def test_every_issuer_that_is_down_is_named(alone: Place, tmp_path: Path) -> None:
    file = tmp_path / "issuers.json"
    listed = [
        {"name": name, "issuer": url, "audience": [AUDIENCE]}
        for name, url in [
            ("up", alone.url),
            ("a", "http://127.0.0.1:1"),
            ("b", "http://127.0.0.1:2"),
        ]
    ]
    file.write_text(json.dumps({"issuers": listed}))
    authenticator = OidcAuthenticator(
        OidcSettings(issuers_file=file), ManualClock(), ThreadExecutor()
    )
    with pytest.raises(BootError) as caught:
        await authenticator.open()
    await authenticator.aclose()
    lines = str(caught.value).splitlines()
    assert [line.split()[2] for line in lines] == ["http://127.0.0.1:1", "http://127.0.0.1:2"]


async def test_an_issuer_without_a_prefix_cannot_name_anothers_users(tmp_path: Path) -> None:
    with place() as plain, place() as corp:
        listed = [
            {"name": "plain", "issuer": plain.url, "audience": [AUDIENCE], "subject_prefix": ""},
            {"name": "corp", "issuer": corp.url, "audience": [AUDIENCE]},
        ]
        file = tmp_path / "issuers.json"
        file.write_text(json.dumps({"issuers": listed}))
        settings = OidcSettings(issuers_file=file)
        authenticator = OidcAuthenticator(settings, ManualClock(float(NOW)), ThreadExecutor())
        await authenticator.open()
        for url, subject in ((plain.url, "alice"), (corp.url, "corp:alice")):
            authenticated = await authenticator.authenticate(token_of(url))
            assert authenticated is not None
            assert authenticated.principal.subject == subject
        with pytest.raises(UnauthorizedError) as caught:
            await authenticator.authenticate(token_of(plain.url, subject="corp:alice"))
        assert caught.value.reason == "the subject is somebody else's"
        await authenticator.aclose()
