"""The fold: what each event leaves of a key, and that bytes bring it back unchanged."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import msgspec
import pytest

from aegis_kernel.domain import events
from aegis_kernel.domain.key import Key, KeyId
from aegis_kernel.domain.lifecycle import KeyState
from aegis_kernel.domain.spec import Algorithm, KeySpec

NOW = datetime(2026, 5, 9, 1, 23, 45, tzinfo=UTC)
ID = KeyId("8a3f1e25-6b0a-4f5d-8e92-1c4f6a83b2d9")
CREATED = events.KeyCreated(
    at=NOW,
    id=ID,
    spec=KeySpec(name="demo", algorithm=Algorithm.AES, size_bits=256),
    owner="alice",
    root_of_trust="inmemory",
    tags={"team": "pay"},
)


def after(*happened: events.Event) -> Key:
    key = events.replay((CREATED, *happened))
    assert key is not None
    return key


def test_a_new_key_is_pre_active_with_one_version() -> None:
    key = after()
    assert (key.state, key.current_version, key.created_at) == (KeyState.PRE_ACTIVE, 1, NOW)
    assert key.versions[0].state is KeyState.PRE_ACTIVE


def test_rotation_deactivates_the_version_and_not_the_key() -> None:
    key = after(
        events.KeyActivated(at=NOW), events.KeyRotated(at=NOW, version=2, root_of_trust="aws")
    )
    assert key.state is KeyState.ACTIVE
    assert [v.state for v in key.versions] == [KeyState.DEACTIVATED, KeyState.ACTIVE]
    assert [v.root_of_trust for v in key.versions] == ["inmemory", "aws"]


def test_an_import_takes_the_place_of_the_current_version() -> None:
    imported = events.KeyImported(at=NOW, version=2, root_of_trust="aws")
    active = after(events.KeyActivated(at=NOW), imported)
    assert [v.state for v in active.versions] == [KeyState.DEACTIVATED, KeyState.ACTIVE]
    assert [v.imported for v in active.versions] == [False, True]
    assert active.versions[1].root_of_trust == "aws"


def test_an_import_before_activation_leaves_the_first_version_unused_for_ever() -> None:
    imported = events.KeyImported(at=NOW, version=2, root_of_trust="inmemory")
    key = after(imported)
    assert (key.state, key.current_version) == (KeyState.PRE_ACTIVE, 2)
    key = after(imported, events.KeyActivated(at=NOW), events.KeyDeactivated(at=NOW))
    assert [v.state for v in key.versions] == [KeyState.PRE_ACTIVE, KeyState.DEACTIVATED]
    assert not key.versions[0].is_processable


def test_scheduling_deactivates_an_active_key_and_no_other() -> None:
    scheduled = events.DestructionScheduled(at=NOW, destroy_at=NOW + timedelta(days=30))
    assert after(scheduled).state is KeyState.PRE_ACTIVE
    active = after(events.KeyActivated(at=NOW), scheduled)
    assert (active.state, active.deactivated_at) == (KeyState.DEACTIVATED, NOW)
    compromised = after(events.KeyCompromised(at=NOW, reason="leak"), scheduled)
    assert compromised.state is KeyState.COMPROMISED


def test_cancelling_changes_no_state() -> None:
    key = after(
        events.KeyCompromised(at=NOW, reason="leak"),
        events.DestructionScheduled(at=NOW, destroy_at=NOW),
        events.DestructionCancelled(at=NOW),
    )
    assert (key.state, key.destroy_at) == (KeyState.COMPROMISED, None)


def test_destruction_leaves_a_record_with_no_usable_version() -> None:
    key = after(events.DestructionScheduled(at=NOW, destroy_at=NOW), events.KeyDestroyed(at=NOW))
    assert (key.state, key.destroyed_at, key.destroy_at) == (KeyState.DESTROYED, NOW, None)
    assert not any(version.is_processable for version in key.versions)


def test_a_stream_begins_with_creation() -> None:
    with pytest.raises(ValueError, match="KeyCreated"):
        events.replay([events.KeyActivated(at=NOW)])


def test_every_event_and_the_key_survive_their_bytes() -> None:
    happened: tuple[events.Event, ...] = (
        CREATED,
        events.KeyActivated(at=NOW, reason="go"),
        events.KeyDisabled(at=NOW),
        events.KeyEnabled(at=NOW),
        events.KeyRotated(at=NOW, version=2, root_of_trust="inmemory"),
        events.KeyImported(at=NOW, version=3, root_of_trust="inmemory"),
        events.KeyDeactivated(at=NOW),
        events.KeyCompromised(at=NOW, reason="leak"),
        events.DestructionScheduled(at=NOW, destroy_at=NOW),
        events.DestructionCancelled(at=NOW),
        events.DestructionScheduled(at=NOW, destroy_at=NOW),
        events.KeyDestroyed(at=NOW),
    )
    decoded = [msgspec.json.decode(msgspec.json.encode(e), type=events.Event) for e in happened]
    assert tuple(decoded) == happened
    key = events.replay(happened)
    assert msgspec.json.decode(msgspec.json.encode(key), type=Key) == key


def test_an_unknown_event_type_is_refused_and_not_skipped() -> None:
    with pytest.raises(msgspec.ValidationError):
        msgspec.json.decode(
            b'{"type":"KeyTeleported","at":"2026-05-09T00:00:00Z"}', type=events.Event
        )
