"""The document is what the server does: made from the same table, and checked against answers."""

from __future__ import annotations

from typing import Any

import httpx
import msgspec
import pytest
import yaml
from openapi_spec_validator import validate

from aegis_kernel.domain.spec import Algorithm
from aegis_kernel.rest.codec import BodyDecoder
from aegis_kernel.rest.endpoints import ENDPOINTS, PAGES
from aegis_kernel.rest.openapi import build_document
from aegis_kernel.rest.schemas import Query

CONTRACT = {
    "POST /v1/keys": 201,
    "GET /v1/keys": 200,
    "GET /v1/keys/{id}": 200,
    "GET /v1/keys/{id}/public-key": 200,
    "DELETE /v1/keys/{id}": 202,
    "POST /v1/keys/{id}/import/token": 200,
    "POST /v1/keys/{id}/import": 200,
    "POST /v1/keys/{id}/activate": 200,
    "POST /v1/keys/{id}/deactivate": 200,
    "POST /v1/keys/{id}/disable": 200,
    "POST /v1/keys/{id}/enable": 200,
    "PATCH /v1/keys/{id}": 200,
    "GET /v1/keys/{id}/versions": 200,
    "POST /v1/keys/{id}/versions/{version}/compromise": 200,
    "POST /v1/keys/{id}/grants": 201,
    "GET /v1/keys/{id}/grants": 200,
    "POST /v1/keys/{id}/grants/{grantId}/retire": 200,
    "POST /v1/agents": 201,
    "GET /v1/agents": 200,
    "GET /v1/agents/{agentId}": 200,
    "POST /v1/agents/{agentId}/revoke": 200,
    "POST /v1/agents/revoke": 200,
    "GET /v1/aliases": 200,
    "PUT /v1/aliases/{name}": 200,
    "DELETE /v1/aliases/{name}": 200,
    "POST /v1/keys/{id}/compromise": 200,
    "POST /v1/keys/{id}/cancel-destruction": 200,
    "POST /v1/keys/{id}/rotate": 200,
    "POST /v1/keys/{id}/sign": 200,
    "POST /v1/keys/{id}/verify": 200,
    "POST /v1/keys/{id}/encrypt": 200,
    "POST /v1/keys/{id}/decrypt": 200,
    "POST /v1/keys/{id}/wrap": 200,
    "POST /v1/keys/{id}/unwrap": 200,
    "POST /v1/keys/{id}/generate-data-key": 200,
    "POST /v1/keys/{id}/generate-data-key/wrapped-only": 200,
    "POST /v1/keys/{id}/generate-data-key-pair": 200,
    "POST /v1/keys/{id}/generate-data-key-pair/wrapped-only": 200,
    "POST /v1/keys/{id}/reencrypt": 200,
    "POST /v1/keys/{id}/mac": 200,
    "POST /v1/keys/{id}/verify-mac": 200,
    "POST /v1/keys/{id}/derive": 200,
    "POST /v1/random": 200,
    "POST /v1/keys/{id}/encapsulate": 200,
    "POST /v1/keys/{id}/decapsulate": 200,
    **{
        f"POST /v1/keys/{{id}}/{operation}/batch": 200
        for operation in [
            "sign",
            "verify",
            "encrypt",
            "decrypt",
            "wrap",
            "unwrap",
            "mac",
            "verify-mac",
        ]
    },
    "GET /v1/plugins": 200,
    "GET /healthz": 200,
    "GET /livez": 200,
    "GET /readyz": 200,
    "GET /metrics": 200,
    "GET /.well-known/jwks.json": 200,
}


@pytest.fixture(scope="module")
def document() -> dict[str, Any]:
    return build_document("0.1.1", ["inmemory"], dev_mode=True)


def operations(document: dict[str, Any]) -> dict[str, Any]:
    return {
        f"{method.upper()} {path}": operation
        for path, methods in document["paths"].items()
        for method, operation in methods.items()
    }


def test_the_document_is_openapi_3_1(document: dict[str, Any]) -> None:
    assert document["openapi"] == "3.1.0"
    validate(document)


def test_the_document_has_every_endpoint_of_the_contract(document: dict[str, Any]) -> None:
    found = {
        name: next(int(status) for status in operation["responses"] if status[0] == "2")
        for name, operation in operations(document).items()
    }
    assert found == CONTRACT


def test_every_status_that_can_occur_is_stated(document: dict[str, Any]) -> None:
    for name, operation in operations(document).items():
        statuses = set(operation["responses"])
        assert {"400", "413", "415", "500", "503"} <= statuses, name
        if name.split()[1].startswith("/v1/"):
            assert "401" in statuses, name
        if "{id}" in name:
            assert {"403", "404", "429"} <= statuses, name
        if "{id}" in name and not name.startswith("GET"):
            assert "409" in statuses, name


