"""Whatever is wrong with the policies stops the boot, and says where and what."""

from __future__ import annotations

import os
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest
from aegis_authz_cedar import EXAMPLE, CedarAuthorizer, CedarSettings

from aegis_kernel import BootError, read_section
from aegis_kernel.testing.doubles import ThreadExecutor

Opener = Callable[..., Awaitable[CedarAuthorizer]]

GOOD = "permit (principal, action, resource);\n"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("permit (principal, action, resource)", "policies.cedar:1: this is no Cedar policy: "),
        (GOOD + "\n// a word\n\nallow (principal);", "policies.cedar:5: this is no Cedar policy: "),
        (GOOD + ";", "policies.cedar:2: this is no Cedar policy: "),
        (
            GOOD + 'permit (principal, action == Action::"Sing", resource);',
            'policies.cedar:2: unrecognized action `Action::"Sing"`',
        ),
        (
            'permit (principal, action == Action::"Sign", resource)\nwhen { resource.ownr == "a" };',
            "policies.cedar:1: attribute `ownr` on entity type `Key` not found",
        ),
        (
            "permit (principal, action, resource is Key) "
            'when { resource.state == State::"Activ" };',
            '"Activ"` is not declared as a valid eid',
        ),
        (
            "permit (principal, action, resource is Key) when { context.sourceIp.isLoopback() };",
            "policies.cedar:1: unable to guarantee safety of access to optional attribute",
        ),
        (
            'permit (principal in Human::"alice", action, resource) when { resource.owner == "x" };',
            "attribute `owner` on entity type `Server` not found",
        ),
        (
            GOOD + "permit (principal == ?principal, action, resource);",
            "policies.cedar:2: a template with a ?slot allows nothing",
        ),
        (
            'permit (principal, action, resource) when { context.encryptionContext == EncryptionContext::"0" };',
            "look at its tags with hasTag and getTag",
        ),
        ('@id("a\\u{202e}b") ' + GOOD, "policies.cedar:1: its @id must be 1 to 128 printable"),
        (f'@id("{"x" * 129}") ' + GOOD, "policies.cedar:1: its @id must be 1 to 128 printable"),
        ("@id " + GOOD, "policies.cedar:1: its @id must be 1 to 128 printable"),
        ("", "there is no policy at "),
        ("// permit (principal, action, resource);\n", "there is no policy at "),
        ("x" * ((1 << 20) + 1), "are larger than 1 MiB"),
    ],
)
async def test_a_mistake_stops_the_boot_with_its_place(
    opened: Opener, text: str, said: str
) -> None:
    with pytest.raises(BootError) as caught:
        await opened(text)
    assert said in str(caught.value)


async def test_all_mistakes_are_told_at_once(opened: Opener) -> None:
    with pytest.raises(BootError) as caught:
        await opened('permit (principal, action == Action::"A", resource);\n' * 30)
    lines = str(caught.value).splitlines()
    assert len(lines) == 21
    assert lines[-1] == "and 40 more mistakes"  # Cedar says two things of each


async def test_a_semicolon_in_a_string_or_in_a_comment_ends_no_policy(opened: Opener) -> None:
    text = '@id("a;b\\";") // c;d "\npermit (principal, action, resource);\n\n\nforbid (oops);'
    with pytest.raises(BootError, match=r"policies\.cedar:5: this is no Cedar policy"):
        await opened(text)


async def test_a_file_that_is_not_there_stops_the_boot_and_names_the_example(
    tmp_path: Path,
) -> None:
    settings = CedarSettings(policy_file=tmp_path / "absent.cedar")
    with pytest.raises(BootError, match="cannot be read") as caught:
        await CedarAuthorizer(settings, ThreadExecutor()).open()
    assert str(EXAMPLE) in str(caught.value)


async def test_a_file_that_is_not_text_stops_the_boot(tmp_path: Path) -> None:
    (tmp_path / "p.cedar").write_bytes(b"permit \xff")
    with pytest.raises(BootError, match=r"p\.cedar is not UTF-8 text"):
        await CedarAuthorizer(CedarSettings(policy_file=tmp_path), ThreadExecutor()).open()


async def test_what_is_no_file_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "p.cedar")
    with pytest.raises(BootError, match="cannot be read"):
        await CedarAuthorizer(CedarSettings(policy_file=tmp_path), ThreadExecutor()).open()


async def test_no_file_named_stops_the_boot_with_the_variable() -> None:
    with pytest.raises(BootError, match="AEGIS_AUTHZ_CEDAR_POLICY_FILE must be set"):
        await CedarAuthorizer(CedarSettings(), ThreadExecutor()).open()


async def test_an_empty_folder_stops_the_boot(tmp_path: Path) -> None:
    with pytest.raises(BootError, match="there is no policy at"):
        await CedarAuthorizer(CedarSettings(policy_file=tmp_path), ThreadExecutor()).open()


async def test_a_folder_is_one_set_and_a_mistake_names_its_file(tmp_path: Path) -> None:
    (tmp_path / "a.cedar").write_text(GOOD)
    (tmp_path / "b.cedar").write_text("\nforbid (principal);")
    (tmp_path / "c.txt").write_text("not looked at")
    with pytest.raises(BootError, match=r"^b\.cedar:2: "):
        await CedarAuthorizer(CedarSettings(policy_file=tmp_path), ThreadExecutor()).open()


def test_settings_are_read_from_the_environment() -> None:
    section = read_section(CedarSettings, {"AEGIS_AUTHZ_CEDAR_POLICY_FILE": "/etc/p.cedar"})
    assert section.policy_file == Path("/etc/p.cedar")
    assert section.cache_decisions == 20_000
    with pytest.raises(BootError, match="CACHE_DECISIONS must be 1 to 1000000"):
        read_section(CedarSettings, {"AEGIS_AUTHZ_CEDAR_CACHE_DECISIONS": "0"})
