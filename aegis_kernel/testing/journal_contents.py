"""The laws of what is stored: streams, ledger and material, byte for byte."""

from __future__ import annotations

import pytest

from aegis_kernel.domain.errors import InternalError
from aegis_kernel.domain.key import KeyId
from aegis_kernel.domain.secret import Secret
from aegis_kernel.spi.journal import DeleteMaterial, Entry, Journal, Query, ReplaceMaterial
from aegis_kernel.spi.root_of_trust import Material
from aegis_kernel.testing.journal_entries import change, put, record, replace, use, verdicts

_NOT_UTF8 = b"\x00\xff\xfe\x80 \x1f\n"


class StreamLaws:
    """Events and snapshots."""

    async def test_a_stream_without_events_does_not_exist(self, journal: Journal) -> None:
        assert await journal.load("key/a") is None
        assert list(await journal.history("key/a")) == []

    async def test_an_append_shows_in_load_and_history(self, journal: Journal) -> None:
        await journal.commit([change("key/a", 0, b"one", b"two")])
        await journal.commit([change("key/a", 2, b"three")])
        stored = await journal.load("key/a")
        assert stored is not None
        assert (stored.stream, stored.sequence) == ("key/a", 3)
        assert stored.snapshot == b"snapshot after three"
        assert list(await journal.history("key/a")) == [b"one", b"two", b"three"]

    async def test_bytes_that_are_not_text_survive(self, journal: Journal) -> None:
        entry = change("key/a", 0, _NOT_UTF8, b"", material=(put("a", 1, _NOT_UTF8),))
        await journal.commit([entry])
        assert list(await journal.history("key/a")) == [_NOT_UTF8, b""]
        await journal.commit([change("key/a", 2, _NOT_UTF8)])
        stored = await journal.load("key/a")
        assert stored is not None
        assert stored.snapshot == b"snapshot after " + _NOT_UTF8
        (found,) = (await journal.find(Query(prefix="key/"))).items
        assert found.stored == stored
        material = await journal.material(KeyId("a"), 1)
        assert material == Material("test", Secret(_NOT_UTF8))

    @pytest.mark.parametrize(
        "name",
        ['principal/Zoë "O\'Neil" \\ {}', "principal/🙂", "principal/%_?*[a]", "principal/a,b"],
    )
    async def test_a_stream_may_be_named_as_people_are(self, journal: Journal, name: str) -> None:
        await journal.commit([change(name, 0)])
        use_it = Entry(expects={name: 1, "principal/other": 0}, records=(record(),))
        assert verdicts(await journal.commit([use_it])) == ["committed"]
        assert verdicts(await journal.commit([change(name, 0)])) == [name]
        stored = await journal.load(name)
        assert stored is not None
        assert stored.stream == name


class LedgerLaws:
    """Audit records: all of them, in order, as they were given."""

    async def test_the_ledger_is_contiguous_ordered_and_exact(self, journal: Journal) -> None:
        records = [record('Zoë, \\"quoted\\", \\n and 🙂'), *(record(str(n)) for n in range(9))]
        await journal.commit([use(*records[:4]), use(*records[4:6])])
        await journal.commit([change("key/a", 0, records=tuple(records[6:]))])
        stored = await journal.ledger(0, 100)
        assert [found.position for found in stored] == list(range(1, 11))
        assert [found.body for found in stored] == [given.body for given in records]
        assert await journal.head() == 10

    async def test_the_ledger_is_read_in_pieces(self, journal: Journal) -> None:
        await journal.commit([use(*(record(str(n)) for n in range(10)))])
        assert [found.position for found in await journal.ledger(3, 4)] == [4, 5, 6, 7]
        assert [found.position for found in await journal.ledger(8, 4)] == [9, 10]
        assert list(await journal.ledger(10, 4)) == []
        assert list(await journal.ledger(99, 4)) == []

    async def test_an_empty_ledger_has_head_zero(self, journal: Journal) -> None:
        assert await journal.head() == 0
        assert list(await journal.ledger(0, 10)) == []


