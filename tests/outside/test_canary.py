"""Known secrets go through everything that the server does, and are looked for wherever it leaves a trace."""

from __future__ import annotations

import base64
import json
import secrets
from collections.abc import Iterator, Mapping
from typing import Any

import httpx
import msgspec
import pytest

from tests.outside.canary import leaks, spellings
from tests.outside.collector import Collector, collecting
from tests.outside.secured import SECRET, bearer, secured
from tests.outside.walk import Step, Walk
from tests.support.server import Server

# What answers hold that is secret, and made by the server.
MADE = frozenset({"plaintextBase64", "secretBase64", "randomBase64", "token"})
CONTEXT = "context-canary-" + secrets.token_hex(8)
REFUSED_CONTEXT = "context-refused-" + secrets.token_hex(8)


class Flight(msgspec.Struct, frozen=True):
    """A server that everything was asked of, twice; and all secrets that are known of it."""

    server: Server
    collector: Collector
    carried_out: list[Step]
    refused: list[Step]
    sent: Mapping[str, bytes]
    sent_in_vain: Mapping[str, bytes]
    credentials: Mapping[str, bytes]
    metrics: bytes

    @property
    def everything(self) -> dict[str, bytes]:
        made = {
            f"{step.operation} made {name}": value
            for step in self.carried_out
            for name, value in made_by(step.answer)
        }
        return {**self.sent, **self.sent_in_vain, **self.credentials, **made}


@pytest.fixture(scope="module")
def flight(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Flight]:
    payload, vain = secrets.token_bytes(32), secrets.token_bytes(32)
    alice, forged = bearer()["Authorization"], bearer("mallory")["Authorization"][:-12]
    forged += secrets.token_hex(6)
    data = tmp_path_factory.mktemp("flight") / "data"
    with collecting() as collector:
        environment = collector.environment()
        collector_key = secrets.token_urlsafe(24)
        environment["OTEL_EXPORTER_OTLP_HEADERS"] = f"x-collector-key={collector_key}"
        with secured(data, **environment) as server:
            with httpx.Client(base_url=server.url, headers={"Authorization": alice}) as http:
                walk, refusals = Walk(http, payload, CONTEXT), Walk(http, vain, REFUSED_CONTEXT)
                walk.everything()
                refusals.refusals()
                strange = {"Authorization": forged}
                assert http.get("/v1/keys", headers=strange).status_code == 401
                metrics = http.get("/metrics").content
            collector.wait(lambda spans: len(spans) > 50)
            yield Flight(
                server=server,
                collector=collector,
                carried_out=walk.steps,
                refused=refusals.steps,
                sent={"the payload": payload, "the context": CONTEXT.encode()},
                sent_in_vain={"the vain payload": vain, "its context": REFUSED_CONTEXT.encode()},
                credentials={
                    "the secret": SECRET.encode(),
                    "the token": signature(alice),
                    "the forged token": signature(forged),
                    "the collector's key": collector_key.encode(),
                    "the master key": base64.b64decode((data / "master.key").read_bytes()),
                },
                metrics=metrics,
            )


def signature(authorization: str) -> bytes:
    return authorization.rpartition(".")[2].encode()


def made_by(answer: httpx.Response) -> Iterator[tuple[str, bytes]]:
    """Yield what the server gave away on purpose."""
    told = answer.json() if answer.headers.get("content-type") == "application/json" else {}
    for name in MADE & told.keys():
        yield name, signature(told[name]) if name == "token" else base64.b64decode(told[name])


def without_gifts(answer: httpx.Response) -> bytes:
    """Return head and body, less what the answer is there to give."""
    body = answer.content
    if answer.headers.get("content-type") == "application/json":
        body = json.dumps(_stripped(answer.json())).encode()
    return b"".join(b"%b: %b\n" % header for header in answer.headers.raw) + body


def _stripped(told: Any) -> Any:
    if isinstance(told, dict):
        return {name: _stripped(held) for name, held in told.items() if name not in MADE}
    return [_stripped(held) for held in told] if isinstance(told, list) else told


def test_the_search_finds_every_spelling() -> None:
    canary = secrets.token_bytes(32)
    for how, spelled in spellings(canary):
        assert leaks(b"before" + spelled + b"after", {"it": canary}), how
    for offset in range(3):
        around = base64.b64encode(b"x" * offset + canary + b"y" * offset)
        assert leaks(around, {"it": canary}), offset
    assert not leaks(secrets.token_bytes(10_000), {"it": canary})


def test_there_is_much_to_look_for(flight: Flight) -> None:
    assert len(flight.everything) >= 15
    assert all(len(spelled) >= 12 for spelled in flight.everything.values())


def test_no_secret_is_in_the_log(flight: Flight) -> None:
    assert "Boot complete" in flight.server.log
    assert leaks(flight.server.stderr.read_bytes(), flight.everything) == []


def test_no_secret_is_in_the_metrics(flight: Flight) -> None:
    assert b"aegis_keys_op_total" in flight.metrics
    assert leaks(flight.metrics, flight.everything) == []


def test_no_secret_is_in_the_traces(flight: Flight) -> None:
    sent = b"\n".join(flight.collector.bodies)
    assert b"kms.Encrypt" in sent
    assert leaks(sent, flight.everything) == []


def test_no_secret_is_in_an_answer_that_is_not_there_to_give_it(flight: Flight) -> None:
    for step in flight.carried_out:
        assert leaks(without_gifts(step.answer), flight.everything) == [], step.operation
    others = {**flight.sent, **flight.credentials}
    for step in flight.refused:
        assert leaks(without_gifts(step.answer), others) == [], step.operation


def test_no_secret_is_in_the_data_directory(flight: Flight) -> None:
    files = [file for file in flight.server.data_dir.rglob("*") if file.is_file()]
    assert {"aegis.db", "aegis.db-wal", "master.key"} <= {file.name for file in files}
    for file in files:
        wanted = dict(flight.everything)
        if file.name == "master.key":
            del wanted["the master key"]
        assert leaks(file.read_bytes(), wanted) == [], file.name


def test_no_secret_is_in_the_audit_records_nor_left_by_the_end(flight: Flight) -> None:
    assert flight.server.terminate() == 0
    audited = flight.server.stdout.read_bytes()
    assert audited.count(b"\n") > 50
    assert leaks(audited, flight.everything) == []
    assert leaks(flight.server.stderr.read_bytes(), flight.everything) == []
    database = (flight.server.data_dir / "aegis.db").read_bytes()
    assert leaks(database, flight.everything) == []
