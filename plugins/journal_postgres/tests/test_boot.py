"""What boot refuses, who may migrate, and that many workers may start at once."""

from __future__ import annotations

import asyncio
import re
from pathlib import Path

import pytest
from aegis_journal_postgres import PostgresJournal, PostgresJournalSettings
from aegis_journal_postgres.address import Address
from aegis_journal_postgres.schema import VERSION

from aegis_kernel import BootError, Entry, Secret, SettingsError, read_section
from aegis_kernel.testing.doubles import ManualClock
from aegis_kernel.testing.journal_entries import change, put, record, use, verdicts
from tests.support.postgres import PostgresServer

README = Path(__file__).parent.parent / "README.md"


def _journal(url: str, password: Secret | None = None) -> PostgresJournal:
    return PostgresJournal(Address.of(Secret(url.encode()), password), ManualClock())


async def _refusal(url: str) -> str:
    journal = _journal(url)
    try:
        with pytest.raises(BootError) as refused:
            await journal.open()
    finally:
        await journal.aclose()
    return str(refused.value)


@pytest.mark.parametrize("value", ["off", "local"])
async def test_commits_that_do_not_wait_for_the_disk_are_refused(postgres, postgres_server, value):
    name = postgres.rsplit("/", 1)[1]
    postgres_server.execute(f"ALTER DATABASE {name} SET synchronous_commit = {value}")
    assert f"synchronous_commit is {value}" in await _refusal(postgres)


async def test_commits_that_wait_for_a_replica_stay_so(postgres, postgres_server):
    name = postgres.rsplit("/", 1)[1]
    postgres_server.execute(f"ALTER DATABASE {name} SET synchronous_commit = remote_apply")
    journal = _journal(postgres)
    await journal.open()
    rows = await journal._readers.rows("SHOW synchronous_commit")
    await journal.aclose()
    assert rows == [("remote_apply",)]


async def test_a_server_without_fsync_is_refused():
    server = PostgresServer.fresh({"fsync": "off"})
    try:
        assert "fsync" in await _refusal(server.url())
    finally:
        server.remove()


async def test_another_encoding_is_refused(postgres_server):
    postgres_server.execute("CREATE DATABASE latin ENCODING 'LATIN1' LOCALE 'C' TEMPLATE template0")
    try:
        assert "UTF8" in await _refusal(postgres_server.url("latin"))
    finally:
        postgres_server.drop_database("latin")


async def test_a_newer_schema_is_refused(build, postgres, postgres_server):
    journal = build()
    await journal.open()
    await journal.aclose()
    name = postgres.rsplit("/", 1)[1]
    postgres_server.execute("INSERT INTO aegis.schema_version VALUES (99)", name)
    assert "newer release" in await _refusal(postgres)


async def test_a_server_that_is_away_is_named_without_the_password():
    said = await _refusal("postgresql://aegis:hidden@127.0.0.1:1/aegis")
    assert "postgresql://127.0.0.1:1/aegis" in said
    assert "hidden" not in said


async def test_many_workers_start_together_on_an_empty_database(build, postgres_server, postgres):
    journals = [build() for _ in range(6)]
    await asyncio.gather(*(journal.open() for journal in journals))
    await asyncio.gather(*(journal.aclose() for journal in journals))
    name = postgres.rsplit("/", 1)[1]
    versions = postgres_server.execute("SELECT version FROM aegis.schema_version", name)
    assert versions == [(number,) for number in range(1, VERSION + 1)]
    (months,) = postgres_server.execute(
        "SELECT count(*) FROM pg_inherits WHERE inhparent = 'aegis.ledger'::regclass", name
    )
    assert months == (5,)


async def test_the_role_of_the_readme_is_enough_and_cannot_change_the_past(
    build, postgres, postgres_server
):
    owner = build()
    await owner.open()
    await owner.aclose()
    name = postgres.rsplit("/", 1)[1]
    role = f"runtime_{name}"
    (grants,) = re.findall(r"```sql\n(.*?)```", README.read_text(), re.DOTALL)
    postgres_server.execute(f"CREATE ROLE {role} LOGIN")
    for grant in grants.replace("aegis_runtime", role).split(";\n"):
        if grant.strip():
            postgres_server.execute(grant, name)
    journal = _journal(postgres.replace("//aegis@", f"//{role}@"))
    try:
        await journal.open()
        entry = change("key/a", 0, records=(record(),), material=(put("a", 1),))
        assert verdicts(await journal.commit([entry, use(record(), key_a=7)])) == [
            "committed",
            "key/a",
        ]
        assert verdicts(await journal.commit([change("key/a", 1), Entry(expects={})])) == [
            "committed",
            "committed",
        ]
        lease = await journal.lease("delivery")
        assert lease is not None
        assert await journal.advance("sink", 1, lease)
        assert [found.position for found in await journal.ledger(0, 9)] == [1]
    finally:
        await journal.aclose()
    rights = "has_table_privilege('{}', 'aegis.{}', 'UPDATE, DELETE, TRUNCATE')"
    for table in ("ledger", "events"):
        assert postgres_server.execute(f"SELECT {rights.format(role, table)}", name) == [(False,)]
    postgres_server.execute(f"DROP OWNED BY {role}", name)
    postgres_server.execute(f"DROP ROLE {role}")


def test_the_password_of_its_own_variable_is_taken_as_it_is(monkeypatch):
    monkeypatch.delenv("PGPASSWORD", raising=False)
    secret = Secret(b"a/b+c=@:%")
    url = Secret(b"postgresql://aegis@db.example.org/aegis")
    address = Address.of(url, secret)
    assert address.parameters()["password"] == "a/b+c=@:%"
    assert "a/b" not in repr(address) + address.description
    assert not address.is_local
    with_one = Address.of(Secret(b"postgresql://aegis:mine@h/aegis"), secret)
    assert with_one.parameters()["password"] == "mine"


def test_several_hosts_are_asked_for_the_one_that_takes_writes():
    url = Secret(b"postgresql://aegis@one:5433,two:5434/aegis")
    address = Address.of(url, None)
    assert address.description == "postgresql://one:5433,two:5434/aegis"
    assert address.parameters()["target_session_attrs"] == "read-write"


@pytest.mark.parametrize(
    "url",
    ["postgresql://aegis:hid/den@@h", "nonsense", "postgresql://h?target_session_attrs=standby"],
)
def test_a_url_that_cannot_serve_is_a_mistake_that_does_not_quote_it(url):
    with pytest.raises(SettingsError) as mistake:
        read_section(PostgresJournalSettings, {"AEGIS_JOURNAL_POSTGRES_URL": url})
    assert "AEGIS_JOURNAL_POSTGRES_URL" in str(mistake.value)
    assert "den" not in str(mistake.value)
