"""Every cell of docs/algorithms.md over REST, outside dev mode; the dashes are refused."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from typing import Any

import httpx
import msgspec
import pytest
import pytest_asyncio
from aegis_auth_hmac import JwtIssuer
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256, SHA384, SHA512
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    PublicFormat,
    load_pem_public_key,
)

from aegis_kernel.domain.lifecycle import PROTECT, USAGES, Operation
from aegis_kernel.domain.spec import KeySpec, SignatureAlgorithm
from aegis_kernel.engine.kernel import Kernel
from aegis_kernel.rest.app import build_app
from tests.architecture.source import ROOT
from tests.support.exchanges import (
    CONTEXT,
    CURVES,
    EXCHANGES,
    MESSAGE,
    Exchange,
    encoded,
    flipped,
    form,
    lone_body,
    path,
)
from tests.support.kernel import settings
from tools.algorithms import COLUMNS, Cell, cells, page, specs

SECRET = "3f1e8a-a-secret-of-more-than-32-bytes-0c7b"
STRICT = {"AEGIS_AUTH_KIND": "hmac", "AEGIS_AUTH_HMAC_SECRET": SECRET}
CELLS = list(cells(dev_mode=False))
SPECS = list(specs())
# What a body names where the key has no algorithm of its own for the operation.
ANY: Mapping[Operation, str] = {
    Operation.SIGN: "EcdsaSha256",
    Operation.VERIFY: "EcdsaSha256",
    Operation.MAC: "HmacSha256",
    Operation.VERIFY_MAC: "HmacSha256",
    Operation.DERIVE: "EcdhHkdfSha256",
}

every_spec = pytest.mark.parametrize("spec", SPECS, ids=lambda spec: spec.name)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def strict(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[httpx.AsyncClient]:
    """A client of a server that is not in dev mode."""
    async with Kernel(settings(tmp_path_factory.mktemp("strict"), **STRICT)) as kernel:
        token = JwtIssuer.hmac(SECRET).issue("alice", ["admins"], 3600)
        async with httpx.AsyncClient(
            transport=httpx.ASGITransport(build_app(kernel)),
            base_url="http://aegis",
            headers={"Authorization": f"Bearer {token}"},
        ) as client:
            yield client


class Keys:
    """Two keys of each spec, made when they are needed first, and kept Active."""

    def __init__(self, client: httpx.AsyncClient) -> None:
        self._client = client
        self._made: dict[KeySpec, list[str]] = {}

    async def pair(self, spec: KeySpec) -> list[str]:
        if spec not in self._made:
            self._made[spec] = [await active(self._client, spec) for _ in range(2)]
        return self._made[spec]


@pytest.fixture(scope="module")
def keys(strict: httpx.AsyncClient) -> Keys:
    return Keys(strict)


async def active(client: httpx.AsyncClient, spec: KeySpec) -> str:
    key_id = await created(client, spec)
    assert (await client.post(f"/v1/keys/{key_id}/activate")).status_code == 200
    return key_id


async def created(client: httpx.AsyncClient, spec: KeySpec) -> str:
    named = {
        "name": spec.name,
        "algorithm": spec.algorithm,
        "sizeBits": spec.size_bits,
        "curve": spec.curve,
        "parameterSet": spec.parameter_set,
        "usages": sorted(spec.usages) if spec.usages else None,
    }
    body = {"spec": {name: value for name, value in named.items() if value is not None}}
    response = await client.post("/v1/keys", json=body)
    assert response.status_code == 201, response.text
    key_id: str = response.json()["id"]
    return key_id


async def ask(client: httpx.AsyncClient, key_id: str, operation: Operation, body: Any) -> Any:
    return await client.post(f"/v1/keys/{key_id}/{path(operation)}", json=body)


async def test_the_page_is_what_the_code_says() -> None:
    assert (ROOT / "docs" / "algorithms.md").read_text(encoding="utf-8") == page(), (
        "run `make docs`"
    )


async def test_every_operation_that_computes_with_a_key_is_in_the_page_and_walked() -> None:
    assert sorted(op for column in COLUMNS.values() for op in column) == sorted(USAGES)
    assert len(CELLS) == len(SPECS) * len(USAGES)
    in_pairs = {op for each in EXCHANGES for op in (each.protect, each.process)}
    assert set(USAGES) - in_pairs == {Operation.DERIVE, Operation.REENCRYPT}
    assert {cell.operation for cell in CELLS if cell.algorithms} == set(USAGES)


@every_spec
async def test_a_cell_makes_a_round_trip_and_refuses_damage_and_other_keys(
    strict: httpx.AsyncClient, keys: Keys, spec: KeySpec
) -> None:
    mine, other = await keys.pair(spec)
    for exchange in EXCHANGES:
        for algorithm in able(spec, exchange.protect):
            asked = exchange.asks(spec, algorithm)
            answered = await ask(strict, mine, exchange.protect, asked)
            assert answered.status_code == 200, (exchange.protect, answered.text)
            assert answered.json()["algorithm"] == algorithm
            body = exchange.returns(asked, answered.json())
            processed = await ask(strict, mine, exchange.process, body)
            assert processed.status_code == 200, (exchange.process, processed.text)
            assert exchange.is_right(asked, answered.json(), processed.json())
            damaged = body | {exchange.damaged: flipped(body[exchange.damaged])}
            for key_id, sent in ((mine, damaged), (other, body)):
                refused = await ask(strict, key_id, exchange.process, sent)
                assert _is_refused(exchange, asked, answered.json(), refused), refused.text


@every_spec
async def test_a_dash_is_refused(strict: httpx.AsyncClient, keys: Keys, spec: KeySpec) -> None:
    mine, other = await keys.pair(spec)
    for operation in USAGES:
        for algorithm in unable(spec, operation):
            body = lone_body(operation, spec, algorithm, other)
            refused = await ask(strict, mine, operation, body)
            by_usages = spec.usages is not None
            assert refused.status_code == (409 if by_usages else 400), (operation, refused.text)
            codes = {"IllegalOperation"} if by_usages else {"BadRequest"}
            # A key that has no ciphertexts of its own cannot be asked about one in good form.
            codes |= {"DecryptionFailed"} if operation is Operation.REENCRYPT else set()
            assert refused.json()["error"] in codes, operation


@every_spec
async def test_no_cell_works_in_a_wrong_state(strict: httpx.AsyncClient, spec: KeySpec) -> None:
    if spec.size_bits in (3072, 4096):
        spec = msgspec.structs.replace(spec, size_bits=2048)  # the law does not know sizes
    key_id = await created(strict, spec)
    operations = [op for op in USAGES if able(spec, op)]
    await _all_refused(strict, key_id, spec, operations)
    for step, refused in (
        ("deactivate", [op for op in operations if op in PROTECT]),
        ("compromise", operations),
    ):
        if step == "deactivate":
            assert (await strict.post(f"/v1/keys/{key_id}/activate")).status_code == 200
        moved = await strict.post(f"/v1/keys/{key_id}/{step}", json={"reason": "a test"})
        assert moved.status_code == 200, moved.text
        await _all_refused(strict, key_id, spec, refused)


@every_spec
async def test_a_deactivated_key_still_processes(strict: httpx.AsyncClient, spec: KeySpec) -> None:
    if spec.size_bits in (3072, 4096):
        spec = msgspec.structs.replace(spec, size_bits=2048)
    key_id = await active(strict, spec)
    sent = []
    for exchange in EXCHANGES:
        for algorithm in able(spec, exchange.protect):
            asked = exchange.asks(spec, algorithm)
            answered = await ask(strict, key_id, exchange.protect, asked)
            sent.append((exchange.process, exchange.returns(asked, answered.json())))
    await strict.post(f"/v1/keys/{key_id}/deactivate")
    for operation, body in sent:
        assert (await ask(strict, key_id, operation, body)).status_code == 200, operation


async def test_reencryption_goes_from_every_key_that_encrypts_to_every_other(
    strict: httpx.AsyncClient, keys: Keys
) -> None:
    sources = [c.spec for c in CELLS if c.operation is Operation.REENCRYPT and c.algorithms]
    assert len(sources) == 11
    for source in sources:
        mine, other = await keys.pair(source)
        made = (await ask(strict, mine, Operation.ENCRYPT, plain(source))).json()
        body = {"ciphertextBase64": made["ciphertextBase64"]} | form(source)
        for destination in sources:
            to = (await keys.pair(destination))[1]
            context = {"destinationContext": CONTEXT} if destination.binds_context else {}
            sent = body | context | {"destinationKeyId": to}
            moved = await ask(strict, mine, Operation.REENCRYPT, sent)
            assert moved.status_code == 200, moved.text
            again = {"ciphertextBase64": moved.json()["ciphertextBase64"]} | form(destination)
            opened = await ask(strict, to, Operation.DECRYPT, again)
            assert opened.json()["plaintextBase64"] == plain(source)["plaintextBase64"]
        damaged = sent | {"ciphertextBase64": flipped(made["ciphertextBase64"])}
        for key_id, bad in ((other, sent), (mine, damaged)):
            refused = await ask(strict, key_id, Operation.REENCRYPT, bad)
            assert (refused.status_code, refused.json()["error"]) == (400, "DecryptionFailed")


async def test_every_key_that_derives_agrees_with_the_library_alone(
    strict: httpx.AsyncClient, keys: Keys
) -> None:
    deriving = [c for c in CELLS if c.operation is Operation.DERIVE and c.algorithms]
    assert len(deriving) == 4
    for cell in deriving:
        mine, other = await keys.pair(cell.spec)
        private = ec.generate_private_key(CURVES[cell.spec.curve or ""]())
        pem = private.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
        asked = {
            "publicKeyPem": pem.decode(),
            "algorithm": cell.algorithms[0],
            "sizeBits": 256,
            "infoBase64": encoded(b"invoices"),
        }
        secrets = {}
        for key_id in (mine, other):
            answered = await ask(strict, key_id, Operation.DERIVE, asked)
            assert answered.status_code == 200, answered.text
            secrets[key_id] = answered.json()["secretBase64"]
            shown = (await strict.get(f"/v1/keys/{key_id}/public-key")).json()["publicKeyPem"]
            expected = derived(cell.algorithms[0], private, shown, key_id)
            assert secrets[key_id] == encoded(expected)
        assert secrets[mine] != secrets[other]
        elsewhere = ec.generate_private_key(
            CURVES["P-384" if cell.spec.curve != "P-384" else "P-256"]()
        )
        spki = elsewhere.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
        refused = await ask(strict, mine, Operation.DERIVE, asked | {"publicKeyPem": spki.decode()})
        assert (refused.status_code, refused.json()["error"]) == (400, "BadRequest")


def derived(algorithm: str, private: Any, own_pem: str, key_id: str) -> bytes:
    """What docs/operations.md tells the other side to compute, for 256 bits."""
    own = load_pem_public_key(own_pem.encode())
    assert isinstance(own, ec.EllipticCurvePublicKey)
    der = (Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    parts = (
        algorithm.encode(),
        key_id.encode(),
        own.public_bytes(*der),
        private.public_key().public_bytes(*der),
        b"invoices",
    )
    info = b"aegis-ecdh-v1\x00" + b"".join(len(x).to_bytes(4, "big") + x for x in parts)
    info += (256).to_bytes(4, "big")
    hashing = {"256": SHA256(), "384": SHA384(), "512": SHA512()}[algorithm[-3:]]
    return HKDF(hashing, 32, None, info).derive(private.exchange(ec.ECDH(), own))


def plain(spec: KeySpec) -> dict[str, Any]:
    """Return a request to encrypt a little."""
    return {"plaintextBase64": encoded(MESSAGE)} | form(spec)


def able(spec: KeySpec, operation: Operation) -> tuple[str, ...]:
    """Return the algorithms of the cell."""
    return _cell(spec, operation).algorithms


def unable(spec: KeySpec, operation: Operation) -> tuple[str, ...]:
    """Return the algorithms that the cell does not have, of those that a request can name."""
    algorithms = able(spec, operation)
    if operation in (Operation.SIGN, Operation.VERIFY):
        return tuple(a for a in SignatureAlgorithm if a not in algorithms)
    return () if algorithms else (ANY.get(operation, ""),)


def _cell(spec: KeySpec, operation: Operation) -> Cell:
    return next(c for c in CELLS if _same(c.spec, spec) and c.operation is operation)


def _same(one: KeySpec, other: KeySpec) -> bool:
    return msgspec.structs.replace(one, name="x") == msgspec.structs.replace(other, name="x")


def _is_refused(exchange: Exchange, asked: Any, answered: Any, refused: Any) -> bool:
    """A verdict is false, a shared secret is another, and everything else is a refusal."""
    if refused.status_code == 200:
        verdict = refused.json()
        says = "valid" in verdict or "sharedSecretBase64" in verdict
        return says and not exchange.is_right(asked, answered, verdict)
    return (refused.status_code, refused.json()["error"]) == (400, "DecryptionFailed")


async def _all_refused(
    client: httpx.AsyncClient, key_id: str, spec: KeySpec, operations: list[Operation]
) -> None:
    for operation in operations:
        algorithm = able(spec, operation)[0]
        body = lone_body(operation, spec, algorithm, key_id)
        refused = await ask(client, key_id, operation, body)
        assert (refused.status_code, refused.json()["error"]) == (409, "IllegalOperation"), (
            operation,
            refused.text,
        )


async def test_dev_mode_adds_two_ways_to_sign_to_every_key_that_lacks_them(
    alice: httpx.AsyncClient,
) -> None:
    for plainly, more in zip(CELLS, cells(dev_mode=True), strict=True):
        added = [a for a in more.algorithms if a not in plainly.algorithms]
        if more.operation is not Operation.SIGN or more.spec.size_bits in (3072, 4096):
            continue
        key_id, exchange = await active(alice, more.spec), EXCHANGES[0]
        assert bool(added) is (more.spec.usages is None)
        for algorithm in added:
            asked = exchange.asks(more.spec, algorithm)
            signed = await ask(alice, key_id, Operation.SIGN, asked)
            assert signed.status_code == 200, signed.text
            body = exchange.returns(asked, signed.json())
            for sent, valid in (
                (body, True),
                (body | {"signatureBase64": flipped(body["signatureBase64"])}, False),
                (body | {"messageBase64": encoded(b"another")}, False),
            ):
                verified = await ask(alice, key_id, Operation.VERIFY, sent)
                assert verified.json()["valid"] is valid
