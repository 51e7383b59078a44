from __future__ import annotations

import base64
import os
import random
import re
from pathlib import Path

import pytest
from aegis_auth_hmac import HmacSettings, JwtIssuer
from hypothesis import given, settings
from hypothesis import strategies as st

from aegis_kernel import Secret, SettingsError, read_section, variables_of

STRONG = base64.b64encode(os.urandom(48)).decode()

WEAK = {
    "31 bytes": "0123456789abcdefghijklmnopqrstu",
    "one byte": "x",
    "equal bytes": "a" * 64,
    "few different bytes": "abcabdabeabfabgabcabdabeabfabgaa",
    "a word again and again": "password1" * 4,
    "a word again and again, cut off": "password1" * 4 + "pass",
    "half of it twice": "0123456789abcdef" * 2,
    "a PEM key": "-----BEGIN PUBLIC KEY-----\nMFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAE\n-----END PUBLIC KEY-----",
    "an SSH key": "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJ9xQ2vT8kLmN4pR7sW1yZ3bD5fG6hJ0",
    "a JWK": '{"kty":"oct","k":"AyM1SysPpbyDfgZld3umj1qzKObwVMkoqQ-EstJQLr_T"}',
}


@pytest.mark.parametrize("secret", WEAK.values(), ids=WEAK)
def test_a_weak_secret_stops_the_boot_and_is_not_repeated(secret: str) -> None:
    with pytest.raises(SettingsError, match=r"AEGIS_AUTH_HMAC_SECRET.*openssl rand") as caught:
        read_section(HmacSettings, {"AEGIS_AUTH_HMAC_SECRET": secret})
    assert len(secret) < 8 or secret[:8] not in str(caught.value)


@pytest.mark.parametrize("secret", WEAK.values(), ids=WEAK)
def test_a_weak_secret_issues_nothing_either(secret: str) -> None:
    with pytest.raises(ValueError, match="the secret"):
        JwtIssuer.hmac(secret)


def test_no_secret_stops_the_boot() -> None:
    with pytest.raises(SettingsError, match="AEGIS_AUTH_HMAC_SECRET must be set"):
        read_section(HmacSettings, {})


@settings(max_examples=300, deadline=None)
@given(st.integers(0, 2**32), st.sampled_from(["hex", "base64", "raw"]))
def test_a_random_secret_is_strong_in_every_spelling(seed: int, spelling: str) -> None:
    raw = random.Random(seed).randbytes(32)
    spelled = {"hex": raw.hex().encode(), "base64": base64.b64encode(raw), "raw": raw}[spelling]
    assert HmacSettings(secret=Secret(spelled)).secret.reveal() == spelled


@pytest.mark.parametrize("secret", [*WEAK.values(), STRONG], ids=[*WEAK, "the same again"])
def test_a_previous_secret_obeys_the_same_rules_and_is_another(secret: str) -> None:
    environment = {
        "AEGIS_AUTH_HMAC_SECRET": STRONG,
        "AEGIS_AUTH_HMAC_SECRET_PREVIOUS": secret,
    }
    with pytest.raises(SettingsError, match="AEGIS_AUTH_HMAC_SECRET_PREVIOUS") as caught:
        read_section(HmacSettings, environment)
    assert len(secret) < 8 or secret[:8] not in str(caught.value)


def test_the_defaults_are_a_day_and_half_a_minute() -> None:
    section = read_section(HmacSettings, {"AEGIS_AUTH_HMAC_SECRET": STRONG})
    assert (section.max_ttl_seconds, section.leeway_seconds) == (86_400, 30)
    assert STRONG not in repr(section)


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("AEGIS_AUTH_HMAC_MAX_TTL_SECONDS", "0"),
        ("AEGIS_AUTH_HMAC_MAX_TTL_SECONDS", "31536001"),
        ("AEGIS_AUTH_HMAC_LEEWAY_SECONDS", "-1"),
        ("AEGIS_AUTH_HMAC_LEEWAY_SECONDS", "61"),
        ("AEGIS_AUTH_HMAC_LEEWAY_SECONDS", "nan"),
    ],
)
def test_a_limit_out_of_bounds_stops_the_boot(variable: str, value: str) -> None:
    with pytest.raises(SettingsError, match=variable):
        read_section(HmacSettings, {"AEGIS_AUTH_HMAC_SECRET": STRONG, variable: value})


def test_the_readme_has_a_row_for_each_variable() -> None:
    readme = (Path(__file__).parents[1] / "README.md").read_text()
    rows = re.findall(r"^\| `(AEGIS_\w+)` \|", readme, re.MULTILINE)
    assert rows == list(variables_of(HmacSettings).values())