def test_every_error_has_the_one_shape_and_its_headers(document: dict[str, Any]) -> None:
    needed = {"401": "WWW-Authenticate", "429": "Retry-After", "503": "Retry-After"}
    for name, operation in operations(document).items():
        for status, response in operation["responses"].items():
            assert "X-Request-Id" in response["headers"], (name, status)
            if status[0] in "23" or (name, status) == ("GET /healthz", "503"):
                continue
            schema = response["content"]["application/json"]["schema"]
            assert schema == {"$ref": "#/components/schemas/ErrorBody"}, (name, status)
            assert needed.get(status, "X-Request-Id") in response["headers"], (name, status)


@pytest.mark.parametrize(("dev_mode", "scheme"), [(True, "devUser"), (False, "bearer")])
def test_the_way_to_authenticate_is_named_and_public_pages_need_none(
    dev_mode: bool, scheme: str
) -> None:
    document = build_document("0.1.1", ["inmemory"], dev_mode)
    assert document["security"] == [{scheme: []}]
    assert list(document["components"]["securitySchemes"]) == [scheme]
    public = {n for n, operation in operations(document).items() if operation.get("security") == []}
    assert public == {"GET /healthz", "GET /livez", "GET /readyz", "GET /metrics"} | {
        "GET /.well-known/jwks.json"
    }


def test_requests_are_strict_and_specs_are_told_apart_by_their_algorithm(
    document: dict[str, Any],
) -> None:
    schemas = document["components"]["schemas"]
    requests = [name for name in schemas if name.endswith(("Request", "Spec"))]
    assert len(requests) > 10
    assert all(schemas[name]["additionalProperties"] is False for name in requests)
    spec = schemas["CreateKeyRequest"]["properties"]["spec"]
    assert set(spec["discriminator"]["mapping"]) == set(Algorithm)
    plaintext = schemas["EncryptRequest"]["properties"]["plaintextBase64"]
    assert plaintext["contentEncoding"] == "base64"


@pytest.mark.parametrize("endpoint", ENDPOINTS, ids=lambda e: f"{e.method} {e.path}")
def test_every_example_is_one_that_the_codec_takes(endpoint: Any, document: dict[str, Any]) -> None:
    operation = document["paths"][endpoint.path][endpoint.method.lower()]
    taken, given = endpoint.example
    answer = operation["responses"][str(endpoint.status)]["content"]["application/json"]
    assert msgspec.json.decode(msgspec.json.encode(answer["example"]), type=endpoint.gives) == given
    if issubclass(endpoint.takes, Query):
        assert "requestBody" not in operation
        return
    example = operation["requestBody"]["content"]["application/json"]["example"]
    assert BodyDecoder(endpoint.takes).decode(msgspec.json.encode(example)) == taken


def test_a_body_is_required_where_a_field_of_it_is(document: dict[str, Any]) -> None:
    required = {
        name: operation["requestBody"]["required"]
        for name, operation in operations(document).items()
        if "requestBody" in operation
    }
    optional = {name.removeprefix("POST /v1/keys/{id}/") for name in required if not required[name]}
    assert optional == {
        "activate", "deactivate", "disable", "enable", "cancel-destruction", "rotate",
        "encapsulate", "import", "PATCH /v1/keys/{id}", "POST /v1/agents/{agentId}/revoke",
        "grants/{grantId}/retire",
    }  # fmt: skip


def test_the_parameters_of_a_list_are_stated(document: dict[str, Any]) -> None:
    parameters = document["paths"]["/v1/keys"]["get"]["parameters"]
    assert [p["name"] for p in parameters] == [
        "state", "name", "algorithm", "tag", "limit", "cursor",
    ]  # fmt: skip
    assert not any(parameter["required"] for parameter in parameters)
    limit = parameters[4]["schema"]
    assert (limit["minimum"], limit["maximum"]) == (1, 500)


def test_the_settings_narrow_the_document() -> None:
    document = build_document("0.1.1", ["aws", "inmemory"], dev_mode=False)
    parameters = document["paths"]["/v1/keys/{id}"]["delete"]["parameters"]
    assert parameters[1]["schema"]["minimum"] == 7
    schemas = document["components"]["schemas"]
    roots = schemas["CreateKeyRequest"]["properties"]["rootOfTrust"]["enum"]
    assert roots == ["aws", "inmemory"]
    validate(document)


async def test_both_spellings_say_the_same(stranger: httpx.AsyncClient) -> None:
    as_json = await stranger.get("/docs/docs.json")
    as_yaml = await stranger.get("/docs/docs.yaml")
    assert as_json.headers["content-type"] == "application/json"
    assert as_yaml.headers["content-type"] == "application/yaml"
    assert yaml.safe_load(as_yaml.text) == as_json.json()
    assert len(operations(as_json.json())) == len(ENDPOINTS) + len(PAGES)
