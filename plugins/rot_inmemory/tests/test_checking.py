"""What is no sound key of its kind is refused, in a process of its own that can be stopped."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from aegis_rot_inmemory import checker, checking
from aegis_rot_inmemory.checker import Checker, kind_of
from aegis_rot_inmemory.checking import UnsoundError, canonical_private, canonical_public
from cryptography.hazmat.primitives.asymmetric import ec, ed448, ed25519, mldsa, mlkem, rsa
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)

from aegis_kernel import Algorithm, BadRequestError, KeySpec, Secret, UnavailableError
from aegis_kernel.testing.keys import SPECS

RSA_2048 = KeySpec(name="demo", algorithm=Algorithm.RSA, size_bits=2048)
PAIRS: dict[str, Any] = {
    "RSA-2048": rsa.generate_private_key(65537, 2048),
    "P-256": ec.generate_private_key(ec.SECP256R1()),
    "P-384": ec.generate_private_key(ec.SECP384R1()),
    "P-521": ec.generate_private_key(ec.SECP521R1()),
    "secp256k1": ec.generate_private_key(ec.SECP256K1()),
    "Ed25519": ed25519.Ed25519PrivateKey.generate(),
    "Ed448": ed448.Ed448PrivateKey.generate(),
    "ML-DSA-44": mldsa.MLDSA44PrivateKey.generate(),
    "ML-DSA-65": mldsa.MLDSA65PrivateKey.generate(),
    "ML-DSA-87": mldsa.MLDSA87PrivateKey.generate(),
    "ML-KEM-768": mlkem.MLKEM768PrivateKey.generate(),
    "ML-KEM-1024": mlkem.MLKEM1024PrivateKey.generate(),
}


def pkcs8(key: Any) -> bytes:
    encoded: bytes = key.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())
    return encoded


def spki(key: Any) -> bytes:
    encoded: bytes = key.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    return encoded


def rsa_of(p: int, q: int, e: int = 65537, d: int | None = None) -> bytes:
    """Return the PKCS #8 of an RSA key of these numbers, whether they make sense or not."""
    d = pow(e, -1, (p - 1) * (q - 1)) if d is None else d
    numbers = rsa.RSAPrivateNumbers(
        p, q, d, d % (p - 1), d % (q - 1), pow(q, -1, p), rsa.RSAPublicNumbers(e, p * q)
    )
    return pkcs8(numbers.private_key(unsafe_skip_rsa_key_validation=True))


def primes() -> tuple[int, int]:
    numbers = PAIRS["RSA-2048"].private_numbers()
    return numbers.p, numbers.q


def test_every_spec_of_a_pair_but_the_hybrids_has_a_kind() -> None:
    pairs = {s.name for s in SPECS if s.algorithm not in (Algorithm.AES, Algorithm.HMAC)}
    assert {kind_of(s) for s in SPECS} & set(checking.KINDS) == set(checking.KINDS)
    assert pairs - set(checking.KINDS) == {"ML-KEM-768-X25519", "ML-KEM-1024-P384"}


@pytest.mark.parametrize("kind", PAIRS)
def test_a_sound_key_comes_back_and_is_of_no_other_kind(kind: str) -> None:
    key = PAIRS[kind]
    assert canonical_private(pkcs8(key), kind) == pkcs8(key)
    assert canonical_public(spki(key), kind) == spki(key)
    for other in set(checking.KINDS) - {kind}:
        with pytest.raises(UnsoundError):
            canonical_private(pkcs8(key), other)
        with pytest.raises(UnsoundError):
            canonical_public(spki(key), other)


@pytest.mark.parametrize("kind", PAIRS)
def test_what_is_cut_short_longer_encrypted_or_the_other_half_is_refused(kind: str) -> None:
    key, whole = PAIRS[kind], pkcs8(PAIRS[kind])
    locked = key.private_bytes(Encoding.DER, PrivateFormat.PKCS8, BestAvailableEncryption(b"x"))
    pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    for bad in (b"", whole[:-1], whole + b"\0", b"\0" * 64, locked, pem, spki(key)):
        with pytest.raises(UnsoundError, match=r"^it is "):
            canonical_private(bad, kind)
    for bad in (b"", spki(key)[:-1], spki(key) + b"\0", whole):
        with pytest.raises(UnsoundError, match=r"^it is "):
            canonical_public(bad, kind)


def test_rsa_primes_that_are_none_or_do_not_fit_are_refused() -> None:
    p, q = primes()
    assert canonical_private(rsa_of(p, q), "RSA-2048")
    composite = p + 2
    while composite % 3 or composite % 65537 in (0, 1):
        composite += 2
    near = rsa.generate_private_key(65537, 2048).private_numbers().p
    for bad in (rsa_of(composite, q), rsa_of(p, composite), rsa_of(p, q, d=near | 1)):
        with pytest.raises(UnsoundError):
            canonical_private(bad, "RSA-2048")


def test_rsa_keys_that_the_library_takes_and_fips_does_not_are_refused() -> None:
    short, long = (rsa.generate_private_key(65537, bits).private_numbers() for bits in (1536, 2560))
    with pytest.raises(UnsoundError, match="half as long"):
        canonical_private(rsa_of(long.p, short.p), "RSA-2048")
    p, q = primes()
    with pytest.raises(UnsoundError, match="too close"):
        checking._require_sound_rsa(_numbers(p, p + 2), 2048)
    with pytest.raises(UnsoundError, match="too small"):
        checking._require_sound_rsa(_numbers(p, q, d=2**1000 + 1), 2048)


