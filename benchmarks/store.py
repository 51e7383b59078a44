"""A store of many keys, made through the journal's port: `python -m benchmarks.store --keys 1000000 DIR`.

Real streams with snapshots and attributes, material that opens, aliases and audit records; only the
requests were left out. The same number of keys makes the same mix of them.
"""

from __future__ import annotations

import argparse
import asyncio
import time
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from pathlib import Path
from typing import Any, TypeVar

from aegis_kernel import Binding, Committed, Entry, Journal, KeyId, KeySpec, PutMaterial
from aegis_kernel.domain import events
from aegis_kernel.domain.alias import Alias, AliasSet
from aegis_kernel.domain.key import key_stream
from aegis_kernel.domain.lifecycle import Operation
from aegis_kernel.domain.principal import Principal, PrincipalKind
from aegis_kernel.domain.rotation import RotationPolicy
from aegis_kernel.domain.spec import Algorithm, Curve
from aegis_kernel.engine.aliases import append_alias
from aegis_kernel.engine.clock import SystemClock
from aegis_kernel.engine.kernel import Kernel
from aegis_kernel.engine.operations.declaration import Caller, Effect
from aegis_kernel.engine.providers import ask_all
from aegis_kernel.engine.records import Scribe
from aegis_kernel.engine.settings import Settings
from aegis_kernel.engine.streams import View, append
from benchmarks.load import UNLIMITED

# Whoever may read few keys of many; they lie evenly between those of the services.
READER, READERS_KEYS = "reader", 10
SERVICES = 1000
RARE_NAME = "rare"
BATCH = 1000

Result = TypeVar("Result")


class InlineExecutor:
    """Runs at once: a hop to a thread costs more than making a symmetric key."""

    async def run(self, work: Callable[..., Result], *arguments: Any) -> Result:
        return work(*arguments)

    async def run_long(self, work: Callable[..., Result], *arguments: Any) -> Result:
        return work(*arguments)


def settings(folder: Path, url: str | None = None) -> Settings:
    """Return the settings under which such a store is made and measured: SQLite without a `url`."""
    return Settings.from_env(variables(folder, url))


def variables(folder: Path, url: str | None = None) -> Mapping[str, str]:
    """Return the same as environment variables: production's parts, and no audit sink."""
    postgres = {"AEGIS_JOURNAL_KIND": "postgres", "AEGIS_JOURNAL_POSTGRES_URL": url or ""}
    return (postgres if url else {}) | {
        "AEGIS_DATA_DIR": str(folder),
        "AEGIS_AUDIT_SINKS": "none",
        "AEGIS_AUTH_KIND": "hmac",
        "AEGIS_AUTH_HMAC_SECRET": "a secret for measurements, and for nothing else at all",
        "AEGIS_TELEMETRY": "prometheus",
        **UNLIMITED,
    }


async def make_store(chosen: Settings, keys: int) -> float:
    """Fill the journal that the settings name with `keys` keys; return the seconds that it took."""
    began = time.monotonic()
    async with Kernel(chosen):
        """The first boot makes the master key known to the journal."""
    clock = SystemClock()
    providers = ask_all(chosen, clock, InlineExecutor())
    name, root = next(iter(providers.roots.items()))
    await providers.journal.open()
    await root.open()
    scribe = Scribe(clock)
    # The next batch is made while one is written.
    writing = asyncio.create_task(_commit(providers.journal, []))
    try:
        for start in range(0, keys, BATCH):
            part = range(start, min(start + BATCH, keys))
            entries: list[Entry] = []
            for number in part:
                key_id = key_id_of(number)
                spec = _spec(number)
                material = await root.create(spec, Binding(key_id, 1, spec))
                put = PutMaterial(key_id, 1, material)
                entries += _entries(number, keys, put, name, scribe)
            await writing
            writing = asyncio.create_task(_commit(providers.journal, entries))
            await asyncio.sleep(0)
        await writing
    finally:
        await root.aclose()
        await providers.journal.aclose()
    return time.monotonic() - began


def key_id_of(number: int) -> KeyId:
    """Return the id of that key, the same in every store.

    They ascend, so that a big store is made in minutes: random ones go to another page each.
    """
    place = f"{number << 20:012x}"
    noise = sha256(number.to_bytes(8, "big")).hexdigest()
    return KeyId(f"{place[:8]}-{place[8:]}-4{noise[:3]}-a{noise[3:6]}-{noise[6:18]}")


def is_active_aes(number: int) -> bool:
    """Return whether that key encrypts."""
    return number % 10 < 8 and number % 20 != 0


def _spec(number: int) -> KeySpec:
    name = RARE_NAME if number % 10_000 == 7 else f"key of line {number % 5000}"
    if number % 10 == 8:
        return KeySpec(name=name, algorithm=Algorithm.HMAC, size_bits=256)
    if number % 10 == 9:
        return KeySpec(name=name, algorithm=Algorithm.EC, curve=Curve.P256)
    return KeySpec(name=name, algorithm=Algorithm.AES, size_bits=256)


def _owner(number: int, keys: int) -> str:
    apart = max(keys // READERS_KEYS, 1)
    return READER if number % apart == apart // 2 else f"service-{number % SERVICES}"


def _events(number: int, keys: int, root: str) -> Iterator[events.Event]:
    at = datetime.now(UTC).replace(microsecond=0)
    yield events.KeyCreated(
        at=at,
        id=key_id_of(number),
        spec=_spec(number),
        owner=_owner(number, keys),
        root_of_trust=root,
        tags={"env": "prod" if number % 2 else "test", "team": f"team-{number % 500}"},
        published=number % 10_000 == 9,
    )
    if number % 20 == 0:
        return
    yield events.KeyActivated(at=at)
    if number % 100 == 19:
        yield events.DestructionScheduled(at=at, destroy_at=at + timedelta(days=30))
    elif number % 100 == 29:
        yield events.KeyCompromised(at=at, reason="for the mix")
    elif number % 10 == 3:
        yield events.KeyUpdated(at=at, rotation_policy=RotationPolicy(period_days=90))


def _entries(
    number: int, keys: int, put: PutMaterial, root: str, scribe: Scribe
) -> Iterator[Entry]:
    key_id = put.key_id
    caller = Caller(Principal(subject=_owner(number, keys), kind=PrincipalKind.SERVICE))
    happened = tuple(_events(number, keys, root))
    appended, _ = append(View(key_stream(key_id), 0, None), happened)
    operations = (Operation.CREATE, Operation.ACTIVATE)[: len(happened)]
    yield Entry(
        expects={appended.stream: 0},
        appends=(appended,),
        material=(put,),
        records=tuple(
            scribe.effect(scribe.new_event_id(), operation, caller, key_id, Effect())
            for operation in operations
        ),
    )
    if number % 100 == 1:
        alias = Alias(f"line/{number}")
        named = append_alias(alias, AliasSet(at=datetime.now(UTC), key_id=key_id))
        yield Entry(expects={alias.stream: 0}, appends=(named,))


async def _commit(journal: Journal, entries: list[Entry]) -> None:
    verdicts = await journal.commit(entries)
    if not all(isinstance(verdict, Committed) for verdict in verdicts):
        raise SystemExit("the store is not empty: name another folder")


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--keys", type=int, default=1_000_000)
    options.add_argument("folder", type=Path)
    chosen = options.parse_args()
    seconds = asyncio.run(make_store(settings(chosen.folder), chosen.keys))
    print(f"{chosen.keys} keys in {seconds:.1f} s, {chosen.keys / seconds:.0f} keys/s")


if __name__ == "__main__":
    main()
