"""Settings: read once, every mistake at once, nothing insecure by default."""

from __future__ import annotations

from pathlib import Path

import pytest

from aegis_kernel.domain.errors import BootError
from aegis_kernel.engine.settings import Settings
from tests.support.kernel import settings

SECRET = "0123456789abcdef0123456789abcdef-secret"


def refused(**environment: str) -> str:
    with pytest.raises(BootError) as error:
        Settings.from_env({"AEGIS_DATA_DIR": "/nowhere"} | environment)
    return str(error.value)


def test_the_defaults_serve_one_machine() -> None:
    found = Settings.from_env({"XDG_DATA_HOME": "/data"})
    assert (found.kernel.http_host, found.kernel.http_port) == ("127.0.0.1", 8080)
    assert found.data_dir == Path("/data/aegis-kms")
    assert found.dev_mode
    names = [chosen.loaded.installed.name for chosen in found.plugins]
    assert names == ["sqlite", "inmemory", "stdout", "dev", "basic", "prometheus", "otel"]


def test_every_mistake_is_told_at_once() -> None:
    text = refused(
        AEGIS_HTTP_PORT="eighty",
        AEGIS_AUTH_KIND="hmac",
        AEGIS_AUTH_HMAC_SECRET="short",
        AEGIS_ROT_KIND="absent",
        AEGIS_AUDIT_STDOUT_REQUIRED="perhaps",
    )
    for words in ("AEGIS_HTTP_PORT", "32 bytes", "'absent'", "AEGIS_AUDIT_STDOUT_REQUIRED"):
        assert words in text
    assert len(text.splitlines()) == 4
    assert "short" not in text.replace("too short", "")


@pytest.mark.parametrize(
    ("environment", "words"),
    [
        ({"AEGIS_HTTP_PORT": "70000"}, "0 to 65535"),
        ({"AEGIS_DESTROY_DAYS": "6"}, "7 to 365"),
        ({"AEGIS_DRAIN_SECONDS": "-1"}, "0 to 300"),
        ({"AEGIS_AUTH_KIND": "dev,hmac", "AEGIS_AUTH_HMAC_SECRET": SECRET}, "stands alone"),
        ({"AEGIS_AUTH_KIND": "hmac,hmac", "AEGIS_AUTH_HMAC_SECRET": SECRET}, "twice"),
        ({"AEGIS_AUTH_KIND": "hmac"}, "AEGIS_AUTH_HMAC_SECRET must be set"),
        ({"AEGIS_AUTH_KIND": "hmca"}, "no aegis.authenticator plugin named 'hmca'"),
        ({"AEGIS_HTTP_HOST": "0.0.0.0"}, "AEGIS_AUTH_DEV_ALLOW_REMOTE"),
        ({"AEGIS_HTTP_HOST": "::"}, "AEGIS_AUTH_DEV_ALLOW_REMOTE"),
        ({"AEGIS_JOURNAL_KIND": "postgress"}, "'postgress'"),
        ({"AEGIS_AUTH_DEV_ALLOW_REMOTE": "1"}, "true or false"),
    ],
)
def test_a_bad_setting_says_what_mends_it(environment: dict[str, str], words: str) -> None:
    text = refused(**environment)
    assert words in text
    assert len(text.splitlines()) == 1


@pytest.mark.parametrize("host", ["127.0.0.1", "127.8.8.8", "::1", "localhost"])
def test_dev_mode_serves_loopback(host: str, tmp_path: Path) -> None:
    assert settings(tmp_path, AEGIS_HTTP_HOST=host).dev_mode


def test_dev_mode_serves_others_only_when_told_to(tmp_path: Path) -> None:
    allowed = settings(tmp_path, AEGIS_HTTP_HOST="0.0.0.0", AEGIS_AUTH_DEV_ALLOW_REMOTE="true")
    assert allowed.dev_mode


def test_an_unknown_variable_is_named(tmp_path: Path) -> None:
    assert settings(tmp_path, AEGIS_JURNAL_KIND="x").unknown_variables == ("AEGIS_JURNAL_KIND",)


def test_settings_print_without_their_secrets(tmp_path: Path) -> None:
    found = settings(tmp_path, AEGIS_AUTH_KIND="hmac", AEGIS_AUTH_HMAC_SECRET=SECRET)
    assert SECRET not in repr(found)
    assert not found.dev_mode
