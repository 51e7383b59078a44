"""How fast it is, for whoever reads the output (`pytest -s`); nothing is asserted of the machine."""

from __future__ import annotations

import time

import pytest

from aegis_kernel import Committed, Entry, Record
from aegis_kernel.testing.journal_entries import change

_SECONDS = 0.3


@pytest.mark.parametrize("size", [1, 32, 64])
async def test_entries_a_second(journal, size, record_property):
    await journal.commit([change(f"key/{n}", 0) for n in range(200)])
    body = b'{"op":"Encrypt"' + b" " * 234 + b"}"
    batch = [Entry(expects={f"key/{n}": 1}, records=(Record("", body),)) for n in range(size)]
    committed, begin, begin_cpu = 0, time.perf_counter(), time.process_time()
    while time.perf_counter() - begin < _SECONDS:
        assert await journal.commit(batch) == [Committed()] * size
        committed += size
    seconds, cpu = time.perf_counter() - begin, time.process_time() - begin_cpu
    assert await journal.head() == committed
    text = f"{committed / seconds:,.0f} entries/s, {cpu / committed * 1e6:.1f} µs of CPU an entry"
    record_property(f"batches of {size}", text)
    print(f"batches of {size}: {text}")
