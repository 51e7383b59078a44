from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
from aegis_auth_oidc import OidcAuthenticator, OidcSettings
from aegis_auth_oidc.rules import IssuerRules, settled

from aegis_kernel import BootError, SettingsError, read_section, variables_of
from aegis_kernel.testing.doubles import ManualClock, ThreadExecutor

P = "AEGIS_AUTH_OIDC_"
ONE = {f"{P}ISSUER": "https://idp.example.com", f"{P}AUDIENCE": "aegis"}
CORP = {"name": "corp", "issuer": "https://corp.example.com", "audience": ["aegis"]}
CI = {"name": "ci", "issuer": "https://ci.example.com", "audience": ["ci"]}


def test_one_issuer_lives_in_variables() -> None:
    section = read_section(OidcSettings, ONE | {f"{P}GROUPS_MAP": "kms=admins, CN=x=y=ops"})
    (rules,) = section.issuers()
    assert (rules.audience, rules.subject_prefix, rules.groups_prefix) == (("aegis",), "", "")
    assert rules.algorithms == ("RS256", "ES256", "EdDSA")
    assert rules.groups_map == {"kms": "admins", "CN=x=y": "ops"}


@pytest.mark.parametrize(
    ("variables", "text"),
    [
        ({}, "AEGIS_AUTH_OIDC_ISSUER must be set, or AEGIS_AUTH_OIDC_ISSUERS_FILE"),
        ({f"{P}ISSUER": "https://idp.example.com"}, "AUDIENCE must name whom"),
        (ONE | {f"{P}ISSUER": "http://idp.example.com"}, "ISSUER must be an https address"),
        (ONE | {f"{P}ISSUER": "https://idp.example.com/?a=b"}, "ISSUER must be an https address"),
        (ONE | {f"{P}ISSUER": "https://a:b@idp.example.com"}, "ISSUER must be an https address"),
        (ONE | {f"{P}ISSUER": "https://me@idp.example.com"}, "ISSUER must be an https address"),
        (ONE | {f"{P}ISSUER": "https://idp.example.com#x"}, "ISSUER must be an https address"),
        (ONE | {f"{P}ISSUER": "file:///etc/passwd"}, "ISSUER must be an https address"),
        (ONE | {f"{P}ISSUER": "idp.example.com"}, "ISSUER must be an https address"),
        (ONE | {f"{P}ISSUER": "https://"}, "ISSUER must be an https address"),
        (ONE | {f"{P}ALGORITHMS": "HS256"}, "ALGORITHMS must be some of RS256, ES256, EdDSA"),
        (ONE | {f"{P}ALGORITHMS": "RS256,none"}, "ALGORITHMS must be some of"),
        (ONE | {f"{P}LEEWAY_SECONDS": "61"}, "LEEWAY_SECONDS must be 0 to 60"),
        (ONE | {f"{P}MAX_TTL_SECONDS": "0"}, "MAX_TTL_SECONDS must be 1 to"),
        (ONE | {f"{P}GROUPS_MAP": "kms"}, "GROUPS_MAP must be pairs external=internal"),
        (ONE | {f"{P}GROUPS_MAP": "a=b,a=c"}, "GROUPS_MAP must be pairs external=internal"),
        (ONE | {f"{P}GROUPS_MAP": "a=b c"}, "GROUPS_MAP must lead to groups of 1 to 256"),
        (ONE | {f"{P}SERVICE_VALUE": "app"}, "SERVICE_VALUE needs service_claim"),
        (ONE | {f"{P}SUBJECT_PREFIX": "a b"}, "SUBJECT_PREFIX must be visible ASCII"),
        (ONE | {f"{P}REFRESH_SECONDS": "0.5"}, "REFRESH_SECONDS must be 1 to 3600"),
        (ONE | {f"{P}STALE_SECONDS": "10"}, "STALE_SECONDS must be at least"),
        (ONE | {f"{P}STALE_SECONDS": "nan"}, "STALE_SECONDS must be at least"),
        (ONE | {f"{P}ISSUERS_FILE": "x.json"}, "ISSUER belongs into AEGIS_AUTH_OIDC_ISSUERS_FILE"),
    ],
)
def test_a_wrong_setting_stops_the_boot(variables: dict[str, str], text: str) -> None:
    with pytest.raises(SettingsError, match=text):
        read_section(OidcSettings, variables)