class MaterialLaws:
    """Wrapped material: put once, deleted whole."""

    async def test_material_is_found_by_key_and_version(self, journal: Journal) -> None:
        await journal.commit(
            [
                Entry(expects={}, material=(put("a", 1, b"a1"), put("a", 2, b"a2"))),
                Entry(expects={}, material=(put("b", 1, b"b1"),)),
            ]
        )
        assert await journal.material(KeyId("a"), 2) == Material("test", Secret(b"a2"))
        assert await journal.material(KeyId("b"), 1) == Material("test", Secret(b"b1"))
        assert await journal.material(KeyId("b"), 2) is None

    async def test_deletion_takes_every_version_of_the_key_and_no_other(
        self, journal: Journal
    ) -> None:
        both = (put("a", 1), put("a", 2), put("b", 1))
        await journal.commit([Entry(expects={}, material=both)])
        await journal.commit([Entry(expects={}, material=(DeleteMaterial(KeyId("a")),))])
        assert await journal.material(KeyId("a"), 1) is None
        assert await journal.material(KeyId("a"), 2) is None
        assert await journal.material(KeyId("b"), 1) is not None

    async def test_changes_of_material_happen_in_the_order_given(self, journal: Journal) -> None:
        gone = DeleteMaterial(KeyId("a"))
        await journal.commit([Entry(expects={}, material=(put("a", 1, b"old"), gone))])
        assert await journal.material(KeyId("a"), 1) is None
        await journal.commit([Entry(expects={}, material=(put("a", 1, b"x"), gone, put("a", 1)))])
        assert await journal.material(KeyId("a"), 1) == put("a", 1).material

    async def test_material_is_never_put_over_material(self, journal: Journal) -> None:
        await journal.commit([Entry(expects={}, material=(put("a", 1, b"first"),))])
        good = change("key/a", 0, records=(record(),))
        bad = Entry(expects={}, material=(put("a", 1, b"second"),))
        with pytest.raises(InternalError):
            await journal.commit([good, bad])
        assert await journal.material(KeyId("a"), 1) == Material("test", Secret(b"first"))
        assert await journal.load("key/a") is None
        assert verdicts(await journal.commit([good])) == ["committed"]

    async def test_material_is_replaced_where_the_old_still_stands(self, journal: Journal) -> None:
        await journal.commit([Entry(expects={}, material=(put("a", 1, b"old"), put("a", 2, b"x")))])
        await journal.commit([Entry(expects={}, material=(replace("a", 1, b"old", b"new"),))])
        assert await journal.material(KeyId("a"), 1) == Material("test", Secret(b"new"))
        assert await journal.material(KeyId("a"), 2) == Material("test", Secret(b"x"))

    async def test_a_replacement_of_anything_else_does_nothing(self, journal: Journal) -> None:
        await journal.commit([Entry(expects={}, material=(put("a", 1, b"stands"),))])
        other_root = ReplaceMaterial(
            KeyId("a"),
            1,
            Material("another root", Secret(b"stands")),
            Material("test", Secret(b"new")),
        )
        entry = Entry(
            expects={}, material=(replace("a", 1, b"old", b"new"), other_root), records=(record(),)
        )
        assert verdicts(await journal.commit([entry])) == ["committed"]
        assert await journal.material(KeyId("a"), 1) == Material("test", Secret(b"stands"))
        assert await journal.head() == 1

    async def test_a_replacement_never_brings_back_what_was_deleted(self, journal: Journal) -> None:
        await journal.commit([Entry(expects={}, material=(put("a", 1, b"old"),))])
        gone = DeleteMaterial(KeyId("a"))
        late = replace("a", 1, b"old", b"new")
        await journal.commit([Entry(expects={}, material=(gone, late))])
        await journal.commit([Entry(expects={}, material=(late,))])
        assert await journal.material(KeyId("a"), 1) is None

    async def test_replacements_happen_in_the_order_given(self, journal: Journal) -> None:
        await journal.commit([Entry(expects={}, material=(put("a", 1, b"1"),))])
        steps = (replace("a", 1, b"1", b"2"), replace("a", 1, b"2", b"3"))
        await journal.commit([Entry(expects={}, material=steps)])
        await journal.commit([Entry(expects={}, material=steps)])
        assert await journal.material(KeyId("a"), 1) == Material("test", Secret(b"3"))

    async def test_material_is_listed_in_pages_in_order(self, journal: Journal) -> None:
        assert list(await journal.material_page(None, 10)) == []
        puts = [put(key, version) for key in ("b", "a", "c") for version in (10, 2, 1)]
        await journal.commit([Entry(expects={}, material=tuple(puts))])
        everything = await journal.material_page(None, 100)
        places = [(row.key_id, row.version) for row in everything]
        assert places == sorted((change.key_id, change.version) for change in puts)
        assert everything[0].material == puts[0].material
        walked: list[tuple[KeyId, int]] = []
        while page := await journal.material_page(walked[-1] if walked else None, 2):
            assert len(page) <= 2
            walked += [(row.key_id, row.version) for row in page]
        assert walked == places
        many = tuple(put("d", version) for version in range(1, 602))
        await journal.commit([Entry(expects={}, material=many)])
        assert len(await journal.material_page(None, 1000)) == 500
