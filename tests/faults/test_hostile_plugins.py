"""R22, hostile plugins: each port keeps its rule, and the kernel serves on.

Who decides (authenticator, authorizer, root of trust, journal) fails closed; sinks are fed later;
telemetry is left out. The planted bug is the same call without its guard.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from aegis_kernel.domain.errors import (
    AegisError,
    BootError,
    InternalError,
    PermissionDeniedError,
    UnauthorizedError,
    UnavailableError,
)
from aegis_kernel.domain.secret import Secret
from aegis_kernel.domain.spec import Algorithm, KeySpec
from aegis_kernel.engine import acting, guards
from aegis_kernel.engine import operations as op
from aegis_kernel.engine.kernel import Kernel
from aegis_kernel.engine.operations import messages as m
from aegis_kernel.spi.authenticator import Authenticated
from tests.support.kernel import ALICE, active_key, settings

HANG = 60.0
AES: dict[str, Any] = {"algorithm": Algorithm.AES, "size_bits": 256}
SPEC = KeySpec(name="hostile", **AES)


async def hang(*arguments: Any, **options: Any) -> Any:
    await asyncio.sleep(HANG)


def raising(error: BaseException) -> Callable[..., Any]:
    def call(*arguments: Any, **options: Any) -> Any:
        raise error

    return call


def giving(answer: Any) -> Callable[..., Any]:
    async def call(*arguments: Any, **options: Any) -> Any:
        return answer

    return call


@asynccontextmanager
async def served(
    tmp_path: Path, spoil: Callable[[Any], None], **environment: str
) -> AsyncIterator[Kernel]:
    """A kernel whose providers are spoilt before anything has looked at them."""

    class Spoilt(Kernel):
        def _compose(self, providers: Any) -> None:
            spoil(providers)
            super()._compose(providers)

    async with Spoilt(settings(tmp_path, **environment)) as kernel:
        yield kernel


def metric(kernel: Kernel, name: str) -> float:
    page = kernel.expose_metrics("")
    assert page is not None
    lines = page.body.decode().splitlines()
    return sum(float(line.rsplit(" ", 1)[1]) for line in lines if line.startswith(name))


DENIED: list[tuple[str, Any]] = [
    ("raises", raising(ValueError("broken"))),
    ("exits", raising(SystemExit(3))),
    ("None", lambda *a: None),
    ("truthy", lambda *a: "yes"),
    ("truthy field", lambda *a: guards.Decision(allowed="yes", reason="")),  # type: ignore[arg-type]
]


async def refused_by(tmp_path: Path, decide: Any, caplog: pytest.LogCaptureFixture) -> int:
    """Return how many of ten requests an authorizer of that kind lets through; each is audited."""

    def spoil(providers: Any) -> None:
        providers.authorizer.decide = decide

    through, reasons = 0, list[str | None]()
    async with served(tmp_path, spoil, AEGIS_TELEMETRY="prometheus") as kernel:
        for _ in range(10):
            try:
                await kernel.pipeline.run(op.CREATE, ALICE, m.CreateKey(spec=SPEC))
                through += 1
            except PermissionDeniedError as error:
                reasons.append(error.reason)
        assert set(reasons) <= {"the authorizer failed"}
        assert metric(kernel, "aegis_plugin_faults_total{") == 10 - through
        assert await kernel.providers.journal.head() >= 10
    assert sum("plugin authorizer basic failed" in line for line in caplog.messages) <= 1
    return through


@pytest.mark.parametrize(("name", "decide"), DENIED, ids=[row[0] for row in DENIED])
async def test_an_authorizer_that_does_not_decide_denies(
    name: str, decide: Any, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    assert await refused_by(tmp_path, decide, caplog) == 0


async def test_without_the_guard_the_truthy_authorizer_lets_everyone_through(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    bare = "aegis_kernel.engine.kernel.guarded_authorizer"
    monkeypatch.setattr(bare, lambda providers, faults: providers.authorizer)
    decide = DENIED[4][1]
    assert await refused_by(tmp_path, decide, caplog) == 10


@pytest.mark.parametrize(
    "authenticate",
    [
        raising(RuntimeError("broken")),
        raising(SystemExit(3)),
        giving("alice"),
        giving(Authenticated("alice", 1e12)),  # type: ignore[arg-type]
        giving(True),
        hang,
        raising(asyncio.CancelledError()),
    ],
    ids=["raises", "exits", "gives str", "gives str inside", "gives True", "hangs", "cancels"],
)
async def test_an_authenticator_that_names_nobody_lets_nobody_in(
    authenticate: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(guards, "AUTHENTICATE_SECONDS", 0.1)

    def spoil(providers: Any) -> None:
        providers.authenticators["dev"].authenticate = authenticate

    async with served(tmp_path, spoil) as kernel:
        for _ in range(3):
            with pytest.raises((UnavailableError, UnauthorizedError)):
                await kernel.authentication.authenticate([(b"x-aegis-user", b"alice")])


@pytest.mark.parametrize(
    ("method", "spoilt", "refusal"),
    [
        ("encrypt", hang, UnavailableError),
        ("encrypt", raising(SystemExit(3)), InternalError),
        ("encrypt", giving("text"), InternalError),
        ("encrypt", giving(None), InternalError),
        ("encrypt", giving(bytes(100 * 1024 * 1024)), InternalError),
        ("encrypt", raising(ValueError("broken")), InternalError),
    ],
    ids=["hangs", "exits", "gives text", "gives None", "gives 100 MiB", "raises"],
)
async def test_a_root_of_trust_that_does_not_answer_is_a_refusal_on_record(
    method: str,
    spoilt: Any,
    refusal: type[AegisError],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def spoil(providers: Any) -> None:
        root = providers.roots["inmemory"]
        whole = root.open_key

        async def open_key(*arguments: Any) -> Any:
            key = await whole(*arguments)
            setattr(key, method, spoilt)
            return key

        root.open_key = open_key

    async with served(tmp_path, spoil) as kernel:
        key_id = await active_key(kernel, **AES)
        head, began = await kernel.providers.journal.head(), time.monotonic()
        request = m.Encrypt(plaintext=Secret(b"hello"))
        # Only here: a key is made in dev mode with companions, which takes its time.
        quick = acting.Stage(kernel.pipeline._bench, kernel._faults, 0.2)
        monkeypatch.setattr(kernel.pipeline, "_stage", quick)
        with pytest.raises(refusal):
            await kernel.pipeline.run(op.ENCRYPT, ALICE, request, key_id)
        assert time.monotonic() - began < HANG / 2
        assert await kernel.providers.journal.head() == head + 1
        monkeypatch.undo()
        await active_key(kernel, **AES)


@pytest.mark.parametrize(
    "commit",
    [giving([]), giving(["yes"]), giving(None), raising(SystemExit(3)), raising(OSError("gone"))],
    ids=["too few", "wrong type", "None", "exits", "raises"],
)
async def test_a_journal_without_verdicts_releases_nothing(commit: Any, tmp_path: Path) -> None:
    async with served(tmp_path, lambda providers: None) as kernel:
        journal = kernel.providers.journal
        whole = journal.commit
        journal.commit = commit  # type: ignore[method-assign]
        for _ in range(2):
            async with asyncio.timeout(30):
                with pytest.raises(AegisError):
                    await active_key(kernel, **AES)
        journal.commit = whole  # type: ignore[method-assign]
        await active_key(kernel, **AES)


@pytest.mark.parametrize("error", [RuntimeError("broken"), SystemExit(3)], ids=["raises", "exits"])
async def test_telemetry_that_raises_harms_no_request(
    error: BaseException, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    def spoil(providers: Any) -> None:
        telemetry = providers.telemetries["otel"]
        for name in ("begin", "end", "committed", "sinks", "plugin_failed"):
            setattr(telemetry, name, raising(error))

    async with served(tmp_path, spoil, AEGIS_TELEMETRY="otel,prometheus") as kernel:
        await active_key(kernel, **AES)
        assert metric(kernel, "aegis_keys_op_total{") == 2
        assert metric(kernel, "aegis_plugin_faults_total{") >= 4
    assert sum("plugin telemetry" in line for line in caplog.messages) == 1


@pytest.mark.parametrize(
    "deliver",
    [raising(SystemExit(3)), raising(asyncio.CancelledError()), lambda records: None],
    ids=["exits", "cancels itself", "is not async"],
)
async def test_a_hostile_sink_is_fed_once_it_is_mended(deliver: Any, tmp_path: Path) -> None:
    got: list[Any] = []

    def spoil(providers: Any) -> None:
        providers.sinks["stdout"].deliver = deliver

    async with served(tmp_path, spoil, AEGIS_AUDIT_SINKS="stdout") as kernel:
        await active_key(kernel, **AES)
        await asyncio.sleep(0.2)

        async def take(records: Any) -> None:
            got.extend(records)

        kernel.providers.sinks["stdout"].deliver = take  # type: ignore[method-assign]
        async with asyncio.timeout(30):
            while len(got) < 2:
                await asyncio.sleep(0.02)
    assert [record.position for record in got] == list(range(1, len(got) + 1))


@pytest.mark.parametrize(
    ("opening", "words"),
    [(hang, "did not open within 1 s"), (raising(SystemExit(3)), "cannot be opened")],
    ids=["hangs", "exits"],
)
@pytest.mark.parametrize("port", ["journal", "authorizer", "root", "authenticator", "sink"])
async def test_what_does_not_open_stops_the_boot_by_name(
    port: str, opening: Any, words: str, tmp_path: Path
) -> None:
    def spoil(providers: Any) -> None:
        chosen = {
            "journal": providers.journal,
            "authorizer": providers.authorizer,
            "root": providers.roots["inmemory"],
            "authenticator": providers.authenticators["dev"],
            "sink": providers.sinks["stdout"],
        }
        chosen[port].open = opening

    began = time.monotonic()
    with pytest.raises(BootError, match=words):
        async with served(tmp_path, spoil, AEGIS_OPEN_SECONDS="1", AEGIS_AUDIT_SINKS="stdout"):
            pass
    assert time.monotonic() - began < HANG / 2