def test_every_mistake_is_said_at_once() -> None:
    wrong = {f"{P}ISSUER": "idp", f"{P}LEEWAY_SECONDS": "99", f"{P}REFRESH_SECONDS": "0"}
    with pytest.raises(SettingsError) as caught:
        read_section(OidcSettings, wrong)
    assert len(str(caught.value).splitlines()) == 4


@pytest.mark.parametrize(
    "issuer", ["http://localhost:8080", "http://127.0.0.1", "http://[::1]:80/a"]
)
def test_http_is_for_loopback_or_for_who_asks_for_it(issuer: str) -> None:
    assert read_section(OidcSettings, ONE | {f"{P}ISSUER": issuer}).issuer == issuer
    far = ONE | {f"{P}ISSUER": "http://idp.example.com", f"{P}ALLOW_HTTP": "true"}
    assert read_section(OidcSettings, far).allow_http


def test_several_issuers_have_prefixes_of_their_own_unless_told_otherwise() -> None:
    first, second = (IssuerRules(**each) for each in (CORP, CI | {"subject_prefix": ""}))
    corp, ci = settled([first, second])
    assert (corp.subject_prefix, corp.groups_prefix) == ("corp:", "corp:")
    assert (ci.subject_prefix, ci.groups_prefix) == ("", "ci:")


FILES: dict[str, tuple[Any, str]] = {
    "no JSON": ("issuers:", "is not as it must be"),
    "a list": ([CORP], "is not as it must be"),
    "an unknown field": ({"issuers": [CORP | {"audiance": []}]}, "unknown field `audiance`"),
    "a wrong type": ({"issuers": [CORP | {"audience": "aegis"}]}, "Expected `array`"),
    "no audience": ({"issuers": [{"name": "a", "issuer": "https://x"}]}, "field `audience`"),
    "an empty audience": ({"issuers": [CORP | {"audience": []}]}, "corp: audience must name"),
    "a field twice": ('{"issuers":[],"issuers":[]}', "duplicate member"),
    "no issuer": ({"issuers": []}, "there must be 1 to 16 issuers"),
    "17 issuers": ({"issuers": [CORP] * 17}, "there must be 1 to 16 issuers"),
    "one name twice": ({"issuers": [CORP, CI | {"name": "corp"}]}, "two issuers have the name"),
    "one issuer twice": (
        {"issuers": [CORP, CI | {"issuer": CORP["issuer"]}]},
        "two issuers have the issuer 'https://corp",
    ),
    "one prefix twice": (
        {"issuers": [CORP | {"subject_prefix": ""}, CI | {"subject_prefix": ""}]},
        "two issuers have the subject_prefix ''",
    ),
    "a bad name": ({"issuers": [CORP | {"name": "Corp:"}]}, "name must be 1 to 32 of a-z"),
    "http": ({"issuers": [CORP | {"issuer": "http://x.example.com"}]}, "issuer must be an https"),
    "too long": (" " * 300_000, "is longer than 262144 bytes"),
}


@pytest.mark.parametrize(("content", "text"), FILES.values(), ids=FILES)
async def test_a_wrong_file_stops_the_boot(tmp_path: Path, content: Any, text: str) -> None:
    file = tmp_path / "issuers.json"
    file.write_text(content if isinstance(content, str) else json.dumps(content))
    await refuses_to_open(file, text)


async def test_a_missing_file_stops_the_boot(tmp_path: Path) -> None:
    await refuses_to_open(tmp_path / "none.json", "ISSUERS_FILE cannot be read: No such file")


async def refuses_to_open(file: Path, text: str) -> None:
    settings = OidcSettings(issuers_file=file)
    authenticator = OidcAuthenticator(settings, ManualClock(), ThreadExecutor())
    with pytest.raises(BootError, match=f"AEGIS_AUTH_OIDC_ISSUERS_FILE.*{re.escape(text)}|{text}"):
        await authenticator.open()
    await authenticator.aclose()


def test_the_readmes_file_is_one_that_would_be_read(tmp_path: Path) -> None:
    readme = (Path(__file__).parents[1] / "README.md").read_text()
    example = re.findall(r"```json\n(.*?)```", readme, re.DOTALL)[0]
    file = tmp_path / "issuers.json"
    file.write_text(example)
    assert [rules.name for rules in OidcSettings(issuers_file=file).issuers()] == ["corp", "ci"]


def test_the_readme_has_a_row_for_each_variable_in_their_order() -> None:
    readme = (Path(__file__).parents[1] / "README.md").read_text()
    rows = re.findall(r"^\| `(AEGIS_\w+)` \|", readme, re.MULTILINE)
    assert rows == list(variables_of(OidcSettings).values())
