"""The master key file: made once, whole, for its owner alone; refused when anything is odd."""

from __future__ import annotations

import logging
import os
import stat
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Barrier

import pytest
from aegis_rot_inmemory import InMemoryRootOfTrust, InMemorySettings, master_file
from aegis_rot_inmemory.master import decode, encode, new_master_key
from aegis_rot_inmemory.master_file import load_or_make

from aegis_kernel import BootError, RootOfTrust, Secret
from aegis_kernel.testing.doubles import plugin_context


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "master.key"


def write(path: Path, text: bytes, mode: int = 0o600) -> None:
    path.write_bytes(text)
    path.chmod(mode)


def refusal(path: Path) -> str:
    with pytest.raises(BootError) as caught:
        load_or_make(path)
    return str(caught.value)


def root_in(data_dir: Path, file: Path | None = None) -> RootOfTrust:
    settings = InMemorySettings(master_key_file=file)
    return InMemoryRootOfTrust(plugin_context(settings, data_dir))


def test_the_first_boot_makes_a_file_that_only_its_owner_can_read(path: Path) -> None:
    before = os.umask(0)
    try:
        (master,) = load_or_make(path)
    finally:
        os.umask(before)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert path.read_bytes() == encode(master)
    assert path.stat().st_nlink == 1
    assert list(path.parent.iterdir()) == [path]


def test_later_boots_read_the_same_key_and_leave_the_file_alone(path: Path) -> None:
    (master,) = load_or_make(path)
    before = path.stat()
    assert load_or_make(path) == (master,)
    assert path.stat() == before


def test_making_it_is_said_loudly_and_without_the_key(
    path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    load_or_make(path)
    (record,) = caplog.records
    assert record.levelno == logging.WARNING
    assert str(path) in record.getMessage()
    assert path.read_text().strip() not in caplog.text


def test_servers_that_boot_at_once_agree_on_one_key(tmp_path: Path) -> None:
    def boot(path: Path, together: Barrier) -> Secret:
        together.wait()
        (master,) = load_or_make(path)
        return master

    with ThreadPoolExecutor(8) as pool:
        for attempt in range(20):
            path, together = tmp_path / str(attempt) / "master.key", Barrier(8)
            path.parent.mkdir()
            masters = list(pool.map(boot, [path] * 8, [together] * 8))
            assert len({master.reveal() for master in masters}) == 1
            assert list(path.parent.iterdir()) == [path]


def test_a_crash_while_making_it_leaves_no_half_key(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full_disk(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(master_file.os, "fsync", full_disk)
    assert "No space left on device" in refusal(path)
    assert not list(path.parent.iterdir())


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o660, 0o644, 0o610, 0o601, 0o777])
def test_a_file_that_is_open_to_others_is_refused_with_the_remedy(path: Path, mode: int) -> None:
    write(path, encode(new_master_key()), mode)
    assert f"mode {mode:04o}): chmod 600 {path}" in refusal(path)


def test_a_file_that_somebody_else_owns_is_refused(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(path, encode(new_master_key()))
    me = os.geteuid()
    if me == 0:
        os.chown(path, 12345, -1)
    else:  # only root can give a file away; let the reader be another instead
        monkeypatch.setattr(master_file.os, "geteuid", lambda: me + 1)
    assert f"belongs to another user (uid {path.stat().st_uid})" in refusal(path)


@pytest.mark.parametrize("mode", [0o600, 0o400])
def test_a_file_for_its_owner_alone_is_read(path: Path, mode: int) -> None:
    master = new_master_key()
    write(path, encode(master), mode)
    assert load_or_make(path) == (master,)


@pytest.mark.parametrize("exists", [True, False])
def test_a_symbolic_link_is_refused_wherever_it_leads(path: Path, exists: bool) -> None:
    target = path.with_name("elsewhere")
    if exists:
        write(target, encode(new_master_key()))
    path.symlink_to(target)
    assert "is a symbolic link" in refusal(path)
    assert target.exists() == exists


def test_a_pipe_or_a_directory_is_refused_at_once(path: Path) -> None:
    os.mkfifo(path, 0o600)
    assert "no plain file" in refusal(path)
    path.unlink()
    path.mkdir(mode=0o700)
    assert "no plain file" in refusal(path) or "Is a directory" in refusal(path)


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b"\n",
        encode(Secret(bytes(32))),
        encode(new_master_key())[:20],
        b"x" * 1000,
        os.urandom(32),
    ],
    ids=["empty", "newline", "all zero", "torn", "too long", "raw bytes"],
)
def test_a_file_without_32_random_bytes_is_refused_and_never_replaced(
    path: Path, text: bytes
) -> None:
    write(path, text)
    assert "Put the right file back" in refusal(path)
    assert path.read_bytes() == text


def test_a_missing_directory_is_refused_with_a_way_to_make_the_file(path: Path) -> None:
    assert "openssl rand -base64 32" in refusal(path.parent / "not mounted" / "master.key")


async def test_a_data_directory_that_cannot_be_made_is_a_boot_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(BootError, match="needs a directory"):
        await root_in(tmp_path / "file" / "data").open()


async def test_the_file_stands_in_the_data_directory_unless_another_is_named(
    tmp_path: Path,
) -> None:
    data_dir, named = tmp_path / "new" / "data", tmp_path / "named.key"
    default = root_in(data_dir)
    assert not data_dir.exists()
    await default.open()
    assert decode(Secret((data_dir / "master.key").read_bytes()))
    assert stat.S_IMODE(data_dir.stat().st_mode) == 0o700
    other = root_in(data_dir, named)
    await other.open()
    assert named.exists()
    assert default.fingerprint != other.fingerprint