def _numbers(p: int, q: int, d: int = 2**2000) -> rsa.RSAPrivateNumbers:
    return rsa.RSAPrivateNumbers(p, q, d, 1, 1, 1, rsa.RSAPublicNumbers(65537, p * q))


@pytest.mark.parametrize("e", [3, 5, 17, 257, 65535])
def test_a_weak_exponent_is_refused(e: int) -> None:
    p, q = primes()
    while (p - 1) % e == 0 or (q - 1) % e == 0 or _shares(e, p, q):
        numbers = rsa.generate_private_key(65537, 2048).private_numbers()
        p, q = numbers.p, numbers.q
    with pytest.raises(UnsoundError, match="exponent"):
        canonical_private(rsa_of(p, q, e), "RSA-2048")
    weak = rsa.RSAPublicNumbers(e, p * q).public_key()
    with pytest.raises(UnsoundError, match="exponent"):
        canonical_public(
            weak.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo), "RSA-2048"
        )


def _shares(e: int, p: int, q: int) -> bool:
    try:
        pow(e, -1, (p - 1) * (q - 1))
    except ValueError:
        return True
    return False


def test_an_ec_scalar_or_public_key_that_does_not_fit_is_refused() -> None:
    key, other = PAIRS["P-256"], ec.generate_private_key(ec.SECP256R1())
    scalar = key.private_numbers().private_value.to_bytes(32, "big")
    for bad in (bytes(32), b"\xff" * 32):
        with pytest.raises(UnsoundError):
            canonical_private(pkcs8(key).replace(scalar, bad), "P-256")
    points = [
        each.public_key().public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)
        for each in (key, other)
    ]
    with pytest.raises(UnsoundError):
        canonical_private(pkcs8(key).replace(*points), "P-256")
    with pytest.raises(UnsoundError):
        canonical_public(spki(key)[:-1] + bytes([spki(key)[-1] ^ 1]), "P-256")


async def test_the_checker_asks_the_program_and_repeats_what_it_says() -> None:
    asked, key = Checker(), PAIRS["RSA-2048"]
    assert await asked.private(Secret(pkcs8(key)), RSA_2048) == pkcs8(key)
    assert await asked.public(spki(key), RSA_2048) == spki(key)
    with pytest.raises(BadRequestError, match=r"^This is no private key of RSA-2048: it is a "):
        await asked.private(Secret(pkcs8(PAIRS["P-256"])), RSA_2048)
    with pytest.raises(BadRequestError, match="more than 8192 bytes"):
        await asked.private(Secret(bytes(8193)), RSA_2048)


def test_the_program_takes_no_more_than_it_says() -> None:
    command = [sys.executable, "-I", str(checking.__file__), "private", "RSA-2048"]
    done = subprocess.run(command, input=bytes(10**6), capture_output=True, check=False, env={})
    assert (done.returncode, done.stderr) == (checking.NOT_SOUND, b"")


# Stands in for the program and sleeps: there is no RSA key that takes as long everywhere.
SLEEPER = """
import os, pathlib, sys, time
pathlib.Path(f"{sys.argv[0]}.{os.getpid()}").write_text(f"{sys.argv}{dict(os.environ)}")
time.sleep(60)
"""


@pytest.fixture
def sleeper(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    program = tmp_path / "sleeper.py"
    program.write_text(SLEEPER)
    monkeypatch.setattr(checker.checking, "__file__", str(program))
    return program


async def test_a_check_that_takes_too_long_is_killed(sleeper: Path) -> None:
    began = time.monotonic()
    with pytest.raises(UnavailableError, match="too long"):
        await Checker(most_seconds=1).private(Secret(b"the secret key"), RSA_2048)
    assert time.monotonic() - began < 10
    (started,) = sleeper.parent.glob("sleeper.py.*")
    seen = started.read_text()
    assert "secret" not in seen
    assert "AEGIS" not in seen
    assert "PATH" not in seen


async def test_one_is_checked_at_a_time_and_only_so_many_wait(sleeper: Path) -> None:
    asked = Checker()
    waiting = [
        asyncio.create_task(asked.private(Secret(b"key"), RSA_2048))
        for _ in range(checker.MOST_WAITING)
    ]
    while not (started := list(sleeper.parent.glob("sleeper.py.*"))):
        await asyncio.sleep(0.01)
    await asyncio.sleep(0.3)
    assert len(started) == len(list(sleeper.parent.glob("sleeper.py.*"))) == 1
    with pytest.raises(UnavailableError, match="Too many"):
        await asked.private(Secret(b"key"), RSA_2048)
    for task in waiting:
        task.cancel()
    outcomes = await asyncio.gather(*waiting, return_exceptions=True)
    assert all(isinstance(outcome, asyncio.CancelledError) for outcome in outcomes)
    assert asked._room == checker.MOST_WAITING


async def test_the_loop_runs_on_while_a_key_is_checked() -> None:
    asked, ticks = Checker(), 0
    check = asyncio.create_task(asked.private(Secret(pkcs8(PAIRS["RSA-2048"])), RSA_2048))
    while not check.done():
        await asyncio.sleep(0.001)
        ticks += 1
    await check
    assert ticks > 10
